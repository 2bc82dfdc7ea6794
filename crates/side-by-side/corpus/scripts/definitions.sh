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
