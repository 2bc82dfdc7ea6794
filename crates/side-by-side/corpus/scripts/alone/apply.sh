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
EDITOR='sed -i /c:/s/3/4/' kubectl edit configmap ss
EDITOR=true kubectl edit configmap ss
kubectl get configmap ss -o jsonpath='{.data}'
kubectl create -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
END
kubectl diff --server-side -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ss}
data: {c: "9"}
END
kubectl diff -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: fresh}
data: {c: "9"}
END
kubectl diff -f none.yaml
kubectl apply -f - <<END
apiVersion: v1
kind: Service
metadata: {name: svc, labels: {set: one}}
spec: {selector: {app: d}, ports: [{name: a, port: 80}, {name: b, port: 81}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {set: one}}
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {set: one}}
data: {a: b}
END
kubectl apply -f - <<END
apiVersion: v1
kind: Service
metadata: {name: svc, labels: {set: one}}
spec: {selector: {app: d}, ports: [{name: b, port: 82}]}
END
kubectl get svc svc -o jsonpath='{.spec.ports}'
kubectl apply --prune -l set=one --prune-allowlist=core/v1/ConfigMap -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {set: one}}
data: {a: c}
END
kubectl get cm,svc -l set=one -o name
kubectl apply --prune -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
END
KUBECTL_APPLYSET=true kubectl apply --prune --applyset=secret/parts -n apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: in-set}
END
KUBECTL_APPLYSET=true kubectl apply --prune --applyset=secret/parts -n apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: in-set-2}
END
kubectl get secret parts -o jsonpath='{.metadata.annotations}'
kubectl apply set-last-applied --create-annotation -f - <<END
apiVersion: v1
kind: Service
metadata: {name: svc}
spec: {ports: [{name: b, port: 82}]}
END
kubectl apply view-last-applied svc/svc -o json
EDITOR='sed -i s/82/83/' kubectl apply edit-last-applied svc/svc
kubectl apply view-last-applied svc/svc
kubectl apply view-last-applied cm none
kubectl apply view-last-applied secret parts
kubectl apply -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: "i:2"}]}
END
kubectl apply --force -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: c, image: "i:2"}]}
END
kubectl apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: no-such, namespace: nowhere}
END
kubectl apply -n other -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: ns, namespace: apply}
END
kubectl apply -f - <<END
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: l2}}
END
kubectl apply -f - -o name <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: l1}
data: {x: y}
END
kubectl apply -f - -o yaml <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: l1, finalizers: []}
data: {x: z}
END
kubectl apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {generateName: gen-}
END
kubectl apply -f - <<END
kind: ConfigMap
metadata: {name: x}
END
kubectl apply -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: x
END
kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: wrong}
spec: {containers: [{name: c, image: i, ports: [{containerPort: "x"}]}], replicas: 1}
END
kubectl apply --server-side -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: wrong}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 99999}]}], restartPolicy: Sometimes}
END
kubectl apply --server-side -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
data: {a: c}
END
kubectl apply --server-side --dry-run=server -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
data: {a: d}
END
kubectl apply --server-side --field-manager=one --force-conflicts -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {a: "1", b: "2"}
END
kubectl apply --server-side --field-manager=two -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {b: "2", c: "3"}
END
kubectl apply --server-side --field-manager=one -f - <<END
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
END
kubectl get cm shared -o yaml --show-managed-fields
mkdir -p r/more; printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: r1}\n' > r/a.yaml; printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"r2"}}' > r/more/b.json; kubectl apply -R -f r; kubectl delete -R -f r
kubectl replace --subresource=status -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {selector: {matchLabels: {app: other}}, template: {metadata: {labels: {app: other}}, spec: {containers: [{name: c, image: "i:2"}]}}}
status: {replicas: 3}
END
kubectl get cm l1 -o yaml | sed 's/resourceVersion: .*/resourceVersion: "1"/' | kubectl replace -f -
kubectl get cm l1 -o yaml | sed 's/x: z/x: q/' | kubectl replace -f -
EDITOR='sed -i s/q/r/' kubectl edit cm l1
EDITOR='sed -i s/r$/s/' kubectl edit cm l1 -o json
EDITOR='sed -i s/"x":/"x":::/' kubectl edit cm l1 -o json 2>&1 | sed 's/edit-[0-9]*/edit-N/'
EDITOR='sed -i s/q/r/' kubectl edit cm none
EDITOR='sed -i s/name:.l1/name:\ l9/' kubectl edit cm l1
EDITOR='sed -i s/replicas:.1/replicas:\ 2/' kubectl edit deployment d
EDITOR='sed -i s/replicas:.2/replicas:\ -2/' kubectl edit deployment d 2>&1 | sed 's/edit-[0-9]*/edit-N/'
EDITOR='sed -i s/x:.r/x:\ w/' kubectl edit cm l1 svc/svc
EDITOR='sed -i s/zzz/w/' kubectl edit cm -l none=none
EDITOR='sed -i s/replicas:.3/replicas:\ 4/' kubectl edit deployment d --subresource=status
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: edited}\ndata: {a: b}\n' | EDITOR='sed -i s/b$/c/' kubectl create --edit -f -
