//! Makes volumes out of directories on nodes, as small clusters want them: StorageClass `local-path`.
//!
//! The directory itself is made by the node when the first pod mounts it, and removed by the node when the volume is
//! gone from the API and was one to be deleted.

use cedge_informer::{Cache, Key, Next, Object, Queue, Recorder};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use serde_json::{Value, json};

use super::plan::{self, PROVISIONED_BY, PROVISIONER, SELECTED_NODE};
use super::{Shared, bind, nodes};
use crate::context::{Context, feed};
use crate::error::{Answer as _, Error, exists, message};

/// Who we are, as classes name us.
const NAME: &str = "edge.centaurus.io/local-path";
const CLASS: &str = "local-path";
/// Annotation of a Node: where it wants its volumes.
const PLACE: &str = "edge.centaurus.io/local-volumes";
/// Where they are on a node that does not say.
const PLACE_ELSE: &str = "/var/lib/cedge/volumes";
const HOST: &str = "kubernetes.io/hostname";

#[derive(Clone)]
struct Provisioner {
    ctx: Context,
    claims: Cache,
    volumes: Cache,
    classes: Cache,
    nodes: Cache,
    recorder: Recorder,
}

pub(crate) fn start(ctx: &Context) {
    let this = Provisioner {
        ctx: ctx.clone(),
        claims: ctx.informers.of::<PersistentVolumeClaim>(),
        volumes: ctx.informers.of::<PersistentVolume>(),
        classes: ctx.informers.of::<StorageClass>(),
        nodes: nodes(ctx),
        recorder: ctx.events.recorder(NAME),
    };
    let claims: Queue<Key> = Queue::new("local-path/claims");
    let volumes: Queue<Key> = Queue::new("local-path/volumes");
    let classes: Queue<Key> = Queue::new("local-path/class");
    feed(&this.claims, &claims);
    feed(&this.volumes, &volumes);
    classes.add(Key::new("", CLASS));
    let caches = [
        &this.claims.clone(),
        &this.volumes.clone(),
        &this.classes.clone(),
        &this.nodes.clone(),
    ];
    let provisioner = this.clone();
    ctx.work(&classes, &caches, 1, move |_| {
        let this = provisioner.clone();
        async move { this.make_class().await }
    });
    let provisioner = this.clone();
    ctx.work(&claims, &caches, 2, move |key| {
        let this = provisioner.clone();
        async move { Box::pin(this.provision(&key)).await }
    });
    ctx.work(&volumes, &caches, 2, move |key| {
        let this = this.clone();
        async move { Box::pin(this.take_away(&key)).await }
    });
}

impl Provisioner {
    /// The class is there from the first start on: the default one, unless there is one already. Who deletes it gets
    /// it again at the next start, as with K3s.
    async fn make_class(&self) -> Result<Next, Error> {
        if self.classes.get("", CLASS).is_some() {
            return Ok(Next::OnChange);
        }
        let class: StorageClass = serde_json::from_value(class(&self.classes.list()))?;
        let api: Api<StorageClass> = Api::all(self.ctx.client.clone());
        match api.create(&PostParams::default(), &class).await {
            Err(e) if !exists(&e) => Err(e.into()),
            _ => Ok(Next::OnChange),
        }
    }

    /// Makes the volume of a claim that was given to us.
    async fn provision(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.claims.get_key(key).filter(|c| !c.is_deleting()) else {
            return Ok(Next::OnChange);
        };
        let claim: PersistentVolumeClaim = object.decode()?;
        let ours = plan::annotation(&claim.metadata, PROVISIONER) == Some(NAME);
        if !ours || !plan::volume_name(&claim).is_empty() {
            return Ok(Next::OnChange);
        }
        let name = format!("pvc-{}", object.uid());
        if self.volumes.get("", &name).is_some() {
            return Ok(Next::OnChange);
        }
        let class_name = plan::class_of(&claim);
        let Some(class) = self.classes.decode::<StorageClass>("", class_name)? else {
            return Ok(Next::OnChange);
        };
        let Some(selected) = plan::annotation(&claim.metadata, SELECTED_NODE) else {
            let text = format!(
                "failed to provision volume with StorageClass {class_name:?}: a directory needs a node; set volumeBindingMode: WaitForFirstConsumer"
            );
            self.recorder
                .warning(object.reference(), "ProvisioningFailed", text);
            return Ok(Next::OnChange);
        };
        let Some(node) = self.nodes.decode::<Node>("", selected)? else {
            return self.select_again(&object, &claim, selected).await;
        };
        let volume: PersistentVolume =
            serde_json::from_value(volume(&name, &claim, &class, &node))?;
        let api: Api<PersistentVolume> = Api::all(self.ctx.client.clone());
        match api.create(&PostParams::default(), &volume).await {
            Ok(_) => {
                let text = format!("Successfully provisioned volume {name}");
                self.recorder
                    .normal(object.reference(), "ProvisioningSucceeded", text);
                Ok(Next::OnChange)
            }
            Err(e) if exists(&e) => Ok(Next::OnChange),
            Err(e) => {
                let text = format!(
                    "failed to provision volume with StorageClass {class_name:?}: {}",
                    message(&e)
                );
                self.recorder
                    .warning(object.reference(), "ProvisioningFailed", text);
                Err(e.into())
            }
        }
    }

