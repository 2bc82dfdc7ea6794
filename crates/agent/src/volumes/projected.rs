//! Volumes whose files show something: ConfigMaps, Secrets, the pod itself, several of them.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::Maker;
use super::atomic::{File, Files};
use crate::fields;
use crate::objects::{Content, Error, Kind};

const MODE: i32 = 0o644;
/// How long a token lasts whose pod does not say.
const DEFAULT_SECONDS: i64 = 3600;

impl Maker<'_> {
    /// The files of a volume; `None` if it is of another kind.
    pub(super) fn files(&self, volume: &Volume) -> Result<Option<Files>, String> {
        if let Some(map) = &volume.config_map {
            let source = (Kind::ConfigMap, map.name.as_str(), map.optional);
            let content = self.content(source)?;
            return pick(
                content,
                map.items.as_deref(),
                map.default_mode,
                map.optional,
            )
            .map(Some);
        }
        if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            let content = self.content((Kind::Secret, name, secret.optional))?;
            let items = secret.items.as_deref();
            return pick(content, items, secret.default_mode, secret.optional).map(Some);
        }
        if let Some(downward) = &volume.downward_api {
            let items = downward.items.as_deref().unwrap_or_default();
            return self.downward(items, downward.default_mode).map(Some);
        }
        let Some(projected) = &volume.projected else {
            return Ok(None);
        };
        let mut files = Files::new();
        for source in projected.sources.iter().flatten() {
            files.extend(self.projection(source, &volume.name, projected.default_mode)?);
        }
        Ok(Some(files))
    }

    fn projection(
        &self,
        source: &VolumeProjection,
        volume: &str,
        mode: Option<i32>,
    ) -> Result<Files, String> {
        if let Some(map) = &source.config_map {
            let content = self.content((Kind::ConfigMap, &map.name, map.optional))?;
            return pick(content, map.items.as_deref(), mode, map.optional);
        }
        if let Some(secret) = &source.secret {
            let content = self.content((Kind::Secret, &secret.name, secret.optional))?;
            return pick(content, secret.items.as_deref(), mode, secret.optional);
        }
        if let Some(downward) = &source.downward_api {
            return self.downward(downward.items.as_deref().unwrap_or_default(), mode);
        }
        if let Some(token) = &source.service_account_token {
            return self.token(token, volume, mode);
        }
        Err("a projection of this kind is not supported on this node: only configMap, secret, downwardAPI, serviceAccountToken".into())
    }

    fn token(
        &self,
        source: &ServiceAccountTokenProjection,
        volume: &str,
        mode: Option<i32>,
    ) -> Result<Files, String> {
        let metadata = &self.pod.metadata;
        let whose = (
            metadata.namespace.as_deref().unwrap_or("default"),
            metadata.uid.as_deref().unwrap_or_default(),
        );
        let seconds = source.expiration_seconds.unwrap_or(DEFAULT_SECONDS);
        let audience = source.audience.as_deref().unwrap_or_default();
        let found = self.objects.token(whose, seconds, audience);
        match found.map_err(|e| e.to_string())? {
            Some(token) => {
                let file = File::new(token.into_bytes(), mode.unwrap_or(MODE));
                Ok(Files::from([(safe(&source.path)?, file)]))
            }
            // Kubernetes adds this volume to every pod by itself. The pod never asked for it: it begins with the rest, and
            // the token appears once it can be had.
            None if volume.starts_with("kube-api-access-") => Ok(Files::new()),
            None => Err(format!(
                "failed to fetch token: no token for audience {audience:?} has come from the cluster yet"
            )),
        }
    }

    fn content(
        &self,
        (kind, name, optional): (Kind, &str, Option<bool>),
    ) -> Result<Content, String> {
        let ns = self.pod.metadata.namespace.as_deref().unwrap_or("default");
        match self.objects.content(kind, ns, name) {
            Ok(content) => Ok(content),
            Err(Error::Missing { .. }) if optional == Some(true) => Ok(Content::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn downward(
        &self,
        items: &[DownwardAPIVolumeFile],
        mode: Option<i32>,
    ) -> Result<Files, String> {
        let mut files = Files::new();
        for item in items {
            let text = match (&item.field_ref, &item.resource_field_ref) {
                (Some(selector), _) => fields::field(selector, self.pod, self.place)?,
                (None, Some(selector)) => {
                    fields::resource(selector, self.pod, None, self.allocatable)?
                }
                (None, None) => {
                    return Err(format!(
                        "{}: neither fieldRef nor resourceFieldRef",
                        item.path
                    ));
                }
            };
            let file = File::new(text.into_bytes(), item.mode.or(mode).unwrap_or(MODE));
            files.insert(safe(&item.path)?, file);
        }
        Ok(files)
    }
}

/// All keys under their own names, or those that are listed at the paths that are listed.
fn pick(
    mut content: Content,
    items: Option<&[KeyToPath]>,
    mode: Option<i32>,
    optional: Option<bool>,
) -> Result<Files, String> {
    let default = mode.unwrap_or(MODE);
    let Some(items) = items.filter(|i| !i.is_empty()) else {
        let all = content
            .into_iter()
            .map(|(key, value)| (key, File::new(value, default)));
        return Ok(all.collect());
    };
    let mut files = BTreeMap::new();
    for item in items {
        match content.remove(&item.key) {
            Some(value) => {
                let file = File::new(value.clone(), item.mode.unwrap_or(default));
                files.insert(safe(&item.path)?, file);
                // A key may be listed more than once.
                content.insert(item.key.clone(), value);
            }
            None if optional == Some(true) => {}
            None => return Err(format!("references non-existent config key: {}", item.key)),
        }
    }
    Ok(files)
}

/// A path that stays inside of its volume.
fn safe(path: &str) -> Result<String, String> {
    let mut names = Path::new(path).components();
    let inside = !path.is_empty() && names.all(|c| matches!(c, Component::Normal(_)));
    if inside && !path.starts_with("..") {
        return Ok(path.to_owned());
    }
    Err(format!(
        "path {path:?} must be relative and must not hold `..`"
    ))
}
