//! Tokens of the accounts of a node's pods: asked for in the node's name, and handed over with what the pods refer to.
//! The node keeps the last one on its own disk, so its pods have theirs while the hub is away.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cedge_link::{TableError, Writer};
use cedge_tasks::clock;
use http::Request;
use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What every key of a token begins with.
pub(super) const FOLDER: &str = "tokens/";
/// A token is replaced when a fifth of its time is left, or after a day, as the kubelet does.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon a token that was refused is asked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// A token that some pod mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    key: String,
    namespace: String,
    account: String,
    pod: String,
    uid: String,
    audience: Option<String>,
    seconds: i64,
    /// Whether the pod still runs: a pod that ends needs no new one.
    alive: bool,
}

/// What stands in the table; the node reads the token only.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    token: String,
    /// Seconds since 1970, by our clock.
    issued: i64,
    /// How long it lasts.
    seconds: i64,
}

/// The tokens that a pod mounts.
pub(super) fn of_pod(pod: &Value, out: &mut Vec<Wanted>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (metadata, spec) = (&pod["metadata"], &pod["spec"]);
    let ended = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    for volume in list(&spec["volumes"]) {
        for source in list(&volume["projected"]["sources"]) {
            let Some(token) = source.get("serviceAccountToken").filter(|t| t.is_object()) else {
                continue;
            };
            let seconds = token["expirationSeconds"].as_i64().unwrap_or(3600);
            let audience = token["audience"].as_str().filter(|a| !a.is_empty());
            let (namespace, uid) = (text(&metadata["namespace"]), text(&metadata["uid"]));
            out.push(Wanted {
                key: format!(
                    "{FOLDER}{namespace}/{uid}/{seconds}/{}",
                    audience.unwrap_or_default()
                ),
                namespace,
                account: text(&spec["serviceAccountName"]),
                pod: text(&metadata["name"]),
                uid,
                audience: audience.map(ToOwned::to_owned),
                seconds,
                alive: !ended && metadata["deletionTimestamp"].is_null(),
            });
        }
    }
}

/// Adds the tokens to what is handed over: those that are there and last, new ones in place of the others. When to come
/// again.
pub(super) async fn add(
    client: &Client,
    table: &Writer,
    wanted: Vec<Wanted>,
    objects: &mut BTreeMap<String, Bytes>,
) -> Result<Option<Duration>, TableError> {
    let mut next: Option<Duration> = None;
    for wanted in wanted {
        if objects.contains_key(&wanted.key) {
            continue;
        }
        let present = table.get(&wanted.key)?;
        let left = present.as_deref().and_then(lasts);
        let mut come_again = |after: Duration| {
            next = Some(next.map_or(after, |before| before.min(after)));
        };
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            come_again(left);
            objects.extend(present.map(|value| (wanted.key, value)));
            continue;
        }
        let asked = if wanted.alive {
            Some(ask(client, &wanted).await)
        } else {
            None
        };
        let value = match asked {
            Some(Ok(held)) => {
                let value = serde_json::to_vec(&held).unwrap_or_default();
                come_again(lasts(&value).unwrap_or(AGAIN));
                Some(value.into())
            }
            Some(Err(error)) => {
                let (namespace, pod) = (&wanted.namespace, &wanted.pod);
                tracing::debug!(namespace, pod, %error, "no token for a pod; the last one stays");
                come_again(AGAIN);
                present
            }
            None => present,
        };
        objects.extend(value.map(|value| (wanted.key, value)));
    }
    Ok(next)
}

/// How long a token is good enough to be kept.
fn lasts(value: &[u8]) -> Option<Duration> {
    let held: Held = serde_json::from_slice(value).ok()?;
    let age = clock::now().as_second().checked_sub(held.issued)?;
    // A clock that was set back is no reason to keep it for ever.
    let age = Duration::from_secs(u64::try_from(age).ok()?);
    let life = Duration::from_secs(u64::try_from(held.seconds).ok()? / 5 * 4).min(AGE_MAX);
    Some(life.saturating_sub(age))
}

async fn ask(client: &Client, wanted: &Wanted) -> Result<Held, kube::Error> {
    let mut spec = json!({
        "expirationSeconds": wanted.seconds,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": wanted.pod, "uid": wanted.uid},
        "audiences": [],
    });
    if let Some(audience) = &wanted.audience {
        spec["audiences"] = json!([audience]);
    }
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token",
        wanted.namespace, wanted.account
    );
    let request = Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    let issued = clock::now().as_second();
    let answer: Value = client.request(request).await?;
    Ok(Held {
        token: answer["status"]["token"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        issued,
        seconds: answer["spec"]["expirationSeconds"]
            .as_i64()
            .unwrap_or(wanted.seconds),
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_that_a_pod_mounts_has_a_key_of_its_own() {
        let pod = json!({"metadata": {"namespace": "a", "name": "p", "uid": "u"}, "spec": {
            "serviceAccountName": "s", "volumes": [{"name": "x"}, {"name": "y", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "m"}},
                {"serviceAccountToken": {"path": "vault", "audience": "https://vault", "expirationSeconds": 600}}]}}]}});
        let mut found = Vec::new();
        of_pod(&pod, &mut found);
        let keys: Vec<&str> = found.iter().map(|w| w.key.as_str()).collect();
        assert_eq!(keys, ["tokens/a/u/3607/", "tokens/a/u/600/https://vault"]);
        assert!(found.iter().all(|w| w.alive && w.account == "s"));
    }

    #[test]
    fn a_token_is_kept_for_four_fifths_of_its_time() {
        let held = |ago: i64, seconds: i64| {
            let issued = clock::now().as_second() - ago;
            let held = Held {
                token: String::new(),
                issued,
                seconds,
            };
            lasts(&serde_json::to_vec(&held).unwrap())
        };
        assert_eq!(held(0, 1000), Some(Duration::from_secs(800)));
        assert_eq!(held(900, 1000), Some(Duration::ZERO));
        assert_eq!(held(-500, 1000), None, "it comes from the future");
        assert_eq!(held(0, 1 << 32), Some(AGE_MAX));
    }
}
