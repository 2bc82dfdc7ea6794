//! Readiness as guards: a program is ready when every part has dropped its own.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// Who is not ready yet.
#[derive(Debug, Clone)]
pub struct Readiness {
    waiting: Arc<Mutex<Vec<String>>>,
    changed: watch::Sender<usize>,
}

/// Held by a part that is not ready; dropped when it is.
#[derive(Debug)]
pub struct Ready {
    name: String,
    readiness: Readiness,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            waiting: Arc::default(),
            changed: watch::channel(0).0,
        }
    }
}

impl Readiness {
    /// A part that is not ready until the guard is dropped.
    #[must_use]
    pub fn part(&self, name: impl Into<String>) -> Ready {
        let name = name.into();
        self.change(|waiting| waiting.push(name.clone()));
        Ready {
            name,
            readiness: self.clone(),
        }
    }

    /// The parts that are not ready.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        self.waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Completes when no part is waited for.
    ///
    /// *Cancel safety*: safe.
    pub async fn wait(&self) {
        let mut changes = self.changed.subscribe();
        let _ = changes.wait_for(|count| *count == 0).await;
    }

    fn change(&self, f: impl FnOnce(&mut Vec<String>)) {
        let mut waiting = self
            .waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        f(&mut waiting);
        self.changed.send_replace(waiting.len());
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.readiness.change(|waiting| {
            if let Some(i) = waiting.iter().position(|n| *n == self.name) {
                waiting.remove(i);
            }
        });
    }
}
