//! A pod gets its node.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::api::{Api, WriteFailure};
use crate::call::Call;
use crate::meta;
use crate::respond::{self, Body};
use crate::status::{About, Error, Result};

const ATTEMPTS: usize = 20;

pub(super) async fn bind(api: &Api, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let mut binding = call.object(body, &options)?;
    crate::admission::of_answered(api, call, &mut binding, options.dry_run).await?;
    let name = meta::name(&binding).to_owned();
    if !call.request.name.is_empty() && call.request.name != name {
        return Err(Error::BadRequest(
            "name in URL does not match name in Binding object".into(),
        ));
    }
    let (kind, node) = (&binding["target"]["kind"], &binding["target"]["name"]);
    // Whoever looks at it takes what is wrong for a fault of the server.
    let invalid = |field: &str, message: &str| Error::Plain {
        code: 500,
        reason: "",
        message: format!("{field}: {message}"),
    };
    if !matches!(kind.as_str(), None | Some("" | "Node")) {
        let message = format!("Unsupported value: {kind}: supported values: \"Node\", \"<empty>\"");
        return Err(invalid("target.kind", &message));
    }
    let Some(node) = node.as_str().filter(|n| !n.is_empty()) else {
        return Err(invalid("target.name", "Required value"));
    };
    let pods = api.registry.built_in("", "v1", "pods");
    let path = pods.path(&call.request.namespace, &name);
    let mut bound = false;
    for _ in 0..ATTEMPTS {
        let current = api.get(&pods.cache, &path).await?;
        let current = current.ok_or_else(|| Error::NotFound(pods.about(&name)))?;
        let mut pod = current.value()?;
        assign(call, &mut pod, node, &binding)?;
        if options.dry_run {
            bound = true;
            break;
        }
        match api.replace(&pods, &pod, current.revision()).await {
            Ok(_) => {
                bound = true;
                break;
            }
            Err(WriteFailure::Conflict) => {}
            Err(WriteFailure::Other(error)) => return Err(error),
        }
    }
    if !bound {
        let why = crate::verbs::update::MODIFIED;
        return Err(Error::Conflict(
            About::new("", "pods/binding", &name),
            why.into(),
        ));
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(respond::value(
        StatusCode::CREATED,
        call.accepted.encoding,
        &status,
    ))
}

fn assign(call: &Call, pod: &mut Value, node: &str, binding: &Value) -> Result<()> {
    let name = meta::name(pod).to_owned();
    let conflict = |why: String| Err(Error::Conflict(About::new("", "pods/binding", &name), why));
    let uid = meta::uid(binding);
    if !uid.is_empty() && uid != meta::uid(pod) {
        let key = format!("/registry/pods/{}/{name}", meta::namespace(pod));
        return Err(Error::Conflict(
            About::new("", "pods", &name),
            format!(
                "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                meta::uid(pod)
            ),
        ));
    }
    if meta::is_deleting(pod) {
        return conflict(format!(
            "pod {name} is being deleted, cannot be assigned to a host"
        ));
    }
    if let Some(present) = pod["spec"]["nodeName"].as_str().filter(|n| !n.is_empty()) {
        return conflict(format!(
            "pod {name} is already assigned to node \"{present}\""
        ));
    }
    if pod["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|g| !g.is_empty())
    {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    meta::fields(pod, "spec").insert("nodeName".into(), json!(node));
    for (key, value) in binding["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let annotations = meta::of(pod)
            .entry("annotations")
            .or_insert_with(|| json!({}));
        annotations[key] = value.clone();
    }
    scheduled(call, pod);
    Ok(())
}

fn scheduled(call: &Call, pod: &mut Value) {
    let status = meta::fields(pod, "status");
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else {
        return;
    };
    list.retain(|c| c["type"] != "PodScheduled");
    list.push(json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": call.stamp(),
    }));
}
