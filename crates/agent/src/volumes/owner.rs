//! Gives a directory that outlives pods to the next one: each pod runs as a user of its own, unless it says as whom.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use cedge_runtime::User;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchownat};

/// Makes `user` the owner of a directory and of all in it, unless the directory is already theirs.
///
/// Pods can write there meanwhile, so no link is ever followed: each directory is opened from the one above it.
pub(super) fn give(path: &Path, user: &User) -> io::Result<()> {
    if fs::symlink_metadata(path)?.uid() == user.uid {
        return Ok(());
    }
    walk(&open(path, flags(), Mode::empty())?, user)?;
    // Last: who is stopped halfway begins again.
    std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid))
}

fn walk(dir: &OwnedFd, user: &User) -> io::Result<()> {
    let mut entries: Vec<(CString, Option<Type>)> = Vec::new();
    for entry in Dir::from_fd(dir.try_clone()?)?.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            entries.push((name.to_owned(), entry.file_type()));
        }
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    for (name, kind) in entries {
        let flag = AtFlags::AT_SYMLINK_NOFOLLOW;
        match fchownat(dir, name.as_c_str(), Some(uid), Some(gid), flag) {
            Err(Errno::ENOENT) => continue,
            done => done?,
        }
        if matches!(kind, Some(Type::Directory) | None) {
            match openat(dir, name.as_c_str(), flags(), Mode::empty()) {
                Ok(below) => walk(&below, user)?,
                Err(Errno::ENOTDIR | Errno::ELOOP | Errno::ENOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}

fn flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn all_in_a_directory_changes_hands_and_nothing_behind_a_link() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (volume, outside) = (dir.path().join("volume"), dir.path().join("outside"));
        fs::create_dir_all(volume.join("a/b")).unwrap();
        fs::write(volume.join("a/b/file"), "").unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        symlink(&outside, volume.join("a/link")).unwrap();
        let user = User {
            uid: 12_345,
            gid: 12_345,
            groups: Vec::new(),
        };
        give(&volume, &user).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        for path in ["", "a", "a/b", "a/b/file", "a/link"] {
            assert_eq!(owner(&volume.join(path)), 12_345, "{path}");
        }
        assert_eq!((owner(&outside), owner(&outside.join("file"))), (0, 0));
    }
}
