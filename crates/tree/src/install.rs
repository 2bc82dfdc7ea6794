//! What the tree needs in a cluster of any flavor: its definitions, a namespace of its own, and the runtime class of our
//! nodes.

use std::time::Duration;

use cedge_api::{GROUP, SYSTEM_NAMESPACE, TREE_MANAGER, VERSION, custom_resource_definitions};
use cedge_tasks::Backoff;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

/// How long a definition may take to be established; Kubernetes needs about a second.
const ESTABLISH_LIMIT: Duration = Duration::from_secs(60);

/// Why the tree could not be set up in a cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API refused an object, or was not there.
    #[error("could not install {what}; the tree needs the rights of cluster-admin here")]
    Api {
        /// Which object.
        what: String,
        /// What the API said.
        #[source]
        cause: kube::Error,
    },
    /// A definition was taken but is not served, or discovery and OpenAPI do not tell of it.
    #[error("definition {what} is not established and served after {} s; `kubectl describe crd {what}` says why", ESTABLISH_LIMIT.as_secs())]
    NotEstablished {
        /// Which definition.
        what: String,
    },
}

/// Installs, or brings up to date, what the tree needs.
///
/// # Errors
/// If the API refuses; run it again.
///
/// *Cancel safety*: each object is there or not.
pub async fn install(client: &Client) -> Result<(), Error> {
    let apply = PatchParams::apply(TREE_MANAGER).force();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM_NAMESPACE },
    });
    let refused = |what: &str| {
        let what = what.to_owned();
        move |cause| Error::Api { what, cause }
    };
    namespaces
        .patch(SYSTEM_NAMESPACE, &apply, &Patch::Apply(namespace))
        .await
        .map_err(refused("namespace edge-system"))?;
    let classes: Api<RuntimeClass> = Api::all(client.clone());
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "process" }, "handler": "process",
    });
    classes
        .patch("process", &apply, &Patch::Apply(class))
        .await
        .map_err(refused("runtime class process"))?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in custom_resource_definitions() {
        let name = definition.name_any();
        definitions
            .patch(&name, &apply, &Patch::Apply(&definition))
            .await
            .map_err(refused(&name))?;
    }
    for definition in custom_resource_definitions() {
        let what = definition.name_any();
        let established =
            await_condition(definitions.clone(), &what, conditions::is_crd_established());
        match tokio::time::timeout(ESTABLISH_LIMIT, established).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(Error::NotEstablished { what }),
        }
    }
    until_served(client).await
}

/// Waits until discovery and OpenAPI tell of every kind of ours, which an API may do some time after it takes objects:
/// kubectl refuses a Mission until then.
async fn until_served(client: &Client) -> Result<(), Error> {
    let mut delay = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    let served = async {
        loop {
            match missing(client).await {
                Ok(None) => return,
                Ok(Some(what)) => tracing::debug!(what, "not in discovery and OpenAPI yet"),
                Err(error) => tracing::debug!(%error, "discovery does not answer yet"),
            }
            tokio::time::sleep(delay.next_delay()).await;
        }
    };
    if tokio::time::timeout(ESTABLISH_LIMIT, served).await.is_ok() {
        return Ok(());
    }
    let what = missing(client).await.ok().flatten();
    Err(Error::NotEstablished {
        what: what.unwrap_or_else(|| GROUP.to_owned()),
    })
}

/// A definition of ours of which discovery or OpenAPI does not tell.
async fn missing(client: &Client) -> Result<Option<String>, kube::Error> {
    let discovery = text(client, &format!("/apis/{GROUP}/{VERSION}")).await?;
    let schemas = text(client, &format!("/openapi/v3/apis/{GROUP}/{VERSION}")).await?;
    let told = custom_resource_definitions()
        .into_iter()
        .find(|definition| {
            let names = &definition.spec.names;
            !discovery.contains(&format!("\"{}\"", names.plural))
                || !schemas.contains(&format!("\"{}\"", names.kind))
        });
    Ok(told.map(|definition| definition.name_any()))
}

async fn text(client: &Client, path: &str) -> Result<String, kube::Error> {
    let request = http::Request::get(path).body(Vec::new());
    client
        .request_text(request.map_err(kube::Error::HttpError)?)
        .await
}

/// Gives callers from above the rights of `role`, unless this site has decided otherwise: what is bound already stays.
///
/// # Errors
/// If the API refuses.
pub async fn bind_parent(client: &Client, role: &str) -> Result<(), Error> {
    let binding = ClusterRoleBinding {
        metadata: kube::api::ObjectMeta {
            name: Some(crate::reach::PARENT_GROUP.to_owned()),
            ..kube::api::ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Group".to_owned(),
            name: crate::reach::PARENT_GROUP.to_owned(),
            namespace: None,
        }]),
    };
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    match bindings.create(&PostParams::default(), &binding).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(drop).map_err(|cause| Error::Api {
            what: "ClusterRoleBinding edge:parent".to_owned(),
            cause,
        }),
    }
}

/// Says in the cluster where its hub is, for the command line.
///
/// # Errors
/// If the API refuses.
pub async fn publish_hub(
    client: &Client,
    name: &str,
    listen: std::net::SocketAddr,
    addresses: &[String],
    authority: &cedge_pki::Authority,
) -> Result<(), Error> {
    let local = if listen.ip().is_unspecified() {
        std::net::SocketAddr::from(([127, 0, 0, 1], listen.port()))
    } else {
        listen
    };
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "hub", "namespace": SYSTEM_NAMESPACE },
        "data": {
            "name": name, "address": local.to_string(), "addresses": addresses.join(","),
            "identity": authority.id().as_str(), "ca": authority.certificate_pem(),
        },
    });
    let api: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let applied = api
        .patch(
            "hub",
            &PatchParams::apply(TREE_MANAGER).force(),
            &Patch::Apply(map),
        )
        .await;
    applied.map(drop).map_err(|cause| Error::Api {
        what: "ConfigMap edge-system/hub".to_owned(),
        cause,
    })
}
