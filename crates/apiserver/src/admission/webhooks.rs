//! Webhooks: servers of users that change or refuse what is written.

mod call;
mod judge;
mod mutate;

pub(crate) use call::post;
pub(super) use judge::judge;
pub(super) use mutate::{Round, mutate, settle};

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cedge_kinds::read::Read;
use cedge_pki::outside::Trust;
use cedge_policy::rules::Meant;
use cedge_policy::{Asked, Conditions, Matching, Met, Sight};
use serde_json::Value;

use super::deed::Deed;
use super::rights;
use crate::meta;
use crate::outbound::{Host, Peer};
use crate::status::{Error, Result};

/// One webhook of a configuration, compiled.
#[derive(Debug)]
pub(crate) struct Webhook {
    /// The object that it stands in.
    configuration: String,
    name: String,
    /// What tells it apart from all others.
    uid: String,
    matching: Matching,
    conditions: Conditions,
    /// Whether a webhook that cannot be asked is passed over.
    fail_open: bool,
    timeout: Duration,
    /// Whether it may be asked in a dry run.
    dry_run: bool,
    /// Whether it is asked again when others after it have changed the object.
    reinvoke: bool,
    /// The first version of AdmissionReview that it takes and we speak.
    version: Option<&'static str>,
    client: std::result::Result<Client, String>,
}

/// Where it is.
#[derive(Debug)]
struct Client {
    peer: Peer,
    path: String,
}

// === impl Webhook ===

impl Webhook {
    pub(super) fn compile_all(configuration: &Value, mutating: bool) -> Vec<Arc<Self>> {
        let name = meta::name(configuration);
        let hooks = configuration.items("webhooks").iter().enumerate();
        hooks
            .map(|(i, hook)| Arc::new(Self::compile(name, i, hook, mutating)))
            .collect()
    }

    fn compile(configuration: &str, index: usize, hook: &Value, mutating: bool) -> Self {
        let name = hook.text("name").to_owned();
        let seconds = hook.int("timeoutSeconds").unwrap_or(10).clamp(1, 30);
        let mut versions = hook.items("admissionReviewVersions").iter();
        Self {
            uid: format!("{configuration}/{name}/{index}"),
            configuration: configuration.to_owned(),
            matching: Matching::of_webhook(hook),
            conditions: Conditions::compile(
                hook.items("matchConditions"),
                hook.text("failurePolicy"),
            ),
            fail_open: hook.text("failurePolicy") == "Ignore",
            timeout: Duration::from_secs(seconds.unsigned_abs()),
            dry_run: matches!(hook.text("sideEffects"), "None" | "NoneOnDryRun"),
            reinvoke: mutating && hook.text("reinvocationPolicy") == "IfNeeded",
            version: versions.find_map(|v| match v.as_str()? {
                "v1" => Some("v1"),
                "v1beta1" => Some("v1beta1"),
                _ => None,
            }),
            client: client(hook.field("clientConfig")).map(|(peer, path)| Client { peer, path }),
            name,
        }
    }

    /// Whether it is to be asked, and about which version of the object.
    async fn is_for(
        &self,
        deed: &Deed<'_>,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<Option<Asked>> {
        let mut namespace = None;
        let mut missing = None;
        if self.matching.needs_namespace() {
            match deed.namespace(object.or(old)) {
                Ok(found) => namespace = found,
                Err(error) => missing = Some(error),
            }
        }
        let meant = self.matching.means(
            &deed.request,
            deed.equivalents(),
            namespace.as_ref(),
            object,
            old,
        );
        let asked = match (meant, missing) {
            (Meant::No, _) => return Ok(None),
            (_, Some(error)) => return Err(error),
            (Meant::Broken(error), None) => return Err(Error::internal(error)),
            (Meant::As(asked), None) => asked,
        };
        if self.conditions.is_empty() || self.are_conditions_met(deed, &asked, object, old).await? {
            return Ok(Some(asked));
        }
        Ok(None)
    }

    async fn are_conditions_met(
        &self,
        deed: &Deed<'_>,
        asked: &Asked,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<bool> {
        let shown = seen_as(deed, asked, object).await?;
        let shown_old = seen_as(deed, asked, old).await?;
        let request = deed.request.value(&asked.kind, &asked.resource);
        let met = self.conditions.met(
            &Sight {
                object: shown.as_ref(),
                old: shown_old.as_ref(),
                request: Some(&request),
                authorizer: Some(rights::of(deed)),
                ..Sight::default()
            },
            &[],
        );
        match met {
            Met::Yes => Ok(true),
            Met::No => Ok(false),
            Met::Unknown(why) => {
                let about = deed.call.resource.about(&deed.shown_name(object));
                Err(Error::Forbidden(about, why))
            }
        }
    }
}

/// An object as a rule wants to see it, if there is one.
pub(crate) async fn seen_as(
    deed: &Deed<'_>,
    asked: &Asked,
    object: Option<&Value>,
) -> Result<Option<Value>> {
    match object {
        Some(object) => deed.seen_as(asked, object).await.map(Some),
        None => Ok(None),
    }
}

/// Reads `clientConfig`, of webhooks of admission and of conversion.
pub(crate) fn client(config: &Value) -> std::result::Result<(Peer, String), String> {
    let trust = match config.text("caBundle") {
        "" => Trust::Machine,
        bundle => {
            let pem = STANDARD.decode(bundle).map_err(|e| e.to_string())?;
            Trust::Bundle(pem)
        }
    };
    let service = config.field("service");
    if service.is_object() {
        let port = service.int("port").and_then(|p| u16::try_from(p).ok());
        let peer = Peer::service(
            service.text("namespace"),
            service.text("name"),
            port.unwrap_or(443),
            trust,
        );
        let path = match service.text("path") {
            "" => "/".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        return Ok((peer, path));
    }
    let text = config.text("url");
    if text.is_empty() {
        return Err("webhook configuration must have either service or URL".into());
    }
    let url: http::Uri = text.parse().map_err(|e| format!("Unparsable URL: {e}"))?;
    let host = url.host().ok_or("Unparsable URL: it has no host")?;
    let name = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let peer = Peer {
        host: Host::Named(name.clone(), url.port_u16().unwrap_or(443)),
        server_name: name,
        trust,
        credential: None,
    };
    Ok((peer, url.path().to_owned()))
}
