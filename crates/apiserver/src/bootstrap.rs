//! What is there before anybody writes: namespaces, priority classes, the service of the API itself.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Api, WriteFailure};
use crate::status::{Error, Result};
use crate::verbs::create::new_uid;
use crate::{meta, statuses};

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Creates what is missing; what is there stays as it is.
///
/// # Errors
/// The store refuses.
pub(crate) async fn bootstrap(api: &Arc<Api>) -> Result<()> {
    api.cache.fresh().await?;
    for name in NAMESPACES {
        ensure(
            api,
            ("", "v1", "namespaces"),
            json!({
                "kind": "Namespace", "apiVersion": "v1",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            }),
        )
        .await?;
    }
    for (name, value, what) in [
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ] {
        ensure(api, ("scheduling.k8s.io", "v1", "priorityclasses"), json!({
            "kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": name},
            "value": value, "description": what,
        }))
        .await?;
    }
    roles(api).await?;
    own_kinds(api).await?;
    crate::extension::publish(api).await?;
    let ranges = ("networking.k8s.io", "v1", "servicecidrs");
    ensure(api, ranges, service_range(api)).await?;
    ensure(api, ("", "v1", "services"), service(api)).await?;
    if let Some(address) = api.config.advertised {
        endpoints(api, address).await?;
    }
    Ok(())
}

/// What says how the API itself is served: its groups, and how requests share it.
async fn own_kinds(api: &Arc<Api>) -> Result<()> {
    let mut writes = Vec::new();
    for service in statuses::built_in() {
        let place = (statuses::REGISTRATION, "v1", statuses::SERVICES);
        writes.push(ensure(api, place, service));
    }
    for object in statuses::flow_objects() {
        let plural = match object["kind"].as_str() {
            Some("FlowSchema") => "flowschemas",
            _ => "prioritylevelconfigurations",
        };
        writes.push(ensure(api, (statuses::FLOW, "v1", plural), object));
    }
    // Together: they share a few commits.
    let done = futures::future::join_all(writes).await;
    done.into_iter().collect()
}

/// The roles and bindings of every Kubernetes cluster. Those that are there get back what was taken from them.
async fn roles(api: &Arc<Api>) -> Result<()> {
    let writes = cedge_rbac::bootstrap::objects().map(|wanted| async move {
        let plural = match wanted["kind"].as_str().unwrap_or_default() {
            "ClusterRole" => "clusterroles",
            "ClusterRoleBinding" => "clusterrolebindings",
            "Role" => "roles",
            _ => "rolebindings",
        };
        let resource = api.registry.built_in(cedge_rbac::GROUP, "v1", plural);
        let path = resource.path(meta::namespace(&wanted), meta::name(&wanted));
        let Some(current) = resource.cache.get(&path) else {
            return ensure(api, (cedge_rbac::GROUP, "v1", plural), wanted).await;
        };
        match cedge_rbac::bootstrap::reconcile(&current.value()?, &wanted) {
            None => Ok(()),
            Some(updated) => match api.replace(&resource, &updated, current.revision()).await {
                Ok(_) | Err(WriteFailure::Conflict) => Ok(()),
                Err(WriteFailure::Other(error)) => Err(error),
            },
        }
    });
    // Together: they share a few commits.
    let done = futures::future::join_all(writes).await;
    done.into_iter().collect()
}

pub(crate) async fn ensure(
    api: &Api,
    resource: (&str, &str, &str),
    mut object: Value,
) -> Result<()> {
    let resource = api.registry.built_in(resource.0, resource.1, resource.2);
    let path = resource.path(meta::namespace(&object), meta::name(&object));
    if resource.cache.get(&path).is_some() {
        return Ok(());
    }
    let now = cedge_tasks::clock::now_rfc3339();
    meta::set(&mut object, "uid", new_uid());
    meta::set(&mut object, "creationTimestamp", now.clone());
    for field in ["resourceVersion", "managedFields"] {
        meta::remove(&mut object, field);
    }
    let status = object.get("status").cloned();
    resource.set_defaults(&mut object);
    let manager = match resource.group.as_str() {
        statuses::FLOW => statuses::PRODUCER,
        _ => statuses::SERVER,
    };
    crate::managed::note(&resource, manager, "", None, &mut object);
    resource.prepare_create(&mut object, &now);
    // Nobody writes the status of what is made here but who makes it.
    if let Some(status) = status {
        let flow = resource.plural == "flowschemas";
        let applied = flow
            .then(|| crate::managed::note_applied(&resource, statuses::CONSUMER, &object, &status));
        match applied.flatten() {
            Some(applied) => object = applied,
            None => object["status"] = status,
        }
    }
    match api.insert(&resource, &object).await {
        Ok(_) | Err(WriteFailure::Conflict) => Ok(()),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}

/// The range that services get their addresses from, as an object.
pub(crate) fn service_range(api: &Api) -> Value {
    let (network, prefix) = api.config.service_network;
    json!({
        "kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1",
        "metadata": { "name": "kubernetes" },
        "spec": { "cidrs": [format!("{network}/{prefix}")] },
    })
}

fn service(api: &Api) -> Value {
    let ip = api.addresses.first().to_string();
    let port = api.config.advertised.map_or(6443, |a| a.port());
    json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        },
    })
}

/// Where the service `kubernetes` leads; follows the advertised address. It is said twice: older clients read Endpoints.
async fn endpoints(api: &Arc<Api>, address: SocketAddr) -> Result<()> {
    let ip = address.ip().to_string();
    let port = json!({"name": "https", "port": address.port(), "protocol": "TCP"});
    let old = json!({
        "kind": "Endpoints", "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [{"addresses": [{"ip": ip}], "ports": [port]}],
    });
    follow(api, ("", "v1", "endpoints"), old, &["subsets"]).await?;
    let slice = json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{"addresses": [ip], "conditions": {"ready": true}}],
        "ports": [port],
    });
    let slices = ("discovery.k8s.io", "v1", "endpointslices");
    follow(api, slices, slice, &["addressType", "endpoints", "ports"]).await
}

/// Creates an object, or brings these fields of it up to date.
async fn follow(
    api: &Api,
    (group, version, plural): (&str, &str, &str),
    wanted: Value,
    fields: &[&str],
) -> Result<()> {
    let resource = api.registry.built_in(group, version, plural);
    let path = resource.path(meta::namespace(&wanted), meta::name(&wanted));
    let Some(current) = resource.cache.get(&path) else {
        return ensure(api, (group, version, plural), wanted).await;
    };
    let mut new = current.value()?;
    if fields.iter().all(|field| new[field] == wanted[field]) {
        return Ok(());
    }
    for field in fields {
        new[*field] = wanted[*field].clone();
    }
    match api.replace(&resource, &new, current.revision()).await {
        Ok(_) => Ok(()),
        Err(WriteFailure::Conflict) => Err(Error::internal(
            "the endpoints of the API changed meanwhile",
        )),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}
