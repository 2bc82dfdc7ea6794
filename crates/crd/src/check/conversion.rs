//! How objects come from one version to another: `spec.conversion`.

use serde_json::Value;

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;
use cedge_kinds::read::Read;

/// What is wrong with `spec.conversion`.
pub(super) fn validate(conversion: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !conversion.is_object() {
        return;
    }
    match conversion.text("strategy") {
        "None" => {}
        "Webhook" => {
            webhook(conversion.field("webhook"), path, errors);
            return;
        }
        "" => errors.required(&path.child("strategy"), ""),
        other => errors.not_supported(&path.child("strategy"), other, &["None", "Webhook"]),
    }
    let hook = conversion.field("webhook");
    if hook.has("clientConfig") {
        let detail = "should not be set when strategy is not set to Webhook";
        errors.forbidden(&path.child("webhookClientConfig"), detail);
    }
    if !hook.items("conversionReviewVersions").is_empty() {
        let detail = "should not be set when strategy is not set to Webhook";
        errors.forbidden(&path.child("conversionReviewVersions"), detail);
    }
}

fn webhook(hook: &Value, path: &Path<'_>, errors: &mut Errors) {
    let config = hook.field("clientConfig");
    let config_path = path.child("webhookClientConfig");
    if !config.is_object() {
        errors.required(&config_path, "required when strategy is set to Webhook");
    } else if config.has("url") == config.has("service") {
        errors.required(&config_path, "exactly one of url or service is required");
    } else if config.has("service") {
        for name in ["name", "namespace"] {
            if config["service"].text(name).is_empty() {
                let detail = format!("service {name} is required");
                errors.required(&config_path.child("service").child(name), &detail);
            }
        }
    }
    let versions = hook.items("conversionReviewVersions");
    let versions_path = path.child("conversionReviewVersions");
    if versions.is_empty() {
        errors.required(&versions_path, "");
    } else if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(&versions_path, versions.to_vec(), detail);
    }
}
