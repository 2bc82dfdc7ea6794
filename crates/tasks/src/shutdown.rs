//! A signal that everything that runs listens to.

use tokio_util::sync::CancellationToken;

/// Tells its holder when to stop. Cheap to clone; a child stops with its parent, and may stop alone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

/// The end that asks for it. Dropping it asks as well, so that nothing outlives its owner.
#[derive(Debug)]
pub struct Trigger(CancellationToken);

/// A new pair.
#[must_use]
pub fn shutdown() -> (Trigger, Shutdown) {
    let token = CancellationToken::new();
    (Trigger(token.clone()), Shutdown(token))
}

impl Shutdown {
    /// A signal that never comes, for tests and short commands.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Completes when it is time to stop.
    ///
    /// *Cancel safety*: safe.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// Whether it is time to stop.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.is_cancelled()
    }

    /// A pair below this one: it ends with this one, or earlier by its own trigger.
    #[must_use]
    pub fn child(&self) -> (Trigger, Self) {
        let token = self.0.child_token();
        (Trigger(token.clone()), Self(token))
    }

    /// Runs `work` until it is done or it is time to stop; `None` in the latter case, with `work` dropped.
    pub async fn or<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }
}

impl Trigger {
    /// Asks everybody to stop.
    pub fn ask(&self) {
        self.0.cancel();
    }
}

impl Drop for Trigger {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
