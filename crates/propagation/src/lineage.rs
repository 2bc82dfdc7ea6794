//! Whether the API's memory is the one that this process knew (I3).
//!
//! An API that was wiped, or restored from a backup, shows Missions as they were, or none. That is not a wish:
//! until somebody writes a Mission again, what its children hold stays. The file that remembers lies in the tree's
//! own data, apart from the API's store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cedge_api::{Mission, marks};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde::{Deserialize, Serialize};

/// What is remembered between starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Memory {
    /// uid of the namespace `kube-system`: a wiped API has another one.
    api: String,
    /// Highest resource version seen.
    revision: u64,
    /// How often it was another, or an older one.
    regressions: u64,
    /// Missions as a restored API showed them: uid to generation. While they stay so, nothing is handed over.
    stale: BTreeMap<String, i64>,
}

/// Remembers across restarts which API this was. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lineage {
    file: PathBuf,
    memory: Arc<Mutex<(Memory, u64)>>,
}

/// Save the revision only when it has moved by so much: the file is a lower bound, and a backup is older than this.
const REVISION_STEP: u64 = 50;

impl Lineage {
    /// Reads the memory. A missing or damaged file is an empty memory: nothing is known to have regressed.
    #[must_use]
    pub fn open(file: PathBuf) -> Self {
        let memory: Memory = std::fs::read(&file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let saved = memory.revision;
        Self {
            file,
            memory: Arc::new(Mutex::new((memory, saved))),
        }
    }

    /// Compares the API as it is now with the memory. `missions` are those written here: uid and generation.
    /// Says whether the API has regressed since.
    pub(crate) fn compare(&self, api: &str, revision: u64, missions: &[(String, i64)]) -> bool {
        let mut guard = self.lock();
        let memory = &mut guard.0;
        let other = !memory.api.is_empty() && memory.api != api;
        let older = memory.api == api && revision < memory.revision;
        let regressed = other || older;
        if regressed {
            memory.regressions += 1;
            memory.stale = missions.iter().cloned().collect();
            tracing::warn!(
                other,
                older,
                "the API has regressed; what children hold stays until it is written again"
            );
        }
        api.clone_into(&mut memory.api);
        memory.revision = revision;
        let copy = memory.clone();
        guard.1 = revision;
        drop(guard);
        self.save(&copy);
        regressed
    }

    /// How often the API turned out to be another, or an older one: what was known of it before that is not its wish.
    #[must_use]
    pub fn regressions(&self) -> u64 {
        self.lock().0.regressions
    }

    /// Asks the API who it is, and compares with what it was (I3). Once, before anything is concluded from what the API
    /// lacks.
    ///
    /// # Errors
    /// If the API does not answer.
    pub async fn ask(&self, client: &Client) -> Result<(), kube::Error> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let system = namespaces.get("kube-system").await?;
        let missions: Api<Mission> = Api::all(client.clone());
        let list = missions.list(&ListParams::default()).await?;
        let revision = list.metadata.resource_version.as_deref();
        let revision = revision.and_then(|r| r.parse().ok()).unwrap_or(0);
        let written: Vec<(String, i64)> = list
            .items
            .iter()
            .filter(|m| !m.annotations().contains_key(marks::ORIGIN))
            .map(|m| {
                (
                    m.uid().unwrap_or_default(),
                    m.metadata.generation.unwrap_or(0),
                )
            })
            .collect();
        self.compare(&system.uid().unwrap_or_default(), revision, &written);
        Ok(())
    }

    /// Whether a Mission is only what a restored API remembers.
    pub(crate) fn is_stale(&self, uid: &str, generation: i64) -> bool {
        let mut guard = self.lock();
        match guard.0.stale.get(uid) {
            None => false,
            Some(then) if *then == generation => true,
            Some(_) => {
                guard.0.stale.remove(uid);
                let copy = guard.0.clone();
                drop(guard);
                self.save(&copy);
                false
            }
        }
    }

    /// A resource version was seen.
    pub(crate) fn saw(&self, revision: u64) {
        let mut guard = self.lock();
        guard.0.revision = guard.0.revision.max(revision);
        if guard.0.revision < guard.1 + REVISION_STEP {
            return;
        }
        guard.1 = guard.0.revision;
        let copy = guard.0.clone();
        drop(guard);
        self.save(&copy);
    }

    fn save(&self, memory: &Memory) {
        let Ok(bytes) = serde_json::to_vec(memory) else {
            return;
        };
        let draft = self.file.with_extension("new");
        let written = std::fs::File::create(&draft)
            .and_then(|mut f| {
                std::io::Write::write_all(&mut f, &bytes)?;
                f.sync_all()
            })
            .and_then(|()| std::fs::rename(&draft, &self.file));
        if let Err(error) = written {
            tracing::warn!(file = %self.file.display(), %error, "could not remember the API's revision");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Memory, u64)> {
        self.memory
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_api_is_noticed_and_stays_stale_until_it_is_written_again() {
        let dir = std::env::temp_dir().join(format!("cedge-lineage-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("lineage.json");
        let first = Lineage::open(file.clone());
        assert!(
            !first.compare("a", 100, &[("m".to_owned(), 5)]),
            "the first start knows nothing"
        );
        assert!(!first.is_stale("m", 5));
        let again = Lineage::open(file.clone());
        assert!(!again.compare("a", 150, &[]));
        let restored = Lineage::open(file.clone());
        assert!(restored.compare("a", 120, &[("m".to_owned(), 3)]));
        assert!(restored.is_stale("m", 3));
        let later = Lineage::open(file.clone());
        assert!(!later.compare("a", 130, &[]), "told once");
        assert_eq!(later.regressions(), 1);
        assert!(later.is_stale("m", 3), "and remembered");
        assert!(!later.is_stale("m", 4), "written again");
        assert!(!later.is_stale("m", 3));
        assert!(
            Lineage::open(file).compare("b", 500, &[]),
            "a wiped API has another uid"
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
}
