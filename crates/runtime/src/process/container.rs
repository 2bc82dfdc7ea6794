//! Making and starting a container.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cedge_pod_lifecycle::ContainerId;
use nix::sys::stat::Mode;

use super::sandbox::{Record, group_of};
use super::{ProcessRuntime, layout};
use crate::cri::{ContainerConfig, Error};
use crate::spec::{self, Bind, Files, LastWord, Mounts, Spec, Started, User, WORK};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Finished attempts that are kept of each container: the last one, for `logs --previous`.
const ATTEMPTS_KEPT: usize = 1;

impl ProcessRuntime {
    pub(super) fn make_container(
        &self,
        uid: &str,
        config: ContainerConfig,
    ) -> Result<ContainerId, Error> {
        if config.argv.is_empty() {
            return Err(Error::Create(
                "no command: a native process has no image that could bring one, so the container needs `command` or `args`"
                    .into(),
            ));
        }
        let record = self
            .record(uid)?
            .ok_or_else(|| Error::NotFound(format!("sandbox {uid}")))?;
        let user = self.user_of(&record, &config)?;
        let id = layout::id(uid, &config.name, config.attempt);
        let files = self.layout.files(&id)?;
        self.give_up_earlier(uid, &config.name)
            .map_err(Error::system("look at earlier attempts"))?;
        let work = self.layout.work(&id)?;
        let last_word = LastWord {
            file: work.join(".termination-log"),
            or_log: config.termination_from_log,
        };
        let made = self.make_dirs(&files, &work, user.as_ref(), &config, &last_word);
        made.map_err(Error::system("make the container's directory"))?;
        let group = format!("{}-{}", config.name, config.attempt);
        let spec = Spec {
            env: self.environment(&record, &config, &work),
            binds: self.binds(&config, &last_word),
            work,
            argv: config.argv,
            cwd: config.working_dir,
            masks: self.masks(),
            mounts: self.isolation.mounts,
            user,
            hostname: record.hostname,
            cgroups: self.cgroups.create(&group_of(uid), &group, config.limits),
            shim_groups: self.shim_groups.clone(),
            stdin: config.stdin,
            last_word,
            log_bytes_max: self.options.log_bytes_max,
        };
        spec::put(&files.spec(), &spec).map_err(Error::system("write down the container"))?;
        Ok(id)
    }

    fn user_of(&self, record: &Record, config: &ContainerConfig) -> Result<Option<User>, Error> {
        let Some(mut user) = record.user.clone() else {
            self.only_ourselves(config.user)?;
            if config.non_root && nix::unistd::geteuid().is_root() {
                let text = "runAsNonRoot: the agent is root and cannot become anybody else here";
                return Err(Error::Configuration(text.into()));
            }
            return Ok(None);
        };
        if let Some(asked) = config.user {
            user.uid = self.allowed_user(asked)?;
        }
        if let Some(gid) = config.group {
            if let Some(why) = crate::groups::forbidden(gid) {
                return Err(Error::Configuration(format!("refused: {why}")));
            }
            user.gid = gid;
            user.groups.push(gid);
        }
        Ok(Some(user))
    }

    /// Only one attempt of a container can run: those that were made and never started cannot start any more.
    fn give_up_earlier(&self, uid: &str, name: &str) -> io::Result<()> {
        let mut attempts = self.layout.attempts(uid, name)?;
        attempts.sort_unstable();
        for attempt in &attempts {
            let given_up = Started {
                at: cedge_tasks::clock::now(),
                running: None,
            };
            spec::claim(
                &self.layout.container(uid, name, *attempt).started(),
                &given_up,
            )?;
        }
        let old = attempts.len().saturating_sub(ATTEMPTS_KEPT);
        for attempt in attempts.drain(..old) {
            let files = self.layout.container(uid, name, attempt);
            if self.is_running(&files) {
                continue;
            }
            let id = layout::id(uid, name, attempt);
            let work = self.layout.work(&id).map_err(io::Error::other)?;
            for dir in [&work, &files.0] {
                let _ = fs::remove_dir_all(dir);
            }
        }
        Ok(())
    }

