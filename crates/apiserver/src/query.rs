//! Query parameters, and the options of each verb in them.

use crate::status::{About, Cause, Error, Result};

/// The parameters of a request, decoded, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

/// `resourceVersionMatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Exact,
    NotOlderThan,
}

/// Options of list, watch and deletecollection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListOptions {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    /// As given: empty, `0`, or a revision.
    pub(crate) resource_version: String,
    pub(crate) version_match: Option<Match>,
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
}

/// `fieldValidation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Options of create, update and patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) field_manager: String,
    pub(crate) field_validation: FieldValidation,
    pub(crate) force: Option<bool>,
}

// === impl Query ===

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(key), form_decode(value))
        });
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(k, _)| k == key);
        pair.map(|(_, v)| v.as_str())
    }

    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.iter().filter(move |(k, _)| k == key);
        pairs.map(|(_, v)| v.as_str())
    }

    /// Present and neither `false` nor `0`.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|v| !matches!(v.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        match text.parse::<i64>() {
            Ok(n) => Ok(u64::try_from(n).ok()),
            Err(_) => Err(Error::BadRequest(not_a_number("ParseInt", text))),
        }
    }

    pub(crate) fn list_options(&self, watch: bool) -> Result<ListOptions> {
        let text = |key: &str| self.get(key).unwrap_or_default().to_owned();
        let given = self.get("sendInitialEvents").filter(|v| !v.is_empty());
        let mut causes = Vec::new();
        let options = ListOptions {
            label_selector: text("labelSelector"),
            field_selector: text("fieldSelector"),
            resource_version: text("resourceVersion"),
            version_match: match self.get("resourceVersionMatch").unwrap_or_default() {
                "" => None,
                "Exact" => Some(Match::Exact),
                "NotOlderThan" => Some(Match::NotOlderThan),
                other if watch => {
                    causes.push(unknown_match(other));
                    None
                }
                other => {
                    return Err(Error::Invalid(
                        list_options_about(),
                        vec![Cause {
                            message: format!(
                                "Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\", \"\""
                            ),
                            ..unknown_match(other)
                        }],
                    ));
                }
            },
            limit: usize::try_from(self.number("limit")?.unwrap_or(0)).unwrap_or(usize::MAX),
            continue_token: text("continue"),
            timeout_seconds: self.number("timeoutSeconds")?,
            bookmarks: self.flag("allowWatchBookmarks"),
            send_initial_events: given.map(|_| self.flag("sendInitialEvents")),
        };
        let mut found = if watch {
            options.watch_mistakes(!causes.is_empty())
        } else {
            options.list_mistakes()
        };
        found.extend(causes);
        let causes = found;
        if causes.is_empty() {
            Ok(options)
        } else {
            Err(Error::Invalid(list_options_about(), causes))
        }
    }

    /// `kind` names the options in errors: `CreateOptions`, `UpdateOptions`, `PatchOptions`.
    pub(crate) fn write_options(&self, kind: &str, user_agent: &str) -> Result<WriteOptions> {
        let field_validation = match self.get("fieldValidation").unwrap_or_default() {
            "Ignore" => FieldValidation::Ignore,
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            other => {
                return Err(Error::invalid_field(
                    About::new("meta.k8s.io", kind, ""),
                    "FieldValueNotSupported",
                    "fieldValidation",
                    format!(
                        "Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
                    ),
                ));
            }
        };
        let manager = self.get("fieldManager").filter(|m| !m.is_empty());
        if manager.is_some_and(|m| m.len() > 128) {
            return Err(Error::invalid_field(
                About::new("meta.k8s.io", kind, ""),
                "FieldValueTooLong",
                "fieldManager",
                "Too long: may not be more than 128 bytes".into(),
            ));
        }
        let unprintable = manager.and_then(|m| m.chars().enumerate().find(|(_, c)| c.is_control()));
        if let (Some(manager), Some((at, sign))) = (manager, unprintable) {
            return Err(Error::invalid_field(
                About::new("meta.k8s.io", kind, ""),
                "FieldValueInvalid",
                "fieldManager",
                format!(
                    "Invalid value: {manager:?}: invalid character U+{:04X} (at position {at})",
                    u32::from(sign)
                ),
            ));
        }
        Ok(WriteOptions {
            dry_run: self.dry_run(kind)?,
            field_manager: manager.map_or_else(|| manager_of(user_agent), ToOwned::to_owned),
            field_validation,
            force: self.get("force").map(|_| self.flag("force")),
        })
    }

    pub(crate) fn dry_run(&self, kind: &str) -> Result<bool> {
        let mut dry = false;
        for value in self.all("dryRun") {
            if value != "All" {
                return Err(Error::invalid_field(
                    About::new("meta.k8s.io", kind, ""),
                    "FieldValueNotSupported",
                    "dryRun",
                    format!("Unsupported value: [{value:?}]: supported values: \"All\""),
                ));
            }
            dry = true;
        }
        Ok(dry)
    }
}

