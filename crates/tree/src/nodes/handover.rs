//! What a node must hold: the pods bound to it, and the config maps, secrets, claims and volumes that these refer to; and
//! the volumes that are its directories. No others (I6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cedge_informer::Object;
use cedge_link::{TableError, Writer};
use serde_json::Value;

use super::kept::{self, Missing};
use super::{Caches, NodeState, Nodes, services, tokens, volumes};

/// Makes the node's tables say what the API says. A pod that the API no longer has gets a tombstone; one that the API
/// lost stays (I3). Tells when to come again: tokens do not last.
///
/// # Errors
/// The disk. What was done stays.
pub(super) async fn hand_over(
    nodes: &Nodes,
    node: &NodeState,
    pods: &[Arc<Object>],
) -> Result<Option<Duration>, TableError> {
    let (caches, kept) = (&nodes.caches, &nodes.settings.kept);
    let mut accounts: Vec<tokens::Wanted> = Vec::new();
    let mut neighbours: BTreeSet<String> = BTreeSet::new();
    let mut wanted: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for pod in pods {
        let key = format!("{}/{}/{}", pod.namespace(), pod.name(), pod.uid());
        if let Ok(value) = pod.value() {
            refer(&value, pod.namespace(), &mut needed);
            tokens::of_pod(&value, &mut accounts);
            services::of_pod(&value, pod.namespace(), &mut neighbours);
            wanted.insert(key, trimmed(value));
        }
    }
    let missing = Missing {
        pods: keys(&node.tables.pods, |key| wanted.contains_key(key)),
        objects: keys(&node.tables.objects, |key| {
            is_made_here(key) || in_api(caches, key).is_some()
        }),
    };
    let gone = kept.of(&node.id, missing)?;
    for (key, value) in kept::still_kept(caches, node, &gone.pods)? {
        if let Ok(pod) = serde_json::from_slice::<Value>(&value) {
            let namespace = key.split('/').next().unwrap_or_default();
            refer(&pod, namespace, &mut needed);
            tokens::of_pod(&pod, &mut accounts);
            services::of_pod(&pod, namespace, &mut neighbours);
        }
        wanted.insert(key, value);
    }
    volumes::refer(caches, &node.name, &mut needed);
    needed.extend(volumes::kept(&gone.objects));
    let mut objects: BTreeMap<String, Bytes> = BTreeMap::new();
    for key in needed {
        let value = match in_api(caches, &key) {
            None if gone.objects.contains(&key) => node.tables.objects.get(&key)?,
            found => found,
        };
        objects.extend(value.map(|value| (key, value)));
    }
    if !wanted.is_empty() {
        services::add(
            &nodes.client,
            &nodes.address,
            caches,
            neighbours,
            &mut objects,
        )
        .await;
    }
    let table = &node.tables.objects;
    let again = tokens::add(&nodes.client, table, accounts, &mut objects).await?;
    // What a pod needs comes before it, and goes after it.
    put_all(&node.tables.objects, &objects).await?;
    put_all(&node.tables.pods, &wanted).await?;
    remove_others(&node.tables.pods, &wanted).await?;
    remove_others(&node.tables.objects, &objects).await?;
    let still = Missing {
        pods: gone
            .pods
            .into_iter()
            .filter(|key| wanted.contains_key(key))
            .collect(),
        objects: gone
            .objects
            .into_iter()
            .filter(|key| objects.contains_key(key))
            .collect(),
    };
    kept.settle(&node.id, still)?;
    Ok(again)
}

/// Whether a key's value is no object of the API.
fn is_made_here(key: &str) -> bool {
    key == services::API || key.starts_with(services::FOLDER) || key.starts_with(tokens::FOLDER)
}

/// The keys of a table that has values for them, without those that are known elsewhere.
fn keys(table: &Writer, known: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let rows = table.iter().into_iter().map(|row| row.key);
    rows.filter(|key| !known(key) && table.get(key).ok().flatten().is_some())
        .collect()
}

/// What a key of the table names.
fn in_api(caches: &Caches, key: &str) -> Option<Bytes> {
    let mut parts = key.splitn(3, '/');
    let (resource, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
    match resource {
        "secrets" => Some(caches.secrets.get(namespace, name)?.bytes().clone()),
        "configmaps" => Some(caches.config_maps.get(namespace, name)?.bytes().clone()),
        "persistentvolumeclaims" => {
            Some(trimmed(caches.claims.get(namespace, name)?.value().ok()?))
        }
        "persistentvolumes" => Some(trimmed(caches.volumes.get("", name)?.value().ok()?)),
        _ => None,
    }
}

/// An object without its status, which is not the node's to read (a pod's is its own word), and without bookkeeping:
/// neither must make it news.
fn trimmed(mut object: Value) -> Bytes {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
        }
    }
    serde_json::to_vec(&object).unwrap_or_default().into()
}

async fn put_all(table: &Writer, wanted: &BTreeMap<String, Bytes>) -> Result<(), TableError> {
    for (key, value) in wanted {
        if table.get(key)?.as_ref() != Some(value) {
            table.put(key, value.clone()).await?;
        }
    }
    Ok(())
}

async fn remove_others(table: &Writer, wanted: &BTreeMap<String, Bytes>) -> Result<(), TableError> {
    for row in table.iter() {
        if !wanted.contains_key(&row.key) && table.get(&row.key)?.is_some() {
            table.remove(&row.key).await?;
        }
    }
    Ok(())
}

/// Every config map, secret and claim that a pod names: in volumes (projected ones too), `env` and `envFrom`.
fn refer(pod: &Value, namespace: &str, out: &mut BTreeSet<String>) {
    let mut names: Vec<(&str, &str)> = Vec::new();
    let spec = &pod["spec"];
    let own = pod["metadata"]["name"].as_str().unwrap_or_default();
    for volume in list(&spec["volumes"]) {
        sources(volume, &mut names);
        let claim = &volume["persistentVolumeClaim"]["claimName"];
        add(&mut names, "persistentvolumeclaims", claim);
        if let Some(volume) = volume["name"]
            .as_str()
            .filter(|_| volume["ephemeral"].is_object())
        {
            // Its claim is made for this pod and named after both.
            out.insert(format!("persistentvolumeclaims/{namespace}/{own}-{volume}"));
        }
        for source in list(&volume["projected"]["sources"]) {
            sources(source, &mut names);
        }
    }
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        for container in list(&spec[kind]) {
            for env in list(&container["env"]) {
                add(
                    &mut names,
                    "configmaps",
                    &env["valueFrom"]["configMapKeyRef"]["name"],
                );
                add(
                    &mut names,
                    "secrets",
                    &env["valueFrom"]["secretKeyRef"]["name"],
                );
            }
            for from in list(&container["envFrom"]) {
                add(&mut names, "configmaps", &from["configMapRef"]["name"]);
                add(&mut names, "secrets", &from["secretRef"]["name"]);
            }
        }
    }
    let key = |(resource, name)| format!("{resource}/{namespace}/{name}");
    out.extend(names.into_iter().map(key));
}

fn sources<'a>(volume: &'a Value, names: &mut Vec<(&'a str, &'a str)>) {
    add(names, "configmaps", &volume["configMap"]["name"]);
    add(names, "secrets", &volume["secret"]["secretName"]);
    add(names, "secrets", &volume["secret"]["name"]);
}

fn add<'a>(names: &mut Vec<(&'a str, &'a str)>, resource: &'static str, name: &'a Value) {
    if let Some(name) = name.as_str() {
        names.push((resource, name));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
