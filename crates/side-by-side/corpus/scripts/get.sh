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
