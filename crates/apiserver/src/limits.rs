//! Nobody may ask for so much that others get nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::status::{Error, Result};

/// Largest body of a request, as in Kubernetes.
pub(crate) const BODY_MAX: usize = 3 << 20;
/// Longest time that a request may take that is no stream.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a request waits for its turn before it is sent away.
const QUEUE_TIME_MAX: Duration = Duration::from_secs(5);
/// Users that are remembered; idle ones are forgotten above that.
const USERS_MAX: usize = 1024;

/// One share of the server for each user.
#[derive(Debug)]
pub(crate) struct Limits {
    share: usize,
    users: Mutex<HashMap<String, Arc<Semaphore>>>,
}

// === impl Limits ===

impl Limits {
    pub(crate) fn new(share: usize) -> Self {
        Self {
            share: share.max(1),
            users: Mutex::default(),
        }
    }

    /// A place for one request of a user, held while it is worked on.
    ///
    /// # Errors
    /// The user has too many requests under way.
    pub(crate) async fn enter(&self, user: &str) -> Result<OwnedSemaphorePermit> {
        let share = self.share_of(user);
        match tokio::time::timeout(QUEUE_TIME_MAX, share.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::TooManyRequests {
                message: "too many requests, please try again later".into(),
                retry_after_seconds: 1,
                causes: Vec::new(),
            }),
        }
    }

    fn share_of(&self, user: &str) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS_MAX && !users.contains_key(user) {
            users.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = users.entry(user.to_owned());
        share
            .or_insert_with(|| Arc::new(Semaphore::new(self.share)))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_user_cannot_take_the_places_of_another() {
        let limits = Limits::new(2);
        let _a = limits.enter("a").await.unwrap();
        let second = limits.enter("a").await.unwrap();
        assert_eq!(limits.enter("a").await.unwrap_err().code(), 429);
        let _b = limits.enter("b").await.unwrap();
        drop(second);
        let _again = limits.enter("a").await.unwrap();
    }
}
