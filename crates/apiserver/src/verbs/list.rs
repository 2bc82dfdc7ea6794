//! Lists: pages of a consistent state, as bytes where nobody asks for more.

mod pieces;
mod token;

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::body::LARGE;
use crate::cache::{Listed, Object, too_old};
use crate::call::Call;
use crate::negotiate::{Accepted, Shape};
use crate::query::{ListOptions, Match};
use crate::resource::Resource;
use crate::respond::{self, Body};
use crate::selector::Filter;
use crate::status::{Error, Result};

/// Keys that are read at once from an old state.
const PAGE: usize = 500;

/// What is said of a list whose state is compacted away.
const CONTINUE_EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can \
    start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
    created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
const VERSION_EXPIRED: &str = "The resourceVersion for the provided list is too old.";

pub(crate) async fn list(api: &Api, call: &Call) -> Result<Response<Body>> {
    let options = call.query.list_options(false)?;
    let listed = page(api, &call.resource, &call.request.namespace, &options).await?;
    answer(api, call, listed).await
}

/// A page in the form that was asked for.
pub(crate) async fn answer(api: &Api, call: &Call, listed: Listed) -> Result<Response<Body>> {
    let metadata = metadata(call, &listed);
    match call.accepted.shape {
        Shape::Whole if call.accepted == Accepted::default() && call.resource.bytes_are_ours() => {
            Ok(pieces::as_bytes(&call.resource, listed.objects, &metadata))
        }
        shape => {
            let decode = || listed.objects.iter().map(|object| object.value());
            let size: usize = listed
                .objects
                .iter()
                .map(|object| object.bytes().len())
                .sum();
            if size <= LARGE {
                let mut decoded = decode().collect::<Result<Vec<Value>>>()?;
                api.read_as(&call.resource, &mut decoded).await?;
                return as_values(call, shape, decoded, &metadata);
            }
            let decoded = api.aside.think(|| decode().collect::<Result<Vec<Value>>>());
            let mut decoded = decoded.await?;
            api.read_as(&call.resource, &mut decoded).await?;
            let shown = || as_values(call, shape, decoded, &metadata);
            api.aside.think(shown).await
        }
    }
}

/// One page, as the options ask for it.
pub(crate) async fn page(
    api: &Api,
    resource: &Resource,
    namespace: &str,
    options: &ListOptions,
) -> Result<Listed> {
    let filter = filter(
        resource,
        namespace,
        &options.label_selector,
        &options.field_selector,
    )?;
    let kind = &resource.cache;
    if !options.continue_token.is_empty() {
        return continued(api, resource, &filter, options).await;
    }
    match options.resource_version.as_str() {
        "" => api.cache.fresh().await?,
        // Whoever takes any state gets it whole.
        "0" => return Ok(kind.list(&filter, None, 0, api.cache.revision())),
        version => {
            let wanted = revision(version)?;
            api.cache.reach(wanted).await?;
            // A page of a state that is named is of that state, as it was before there was a match.
            let exact = match options.version_match {
                Some(version_match) => version_match == Match::Exact,
                None => options.limit > 0,
            };
            if exact && !kind.unchanged_since(wanted) {
                return at(api, resource, &filter, None, options.limit, wanted).map_err(
                    |e| match e {
                        Error::Expired(..) => Error::Expired(VERSION_EXPIRED.into(), None),
                        other => other,
                    },
                );
            }
            if exact {
                let mut listed = kind.list(&filter, None, options.limit, wanted);
                listed.revision = wanted;
                return Ok(listed);
            }
        }
    }
    Ok(kind.list(&filter, None, options.limit, api.cache.revision()))
}

/// Reads both selectors in the words of a resource.
pub(crate) fn filter(
    resource: &Resource,
    namespace: &str,
    labels: &str,
    fields: &str,
) -> Result<Filter> {
    let names = resource
        .cache
        .indexer()
        .map(|i| i.names)
        .unwrap_or_default();
    let known = |name: &str| resource.selectable_field(name);
    Filter::parse(namespace, labels, fields, &names, &known)
}

/// Reads a resource version that is a revision.
pub(crate) fn revision(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        Error::BadRequest(format!(
            "invalid resource version: {}",
            not_a_revision(text)
        ))
    })
}

pub(crate) fn not_a_revision(text: &str) -> String {
    format!(
        "resourceVersion: Invalid value: {text:?}: {}",
        crate::query::not_a_number("ParseUint", text)
    )
}

/// As [`revision`], where nobody says that it is the caller's fault.
pub(crate) fn plain_revision(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::Plain {
        code: 500,
        reason: "",
        message: not_a_revision(text),
    })
}

