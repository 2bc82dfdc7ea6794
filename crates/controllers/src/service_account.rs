//! What each namespace gets: the account `default`, and the cluster's CA for pods that speak to the API.

use cedge_informer::{Cache, Key, Next, Queue};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{ApiResource, ObjectMeta, PostParams};
use kube::{Api, Client};

use crate::context::{Context, feed};
use crate::error::{Answer as _, Error, exists, optional};

const ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
const CA_KEY: &str = "ca.crt";
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "The CA of this cluster's API server, for its internal addresses.",
);

pub(crate) fn start_accounts(ctx: &Context) {
    let accounts = ApiResource::erase::<ServiceAccount>(&());
    let queue = per_namespace(ctx, "serviceaccount", &accounts, ACCOUNT);
    let (this, namespaces) = (ctx.clone(), ctx.informers.of::<Namespace>());
    ctx.work(&queue, &[&namespaces.clone()], 1, move |key| {
        let (this, namespaces) = (this.clone(), namespaces.clone());
        async move {
            if is_active(&namespaces, &key) {
                ensure_account(&this, &key.name).await?;
            }
            Ok(Next::OnChange)
        }
    });
}

pub(crate) fn start_root_ca(ctx: &Context) {
    let Some(ca) = ctx.config.cluster_ca.clone() else {
        return;
    };
    let maps = ApiResource::erase::<ConfigMap>(&());
    let queue = per_namespace(ctx, "root-ca", &maps, ROOT_CA);
    let (this, namespaces) = (ctx.clone(), ctx.informers.of::<Namespace>());
    ctx.work(&queue, &[&namespaces.clone()], 1, move |key| {
        let (this, namespaces, ca) = (this.clone(), namespaces.clone(), ca.clone());
        async move {
            if is_active(&namespaces, &key) {
                ensure_root_ca(&this, &key.name, &ca).await?;
            }
            Ok(Next::OnChange)
        }
    });
}

/// A queue of namespaces, fed by them and by every change of the one object that each of them must have.
fn per_namespace(
    ctx: &Context,
    queue: &'static str,
    resource: &ApiResource,
    name: &'static str,
) -> Queue<Key> {
    let queue: Queue<Key> = Queue::new(queue);
    feed(&ctx.informers.of::<Namespace>(), &queue);
    ctx.informers.headers(resource).subscribe({
        let queue = queue.clone();
        move |change| {
            let object = change.object();
            if object.name() == name {
                queue.add(Key::new("", object.namespace()));
            }
        }
    });
    queue
}

fn is_active(namespaces: &Cache, key: &Key) -> bool {
    namespaces.get_key(key).is_some_and(|n| !n.is_deleting())
}

async fn ensure_account(ctx: &Context, namespace: &str) -> Result<(), Error> {
    let there: Api<ServiceAccount> = Api::namespaced(reader(ctx), namespace);
    if there.get_metadata_opt(ACCOUNT).await?.is_some() {
        return Ok(());
    }
    let api: Api<ServiceAccount> = Api::namespaced(ctx.client.clone(), namespace);
    let account = ServiceAccount {
        metadata: metadata(namespace, ACCOUNT),
        ..ServiceAccount::default()
    };
    made(api.create(&PostParams::default(), &account).await)
}

async fn ensure_root_ca(ctx: &Context, namespace: &str, ca: &str) -> Result<(), Error> {
    let there: Api<ConfigMap> = Api::namespaced(reader(ctx), namespace);
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), namespace);
    let wanted = [(CA_KEY.to_owned(), ca.to_owned())].into();
    let Some(mut map) = optional(there.get(ROOT_CA).await)? else {
        let map = ConfigMap {
            metadata: ObjectMeta {
                annotations: Some([DESCRIPTION].map(|(k, v)| (k.into(), v.into())).into()),
                ..metadata(namespace, ROOT_CA)
            },
            data: Some(wanted),
            ..ConfigMap::default()
        };
        return made(api.create(&PostParams::default(), &map).await);
    };
    if map.data.as_ref() != Some(&wanted) {
        map.data = Some(wanted);
        map.metadata.managed_fields = None;
        api.replace(ROOT_CA, &PostParams::default(), &map).await?;
    }
    Ok(())
}

/// These controllers' own roles let them write only: what is there is read in the name of the manager.
fn reader(ctx: &Context) -> Client {
    ctx.informers.client().clone()
}

fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

/// Somebody else was faster, or the namespace goes away: both are fine.
fn made<T>(result: Result<T, kube::Error>) -> Result<(), Error> {
    match result {
        Err(e) if !exists(&e) && !e.is_namespace_terminating() && !e.is_not_found() => {
            Err(e.into())
        }
        _ => Ok(()),
    }
}