    /// The node is gone: the scheduler is to choose another.
    async fn select_again(
        &self,
        object: &Shared,
        claim: &PersistentVolumeClaim,
        selected: &str,
    ) -> Result<Next, Error> {
        let text = format!("node {selected:?} is not there any more");
        self.recorder
            .warning(object.reference(), "ProvisioningFailed", text);
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.ctx.client.clone(), object.namespace());
        let change = json!({"metadata": {"annotations": {SELECTED_NODE: null}}});
        bind::write(&api, claim, &change, None).await?;
        Ok(Next::OnChange)
    }

    /// Deletes a volume of ours that nobody claims any more, if that is its policy.
    async fn take_away(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.volumes.get_key(key).filter(|v| !v.is_deleting()) else {
            return Ok(Next::OnChange);
        };
        let volume: PersistentVolume = object.decode()?;
        let spec = volume.spec.unwrap_or_default();
        let phase = volume.status.and_then(|s| s.phase);
        if plan::annotation(&volume.metadata, PROVISIONED_BY) != Some(NAME)
            || phase.as_deref() != Some("Released")
            || spec.persistent_volume_reclaim_policy.as_deref() != Some("Delete")
        {
            return Ok(Next::OnChange);
        }
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(object.uid().to_owned()),
                resource_version: Some(object.revision().to_owned()),
            }),
            ..DeleteParams::default()
        };
        let api: Api<PersistentVolume> = Api::all(self.ctx.client.clone());
        match api.delete(object.name(), &params).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(Next::OnChange),
        }
    }
}

fn class(others: &[Shared]) -> Value {
    const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
    let is_default = |o: &Object| {
        let class: Result<StorageClass, _> = o.decode();
        class.is_ok_and(|c| plan::annotation(&c.metadata, DEFAULT) == Some("true"))
    };
    let default = !others.iter().any(|o| is_default(o));
    json!({
        "metadata": {"name": CLASS, "annotations": {DEFAULT: default.to_string()}},
        "provisioner": NAME, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    })
}

/// A directory on a node, kept for its claim.
fn volume(name: &str, claim: &PersistentVolumeClaim, class: &StorageClass, node: &Node) -> Value {
    let spec = claim.spec.clone().unwrap_or_default();
    let requests = spec.resources.and_then(|r| r.requests).unwrap_or_default();
    let place = plan::annotation(&node.metadata, PLACE).unwrap_or(PLACE_ELSE);
    let claim_name = claim.metadata.name.as_deref().unwrap_or("");
    let namespace = claim.metadata.namespace.as_deref().unwrap_or("");
    let node_name = node.metadata.name.as_deref().unwrap_or("");
    let labels = node.metadata.labels.as_ref();
    let host = labels
        .and_then(|l| l.get(HOST))
        .map_or(node_name, String::as_str);
    json!({
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: NAME, SELECTED_NODE: node_name}},
        "spec": {
            "accessModes": spec.access_modes,
            "capacity": {"storage": requests.get("storage")},
            "claimRef": bind::reference(claim),
            "hostPath": {"path": format!("{place}/{name}_{namespace}_{claim_name}"), "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": HOST, "operator": "In", "values": [host]}]}]}},
            "persistentVolumeReclaimPolicy": class.reclaim_policy.as_deref().unwrap_or("Delete"),
            "storageClassName": class.metadata.name,
            "volumeMode": spec.volume_mode.as_deref().unwrap_or("Filesystem"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_directory_on_the_node_that_was_chosen() {
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({
            "metadata": {"name": "data-web-0", "namespace": "a", "uid": "u"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}))
        .unwrap();
        let class: StorageClass =
            serde_json::from_value(json!({"metadata": {"name": "local-path"}, "provisioner": NAME, "reclaimPolicy": "Retain"}))
                .unwrap();
        let node: Node = serde_json::from_value(
            json!({"metadata": {"name": "n", "labels": {HOST: "n.local"},
            "annotations": {PLACE: "/data/node/storage"}}}),
        )
        .unwrap();
        let volume = volume("pvc-u", &claim, &class, &node);
        assert_eq!(
            volume["spec"]["hostPath"]["path"],
            "/data/node/storage/pvc-u_a_data-web-0"
        );
        assert_eq!(volume["spec"]["capacity"]["storage"], "1Gi");
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        assert_eq!(volume["spec"]["claimRef"]["uid"], "u");
        let term = &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0];
        assert_eq!(term["matchExpressions"][0]["values"], json!(["n.local"]));
        serde_json::from_value::<PersistentVolume>(volume).unwrap();
    }

    #[test]
    fn the_class_is_the_default_one_unless_there_is_one() {
        let other = |default: &str| -> Shared {
            let json = json!({"metadata": {"name": "x", "annotations": {"storageclass.kubernetes.io/is-default-class": default}},
                "provisioner": "p"});
            let resource = kube::api::ApiResource::erase::<StorageClass>(&());
            Shared::new(Object::from_json(&resource, json.to_string().as_bytes()).unwrap())
        };
        let is = |c: Value| {
            c["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"].clone()
        };
        assert_eq!(is(class(&[])), "true");
        assert_eq!(is(class(&[other("false")])), "true");
        assert_eq!(is(class(&[other("true")])), "false");
    }
}
