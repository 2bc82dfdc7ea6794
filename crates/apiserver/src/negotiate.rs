//! Which form the answer takes, and which form the body has.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use crate::status::{Error, Result};

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Json,
    /// JSON with line breaks, for people.
    Pretty,
    Yaml,
}

/// What is made of an object before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    #[default]
    Whole,
    Table,
    /// `PartialObjectMetadata`, or a list of it.
    Metadata,
}

/// What the caller accepts best of what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Accepted {
    pub(crate) encoding: Encoding,
    pub(crate) shape: Shape,
    /// Whether tables and metadata are asked for in their older version.
    pub(crate) beta: bool,
    /// Whether the metadata of a list is asked for: `PartialObjectMetadataList`.
    pub(crate) list: bool,
}

/// What a path is said to offer. Protobuf is read and not written: who takes nothing else is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) protobuf: bool,
    pub(crate) streams: bool,
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

// === impl Offer ===

impl Default for Offer {
    fn default() -> Self {
        Self {
            protobuf: true,
            streams: false,
        }
    }
}

impl Offer {
    pub(crate) fn types(self) -> Vec<&'static str> {
        let mut types = vec!["application/json", "application/yaml"];
        if self.protobuf {
            types.push("application/vnd.kubernetes.protobuf");
        }
        types
    }

    /// What the router of Kubernetes says, before anybody looks at parameters.
    fn not_routed(self) -> Error {
        let mut types = self.types();
        if self.streams {
            types.push("application/json;stream=watch");
        }
        if self.streams && self.protobuf {
            types.push("application/vnd.kubernetes.protobuf;stream=watch");
        }
        not_routed(&types)
    }
}

/// None of the types that a path has is accepted.
pub(crate) fn not_routed(types: &[&str]) -> Error {
    Error::Plain {
        code: 406,
        reason: "NotAcceptable",
        message: format!(
            "406: Not Acceptable\n\nAvailable representations: {}",
            types.join(", ")
        ),
    }
}

/// Whether the router of Kubernetes finds one of the types in `Accept`.
pub(crate) fn is_routed(headers: &HeaderMap, types: &[&str]) -> bool {
    let text = accept(headers);
    text.trim().is_empty()
        || text.split(',').any(|clause| {
            let media = clause.split(';').next().unwrap_or_default().trim();
            media == "*/*" || types.contains(&media)
        })
}

fn accept(headers: &HeaderMap) -> String {
    let values = headers.get_all(ACCEPT);
    let text: Vec<&str> = values.iter().filter_map(|v| v.to_str().ok()).collect();
    text.join(",")
}

// === impl Accepted ===

impl Accepted {
    /// Reads `Accept`.
    pub(crate) fn parse(headers: &HeaderMap, pretty: bool, offer: Offer) -> Result<Self> {
        let text = accept(headers);
        if text.trim().is_empty() {
            return Ok(Self::of(pretty, Shape::Whole));
        }
        if !is_routed(headers, &offer.types()) {
            return Err(offer.not_routed());
        }
        let mut clauses: Vec<(f32, &str)> = text
            .split(',')
            .map(|clause| (quality(clause), clause))
            .collect();
        clauses.sort_by(|a, b| b.0.total_cmp(&a.0));
        clauses
            .into_iter()
            .find_map(|(_, clause)| Self::clause(clause, pretty))
            .ok_or_else(|| Error::NotAcceptable(offer.types().join(", ")))
    }

    fn of(pretty: bool, shape: Shape) -> Self {
        let encoding = if pretty {
            Encoding::Pretty
        } else {
            Encoding::Json
        };
        Self {
            encoding,
            shape,
            ..Self::default()
        }
    }

