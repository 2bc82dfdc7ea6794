//! Small languages: quantities, selectors, paths.

use cedge_crd::jsonpath::JsonPath;
use cedge_kinds::{Quantity, quantity};
use serde_json::{Value, json};

use super::{halves, seeds};

pub(super) fn quantity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(canonical) = quantity::canonical(text) {
        let again = quantity::canonical(&canonical);
        assert_eq!(again.as_ref(), Some(&canonical), "{text}");
    }
    if let Ok(amount) = text.parse::<Quantity>() {
        let _ = (amount.units(), amount.millis(), amount.nanos());
        let _ = amount.rounded_up_to_millis().to_string();
        let shown = amount.to_string().parse::<Quantity>();
        assert_eq!(shown.ok().as_ref(), Some(&amount), "{text}");
    }
}

pub(super) fn quantities() -> Vec<Vec<u8>> {
    seeds(&[
        "1.5Gi",
        "100m",
        "-3e9",
        "1E",
        "1Ei",
        "0.0001n",
        "+7k",
        "12e-3",
        ".5",
        "9223372036854775807",
    ])
}

/// A selector as objects hold it, upon labels; the two of query strings stand in the target `queries`.
pub(super) fn selector(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if let Ok(selector) = cedge_policy::Selector::read(&value) {
        let _ = selector.selects(&json!({"metadata": {"labels": {"a": "b", "c": ""}}}));
    }
}

pub(super) fn selectors() -> Vec<Vec<u8>> {
    seeds(&[
        r#"{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["d"]},{"key":"e","operator":"Exists"}]}"#,
    ])
}

/// A path, and the document that it is looked for in.
pub(super) fn json_path(data: &[u8]) {
    let (path, document) = halves(data);
    let Ok(text) = std::str::from_utf8(path) else {
        return;
    };
    if let Ok(path) = JsonPath::parse(text) {
        let document = serde_json::from_slice(document);
        let document = document.unwrap_or_else(|_| json!({"a": [{"b": 1, "c": "x"}, {"b": 2}]}));
        let _ = path.find(&document).len();
    }
}

pub(super) fn json_paths() -> Vec<Vec<u8>> {
    seeds(&[
        ".a[0].b\0{\"a\":[{\"b\":1}]}",
        ".a[*]['b','c']",
        "..b",
        ".a[?(@.b==2)].c",
        ".a[-1:0:2]",
        r".metadata.annotations.a\.b/c",
        ".a[?(@.c=='x')]..b",
    ])
}
