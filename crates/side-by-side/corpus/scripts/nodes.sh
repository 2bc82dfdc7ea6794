kubectl create -f - <<END
apiVersion: v1
kind: Node
metadata: {name: scripted, labels: {a: b}}
END
kubectl cordon scripted
kubectl cordon scripted
kubectl uncordon scripted
kubectl taint node scripted k=v:NoSchedule
kubectl taint node scripted k=v:NoSchedule
kubectl taint node scripted k=w:NoSchedule --overwrite
kubectl taint node scripted k:NoSchedule-
kubectl taint node scripted k:NoSchedule-
kubectl taint node scripted k=v:Nonsense
kubectl get node scripted
kubectl get node scripted -o wide
kubectl get node scripted --show-labels
kubectl run p --image=i --overrides='{"spec":{"nodeName":"scripted"}}'
kubectl get pod p
kubectl drain scripted --dry-run=server
kubectl drain scripted --force --timeout=2s --disable-eviction --grace-period=0
kubectl get pod p
kubectl debug p --image=busybox -c dbg
kubectl run q --image=i
kubectl debug q --image=busybox -c dbg --attach=false
kubectl get pod q -o jsonpath='{.spec.ephemeralContainers[*].name}'
kubectl debug q --image=busybox --copy-to=r --attach=false
kubectl get pod r -o jsonpath='{.spec.containers[*].name}'
kubectl logs q
kubectl logs none
kubectl exec q -- a
kubectl attach q
kubectl port-forward q 80
kubectl cp q:/a b
kubectl delete node scripted
