kubectl apply -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {part: one}}
spec:
  replicas: 2
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: "i:1"}]}
END
kubectl apply -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {part: one}}
spec:
  replicas: 3
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: "i:2", env: [{name: A, value: b}]}]}
END
kubectl get deployment d -o yaml
kubectl apply view-last-applied deployment d
kubectl diff -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {part: two}}
spec:
  replicas: 4
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: "i:3"}]}
END
kubectl apply --dry-run=server -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: dry}
END
kubectl apply --dry-run=client -o yaml -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: dry}
END
kubectl apply --server-side -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
data: {a: "1"}
END
kubectl apply --server-side --field-manager=other -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
data: {a: "2"}
END
kubectl apply --server-side --field-manager=other --force-conflicts -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
data: {a: "2"}
END
kubectl get cm ss -o yaml --show-managed-fields
kubectl apply --server-side --force-conflicts -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 1
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: "i:4"}]}
END
kubectl apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: bad name}
END
kubectl apply -f - <<END
apiVersion: v1
kind: Nothing
metadata: {name: x}
END
kubectl apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: strict}
datum: {a: b}
END
kubectl apply --validate=warn -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: strict}
datum: {a: b}
END
kubectl apply --validate=false -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: strict}
datum: {a: b}
END
mkdir k && cat > k/kustomization.yaml <<END
namePrefix: my-
labels: [{pairs: {by: kustomize}}]
configMapGenerator: [{name: gen, literals: [a=b], options: {disableNameSuffixHash: true}}]
END
kubectl kustomize k
kubectl apply -k k
kubectl apply --prune -l by=kustomize -k k
kubectl delete -k k
kubectl replace -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
data: {b: "3"}
END
kubectl replace --force -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
data: {c: "3"}
END
kubectl replace -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: none}
END
EDITOR='sed -i s/3/4/' kubectl edit configmap ss
EDITOR=true kubectl edit configmap ss
kubectl get configmap ss -o jsonpath='{.data}'
kubectl create -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
END
