//! Formats of names, labels, keys and numbers; each function returns what is wrong, in Kubernetes' words.
//!
//! The words are part of the API: clients print them and tests compare them.

use std::sync::LazyLock;

use regex::Regex;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const DNS1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const WILDCARD: &str = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const UNDERSCORED: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const KEY_NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const C_IDENTIFIER: &str = "[A-Za-z_][A-Za-z0-9_]*";
const PERCENT: &str = "[0-9]+%";
const HEADER: &str = "[-A-Za-z0-9]+";
const ENV_NAME: &str = "[-._a-zA-Z][-._a-zA-Z0-9]*";
const CONFIG_KEY: &str = r"[-._a-zA-Z0-9]+";

/// A format: its pattern and how its refusal is worded.
struct Format {
    pattern: &'static str,
    regex: LazyLock<Regex>,
    words: &'static str,
    examples: &'static [&'static str],
}

macro_rules! format_of {
    ($name:ident, $pattern:expr, $words:expr, $examples:expr) => {
        static $name: Format = Format {
            pattern: $pattern,
            regex: LazyLock::new(|| {
                Regex::new(&format!("^(?:{})$", $pattern)).expect("our own pattern compiles")
            }),
            words: $words,
            examples: &$examples,
        };
    };
}

format_of!(
    LABEL_FORMAT,
    LABEL,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    ["my-name", "123-abc"]
);
format_of!(
    SUBDOMAIN_FORMAT,
    SUBDOMAIN,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    ["example.com"]
);
format_of!(
    UNDERSCORED_FORMAT,
    UNDERSCORED,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
    ["example.com"]
);
format_of!(
    DNS1035_FORMAT,
    DNS1035,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    ["my-name", "abc-123"]
);
format_of!(
    WILDCARD_FORMAT,
    WILDCARD,
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    ["*.example.com"]
);
format_of!(
    KEY_FORMAT,
    KEY_NAME,
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    ["MyName", "my.name", "123-abc"]
);
format_of!(
    VALUE_FORMAT,
    LABEL_VALUE,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    ["MyValue", "my_value", "12345"]
);
format_of!(
    C_IDENTIFIER_FORMAT,
    C_IDENTIFIER,
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
    ["my_name", "MY_NAME", "MyName"]
);
format_of!(
    PERCENT_FORMAT,
    PERCENT,
    "a valid percent string must be a numeric string followed by an ending '%'",
    ["1%", "93%"]
);
format_of!(
    HEADER_FORMAT,
    HEADER,
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    ["X-Header-Name"]
);
format_of!(
    ENV_FORMAT,
    ENV_NAME,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
    ["my.env-name", "MY_ENV.NAME", "MyEnvName1"]
);
format_of!(
    CONFIG_KEY_FORMAT,
    CONFIG_KEY,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    ["key.name", "KEY_NAME", "key-name"]
);

impl Format {
    fn refusal(&self) -> String {
        regex_error(self.words, self.pattern, self.examples)
    }

    fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// What is wrong with `value`, whose length is limited too.
    fn check(&self, value: &str, max: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        if value.len() > max {
            wrong.push(max_len_error(max));
        }
        if !self.matches(value) {
            wrong.push(self.refusal());
        }
        wrong
    }
}

/// `WORDS (e.g. 'A',  or 'B', regex used for validation is 'PATTERN')`.
#[must_use]
pub fn regex_error(words: &str, pattern: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{words} (regex used for validation is '{pattern}')");
    }
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!(
        "{words} (e.g. {}regex used for validation is '{pattern}')",
        examples.join(" or ")
    )
}

/// `must be no more than N characters`.
#[must_use]
pub fn max_len_error(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// `must be between A and B, inclusive`.
#[must_use]
pub fn range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// A lowercase RFC 1123 label of at most 63 characters.
#[must_use]
pub fn dns_label(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push(max_len_error(63));
    }
    if !LABEL_FORMAT.matches(value) {
        wrong.push(if SUBDOMAIN_FORMAT.matches(value) {
            "must not contain dots".to_owned()
        } else {
            LABEL_FORMAT.refusal()
        });
    }
    wrong
}

