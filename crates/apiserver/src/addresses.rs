//! Shows the addresses of services as objects: an `IPAddress` for each, and that their range is ready.
//!
//! What a service has stands in the service and nowhere else; the objects follow it. So nothing is lost when the server
//! ends in between: the next start makes what is missing and removes what nobody has any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedge_kinds::read::Read;
use serde_json::{Value, json};

use crate::api::{Api, WriteFailure};
use crate::bootstrap;
use crate::cache::{KindCache, Object, Seen, Watcher};
use crate::managed;
use crate::meta;
use crate::selector::Filter;
use crate::status::{Error, Result};
use crate::statuses::set;

const GROUP: &str = "networking.k8s.io";
const ADDRESSES: &str = "ipaddresses";
const RANGES: &str = "servicecidrs";
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
/// Marks what is made and removed here.
const MANAGED: &str = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR: &str = "ipallocator.k8s.io";
/// The name under which Kubernetes' server writes that the range is ready.
const RANGE_MANAGER: &str = "kubernetes-service-cidr-controller";

/// Follows services and addresses until the server ends.
///
/// # Errors
/// A write failed, or the position in the changes was lost; to be started again.
pub(crate) async fn run(api: Arc<Api>) -> Result<(), Error> {
    let kinds = [
        api.cache.kind("", "services"),
        api.cache.kind(GROUP, ADDRESSES),
        api.cache.kind(GROUP, RANGES),
    ];
    let mut watchers = kinds.each_ref().map(|kind| {
        let listed = kind.list(&Filter::default(), None, 0, api.cache.revision());
        Watcher::from_list(&api.cache, kind, listed.seen, listed.revision)
    });
    let [services, addresses, _] = &kinds;
    loop {
        range_is_ready(&api).await?;
        mend(&api, services, addresses).await?;
        let [a, b, c] = &mut watchers;
        // Cancel safe: a position moves only when changes are given out.
        let seen = tokio::select! {
            biased;
            () = api.tasks.shutdown().wait() => return Ok(()),
            seen = a.next() => seen,
            seen = b.next() => seen,
            seen = c.next() => seen,
        };
        match seen {
            Seen::Changes(_) => {}
            Seen::TooOld(error) => return Err(error),
            Seen::Closed => return Ok(()),
        }
    }
}

/// The addresses that objects say belong to somebody else than a service, and that no service gets therefore.
pub(crate) fn reserved(api: &Api) -> Result<BTreeSet<String>> {
    let mut reserved = BTreeSet::new();
    for object in all(&api.cache.kind(GROUP, ADDRESSES)) {
        let address = object.value()?;
        if !is_ours(&address) {
            reserved.insert(meta::name(&address).to_owned());
        }
    }
    Ok(reserved)
}

async fn range_is_ready(api: &Api) -> Result<()> {
    bootstrap::ensure(api, (GROUP, "v1", RANGES), bootstrap::service_range(api)).await?;
    let resource = api.registry.built_in(GROUP, "v1", RANGES);
    let Some(object) = resource.cache.get("kubernetes") else {
        return Ok(());
    };
    let live = object.value()?;
    let mut range = live.clone();
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": cedge_tasks::clock::now_rfc3339(),
    });
    if !set(&mut range, ready) {
        return Ok(());
    }
    let applied = managed::note_applied(&resource, RANGE_MANAGER, &live, range.field("status"));
    let written = api
        .replace(&resource, &applied.unwrap_or(range), object.revision())
        .await;
    unless_conflict(written)
}

/// Makes the objects of addresses that services have, and removes those of addresses that no service has.
async fn mend(api: &Api, services: &KindCache, addresses: &KindCache) -> Result<()> {
    let (services, present) = (values(services)?, all(addresses));
    let mut wanted = wanted(&services);
    let resource = api.registry.built_in(GROUP, "v1", ADDRESSES);
    for object in present {
        let address = object.value()?;
        let right = wanted
            .get(meta::name(&address))
            .is_some_and(|service| parent(&address) == *service);
        if right || !is_ours(&address) {
            wanted.remove(meta::name(&address));
        } else {
            unless_conflict(api.remove(&resource, &address, object.revision()).await)?;
        }
    }
    for (address, service) in wanted {
        bootstrap::ensure(api, (GROUP, "v1", ADDRESSES), object(address, service)).await?;
    }
    Ok(())
}

/// The addresses of services, and which service has each: its namespace and its name.
fn wanted(services: &[Value]) -> BTreeMap<&str, (&str, &str)> {
    let mut wanted = BTreeMap::new();
    for service in services {
        let place = (meta::namespace(service), meta::name(service));
        let addresses = service.field("spec").items("clusterIPs").iter();
        let addresses = addresses.filter_map(Value::as_str);
        for address in addresses.filter(|address| !matches!(*address, "" | "None")) {
            wanted.entry(address).or_insert(place);
        }
    }
    wanted
}

fn object(address: &str, (namespace, name): (&str, &str)) -> Value {
    let family = if address.contains(':') {
        "IPv6"
    } else {
        "IPv4"
    };
    json!({
        "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": address, "labels": {FAMILY: family, MANAGED: ALLOCATOR}},
        "spec": {"parentRef": {"resource": "services", "namespace": namespace, "name": name}},
    })
}

fn is_ours(address: &Value) -> bool {
    address.at("metadata.labels").text(MANAGED) == ALLOCATOR
}

/// The service that an address says it belongs to.
fn parent(address: &Value) -> (&str, &str) {
    let parent = address.at("spec.parentRef");
    (parent.text("namespace"), parent.text("name"))
}

fn all(kind: &KindCache) -> Vec<Arc<Object>> {
    kind.list(&Filter::default(), None, 0, 0).objects
}

fn values(kind: &KindCache) -> Result<Vec<Value>> {
    all(kind).iter().map(|object| object.value()).collect()
}

/// What somebody else wrote meanwhile is told to us, and looked at then.
fn unless_conflict<T>(written: Result<T, WriteFailure>) -> Result<()> {
    match written {
        Ok(_) | Err(WriteFailure::Conflict) => Ok(()),
        Err(WriteFailure::Other(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_service_is_wanted_once() {
        let service = |name: &str, addresses: Value| json!({"metadata": {"namespace": "n", "name": name}, "spec": {"clusterIPs": addresses}});
        let services = [
            service("a", json!(["10.43.0.7"])),
            service("headless", json!(["None"])),
            service("elsewhere", Value::Null),
        ];
        let wanted = wanted(&services);
        assert_eq!(wanted, BTreeMap::from([("10.43.0.7", ("n", "a"))]));
        let made = object("10.43.0.7", ("n", "a"));
        assert!(is_ours(&made));
        assert_eq!(parent(&made), ("n", "a"));
    }
}
