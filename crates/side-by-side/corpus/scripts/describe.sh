kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}, annotations: {note: text}}
spec:
  containers:
  - {name: c, image: "nginx:1", ports: [{containerPort: 80}], env: [{name: A, value: b}, {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}], resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}, livenessProbe: {httpGet: {path: /, port: 80}}, volumeMounts: [{name: v, mountPath: /v}]}
  volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: x}}]
  nodeSelector: {a: b}
END
kubectl describe pod p
kubectl create deployment d --image=nginx --replicas=3
kubectl describe deployment d
kubectl expose deployment d --port=80 --target-port=8080
kubectl describe service d
kubectl create configmap c --from-literal=k=v
kubectl describe configmap c
kubectl create secret generic s --from-literal=k=v
kubectl describe secret s
kubectl describe sa default
kubectl create job j --image=busybox -- echo hi
kubectl describe job j
kubectl create cronjob k --image=busybox --schedule='*/5 * * * *' -- echo hi
kubectl describe cronjob k
kubectl create role r --verb=get,list --resource=pods,pods/log
kubectl describe role r
kubectl create rolebinding b --role=r --serviceaccount=describe:default --user=ann
kubectl describe rolebinding b
kubectl create quota q --hard=pods=5,cpu=2
kubectl describe quota q
kubectl create poddisruptionbudget pdb --selector=app=p --min-available=1
kubectl describe pdb pdb
kubectl create ingress i --rule='a.b/path*=d:80,tls=t' --class=c
kubectl describe ingress i
kubectl autoscale deployment d --min=1 --max=5 --cpu=80%
kubectl describe hpa d
kubectl apply -f - <<END
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: pvc}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec: {podSelector: {matchLabels: {a: b}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}], policyTypes: [Ingress]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: lr}
spec: {limits: [{type: Container, default: {cpu: 1}, defaultRequest: {cpu: 500m}, max: {cpu: 2}}]}
END
kubectl describe pvc pvc
kubectl describe netpol np
kubectl describe limits lr
kubectl describe ns describe
kubectl describe clusterrole view
kubectl describe priorityclass system-node-critical
kubectl describe pod none
kubectl describe nothing x
