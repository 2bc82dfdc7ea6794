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
