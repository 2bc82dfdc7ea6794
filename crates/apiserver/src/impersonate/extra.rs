//! What the extra fields of a user may be whom a caller is by a constrained way.

use cedge_kinds::formats;

/// What a path is made of, as a message says it, and the signs of it that are no letters or digits.
const PATH: &str = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";
const SIGNS: &str = "/-._~%!$&'()*+,;=:";

/// Keys are paths below a domain, and values are not empty; says what is wrong.
pub(super) fn check(key: &str, values: &[String]) -> Result<(), String> {
    if key.is_empty() {
        return Err("impersonating the empty string key in extra is not allowed".into());
    }
    let wrong = wrong_in(key);
    match wrong.as_slice() {
        [] if values.is_empty() => Err("impersonating empty values in extra is not allowed".into()),
        [] if values.iter().any(String::is_empty) => {
            Err("impersonating the empty string value in extra is not allowed".into())
        }
        [] => Ok(()),
        [one] => Err(invalid_key(one)),
        all => Err(invalid_key(&format!("[{}]", all.join(", ")))),
    }
}

fn invalid_key(why: &str) -> String {
    format!("impersonating an invalid key in extra is not allowed: {why}")
}

fn wrong_in(key: &str) -> Vec<String> {
    let invalid = |value: &str, why: &str| format!("extra.key: Invalid value: {value:?}: {why}");
    let parts = key.split_once('/');
    let Some((host, path)) = parts.filter(|(host, path)| !host.is_empty() && !path.is_empty())
    else {
        return vec![invalid(
            key,
            "must be a domain-prefixed path (such as \"acme.io/foo\")",
        )];
    };
    let mut wrong: Vec<String> = formats::dns_subdomain(host)
        .iter()
        .map(|why| invalid(host, why))
        .collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || SIGNS.contains(c);
    if !path.chars().all(fits) {
        let why = formats::regex_error("Invalid path", PATH, &[]);
        wrong.push(invalid(path, &why));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_below_a_domain() {
        let some = ["x".to_owned()];
        assert_eq!(check("acme.io/foo", &some), Ok(()));
        assert_eq!(
            check("scopes", &some),
            Err(
                "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: \"scopes\": must be a \
                 domain-prefixed path (such as \"acme.io/foo\")"
                    .into()
            )
        );
        assert!(check("acme.io/a b", &some).is_err());
        assert!(check("acme.io/foo", &[]).is_err());
        assert!(check("acme.io/foo", &[String::new()]).is_err());
    }
}
