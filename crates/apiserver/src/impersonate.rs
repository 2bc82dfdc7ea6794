//! Callers who act for others, if they may.

mod extra;
mod modes;

use std::collections::BTreeMap;

use cedge_pki::Identity;
use http::HeaderMap;

use crate::api::Api;
use crate::authz::Attributes;
use crate::status::{Error, Result};

use modes::Asking;
pub(crate) use modes::{Allowed, Habits};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// Who is wanted, as the headers say.
#[derive(Debug)]
struct Wanted {
    user: String,
    groups: Vec<String>,
    uid: Option<String>,
    extra: BTreeMap<String, Vec<String>>,
}

/// The identity that the headers ask for, if they ask and the caller may be it for this request.
pub(crate) fn asked_for(
    api: &Api,
    headers: &HeaderMap,
    caller: &Identity,
    request: impl FnOnce() -> Attributes,
) -> Result<Option<Allowed>> {
    let wanted = Wanted::of(headers)?;
    if wanted.user.is_empty() {
        if wanted.has_a_name_only() {
            return Ok(None);
        }
        return Err(Error::BadRequest(format!(
            "requested {} without impersonating a user name",
            wanted.in_go()
        )));
    }
    let asking = Asking {
        authorizer: &api.authorizer,
        caller,
        request: &request(),
        wanted: &wanted,
    };
    api.habits.allow(asking).map(Some)
}

// === impl Wanted ===

impl Wanted {
    /// Whatever cannot be read is an error: who is passed over would leave the caller to act as themself.
    fn of(headers: &HeaderMap) -> Result<Self> {
        let values = |name: &str| -> Result<Vec<String>> {
            let all = headers.get_all(name).iter();
            all.map(|value| match std::str::from_utf8(value.as_bytes()) {
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(Error::BadRequest(format!("header {name} is not UTF-8"))),
            })
            .collect()
        };
        let first = |name: &str| Ok::<_, Error>(values(name)?.into_iter().next());
        let mut extra = BTreeMap::new();
        for name in headers.keys() {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                extra.insert(crate::query::percent_decode(key), values(name.as_str())?);
            }
        }
        Ok(Self {
            user: first(USER)?.unwrap_or_default(),
            groups: values(GROUP)?,
            uid: first(UID)?.filter(|uid| !uid.is_empty()),
            extra,
        })
    }

    /// Nothing but a name, at most.
    fn has_a_name_only(&self) -> bool {
        self.groups.is_empty() && self.uid.is_none() && self.extra.is_empty()
    }

    /// As Go shows its struct: a message says so.
    fn in_go(&self) -> String {
        let list = |values: &[String]| {
            let quoted: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
            format!("[]string{{{}}}", quoted.join(", "))
        };
        let groups = match self.groups.as_slice() {
            [] => "[]string(nil)".to_owned(),
            groups => list(groups),
        };
        let extra = if self.extra.is_empty() {
            "map[string][]string(nil)".to_owned()
        } else {
            let pairs = self.extra.iter();
            let pairs: Vec<String> = pairs.map(|(k, v)| format!("{k:?}:{}", list(v))).collect();
            format!("map[string][]string{{{}}}", pairs.join(", "))
        };
        let uid = self.uid.as_deref().unwrap_or_default();
        format!("&user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:{groups}, Extra:{extra}}}")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_name_of_any_letters_is_wanted_and_what_is_no_text_is_refused() {
        let header = |bytes: &[u8]| {
            let value = HeaderValue::from_bytes(bytes).unwrap();
            Wanted::of(&[(USER.parse().unwrap(), value)].into_iter().collect())
        };
        assert_eq!(header("jürgen".as_bytes()).unwrap().user, "jürgen");
        assert!(header(b"j\xfcrgen").is_err());
    }
}
