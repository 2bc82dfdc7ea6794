//! Which document answers a request. They are made when they are asked for and kept compressed, until nobody asks.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::accept::{self, Form};
use crate::catalog::Catalog;
use crate::remote::{self, Remote};
use crate::{aggregated, legacy, openapi};

const JSON: &str = "application/json";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
pub(crate) const SWAGGER_PROTOBUF: &str =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The documents of one catalog. When the catalog changes, make another and drop this one.
#[derive(Debug)]
pub struct Documents {
    catalog: Catalog,
    remotes: Vec<Remote>,
    address: String,
    kept: Mutex<HashMap<(String, Form), Kept>>,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// The path, without its query.
    pub path: &'a str,
    /// The header `Accept`.
    pub accept: Option<&'a str>,
    /// Whether the header `Accept-Encoding` allows gzip.
    pub gzip: bool,
    /// The header `If-None-Match`.
    pub if_none_match: Option<&'a str>,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 404.
    NotFound,
    /// 406: it wants a form that we do not have (protobuf, for instance). Clients then ask for another.
    NotAcceptable,
    /// 304, with the `ETag`.
    NotModified(String),
    /// 200.
    Document(Document),
}

/// A document with the headers that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `ETag`, with its quotes. Send `Vary: Accept` and `Cache-Control: no-cache` beside it: clients keep the document and
    /// ask whether it is still good.
    pub etag: String,
    /// Whether the body is compressed (`Content-Encoding: gzip`, `Vary: Accept-Encoding`).
    pub gzip: bool,
    /// The body.
    pub body: Bytes,
}

#[derive(Debug)]
struct Kept {
    compressed: Bytes,
    etag: String,
    used: bool,
}

// === impl Documents ===

impl Documents {
    /// The documents of a catalog. `address` (`HOST:PORT`) is what `/api` says of this server.
    #[must_use]
    pub fn new(catalog: Catalog, address: impl Into<String>) -> Self {
        Self {
            catalog,
            remotes: Vec::new(),
            address: address.into(),
            kept: Mutex::default(),
        }
    }

    /// With what other servers serve behind this one.
    #[must_use]
    pub fn with(mut self, remotes: Vec<Remote>) -> Self {
        self.remotes = remotes;
        self
    }

    /// The catalog.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Answers a request. The first one for an OpenAPI document takes some ten milliseconds of processor time and some
    /// megabytes for as long as it lasts: give it a thread that may block.
    #[must_use]
    pub fn answer(&self, ask: &Ask<'_>) -> Answer {
        let path = ask.path.trim_matches('/');
        let form = match path {
            "api" | "apis" => accept::discovery(ask.accept),
            "openapi/v2" => accept::swagger(ask.accept),
            _ => accept::json(ask.accept).then_some(Form::Plain),
        };
        let Some(form) = form else {
            return match self.exists(path) {
                true => Answer::NotAcceptable,
                false => Answer::NotFound,
            };
        };
        let key = (path.to_owned(), form);
        let Some((compressed, etag)) = self.kept(&key).or_else(|| self.make(key)) else {
            return Answer::NotFound;
        };
        if ask.if_none_match.is_some_and(|known| names(known, &etag)) {
            return Answer::NotModified(etag);
        }
        Answer::Document(Document {
            content_type: match form {
                Form::Plain => JSON,
                Form::Aggregated => AGGREGATED,
                Form::Protobuf => SWAGGER_PROTOBUF,
            },
            etag,
            gzip: ask.gzip,
            body: if ask.gzip {
                compressed
            } else {
                inflate(&compressed)
            },
        })
    }

