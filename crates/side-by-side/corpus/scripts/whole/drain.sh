# alone
kubectl get nodes
kubectl get nodes -o wide | awk '{print $1, $2, $3, $5, $7, $8, $9}'
kubectl get node worker -o jsonpath='{.metadata.labels}'
kubectl describe node worker | grep -v -i 'uuid\|machine id\|boot id\|hostname:\|internalip:\|edge.centaurus.io'
kubectl create deployment d --image=process -- sleep 100000
kubectl patch deployment d -p '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":0}}}}'
kubectl rollout status deployment d --timeout=40s | tail -1
kubectl drain worker --dry-run=server | sed 's/d-[^ ]*/d-X/'
kubectl run bare --image=process --overrides='{"spec":{"terminationGracePeriodSeconds":0}}' --command -- sleep 100000
kubectl wait --for=condition=Ready pod/bare --timeout=30s
kubectl drain worker 2>&1 | sed 's/pod-selector.*//' | sort
kubectl create pdb d --selector=app=d --min-available=1
kubectl wait --for=jsonpath='{.status.currentHealthy}'=1 pdb/d --timeout=20s
kubectl drain worker --force --ignore-daemonsets --delete-emptydir-data --pod-selector=app=d --timeout=4s 2>&1 | sort -u
kubectl delete pdb d
kubectl drain worker --force --ignore-daemonsets --delete-emptydir-data --timeout=40s 2>&1 | sort
kubectl get node worker
kubectl get pods --no-headers | awk '{print $2, $3}'
kubectl uncordon worker
kubectl rollout status deployment d --timeout=40s | tail -1
kubectl taint node worker a=b:NoSchedule
kubectl run no --image=process --overrides='{"spec":{"terminationGracePeriodSeconds":0}}' --command -- sleep 100000
kubectl wait --for=jsonpath='{.status.conditions[0].message}' pod/no --timeout=20s
kubectl get pod no -o jsonpath='{.status.conditions[0].message}'
kubectl taint node worker a:NoExecute
kubectl wait --for=delete pod -l app=d,none=x --timeout=1s
kubectl taint node worker a-
kubectl wait --for=condition=Ready pod/no --timeout=30s
kubectl delete deployment d
kubectl delete pod no
kubectl debug node/worker --image=process -- true
kubectl get pods -l app.kubernetes.io/managed-by=kubectl-debug -o jsonpath='{.items[*].spec.nodeName}'
kubectl delete pods --all --now | sed 's/-[^ ]*"/"/'
kubectl apply -f - <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: whole}
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  request: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWU1IOENBUUF3SFRFTk1Bc0dBMVVFQ2d3RWMyOXRaVEVNTUFvR0ExVUVBd3dEWVc1dU1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUV5Vm1RS1MvVUdYL0NBNlpjQ3ovaWVmVXk1R01OMVUrcGxmOWlkTUFMCjVUVU1ZN1FFY2RsY25kcGlkaTNnK1ptLzJScXI0ZGd2UEp5WVkwdGR0VnNBSDZBQU1Bb0dDQ3FHU000OUJBTUMKQTBrQU1FWUNJUURqV1hLbHp0clg0eHVsMUJlRWhtd2FJSEpOZVZIRDFyMnVld1Q2ekRTZDBRSWhBS2lHMXhJbApuelhEVnpTQWZLNmU4WDFrU3VFbUJody8rQ2I3Z203VHdYcmwKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==
END
kubectl certificate approve whole
kubectl wait --for=jsonpath='{.status.certificate}' csr/whole --timeout=20s
kubectl get csr whole
kubectl describe csr whole
kubectl delete csr whole
