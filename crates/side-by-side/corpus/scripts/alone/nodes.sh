# alone
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
kubectl create -f - <<END
apiVersion: v1
kind: Node
metadata: {name: fixed, labels: {kubernetes.io/hostname: fixed, node-role.kubernetes.io/control-plane: ""}}
spec: {podCIDR: 10.1.0.0/24, taints: [{key: a, value: b, effect: NoExecute}]}
END
kubectl patch node fixed --subresource=status --type=merge -p '{"status":{"capacity":{"cpu":"4","memory":"8Gi","pods":"10"},"allocatable":{"cpu":"3500m","memory":"7Gi","pods":"10"},"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","message":"ready","lastHeartbeatTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"},{"type":"Hostname","address":"fixed"}],"nodeInfo":{"kubeletVersion":"v1.37.2","osImage":"Debian","kernelVersion":"6.1","containerRuntimeVersion":"containerd://2","architecture":"amd64","operatingSystem":"linux","bootID":"b","machineID":"m","systemUUID":"s","kubeProxyVersion":""}}}'
kubectl get node fixed
kubectl get node fixed -o wide
kubectl get node fixed -o yaml
kubectl run on --image=i --requests=cpu=1 --overrides='{"spec":{"nodeName":"fixed","tolerations":[{"operator":"Exists"}],"containers":[{"name":"on","image":"i","resources":{"requests":{"cpu":"1","memory":"1Gi"},"limits":{"cpu":"2"}}}]}}'
kubectl run on --image=i --overrides='{"spec":{"nodeName":"fixed","containers":[{"name":"on","image":"i","resources":{"requests":{"cpu":"1","memory":"1Gi"},"limits":{"cpu":"2"}}}]}}'
kubectl describe node fixed
kubectl get pods -o wide --field-selector spec.nodeName=fixed
kubectl taint node fixed a-
kubectl taint node fixed x=y:NoSchedule z:PreferNoSchedule
kubectl taint node fixed x- z:PreferNoSchedule-
kubectl taint node none a=b:NoSchedule
kubectl taint nodes --all q=r:NoSchedule --dry-run=server
kubectl taint nodes -l kubernetes.io/hostname=fixed q=r:NoSchedule
kubectl taint node fixed 'bad key=v:NoSchedule'
kubectl cordon none
kubectl cordon -l kubernetes.io/hostname=fixed
kubectl cordon --dry-run=server fixed
kubectl uncordon fixed --dry-run=client
kubectl drain fixed
kubectl drain fixed --dry-run=client --force
kubectl drain none
kubectl drain
kubectl create pdb all --selector=run=on --min-available=1
kubectl drain fixed --force --timeout=3s 2>&1 | head -4
kubectl delete pdb all
kubectl delete pod on --force --grace-period=0
kubectl label node fixed x=y
kubectl debug node/fixed --image=busybox
kubectl debug node/none --image=busybox
kubectl get pods -l app.kubernetes.io/managed-by=kubectl-debug -o jsonpath='{.items[*].spec.hostPID} {.items[*].spec.volumes[*].hostPath.path}'
kubectl debug q --image=busybox -c dbg --attach=false 2>&1 | head -1
kubectl debug q --image=busybox --target=q --profile=restricted --attach=false
kubectl debug q --image=busybox --target=none --attach=false
kubectl debug q --copy-to=s --set-image=q=j --share-processes --attach=false
kubectl debug q --copy-to=s --set-image=q=j --attach=false
kubectl debug none --image=busybox
kubectl debug q
kubectl get pod s -o jsonpath='{.spec.shareProcessNamespace} {.spec.containers[*].image}'
kubectl describe pod q
kubectl logs q -c dbg
kubectl logs q -c none
kubectl logs -l run=q
kubectl logs q --previous
kubectl logs deployment/none
kubectl logs q --tail=nonsense
kubectl exec q -c none -- a
kubectl exec none -- a
kubectl exec q
kubectl attach none
kubectl port-forward none 80
kubectl port-forward svc/none 80
kubectl port-forward q
kubectl cp q:/a q:/b
kubectl cp none:/a b
kubectl cp a b
kubectl delete node fixed
kubectl delete node fixed
