//! Links of the server behind that would lead past us.

use super::paths;
use crate::query::percent_decode;

/// Where the server behind is: for itself, and for the client.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// The path that leads to its root.
    pub(super) prefix: String,
    /// Its own host and port.
    pub(super) backend: String,
    /// The host, and port, that the client asked for.
    pub(super) asked: String,
}

/// A reference in its parts.
struct Reference<'a> {
    /// With its colon.
    scheme: &'a str,
    host: Option<&'a str>,
    path: &'a str,
    /// Query and fragment.
    tail: &'a str,
}

// === impl Links ===

impl Links {
    /// A link that leads through here; `None` where it may stay as it is: it is relative, or leads elsewhere.
    pub(super) fn through(&self, link: &str) -> Option<String> {
        let to = Reference::read(link);
        let host = to.host.unwrap_or_default();
        let ours = host.is_empty() || host == self.backend || host == self.asked;
        let elsewhere = !to.scheme.is_empty() && to.host.is_none();
        if !ours || elsewhere || !to.path.starts_with('/') || check(link).is_err() {
            return None;
        }
        let front = match host {
            host if !host.is_empty() && host == self.asked => format!("{}//{host}", to.scheme),
            _ => String::new(),
        };
        let path = percent_decode(to.path);
        if path.starts_with(&self.prefix) {
            return (front.is_empty() && !host.is_empty())
                .then(|| format!("{}{}", to.path, to.tail));
        }
        let slash = if path.ends_with('/') { "/" } else { "" };
        let joined = paths::clean(&format!("{}{path}", self.prefix));
        Some(format!(
            "{front}{}{slash}{}",
            paths::encode(&joined),
            to.tail
        ))
    }
}

// === impl Reference ===

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Self {
        let (before, tail) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
        let (scheme, rest) = match before.find([':', '/']) {
            Some(at) if before[at..].starts_with(':') => before.split_at(at + 1),
            _ => ("", before),
        };
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(host), path)
            }
            None => (None, rest),
        };
        Self {
            scheme,
            host,
            path,
            tail,
        }
    }
}

/// Whether every `%` begins two digits.
pub(super) fn check(link: &str) -> Result<(), String> {
    let before = link.split(['?', '#']).next().unwrap_or_default();
    for (at, _) in before.match_indices('%') {
        let digits = before.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
            let wrong: String = before[at..].chars().take(3).collect();
            return Err(format!("parse {link:?}: invalid URL escape {wrong:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a real kube-apiserver makes of the header `Location` of a pod.
    #[test]
    fn links_lead_through_as_with_kubernetes() {
        let links = Links {
            prefix: "/api/v1/namespaces/px/pods/p/proxy".into(),
            backend: "192.0.2.2:18080".into(),
            asked: "127.0.0.1:26443".into(),
        };
        let own = |path: &str| Some(format!("/api/v1/namespaces/px/pods/p/proxy{path}"));
        for (link, expected) in [
            ("/x", own("/x")),
            ("/x/", own("/x/")),
            ("x", None),
            ("../x", None),
            ("?q", None),
            ("#f", None),
            ("", None),
            ("http://192.0.2.2:18080/y", own("/y")),
            (
                "http://127.0.0.1:26443/z",
                own("/z").map(|p| format!("http://127.0.0.1:26443{p}")),
            ),
            ("http://other/z", None),
            ("//h/y", None),
            ("/api/v1/namespaces/px/pods/p/proxy/already", None),
            ("/a b?q=1#f", own("/a%20b?q=1#f")),
            ("/é", own("/%C3%A9")),
            ("/x%zz", None),
            ("mailto:a@b", None),
            ("data:/x", None),
        ] {
            assert_eq!(links.through(link), expected, "{link}");
        }
        let wrong = check("%zz").unwrap_err();
        assert_eq!(wrong, "parse \"%zz\": invalid URL escape \"%zz\"");
    }
}
