kubectl explain pods
kubectl explain pod.spec.containers
kubectl explain pod.spec.containers.livenessProbe.httpGet
kubectl explain deployment.spec.strategy --recursive
kubectl explain configmap
kubectl explain cm.data
kubectl explain pod.spec.nothing
kubectl explain nothing
kubectl explain hpa --api-version=autoscaling/v1
kubectl explain hpa.spec.metrics
kubectl explain cronjob.spec.jobTemplate.spec
kubectl explain crd.spec.versions.schema
kubectl explain ingress --recursive
kubectl explain clusterrole
kubectl explain events.events.k8s.io
kubectl explain pod.metadata --output=plaintext-openapiv2
kubectl explain service.spec --recursive
kubectl explain networkpolicy.spec.ingress.from
kubectl explain pods --recursive | head -200
kubectl explain pod --max-depth=2
kubectl explain deployment.spec.template.spec.volumes
kubectl explain statefulset.spec
kubectl explain daemonset.spec.updateStrategy
kubectl explain job.spec --recursive
kubectl explain pvc.spec
kubectl explain pv.spec.csi
kubectl explain storageclass
kubectl explain secret --api-version=v1
kubectl explain secret --api-version=v2
kubectl explain node.status.conditions
kubectl explain lease.spec
kubectl explain endpointslices.endpoints
kubectl explain csr.spec.usages
kubectl explain validatingwebhookconfigurations.webhooks.clientConfig
kubectl explain validatingadmissionpolicy.spec --recursive
kubectl explain flowschema.spec
kubectl explain resourceclaim.spec
kubectl explain rolebinding.subjects
kubectl explain quota.spec.scopeSelector
kubectl explain priorityclass.value
kubectl explain events.reason
kubectl explain pod.spec --output=plaintext | head -20
kubectl explain pod --output=nonsense
kubectl explain pod.
kubectl explain crd --recursive --api-version=apiextensions.k8s.io/v1 | tail -30
kubectl explain apiservice.spec
kubectl explain runtimeclass
kubectl explain pod.spec.nodeName.x
kubectl explain deployments.v1.apps
