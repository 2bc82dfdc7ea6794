kubectl run p --image=i
kubectl create -f - <<END
apiVersion: v1
kind: Event
metadata: {name: one}
involvedObject: {apiVersion: v1, kind: Pod, name: p, namespace: events}
type: Normal
reason: Started
message: it began
firstTimestamp: 2026-01-01T00:00:00Z
lastTimestamp: 2026-01-01T00:01:00Z
count: 3
source: {component: scripts}
---
apiVersion: v1
kind: Event
metadata: {name: two}
involvedObject: {apiVersion: v1, kind: Pod, name: p, namespace: events}
type: Warning
reason: Failed
message: it broke
firstTimestamp: 2026-01-01T00:00:00Z
lastTimestamp: 2026-01-01T00:02:00Z
count: 1
source: {component: scripts, host: there}
---
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: three}
regarding: {apiVersion: apps/v1, kind: Deployment, name: d, namespace: events}
type: Normal
reason: Scaled
note: it grew
action: Scale
eventTime: 2026-01-01T00:03:00.000000Z
reportingController: example.com/scripts
reportingInstance: me
END
kubectl events
kubectl events --for pod/p
kubectl events --types=Warning
kubectl events --for deployment/d -o yaml
kubectl events -A --for pod/none
kubectl events -o json --types=Normal
kubectl events --no-headers
kubectl events --types=Nonsense
kubectl get events
kubectl get events -o wide
kubectl get events --field-selector reason=Failed
kubectl get events --field-selector involvedObject.kind=Deployment -o wide
kubectl get events --sort-by=.lastTimestamp
kubectl get events.events.k8s.io
kubectl get events.events.k8s.io one -o yaml
kubectl get event three -o yaml
kubectl describe event two
kubectl describe pod p --show-events=false
kubectl describe pod p | sed -n '/Events/,$p' | cut -c1-60
kubectl delete events --all
