//! Which form of a document a client asks for (`Accept`).

/// A form of discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// `APIGroupList`, `APIVersions`: one request for each version follows.
    Plain,
    /// `APIGroupDiscoveryList`, v2: everything at once.
    Aggregated,
    /// Swagger as protobuf.
    Protobuf,
}

/// What clients call protobuf of Swagger: the old name has an `@`.
const PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

/// The first of the client's wishes that can be met; `None` if it asks only for others. Weights (`q=`) play no part: no
/// client of this API sends them, and Kubernetes sorts by them only in passing.
pub(crate) fn discovery(accept: Option<&str>) -> Option<Form> {
    wishes(accept).find_map(|wish| {
        let wanted = |key: &str| wish.parameter(key);
        match (wish.is_json(), wanted("as")) {
            (true, None) => Some(Form::Plain),
            (true, Some("APIGroupDiscoveryList"))
                if wanted("g") == Some("apidiscovery.k8s.io") && wanted("v") == Some("v2") =>
            {
                Some(Form::Aggregated)
            }
            _ => None,
        }
    })
}

/// Swagger as JSON or as protobuf, whichever stands first.
pub(crate) fn swagger(accept: Option<&str>) -> Option<Form> {
    wishes(accept).find_map(|wish| {
        let is_protobuf = PROTOBUF.iter().any(|p| wish.media.eq_ignore_ascii_case(p));
        match (
            is_protobuf,
            wish.is_json() && wish.parameter("as").is_none(),
        ) {
            (true, _) => Some(Form::Protobuf),
            (_, true) => Some(Form::Plain),
            _ => None,
        }
    })
}

/// Whether plain JSON is among the client's wishes.
pub(crate) fn json(accept: Option<&str>) -> bool {
    wishes(accept).any(|wish| wish.is_json() && wish.parameter("as").is_none())
}

struct Wish<'a> {
    media: &'a str,
    parameters: &'a str,
}

fn wishes(accept: Option<&str>) -> impl Iterator<Item = Wish<'_>> {
    let text = accept.map(str::trim).filter(|a| !a.is_empty());
    text.unwrap_or("*/*").split(',').map(|wish| {
        let (media, parameters) = wish.split_once(';').unwrap_or((wish, ""));
        Wish {
            media: media.trim(),
            parameters,
        }
    })
}

impl Wish<'_> {
    fn is_json(&self) -> bool {
        ["application/json", "application/*", "*/*"]
            .iter()
            .any(|known| self.media.eq_ignore_ascii_case(known))
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        let pairs = self.parameters.split(';').filter_map(|p| p.split_once('='));
        pairs
            .map(|(k, v)| (k.trim(), v.trim()))
            .find(|(k, _)| *k == key)
            .map(|(_, v)| v)
    }
}
