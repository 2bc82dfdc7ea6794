kubectl create job j --image=process -- sh -c 'echo worked'
kubectl wait --for=condition=complete job/j --timeout=40s
kubectl get job j
kubectl logs job/j
kubectl describe job j
kubectl get job j -o yaml
kubectl get pods -l job-name=j --no-headers | awk '{print $2, $3, $4}'
kubectl create cronjob c --image=process --schedule='0 0 1 1 *' -- true
kubectl get cronjob c
kubectl create job from --from=cronjob/c
kubectl wait --for=condition=complete job/from --timeout=40s
kubectl get job from -o jsonpath='{.metadata.ownerReferences[0].kind} {.status.succeeded}'
kubectl describe cronjob c
kubectl delete cronjob c
kubectl wait --for=delete job/from --timeout=20s; kubectl get jobs -o name
kubectl apply -f - <<END
apiVersion: batch/v1
kind: Job
metadata: {name: fails}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: process, command: ["false"]}]}}}
END
kubectl wait --for=condition=failed job/fails --timeout=40s
kubectl get job fails
kubectl describe job fails
kubectl get job fails -o jsonpath='{range .status.conditions[*]}{.type} {.status} {.reason} {.message}{"\n"}{end}'
kubectl apply -f - <<END
apiVersion: batch/v1
kind: Job
metadata: {name: parts}
spec: {completions: 3, parallelism: 2, completionMode: Indexed, template: {spec: {restartPolicy: Never, containers: [{name: c, image: process, command: ["true"]}]}}}
END
kubectl wait --for=condition=complete job/parts --timeout=50s
kubectl get job parts -o jsonpath='{.status.succeeded} {.status.completedIndexes} {.status.uncountedTerminatedPods}'
kubectl delete jobs --all
kubectl wait --for=delete pod --all --timeout=30s; kubectl get pods