    fn clause(clause: &str, pretty: bool) -> Option<Self> {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next()?.to_ascii_lowercase();
        let mut target = ("", "", "");
        for (key, value) in parts.filter_map(|p| p.split_once('=')) {
            match key.trim() {
                "as" => target.0 = value.trim(),
                "g" => target.1 = value.trim(),
                "v" => target.2 = value.trim(),
                _ => {}
            }
        }
        let shape = match target {
            ("", "", "") => Shape::Whole,
            ("Table", "meta.k8s.io", "v1" | "v1beta1") => Shape::Table,
            (
                "PartialObjectMetadata" | "PartialObjectMetadataList",
                "meta.k8s.io",
                "v1" | "v1beta1",
            ) => Shape::Metadata,
            _ => return None,
        };
        let accepted = match media.as_str() {
            "application/json" | "application/*" | "*/*" => Self::of(pretty, shape),
            "application/yaml" => Self {
                encoding: Encoding::Yaml,
                shape,
                ..Self::default()
            },
            _ => return None,
        };
        Some(Self {
            beta: target.2 == "v1beta1",
            list: target.0 == "PartialObjectMetadataList",
            ..accepted
        })
    }
}

// === impl Encoding ===

impl Encoding {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Pretty => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// Whether the caller is a person: asked for in the query, or by what browsers and command line tools call themselves.
pub(crate) fn wants_pretty(headers: &HeaderMap, query: &crate::query::Query) -> bool {
    match query.get("pretty") {
        Some(value) if !value.is_empty() => {
            matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE")
        }
        _ => {
            let agent = headers.get(http::header::USER_AGENT);
            let agent = agent.and_then(|v| v.to_str().ok()).unwrap_or_default();
            ["curl", "Wget", "Mozilla/5.0"]
                .iter()
                .any(|a| agent.starts_with(a))
        }
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    Json,
    Yaml,
    Protobuf,
}

/// Refuses bodies that we cannot read. Custom resources have no protobuf.
pub(crate) fn body_form(headers: &HeaderMap, custom: bool) -> Result<BodyForm> {
    match media_type(headers).as_str() {
        "" | "application/json" => Ok(BodyForm::Json),
        "application/yaml" => Ok(BodyForm::Yaml),
        "application/vnd.kubernetes.protobuf" if !custom => Ok(BodyForm::Protobuf),
        _ if custom => Err(Error::UnsupportedMediaType(
            "application/json, application/yaml".into(),
        )),
        _ => Err(Error::UnsupportedMediaType(
            "application/json, application/yaml, application/vnd.kubernetes.protobuf".into(),
        )),
    }
}

/// The type of a patch; custom resources know no strategic one.
pub(crate) fn patch_type(headers: &HeaderMap, strategic: bool) -> Result<PatchType> {
    match media_type(headers).as_str() {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" if strategic => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        _ if !strategic => Err(Error::UnsupportedMediaType(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
                .into(),
        )),
        _ => Err(Error::Plain {
            code: 415,
            reason: "UnsupportedMediaType",
            message: "415: Unsupported Media Type".into(),
        }),
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

fn quality(clause: &str) -> f32 {
    let mut parameters = clause
        .split(';')
        .skip(1)
        .filter_map(|p| p.trim().split_once('='));
    let quality = parameters.find(|(key, _)| *key == "q");
    quality.and_then(|(_, q)| q.parse().ok()).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> Result<Accepted> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().unwrap());
        Accepted::parse(&headers, false, Offer::default())
    }

    #[test]
    fn kubectl_gets_tables_and_falls_back_to_json() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(accept(table).unwrap().shape, Shape::Table);
        let protobuf = "application/vnd.kubernetes.protobuf,application/json;q=0.9";
        assert_eq!(accept(protobuf).unwrap(), Accepted::default());
    }

    #[test]
    fn nobody_gets_what_we_cannot_write() {
        let error = accept("application/vnd.kubernetes.protobuf").unwrap_err();
        assert_eq!(error.code(), 406);
        assert!(accept("application/json;as=Foo;v=v1;g=x").is_err());
    }

    #[test]
    fn quality_decides() {
        let yaml = accept("application/json;q=0.1, application/yaml;q=0.8").unwrap();
        assert_eq!(yaml.encoding, Encoding::Yaml);
    }
}
