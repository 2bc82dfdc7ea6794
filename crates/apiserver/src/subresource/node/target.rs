//! What is asked of a node: which container, with which parameters.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::Value;

use crate::call::Call;
use crate::query::Query;
use crate::status::{About, Error, Result};

/// Parameters of a log request that go to the node as they are.
const LOG_PARAMETERS: [&str; 7] = [
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
];

/// The container that is meant: the one that is named, the only one, or the one that an annotation names.
pub(super) fn container(pod: &Value, name: &str, asked: &str) -> Result<String> {
    let names = |field: &str| -> Vec<String> {
        let list = pod["spec"][field].as_array().into_iter().flatten();
        list.filter_map(|c| c["name"].as_str())
            .map(ToOwned::to_owned)
            .collect()
    };
    let containers = names("containers");
    let inits = names("initContainers");
    let ephemeral = names("ephemeralContainers");
    if !asked.is_empty() {
        let known = containers
            .iter()
            .chain(&inits)
            .chain(&ephemeral)
            .any(|c| c == asked);
        if known {
            return Ok(asked.to_owned());
        }
        return Err(Error::BadRequest(format!(
            "container {asked} is not valid for pod {name}"
        )));
    }
    let default =
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(default) = default.filter(|d| containers.iter().any(|c| c == d)) {
        return Ok(default.to_owned());
    }
    match containers.as_slice() {
        [] => Err(Error::BadRequest(format!(
            "a container name must be specified for pod {name}, no containers found"
        ))),
        [only] => Ok(only.clone()),
        several => {
            let mut choose = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                several.join(" ")
            );
            if !inits.is_empty() {
                choose.push_str(&format!(
                    " or one of the init containers: [{}]",
                    inits.join(" ")
                ));
            }
            Err(Error::BadRequest(choose))
        }
    }
}

/// The path and query that the node understands.
pub(super) fn target(call: &Call, container: &str) -> Result<String> {
    let (namespace, name) = (encode(&call.request.namespace), encode(&call.request.name));
    let container = encode(container);
    Ok(match call.request.subresource.as_str() {
        "log" => {
            let query = log_query(call)?;
            format!("/containerLogs/{namespace}/{name}/{container}{query}")
        }
        "portforward" => {
            let ports = pairs(&call.query, &["ports"]);
            format!("/portForward/{namespace}/{name}{}", query_of(&ports))
        }
        what => {
            let mut parameters = pairs(&call.query, &["command"]);
            for (ours, theirs) in [
                ("stdin", "input"),
                ("stdout", "output"),
                ("stderr", "error"),
                ("tty", "tty"),
            ] {
                if call.query.flag(ours) {
                    parameters.push((theirs.into(), "1".into()));
                }
            }
            format!(
                "/{what}/{namespace}/{name}/{container}{}",
                query_of(&parameters)
            )
        }
    })
}

fn log_query(call: &Call) -> Result<String> {
    let query = &call.query;
    let invalid = |field: &str, message: String| {
        let about = About::new("", "PodLogOptions", &call.request.name);
        Err(Error::invalid_field(
            about,
            "FieldValueInvalid",
            field,
            message,
        ))
    };
    if let Some(time) = query.get("sinceTime").filter(|t| !t.is_empty())
        && time.parse::<jiff::Timestamp>().is_err()
    {
        return Err(Error::BadRequest(format!(
            "parsing time {time:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {time:?} as \"2006\""
        )));
    }
    for (field, least) in [("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)] {
        if let Some(text) = query.get(field).filter(|t| !t.is_empty()) {
            match text.parse::<i64>() {
                Ok(n) if n >= least => {}
                Ok(n) if least == 0 => {
                    return invalid(
                        field,
                        format!("Invalid value: {n}: must be greater than or equal to 0"),
                    );
                }
                Ok(n) => {
                    return invalid(field, format!("Invalid value: {n}: must be greater than 0"));
                }
                Err(_) => {
                    return Err(Error::BadRequest(format!(
                        "strconv.ParseInt: parsing {text:?}: invalid syntax"
                    )));
                }
            }
        }
    }
    if query.get("sinceSeconds").is_some() && query.get("sinceTime").is_some() {
        let about = About::new("", "PodLogOptions", &call.request.name);
        let why = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified";
        return Err(Error::invalid_field(
            about,
            "FieldValueForbidden",
            "[]",
            why.into(),
        ));
    }
    // Kubernetes has it behind a gate that is closed.
    if query.get("stream").is_some_and(|s| !s.is_empty()) {
        let about = About::new("", "PodLogOptions", &call.request.name);
        let why = "Forbidden: may not be specified";
        return Err(Error::invalid_field(
            about,
            "FieldValueForbidden",
            "stream",
            why.into(),
        ));
    }
    Ok(query_of(&pairs(query, &LOG_PARAMETERS)))
}

fn pairs(query: &Query, keys: &[&str]) -> Vec<(String, String)> {
    let of = |key: &&str| -> Vec<(String, String)> {
        query
            .all(key)
            .map(|value| ((*key).to_owned(), value.to_owned()))
            .collect()
    };
    keys.iter().flat_map(of).collect()
}

fn query_of(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(&format!("{}={}", encode(key), encode(value)));
    }
    out
}

/// What a path or query has as it is; anything else is written as `%41`.
const PLAIN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &PLAIN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_container_is_named_or_there_is_one() {
        let one = json!({"spec": {"containers": [{"name": "a"}]}});
        assert_eq!(container(&one, "p", "").unwrap(), "a");
        assert!(container(&one, "p", "b").is_err());
        let two = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let error = container(&two, "p", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a container name must be specified for pod p, choose one of: [a b]"
        );
    }

    #[test]
    fn what_goes_to_the_node_is_encoded() {
        let pairs = [("command".to_owned(), "a b&c".to_owned())];
        assert_eq!(query_of(&pairs), "?command=a%20b%26c");
    }
}
