//! A token for the node of the `cedge server --without tree` that is attached: it joins this hub by itself, like any
//! node. The token lies in a Secret that only administrators of the cluster can read; a fresh one replaces it long
//! before it expires.

use std::time::Duration;

use cedge_api::{SYSTEM_NAMESPACE, TREE_MANAGER};
use cedge_pki::{JoinToken, Pin};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::config;
use crate::server::{TOKEN_SECRET, local_grant};

/// A third of a token's life.
const RENEW_EVERY: Duration = Duration::from_secs(20 * 60);

/// Keeps a good token in the Secret.
pub(super) async fn keep(client: Client, pin: Pin, hub: config::Server) -> Result<(), kube::Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    loop {
        let old = secrets.get_opt(TOKEN_SECRET).await?.and_then(|s| token(&s));
        let grant = local_grant(&hub, hub.hub_listen.port());
        let fresh = cedge_tree::token::create(&client, pin, &grant).await?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": TOKEN_SECRET, "namespace": SYSTEM_NAMESPACE },
            "stringData": { "token": fresh.to_string() },
        });
        let apply = PatchParams::apply(TREE_MANAGER).force();
        secrets
            .patch(TOKEN_SECRET, &apply, &Patch::Apply(secret))
            .await?;
        if let Some(old) = old {
            cedge_tree::token::revoke(&client, &old.id).await?;
        }
        tokio::time::sleep(RENEW_EVERY).await;
    }
}

fn token(secret: &Secret) -> Option<JoinToken> {
    let bytes = secret.data.as_ref()?.get("token")?;
    std::str::from_utf8(&bytes.0).ok()?.parse().ok()
}
