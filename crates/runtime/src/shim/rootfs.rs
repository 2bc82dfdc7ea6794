//! The file tree of a container: the host's, with volumes at their places and our own keys out of sight.
//!
//! The new root is an empty tmpfs into which every entry of `/` is bound. Where a mount point is missing, the directory
//! that should hold it is replaced in the same way, so that nothing is ever created on the host. Only the container's own
//! namespace sees any of this, and it is gone with the container.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{Gid, Uid, fchownat, getegid, geteuid, pivot_root, sethostname};

use crate::spec::{Bind, Mounts, Spec, User, WORK};

/// More entries than this in one directory are not bound one by one.
const ENTRIES_MAX: usize = 4096;
const LINKS_MAX: usize = 40;
const NONE: Option<&str> = None;

/// The new root while it is built.
struct Tree {
    root: PathBuf,
    /// Directories (relative to the root) that are ours, so that entries can be made in them.
    own: BTreeSet<PathBuf>,
}

/// Leaves the host's mount namespace and goes into a tree built as `spec` says, at the mount point `root`.
pub(super) fn enter(root: &Path, spec: &Spec) -> io::Result<()> {
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    separate(spec.mounts)?;
    let _ = sethostname(&spec.hostname);
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    let mut tree = Tree::new(root)?;
    for mask in &spec.masks {
        tree.mask(mask)?;
    }
    let user = spec.user.as_ref();
    let work = Bind {
        source: spec.work.clone(),
        sub_path: None,
        target: PathBuf::from(WORK),
        read_only: false,
    };
    for bind in std::iter::once(&work).chain(&spec.binds) {
        let done = tree.bind(bind, user);
        done.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", bind.target.display())))?;
    }
    if let Some(cwd) = &spec.cwd {
        tree.ensure(Path::new(cwd), true, user)?;
    }
    std::env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")
}

