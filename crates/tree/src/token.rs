//! Join tokens: made, listed, revoked and used. Each is a Secret in `edge-system` that holds no secret, only its
//! digest; the string that people carry is printed once.

use std::collections::BTreeMap;

use cedge_api::{ClusterId, SYSTEM_NAMESPACE};
use cedge_link::{PeerKind, Refusal, RefusalReason};
use cedge_pki::JoinToken;
use cedge_tasks::clock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt as _};

/// Type of the Secrets.
const TYPE: &str = "edge.centaurus.io/join-token";
/// What their names begin with.
const PREFIX: &str = "join-token-";
/// Attempts to note a use, when several join with one token at once.
const ATTEMPTS: usize = 10;

/// What a new token allows.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Where children dial.
    pub addresses: Vec<String>,
    /// How often it may be used.
    pub uses: u32,
    /// How long.
    pub lifetime: SignedDuration,
    /// Whether those who join are approved by that.
    pub approve: bool,
    /// Labels that those who join get besides their own.
    pub labels: BTreeMap<String, String>,
    /// What it is for, for people.
    pub description: String,
}

/// A token as the parent knows it.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Names it.
    pub id: String,
    /// When it ends (RFC 3339).
    pub expires: String,
    /// How often it may be used.
    pub uses: u32,
    /// Who used it.
    pub used_by: Vec<String>,
    /// Whether those who join are approved by that.
    pub approve: bool,
    /// What it is for.
    pub description: String,
    #[serde(skip)]
    digest: String,
    #[serde(skip)]
    labels: BTreeMap<String, String>,
}

/// Makes a token; the string is in no other place.
///
/// # Errors
/// If the API refuses.
pub async fn create(
    client: &Client,
    authority: cedge_pki::Pin,
    grant: &Grant,
) -> Result<JoinToken, kube::Error> {
    let token = JoinToken::generate(grant.addresses.clone(), authority);
    let expires = clock::now()
        .checked_add(grant.lifetime)
        .unwrap_or(Timestamp::MAX);
    let labels = serde_json::to_string(&grant.labels).unwrap_or_default();
    let data: BTreeMap<String, String> = [
        ("digest", token.secret_digest()),
        (
            "expires",
            expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ),
        ("uses", grant.uses.to_string()),
        ("usedBy", String::new()),
        ("approve", grant.approve.to_string()),
        ("labels", labels),
        ("description", grant.description.clone()),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v))
    .collect();
    let data = data
        .into_iter()
        .map(|(k, v)| (k, k8s_openapi::ByteString(v.into_bytes())))
        .collect();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(format!("{PREFIX}{}", token.id)),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(data),
        ..Secret::default()
    };
    api(client).create(&PostParams::default(), &secret).await?;
    Ok(token)
}

/// All tokens.
///
/// # Errors
/// If the API refuses.
pub async fn list(client: &Client) -> Result<Vec<Known>, kube::Error> {
    let params = ListParams::default().fields(&format!("type={TYPE}"));
    Ok(api(client)
        .list(&params)
        .await?
        .items
        .iter()
        .filter_map(read)
        .collect())
}

/// Revokes a token; who joined with it stays. Says whether it was there.
///
/// # Errors
/// If the API refuses.
pub async fn revoke(client: &Client, id: &str) -> Result<bool, kube::Error> {
    match api(client)
        .delete(&format!("{PREFIX}{id}"), &DeleteParams::default())
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a used token grants.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) approve: bool,
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether the same identity has used it before.
    pub(crate) again: bool,
}

/// Uses a token once for `who`; the same identity again is not another use, so that a join that broke off may be
/// tried again.
pub(crate) async fn redeem(
    client: &Client,
    id: &str,
    secret: &str,
    who: &ClusterId,
    kind: PeerKind,
    name: &str,
) -> Result<Granted, Refusal> {
    let unavailable = |e: kube::Error| {
        Refusal::new(
            RefusalReason::Unavailable,
            format!("the parent's API does not answer: {e}"),
        )
    };
    if !cedge_api::names::is_dns_label(id) {
        return Err(unknown());
    }
    let api = api(client);
    for _ in 0..ATTEMPTS {
        let found = api
            .get_opt(&format!("{PREFIX}{id}"))
            .await
            .map_err(unavailable)?;
        let mut stored = found.ok_or_else(unknown)?;
        let known = read(&stored).ok_or_else(unknown)?;
        if known.digest != cedge_pki::join::secret_digest(secret) {
            return Err(unknown());
        }
        let user = format!("{}:{who}:{name}", kind.as_str());
        let same = |u: &String| u.split(':').nth(1) == Some(who.as_str());
        let granted = Granted {
            approve: known.approve,
            labels: known.labels.clone(),
            again: known.used_by.iter().any(same),
        };
        if granted.again {
            return Ok(granted);
        }
        check(&known)?;
        let mut used_by = known.used_by.clone();
        used_by.push(user);
        let data = stored.data.get_or_insert_default();
        data.insert(
            "usedBy".to_owned(),
            k8s_openapi::ByteString(used_by.join(",").into_bytes()),
        );
        match api
            .replace(&stored.name_any(), &PostParams::default(), &stored)
            .await
        {
            Ok(_) => return Ok(granted),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(unavailable(error)),
        }
    }
    Err(Refusal::new(
        RefusalReason::Unavailable,
        "too many join with this token at once; try again",
    ))
}

fn check(known: &Known) -> Result<(), Refusal> {
    let expires: Timestamp = known.expires.parse().unwrap_or(Timestamp::MIN);
    if clock::now() > expires {
        let message = format!(
            "the token expired at {}; make another: cedge token create",
            known.expires
        );
        return Err(Refusal::new(RefusalReason::TokenExpired, message));
    }
    if known.used_by.len() >= known.uses as usize {
        let by: Vec<&str> = known
            .used_by
            .iter()
            .filter_map(|u| u.split(':').nth(2))
            .collect();
        let message = format!(
            "the token may be used {} times and was, by {}; make another: cedge token create",
            known.uses,
            by.join(", ")
        );
        return Err(Refusal::new(RefusalReason::TokenUsedUp, message));
    }
    Ok(())
}

fn unknown() -> Refusal {
    let message = "the token is not known here: it was revoked, or made for another cluster; make another: cedge token create";
    Refusal::new(RefusalReason::TokenUnknown, message)
}

fn read(secret: &Secret) -> Option<Known> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| {
        data.get(key)
            .and_then(|b| String::from_utf8(b.0.clone()).ok())
    };
    let used_by = text("usedBy").unwrap_or_default();
    Some(Known {
        id: secret.name_any().strip_prefix(PREFIX)?.to_owned(),
        expires: text("expires")?,
        uses: text("uses")?.parse().ok()?,
        used_by: used_by
            .split(',')
            .filter(|u| !u.is_empty())
            .map(str::to_owned)
            .collect(),
        approve: text("approve").as_deref() == Some("true"),
        description: text("description").unwrap_or_default(),
        digest: text("digest")?,
        labels: text("labels")
            .and_then(|l| serde_json::from_str(&l).ok())
            .unwrap_or_default(),
    })
}

fn api(client: &Client) -> Api<Secret> {
    Api::namespaced(client.clone(), SYSTEM_NAMESPACE)
}
