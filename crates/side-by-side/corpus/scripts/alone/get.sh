# get in all outputs
kubectl create configmap a --from-literal=k=v --from-literal=l=w
kubectl label configmap a colour=red
kubectl create deployment web --image=nginx:1 --replicas=2 --port=80
kubectl create service clusterip web --tcp=80:8080
kubectl create secret generic s --from-literal=p=q
kubectl run p --image=nginx --restart=Never --labels=app=p
kubectl get configmaps
kubectl get cm a -o wide
kubectl get cm a -o yaml
kubectl get cm a -o json
kubectl get cm -o name
kubectl get cm a -o jsonpath='{.data.k}{"\n"}'
kubectl get cm -o jsonpath='{range .items[*]}{.metadata.name}{"\t"}{.data}{"\n"}{end}'
kubectl get cm -o custom-columns=N:.metadata.name,D:.data.k
kubectl get cm a -o go-template='{{.metadata.name}} {{.data.l}}{{"\n"}}'
kubectl get cm --show-labels
kubectl get cm -L colour
kubectl get cm -l colour=red
kubectl get cm -l colour!=red
kubectl get cm --sort-by=.metadata.name
kubectl get cm --no-headers
kubectl get cm none
kubectl get cm a none
kubectl get cm --field-selector metadata.name=a
kubectl get cm --field-selector nonsense=a
kubectl get cm -l 'a in b'
kubectl get deployments,services
kubectl get deployment web -o wide
kubectl get deployment web -o yaml
kubectl get deployment web -o yaml --show-managed-fields
kubectl get svc web -o wide
kubectl get secret s -o yaml
kubectl get pods
kubectl get pods -o wide
kubectl get pod p -o yaml
kubectl get pod p -o jsonpath-as-json='{.spec.containers}'
kubectl get all
kubectl get nothings
kubectl get cm/a deploy/web
kubectl get ns default kube-system
kubectl get -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
END
kubectl get --raw /api/v1/namespaces/get/configmaps/none
kubectl get cm a -o nonsense
kubectl get cm --chunk-size=1
kubectl get cm --ignore-not-found none
kubectl get clusterroles view edit
kubectl get role,rolebinding,sa,quota,limits,pdb,hpa,ing,netpol,pvc,ep,endpointslices,jobs,cronjobs,sts,ds,rs,rc,leases,controllerrevisions
kubectl get storageclass,pv,pc,csr,crd,csidrivers,csinodes,volumeattachments,ingressclasses,runtimeclasses
kubectl get pc
kubectl get apiservices v1.apps
kubectl create configmap seen --from-literal=a=b; kubectl get cm seen -w --output-watch-events > w & p=$!; until [ -s w ]; do sleep 0.1; done; kubectl label cm seen x=y; until [ $(wc -l < w) -ge 3 ]; do sleep 0.1; done; kubectl delete cm seen; until [ $(wc -l < w) -ge 4 ]; do sleep 0.1; done; kill $p; cat w
kubectl create configmap seen --from-literal=a=b; kubectl get cm --field-selector metadata.name=seen --watch-only -o jsonpath='{.metadata.labels}{"\n"}' > w2 & p=$!; sleep 2; kubectl label cm seen x=y; until [ -s w2 ]; do sleep 0.1; done; kill $p; cat w2
kubectl get cm -o jsonpath='{.items[?(@.metadata.name=="a")].data.k}{"\n"}'
kubectl get cm -o jsonpath='{.items[*].nothing}'
kubectl get cm -o jsonpath='{.items[*'
kubectl get cm a -o jsonpath='{.nothing}' --allow-missing-template-keys=false
kubectl get cm -o custom-columns=nonsense
kubectl get cm -o go-template='{{range .items}}{{.metadata.name}}{{"\n"}}{{end}}'
kubectl get cm -o go-template='{{.nothing.more}}' --allow-missing-template-keys=false 2>&1 | head -1
kubectl get deployments -o custom-columns-file=none
printf 'NAME IMAGE\n.metadata.name .spec.template.spec.containers[0].image\n' > columns; kubectl get deploy -o custom-columns-file=columns
printf '{{range .items}}{{.kind}} {{end}}' > t; kubectl get deploy,svc -o go-template-file=t
printf '{range .items[*]}{.kind} {end}' > j; kubectl get deploy,svc -o jsonpath-file=j
kubectl get cm -o json --sort-by=.metadata.name
kubectl get svc,deploy -o wide --show-labels
kubectl get svc,deploy --show-kind --no-headers
kubectl get pods --sort-by='{.metadata.creationTimestamp}'
kubectl get pods --sort-by=.nothing
kubectl get deploy web --subresource=scale
kubectl get deploy web --subresource=scale -o yaml
kubectl get deploy web --subresource=status -o jsonpath='{.status}'
kubectl get deploy web --subresource=nothing
kubectl get pods -A -l app=p
kubectl get cm --server-print=false
kubectl get deploy,svc --server-print=false
kubectl get pod p --output-watch-events
kubectl get ns get -o yaml
kubectl get ns get -o json
kubectl get sa default -o yaml
kubectl get cm a -o kyaml
kubectl get configmap.v1. a
kubectl get deployments.v1.apps web
kubectl get deployments.v2.apps web
kubectl get deploy.apps/web svc/web -o name
kubectl get cm a b c
kubectl get
kubectl get cm,nothings
kubectl get cm --all-namespaces --field-selector=metadata.namespace=get -o name
kubectl get pods --field-selector=status.phase=Pending,spec.nodeName=
kubectl get pods --field-selector=status.phase!=Pending
kubectl get pods --field-selector=spec.nonsense=1
kubectl get cm -l 'colour in (red,blue),!none'
kubectl get cm -l 'colour notin (red)'
kubectl get --raw '/api/v1/namespaces/get/configmaps?limit=1' | grep -o '"remainingItemCount":[0-9]*'
kubectl get --raw /apis/apps/v1/namespaces/get/deployments/none
kubectl get svc kubernetes -n default -o jsonpath='{.spec.ports[*].port}'
kubectl get namespaces -l kubernetes.io/metadata.name=get
kubectl get cs
kubectl get flowschemas
kubectl get prioritylevelconfigurations
kubectl get apiservices
kubectl get clusterroles -l kubernetes.io/bootstrapping=rbac-defaults -o name
kubectl get clusterrolebindings -o name | grep -v edge
kubectl get roles,rolebindings -A -l kubernetes.io/bootstrapping=rbac-defaults
kubectl get rolebindings -n kube-system -o wide
kubectl get clusterrolebinding cluster-admin -o wide
kubectl get ingressclasses,validatingadmissionpolicies,mutatingwebhookconfigurations,resourceclaims -o wide
kubectl get servicecidrs
kubectl get deploy web -o yaml > d.yaml; kubectl get -f d.yaml; kubectl get -f d.yaml -o name
