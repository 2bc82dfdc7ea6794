kubectl create deployment d --image=i:1 --replicas=2
kubectl scale deployment d --replicas=5
kubectl scale deployment d --replicas=1 --current-replicas=9
kubectl scale deployment none --replicas=1
kubectl autoscale deployment d --max=4
kubectl set image deployment/d i=i:2
kubectl set image deployment/d none=i:2
kubectl set env deployment/d A=b C=d
kubectl set env deployment/d --list
kubectl set env deployment/d A-
kubectl set resources deployment d --limits=cpu=1,memory=1Gi --requests=cpu=500m
kubectl set serviceaccount deployment d other
kubectl get deployment d -o yaml
kubectl rollout history deployment d
kubectl rollout status deployment d --timeout=1s
kubectl rollout pause deployment d
kubectl rollout pause deployment d
kubectl rollout resume deployment d
kubectl rollout restart deployment d
kubectl rollout undo deployment d
kubectl label deployment d a=b
kubectl label deployment d a=c
kubectl label deployment d a=c --overwrite
kubectl label deployment d a-
kubectl label deployment d --list
kubectl label deployment d 'bad key=x'
kubectl annotate deployment d note='some text'
kubectl annotate deployment d note-
kubectl annotate deployment --all x=y
kubectl patch deployment d -p '{"spec":{"replicas":3}}'
kubectl patch deployment d -p '{"spec":{"replicas":3}}'
kubectl patch deployment d --type=merge -p '{"spec":{"replicas":4}}'
kubectl patch deployment d --type=json -p '[{"op":"replace","path":"/spec/replicas","value":5}]'
kubectl patch deployment d --type=json -p '[{"op":"replace","path":"/nothing","value":5}]'
kubectl patch deployment d --subresource=status --type=merge -p '{"status":{"replicas":4}}'
kubectl patch deployment d -p 'nonsense'
kubectl patch deployment d -p '{"spec":{"selector":{"matchLabels":{"x":"y"}}}}'
kubectl expose deployment d --port=80 --name=svc
kubectl set selector service svc x=y
kubectl get svc svc -o jsonpath='{.spec.selector}'
kubectl create rolebinding rb --clusterrole=view --user=ann
kubectl set subject rolebinding rb --user=bob --group=some
kubectl get rolebinding rb -o yaml
kubectl wait --for=jsonpath='{.spec.replicas}'=5 deployment/d --timeout=5s
kubectl wait --for=condition=Available deployment/d --timeout=1s
kubectl wait --for=delete configmap/none --timeout=1s
kubectl wait --for=create deployment/d --timeout=1s
kubectl delete deployment d
kubectl delete deployment d
kubectl delete deployment d --ignore-not-found
kubectl delete svc,rolebinding --all
kubectl delete cm -l none=none
kubectl delete configmap a --dry-run=server
