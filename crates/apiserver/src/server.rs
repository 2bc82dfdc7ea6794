//! Starts the parts, and hands out what others use.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cedge_pki::Identity;
use cedge_store::ReadError;
use cedge_tasks::{Group, OnError, Readiness, Shutdown};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::admission::{Addresses, Hooks, Notice, write_notices};
use crate::api::Api;
use crate::audit::Audit;
use crate::authz::Authorizer;
use crate::cache::{Cache, Event, KindCache, Listener, Object};
use crate::config::Config;
use crate::documents::Documents;
use crate::extension::Routes;
use crate::fairness::Fairness;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::service::ApiService;
use crate::status::Error;
use crate::{addresses, aggregation, bootstrap, cache, crds, expiry, extension, statuses};

/// Notices that wait to be written; more are dropped.
const NOTICES_MAX: usize = 256;
/// Webhooks that are asked at once; more wait, within their own limits of time.
const ASKED_MAX: usize = 128;
/// How long the parts have to end.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A running API server. Clones share it.
#[derive(Debug, Clone)]
pub struct ApiServer {
    api: Arc<Api>,
}

/// Why an API server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read.
    #[error("could not read the store")]
    Read(#[source] ReadError),
    /// What must be there could not be written.
    #[error("could not write the first objects")]
    Bootstrap(#[source] Error),
}

// === impl ApiServer ===

impl ApiServer {
    /// Loads the cache, creates what must be there, and starts the parts. They end with `shutdown`.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn start(config: Config, shutdown: Shutdown) -> Result<Self, StartError> {
        let cache = Arc::new(Cache::new(config.store.clone()));
        let registry = Arc::new(Registry::new(&cache));
        let authorizer = Arc::new(Authorizer::new(&config.grants));
        let documents = Arc::new(Documents::default());
        let hooks = Arc::new(Hooks::default());
        let extensions = Arc::new(Routes::default());
        let fairness = Arc::new(Fairness::default());
        let listener = Arc::new(Changes {
            cache: cache.clone(),
            registry: registry.clone(),
            authorizer: authorizer.clone(),
            documents: documents.clone(),
            hooks: hooks.clone(),
            extensions: extensions.clone(),
            fairness: fairness.clone(),
        });
        cache::load(&cache, &*listener).map_err(StartError::Read)?;
        authorizer.loaded();
        let (notices, queue) = mpsc::channel(NOTICES_MAX);
        let metrics = Metrics::new(config.metrics.clone());
        let tasks = Group::new(shutdown);
        let audit = start_audit(&config, &tasks);
        fairness.register(&config.metrics);
        let (network, prefix) = config.service_network;
        let api = Arc::new(Api {
            addresses: Addresses::new(network, prefix),
            tills: crate::admission::Tills::default(),
            aside: crate::aside::Aside::default(),
            usage: crate::usage::Usage::default(),
            limits: Limits::new(config.requests_per_user),
            documents,
            hooks,
            extensions,
            fairness,
            audit,
            outbound: Arc::default(),
            habits: crate::impersonate::Habits::default(),
            turns: Semaphore::new(ASKED_MAX),
            tasks,
            ready: Readiness::default(),
            notices,
            cache,
            registry,
            authorizer,
            metrics,
            config,
        });
        spawn_feed(&api, listener);
        spawn_notices(&api, queue);
        spawn_keepers(&api);
        bootstrap::bootstrap(&api)
            .await
            .map_err(StartError::Bootstrap)?;
        Ok(Self { api })
    }

    /// The HTTP service. Requests must carry a `cedge_serving::Connection` (a port puts it there) or an
    /// [`InProcess`](crate::InProcess) in their extensions, or a bearer token.
    #[must_use]
    pub fn service(&self) -> ApiService {
        ApiService::new(self.api.clone())
    }

    /// A client that needs no socket and speaks for the given user.
    #[must_use]
    pub fn client<G: Into<String>>(
        &self,
        user: &str,
        groups: impl IntoIterator<Item = G>,
    ) -> kube::Client {
        let identity = Identity::authenticated(user, groups);
        crate::client::client(self.api.clone(), identity)
    }

    /// Serves the API on a port until it is time to stop.
    pub async fn serve(&self, listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
        let server = cedge_serving::Server::new(tls, self.service());
        server
            .serve(listener, self.api.tasks.shutdown().clone())
            .await;
    }

    /// What `/readyz` waits for; other modules add their parts.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.api.ready
    }

    /// The newest revision that readers see.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.api.cache.revision()
    }

    /// Waits until the parts have ended, after the shutdown was asked for.
    pub async fn stopped(&self) -> bool {
        self.api.tasks.wait(STOP_TIME).await
    }
}

/// Starts the audit log, if one is wanted.
fn start_audit(config: &Config, tasks: &Group) -> Option<Arc<Audit>> {
    let wanted = config.audit.as_ref()?;
    let mut registry = config
        .metrics
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let (audit, writing) = Audit::new(wanted, &mut registry);
    tasks.spawn("apiserver/audit", writing);
    Some(audit)
}

