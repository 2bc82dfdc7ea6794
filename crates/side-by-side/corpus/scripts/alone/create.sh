kubectl create configmap c --from-literal=a=b --dry-run=client -o yaml
kubectl create configmap c --from-literal=a=b
kubectl create configmap c --from-literal=a=b
echo text > f; kubectl create configmap f --from-file=f --from-file=other=f
kubectl create secret generic g --from-literal=a=b --type=x/y
kubectl create secret docker-registry r --docker-username=u --docker-password=p --docker-server=s
kubectl create secret tls t --cert=none --key=none
kubectl create deployment d --image=i --port=80 --replicas=2 -o yaml
kubectl create job j --image=i -- a b
kubectl create cronjob cj --image=i --schedule='0 0 * * *'
kubectl create cronjob bad --image=i --schedule='nonsense'
kubectl create job from --from=cronjob/cj
kubectl create service clusterip sc --tcp=80
kubectl create service nodeport sn --tcp=80:81
kubectl create service loadbalancer sl --tcp=80
kubectl create service externalname se --external-name=a.b
kubectl create ingress i --rule=a.b/x=s:80
kubectl create role r --verb=get --resource=pods
kubectl create role r2 --verb=get --resource=nothings
kubectl create clusterrole create-cr --verb=get --resource=nodes --dry-run=server
kubectl create clusterrole create-cr --verb=get --non-resource-url=/x --dry-run=server -o yaml
kubectl create rolebinding rb --role=r --user=u
kubectl create clusterrolebinding create-crb --clusterrole=view --user=u --dry-run=server -o yaml
kubectl create quota q --hard=pods=1
kubectl create pdb p --selector=a=b --max-unavailable=1
kubectl create priorityclass create-pc --value=5 --dry-run=server -o yaml
kubectl create namespace create-ns --dry-run=server -o yaml
kubectl create serviceaccount sa
kubectl create token sa --duration=1h > token && wc -l < token
kubectl create token none
kubectl create token sa --duration=1m
kubectl run p --image=i --dry-run=server -o yaml
kubectl run p --image=i --env=A=b --labels=x=y --port=80 --expose
kubectl run bad --image=
kubectl create -f none.yaml
kubectl create deployment 'Bad Name' --image=i
kubectl get cm,secret,deploy,job,cronjob,svc,ing,role,rolebinding,quota,pdb,sa,pod -o name
kubectl delete all --all
printf 'A=b\nC=d e\n' > e.env; kubectl create configmap fromenv --from-env-file=e.env -o yaml
mkdir -p dir; echo 1 > dir/one; printf '\377' > dir/two; kubectl create configmap fromdir --from-file=dir -o jsonpath='{.data} {.binaryData}'
kubectl create configmap bad --from-literal='a b=c'
kubectl create configmap bad --from-file=none
kubectl create configmap hash --from-literal=a=b --append-hash -o name
kubectl create secret generic hash --from-literal=a=b --append-hash -o name
kubectl create secret generic fromfile --from-file=k=f -o yaml
kubectl create secret docker-registry r2 --from-file=.dockerconfigjson=none
kubectl create secret docker-registry r --docker-username=u --docker-password=p
kubectl create secret
kubectl create deployment two --image=a:1 --image=b:2 --dry-run=server -o yaml
kubectl create deployment cmd --image=a:1 --dry-run=server -o jsonpath='{.spec.template.spec.containers[0].command}' -- sh -c x
kubectl create deployment neg --image=a --replicas=-1
kubectl create job bad --image=i --from=cronjob/cj
kubectl create job j2 --from=cronjob/none
kubectl create job j2 --from=cronjob/cj --dry-run=server -o jsonpath='{.metadata.annotations} {.metadata.ownerReferences[0].kind}'
kubectl create cronjob cj2 --image=i --schedule='*/1 * * * *' --restart=Never --dry-run=server -o yaml -- date
kubectl create ingress i2 --class=c --default-backend=s:80 --annotation a=b --dry-run=server -o yaml
kubectl create ingress i3 --rule='x.y/path*=s:http,tls=sec' --dry-run=server -o yaml
kubectl create ingress i4 --rule='nonsense'
kubectl create role r3 --verb=get,list --resource=pods/log,deployments.apps --dry-run=server -o yaml
kubectl create role r3 --verb=get --resource=cm --resource-name=a --resource-name=b --dry-run=server -o yaml
kubectl create role r3 --verb=nonsense --resource=cm
kubectl create role r3 --verb=get
kubectl create clusterrole create-agg --aggregation-rule=a=b --dry-run=server -o yaml
kubectl create clusterrole create-agg --verb=get --resource=pods --non-resource-url=/x
kubectl create rolebinding rb2 --clusterrole=edit --serviceaccount=create:sa --group=g --dry-run=server -o yaml
kubectl create rolebinding rb2 --role=r --clusterrole=edit
kubectl create rolebinding rb2 --clusterrole=edit --serviceaccount=nonsense
kubectl create quota q2 --hard=pods=1,nonsense=x
kubectl create quota q2 --hard=pods=1 --scopes=BestEffort --dry-run=server -o yaml
kubectl create quota q2 --hard=pods=1 --scopes=Nonsense
kubectl create pdb p2 --selector=a=b --min-available=50% --dry-run=server -o yaml
kubectl create pdb p2 --selector=a=b
kubectl create pdb p2 --selector=a=b --min-available=1 --max-unavailable=1
kubectl create priorityclass system-x --value=5
kubectl create priorityclass create-pc2 --value=2000000000
kubectl create priorityclass create-pc3 --value=5 --global-default --preemption-policy=Never --description=d --dry-run=server -o yaml
kubectl create ns Bad_Name
kubectl create ns create
kubectl create sa sa
kubectl create token sa --audience=a --audience=b > token && cut -d. -f2 token | wc -l
kubectl create token sa --bound-object-kind=Pod --bound-object-name=p > token && wc -l < token
kubectl create token sa --bound-object-kind=Pod --bound-object-name=none
kubectl create token sa --bound-object-kind=ConfigMap --bound-object-name=c
kubectl create token sa --duration=100h -o jsonpath='{.kind} {.spec.boundObjectRef}'
kubectl create service clusterip bad --tcp=nonsense
kubectl create service clusterip head --clusterip=None
kubectl create service clusterip taken --tcp=80 --clusterip=$(kubectl get svc kubernetes -n default -o jsonpath={.spec.clusterIP})
kubectl create service clusterip out --tcp=80 --clusterip=1.2.3.4
kubectl create service externalname e2 --external-name='not valid'
kubectl create service nodeport n2 --tcp=80 --node-port=1
kubectl create nonsense
kubectl run q --image=i --restart=OnFailure --dry-run=server -o jsonpath='{.spec.restartPolicy}'
kubectl run q --image=i --dry-run=client -o yaml -- a b
kubectl run q --image=i --command --dry-run=server -o jsonpath='{.spec.containers[0].command}' -- a b
kubectl run q --image=i --annotations=a=b --privileged --image-pull-policy=Never --dry-run=server -o yaml
kubectl run q --image=i --overrides='{"spec":{"hostNetwork":true}}' --dry-run=server -o jsonpath='{.spec.hostNetwork}'
kubectl run q --image=i --override-type=json --overrides='[{"op":"add","path":"/metadata/labels/x","value":"y"}]' --dry-run=server -o jsonpath='{.metadata.labels}'
kubectl run q --image=i --overrides=nonsense
kubectl run q --image=i --expose
kubectl run 'Bad Name' --image=i
kubectl run q
kubectl create -f - <<END
apiVersion: v1
kind: Pod
metadata: {generateName: made-}
spec: {containers: [{name: c, image: i}]}
END
kubectl create --raw /api/v1/namespaces/create/configmaps -f - <<END | grep -o '"name":"raw"'
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"raw"}}
END
kubectl create -f - --save-config <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: saved}
END
kubectl create -f - --validate=ignore <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ignored}
nonsense: 1
END
