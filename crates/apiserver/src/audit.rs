//! The audit log: who did what, one event a line, as a policy says.
//!
//! Nothing waits for the log. Events stand in a bounded queue; one that finds no place, or that the disk does not take, is
//! counted and lost, and the log of the server says so.

mod audited;
mod event;
mod file;
mod policy;

pub(crate) use audited::Audited;
pub(crate) use event::{Record, Stage};
pub use policy::{AuditPolicy, PolicyError};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cedge_pki::Identity;
use http::request::Parts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use crate::authz::Attributes;
use crate::impersonate::Allowed;
use policy::Level;

/// Events that wait to be written.
const QUEUE_MAX: usize = 10_000;

/// Where the audit log is, and what is in it.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// What is noted of which request.
    pub policy: Arc<AuditPolicy>,
    /// The file.
    pub path: PathBuf,
    /// A file that is larger is closed, and kept under a name with its time.
    pub bytes_max: u64,
    /// So many closed files are kept; 0 keeps all.
    pub files_max: usize,
    /// And none that is older; `None` keeps all.
    pub age_max: Option<Duration>,
}

/// A running audit log.
#[derive(Debug)]
pub(crate) struct Audit {
    policy: Arc<AuditPolicy>,
    lines: mpsc::Sender<Vec<u8>>,
    counters: Counters,
}

#[derive(Debug, Clone, Default)]
struct Counters {
    events: Counter,
    dropped: Counter,
    failed: Counter,
}

// === impl Audit ===

impl Audit {
    /// A log, and the task that writes it.
    pub(crate) fn new(
        config: &AuditConfig,
        registry: &mut Registry,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + use<>) {
        let counters = Counters::default();
        registry.register(
            "apiserver_audit_event",
            "Events for the audit log",
            counters.events.clone(),
        );
        registry.register(
            "apiserver_audit_dropped",
            "Events that found no place in the queue of the audit log",
            counters.dropped.clone(),
        );
        registry.register(
            "apiserver_audit_error",
            "Events that could not be written to the audit log",
            counters.failed.clone(),
        );
        let (lines, queue) = mpsc::channel(QUEUE_MAX);
        let audit = Arc::new(Self {
            policy: config.policy.clone(),
            lines,
            counters: counters.clone(),
        });
        (audit, file::write(config.clone(), queue, counters.failed))
    }

    /// Begins the record of a request; `None` if nothing is to be noted of it.
    pub(crate) fn begin(
        self: &Arc<Self>,
        caller: &Identity,
        acts_as: Option<&Allowed>,
        asked: &Attributes,
        parts: &Parts,
        id: &str,
    ) -> Option<Arc<Record>> {
        let rule = self.policy.of(caller, asked);
        if rule.level == Level::Nothing {
            return None;
        }
        let record = Record::new(self.clone(), rule, caller, acts_as, asked, parts, id);
        record.tell(Stage::RequestReceived, None);
        Some(Arc::new(record))
    }

    fn put(&self, line: Vec<u8>) {
        self.counters.events.inc();
        if self.lines.try_send(line).is_err() {
            let lost = self.counters.dropped.inc() + 1;
            // Powers of two: the first is told at once, a flood is told of a few times.
            if lost.is_power_of_two() {
                tracing::error!(
                    lost,
                    "the audit log is slower than its events: some are lost"
                );
            }
        }
    }
}
