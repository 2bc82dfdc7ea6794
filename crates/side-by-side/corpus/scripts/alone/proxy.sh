# What goes through kubectl proxy, and through the API to pods, services and nodes.
kubectl proxy --port=$PORT >said 2>&1 & echo $! >pid
for i in 1 2 3 4 5 6 7 8 9 10; do kubectl --server http://127.0.0.1:$PORT get --raw /healthz >/dev/null 2>&1 && break; sleep 0.3; done; cat said
kubectl --server http://127.0.0.1:$PORT get --raw /healthz
kubectl --server http://127.0.0.1:$PORT get ns proxy -o name
kubectl --server http://127.0.0.1:$PORT create configmap through --from-literal=a=b -n proxy
kubectl --server http://127.0.0.1:$PORT get configmap through -n proxy -o jsonpath='{.data}'
kubectl --server http://127.0.0.1:$PORT delete configmap through -n proxy
kubectl --server http://127.0.0.1:$PORT get --raw /api/v1/namespaces/proxy/pods/none/exec
kubectl --server http://127.0.0.1:$PORT get --raw /api/v1/namespaces/proxy/pods/none/proxy/
kill $(cat pid)
kubectl create service clusterip s --tcp=80:8080
kubectl get --raw /api/v1/namespaces/proxy/services/s:80-8080/proxy/
kubectl get --raw /api/v1/namespaces/proxy/services/s:80/proxy/
kubectl get --raw /api/v1/namespaces/proxy/services/s:81/proxy/
kubectl get --raw /api/v1/namespaces/proxy/services/none/proxy/
kubectl get --raw /api/v1/namespaces/proxy/pods/none/proxy/
kubectl get --raw /api/v1/namespaces/proxy/pods/a:b:c:d/proxy/
kubectl get --raw /api/v1/nodes/none/proxy/healthz
kubectl auth can-i get pods/proxy
kubectl auth can-i get pods --subresource=proxy --as=nobody
kubectl auth can-i create nodes/proxy --as=system:kube-scheduler
kubectl get --raw /api/v1/namespaces/default/endpoints/kubernetes | grep -o '"labels":{[^}]*}'
kubectl get endpoints kubernetes -n default -o jsonpath='{.metadata.labels} {.subsets[0].ports[0].name}'
