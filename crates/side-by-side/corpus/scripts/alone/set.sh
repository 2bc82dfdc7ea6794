kubectl create deployment e --image=i:1 --replicas=2
kubectl rollout status deployment e --watch=false
kubectl rollout status deployment none
kubectl rollout status configmap none
kubectl rollout history deployment e
kubectl rollout history deployment e --revision=7
kubectl rollout undo deployment e --to-revision=9
kubectl rollout undo deployment e --dry-run=server
kubectl rollout restart deployment e --dry-run=client
kubectl rollout restart deployment none
kubectl rollout pause deployment none
kubectl rollout resume deployment e
kubectl rollout history replicaset none
kubectl rollout nonsense
kubectl set image deployment/e '*=i:3'
kubectl set image deployment/e i=i:3
kubectl set image deployment/e i=i:4 --local -o yaml
kubectl set image deployment/e i=i:4 --dry-run=server
kubectl set image deployment --all i=i:5
kubectl set image pods -l none=none i=i:5
kubectl create configmap env --from-literal=key-one=1 --from-literal=two=2
kubectl create secret generic env --from-literal=three=3
kubectl set env deployment/e --from=configmap/env --prefix=P_
kubectl set env deployment/e --from=secret/env
kubectl set env deployment/e --list
kubectl set env deployment/e --list --resolve
kubectl set env deployment/e --from=configmap/none
kubectl set env deployment/e --keys=two --from=configmap/env
kubectl set env deployment/e -c none A=b
kubectl set env deployment/e 'A B=c'
kubectl set env rc --all A=b
kubectl set resources deployment e -c=i --limits=cpu=200m
kubectl set resources deployment e --limits=cpu=nonsense
kubectl set resources deployment e --limits=cpu=100m --requests=cpu=200m
kubectl set resources deployment e
kubectl set serviceaccount deployment e sa --dry-run=client -o jsonpath='{.spec.template.spec.serviceAccountName}'
kubectl set serviceaccount deployment none sa
kubectl set selector service none a=b
kubectl set subject rolebinding none --user=x
kubectl set subject clusterrolebinding cluster-admin --serviceaccount=set:default --dry-run=server
kubectl set
kubectl label deployment --all a=b
kubectl label deployment e a=b c=d e=f
kubectl label deployment e a- c-
kubectl label deployment e a-
kubectl label deployment e a=b --resource-version=1
kubectl label deployment e 'x=not valid!'
kubectl label deployment e x=y --dry-run=server
kubectl label deployment e x=y --dry-run=client -o name
kubectl label deployment -l app=e g=h
kubectl label deployment --field-selector metadata.name=e g=i --overwrite
kubectl label deployment none a=b
kubectl label deployment e
kubectl label cm,secret --all seen=yes
kubectl annotate deployment e a=b c=d
kubectl annotate deployment e a=c
kubectl annotate deployment e a=c --overwrite
kubectl annotate deployment e --list | sort
kubectl annotate deployment e 'bad key=b'
kubectl annotate deployment e a- c-
kubectl annotate deployment e x=y --field-manager=me
kubectl annotate cm none a=b
kubectl patch deployment e --patch-file none
printf 'spec:\n  replicas: 6\n' > p.yaml; kubectl patch deployment e --patch-file p.yaml
kubectl patch deployment e -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"}]}}}}'
kubectl get deployment e -o jsonpath='{.spec.template.spec.containers[*].name}'
kubectl patch deployment e -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}'
kubectl patch deployment e -p '{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"i"}],"containers":[{"name":"i","image":"i:7"}]}}}}' -o jsonpath='{.spec.template.spec.containers[*].image}'
kubectl patch deployment e --type=merge -p '{"spec":{"template":{"spec":{"containers":[]}}}}'
kubectl patch deployment e --type=json -p '[{"op":"add","path":"/metadata/labels/q","value":"r"},{"op":"test","path":"/metadata/labels/q","value":"s"}]'
kubectl patch deployment e --type=json -p '[{"op":"remove","path":"/metadata/labels/g"}]' -o jsonpath='{.metadata.labels}'
kubectl patch deployment e --type=nonsense -p '{}'
kubectl patch deployment e --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'
kubectl patch deployment e --subresource=scale --type=json -p '[{"op":"replace","path":"/spec/replicas","value":-2}]'
kubectl patch deployment e -p '{"spec":{"replicas":"x"}}'
kubectl patch deployment e -p '{"spec":{"nonsense":1}}'
kubectl patch deployment e -p '{"spec":{"replicas":9}}' --dry-run=server
kubectl patch deployment e -p '{"spec":{"replicas":9}}' --dry-run=client -o jsonpath='{.spec.replicas}'
kubectl patch deployment none -p '{}'
kubectl patch cm env -p '{"data":{"two":null}}' -o yaml
kubectl patch svc kubernetes -n default -p '{"spec":{"clusterIP":"10.96.0.7"}}' --dry-run=server
kubectl patch ns set -p '{"metadata":{"labels":{"a":"b"}}}'
