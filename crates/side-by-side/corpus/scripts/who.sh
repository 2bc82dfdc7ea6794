kubectl auth can-i get pods
kubectl auth can-i get pods --as=nobody
kubectl auth can-i '*' '*'
kubectl auth can-i get /version --as=nobody
kubectl auth can-i list nothings
kubectl auth can-i --list --as=nobody
kubectl auth whoami --as=ann --as-group=some
kubectl auth whoami -o yaml --as=ann
kubectl auth reconcile -f - <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules: [{verbs: [get], apiGroups: [""], resources: [pods]}]
END
kubectl auth reconcile -f - <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules: [{verbs: [get, list], apiGroups: [""], resources: [pods]}]
END
kubectl get pods --as=nobody
kubectl get pods --as=nobody -n default
kubectl create configmap x --as=nobody
kubectl delete pod x --as=nobody
kubectl get pods --token=nonsense --username= 2>&1 | head -1
kubectl get nodes --as=nobody
