//! One operation under way, as everybody sees it who may change or refuse it.

use std::sync::{Arc, OnceLock};

use cedge_policy::{Asked, Operation, Request, Type, User};
use serde_json::{Value, json};

use crate::api::Api;
use crate::call::Call;
use crate::meta;
use crate::resource::Resource;
use crate::status::{Error, Result};

/// An operation on an object.
pub(crate) struct Deed<'a> {
    pub(crate) api: &'a Api,
    pub(crate) call: &'a Call,
    pub(crate) request: Request,
    /// The resources under which the same objects are served; found when somebody asks.
    equivalents: OnceLock<Vec<Asked>>,
}

// === impl Deed ===

impl<'a> Deed<'a> {
    /// An operation on the object of that name.
    pub(crate) fn new(
        api: &'a Api,
        call: &'a Call,
        operation: Operation,
        name: &str,
        options: Value,
        dry_run: bool,
    ) -> Self {
        let resource = &*call.resource;
        let subresource = call.request.subresource.clone();
        let speaks = resource.speaks(&subresource);
        let namespace = if resource.is("", "namespaces") {
            name.to_owned()
        } else {
            call.request.namespace.clone()
        };
        let identity = &call.identity;
        let request = Request {
            operation,
            kind: Type::new(&speaks.group, &speaks.version, &speaks.kind),
            resource: Type::new(&resource.group, &resource.version, &resource.plural),
            subresource,
            name: name.to_owned(),
            namespace,
            user: User {
                name: identity.user.clone(),
                uid: identity.uid.clone().unwrap_or_default(),
                groups: identity.groups.clone(),
                extra: identity.extra.clone(),
            },
            dry_run,
            options,
        };
        Self {
            api,
            call,
            request,
            equivalents: OnceLock::new(),
        }
    }

    /// The same operation, once the object has its name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        if self.request.name.is_empty() {
            self.request.name = name.to_owned();
            if self.call.resource.is("", "namespaces") {
                self.request.namespace = name.to_owned();
            }
        }
        self
    }

    pub(crate) fn equivalents(&self) -> &[Asked] {
        self.equivalents.get_or_init(|| {
            let resource = &self.call.resource;
            let all = self.api.registry.same_objects(&resource.cache);
            let asked = all.iter().map(|r| {
                let speaks = r.speaks(&self.request.subresource);
                Asked {
                    resource: Type::new(&r.group, &r.version, &r.plural),
                    kind: Type::new(&speaks.group, &speaks.version, &speaks.kind),
                }
            });
            asked.collect()
        })
    }

    /// The resource that a rule matched.
    pub(crate) fn resource(&self, asked: &Asked) -> Result<Arc<Resource>> {
        let Type {
            group,
            version,
            name,
        } = &asked.resource;
        let found = self.api.registry.find(group, version, name);
        found.ok_or_else(|| Error::internal(format!("unable to convert to {name}: unknown kind")))
    }

    /// An object in the version of the request as it is in the version that a rule matched.
    pub(crate) async fn seen_as(&self, asked: &Asked, object: &Value) -> Result<Value> {
        self.between(&self.call.resource, &*self.resource(asked)?, asked, object)
            .await
    }

    /// And back.
    pub(crate) async fn taken_from(&self, asked: &Asked, object: &Value) -> Result<Value> {
        self.between(&*self.resource(asked)?, &self.call.resource, asked, object)
            .await
    }

    async fn between(
        &self,
        from: &Resource,
        to: &Resource,
        asked: &Asked,
        object: &Value,
    ) -> Result<Value> {
        let mut object = object.clone();
        if asked.kind != self.request.kind {
            self.api.convert(from, to, &mut object).await?;
        }
        Ok(object)
    }

    /// The object of the namespace that the operation is in; the object itself where a namespace is written.
    pub(crate) fn namespace(&self, object: Option<&Value>) -> Result<Option<Value>> {
        let name = &self.request.namespace;
        if name.is_empty() {
            return Ok(None);
        }
        let writes = matches!(
            self.request.operation,
            Operation::Create | Operation::Update
        );
        let is_namespace = self.call.resource.is("", "namespaces");
        if is_namespace && writes && self.request.subresource.is_empty() {
            return Ok(object.cloned());
        }
        match self.api.cache.kind("", "namespaces").get(name) {
            Some(found) => found.value().map(Some),
            None => Err(Error::NotFound(crate::status::About::new(
                "",
                "namespaces",
                name,
            ))),
        }
    }

    /// The name in the words of a refusal.
    pub(crate) fn shown_name(&self, object: Option<&Value>) -> String {
        let named = object.map(meta::name).filter(|n| !n.is_empty());
        match named {
            _ if !self.request.name.is_empty() => self.request.name.clone(),
            Some(name) => name.to_owned(),
            None => "Unknown".into(),
        }
    }
}

impl Call {
    /// The options of a write, as the object that the query stands for.
    pub(crate) fn options_object(&self, kind: &str) -> Value {
        let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        let dry: Vec<&str> = self.query.all("dryRun").collect();
        if !dry.is_empty() {
            options["dryRun"] = json!(dry);
        }
        for field in ["fieldManager", "fieldValidation"] {
            if let Some(text) = self.query.get(field).filter(|t| !t.is_empty()) {
                options[field] = json!(text);
            }
        }
        if kind == "PatchOptions" && self.query.get("force").is_some() {
            options["force"] = json!(self.query.flag("force"));
        }
        options
    }
}
