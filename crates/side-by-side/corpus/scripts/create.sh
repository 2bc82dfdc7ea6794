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
