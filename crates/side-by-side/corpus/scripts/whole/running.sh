cat > p.yaml <<END
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: one, image: process, command: [sh, -c, "echo begun; echo more; cat f; while read line; do echo got \$line; done; exec python3 -u -m http.server $PORT"], stdin: true, stdinOnce: true, ports: [{containerPort: $PORT}]}
  - {name: two, image: process, command: [sh, -c, "echo second >&2; exec sleep 100000"]}
END
kubectl apply -f p.yaml
kubectl wait --for=condition=Ready pod/p --timeout=40s
kubectl get pod p
kubectl get pod p -o wide
kubectl describe pod p | sed '/^Events:/,$d'
kubectl describe pod p | sed '1,/^Events:/d' | sort
kubectl logs p -c two
kubectl logs p
kubectl logs p --all-containers --prefix | sort
kubectl logs p -c one --tail=1
kubectl logs p -c one --limit-bytes=3
kubectl logs p -c one --timestamps | sed 's/^[^ ]*/TIME/'
kubectl logs p -c none
kubectl logs p -c one --previous
kubectl logs -l app=p -c one --prefix
kubectl logs -l app=none
kubectl logs p -c one --since=1h
kubectl logs p -c one --since-time=nonsense
kubectl exec p -c two -- echo hi
kubectl exec p -- sh -c 'echo out; echo err >&2; exit 3'
echo typed | kubectl exec -i p -c two -- cat
kubectl exec p -c none -- a
kubectl exec p -c two -- no-such-program
kubectl exec p
echo file > f; kubectl cp f p:/tmp/side-$PORT -c two; kubectl exec p -c two -- cat /tmp/side-$PORT
kubectl cp p:/tmp/side-$PORT back -c two; cat back
mkdir -p dir/sub; echo 1 > dir/a; echo 2 > dir/sub/b; kubectl cp dir p:/tmp/dir-$PORT -c two && kubectl exec p -c two -- find /tmp/dir-$PORT -type f | sort
kubectl cp p:/tmp/dir-$PORT dir2 -c two; find dir2 -type f | sort
kubectl cp p:/tmp/none-$PORT x -c two
kubectl exec p -c two -- rm -rf /tmp/dir-$PORT /tmp/side-$PORT
echo words | timeout 20 kubectl attach -i p -c one; until kubectl logs p -c one | grep -q got; do sleep 0.2; done; kubectl logs p -c one --tail=1
kubectl port-forward p :$PORT > forward & pid=$!; until grep -q Forwarding forward; do sleep 0.1; done; at=$(sed -n 's/.*127.0.0.1:\([0-9]*\) .*/\1/p' forward | head -1); until python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$at/').status)" 2>/dev/null; do sleep 0.2; done; kill $pid; sed 's/:[0-9]* -/:PORT -/' forward | head -1
kubectl port-forward p :1 > forward & pid=$!; until grep -q Forwarding forward; do sleep 0.1; done; kill $pid; head -1 forward
kubectl expose pod p --name=s --port=80 --target-port=$PORT
kubectl wait --for=jsonpath='{.subsets[0].addresses[0].targetRef.name}'=p endpoints/s --timeout=20s 2>/dev/null
kubectl wait --for=jsonpath='{.endpoints[0].targetRef.name}'=p endpointslices -l kubernetes.io/service-name=s --timeout=20s
kubectl get endpointslices -l kubernetes.io/service-name=s -o jsonpath='{.items[0].endpoints[0].conditions} {.items[0].endpoints[0].targetRef.name} {.items[0].endpoints[0].nodeName} {.items[0].metadata.labels}'
kubectl describe service s
kubectl get --raw /api/v1/namespaces/running/pods/p:$PORT/proxy/ | grep -o 'Directory listing for /' | sort -u
kubectl get --raw /api/v1/namespaces/running/services/s:80/proxy/ | grep -o 'Directory listing for /' | sort -u
kubectl get --raw /api/v1/namespaces/running/services/s:80/proxy/none
kubectl get --raw /api/v1/namespaces/running/pods/p:1/proxy/
kubectl debug p --image=process -c dbg --attach=false -- sleep 100
kubectl get pod p -o jsonpath='{.spec.ephemeralContainers[0].name} {.spec.ephemeralContainers[0].command} {.spec.ephemeralContainers[0].args}'
kubectl events --for pod/p | awk '{print $2, $3}' | sort -u
kubectl get pod p -o yaml
kubectl delete pod p
kubectl run once --image=process --restart=Never --command -- sh -c 'echo done; exit 4'
kubectl wait --for=jsonpath='{.status.phase}'=Failed pod/once --timeout=30s
kubectl get pod once
kubectl logs once
kubectl exec once -- true
kubectl describe pod once | sed -n '/^Containers/,/^Conditions/p'
kubectl delete pod once --now
kubectl run again --image=process --overrides='{"spec":{"terminationGracePeriodSeconds":0}}' --command -- sh -c 'echo one; exit 1'
kubectl wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/again --timeout=40s
kubectl logs again --previous
kubectl delete pod again
kubectl run picture --image=no-such-image --overrides='{"spec":{"terminationGracePeriodSeconds":0}}'
kubectl wait --for=condition=PodScheduled pod/picture --timeout=20s
kubectl delete pod picture
kubectl run i --image=process -i --rm --restart=Never --quiet --command -- echo attached
