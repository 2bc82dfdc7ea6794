kubectl create deployment e --image=i:1 --replicas=2
kubectl create configmap env --from-literal=key-one=1
kubectl create secret generic env --from-literal=three=3
kubectl scale deployment e --replicas=3 --current-replicas=2
kubectl scale deployment --all --replicas=1
kubectl scale deployment e --replicas=-1
kubectl scale deployment e
kubectl scale deployment e --replicas=2 --dry-run=server
kubectl scale cm env --replicas=2
kubectl scale deployment -l app=e --replicas=4
kubectl scale deployment e --replicas=3 --resource-version=1
kubectl autoscale deployment e --min=2 --max=5 --cpu=50% --name=h
kubectl autoscale deployment e --min=5 --max=2
kubectl autoscale deployment e --max=3 --memory=1Gi --name=m
kubectl autoscale deployment none --max=3
kubectl get hpa
kubectl get hpa h -o yaml
kubectl get hpa.v1.autoscaling h -o yaml
kubectl describe hpa
kubectl expose deployment e
kubectl expose deployment e --port=80 --target-port=http --type=NodePort --name=np
kubectl expose deployment e --port=80 --cluster-ip=None --name=headless
kubectl expose deployment e --port=53 --protocol=UDP --name=dns --labels=a=b --session-affinity=ClientIP
kubectl expose deployment e --port=80 --external-ip=1.2.3.4 --name=ext -o yaml
kubectl expose deployment e --port=80 --name=dns
kubectl expose deployment none --port=80
kubectl expose cm env --port=80
kubectl expose service dns --port=54 --name=again
kubectl expose deployment e --port=99999 --name=bad
kubectl expose deployment e --port=80 --name=Bad_Name
kubectl run podly --image=i --port=8080; kubectl expose pod podly --name=pod-svc
kubectl get svc -o wide
kubectl wait --for=condition=Ready pod/podly --timeout=1s
kubectl wait --for=condition=Ready pod -l none=none --timeout=1s
kubectl wait --for=condition=Ready pod/none --timeout=1s
kubectl wait --for=jsonpath='{.metadata.name}' pod/podly --timeout=1s
kubectl wait --for=jsonpath='{.status.phase}'=Pending pod --all --timeout=1s
kubectl wait --for=jsonpath='{.status.phase}'=Running pod/podly --timeout=1s
kubectl wait --for=nonsense pod/podly
kubectl wait pod/podly
kubectl wait --for=delete pod/podly --timeout=1s
(kubectl wait --for=delete pod/podly --timeout=20s > w; echo $? >> w) & sleep 1; kubectl delete pod podly --now; wait; cat w
kubectl delete deployment e --cascade=orphan
kubectl delete svc np headless none
kubectl delete svc -l a=b
kubectl delete svc --all --dry-run=client
kubectl delete svc --all --dry-run=server -o name
kubectl delete svc --all -o name
kubectl delete cm --all --field-selector metadata.name=env
kubectl delete secret/env hpa/h
kubectl delete hpa --all --wait=false
kubectl delete hpa
kubectl delete nothing x
kubectl delete cm a --cascade=nonsense
kubectl delete --all
kubectl delete -f none.yaml
kubectl delete --raw /api/v1/namespaces/scale/configmaps/none
kubectl run f --image=i; kubectl delete pod f --force
kubectl run g --image=i; kubectl delete pod g --grace-period=0
kubectl run g --image=i; kubectl delete pod g --grace-period=5
kubectl create cm fin --from-literal=a=b; kubectl patch cm fin -p '{"metadata":{"finalizers":["example.com/f"]}}'; kubectl delete cm fin --timeout=1s
kubectl get cm fin -o jsonpath='{.metadata.finalizers}'; kubectl patch cm fin --type=merge -p '{"metadata":{"finalizers":null}}'; kubectl get cm fin
kubectl create deployment fg --image=i; kubectl delete deployment fg --cascade=foreground --wait=false; kubectl get deployment fg -o jsonpath='{.metadata.finalizers}'
