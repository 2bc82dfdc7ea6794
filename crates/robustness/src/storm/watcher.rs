//! Who watches one kind, from the first list on, across every end of the server.

use std::time::Duration;

use cedge_tasks::Shutdown;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Clock;
use crate::door::{Door, Lines};
use crate::history::{Change, Note, Watching};
use crate::kinds;

const BREATH: Duration = Duration::from_millis(100);
/// What ends a streaming list.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// One watcher.
#[derive(Debug)]
pub struct Watcher {
    door: Door,
    clock: Clock,
    number: usize,
    /// The object whose creation is the last thing that happens.
    end: u32,
    watching: Watching,
    /// The last revision that it has seen.
    at: Option<u64>,
    is_over: bool,
}

// === impl Watcher ===

impl Watcher {
    /// The watcher of this number; kinds are dealt out in turn.
    #[must_use]
    pub fn new(number: usize, door: &Door, clock: Clock, end: u32) -> Self {
        Self {
            door: door.clone(),
            clock,
            number,
            end,
            watching: Watching {
                kind: number % kinds::KINDS.len(),
                notes: Vec::new(),
            },
            at: None,
            is_over: false,
        }
    }

    /// Watches until it has seen the end, or is told that it waits in vain; what it was told. Says once that it has begun.
    pub async fn run(mut self, begun: mpsc::Sender<()>, give_up: Shutdown) -> Watching {
        let mut begun = Some(begun);
        while !self.is_over && !give_up.is_asked() {
            let went = Box::pin(give_up.or(self.go_on())).await;
            if self.at.is_some()
                && let Some(begun) = begun.take()
            {
                let _ = begun.send(()).await;
            }
            if went != Some(true) {
                tokio::time::sleep(BREATH).await;
            }
        }
        self.watching
    }

    /// Lists, or follows one connection to its end; whether that went well.
    async fn go_on(&mut self) -> bool {
        let went = match self.at {
            Some(at) => self.follow(at).await,
            // One in three asks for the list as a stream.
            None if self.number % 3 == 2 => self.stream_list().await,
            None => self.list().await,
        };
        went.is_some()
    }

    async fn list(&mut self) -> Option<()> {
        let start = self.clock.now();
        let path = kinds::path_of(self.watching.kind);
        let answer = self.door.client().get(&path).await.ok()?;
        let list = answer.json();
        let revision = kinds::revision(&list).filter(|_| answer.code == 200)?;
        self.listed(start, revision, kinds::items(&list));
        Some(())
    }

    async fn stream_list(&mut self) -> Option<()> {
        let start = self.clock.now();
        let path = format!(
            "{}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
            kinds::path_of(self.watching.kind)
        );
        let mut lines = self.door.client().lines(&path).await.ok()?;
        let mut items = Vec::new();
        let revision = loop {
            let line: Value = serde_json::from_slice(&lines.next().await?).ok()?;
            let object = &line["object"];
            match line["type"].as_str()? {
                "ADDED" => items.extend(kinds::seen(object).map(|(i, seen)| (i, seen.revision))),
                "BOOKMARK" if object["metadata"]["annotations"][INITIAL_END] == "true" => {
                    break kinds::revision(object)?;
                }
                _ => return None,
            }
        };
        self.listed(start, revision, items);
        // The stream goes on for half an hour: what comes after the list is followed on a connection like the others'.
        Some(())
    }

    fn listed(&mut self, start: u64, revision: u64, items: Vec<(u32, u64)>) {
        self.at = Some(revision);
        self.is_over = items.iter().any(|(index, _)| *index == self.end);
        self.watching.notes.push(Note::Listed {
            start,
            revision,
            items,
        });
    }

    async fn follow(&mut self, at: u64) -> Option<()> {
        let path = format!(
            "{}?watch=1&resourceVersion={at}&allowWatchBookmarks={}&timeoutSeconds={}",
            kinds::path_of(self.watching.kind),
            self.number.is_multiple_of(2),
            5 + self.number % 23,
        );
        let lines = self.door.client().lines(&path).await.ok()?;
        self.watching.notes.push(Note::Resumed { after: at });
        self.read(lines).await;
        Some(())
    }

    async fn read(&mut self, mut lines: Lines) {
        while !self.is_over
            && let Some(line) = lines.next().await
        {
            let line: Value = serde_json::from_slice(&line).unwrap_or_default();
            self.take(&line);
        }
    }

    fn take(&mut self, line: &Value) {
        let object = &line["object"];
        let change = match line["type"].as_str() {
            Some("ADDED") => Change::Added,
            Some("MODIFIED") => Change::Modified,
            Some("DELETED") => Change::Deleted,
            Some("BOOKMARK") => {
                if let Some(revision) = kinds::revision(object) {
                    self.at = Some(revision);
                    self.watching.notes.push(Note::Bookmark { revision });
                }
                return;
            }
            _ => {
                // Its history is gone: it begins anew.
                if object["code"] == 410 {
                    self.at = None;
                }
                return;
            }
        };
        if let Some((index, seen)) = kinds::seen(object) {
            self.at = Some(seen.revision);
            self.is_over = index == self.end;
            self.watching.notes.push(Note::Event {
                at: self.clock.now(),
                change,
                index,
                seen,
            });
        }
    }
}
