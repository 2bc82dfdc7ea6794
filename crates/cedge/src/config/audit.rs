//! The audit log of the API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cedge_apiserver::{AuditConfig, AuditPolicy};
use clap::Args;

/// Megabytes of a log file, unless it is said otherwise.
const MEGABYTES: u64 = 100;
/// Closed files that are kept, unless it is said otherwise: a log alone never takes more than a gigabyte.
const BACKUPS: usize = 9;

/// The flags; the keys of the file are the same in camelCase.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AuditKeys {
    /// Policy (audit.k8s.io/v1) of what the audit log holds; without it there is none.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_policy_file: Option<PathBuf>,
    /// The audit log, one event a line [default: audit/audit.log in the data directory].
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log_path: Option<PathBuf>,
    /// Megabytes after which the audit log is closed and a new one begun [default: 100].
    #[arg(long, value_name = "MEGABYTES")]
    pub(crate) audit_log_maxsize: Option<u64>,
    /// Closed audit logs that are kept; 0 keeps all [default: 9].
    #[arg(long, value_name = "FILES")]
    pub(crate) audit_log_maxbackup: Option<usize>,
    /// Days that a closed audit log is kept; 0 keeps it for ever [default: 0].
    #[arg(long, value_name = "DAYS")]
    pub(crate) audit_log_maxage: Option<u64>,
}

// === impl AuditKeys ===

impl AuditKeys {
    /// Flags win over the file.
    pub(super) fn over(self, file: Self) -> Self {
        Self {
            audit_policy_file: self.audit_policy_file.or(file.audit_policy_file),
            audit_log_path: self.audit_log_path.or(file.audit_log_path),
            audit_log_maxsize: self.audit_log_maxsize.or(file.audit_log_maxsize),
            audit_log_maxbackup: self.audit_log_maxbackup.or(file.audit_log_maxbackup),
            audit_log_maxage: self.audit_log_maxage.or(file.audit_log_maxage),
        }
    }

    /// Reads the policy, and checks the rest.
    pub(super) fn read(self, data_dir: &Path) -> anyhow::Result<Option<AuditConfig>> {
        let Some(file) = &self.audit_policy_file else {
            anyhow::ensure!(
                self.audit_log_path.is_none(),
                "--audit-log-path needs --audit-policy-file: without a policy nothing is noted"
            );
            return Ok(None);
        };
        let place = || format!("audit policy {}", file.display());
        let text = std::fs::read_to_string(file).with_context(place)?;
        let policy = AuditPolicy::read(&text).with_context(place)?;
        let megabytes = self.audit_log_maxsize.unwrap_or(MEGABYTES);
        anyhow::ensure!(
            (1..=100_000).contains(&megabytes),
            "--audit-log-maxsize {megabytes}: between 1 and 100000 megabytes"
        );
        let days = self.audit_log_maxage.unwrap_or(0);
        Ok(Some(AuditConfig {
            policy: Arc::new(policy),
            path: self
                .audit_log_path
                .unwrap_or_else(|| data_dir.join("audit/audit.log")),
            bytes_max: megabytes << 20,
            files_max: self.audit_log_maxbackup.unwrap_or(BACKUPS),
            age_max: (days > 0).then(|| Duration::from_secs(days.saturating_mul(86_400))),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_needs_a_policy_and_a_bad_policy_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let keys = AuditKeys {
            audit_log_path: Some("x".into()),
            ..AuditKeys::default()
        };
        assert!(keys.clone().read(dir.path()).is_err());
        let file = dir.path().join("policy.yaml");
        let with = AuditKeys {
            audit_policy_file: Some(file.clone()),
            audit_log_path: None,
            ..keys
        };
        std::fs::write(
            &file,
            "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: X}]}",
        )
        .unwrap();
        let error = format!("{:#}", with.clone().read(dir.path()).unwrap_err());
        assert!(
            error.contains("policy.yaml") && error.contains("rules[0].level"),
            "{error}"
        );
        std::fs::write(
            &file,
            "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}",
        )
        .unwrap();
        let read = with.read(dir.path()).unwrap().unwrap();
        assert_eq!(read.path, dir.path().join("audit/audit.log"));
    }
}
