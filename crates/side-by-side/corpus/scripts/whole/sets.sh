kubectl apply -f - <<END
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIP: None, selector: {app: s}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  serviceName: s
  replicas: 2
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: process, command: [sleep, "100000"]}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec:
  selector: {matchLabels: {app: ds}}
  template:
    metadata: {labels: {app: ds}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: process, command: [sleep, "100000"]}]}
END
kubectl rollout status sts s --timeout=50s | tail -1
kubectl rollout status ds ds --timeout=50s | tail -1
kubectl get sts,ds -o wide
kubectl get pods -l app=s
kubectl describe sts s
kubectl describe ds ds
kubectl describe pod s-0
kubectl set env sts/s A=b
kubectl rollout status sts s --timeout=50s | tail -1
kubectl rollout history sts s
kubectl rollout undo sts s
kubectl rollout status sts s --timeout=50s | tail -1
kubectl set env ds/ds A=b
kubectl rollout status ds ds --timeout=50s | tail -1
kubectl rollout history ds ds
kubectl rollout undo ds ds --to-revision=1
kubectl rollout status ds ds --timeout=50s | tail -1
kubectl rollout restart sts/s ds/ds
kubectl rollout status sts s --timeout=50s | tail -1
kubectl rollout pause ds ds
kubectl get controllerrevisions -l app=s -o custom-columns=R:.revision --sort-by=.revision
kubectl scale sts s --replicas=1
kubectl wait --for=delete pod/s-1 --timeout=30s
kubectl get sts s -o yaml
kubectl get ds ds -o yaml
kubectl delete sts s --cascade=orphan
kubectl get pod s-0 -o jsonpath='{.metadata.ownerReferences} {.metadata.labels.statefulset\.kubernetes\.io/pod-name}'
kubectl delete pod s-0
kubectl create quota q --hard=pods=1,configmaps=3
kubectl wait --for=jsonpath='{.status.used.pods}'=1 quota/q --timeout=20s
kubectl get quota q
kubectl describe quota q
kubectl run over --image=process
kubectl delete ds ds
kubectl create pdb b --selector=app=none --min-available=1
kubectl wait --for=jsonpath='{.status.observedGeneration}'=1 pdb/b --timeout=20s
kubectl get pdb b
kubectl describe pdb b
kubectl create ns sets-other; kubectl create cm a -n sets-other --from-literal=a=b; kubectl delete ns sets-other; kubectl get ns sets-other
kubectl apply -f - <<END
apiVersion: v1
kind: PersistentVolume
metadata: {name: sets}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/none}, storageClassName: sets, persistentVolumeReclaimPolicy: Retain}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: sets}
END
kubectl wait --for=jsonpath='{.status.phase}'=Bound pvc/claim --timeout=40s
kubectl get pv sets
kubectl get pvc claim
kubectl describe pvc claim
kubectl describe pv sets
kubectl delete pvc claim
kubectl wait --for=jsonpath='{.status.phase}'=Released pv/sets --timeout=30s
kubectl delete pv sets
kubectl get sa default -o yaml
kubectl get cm kube-root-ca.crt -o jsonpath='{.metadata.annotations}'
