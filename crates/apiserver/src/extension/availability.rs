//! Looks after the APIServices that other servers answer: is the service there, does it answer, and with what.

use std::sync::Arc;
use std::time::Duration;

use cedge_kinds::read::Read;
use serde_json::Value;

use super::{Route, documents};
use crate::api::Api;
use crate::cache::{KindCache, Seen, Watcher};
use crate::outbound::slices;
use crate::selector::Filter;
use crate::status::{Error, Result};
use crate::statuses::{self, REGISTRATION, SERVICES};

/// How often a server is asked whether it is there; Kubernetes does so as often.
const PERIOD: Duration = Duration::from_secs(30);
/// When nothing is to be looked after, only changes matter.
const QUIET: Duration = Duration::from_secs(3600);

/// Looks after them until the server ends.
///
/// # Errors
/// A write failed, or the position in the changes was lost; to be started again.
pub(crate) async fn run(api: Arc<Api>) -> Result<(), Error> {
    let kinds = [
        api.cache.kind("", "services"),
        api.cache.kind("discovery.k8s.io", "endpointslices"),
    ];
    let mut watchers = kinds.each_ref().map(|kind| watch(&api, kind));
    let mut registered = api.extensions.changes();
    loop {
        registered.mark_unchanged();
        let routes = api.extensions.all();
        for route in &routes {
            check(&api, route).await?;
        }
        let [behind, endpoints] = &mut watchers;
        let some = !routes.is_empty();
        let pause = tokio::time::sleep(if some { PERIOD } else { QUIET });
        // Cancel safe: a position moves only when changes are given out.
        let seen = tokio::select! {
            biased;
            () = api.tasks.shutdown().wait() => return Ok(()),
            _ = registered.changed() => continue,
            seen = behind.next(), if some => seen,
            seen = endpoints.next(), if some => seen,
            () = pause => continue,
        };
        match seen {
            Seen::Changes(_) => {}
            Seen::TooOld(_) => watchers = kinds.each_ref().map(|kind| watch(&api, kind)),
            Seen::Closed => return Ok(()),
        }
    }
}

fn watch(api: &Api, kind: &Arc<KindCache>) -> Watcher {
    let listed = kind.list(&Filter::default(), None, 0, api.cache.revision());
    Watcher::from_list(&api.cache, kind, listed.seen, listed.revision)
}

/// Looks at one server, learns what it serves, and writes what was found.
async fn check(api: &Arc<Api>, route: &Route) -> Result<()> {
    let found = match wrong_service(api, route) {
        Some(wrong) => Err(wrong),
        None => documents::ask(api, route)
            .await
            .map_err(|why| ("FailedDiscoveryCheck", why)),
    };
    let (condition, said) = match found {
        Ok(said) => {
            let passed = statuses::condition("True", "Passed", "all checks passed");
            (passed, Some(said))
        }
        Err((reason, message)) => (statuses::condition("False", reason, &message), None),
    };
    if api.extensions.learn(&route.name, said) {
        api.documents.forget();
    }
    let Some(current) = api.cache.kind(REGISTRATION, SERVICES).get(&route.name) else {
        return Ok(());
    };
    let mut service = current.value()?;
    if statuses::set(&mut service, condition) {
        statuses::write(api, REGISTRATION, SERVICES, &service, &current).await?;
    }
    Ok(())
}

/// What is wrong with the service that should lead to it: the reason and the words.
fn wrong_service(api: &Api, route: &Route) -> Option<(&'static str, String)> {
    let (namespace, name, port) = (&route.namespace, &route.service, route.port);
    let service = api
        .cache
        .kind("", "services")
        .get(&format!("{namespace}/{name}"));
    let Some(service) = service.and_then(|s| s.value().ok()) else {
        let message = format!("service/{name} in {namespace:?} is not present");
        return Some(("ServiceNotFound", message));
    };
    let spec = service.field("spec");
    if !matches!(spec.text("type"), "" | "ClusterIP") {
        return None;
    }
    let mut ports = spec.items("ports").iter();
    let Some(found) = ports.find(|p| p.int("port") == Some(i64::from(port))) else {
        let message = format!("service/{name} in {namespace:?} is not listening on port {port}");
        return Some(("ServicePortError", message));
    };
    let slices = slices(api, namespace, name);
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Some(("EndpointsNotFound", message));
    }
    let port_name = found.text("name");
    let ready = |slice: &Value| {
        let mut endpoints = slice.items("endpoints").iter();
        let mut ports = slice.items("ports").iter();
        endpoints.any(|e| e.at("conditions.ready").as_bool().unwrap_or(true))
            && ports.any(|p| p.text("name") == port_name && p.int("port").is_some())
    };
    if slices.iter().any(ready) {
        return None;
    }
    let message = format!(
        "endpointslices for service/{name} in {namespace:?} have no addresses with port name {port_name:?}"
    );
    Some(("MissingEndpoints", message))
}
