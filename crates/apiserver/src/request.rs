//! What a request asks for, read from its method and path.

use http::Method;

/// What a caller wants to do; the words that RBAC rules use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// By a method that no word of RBAC stands for.
    Other,
}

/// A request for objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceRequest {
    pub(crate) verb: Verb,
    pub(crate) group: String,
    pub(crate) version: String,
    /// Empty for cluster-scoped objects and for all namespaces.
    pub(crate) namespace: String,
    /// Plural name.
    pub(crate) resource: String,
    /// Empty for collections.
    pub(crate) name: String,
    pub(crate) subresource: String,
    /// What follows the subresource, as in `services/web/proxy/a/b`.
    pub(crate) rest: String,
}

/// A request, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Resource(ResourceRequest),
    /// Health, discovery, metrics, and what does not exist.
    Path,
}

// === impl Verb ===

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Other => "",
        }
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Target ===

impl Target {
    /// Sorts a request. `watch` says whether the query asks for a watch, `selected_name` whether a field selector
    /// names one object: RBAC then judges a list or watch as one of that name.
    pub(crate) fn parse(method: &Method, path: &str, query: &crate::query::Query) -> Self {
        // A slash is one, however it is written.
        let path = crate::query::percent_decode(path);
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Self::Path,
        };
        let (by_path, rest) = match rest {
            ["watch" | "proxy"] => return Self::Path,
            ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
            rest => (false, rest),
        };
        let (namespace, rest) = match rest {
            ["namespaces", ns, resource @ ..]
                if !resource.is_empty() && !is_namespace_subresource(resource[0]) =>
            {
                (*ns, resource)
            }
            ["namespaces", ns, ..] => (*ns, rest),
            rest => ("", rest),
        };
        let at = |i: usize| rest.get(i).copied().unwrap_or_default().to_owned();
        let mut name = at(1);
        let verb = match verb(method, name.is_empty(), by_path || query.flag("watch")) {
            Verb::Get if by_path => Verb::Watch,
            verb => verb,
        };
        if name.is_empty() && matches!(verb, Verb::List | Verb::Watch) {
            name = selected_name(query);
        }
        Self::Resource(ResourceRequest {
            verb,
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            resource: at(0),
            name,
            subresource: at(2),
            rest: rest.get(3..).unwrap_or_default().join("/"),
        })
    }
}

fn is_namespace_subresource(part: &str) -> bool {
    matches!(part, "status" | "finalize")
}

fn verb(method: &Method, collection: bool, watch: bool) -> Verb {
    match *method {
        Method::GET | Method::HEAD if collection && watch => Verb::Watch,
        Method::GET | Method::HEAD if collection => Verb::List,
        Method::GET | Method::HEAD => Verb::Get,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if collection => Verb::DeleteCollection,
        Method::DELETE => Verb::Delete,
        _ => Verb::Other,
    }
}

/// The name that `fieldSelector=metadata.name=x` pins down.
fn selected_name(query: &crate::query::Query) -> String {
    let selector = query.get("fieldSelector").unwrap_or_default();
    selector
        .split(',')
        .find_map(|term| term.strip_prefix("metadata.name="))
        .map(|name| name.trim_start_matches('=').to_owned())
        .filter(|name| {
            !name.is_empty() && !name.contains(['/', '%', '\\']) && name != "." && name != ".."
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
