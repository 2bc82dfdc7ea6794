//! Paths behind `…/proxy`, as the libraries of Go join and write them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a path has as it is; anything else is written as `%20`.
const PLAIN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// `/a/b` of `…/proxy/a/b`; with a slash at its end if there was one.
pub(super) fn below(rest: &str, asked: &str) -> String {
    let mut path = match rest {
        "" => String::new(),
        rest if rest.starts_with('/') => rest.to_owned(),
        rest => format!("/{rest}"),
    };
    if asked.ends_with('/') && !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// The shortest path that leads to the same place, from the root: without `.`, `..` and empty parts.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The same, with the slash at its end; nothing stays nothing.
pub(super) fn clean_keeping_slash(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let mut cleaned = clean(path);
    if path.ends_with('/') && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    cleaned
}

/// What stands before `path` in the path that was asked for: there the server behind is, for the client.
pub(super) fn prefix(asked: &str, path: &str) -> String {
    asked.strip_suffix(path).unwrap_or(asked).to_owned()
}

/// Where the client has asked for this path.
pub(super) fn forwarded(prefix: &str, path: &str) -> String {
    let slash = if path.ends_with('/') { "/" } else { "" };
    format!("{}{slash}", clean(&format!("{prefix}/{}", encode(path))))
}

pub(super) fn encode(path: &str) -> String {
    utf8_percent_encode(path, &PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "/api/v1/namespaces/px/pods/p/proxy";

    /// Each of these was asked of a real kube-apiserver: what the pod got, and `X-Forwarded-Uri`.
    #[test]
    fn a_path_arrives_as_through_kubernetes() {
        for (rest, slash, path, forwarded_uri) in [
            ("", "/", "/", "/"),
            ("x", "/", "/x/", "/x/"),
            ("x", "", "/x", "/x"),
            (
                "a//b/../c/d e(!*)'[]",
                "",
                "/a/c/d%20e%28%21%2A%29%27%5B%5D",
                "/a//b/../c/d e(!*)'[]/a/c/d%20e%28%21%2A%29%27%5B%5D",
            ),
        ] {
            let between = if rest.is_empty() { "" } else { "/" };
            let asked = format!("{PROXY}{between}{rest}{slash}");
            let found = clean_keeping_slash(&below(rest, &asked));
            assert_eq!(encode(&found), path);
            let uri = forwarded(&prefix(&asked, &found), &found);
            let expected = clean(&format!("{PROXY}{forwarded_uri}"));
            assert_eq!(uri.trim_end_matches('/'), expected, "{rest}");
        }
        assert_eq!(clean_keeping_slash(&below("", PROXY)), "");
        assert_eq!(clean_keeping_slash("/../../x"), "/x", "not above the root");
    }
}
