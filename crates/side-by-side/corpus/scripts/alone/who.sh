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
kubectl get nodes --as=nobody
kubectl config set-credentials stranger --token=nonsense && kubectl get pods --user=stranger 2>&1 | tail -1
kubectl auth can-i create pods --subresource=exec --as=nobody
kubectl auth can-i get pods/a --as=nobody
kubectl auth can-i get pods -A --as=nobody
kubectl auth can-i get nodes
kubectl auth can-i nonsense pods
kubectl auth can-i get pods -q --as=nobody
kubectl auth can-i get pods -q
kubectl auth can-i list deployments.apps --as=system:serviceaccount:who:default
kubectl create role reader --verb=get,list --resource=pods,configmaps; kubectl create rolebinding reader --role=reader --user=nobody --serviceaccount=who:default
kubectl auth can-i get pods --as=nobody
kubectl auth can-i get cm/x --as=system:serviceaccount:who:default
kubectl auth can-i --list --as=system:serviceaccount:who:default
kubectl auth can-i --list --as=nobody -n kube-public
kubectl auth can-i --list --as=nobody --no-headers
kubectl get cm --as=nobody
kubectl auth whoami --as=system:serviceaccount:who:default
kubectl auth whoami -o json --as=ann --as-uid=7 --as-group=a --as-group=b
kubectl auth whoami -o jsonpath='{.status.userInfo.username}' --as=x
kubectl auth reconcile --dry-run=client -f - <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: who-new}
rules: [{verbs: [get], apiGroups: [""], resources: [pods]}]
END
kubectl auth reconcile --remove-extra-permissions -f - <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules: [{verbs: [list], apiGroups: [""], resources: [pods]}]
END
kubectl get role r -o yaml
kubectl auth reconcile -f - <<END 2>&1 | head -2
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: bob}]
END
kubectl auth reconcile --remove-extra-subjects -f - <<END 2>&1 | head -2
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: bob}]
END
kubectl get rolebinding reader -o wide
kubectl create role grab --verb='*' --resource='*' --as=nobody
kubectl create rolebinding grab --clusterrole=cluster-admin --user=nobody --as=nobody
kubectl create clusterrole who-grant --verb=create --resource=roles.rbac.authorization.k8s.io; kubectl create rolebinding granting --clusterrole=who-grant --user=carl
kubectl create role more --verb=get --resource=secrets --as=carl
kubectl create clusterrolebinding who-x --clusterrole=view --user=x --as=carl
kubectl get --raw /api/v1/nodes --as=nobody
kubectl get --raw /metrics --as=nobody
kubectl get cm --as-group=some 2>&1 | sed 's/for .* without/for X without/'
kubectl get cm --as=nobody --as-group=system:masters
kubectl delete clusterrole who-grant
