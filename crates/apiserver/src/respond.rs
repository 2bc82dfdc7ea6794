//! Answers: objects, tables, statuses, streams.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Map, Value, json};

use crate::cache::Object;
use crate::call::Call;
use crate::meta;
use crate::negotiate::{Accepted, Encoding, Shape};
use crate::resource::{Column, Resource};
use crate::status::{Error, Result};
use crate::stored;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// What a body can fail with while it is sent.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is there as a whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A body that comes bit by bit; an error ends it without its proper end.
pub(crate) fn stream<S>(chunks: S) -> Body
where
    S: futures::Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
{
    use futures::TryStreamExt as _;
    StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
}

/// An answer of bytes.
pub(crate) fn bytes(
    code: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    with_body(code, content_type, full(body))
}

/// An answer with whatever body.
pub(crate) fn with_body(
    code: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// An answer of one JSON value in the encoding that was asked for.
pub(crate) fn value(code: StatusCode, encoding: Encoding, value: &Value) -> Response<Body> {
    bytes(code, encoding.content_type(), encode(encoding, value))
}

/// The answer to a request that failed.
pub(crate) fn error(error: &Error, encoding: Encoding) -> Response<Body> {
    if matches!(error, Error::NoSuchPath) {
        return bytes(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            "404 page not found\n",
        );
    }
    let mut response = value(error.code(), encoding, &error.status());
    if let Some(seconds) = error.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Adds what the caller is warned of.
pub(crate) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for text in warnings {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let header = format!("299 - \"{quoted}\"");
        if let Ok(value) = HeaderValue::from_bytes(header.as_bytes()) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

pub(crate) fn encode(encoding: Encoding, value: &Value) -> Vec<u8> {
    let encoded = match encoding {
        Encoding::Json => serde_json::to_vec(value),
        Encoding::Pretty => serde_json::to_vec_pretty(value),
        Encoding::Yaml => {
            return serde_saphyr::to_string(value)
                .unwrap_or_default()
                .into_bytes();
        }
    };
    let mut encoded = encoded.expect("a JSON value can be written to memory");
    encoded.push(b'\n');
    encoded
}

/// The answer that shows one object as it is stored.
pub(crate) fn stored_object(call: &Call, object: &Object) -> Result<Response<Body>> {
    let resource = &*call.resource;
    if call.accepted == Accepted::default() && resource.bytes_are_ours() {
        let body = stored::with_api_version(object.bytes(), &resource.api_version());
        return Ok(bytes(StatusCode::OK, "application/json", body));
    }
    let mut decoded = object.value()?;
    resource.read_stored(&mut decoded);
    self::object(call, StatusCode::OK, decoded)
}

/// The answer that shows one object, in the version of the request.
pub(crate) fn object(call: &Call, code: StatusCode, object: Value) -> Result<Response<Body>> {
    let shaped = match call.accepted.shape {
        Shape::Whole => object,
        Shape::Metadata if call.accepted.list => return Err(no_list(call)),
        Shape::Metadata => partial(&object),
        Shape::Table => table_of(call, std::slice::from_ref(&object), true)?,
    };
    Ok(value(
        code,
        call.accepted.encoding,
        &in_version(call, shaped),
    ))
}

/// The answer that shows what a subresource speaks: no object of the resource's own kind.
pub(crate) fn subobject(call: &Call, code: StatusCode, object: Value) -> Result<Response<Body>> {
    let shaped = match call.accepted.shape {
        Shape::Whole => object,
        Shape::Metadata => partial(&object),
        Shape::Table => crate::subresource::scale_table(call, &object)?,
    };
    Ok(value(
        code,
        call.accepted.encoding,
        &in_version(call, shaped),
    ))
}

/// Tables and metadata in the version that was asked for.
pub(crate) fn in_version(call: &Call, mut shaped: Value) -> Value {
    const BETA: &str = "meta.k8s.io/v1beta1";
    if !call.accepted.beta {
        return shaped;
    }
    shaped["apiVersion"] = BETA.into();
    let rows = shaped.get_mut("rows").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        if row["object"]["kind"] == "PartialObjectMetadata" {
            row["object"]["apiVersion"] = BETA.into();
        }
    }
    shaped
}

/// Metadata of a list is asked for where there is one object.
fn no_list(call: &Call) -> Error {
    Error::Plain {
        code: 406,
        reason: "NotAcceptable",
        message: format!(
            "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
            internal_type(call, &call.resource.kind)
        ),
    }
}

/// Metadata of one object is asked for where there is a list.
pub(crate) fn no_object(call: &Call) -> Error {
    Error::Plain {
        code: 406,
        reason: "NotAcceptable",
        message: format!(
            "you requested PartialObjectMetadata, but the requested object is a list ({})",
            internal_type(call, &call.resource.list_kind)
        ),
    }
}

/// As Go names the type of an object.
fn internal_type(call: &Call, kind: &str) -> String {
    match call.resource.group.split('.').next() {
        _ if call.resource.is_custom() => "*unstructured.Unstructured".to_owned(),
        None | Some("") => format!("*core.{kind}"),
        Some(group) => format!("*{group}.{kind}"),
    }
}

/// The metadata alone.
pub(crate) fn partial(object: &Value) -> Value {
    let mut metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    // It stands in the older versions of the kind, of which the metadata is not.
    const OLD: &str = "deprecated.daemonset.template.generation";
    if object["kind"] == "DaemonSet"
        && let Some(annotations) = metadata["annotations"].as_object_mut()
    {
        annotations.remove(OLD);
        if annotations.is_empty()
            && let Some(fields) = metadata.as_object_mut()
        {
            fields.remove("annotations");
        }
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// A table of objects, without a list's metadata.
pub(crate) fn table_of(call: &Call, objects: &[Value], columns: bool) -> Result<Value> {
    let include = include_object(call)?;
    let rows: Vec<Value> = objects.iter().map(|o| row(call, o, include)).collect();
    let mut table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1"});
    let mut metadata = Map::new();
    if let [object] = objects
        && !meta::text(object, "resourceVersion").is_empty()
    {
        metadata.insert(
            "resourceVersion".into(),
            object["metadata"]["resourceVersion"].clone(),
        );
    }
    table["metadata"] = Value::Object(metadata);
    table["columnDefinitions"] = if columns {
        definitions(&call.resource)
    } else {
        Value::Null
    };
    table["rows"] = Value::Array(rows);
    Ok(table)
}

/// How much of an object a table's row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

pub(crate) fn include_object(call: &Call) -> Result<Include> {
    match call.query.get("includeObject").unwrap_or_default() {
        "" | "Metadata" => Ok(Include::Metadata),
        "None" => Ok(Include::Nothing),
        "Object" => Ok(Include::Object),
        other => Err(Error::BadRequest(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
             'Object', 'None', or empty"
        ))),
    }
}

pub(crate) fn definitions(resource: &Resource) -> Value {
    resource.columns().iter().map(Column::value).collect()
}

pub(crate) fn row(call: &Call, object: &Value, include: Include) -> Value {
    let mut row = json!({"cells": call.resource.row(object, call.now)});
    let conditions = call.resource.row_conditions(object);
    if !conditions.is_empty() {
        row["conditions"] = Value::Array(conditions);
    }
    match include {
        Include::Nothing => row["object"] = Value::Null,
        Include::Metadata => row["object"] = partial(object),
        Include::Object => row["object"] = object.clone(),
    }
    row
}

// === impl Column ===

impl Column {
    fn value(&self) -> Value {
        json!({
            "name": self.name, "type": self.ty, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }
}
