//! Callers who act for others, if they may.

use cedge_pki::Identity;
use http::HeaderMap;

use crate::api::Api;
use crate::authz::Attributes;
use crate::status::{Error, Result};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const ACCOUNT: &str = "system:serviceaccount:";

/// The identity that the headers ask for, or the caller's own.
pub(crate) fn become_who_is_asked(
    api: &Api,
    headers: &HeaderMap,
    caller: Identity,
) -> Result<Identity> {
    let values = |name: &str| -> Vec<String> {
        let all = headers.get_all(name).iter();
        all.filter_map(|v| v.to_str().ok())
            .map(ToOwned::to_owned)
            .collect()
    };
    let user = values(USER).into_iter().next().unwrap_or_default();
    let groups = values(GROUP);
    let uid = values(UID).into_iter().next();
    let mut extra: std::collections::BTreeMap<String, Vec<String>> =
        std::collections::BTreeMap::new();
    for name in headers.keys() {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            extra.insert(crate::query::percent_decode(key), values(name.as_str()));
        }
    }
    if user.is_empty() {
        if groups.is_empty() && uid.is_none() && extra.is_empty() {
            return Ok(caller);
        }
        let wanted = in_go(&groups, uid.as_deref(), &extra);
        return Err(Error::BadRequest(format!(
            "requested {wanted} without impersonating a user name"
        )));
    }
    let may = |group, resource, subresource, namespace, name: &str| {
        let attributes = Attributes {
            verb: "impersonate".into(),
            group: String::from(group),
            resource: String::from(resource),
            subresource: String::from(subresource),
            namespace: String::from(namespace),
            name: name.to_owned(),
            ..Attributes::default()
        };
        api.authorizer.check(&caller, &attributes)
    };
    match user
        .strip_prefix(ACCOUNT)
        .and_then(|account| account.split_once(':'))
    {
        Some((namespace, name)) => may("", "serviceaccounts", "", namespace, name)?,
        None => may("", "users", "", "", &user)?,
    }
    for group in &groups {
        may("", "groups", "", "", group)?;
    }
    if let Some(uid) = &uid {
        may("authentication.k8s.io", "uids", "", "", uid)?;
    }
    for (key, values) in &extra {
        for value in values {
            may("authentication.k8s.io", "userextras", key, "", value)?;
        }
    }
    Ok(impersonated(user, groups, uid, extra))
}

/// Who is wanted, as Go shows its struct: a message says so.
fn in_go(
    groups: &[String],
    uid: Option<&str>,
    extra: &std::collections::BTreeMap<String, Vec<String>>,
) -> String {
    let list = |values: &[String]| {
        let quoted: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
        format!("[]string{{{}}}", quoted.join(", "))
    };
    let groups = match groups {
        [] => "[]string(nil)".to_owned(),
        groups => list(groups),
    };
    let extra = if extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        let pairs = extra.iter();
        let pairs: Vec<String> = pairs.map(|(k, v)| format!("{k:?}:{}", list(v))).collect();
        format!("map[string][]string{{{}}}", pairs.join(", "))
    };
    let uid = uid.unwrap_or_default();
    format!("&user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:{groups}, Extra:{extra}}}")
}

fn impersonated(
    user: String,
    mut groups: Vec<String>,
    uid: Option<String>,
    extra: std::collections::BTreeMap<String, Vec<String>>,
) -> Identity {
    if groups.is_empty()
        && let Some((namespace, _)) = user.strip_prefix(ACCOUNT).and_then(|a| a.split_once(':'))
    {
        groups.push("system:serviceaccounts".into());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    let anonymous = user == cedge_pki::identity::ANONYMOUS;
    let mut identity = Identity {
        user,
        uid,
        groups,
        extra,
    };
    let implied = if anonymous {
        cedge_pki::identity::UNAUTHENTICATED
    } else {
        cedge_pki::identity::AUTHENTICATED
    };
    if !identity.in_group(implied) {
        identity.groups.push(implied.into());
    }
    identity
}
