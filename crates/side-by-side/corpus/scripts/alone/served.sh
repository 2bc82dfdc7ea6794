# alone
kubectl api-versions
kubectl api-resources
kubectl api-resources --namespaced=false -o name | grep -v metrics
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
kubectl api-resources --namespaced=true | grep -v metrics
kubectl api-resources --api-group=batch --no-headers
kubectl api-resources --api-group=nothing
kubectl api-resources --sort-by=kind --verbs=patch --categories=all -o name
kubectl api-resources --sort-by=nonsense
kubectl api-resources -o json --api-group=apps
kubectl api-versions --nonsense
kubectl version -o yaml | grep -i minor
kubectl cluster-info dump --namespaces=served -o json | head -40
kubectl cluster-info nonsense
kubectl get --raw /livez
kubectl get --raw /readyz
kubectl get --raw '/readyz?verbose' | tail -1
kubectl get --raw /livez/ping
kubectl get --raw /api | grep -o '"versions":[^]]*]'
kubectl get --raw /apis/nothing
kubectl get --raw /api/v1/nothing
kubectl get --raw /openapi/v3 | grep -o '"apis/apps/v1"'
kubectl get --raw /.well-known/openid-configuration | grep -o '"response_types_supported":[^]]*]'
kubectl config view -o jsonpath='{.kind} {.contexts[*].context.namespace}'
kubectl config get-contexts -o name | wc -l
kubectl config use-context none
kubectl plugin list
kubectl kustomize none
kubectl help none
kubectl nonsense
