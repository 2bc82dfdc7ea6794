//! A pod's directory, its user, and the boot that it belongs to.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ProcessRuntime;
use super::layout::{self, hash, is_name};
use crate::cri::{Error, Sandbox, SandboxConfig};
use crate::groups;
use crate::procfs::boot_id;
use crate::spec::{self, User};

/// Pods get their user ids from here on: above the ranges of people, services and user namespaces.
const FIRST_UID: u64 = 1_900_000_000;
const UIDS: u64 = 100_000_000;

/// `sandbox.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    namespace: String,
    name: String,
    pub(super) hostname: String,
    pub(super) user: Option<User>,
    pub(super) boot: String,
}

impl ProcessRuntime {
    pub(super) fn make_sandbox(&self, config: &SandboxConfig) -> Result<Sandbox, Error> {
        if !is_name(&config.uid) {
            return Err(Error::Configuration(format!(
                "{:?} is no pod uid",
                config.uid
            )));
        }
        let mut record = match self.record(&config.uid)? {
            Some(record) => record,
            None => Record {
                namespace: config.namespace.clone(),
                name: config.name.clone(),
                hostname: config.hostname.clone(),
                user: self.choose_user(config)?,
                boot: String::new(),
            },
        };
        boot_id().clone_into(&mut record.boot);
        let dir = self.layout.pod(&config.uid);
        let made = layout::make_private(&dir).and_then(|()| self.make_open(&config.uid, &record));
        made.map_err(Error::system("make the pod's directory"))?;
        let written = spec::put(&dir.join("sandbox.json"), &record);
        written.map_err(Error::system("write down the sandbox"))?;
        Ok(record.sandbox(&config.uid))
    }

    fn make_open(&self, uid: &str, record: &Record) -> std::io::Result<()> {
        let open = self.layout.open_pod(uid);
        if self.layout.is_open_apart() {
            layout::make_private(&open)?;
            if let Some(user) = &record.user {
                chown(&open, None, Some(user.gid))?;
            }
            fs::set_permissions(&open, fs::Permissions::from_mode(0o710))?;
        }
        for part in ["work", "volumes"] {
            fs::create_dir_all(open.join(part))?;
            fs::set_permissions(open.join(part), fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    pub(super) fn record(&self, uid: &str) -> Result<Option<Record>, Error> {
        let path = self.layout.pod(uid).join("sandbox.json");
        spec::read(&path).map_err(Error::system("read the sandbox"))
    }

    pub(super) fn list_sandboxes(&self) -> Result<Vec<Sandbox>, Error> {
        let uids = layout::entries(self.layout.pods()).map_err(Error::system("list the pods"))?;
        let mut found = Vec::new();
        for uid in uids {
            if let Some(record) = self.record(&uid)? {
                found.push(record.sandbox(&uid));
            }
        }
        Ok(found)
    }

    pub(super) fn delete_sandbox(&self, uid: &str) -> Result<(), Error> {
        if !is_name(uid) {
            return Err(Error::NotFound(format!("sandbox {uid}")));
        }
        if self.look(uid)?.any_running() {
            return Err(Error::Create(format!("sandbox {uid} still runs")));
        }
        self.cgroups.remove_pod(&group_of(uid));
        // The record first: what is half removed is not taken for a sandbox.
        let dirs: [PathBuf; 2] = [self.layout.pod(uid), self.layout.open_pod(uid)];
        let _ = fs::remove_file(dirs[0].join("sandbox.json"));
        for dir in dirs {
            match fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::system("remove the pod's directory")(e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whom the pod's processes run as: `None` is whoever we are.
    fn choose_user(&self, config: &SandboxConfig) -> Result<Option<User>, Error> {
        if !self.isolation.users {
            self.only_ourselves(config.user)?;
            return Ok(None);
        }
        let uid = match config.user {
            Some(asked) => self.allowed_user(asked)?,
            None => self.free_uid(&config.uid)?,
        };
        let gid = config.group.unwrap_or(uid);
        let mut all = vec![gid];
        all.extend(config.groups.iter().copied().filter(|g| *g != gid));
        if let Some(why) = all.iter().find_map(|g| groups::forbidden(*g)) {
            return Err(Error::Configuration(format!("refused: {why}")));
        }
        Ok(Some(User {
            uid,
            gid,
            groups: all,
        }))
    }

    pub(super) fn allowed_user(&self, asked: u32) -> Result<u32, Error> {
        if asked == 0 {
            let text = "runAsUser 0 is refused: a native process as root would own this machine";
            return Err(Error::Configuration(text.into()));
        }
        Ok(asked)
    }

    pub(super) fn only_ourselves(&self, asked: Option<u32>) -> Result<(), Error> {
        let own = nix::unistd::geteuid().as_raw();
        match asked {
            Some(uid) if uid != own => Err(Error::Configuration(format!(
                "runAsUser {uid}: this agent does not run as root and can start processes only as user {own}"
            ))),
            _ => Ok(()),
        }
    }

    /// The same pod gets the same id on every node, unless another pod has it already.
    fn free_uid(&self, pod: &str) -> Result<u32, Error> {
        let taken: Vec<u32> = self
            .list_sandboxes()?
            .into_iter()
            .filter_map(|s| Some(s.user?.uid))
            .collect();
        let start = hash(pod);
        let mut ids = (0..UIDS).map(|i| FIRST_UID + start.wrapping_add(i) % UIDS);
        ids.find_map(|id| u32::try_from(id).ok().filter(|id| !taken.contains(id)))
            .ok_or_else(|| Error::Create("no user id is free".into()))
    }
}

/// The name of a pod's control group.
pub(super) fn group_of(uid: &str) -> String {
    format!("pod{uid}")
}

impl Record {
    fn sandbox(&self, uid: &str) -> Sandbox {
        Sandbox {
            uid: uid.to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            user: self.user.clone(),
        }
    }
}