/// The page after a token: of the state that the first page showed, or, if the token says so, of the present one.
async fn continued(
    api: &Api,
    resource: &Resource,
    filter: &Filter,
    options: &ListOptions,
) -> Result<Listed> {
    if !matches!(options.resource_version.as_str(), "" | "0") {
        return Err(Error::BadRequest(
            "specifying resource version is not allowed when using continue".into(),
        ));
    }
    let (at_revision, after) = token::decode(&options.continue_token)?;
    let after = match filter.namespace.as_str() {
        "" => after,
        namespace => format!("{namespace}/{after}"),
    };
    let kind = &resource.cache;
    // Whoever takes any state gets all that is left of it.
    let limit = match options.resource_version.as_str() {
        "0" => 0,
        _ => options.limit,
    };
    let Some(at_revision) = at_revision else {
        api.cache.fresh().await?;
        return Ok(kind.list(filter, Some(&after), limit, api.cache.revision()));
    };
    api.cache.reach(at_revision).await?;
    if kind.unchanged_since(at_revision) && at_revision >= api.cache.store().compacted().get() {
        let mut listed = kind.list(filter, Some(&after), limit, at_revision);
        if listed.revision == at_revision {
            return Ok(listed);
        }
        listed.objects.clear();
    }
    at(api, resource, filter, Some(&after), limit, at_revision).map_err(|e| match e {
        Error::Expired(..) => Error::Expired(
            CONTINUE_EXPIRED.into(),
            Some(token::encode(None, in_scope(filter, &after))),
        ),
        other => other,
    })
}

/// A page of the state at a revision, read from the store's history.
fn at(
    api: &Api,
    resource: &Resource,
    filter: &Filter,
    after: Option<&str>,
    limit: usize,
    revision: u64,
) -> Result<Listed> {
    let kind = &resource.cache;
    let index = kind.indexer();
    let at = Some(revision.into());
    let scope = match filter.namespace.as_str() {
        "" => kind.prefix().to_owned(),
        namespace => format!("{}{namespace}/", kind.prefix()),
    };
    let mut after = after.map(|path| format!("{}{path}", kind.prefix()));
    let mut listed = Listed {
        revision,
        ..Listed::default()
    };
    loop {
        let size = if limit == 0 { PAGE } else { limit.min(PAGE) };
        let page = api.cache.store().range(&scope, after.as_deref(), at, size);
        let page = page.map_err(|e| too_old(&e))?;
        let last = page.items.len();
        for (i, item) in page.items.iter().enumerate() {
            let object = Object::new(&item.key, &item.value, item.modified.get(), index.as_ref())?;
            if !filter.matches(&object) {
                continue;
            }
            listed.objects.push(Arc::new(object));
            if limit > 0 && listed.objects.len() == limit {
                listed.more = page.more || i + 1 < last;
                if listed.more && filter.is_everything() {
                    let left = api.cache.store().count(&scope, Some(&item.key), at);
                    listed.remaining = Some(left.map_err(|e| too_old(&e))?);
                }
                return Ok(listed);
            }
        }
        match page.items.last() {
            Some(item) if page.more => after = Some(item.key.to_string()),
            _ => return Ok(listed),
        }
    }
}

/// A path as tokens write it: below the namespace, if the list is of one.
fn in_scope<'a>(filter: &Filter, path: &'a str) -> &'a str {
    match filter.namespace.as_str() {
        "" => path,
        _ => path.split_once('/').map_or(path, |(_, name)| name),
    }
}

/// The metadata of a list.
fn metadata(call: &Call, listed: &Listed) -> Map<String, Value> {
    let mut metadata = Map::new();
    if call.resource.is_custom() && call.accepted.shape == Shape::Whole {
        // Lists of these have no type that would leave out what is empty.
        metadata.insert("continue".into(), json!(""));
    }
    metadata.insert("resourceVersion".into(), json!(listed.revision.to_string()));
    if let Some(last) = listed.objects.last().filter(|_| listed.more) {
        let path = match call.request.namespace.as_str() {
            "" => last.path(),
            _ => last.path().split_once('/').map_or(last.path(), |(_, n)| n),
        };
        let token = token::encode(Some(listed.revision), path);
        metadata.insert("continue".into(), json!(token));
        if let Some(remaining) = listed.remaining {
            metadata.insert("remainingItemCount".into(), json!(remaining));
        }
    }
    metadata
}

/// Tables, metadata, YAML and other versions.
fn as_values(
    call: &Call,
    shape: Shape,
    objects: Vec<Value>,
    metadata: &Map<String, Value>,
) -> Result<Response<Body>> {
    let resource = &call.resource;
    let decoded = objects.into_iter();
    let list = match shape {
        Shape::Whole => {
            let items = decoded.map(|mut value: Value| {
                if let (false, Some(fields)) = (resource.is_custom(), value.as_object_mut()) {
                    fields.remove("kind");
                    fields.remove("apiVersion");
                }
                value
            });
            json!({
                "kind": resource.list_kind, "apiVersion": resource.api_version(),
                "metadata": metadata, "items": items.collect::<Vec<_>>(),
            })
        }
        Shape::Metadata if !call.accepted.list => return Err(respond::no_object(call)),
        Shape::Metadata => {
            let items = decoded.map(|value| respond::partial(&value));
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata, "items": items.collect::<Vec<_>>(),
            })
        }
        Shape::Table => {
            let include = respond::include_object(call)?;
            let mut sorted: Vec<Value> = decoded.collect();
            resource.sort_rows(&mut sorted);
            let rows = sorted
                .iter()
                .map(|value| respond::row(call, value, include));
            json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "columnDefinitions": respond::definitions(resource),
                "rows": rows.collect::<Vec<_>>(),
            })
        }
    };
    Ok(respond::value(
        StatusCode::OK,
        call.accepted.encoding,
        &respond::in_version(call, list),
    ))
}
