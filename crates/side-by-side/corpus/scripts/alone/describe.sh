# alone
kubectl apply -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}, annotations: {note: text}}
spec:
  containers:
  - {name: c, image: "nginx:1", ports: [{containerPort: 80}], env: [{name: A, value: b}, {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}], resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}, livenessProbe: {httpGet: {path: /, port: 80}}, volumeMounts: [{name: v, mountPath: /v}]}
  volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: x}}]
  nodeSelector: {a: b}
END
kubectl describe pod p
kubectl create deployment d --image=nginx --replicas=3
kubectl describe deployment d
kubectl expose deployment d --port=80 --target-port=8080
kubectl describe service d
kubectl create configmap c --from-literal=k=v
kubectl describe configmap c
kubectl create secret generic s --from-literal=k=v
kubectl describe secret s
kubectl describe sa default
kubectl create job j --image=busybox -- echo hi
kubectl describe job j
kubectl create cronjob k --image=busybox --schedule='*/5 * * * *' -- echo hi
kubectl describe cronjob k
kubectl create role r --verb=get,list --resource=pods,pods/log
kubectl describe role r
kubectl create rolebinding b --role=r --serviceaccount=describe:default --user=ann
kubectl describe rolebinding b
kubectl create quota q --hard=pods=5,cpu=2
kubectl describe quota q
kubectl create poddisruptionbudget pdb --selector=app=p --min-available=1
kubectl describe pdb pdb
kubectl create ingress i --rule='a.b/path*=d:80,tls=t' --class=c
kubectl describe ingress i
kubectl autoscale deployment d --min=1 --max=5 --cpu=80%
kubectl describe hpa d
kubectl apply -f - <<END
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: pvc}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec: {podSelector: {matchLabels: {a: b}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}], policyTypes: [Ingress]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: lr}
spec: {limits: [{type: Container, default: {cpu: 1}, defaultRequest: {cpu: 500m}, max: {cpu: 2}}]}
END
kubectl describe pvc pvc
kubectl describe netpol np
kubectl describe limits lr
kubectl describe ns describe
kubectl describe clusterrole view
kubectl describe priorityclass system-node-critical
kubectl describe pod none
kubectl describe nothing x
kubectl apply -f - <<END
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sts}
spec: {serviceName: d, replicas: 2, selector: {matchLabels: {app: s}}, template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: i}]}}, volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec: {selector: {matchLabels: {app: ds}}, template: {metadata: {labels: {app: ds}}, spec: {initContainers: [{name: i, image: i}], containers: [{name: c, image: i, envFrom: [{configMapRef: {name: c}}], readinessProbe: {exec: {command: [x]}}}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs}
spec: {replicas: 1, selector: {matchLabels: {app: rs}}, template: {metadata: {labels: {app: rs}}, spec: {containers: [{name: c, image: i}], tolerations: [{key: a, operator: Exists}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}}}}}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec: {replicas: 1, selector: {app: rc}, template: {metadata: {labels: {app: rc}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: v1
kind: PodTemplate
metadata: {name: pt}
template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: ControllerRevision
metadata: {name: cr}
revision: 3
data: {a: b}
---
apiVersion: v1
kind: Endpoints
metadata: {name: ep}
subsets: [{addresses: [{ip: 1.2.3.4, targetRef: {kind: Pod, name: x}}], notReadyAddresses: [{ip: 1.2.3.5}], ports: [{name: a, port: 80}]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: es, labels: {kubernetes.io/service-name: d}}
addressType: IPv4
endpoints: [{addresses: [1.2.3.4], conditions: {ready: true}, nodeName: n, zone: z}]
ports: [{name: a, port: 80}]
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: lease}
spec: {holderIdentity: me, leaseDurationSeconds: 15}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: describe-pv}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}, storageClassName: describe, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: describe}
provisioner: example.com/p
parameters: {a: b}
mountOptions: [ro]
---
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: describe.example.com}
spec: {attachRequired: false}
---
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: describe}
spec: {drivers: [{name: describe.example.com, nodeID: n, topologyKeys: [a]}]}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: describe}
spec: {attacher: describe.example.com, nodeName: n, source: {persistentVolumeName: describe-pv}}
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttributesClass
metadata: {name: describe}
driverName: describe.example.com
parameters: {a: b}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: describe}
spec: {controller: example.com/c}
---
apiVersion: networking.k8s.io/v1
kind: IPAddress
metadata: {name: 10.96.200.200}
spec: {parentRef: {resource: services, name: d, namespace: describe}}
---
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: describe}
spec: {cidrs: [10.97.0.0/24]}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: describe}
handler: h
overhead: {podFixed: {cpu: 1m}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: describe}
value: 7
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: describe}
spec: {matchConstraints: {resourceRules: [{apiGroups: [none], apiVersions: [v1], operations: [CREATE], resources: [nones]}]}, validations: [{expression: "true"}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: describe}
spec: {policyName: describe, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: describe}
webhooks: [{name: a.example.com, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: "https://127.0.0.1:1/x"}, rules: [{apiGroups: [none], apiVersions: [v1], operations: [CREATE], resources: [nones]}]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: describe}
webhooks: [{name: a.example.com, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: "https://127.0.0.1:1/x"}, rules: [{apiGroups: [none], apiVersions: [v1], operations: [CREATE], resources: [nones]}]}]
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: describe}
spec: {selectors: [{cel: {expression: "true"}}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: claim}
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: describe}}]}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: describe}
spec: {priorityLevelConfiguration: {name: catch-all}, matchingPrecedence: 9999}
END
kubectl describe sts sts
kubectl describe ds ds
kubectl describe rs rs
kubectl describe rc rc
kubectl describe podtemplate pt
kubectl describe controllerrevision cr
kubectl describe endpoints ep
kubectl describe endpointslice es
kubectl describe lease lease
kubectl describe pv describe-pv
kubectl describe storageclass describe
kubectl describe csidriver describe.example.com
kubectl describe csinode describe
kubectl describe volumeattachment describe
kubectl describe volumeattributesclass describe
kubectl describe ingressclass describe
kubectl describe ipaddress 10.96.200.200
kubectl describe servicecidr describe
kubectl describe runtimeclass describe
kubectl describe priorityclass describe
kubectl describe validatingadmissionpolicy describe
kubectl describe validatingadmissionpolicybinding describe
kubectl describe validatingwebhookconfiguration describe
kubectl describe mutatingwebhookconfiguration describe
kubectl describe deviceclass describe
kubectl describe resourceclaim claim
kubectl describe flowschema describe
kubectl describe prioritylevelconfiguration catch-all
kubectl describe clusterrolebinding cluster-admin
kubectl describe apiservice v1.apps
kubectl describe cm -l none=none
kubectl describe sa
kubectl describe cm,secret
kubectl describe -f none.yaml
kubectl describe pod --show-events=false
kubectl describe pods/p svc/d
kubectl get sts,ds,rs,rc,podtemplate,controllerrevision,endpoints,endpointslices,leases,resourceclaims -o wide
kubectl get pv,storageclass,csidriver,csinode,volumeattachment,volumeattributesclass,ingressclass,runtimeclass,deviceclass -o wide
kubectl get validatingadmissionpolicy,validatingadmissionpolicybinding,validatingwebhookconfiguration,mutatingwebhookconfiguration,flowschema describe
kubectl delete pv,storageclass,csinode,volumeattachment,volumeattributesclass,ingressclass,runtimeclass,priorityclass,deviceclass,validatingadmissionpolicy,validatingadmissionpolicybinding,validatingwebhookconfiguration,mutatingwebhookconfiguration,flowschema describe
kubectl delete csidriver describe.example.com
