//! A small API server for trying kubectl: `cargo run -p cedge-apiserver --example serve -- FOLDER`. Writes the path of a
//! kubeconfig to standard output once it can be used. Ends with Ctrl-C.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use cedge_apiserver::{ApiServer, Config};
use cedge_pki::{
    Authority, Key, Kubeconfig, LiveCredential, Profile, ServiceAccountTokens, Validity, kubeconfig,
};
use cedge_store::{Options, Store};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let dir = std::env::args().nth(1).map_or_else(
        || std::env::temp_dir().join("cedge-apiserver"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&dir)?;
    let authority = Authority::load_or_create(&dir.join("pki"))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;

    let store = Store::open(dir.join("store"), Options::default())?;
    let tokens =
        ServiceAccountTokens::load_or_create(&dir.join("pki"), "https://kubernetes.default.svc")?;
    let mut config = Config::new(store, tokens);
    config.require_service_accounts = false;
    config.advertised = Some(address);
    let (stop, signal) = cedge_tasks::shutdown();
    let server = ApiServer::start(config, signal).await?;

    let kubeconfig = dir.join("kubeconfig");
    let now = cedge_tasks::clock::now();
    let validity = Validity::from_now(now);
    let admin = Profile::User {
        name: "admin".into(),
        group: Some("system:masters".into()),
    };
    let admin = authority.issue(&admin, &Arc::new(Key::generate()), validity)?;
    let user = kubeconfig::User::by_certificate(&admin);
    let url = format!("https://{address}");
    Kubeconfig::single("example", &url, &authority.certificate_pem(), user).write(&kubeconfig)?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let credential = authority.server_credential(names, now)?;
    let tls = cedge_pki::tls::api_server(LiveCredential::new(&credential), &authority);
    let serving = server.clone();
    let served = cedge_tasks::spawn("example/serve", async move {
        serving.serve(listener, tls).await;
    });
    writeln!(std::io::stdout(), "{}", kubeconfig.display())?;
    tokio::signal::ctrl_c().await?;
    stop.ask();
    served.await?;
    Ok(())
}
