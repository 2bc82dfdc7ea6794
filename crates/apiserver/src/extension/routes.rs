//! Which groups and versions are answered by whom.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedge_discovery::Remote;
use cedge_kinds::read::Read;
use cedge_pki::LiveCredential;
use cedge_pki::outside::Trust;
use serde_json::Value;
use tokio::sync::watch;

use crate::meta;
use crate::outbound::Peer;

/// One group in one version that another server answers.
#[derive(Debug)]
pub(crate) struct Route {
    /// The APIService.
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) port: u16,
    pub(crate) trust: Trust,
    /// As the last check found it.
    pub(crate) available: bool,
    pub(crate) priorities: (i64, i64),
}

type Table = BTreeMap<(String, String), Arc<Route>>;

/// Read at each request without a lock; replaced as a whole when an APIService changes.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: ArcSwap<Table>,
    /// What the servers say they serve, by APIService.
    known: Mutex<BTreeMap<String, Remote>>,
    /// Told after the table was replaced.
    changes: watch::Sender<()>,
}

// === impl Route ===

impl Route {
    fn read(service: &Value) -> Option<Self> {
        let spec = service.field("spec");
        let to = spec.field("service");
        if !to.is_object() {
            return None;
        }
        let trust = match spec.text("caBundle") {
            _ if spec.flag("insecureSkipTLSVerify") => Trust::Anybody,
            "" => Trust::Machine,
            bundle => Trust::Bundle(STANDARD.decode(bundle).unwrap_or_default()),
        };
        let mut conditions = service.at("status").items("conditions").iter();
        let available = conditions.any(|c| c["type"] == "Available" && c["status"] == "True");
        let priority = |field: &str| spec.int(field).unwrap_or(0);
        Some(Self {
            name: meta::name(service).to_owned(),
            group: spec.text("group").to_owned(),
            version: spec.text("version").to_owned(),
            namespace: to.text("namespace").to_owned(),
            service: to.text("name").to_owned(),
            port: to
                .int("port")
                .and_then(|p| u16::try_from(p).ok())
                .unwrap_or(443),
            trust,
            available,
            priorities: (
                priority("groupPriorityMinimum"),
                priority("versionPriority"),
            ),
        })
    }

    /// Below which path it is.
    pub(crate) fn root(&self) -> String {
        match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    pub(crate) fn peer(&self, credential: Option<Arc<LiveCredential>>) -> Peer {
        let mut peer = Peer::service(
            &self.namespace,
            &self.service,
            self.port,
            self.trust.clone(),
        );
        peer.credential = credential;
        peer
    }
}

// === impl Routes ===

impl Routes {
    /// An APIService was written or has gone.
    pub(crate) fn changed(&self, service: &Value, deleted: bool) {
        let mut table = Table::clone(&self.table.load());
        let name = meta::name(service);
        table.retain(|_, route| route.name != name);
        let route = Route::read(service).filter(|_| !deleted);
        if let Some(route) = route {
            let place = (route.group.clone(), route.version.clone());
            table.insert(place, Arc::new(route));
        } else {
            self.known().remove(name);
        }
        self.table.store(Arc::new(table));
        self.changes.send_replace(());
    }

    /// Hears of every APIService that was written or has gone, once the routes are those after it.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Who answers a path, if it is not this server.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Route>> {
        let table = self.table.load();
        if table.is_empty() {
            return None;
        }
        let mut parts = path.trim_start_matches('/').split('/');
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let place = (group.to_owned(), version.to_owned());
        table.get(&place).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Route>> {
        self.table.load().values().cloned().collect()
    }

    /// Keeps what a server says; whether that is new. A server that cannot be reached keeps what it said last.
    pub(super) fn learn(&self, name: &str, said: Option<Remote>) -> bool {
        let mut known = self.known();
        match said {
            Some(said) => {
                let new = known.get(name) != Some(&said);
                known.insert(name.to_owned(), said);
                new
            }
            None => match known.get_mut(name) {
                Some(stale) => std::mem::take(&mut stale.current),
                None => false,
            },
        }
    }

    /// What discovery and OpenAPI show of other servers.
    pub(crate) fn remotes(&self) -> Vec<Remote> {
        let known = self.known();
        let of = |route: &Arc<Route>| {
            known.get(&route.name).cloned().unwrap_or_else(|| Remote {
                group: route.group.clone(),
                version: route.version.clone(),
                priorities: route.priorities,
                ..Remote::default()
            })
        };
        self.table.load().values().map(of).collect()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Remote>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(group: &str, remote: bool) -> Value {
        let mut service = json!({"metadata": {"name": format!("v1.{group}")},
            "spec": {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}});
        if remote {
            service["spec"]["service"] = json!({"namespace": "a", "name": "b"});
        }
        service
    }

    #[test]
    fn a_path_leads_to_the_server_of_its_version() {
        let routes = Routes::default();
        assert!(routes.find("/apis/x.io/v1/things").is_none());
        routes.changed(&service("x.io", true), false);
        routes.changed(&service("apps", false), false);
        assert_eq!(routes.find("/apis/x.io/v1/things").unwrap().port, 443);
        assert!(routes.find("/apis/x.io/v1").is_some());
        assert!(routes.find("/apis/x.io").is_none());
        assert!(routes.find("/apis/x.io/v2/things").is_none());
        assert!(routes.find("/apis/apps/v1/deployments").is_none());
        routes.changed(&service("x.io", true), true);
        assert!(routes.find("/apis/x.io/v1/things").is_none());
    }

    #[test]
    fn what_a_lost_server_said_is_stale_not_gone() {
        let routes = Routes::default();
        routes.changed(&service("x.io", true), false);
        let said = Remote {
            group: "x.io".into(),
            version: "v1".into(),
            current: true,
            ..Remote::default()
        };
        assert!(routes.learn("v1.x.io", Some(said.clone())));
        assert!(!routes.learn("v1.x.io", Some(said)));
        assert!(routes.learn("v1.x.io", None));
        assert!(!routes.learn("v1.x.io", None));
        assert!(!routes.remotes()[0].current);
    }
}
