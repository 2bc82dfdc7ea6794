kubectl api-versions
kubectl api-resources
kubectl api-resources --namespaced=false -o name
kubectl api-resources --api-group=apps -o wide
kubectl api-resources --verbs=list,create --sort-by=name
kubectl api-resources --categories=all
kubectl version
kubectl version -o json | grep -c major
kubectl cluster-info
kubectl get --raw /healthz
kubectl get --raw /version | grep -c gitVersion
kubectl get --raw /nothing
kubectl config view --minify -o jsonpath='{.contexts[0].context.namespace}'
kubectl config current-context | wc -l
kubectl options | head -3
kubectl completion bash | wc -l
kubectl events
kubectl get events
kubectl top nodes
kubectl top pods