/// A lowercase RFC 1123 subdomain of at most 253 characters.
#[must_use]
pub fn dns_subdomain(value: &str) -> Vec<String> {
    SUBDOMAIN_FORMAT.check(value, 253)
}

/// A subdomain whose labels may hold underscores.
#[must_use]
pub fn dns_subdomain_underscored(value: &str) -> Vec<String> {
    UNDERSCORED_FORMAT.check(value, 253)
}

/// A label as RFC 1035 has it: begins with a letter.
#[must_use]
pub fn dns1035_label(value: &str) -> Vec<String> {
    DNS1035_FORMAT.check(value, 63)
}

/// `*.` and a subdomain.
#[must_use]
pub fn wildcard_subdomain(value: &str) -> Vec<String> {
    WILDCARD_FORMAT.check(value, 253)
}

/// A label key, also called a qualified name: `[PREFIX/]NAME`.
#[must_use]
pub fn label_key(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                let prefix = dns_subdomain(prefix);
                wrong.extend(prefix.into_iter().map(|w| format!("prefix part {w}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                KEY_FORMAT.refusal()
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push("name part must be no more than 63 bytes".to_owned());
    }
    if !KEY_FORMAT.matches(name) {
        wrong.push(format!("name part {}", KEY_FORMAT.refusal()));
    }
    wrong
}

/// A label's value: at most 63 characters.
#[must_use]
pub fn label_value(value: &str) -> Vec<String> {
    let wrong = VALUE_FORMAT.check(value, 63);
    // The same limit as of names, in words of its own.
    wrong
        .into_iter()
        .map(|w| w.replace("63 characters", "63 bytes"))
        .collect()
}

/// A name as C knows it.
#[must_use]
pub fn c_identifier(value: &str) -> Vec<String> {
    C_IDENTIFIER_FORMAT.check(value, usize::MAX)
}

/// `50%`.
#[must_use]
pub fn percent(value: &str) -> Vec<String> {
    PERCENT_FORMAT.check(value, usize::MAX)
}

/// The name of an HTTP header.
#[must_use]
pub fn header_name(value: &str) -> Vec<String> {
    HEADER_FORMAT.check(value, usize::MAX)
}

/// A key of a ConfigMap or Secret.
#[must_use]
pub fn config_key(value: &str) -> Vec<String> {
    let mut wrong = CONFIG_KEY_FORMAT.check(value, 253);
    wrong.extend(leaves_folder(value));
    wrong
}

/// The strict form of an environment variable's name.
#[must_use]
pub fn env_name(value: &str) -> Vec<String> {
    let mut wrong = ENV_FORMAT.check(value, usize::MAX);
    wrong.extend(leaves_folder(value));
    wrong
}

/// Any printable ASCII without `=`: what Kubernetes accepts as an environment variable's name since 1.34.
#[must_use]
pub fn relaxed_env_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if value
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) && b != b'=')
    {
        Vec::new()
    } else {
        vec![
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        ]
    }
}

fn leaves_folder(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// A port's number.
#[must_use]
pub fn port_number(port: i64) -> Vec<String> {
    in_range(port, 1, 65535)
}

/// A number between two others.
#[must_use]
pub fn in_range(value: i64, low: i64, high: i64) -> Vec<String> {
    if (low..=high).contains(&value) {
        Vec::new()
    } else {
        vec![range_error(low, high)]
    }
}

/// A user or group id.
#[must_use]
pub fn unix_id(id: i64) -> Vec<String> {
    in_range(id, 0, i64::from(i32::MAX))
}

/// A port's name, as IANA has them.
#[must_use]
pub fn port_name(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if name.len() > 15 {
        wrong.push(max_len_error(15));
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || !name.bytes().all(allowed) {
        wrong.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if name.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

/// A name that can be a part of a path.
#[must_use]
pub fn path_segment(value: &str) -> Vec<String> {
    if value == "." || value == ".." {
        return vec![format!("may not be '{value}'")];
    }
    path_segment_prefix(value)
}

/// The beginning of a name that can be a part of a path.
#[must_use]
pub fn path_segment_prefix(value: &str) -> Vec<String> {
    ["/", "%"]
        .into_iter()
        .filter(|part| value.contains(part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

#[cfg(test)]
mod tests;
