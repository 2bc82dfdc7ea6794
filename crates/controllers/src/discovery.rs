//! Which kinds the cluster serves right now, custom ones and aggregated ones included.

use kube::Client;
use kube::api::ApiResource;
use serde::Deserialize;

use crate::error::Error;

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// One kind, at the version that the cluster prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
    verbs: Vec<String>,
}

/// What was found, and what could not be asked.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    pub(crate) served: Vec<Served>,
    pub(crate) failures: Vec<String>,
}

impl Served {
    pub(crate) fn can(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|v| self.verbs.iter().any(|w| w == v))
    }

    /// The path of its objects, in a namespace or of all.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let r = &self.resource;
        let root = if r.group.is_empty() { "/api" } else { "/apis" };
        match namespace {
            Some(namespace) => {
                format!(
                    "{root}/{}/namespaces/{namespace}/{}",
                    r.api_version, r.plural
                )
            }
            None => format!("{root}/{}/{}", r.api_version, r.plural),
        }
    }
}

/// Asks the cluster. Two requests where it aggregates its answer, else one for each group and version.
///
/// *Errors*: not even the list of groups could be had. A group that does not answer is a failure in the result.
pub(crate) async fn discover(client: &Client) -> Result<Discovered, Error> {
    let mut found = Discovered::default();
    for path in ["/api", "/apis"] {
        let request = http::Request::get(path)
            .header(http::header::ACCEPT, AGGREGATED)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        match client.request::<Answer>(request).await? {
            Answer::Aggregated { items } => found.take_aggregated(items),
            Answer::Groups { groups } => {
                for group in groups {
                    let versions = group.versions.into_iter().map(|v| v.group_version);
                    let preferred = group.preferred_version.map(|v| v.group_version);
                    found
                        .ask(client, "/apis", preferred.into_iter().chain(versions))
                        .await;
                }
            }
            Answer::Core { versions } => {
                found.ask(client, "/api", versions.into_iter()).await;
            }
        }
    }
    Ok(found)
}

impl Discovered {
    fn take_aggregated(&mut self, groups: Vec<AggregatedGroup>) {
        for group in groups {
            let name = group.metadata.name.unwrap_or_default();
            for version in group.versions {
                if version.freshness.as_deref() == Some("Stale") {
                    self.failures.push(group_version(&name, &version.version));
                }
                for r in version.resources {
                    // Kinds of a resource may live in another group than the resource itself.
                    let named = Named {
                        kind: r.response_kind.map(|k| k.kind).unwrap_or_default(),
                        plural: r.resource,
                        namespaced: r.scope == "Namespaced",
                        verbs: r.verbs,
                    };
                    self.add(&name, &version.version, named);
                }
            }
        }
    }

    /// Asks for each version of a group, the preferred one first.
    async fn ask(&mut self, client: &Client, root: &str, versions: impl Iterator<Item = String>) {
        let mut asked: Vec<String> = Vec::new();
        for group_version in versions {
            if asked.contains(&group_version) {
                continue;
            }
            let answer = match http::Request::get(format!("{root}/{group_version}")).body(vec![]) {
                Ok(request) => client.request::<Resources>(request).await,
                Err(e) => Err(kube::Error::HttpError(e)),
            };
            match answer {
                Ok(answer) => self.take_plain(&group_version, answer),
                Err(e) => self.failures.push(format!("{group_version}: {e}")),
            }
            asked.push(group_version);
        }
    }

    fn take_plain(&mut self, group_version: &str, answer: Resources) {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        for r in answer.resources {
            if !r.name.contains('/') {
                let named = Named {
                    kind: r.kind,
                    plural: r.name,
                    namespaced: r.namespaced,
                    verbs: r.verbs,
                };
                self.add(group, version, named);
            }
        }
    }

    /// A kind counts once, at the first version that serves it.
    fn add(&mut self, group: &str, version: &str, named: Named) {
        let known = |s: &Served| s.resource.group == group && s.resource.plural == named.plural;
        if named.kind.is_empty() || self.served.iter().any(known) {
            return;
        }
        self.served.push(Served {
            resource: ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version: group_version(group, version),
                kind: named.kind,
                plural: named.plural,
            },
            namespaced: named.namespaced,
            verbs: named.verbs,
        });
    }
}

/// A kind within its group and version.
struct Named {
    kind: String,
    plural: String,
    namespaced: bool,
    verbs: Vec<String>,
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

// === the wire's forms ===

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Aggregated { items: Vec<AggregatedGroup> },
    Groups { groups: Vec<Group> },
    Core { versions: Vec<String> },
}

#[derive(Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: GroupMetadata,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Deserialize, Default)]
struct GroupMetadata {
    name: Option<String>,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    resources: Vec<AggregatedResource>,
    freshness: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    versions: Vec<GroupVersion>,
    preferred_version: Option<GroupVersion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<PlainResource>,
}

#[derive(Deserialize)]
struct PlainResource {
    name: String,
    kind: String,
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_taken_once_at_the_preferred_version() {
        let answer = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "autoscaling"}, "versions": [
                {"version": "v2", "freshness": "Current", "resources": [{"resource": "horizontalpodautoscalers", "scope": "Namespaced",
                    "responseKind": {"kind": "HorizontalPodAutoscaler"}, "verbs": ["list", "delete"], "subresources": []}]},
                {"version": "v1", "freshness": "Stale", "resources": [{"resource": "horizontalpodautoscalers", "scope": "Namespaced",
                    "responseKind": {"kind": "HorizontalPodAutoscaler"}, "verbs": ["list"]}]}]},
            {"metadata": {"creationTimestamp": null}, "versions": [{"version": "v1", "resources": [
                {"resource": "nodes", "scope": "Cluster", "responseKind": {"kind": "Node"}, "verbs": []}]}]},
        ]});
        let Answer::Aggregated { items } = serde_json::from_value(answer).unwrap() else {
            panic!("not aggregated");
        };
        let mut found = Discovered::default();
        found.take_aggregated(items);
        let paths: Vec<String> = found.served.iter().map(|s| s.path(Some("a"))).collect();
        assert_eq!(
            paths,
            [
                "/apis/autoscaling/v2/namespaces/a/horizontalpodautoscalers",
                "/api/v1/namespaces/a/nodes"
            ]
        );
        assert!(found.served[0].can(&["list", "delete"]) && !found.served[1].namespaced);
        assert_eq!(found.failures, ["autoscaling/v1"]);
    }
}
