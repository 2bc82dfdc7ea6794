//! An API server in this process, for parsers that stand behind it. Everything is a dry run: nothing is written.

use std::sync::OnceLock;

use bytes::Bytes;
use cedge_apiserver::{ApiServer, ApiService, Config, InProcess};
use cedge_pki::{Identity, ServiceAccountTokens};
use cedge_store::{Options, Store};
use cedge_tasks::Shutdown;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// What a handler that panicked answers.
const PANICKED: &[u8] = b"causes apiserver to panic";
/// Of an answer, no more than this is read: a watch does not end.
const READ_MAX: usize = 1 << 20;

struct Api {
    runtime: Runtime,
    service: ApiService,
    _server: ApiServer,
    _folder: tempfile::TempDir,
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("store"), Options::default());
        let tokens = ServiceAccountTokens::load_or_create(folder.path(), "https://fuzz");
        let mut config = Config::new(store.expect("a store"), tokens.expect("keys"));
        config.require_service_accounts = false;
        let server = runtime
            .block_on(ApiServer::start(config, Shutdown::never()))
            .expect("an API server");
        let api = Api {
            runtime,
            service: server.service(),
            _server: server,
            _folder: folder,
        };
        for (path, object) in objects() {
            let body = object.to_string().into_bytes();
            let code = api.ask(Method::POST, path, "application/json", &body);
            assert_eq!(code, 201, "{object}");
        }
        api
    })
}

/// What patches are put upon.
fn objects() -> Vec<(&'static str, Value)> {
    let pod =
        json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.fuzz.io"},
        "spec": {
            "group": "fuzz.io", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    vec![
        (
            "/api/v1/namespaces/default/configmaps",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}),
        ),
        (
            "/api/v1/namespaces/default/pods",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": pod}),
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod},
            }}),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            definition,
        ),
    ]
}

/// Sends one request; the code of the answer.
///
/// # Panics
/// If the handler did.
pub(crate) fn ask(method: Method, path: &str, content_type: &str, body: &[u8]) -> u16 {
    api().ask(method, path, content_type, body)
}

// === impl Api ===

impl Api {
    fn ask(&self, method: Method, path: &str, content_type: &str, body: &[u8]) -> u16 {
        let Ok(mut request) = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(Full::new(Bytes::copy_from_slice(body)))
        else {
            return 0;
        };
        let admin = Identity::authenticated("fuzz", ["system:masters"]);
        request.extensions_mut().insert(InProcess(admin));
        let answering = async {
            let answer = self.service.clone().oneshot(request).await;
            let Ok(answer) = answer;
            let code = answer.status().as_u16();
            if code != 500 {
                return (code, Vec::new());
            }
            let mut body = answer.into_body();
            let mut read = Vec::new();
            while read.len() < READ_MAX
                && let Some(Ok(frame)) = body.frame().await
            {
                read.extend(frame.into_data().unwrap_or_default());
            }
            (code, read)
        };
        let (code, read) = self.runtime.block_on(answering);
        let panicked = read.windows(PANICKED.len()).any(|part| part == PANICKED);
        assert!(!panicked, "a handler panicked");
        code
    }
}
