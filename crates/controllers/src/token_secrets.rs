//! Secrets of the type `kubernetes.io/service-account-token`, as old clients make them: each gets a token of its account
//! that lasts, and goes with the account.

use std::collections::BTreeMap;

use cedge_informer::{Change, Key, Next, Queue};
use cedge_tasks::OnError;
use futures::{StreamExt as _, pin_mut};
use http::Request;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Answer as _, Error, optional};

const TYPE: &str = "type=kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// The longest that the API signs for: such a token ends with its Secret.
const SECONDS: i64 = 1 << 32;

pub(crate) fn start(ctx: &Context) {
    let queue: Queue<Key> = Queue::new("token-secrets");
    follow_secrets(ctx, &queue);
    let accounts = ctx.informers.of::<ServiceAccount>();
    accounts.subscribe({
        let queue = queue.clone();
        move |change| {
            // An account that goes or comes concerns the Secrets of its namespace; few have any.
            if !matches!(change, Change::Updated { .. }) {
                queue.add(Key::new(change.object().namespace(), ""));
            }
        }
    });
    let (this, again) = (ctx.clone(), queue.clone());
    ctx.work(&queue, &[&accounts.clone()], 1, move |key| {
        let (this, again) = (this.clone(), again.clone());
        async move {
            if key.name.is_empty() {
                all_of(&this, &key, &again).await?;
            } else {
                Box::pin(reconcile(&this, &key)).await?;
            }
            Ok(Next::OnChange)
        }
    });
}

/// Only Secrets of this type are asked for: others are nobody's business here.
fn follow_secrets(ctx: &Context, queue: &Queue<Key>) {
    let (client, queue) = (ctx.client.clone(), queue.clone());
    let shutdown = ctx.group.shutdown().clone();
    ctx.group
        .supervise("token-secrets/watch", OnError::Restart, move || {
            let (client, queue, shutdown) = (client.clone(), queue.clone(), shutdown.clone());
            async move {
                let api: Api<Secret> = Api::all(client);
                let config = watcher::Config::default().fields(TYPE);
                let events = watcher(api, config);
                pin_mut!(events);
                while let Some(Some(event)) = shutdown.or(events.next()).await {
                    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
                    match event {
                        Ok(Apply(secret) | InitApply(secret)) => {
                            let namespace = secret.namespace().unwrap_or_default();
                            queue.add(Key::new(&namespace, &secret.name_any()));
                        }
                        Ok(Delete(_) | Init | InitDone) => {}
                        Err(error) => tracing::debug!(%error, "the watch of secrets begins again"),
                    }
                }
                Ok::<_, std::convert::Infallible>(())
            }
        });
}

async fn all_of(ctx: &Context, namespace: &Key, queue: &Queue<Key>) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &namespace.namespace);
    let params = kube::api::ListParams::default().fields(TYPE);
    for secret in api.list_metadata(&params).await? {
        queue.add(Key::new(&namespace.namespace, &secret.name_any()));
    }
    Ok(())
}

async fn reconcile(ctx: &Context, key: &Key) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let Some(mut secret) = optional(api.get(&key.name).await)? else {
        return Ok(());
    };
    let annotations = secret.annotations();
    let Some(name) = annotations.get(ACCOUNT).cloned() else {
        return Ok(());
    };
    let named = annotations
        .get(ACCOUNT_UID)
        .cloned()
        .filter(|uid| !uid.is_empty());
    let accounts: Api<ServiceAccount> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let account = optional(accounts.get(&name).await)?;
    let uid = account.and_then(|a| a.metadata.uid);
    let Some(uid) = uid.filter(|uid| named.as_ref().is_none_or(|n| n == uid)) else {
        return remove(&api, &secret).await;
    };
    let mut data = secret.data.take().unwrap_or_default();
    let before = (data.clone(), named.clone());
    if data.get("token").is_none_or(|t| t.0.is_empty()) {
        let token = token(ctx, key, &name, secret.metadata.uid.as_deref()).await?;
        data.insert("token".into(), ByteString(token.into_bytes()));
    }
    add(&mut data, "namespace", &key.namespace);
    if let Some(ca) = &ctx.config.cluster_ca {
        add(&mut data, "ca.crt", ca);
    }
    if before == (data.clone(), Some(uid.clone())) {
        return Ok(());
    }
    secret.annotations_mut().insert(ACCOUNT_UID.into(), uid);
    secret.data = Some(data);
    api.replace(&key.name, &PostParams::default(), &secret)
        .await?;
    Ok(())
}

fn add(data: &mut BTreeMap<String, ByteString>, key: &str, text: &str) {
    data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
}

async fn remove(api: &Api<Secret>, secret: &Secret) -> Result<(), Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: secret.metadata.uid.clone(),
            resource_version: secret.metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    match api.delete(&secret.name_any(), &params).await {
        Err(e) if !e.is_not_found() => Err(e.into()),
        _ => Ok(()),
    }
}

async fn token(
    ctx: &Context,
    key: &Key,
    account: &str,
    uid: Option<&str>,
) -> Result<String, Error> {
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {
            "audiences": [], "expirationSeconds": SECONDS,
            "boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": key.name, "uid": uid},
        },
    });
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{account}/token",
        key.namespace
    );
    let request = Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    let answer: Value = ctx.client.request(request).await?;
    Ok(answer["status"]["token"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}