fn separate(mounts: Mounts) -> io::Result<()> {
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    if mounts != Mounts::UserNamespace {
        return Ok(unshare(flags)?);
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(flags | CloneFlags::CLONE_NEWUSER)?;
    // The same ids inside as outside: nothing changes but the right to mount.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

// === impl Tree ===

impl Tree {
    fn new(root: &Path) -> io::Result<Self> {
        let host = File::open("/")?;
        mount_tmpfs(root)?;
        // So that binding the directory it stands in does not bring a copy of it along.
        mount(NONE, root, NONE, MsFlags::MS_UNBINDABLE, NONE)?;
        fill(root, &host)?;
        Ok(Self {
            root: root.to_owned(),
            own: BTreeSet::from([PathBuf::new()]),
        })
    }

    /// Hides a directory of the host behind an empty one.
    fn mask(&self, path: &Path) -> io::Result<()> {
        let Ok(path) = path.canonicalize() else {
            return Ok(());
        };
        let inside = self.root.join(path.strip_prefix("/").unwrap_or(&path));
        if !inside.is_dir() {
            // Below another one that is hidden already; or a file, whose directory is to be named instead.
            return Ok(());
        }
        mount_tmpfs(&inside)?;
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        Ok(mount(
            NONE,
            &inside,
            NONE,
            flags | kept_flags(&inside)?,
            NONE,
        )?)
    }

    fn bind(&mut self, bind: &Bind, user: Option<&User>) -> io::Result<()> {
        let source = open_beneath(&bind.source, bind.sub_path.as_deref(), user)?;
        let kind = SFlag::from_bits_truncate(fstat(&source)?.st_mode) & SFlag::S_IFMT;
        let target = self.ensure(&bind.target, kind == SFlag::S_IFDIR, None)?;
        mount(
            Some(&handle(&source)),
            &target,
            NONE,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NONE,
        )?;
        if bind.read_only {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            mount(NONE, &target, NONE, flags | kept_flags(&target)?, NONE)?;
        }
        Ok(())
    }

    /// Makes sure that something can be mounted at `target`; returns where that is while the tree is built.
    fn ensure(&mut self, target: &Path, dir: bool, owner: Option<&User>) -> io::Result<PathBuf> {
        let mut todo: VecDeque<OsString> = names(target);
        let (mut here, mut links) = (PathBuf::new(), 0);
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let real = self.root.join(&next);
            match real.symlink_metadata() {
                Ok(found) if found.is_symlink() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(nix::errno::Errno::ELOOP.into());
                    }
                    let link = fs::read_link(&real)?;
                    if link.is_absolute() {
                        here = PathBuf::new();
                    }
                    for name in names(&link).into_iter().rev() {
                        todo.push_front(name);
                    }
                }
                Ok(_) => here = next,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    self.take_over(&here)?;
                    if dir || !todo.is_empty() {
                        fs::create_dir(&real)?;
                        self.own.insert(next.clone());
                    } else {
                        File::create(&real)?;
                    }
                    if let Some(user) = owner {
                        let _ = std::os::unix::fs::chown(&real, Some(user.uid), Some(user.gid));
                    }
                    here = next;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(self.root.join(here))
    }

    /// Replaces a directory of the host by one of ours with the same entries.
    fn take_over(&mut self, dir: &Path) -> io::Result<()> {
        if self.own.contains(dir) {
            return Ok(());
        }
        let path = self.root.join(dir);
        let host = File::open(&path)?;
        let meta = host.metadata()?;
        mount_tmpfs(&path)?;
        fs::set_permissions(&path, meta.permissions())?;
        let _ = std::os::unix::fs::chown(&path, Some(meta.uid()), Some(meta.gid()));
        fill(&path, &host)?;
        self.own.insert(dir.to_owned());
        Ok(())
    }
}

/// Binds every entry of the directory behind `host` into `path`. What cannot be bound is left out.
fn fill(path: &Path, host: &File) -> io::Result<()> {
    let source = PathBuf::from(format!("/proc/self/fd/{}", host.as_raw_fd()));
    let entries: Vec<_> = fs::read_dir(&source)?.collect::<Result<_, _>>()?;
    if entries.len() > ENTRIES_MAX {
        return Err(io::Error::other("the directory has too many entries"));
    }
    for entry in entries {
        let (from, to) = (source.join(entry.file_name()), path.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            let _ = fs::read_link(&from).and_then(|link| symlink(link, &to));
            continue;
        }
        if kind.is_dir() {
            fs::create_dir(&to)?;
        } else {
            File::create(&to)?;
        }
        let _ = mount(
            Some(&from),
            &to,
            NONE,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NONE,
        );
    }
    Ok(())
}

fn mount_tmpfs(path: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=1m"),
    )?)
}

/// The flags of a mount that a remount must not take away (nor may, inside a user namespace).
fn kept_flags(path: &Path) -> io::Result<MsFlags> {
    let has = statvfs(path)?.flags();
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = pairs.into_iter().filter(|(flag, _)| has.contains(*flag));
    Ok(kept.fold(MsFlags::empty(), |all, (_, flag)| all | flag))
}

/// Opens `source/sub`, following no link below `source`: a container could have laid one there to be shown what
/// is not its own. Missing directories are made, and belong to `user`.
fn open_beneath(source: &Path, sub: Option<&Path>, user: Option<&User>) -> io::Result<OwnedFd> {
    let handle = OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let options = (OFlag::O_PATH | OFlag::O_CLOEXEC).bits();
    let mut here = OwnedFd::from(
        fs::OpenOptions::new()
            .read(true)
            .custom_flags(options)
            .open(source)?,
    );
    for name in sub.map(names).unwrap_or_default() {
        if name == ".." {
            return Err(io::Error::other("subPath must not hold `..`"));
        }
        let next = match openat(&here, name.as_os_str(), handle, Mode::empty()) {
            Err(nix::errno::Errno::ENOENT) => {
                mkdirat(&here, name.as_os_str(), Mode::from_bits_truncate(0o750))?;
                if let Some(user) = user {
                    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
                    let no_follow = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
                    fchownat(&here, name.as_os_str(), Some(uid), Some(gid), no_follow)?;
                }
                openat(&here, name.as_os_str(), handle, Mode::empty())?
            }
            opened => opened?,
        };
        let kind = SFlag::from_bits_truncate(fstat(&next)?.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFLNK {
            return Err(io::Error::other("subPath leads over a symbolic link"));
        }
        here = next;
    }
    Ok(here)
}

fn handle(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|c| match c {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}
