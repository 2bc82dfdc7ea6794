kubectl apply -f - <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: scripted}
spec:
  signerName: example.com/ours
  usages: [client auth]
  request: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWU1IOENBUUF3SFRFTk1Bc0dBMVVFQ2d3RWMyOXRaVEVNTUFvR0ExVUVBd3dEWVc1dU1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUV5Vm1RS1MvVUdYL0NBNlpjQ3ovaWVmVXk1R01OMVUrcGxmOWlkTUFMCjVUVU1ZN1FFY2RsY25kcGlkaTNnK1ptLzJScXI0ZGd2UEp5WVkwdGR0VnNBSDZBQU1Bb0dDQ3FHU000OUJBTUMKQTBrQU1FWUNJUURqV1hLbHp0clg0eHVsMUJlRWhtd2FJSEpOZVZIRDFyMnVld1Q2ekRTZDBRSWhBS2lHMXhJbApuelhEVnpTQWZLNmU4WDFrU3VFbUJody8rQ2I3Z203VHdYcmwKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==
END
kubectl get csr scripted
kubectl describe csr scripted
kubectl certificate approve scripted
kubectl certificate approve scripted
kubectl get csr scripted -o jsonpath='{.status.conditions[*].type} {.status.conditions[*].reason} {.status.conditions[*].message}'
kubectl certificate deny scripted
kubectl certificate approve none
kubectl get csr
kubectl get csr -o wide
kubectl describe csr scripted
kubectl delete csr scripted
kubectl apply -f - <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: scripted-2}
spec: {signerName: example.com/ours, usages: [client auth], request: bm9uc2Vuc2U=}
END
kubectl create -f - <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: scripted-3}
spec: {signerName: example.com/ours, usages: [nonsense, client auth, client auth], expirationSeconds: 5, request: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWU1IOENBUUF3SFRFTk1Bc0dBMVVFQ2d3RWMyOXRaVEVNTUFvR0ExVUVBd3dEWVc1dU1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUV5Vm1RS1MvVUdYL0NBNlpjQ3ovaWVmVXk1R01OMVUrcGxmOWlkTUFMCjVUVU1ZN1FFY2RsY25kcGlkaTNnK1ptLzJScXI0ZGd2UEp5WVkwdGR0VnNBSDZBQU1Bb0dDQ3FHU000OUJBTUMKQTBrQU1FWUNJUURqV1hLbHp0clg0eHVsMUJlRWhtd2FJSEpOZVZIRDFyMnVld1Q2ekRTZDBRSWhBS2lHMXhJbApuelhEVnpTQWZLNmU4WDFrU3VFbUJody8rQ2I3Z203VHdYcmwKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==}
END