// === impl ListOptions ===

impl ListOptions {
    fn list_mistakes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let field = "resourceVersionMatch";
        if let Some(version_match) = self.version_match {
            if self.resource_version.is_empty() {
                causes.push(forbidden(
                    field,
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if !self.continue_token.is_empty() {
                causes.push(forbidden(
                    field,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if version_match == Match::Exact && self.resource_version == "0" {
                causes.push(forbidden(
                    field,
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
        if self.send_initial_events.is_some() {
            causes.push(forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            ));
        }
        causes
    }

    fn watch_mistakes(&self, unknown_match: bool) -> Vec<Cause> {
        let mut causes = Vec::new();
        let field = "resourceVersionMatch";
        if self.send_initial_events.is_some() && self.version_match != Some(Match::NotOlderThan) {
            causes.push(forbidden(
                field,
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if self.version_match.is_some() || unknown_match {
            if self.send_initial_events.is_none() {
                causes.push(forbidden(
                    field,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
            if self.version_match == Some(Match::Exact) {
                causes.push(Cause {
                    reason: "FieldValueNotSupported".into(),
                    message: "Unsupported value: \"Exact\": supported values: \"NotOlderThan\""
                        .into(),
                    field: field.into(),
                });
            }
            if !self.continue_token.is_empty() {
                causes.push(forbidden(
                    field,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
        }
        causes
    }
}

/// What Go says of text that is no number.
pub(crate) fn not_a_number(function: &str, text: &str) -> String {
    let digits = text
        .strip_prefix(['+', '-'])
        .filter(|_| function == "ParseInt")
        .unwrap_or(text);
    let why = if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {text:?}: {why}")
}

fn list_options_about() -> About {
    About::new("meta.k8s.io", "ListOptions", "")
}

fn forbidden(field: &str, why: &str) -> Cause {
    Cause {
        reason: "FieldValueForbidden".into(),
        message: format!("Forbidden: {why}"),
        field: field.into(),
    }
}

fn unknown_match(value: &str) -> Cause {
    Cause {
        reason: "FieldValueNotSupported".into(),
        message: format!("Unsupported value: {value:?}: supported values: \"NotOlderThan\""),
        field: "resourceVersionMatch".into(),
    }
}

/// Without a `fieldManager`, the program's name before the first `/` of its user agent.
fn manager_of(user_agent: &str) -> String {
    let name = user_agent.split('/').next().unwrap_or_default();
    let printable = name.chars().filter(|c| !c.is_control());
    let name: String = printable.take(128).collect();
    if name.is_empty() {
        "unknown".into()
    } else {
        name
    }
}

/// Decodes `%41`; what is no such thing stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).filter(|_| bytes[i] == b'%');
        let byte = hex
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(byte.unwrap_or(bytes[i]));
        i += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn form_decode(text: &str) -> String {
    percent_decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_may_repeat() {
        let q = Query::parse("a=1&b=x%3Dy+z&a=2&flag");
        assert_eq!(q.get("b"), Some("x=y z"));
        assert_eq!(q.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert!(q.flag("flag") && !q.flag("none"));
    }

    #[test]
    fn a_version_match_needs_a_version() {
        let error = Query::parse("resourceVersionMatch=Exact")
            .list_options(false)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: \
             resourceVersionMatch is forbidden unless resourceVersion is provided"
        );
    }

    #[test]
    fn a_manager_is_named_by_its_program() {
        let options = Query::parse("").write_options("CreateOptions", "kubectl/v1.37 (linux)");
        assert_eq!(options.unwrap().field_manager, "kubectl");
    }

    #[test]
    fn only_all_is_a_dry_run() {
        assert!(Query::parse("dryRun=All").dry_run("CreateOptions").unwrap());
        assert!(Query::parse("dryRun=x").dry_run("CreateOptions").is_err());
    }
}
