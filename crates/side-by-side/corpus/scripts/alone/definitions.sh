# alone
kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gizmos.scripts.example.com}
spec:
  group: scripts.example.com
  scope: Namespaced
  names: {plural: gizmos, singular: gizmo, kind: Gizmo, shortNames: [gz], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size, description: How large}]
    schema:
      openAPIV3Schema:
        type: object
        description: A gizmo.
        properties:
          spec: {type: object, description: What is wanted., required: [size], properties: {size: {type: integer, description: How large., minimum: 1}, replicas: {type: integer}, tags: {type: array, items: {type: string}}}}
          status: {type: object, properties: {replicas: {type: integer}}}
END
kubectl wait --for=condition=Established crd/gizmos.scripts.example.com --timeout=20s
kubectl get crd gizmos.scripts.example.com
sleep 2; kubectl api-resources --api-group=scripts.example.com
kubectl apply -f - <<END
apiVersion: scripts.example.com/v1
kind: Gizmo
metadata: {name: g}
spec: {size: 3, replicas: 1}
END
kubectl get gizmos
kubectl get gz g -o yaml
kubectl get all
kubectl describe gizmo g
kubectl explain gizmo
kubectl explain gizmo.spec --recursive
kubectl scale gizmo g --replicas=4
kubectl patch gizmo g --type=merge -p '{"spec":{"size":0}}'
kubectl patch gizmo g -p '{"spec":{"size":5}}'
kubectl edit gizmo none
kubectl apply -f - <<END
apiVersion: scripts.example.com/v1
kind: Gizmo
metadata: {name: bad}
spec: {size: x, unknown: 1}
END
kubectl label gizmo g a=b
kubectl delete gizmo g
kubectl delete crd gizmos.scripts.example.com
kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: wares.scripts.example.com}
spec:
  group: scripts.example.com
  scope: Cluster
  names: {plural: wares, kind: Ware}
  versions:
  - {name: v1, served: true, storage: true, selectableFields: [{jsonPath: .spec.colour}], schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {colour: {type: string, enum: [red, blue]}, count: {type: integer, default: 3}}, x-kubernetes-validations: [{rule: "self.count < 10", message: "too many"}]}}}}}
  - {name: v1beta1, served: true, storage: false, deprecated: true, deprecationWarning: "use v1", schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
END
kubectl wait --for=condition=Established crd/wares.scripts.example.com --timeout=20s; sleep 2
kubectl create -f - <<END
apiVersion: scripts.example.com/v1
kind: Ware
metadata: {name: w}
spec: {colour: red}
END
kubectl get wares
kubectl get ware w -o yaml
kubectl get wares.v1beta1.scripts.example.com
kubectl get wares --field-selector spec.colour=red
kubectl get wares --field-selector spec.count=3
kubectl patch ware w --type=merge -p '{"spec":{"count":11}}'
kubectl patch ware w --type=merge -p '{"spec":{"colour":"green"}}'
kubectl patch ware w --type=json -p '[{"op":"replace","path":"/spec/count","value":4}]'
kubectl apply --server-side -f - <<END
apiVersion: scripts.example.com/v1
kind: Ware
metadata: {name: w}
spec: {count: 5}
END
kubectl apply --server-side --force-conflicts -f - <<END
apiVersion: scripts.example.com/v1
kind: Ware
metadata: {name: w}
spec: {count: 5}
END
kubectl get ware w -o yaml --show-managed-fields
kubectl diff -f - <<END
apiVersion: scripts.example.com/v1
kind: Ware
metadata: {name: w}
spec: {count: 6}
END
kubectl explain ware.spec
kubectl explain ware --api-version=scripts.example.com/v1beta1
kubectl describe ware w
EDITOR='sed -i s/count:.5/count:\ 7/' kubectl edit ware w
kubectl scale ware w --replicas=1
kubectl wait --for=jsonpath='{.spec.count}'=7 ware/w --timeout=2s
kubectl get crd wares.scripts.example.com -o yaml
kubectl describe crd wares.scripts.example.com | sed '/Finalizers:/,+1d'
kubectl patch crd wares.scripts.example.com --type=json -p '[{"op":"replace","path":"/spec/scope","value":"Namespaced"}]'
kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bad.scripts.example.com}
spec: {group: scripts.example.com, scope: Cluster, names: {plural: other, kind: Ware}, versions: [{name: v1, served: true, storage: false}]}
END
kubectl delete ware --all
kubectl delete crd wares.scripts.example.com
kubectl get wares
