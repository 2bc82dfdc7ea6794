//! Files that change all at once: a reader sees the old ones or the new ones, never some of both.
//!
//! The files lie in a directory with a name of its own; `..data` is a link to it; what a reader opens are links through
//! `..data`. Renaming one link changes everything, as with the kubelet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use cedge_runtime::User;

const DATA: &str = "..data";

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    content: Vec<u8>,
    mode: u32,
}

/// Path in the volume → file.
pub(super) type Files = BTreeMap<String, File>;

impl File {
    pub(super) fn new(content: Vec<u8>, mode: i32) -> Self {
        let mode = u32::try_from(mode).unwrap_or(0o644) & 0o777;
        Self { content, mode }
    }
}

/// Makes the volume at `dir` show exactly `files`.
pub(super) fn write(dir: &Path, files: &Files, owner: Option<&User>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    let link = dir.join(DATA);
    let old = fs::read_link(&link).ok().map(|name| dir.join(name));
    if old.as_ref().is_some_and(|old| shows(old, files)) {
        return link_all(dir, files);
    }
    let fresh = fresh_dir(dir)?;
    for (path, file) in files {
        write_file(&fresh, path, file, owner)?;
    }
    let beside = dir.join("..data_tmp");
    let _ = fs::remove_file(&beside);
    symlink(fresh.file_name().unwrap_or_default(), &beside)?;
    fs::rename(&beside, &link)?;
    link_all(dir, files)?;
    // What is left of runs that were cut short goes as well.
    for entry in fs::read_dir(dir)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("..2") && entry.path() != fresh {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn fresh_dir(dir: &Path) -> io::Result<PathBuf> {
    let now = cedge_tasks::clock::now().strftime("%Y_%m_%d_%H_%M_%S.%9f");
    let fresh = dir.join(format!("..{now}"));
    fs::create_dir(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
    Ok(fresh)
}

/// The pod's group may read what its owner may: containers of a pod may have different users.
fn write_file(dir: &Path, path: &str, file: &File, owner: Option<&User>) -> io::Result<()> {
    let place = dir.join(path);
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&place, &file.content)?;
    let mut mode = file.mode;
    if let Some(user) = owner {
        chown(&place, Some(user.uid), Some(user.gid))?;
        mode |= (mode & 0o500) >> 3;
    }
    fs::set_permissions(&place, fs::Permissions::from_mode(mode))
}

/// Links for the first names of all paths, and for no others.
fn link_all(dir: &Path, files: &Files) -> io::Result<()> {
    let names = files.keys().filter_map(|p| p.split('/').next());
    let wanted: BTreeSet<&str> = names.collect();
    for entry in fs::read_dir(dir)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !wanted.contains(name.as_str()) {
            fs::remove_file(entry.path())?;
        }
    }
    for name in wanted {
        let link = dir.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    Ok(())
}

fn shows(dir: &Path, files: &Files) -> bool {
    let mut found = 0;
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path
                .strip_prefix(dir)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let same = |file: &File| {
                let mode = path.metadata().map_or(0, |m| m.permissions().mode());
                mode & 0o707 == file.mode & 0o707
                    && fs::read(&path).is_ok_and(|c| c == file.content)
            };
            if !files.get(&name).is_some_and(same) {
                return false;
            }
            found += 1;
        }
    }
    found == files.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        let pairs = list
            .iter()
            .map(|(k, v)| ((*k).to_owned(), File::new(v.as_bytes().to_vec(), 0o640)));
        pairs.collect()
    }

    #[test]
    fn a_change_is_seen_whole_through_links_that_stay() {
        let dir = std::env::temp_dir().join(format!("cedge-atomic-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
        write(&dir, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
        assert_eq!(
            (read("a").as_deref(), read("sub/b").as_deref()),
            (Some("1"), Some("2"))
        );
        let before = fs::read_link(dir.join(DATA)).unwrap();
        write(&dir, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
        assert_eq!(
            fs::read_link(dir.join(DATA)).unwrap(),
            before,
            "nothing changed"
        );
        write(&dir, &files(&[("a", "3"), ("c", "4")]), None).unwrap();
        assert_eq!(
            (read("a").as_deref(), read("c").as_deref()),
            (Some("3"), Some("4"))
        );
        assert!(!dir.join("sub").exists() && !dir.join(before).exists());
        let mode = fs::metadata(dir.join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        fs::remove_dir_all(dir).unwrap();
    }
}