fn spawn_notices(api: &Arc<Api>, queue: mpsc::Receiver<Notice>) {
    api.tasks
        .spawn("apiserver/events", write_notices(api.clone(), queue));
    api.tasks
        .spawn("apiserver/expiry", expiry::run(api.clone()));
}

/// What keeps objects as they must be.
fn spawn_keepers(api: &Arc<Api>) {
    keep(api, "apiserver/definitions", crds::run);
    if api.config.aggregate_roles {
        keep(api, "apiserver/roles", aggregation::run);
    }
    keep(api, "apiserver/statuses", statuses::run);
    keep(api, "apiserver/addresses", addresses::run);
    keep(api, "apiserver/extensions", extension::run);
}

/// Runs it, and again after an error.
fn keep<M, F>(api: &Arc<Api>, name: &str, run: M)
where
    M: Fn(Arc<Api>) -> F + Send + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let kept = api.clone();
    let again = move || run(kept.clone());
    api.tasks.supervise(name, OnError::Restart, again);
}

/// Follows the store; when it cannot, the server would show old states only, so this is tried for as long as it lives.
fn spawn_feed(api: &Arc<Api>, listener: Arc<Changes>) {
    let cache = api.cache.clone();
    api.tasks
        .supervise("apiserver/feed", OnError::Restart, move || {
            let (cache, listener) = (cache.clone(), listener.clone());
            async move { cache::follow(&cache, &*listener).await }
        });
}

/// Keeps what is derived from objects in step with them.
struct Changes {
    cache: Arc<Cache>,
    registry: Arc<Registry>,
    authorizer: Arc<Authorizer>,
    documents: Arc<Documents>,
    hooks: Arc<Hooks>,
    extensions: Arc<Routes>,
    fairness: Arc<Fairness>,
}

/// What is derived from a kind's objects.
enum Derived {
    Served,
    /// Rights, by the kind's name.
    Rights(&'static str),
    /// Who is asked for admission.
    Admission,
    /// Who answers a group.
    Extension,
    /// How requests share the server.
    Fairness,
    Nothing,
}

// === impl Changes ===

impl Changes {
    fn of(kind: &KindCache) -> Derived {
        match kind.name() {
            "apiextensions.k8s.io/customresourcedefinitions" => Derived::Served,
            "rbac.authorization.k8s.io/clusterroles" => Derived::Rights("ClusterRole"),
            "rbac.authorization.k8s.io/clusterrolebindings" => {
                Derived::Rights("ClusterRoleBinding")
            }
            "rbac.authorization.k8s.io/roles" => Derived::Rights("Role"),
            "rbac.authorization.k8s.io/rolebindings" => Derived::Rights("RoleBinding"),
            "flowcontrol.apiserver.k8s.io/flowschemas"
            | "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations" => Derived::Fairness,
            "apiregistration.k8s.io/apiservices" => Derived::Extension,
            name if name.starts_with("admissionregistration.k8s.io/") => Derived::Admission,
            _ => Derived::Nothing,
        }
    }

    fn decoded(object: &Object) -> Option<Value> {
        let decoded = object.value();
        decoded
            .inspect_err(
                |error| tracing::error!(path = object.path(), %error, "object cannot be read"),
            )
            .ok()
    }
}

impl Listener for Changes {
    fn loaded(&self, kind: &KindCache, object: &Object) {
        match Self::of(kind) {
            Derived::Nothing => {}
            Derived::Served => {
                if let Some(definition) = Self::decoded(object) {
                    crds::serve(&self.registry, &self.cache, &definition, false);
                }
            }
            Derived::Rights(name) => {
                if let Some(object) = Self::decoded(object) {
                    self.authorizer.load(name, &object);
                }
            }
            Derived::Admission => {
                if let Some(object) = Self::decoded(object) {
                    self.hooks.changed(kind.name(), &object, false);
                }
            }
            Derived::Extension => {
                if let Some(object) = Self::decoded(object) {
                    self.extensions.changed(&object, false);
                }
            }
            Derived::Fairness => {
                if let Some(object) = Self::decoded(object) {
                    self.fairness.changed(kind.name(), &object, false);
                }
            }
        }
    }

    fn changed(&self, kind: &KindCache, event: &Event) {
        match Self::of(kind) {
            Derived::Nothing => {}
            Derived::Served => {
                if let Some(definition) = Self::decoded(&event.object) {
                    crds::serve(&self.registry, &self.cache, &definition, event.deleted);
                    self.documents.forget();
                }
            }
            Derived::Rights(name) => {
                if let Some(object) = Self::decoded(&event.object) {
                    self.authorizer.changed(name, &object, event.deleted);
                }
            }
            Derived::Admission => {
                if let Some(object) = Self::decoded(&event.object) {
                    self.hooks.changed(kind.name(), &object, event.deleted);
                }
            }
            Derived::Fairness => {
                if let Some(object) = Self::decoded(&event.object) {
                    self.fairness.changed(kind.name(), &object, event.deleted);
                }
            }
            Derived::Extension => {
                if let Some(object) = Self::decoded(&event.object) {
                    let before = self.extensions.all().len();
                    self.extensions.changed(&object, event.deleted);
                    if before + self.extensions.all().len() > 0 {
                        self.documents.forget();
                    }
                }
            }
        }
    }
}