    /// Forgets what nobody asked for since the last call. Call it every few minutes.
    pub fn forget_unused(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, document| std::mem::take(&mut document.used));
        kept.shrink_to_fit();
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().map(|d| d.compressed.len()).sum()
    }

    fn kept(&self, key: &(String, Form)) -> Option<(Bytes, String)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let document = kept.get_mut(key)?;
        document.used = true;
        Some((document.compressed.clone(), document.etag.clone()))
    }

    /// Made without the lock: two clients that ask at once cost twice the work, not one the other's patience.
    fn make(&self, key: (String, Form)) -> Option<(Bytes, String)> {
        let document = self.document(&key.0, key.1)?;
        let text = match key.1 {
            Form::Protobuf => openapi::protobuf::encode(&document),
            Form::Plain | Form::Aggregated => {
                serde_json::to_vec(&document).expect("a JSON tree can be written")
            }
        };
        drop(document);
        let hash = blake3::hash(&text).to_hex().to_uppercase();
        let kept = Kept {
            compressed: deflate(&text),
            etag: format!("\"{hash}\""),
            used: true,
        };
        let answer = (kept.compressed.clone(), kept.etag.clone());
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key, kept);
        Some(answer)
    }

    fn document(&self, path: &str, form: Form) -> Option<Value> {
        let own = self.own(path, form);
        if self.remotes.is_empty() {
            return own;
        }
        let custom = |name: &str| {
            let mut resources = self.catalog.resources().iter();
            resources.any(|r| r.is_custom && r.group == name)
        };
        let parts: Vec<&str> = path.split('/').collect();
        if let ["apis", group] = parts.as_slice() {
            return remote::group(own, group, &self.remotes);
        }
        let mut document = own?;
        match (parts.as_slice(), form) {
            (["apis"], Form::Aggregated) => {
                remote::add_items(&mut document, &self.remotes, custom);
            }
            (["apis"], Form::Plain) => remote::add_groups(&mut document, &self.remotes, custom),
            (["openapi", "v3"], _) => remote::add_paths(&mut document, &self.remotes),
            (["openapi", "v2"], _) => remote::add_swagger(&mut document, &self.remotes),
            _ => {}
        }
        Some(document)
    }

    fn own(&self, path: &str, form: Form) -> Option<Value> {
        let catalog = &self.catalog;
        let parts: Vec<&str> = path.split('/').collect();
        match (parts.as_slice(), form) {
            (["api"], Form::Aggregated) => Some(aggregated::core(catalog)),
            (["apis"], Form::Aggregated) => Some(aggregated::groups(catalog)),
            (["api"], Form::Plain) => Some(legacy::core_versions(&self.address)),
            (["apis"], Form::Plain) => Some(legacy::groups(catalog)),
            (["api", version], _) => legacy::resources(catalog, "", version),
            (["apis", group], _) => legacy::group(catalog, group),
            (["apis", "", ..], _) => None,
            (["apis", group, version], _) => legacy::resources(catalog, group, version),
            (["openapi", "v2"], _) => Some(openapi::v2::document(catalog)),
            (["openapi", "v3"], _) => Some(openapi::v3::index(catalog)),
            (["openapi", "v3", "api", version], _) => openapi::v3::document(catalog, "", version),
            (["openapi", "v3", "apis", group, version], _) if !group.is_empty() => {
                openapi::v3::document(catalog, group, version)
            }
            (["openapi", "v3", rest @ ..], _) => openapi::roots::document(catalog, &rest.join("/")),
            _ => None,
        }
    }

    fn exists(&self, path: &str) -> bool {
        let has = |group: &str, version: &str| !self.catalog.of_version(group, version).is_empty();
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["api" | "apis"] | ["openapi", "v2" | "v3"] => true,
            ["api", version] | ["openapi", "v3", "api", version] => has("", version),
            ["apis", group] => self.catalog.groups().iter().any(|g| g.name == *group),
            ["apis", group, version] | ["openapi", "v3", "apis", group, version] => {
                !group.is_empty() && has(group, version)
            }
            ["openapi", "v3", rest @ ..] => {
                openapi::roots::document(&self.catalog, &rest.join("/")).is_some()
            }
            _ => false,
        }
    }
}

/// Whether a list of entity tags names this one.
fn names(list: &str, etag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.split(',')
        .map(plain)
        .any(|tag| tag == "*" || tag == etag)
}

fn deflate(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(text)
        .and_then(|()| encoder.finish())
        .expect("writing to memory cannot fail")
        .into()
}

fn inflate(compressed: &[u8]) -> Bytes {
    let mut text = Vec::new();
    GzDecoder::new(compressed)
        .read_to_end(&mut text)
        .expect("we compressed it ourselves");
    text.into()
}
