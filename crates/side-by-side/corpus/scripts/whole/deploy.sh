cat > d.yaml <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 2
  revisionHistoryLimit: 5
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: process, command: [sleep, "100000"], env: [{name: V, value: "1"}]}]}
END
kubectl apply -f d.yaml
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl get deployment d
kubectl get deployment d -o wide
kubectl get rs -l app=d
kubectl get pods -l app=d --no-headers | awk '{print $2, $3, $4}'
kubectl describe deployment d
kubectl describe rs -l app=d
kubectl get deployment d -o yaml
kubectl get rs -l app=d -o yaml
kubectl rollout history deployment d
kubectl annotate deployment d kubernetes.io/change-cause='second'
kubectl set env deployment/d V=2
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl rollout history deployment d
kubectl rollout history deployment d --revision=2
kubectl rollout history deployment d --revision=1 -o jsonpath='{.spec.containers[0].env[0].value}'
kubectl rollout history deployment d --revision=7
kubectl wait --for=jsonpath='{.status.replicas}'=2 deployment/d --timeout=30s
kubectl rollout undo deployment d --dry-run=server | sed -n 1,3p
kubectl rollout undo deployment d
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl get deployment d -o jsonpath='{.spec.template.spec.containers[0].env[0].value} {.metadata.annotations.deployment\.kubernetes\.io/revision}'
kubectl rollout undo deployment d --to-revision=2
kubectl rollout undo deployment d --to-revision=9
kubectl rollout status deployment d --revision=9
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl rollout pause deployment d
kubectl set env deployment/d V=3
kubectl rollout undo deployment d
kubectl rollout restart deployment d
kubectl rollout status deployment d --watch=false
kubectl rollout history deployment d
kubectl rollout resume deployment d
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl rollout restart deployment d
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl scale deployment d --replicas=3
kubectl wait --for=jsonpath='{.status.readyReplicas}'=3 deployment/d --timeout=30s
kubectl wait --for=condition=Available deployment/d --timeout=30s
kubectl wait --for=condition=Progressing=False deployment/d --timeout=1s
kubectl get deployment d -o jsonpath='{range .status.conditions[*]}{.type} {.status} {.reason}{"\n"}{end}' | sort
kubectl get events --field-selector involvedObject.kind=Deployment -o custom-columns=R:.reason,T:.type,C:.source.component | sort -u
kubectl autoscale deployment d --min=1 --max=2 --cpu=50%
kubectl delete hpa d
kubectl delete rs -l app=d --dry-run=server | sed 's/ .*//' | sort -u
kubectl delete deployment d --cascade=orphan
kubectl get rs -l app=d -o jsonpath='{range .items[*]}{.spec.replicas} {.metadata.ownerReferences}{"\n"}{end}' | sort
kubectl apply -f d.yaml
kubectl rollout status deployment d --timeout=50s | tail -1
kubectl delete deployment d --cascade=foreground
kubectl get deployment,rs -l app=d
kubectl wait --for=delete pod -l app=d --timeout=30s; kubectl get pods
kubectl apply -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: stuck}
spec:
  replicas: 1
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: stuck}}
  template:
    metadata: {labels: {app: stuck}}
    spec: {nodeSelector: {no: such}, containers: [{name: c, image: process, command: [sleep, "100000"]}]}
END
kubectl rollout status deployment stuck --timeout=20s 2>&1 | tail -1
kubectl describe deployment stuck
kubectl wait --for=jsonpath='{.status.conditions[0].reason}'=Unschedulable pod -l app=stuck --timeout=20s | sed 's/-[^ ]*//'
kubectl describe pod -l app=stuck
kubectl get pods -l app=stuck
