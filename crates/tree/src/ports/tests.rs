use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A table whose disk is full at first.
#[derive(Debug, Default)]
struct FullAtFirst {
    asked: AtomicUsize,
}

impl Incoming for &FullAtFirst {
    fn get(&self, _: &str) -> Option<Bytes> {
        None
    }

    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    fn regressed(&self) -> Vec<String> {
        Vec::new()
    }

    fn next(&self) -> BoxFuture<'_, Change> {
        let version = self.asked.fetch_add(1, Ordering::Relaxed) as u64;
        async move {
            if version == 3 {
                return std::future::pending().await;
            }
            Change::Removed {
                key: format!("change-{version}"),
                version,
            }
        }
        .boxed()
    }

    fn done<'a>(&'a self, key: &'a str, version: u64) -> BoxFuture<'a, Result<(), PortError>> {
        async move {
            if version > 0 {
                return Ok(());
            }
            Err(PortError {
                table: "roster",
                key: key.to_owned(),
                cause: "no space left".to_owned(),
            })
        }
        .boxed()
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        async { Ok(()) }.boxed()
    }

    fn again(&self, _: &str) {}
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_does_not_end_the_listening() {
    let table = FullAtFirst::default();
    let heard = Mutex::new(Vec::new());
    let told = |key: &str| heard.lock().unwrap().push(key.to_owned());
    let listening = listen(&table, told);
    let _ = tokio::time::timeout(Duration::from_secs(60), listening).await;
    assert_eq!(*heard.lock().unwrap(), ["change-0", "change-1", "change-2"]);
}