    fn make_dirs(
        &self,
        files: &Files,
        work: &Path,
        user: Option<&User>,
        config: &ContainerConfig,
        last_word: &LastWord,
    ) -> io::Result<()> {
        layout::make_private(&files.0)?;
        fs::create_dir_all(files.root())?;
        fs::create_dir_all(work)?;
        fs::set_permissions(work, fs::Permissions::from_mode(0o700))?;
        fs::write(&last_word.file, b"")?;
        if config.stdin {
            match nix::unistd::mkfifo(&files.stdin(), Mode::from_bits_truncate(0o600)) {
                Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        if self.isolation.mounts == Mounts::None {
            for mount in &config.mounts {
                let place = below(work, &mount.target);
                if let Some(parent) = place.parent() {
                    fs::create_dir_all(parent)?;
                }
                let source = mount.sub_path.as_ref().map(|sub| mount.source.join(sub));
                let source = source.unwrap_or_else(|| mount.source.clone());
                if mount.sub_path.is_some() && !source.exists() {
                    fs::create_dir_all(&source)?;
                    own(&source, user)?;
                }
                symlink(source, place)?;
            }
        }
        own(&last_word.file, user)?;
        own(work, user)
    }

    fn environment(
        &self,
        record: &Record,
        config: &ContainerConfig,
        work: &Path,
    ) -> Vec<(String, String)> {
        let placed = self.isolation.mounts != Mounts::None;
        let home = if placed {
            PathBuf::from(WORK)
        } else {
            work.to_owned()
        };
        let show = |path: &Path| path.to_string_lossy().into_owned();
        let mut env = vec![
            ("PATH".to_owned(), PATH.to_owned()),
            ("HOSTNAME".to_owned(), record.hostname.clone()),
            ("HOME".to_owned(), show(&home)),
            (
                "CEDGE_TERMINATION_LOG".to_owned(),
                show(&home.join(".termination-log")),
            ),
        ];
        let mut named = BTreeSet::new();
        for mount in &config.mounts {
            let place = if placed {
                mount.target.clone()
            } else {
                below(work, &mount.target)
            };
            let name = variable(&mount.volume);
            let numbered = (2..).map(|i| format!("{name}_{i}"));
            let mut free = std::iter::once(name.clone()).chain(numbered);
            if let Some(name) = free.find(|n| named.insert(n.clone())) {
                env.push((name, show(&place)));
            }
        }
        env.retain(|(key, _)| !config.env.iter().any(|(own, _)| own == key));
        env.extend(config.env.iter().cloned());
        env
    }

    fn binds(&self, config: &ContainerConfig, last_word: &LastWord) -> Vec<Bind> {
        if self.isolation.mounts == Mounts::None {
            return Vec::new();
        }
        let mut binds: Vec<Bind> = config
            .mounts
            .iter()
            .map(|mount| Bind {
                source: mount.source.clone(),
                sub_path: mount.sub_path.clone(),
                target: mount.target.clone(),
                read_only: mount.read_only,
            })
            .collect();
        // Outer ones first, so that an inner one is not hidden.
        binds.sort_by_key(|b| b.target.components().count());
        // Not below /dev, where the default is: replacing that directory would hide devices that come later.
        let path = config.termination_path.as_deref().map(Path::new);
        if let Some(path) = path.filter(|p| p.is_absolute() && !p.starts_with("/dev")) {
            binds.push(Bind {
                source: last_word.file.clone(),
                sub_path: None,
                target: path.to_owned(),
                read_only: false,
            });
        }
        binds
    }

    fn masks(&self) -> Vec<PathBuf> {
        let mut masks = vec![self.options.data_dir.clone()];
        masks.extend(self.options.masks.iter().cloned());
        masks
    }

    pub(super) async fn start(&self, id: &ContainerId) -> Result<(), Error> {
        let files = self.files(id)?;
        let mut command = self.shim("run", &files.0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let run = tokio::time::timeout(Duration::from_secs(60), command.output());
        let output = run
            .await
            .map_err(|_| io::ErrorKind::TimedOut.into())
            .flatten();
        let output = output.map_err(Error::system("run the shim"))?;
        if !output.stdout.is_empty() {
            return Err(Error::Start(
                String::from_utf8_lossy(&output.stdout).into_owned(),
            ));
        }
        let started: Option<Started> =
            spec::read(&files.started()).map_err(Error::system("read the container's start"))?;
        match started.and_then(|s| s.running) {
            Some(_) => Ok(()),
            None => Err(Error::Start(
                "the shim ended without starting the container".into(),
            )),
        }
    }

    pub(super) fn files(&self, id: &ContainerId) -> Result<Files, Error> {
        let files = self.layout.files(id)?;
        if files.0.is_dir() {
            return Ok(files);
        }
        Err(Error::NotFound(format!("container {id}")))
    }
}

/// Where a volume lies that cannot be at its place.
pub(super) fn below(work: &Path, target: &Path) -> PathBuf {
    let names = target
        .components()
        .filter(|c| matches!(c, Component::Normal(_)));
    names.fold(work.to_owned(), |path, name| path.join(name))
}

/// `my-data` → `CEDGE_VOLUME_MY_DATA`.
fn variable(volume: &str) -> String {
    let upper = volume.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    format!("CEDGE_VOLUME_{}", upper.collect::<String>())
}

fn own(path: &Path, user: Option<&User>) -> io::Result<()> {
    match user {
        Some(user) => chown(path, Some(user.uid), Some(user.gid)),
        None => Ok(()),
    }
}
