//! The names of a kind: `spec.names` and `status.acceptedNames`.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::formats;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

/// What is wrong with wanted or accepted names.
pub(super) fn validate(names: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut check = |name: &str, text: &str, mixed: bool, path: &Path<'_>| {
        let lower = if mixed {
            text.to_lowercase()
        } else {
            text.to_owned()
        };
        let wrong = formats::dns1035_label(&lower).join(",");
        if text.is_empty() || wrong.is_empty() {
            return;
        }
        let before = if mixed {
            "may have mixed case, but should otherwise match: "
        } else {
            ""
        };
        let path = if name.is_empty() {
            *path
        } else {
            path.child(name)
        };
        errors.invalid(&path, text, format!("{before}{wrong}"));
    };
    check("plural", names.text("plural"), false, path);
    check("singular", names.text("singular"), false, path);
    check("kind", names.text("kind"), true, path);
    check("listKind", names.text("listKind"), true, path);
    let list = |name: &str| {
        names
            .items(name)
            .iter()
            .filter_map(Value::as_str)
            .enumerate()
    };
    for (i, short) in list("shortNames") {
        check("", short, false, &path.child("shortNames").index(i));
    }
    let kind = names.text("kind");
    if !kind.is_empty() && kind == names.text("listKind") {
        let detail = "kind and listKind may not be the same";
        errors.invalid(&path.child("listKind"), kind, detail);
    }
    for (i, category) in list("categories") {
        let wrong = formats::dns1035_label(category).join(",");
        if !wrong.is_empty() {
            errors.invalid(&path.child("categories").index(i), category, wrong);
        }
    }
}
