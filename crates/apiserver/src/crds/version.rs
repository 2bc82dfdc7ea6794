//! One version of a custom resource: the rules that its definition states, compiled by crate `crd`.

use std::sync::Arc;

use cedge_crd::{CustomKind, Version};
use cedge_kinds::FieldError;
use cedge_schema::Types;
use serde_json::Value;

use super::Conversion;
use crate::cache::{Cache, Indexer};
use crate::resource::{Column, Definition, Resource, api_version};
use crate::subresource::ScalePaths;

/// The most schemas, one in another, with which a kind is judged like those that are built in: a large operator's has some
/// thousands, and judges in a millisecond.
const SIMPLE: usize = 5000;

/// The rules of one version.
#[derive(Debug, Clone)]
pub(crate) struct CustomVersion {
    kind: Arc<CustomKind>,
    /// Its place among the versions of the kind.
    index: usize,
    /// The webhook that makes objects of one version ones of another.
    conversion: Option<Arc<Conversion>>,
}

/// The resources that a definition defines: its served versions.
pub(super) fn resources(kind: &Arc<CustomKind>, cache: &Cache) -> Vec<Resource> {
    let hook = kind.conversion_webhook.as_ref();
    let conversion = hook.map(|hook| Arc::new(Conversion::read(hook)));
    let objects = cache.kind(&kind.group, &kind.plural);
    let versions = kind.versions.iter().enumerate();
    versions
        .filter(|(_, version)| version.served)
        .map(|(index, version)| Resource {
            group: kind.group.clone(),
            version: version.name.clone(),
            plural: kind.plural.clone(),
            kind: kind.kind.clone(),
            list_kind: kind.list_kind.clone(),
            namespaced: kind.namespaced,
            cache: objects.clone(),
            definition: Definition::Custom(CustomVersion {
                kind: kind.clone(),
                index,
                conversion: conversion.clone(),
            }),
        })
        .collect()
}

// === impl CustomVersion ===

impl CustomVersion {
    fn version(&self) -> &Version {
        &self.kind.versions[self.index]
    }

    pub(crate) fn types(&self) -> &Types {
        self.version().types()
    }

    pub(crate) fn storage_api_version(&self) -> String {
        let storage = self
            .kind
            .storage_version()
            .unwrap_or_else(|| self.version());
        api_version(&self.kind.group, &storage.name)
    }

    pub(crate) fn conversion(&self) -> Option<&Conversion> {
        self.conversion.as_deref()
    }

    /// Whether judging one of its objects can take long: expressions do, or very many schemas.
    pub(crate) fn takes_long(&self) -> bool {
        let schema = &self.version().schema;
        schema.has_rules || schema.size > SIMPLE
    }

    pub(crate) fn has_status(&self) -> bool {
        self.version().has_status
    }

    /// What every answer in this version warns of.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        self.version().deprecation.as_deref()
    }

    pub(crate) fn scale(&self) -> Option<ScalePaths> {
        let scale = self.version().scale.as_ref()?;
        let path = |text: &str| -> Vec<String> {
            text.trim_start_matches('.')
                .split('.')
                .map(ToOwned::to_owned)
                .collect()
        };
        Some(ScalePaths {
            wanted: path(&scale.spec_replicas),
            present: path(&scale.status_replicas),
            selector: Some(
                scale
                    .label_selector
                    .as_deref()
                    .map(path)
                    .unwrap_or_default(),
            ),
        })
    }

    /// The selectable fields of the version in which objects are stored.
    pub(crate) fn indexer(&self) -> Option<Indexer> {
        let kind = self.kind.clone();
        let names: Arc<[String]> = kind
            .storage_version()?
            .selectable_fields()
            .map(ToOwned::to_owned)
            .collect();
        if names.is_empty() {
            return None;
        }
        let labels = names.clone();
        let values = move |object: &Value| -> Vec<String> {
            let version = kind.storage_version();
            let value = |label: &String| version.and_then(|v| v.field(object, label));
            labels
                .iter()
                .map(|label| value(label).unwrap_or_default())
                .collect()
        };
        Some(Indexer {
            names,
            values: Arc::new(values),
        })
    }

    /// Removes unknown fields and sets defaults; the paths of what was unknown.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        self.version().decode(object)
    }

    pub(crate) fn set_defaults(&self, object: &mut Value) {
        self.version().default(object);
    }

    pub(crate) fn prepare_create(&self, object: &mut Value) {
        self.version().prepare_create(object);
    }

    pub(crate) fn prepare_update(&self, subresource: Option<&str>, new: &mut Value, old: &Value) {
        self.version().prepare_update(subresource, new, old);
    }

    pub(crate) fn validate(
        &self,
        subresource: Option<&str>,
        new: &Value,
        old: Option<&Value>,
    ) -> Vec<FieldError> {
        self.version().validate(subresource, new, old)
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        let columns = self.version().columns.iter();
        columns
            .map(|c| Column {
                name: c.name.clone(),
                ty: c.kind.clone(),
                format: c.format.clone(),
                description: c.description.clone(),
                priority: c.priority,
            })
            .collect()
    }

    pub(crate) fn row(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        self.version().row(object, now)
    }
}
