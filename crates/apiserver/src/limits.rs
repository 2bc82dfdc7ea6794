//! Nobody may ask for so much that others get nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::status::{Error, Result};

/// Largest body of a request, as in Kubernetes.
pub(crate) const BODY_MAX: usize = 3 << 20;
/// Longest time that a request may take that is no stream.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a request waits for its turn before it is sent away.
const QUEUE_TIME_MAX: Duration = Duration::from_secs(5);
/// Space for the large bodies of requests, of all users together: more than all that one user may have under way.
const BODIES_MAX: usize = 256 << 20;
/// The unit in which that space is given.
const SPACE: usize = 64 << 10;
/// Watches that one user may have at one time. Kubernetes has no such limit; its servers are larger.
const WATCHES_MAX: usize = 20_000;
/// Users that are remembered; idle ones are forgotten above that.
const USERS_MAX: usize = 1024;

/// One share of the server for each user.
#[derive(Debug)]
pub(crate) struct Limits {
    share: usize,
    users: Mutex<HashMap<String, User>>,
    /// For large bodies, in units of [`SPACE`].
    bodies: Semaphore,
}

/// What one user has left.
#[derive(Debug, Clone)]
struct User {
    requests: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

// === impl Limits ===

impl Limits {
    pub(crate) fn new(share: usize) -> Self {
        Self {
            share: share.max(1),
            users: Mutex::default(),
            bodies: Semaphore::new(BODIES_MAX / SPACE),
        }
    }

    /// A place for one request of a user, held while it is worked on.
    ///
    /// # Errors
    /// The user has too many requests under way.
    pub(crate) async fn enter(&self, user: &str) -> Result<OwnedSemaphorePermit> {
        let share = self.of(user).requests;
        match tokio::time::timeout(QUEUE_TIME_MAX, share.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(too_many("requests")),
        }
    }

    /// A place for one watch of a user, held while it goes on.
    ///
    /// # Errors
    /// The user has too many of them.
    pub(crate) fn watch(&self, user: &str) -> Result<OwnedSemaphorePermit> {
        let place = self.of(user).watches.try_acquire_owned();
        place.map_err(|_| too_many("watches"))
    }

    /// Space for a body of so many bytes, once there is enough.
    pub(crate) async fn space(&self, bytes: usize) -> SemaphorePermit<'_> {
        let units = u32::try_from(bytes.div_ceil(SPACE)).unwrap_or(u32::MAX);
        let space = self.bodies.acquire_many(units).await;
        space.expect("nobody closes it")
    }

    fn of(&self, user: &str) -> User {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS_MAX && !users.contains_key(user) {
            users.retain(|_, user| user.is_busy());
        }
        let share = users.entry(user.to_owned());
        let new = || User {
            requests: Arc::new(Semaphore::new(self.share)),
            watches: Arc::new(Semaphore::new(WATCHES_MAX)),
        };
        share.or_insert_with(new).clone()
    }
}

// === impl User ===

impl User {
    fn is_busy(&self) -> bool {
        Arc::strong_count(&self.requests) > 1 || Arc::strong_count(&self.watches) > 1
    }
}

fn too_many(what: &str) -> Error {
    Error::TooManyRequests {
        message: format!("too many {what}, please try again later"),
        retry_after_seconds: 1,
        causes: Vec::new(),
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

    #[test]
    fn one_user_cannot_open_watches_without_end() {
        let limits = Limits::new(1);
        let mut all: Vec<_> = (0..WATCHES_MAX)
            .map(|_| limits.watch("a").unwrap())
            .collect();
        assert_eq!(limits.watch("a").unwrap_err().code(), 429);
        assert!(limits.watch("b").is_ok());
        all.pop();
        assert!(limits.watch("a").is_ok());
    }
}
