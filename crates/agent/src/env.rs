//! The environment and the command of a container.

use cedge_pod_lifecycle::{Place, Resources};
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVarSource, Pod};

use crate::fields;
use crate::objects::{Error, Kind, Objects};

/// Where values are looked up.
pub(crate) struct Source<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) objects: &'a Objects,
    pub(crate) place: &'a Place,
    pub(crate) allocatable: &'a Resources,
}

type Variables = Vec<(String, String)>;

impl Source<'_> {
    /// The environment: what tells of services, then what is written, in its order; later ones win.
    pub(crate) fn variables(&self) -> Result<Variables, String> {
        let mut found = crate::service_env::of_pod(self.pod, self.objects);
        for from in self.container.env_from.iter().flatten() {
            for (key, value) in self.all_of(from)? {
                set(&mut found, key, value);
            }
        }
        for variable in self.container.env.iter().flatten() {
            let value = match (&variable.value, &variable.value_from) {
                (_, Some(from)) => self.one_of(from)?,
                (Some(text), None) => Some(expand(text, &found)),
                (None, None) => Some(String::new()),
            };
            if let Some(value) = value {
                set(&mut found, variable.name.clone(), value);
            }
        }
        Ok(found)
    }

    /// The command and its arguments.
    pub(crate) fn argv(&self, variables: &Variables) -> Vec<String> {
        let command = self.container.command.iter().flatten();
        let args = self.container.args.iter().flatten();
        command
            .chain(args)
            .map(|word| expand(word, variables))
            .collect()
    }

    fn all_of(&self, from: &EnvFromSource) -> Result<Variables, String> {
        let (kind, name, optional) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(r), _) => (Kind::ConfigMap, &r.name, r.optional),
            (None, Some(r)) => (Kind::Secret, &r.name, r.optional),
            (None, None) => return Ok(Variables::new()),
        };
        let content = match self.objects.content(kind, self.namespace(), name) {
            Ok(content) => content,
            Err(Error::Missing { .. }) if optional == Some(true) => return Ok(Variables::new()),
            Err(error) => return Err(error.to_string()),
        };
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let named = content.into_iter().map(|(key, value)| {
            (
                format!("{prefix}{key}"),
                String::from_utf8_lossy(&value).into_owned(),
            )
        });
        Ok(named.filter(|(key, _)| !key.contains('=')).collect())
    }

    fn one_of(&self, from: &EnvVarSource) -> Result<Option<String>, String> {
        if let Some(selector) = &from.field_ref {
            return fields::field(selector, self.pod, self.place).map(Some);
        }
        if let Some(selector) = &from.resource_field_ref {
            let own = Some(self.container);
            return fields::resource(selector, self.pod, own, self.allocatable).map(Some);
        }
        let (kind, name, key, optional) = match (&from.config_map_key_ref, &from.secret_key_ref) {
            (Some(r), _) => (Kind::ConfigMap, &r.name, &r.key, r.optional),
            (None, Some(r)) => (Kind::Secret, &r.name, &r.key, r.optional),
            (None, None) => return Err("this kind of valueFrom is not supported".into()),
        };
        let optional = optional == Some(true);
        let content = match self.objects.content(kind, self.namespace(), name) {
            Ok(content) => content,
            Err(Error::Missing { .. }) if optional => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        match content.get(key) {
            Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
            None if optional => Ok(None),
            None => {
                let word = if kind == Kind::Secret {
                    "Secret"
                } else {
                    "ConfigMap"
                };
                let ns = self.namespace();
                Err(format!("couldn't find key {key} in {word} {ns}/{name}"))
            }
        }
    }

    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or("default")
    }
}

fn set(variables: &mut Variables, key: String, value: String) {
    variables.retain(|(known, _)| *known != key);
    variables.push((key, value));
}

/// Replaces `$(NAME)`; `$$` stands for a dollar sign; what is not known stays as it is written.
pub(crate) fn expand(text: &str, variables: &Variables) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match variables.iter().rev().find(|(key, _)| key == name) {
                Some((_, value)) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let variables = vec![
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), String::new()),
        ];
        for (text, expanded) in [
            ("$(A)", "1"),
            ("x$(A)y$(B)z", "x1yz"),
            ("$(NO)", "$(NO)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
        ] {
            assert_eq!(expand(text, &variables), expanded, "{text}");
        }
    }
}
