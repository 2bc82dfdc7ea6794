//! What the server adds to writes, and what it refuses, beyond the rules of a kind: the small table of hooks.

mod certificates;
mod deed;
mod hooks;
mod kubelet;
mod limit_range;
mod namespace;
mod node;
mod notice;
mod pod;
mod policies;
mod priority;
mod quota;
mod resize;
mod rights;
mod service;
mod service_account;
mod storage;
mod warnings;
mod webhooks;

pub(crate) use deed::Deed;
pub(crate) use hooks::Hooks;
pub(crate) use notice::{Notice, write_notices};
pub(crate) use quota::Tills;
pub(crate) use service::Addresses;
pub(crate) use service_account::WARN_SECONDS;
pub(crate) use webhooks::{client, post};

use cedge_policy::Operation;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::resource::Resource;
use crate::status::{Error, Result};

// === impl Deed ===

impl Deed<'_> {
    fn is_exempt(&self) -> bool {
        self.request.is_about_admission() || self.request.is_review()
    }

    /// Lets policies and webhooks change the object. Whoever asked for that sees it again when others changed it.
    pub(crate) async fn mutate(&self, object: &mut Value, old: Option<&Value>) -> Result<()> {
        let shown = self.api.hooks.shown();
        if shown.nobody_changes() || self.is_exempt() {
            return Ok(());
        }
        let mut policies = webhooks::Round::default();
        let mut hooks = webhooks::Round::default();
        loop {
            policies::change(&shown, self, &mut policies, object, old).await?;
            webhooks::mutate(&shown, self, &mut hooks, Some(object), old).await?;
            if policies.second || !(policies.changed || hooks.changed) {
                return Ok(());
            }
            (policies.second, hooks.second) = (true, true);
        }
    }

    /// Asks mutating webhooks about an operation that brings no object.
    async fn mutate_nothing(&self, old: Option<&Value>) -> Result<()> {
        let shown = self.api.hooks.shown();
        if shown.mutating.is_empty() || self.is_exempt() {
            return Ok(());
        }
        let mut round = webhooks::Round::default();
        webhooks::mutate(&shown, self, &mut round, None, old).await
    }

    /// Lets policies and webhooks refuse.
    pub(crate) async fn judge(&self, object: Option<&Value>, old: Option<&Value>) -> Result<()> {
        let shown = self.api.hooks.shown();
        if shown.nobody_judges() || self.is_exempt() {
            return Ok(());
        }
        policies::judge(&shown, self, object, old).await?;
        webhooks::judge(&shown, self, object, old).await
    }
}

/// Lets policies and webhooks change and refuse the object of a request that is not stored: a binding, an eviction, a
/// request for a token.
pub(crate) async fn of_answered(
    api: &Api,
    call: &Call,
    object: &mut Value,
    dry_run: bool,
) -> Result<()> {
    kubelet::check_answered(api, call, object).await?;
    let options = call.options_object("CreateOptions");
    let name = &call.request.name;
    let deed = Deed::new(api, call, Operation::Create, name, options, dry_run);
    // Boxed: few requests come here, and the future is large.
    Box::pin(async {
        deed.mutate(object, None).await?;
        deed.judge(Some(object), None).await
    })
    .await
}

/// Lets policies and webhooks refuse a stream into a pod, or a request that is handed on.
pub(crate) async fn on_connect(api: &Api, call: &Call, options: Value) -> Result<()> {
    let (name, mut options) = (&call.request.name, options);
    let deed = Deed::new(api, call, Operation::Connect, name, Value::Null, false);
    Box::pin(async {
        deed.mutate(&mut options, None).await?;
        deed.judge(Some(&options), None).await
    })
    .await
}

/// Lets policies and webhooks refuse a deletion.
pub(crate) async fn on_removal(
    api: &Api,
    call: &Call,
    old: &Value,
    options: &crate::verbs::delete::DeleteOptions,
) -> Result<()> {
    let shown = options.shown.clone();
    let name = meta::name(old);
    let deed = Deed::new(api, call, Operation::Delete, name, shown, options.dry_run);
    Box::pin(async {
        deed.mutate_nothing(Some(old)).await?;
        deed.judge(None, Some(old)).await
    })
    .await
}

/// What is added to an object in the name of whoever creates it.
pub(crate) fn complete(resource: &Resource, object: &mut Value) {
    if resource.is("", "namespaces") {
        let name = meta::name(object).to_owned();
        label(object, "kubernetes.io/metadata.name", &name);
    }
    if resource.is("apps", "daemonsets") {
        // Kubernetes keeps a number in a field that this version has no more; its strategy sets the value.
        meta::of(object);
        meta::fields(&mut object["metadata"], "annotations")
            .entry("deprecated.daemonset.template.generation")
            .or_insert_with(|| json!("0"));
    }
}

