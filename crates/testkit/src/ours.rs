//! Our API server, in this process, on a port as any client sees it.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cedge_apiserver::{ApiServer, Config};
use cedge_pki::{
    Authority, Key, Kubeconfig, LiveCredential, Profile, ServiceAccountTokens, Validity, kubeconfig,
};
use cedge_store::{Options, Store};
use cedge_tasks::{Shutdown, clock};

/// The issuer of service account tokens, as the real server's in `theirs.rs`.
const ISSUER: &str = "https://kubernetes.default.svc";

/// Starts it below `dir`; `dir/kubeconfig` speaks to it as an administrator. It ends with the runtime.
pub(crate) async fn start(dir: &Path) -> Result<(), Box<dyn Error>> {
    let authority = Authority::load_or_create(&dir.join("pki"))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let store = Store::open(dir.join("store"), Options::default())?;
    let tokens = ServiceAccountTokens::load_or_create(dir, ISSUER)?;
    let mut config = Config::new(store, tokens);
    config.advertised = Some(address);
    let server = ApiServer::start(config, Shutdown::never()).await?;
    let now = clock::now();
    let admin = Profile::User {
        name: "admin".into(),
        group: Some("system:masters".into()),
    };
    let key = Arc::new(Key::generate());
    let admin = authority.issue(&admin, &key, Validity::from_now(now))?;
    let user = kubeconfig::User::by_certificate(&admin);
    let url = format!("https://{address}");
    let file = Kubeconfig::single("it", &url, &authority.certificate_pem(), user);
    file.write(&dir.join("kubeconfig"))?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let credential = authority.server_credential(names, now)?;
    let tls = cedge_pki::tls::api_server(LiveCredential::new(&credential), &authority);
    cedge_tasks::spawn("testkit/serve", async move {
        server.serve(listener, tls).await;
    });
    Ok(())
}
