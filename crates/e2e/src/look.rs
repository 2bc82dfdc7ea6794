//! What the tests look at.

use serde_json::Value;

use crate::site::Site;
use crate::wait::eventually;

/// A running pod: the same before and after if nobody restarted it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Running {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// When its container was started.
    pub started: String,
}

/// A string in an object, empty if it is not there.
#[must_use]
pub fn text(object: &Value, pointer: &str) -> String {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// A number in an object, zero if it is not there.
#[must_use]
pub fn number(object: &Value, pointer: &str) -> u64 {
    object
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// Status and message of a condition of an object.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> (String, String) {
    let all = object.pointer("/status/conditions");
    let found = all.and_then(Value::as_array).and_then(|all| {
        all.iter()
            .find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
    });
    found.map_or_else(Default::default, |c| {
        (text(c, "/status"), text(c, "/message"))
    })
}

impl Site {
    /// The running pods of an app that are not on their way out.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn pods(&self, app: &str) -> Result<Vec<Running>, String> {
        let list = self.get(&["pods", "-l", &format!("app={app}")])?;
        let items = list.get("items").and_then(Value::as_array).cloned();
        let mut pods: Vec<Running> = items
            .unwrap_or_default()
            .iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .map(|pod| Running {
                uid: text(pod, "/metadata/uid"),
                name: text(pod, "/metadata/name"),
                started: text(pod, "/status/containerStatuses/0/state/running/startedAt"),
            })
            .filter(|pod| !pod.started.is_empty())
            .collect();
        pods.sort();
        Ok(pods)
    }

    /// Waits until exactly so many pods of an app run.
    ///
    /// # Panics
    /// If they do not.
    #[must_use]
    pub fn running(&self, app: &str, count: usize) -> Vec<Running> {
        let what = format!("{count} pods of {app} run at {}", self.name);
        eventually(&what, 90, || {
            let pods = self.pods(app)?;
            if pods.len() == count {
                return Ok(pods);
            }
            let seen = self.kubectl(&["get", "pods,missions", "-o", "wide"]);
            Err(format!("{}{}", seen.out, seen.err))
        })
    }

    /// Waits until an object satisfies `is`; shows its status if it does not.
    ///
    /// # Panics
    /// If it does not.
    pub fn until(&self, what: &str, args: &[&str], is: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{what}, at {}", self.name), 90, || {
            let object = self.get(args)?;
            if is(&object) {
                Ok(object)
            } else {
                Err(format!(
                    "spec {} status {}",
                    object["spec"], object["status"]
                ))
            }
        })
    }

    /// Waits until a Mission is well in exactly so many clusters, on its newest version.
    ///
    /// # Panics
    /// If it is not.
    pub fn until_healthy(&self, mission: &str, clusters: u64) -> Value {
        let what = format!("Mission {mission} is healthy in {clusters} clusters");
        self.until(&what, &["mission", mission], |m| {
            m.pointer("/status/observedGeneration") == m.pointer("/metadata/generation")
                && number(m, "/status/subtree/matched") == clusters
                && number(m, "/status/subtree/atTarget") == clusters
                && number(m, "/status/subtree/states/Healthy") == clusters
        })
    }

    /// Waits until kubectl says that something is not there.
    ///
    /// # Panics
    /// If it stays.
    pub fn until_gone(&self, kind: &str, name: &str) {
        eventually(
            &format!("{kind} {name} is gone at {}", self.name),
            40,
            || {
                let ran = self.kubectl(&["get", kind, name, "-o", "json"]);
                if !ran.ok && ran.err.contains("(NotFound)") {
                    Ok(())
                } else {
                    Err(format!("{}{}", ran.out, ran.err))
                }
            },
        );
    }

    /// The condition of its uplink.
    ///
    /// # Errors
    /// What kubectl says.
    pub fn uplink(&self, kind: &str) -> Result<(String, String), String> {
        Ok(condition(&self.get(&["edgeuplink", "parent"])?, kind))
    }

    /// Waits until a condition of its uplink has this status; answers its message.
    ///
    /// # Panics
    /// If it has not.
    pub fn until_uplink(&self, kind: &str, status: &str) -> String {
        eventually(
            &format!("{kind} of {} is {status}", self.name),
            60,
            || match self.uplink(kind)? {
                (now, message) if now == status => Ok(message),
                other => Err(format!("{other:?}")),
            },
        )
    }
}