/// Before an object is created; after its defaults, before it is validated.
pub(crate) async fn on_create(api: &Api, call: &Call, object: &mut Value) -> Result<()> {
    let resource = &*call.resource;
    kubelet::check(api, call, object, None)?;
    if resource.namespaced {
        namespace::must_take(api, call, meta::namespace(object), meta::name(object)).await?;
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => pod::on_create(api, call, object).await,
        ("", "nodes") => {
            node::on_create(object);
            Ok(())
        }
        ("certificates.k8s.io", "certificatesigningrequests") => {
            certificates::on_create(call, object);
            Ok(())
        }
        ("", "persistentvolumeclaims") => storage::on_create_claim(api, object).await,
        ("", "persistentvolumes") => {
            storage::on_create_volume(object);
            Ok(())
        }
        ("rbac.authorization.k8s.io", _) => crate::authz::check_escalation(api, call, object, None),
        ("", "limitranges") if meta::name(object).is_empty() => {
            meta::set(object, "name", crate::verbs::create::new_uid());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Before an object is changed; after what a write may not change was put back.
pub(crate) fn on_update(api: &Api, call: &Call, new: &mut Value, old: &Value) -> Result<()> {
    let resource = &*call.resource;
    kubelet::check(api, call, new, Some(old))?;
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => {
            priority::on_update(new, old);
            if call.request.subresource.is_empty() {
                pod::on_update(new);
            }
            Ok(())
        }
        ("certificates.k8s.io", "certificatesigningrequests") => {
            certificates::on_update(call, new, old);
            Ok(())
        }
        ("rbac.authorization.k8s.io", _) => {
            crate::authz::check_escalation(api, call, new, Some(old))
        }
        _ => Ok(()),
    }
}

/// Before an object is deleted.
pub(crate) fn on_delete(call: &Call, object: &Value) -> Result<()> {
    let resource = &*call.resource;
    kubelet::check_deletion(call, object)?;
    if resource.is("", "namespaces") && namespace::IMMORTAL.contains(&meta::name(object)) {
        return Err(Error::Forbidden(
            resource.about(meta::name(object)),
            "this namespace may not be deleted".into(),
        ));
    }
    Ok(())
}

/// After an object was validated: what other objects have against it.
pub(crate) async fn check(api: &Api, call: &Call, new: &Value, old: Option<&Value>) -> Result<()> {
    let part = call.request.subresource.as_str();
    if call.resource.is("scheduling.k8s.io", "priorityclasses") && part.is_empty() {
        return priority::check_class(api, call, new, old).await;
    }
    if call
        .resource
        .is("certificates.k8s.io", "certificatesigningrequests")
    {
        return certificates::check(api, call, new, old);
    }
    if call.resource.is("", "pods")
        && part == "resize"
        && let Some(old) = old
    {
        resize::check(api, call, new, old).await?;
    }
    limit_range::check(api, call, new, old).await
}

/// What was taken for an object that is about to be stored.
#[derive(Debug)]
pub(crate) struct Reserved {
    /// Held so that nobody else gets the same.
    addresses: service::Taken,
    charged: quota::Charged,
}

/// Directly before an object is stored: takes what only one may have, and charges quotas.
pub(crate) async fn reserve(
    api: &Api,
    call: &Call,
    new: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Reserved> {
    warnings::look(call, new, old);
    let charged = quota::charge(api, call, new, old, dry_run).await?;
    let mut addresses = service::Taken::nothing();
    if call.resource.is("", "services") && call.request.subresource.is_empty() {
        match api.addresses.reserve(api, new, old, dry_run).await {
            Ok(taken) => addresses = taken,
            Err(error) => {
                charged.pay_back(api).await;
                return Err(error);
            }
        }
    }
    Ok(Reserved { addresses, charged })
}

// === impl Reserved ===

impl Reserved {
    /// Ends the reservation: the object is stored, or what was taken for it goes back.
    pub(crate) async fn settle<T, E>(self, api: &Api, stored: Result<T, E>) -> Result<T, E> {
        drop(self.addresses);
        if stored.is_err() {
            self.charged.pay_back(api).await;
        }
        stored
    }
}

/// After an object was created.
pub(crate) fn created(api: &Api, call: &Call, object: &Value) {
    let resource = &*call.resource;
    let unattended = api
        .config
        .unattended
        .iter()
        .any(|u| resource.is(&u.group, &u.plural));
    if unattended {
        api.notice(Notice::no_controller(resource, object));
    }
}

/// After an object has gone.
pub(crate) fn deleted(_api: &Api, resource: &Resource, object: &Value) {
    tracing::debug!(
        group = resource.group,
        resource = resource.plural,
        namespace = meta::namespace(object),
        name = meta::name(object),
        "object is gone"
    );
}

/// Whether an object that nothing in its metadata holds may go.
pub(crate) fn may_go(resource: &Resource, object: &Value) -> bool {
    let held = object["spec"]["finalizers"]
        .as_array()
        .is_some_and(|f| !f.is_empty());
    !(resource.is("", "namespaces") && held)
}

/// A refusal of an object.
fn forbidden(call: &Call, object: &Value, why: String) -> Error {
    Error::Forbidden(call.resource.about(meta::name(object)), why)
}

/// The same before an object has its name: of a generated one only the beginning is shown.
fn forbidden_new(call: &Call, object: &Value, why: String) -> Error {
    let (name, beginning) = (meta::name(object), meta::text(object, "generateName"));
    let generated = !beginning.is_empty() && name.starts_with(beginning);
    let shown = if generated { beginning } else { name };
    Error::Forbidden(call.resource.about(shown), why)
}

/// A list in a field, made if it is not one.
fn list<'a>(fields: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    let slot = fields.entry(name).or_insert_with(|| json!([]));
    if !slot.is_array() {
        *slot = json!([]);
    }
    slot.as_array_mut().expect("it was made one just now")
}

fn label(object: &mut Value, key: &str, value: &str) {
    let metadata = meta::of(object);
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    labels[key] = json!(value);
}
