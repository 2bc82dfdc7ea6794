//! Which hierarchies are mounted, and where in them groups can be made.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Cgroups, V2};

const CONTROLLERS: [&str; 3] = ["cpu", "cpuacct", "memory"];

/// One mounted hierarchy.
struct Hierarchy {
    point: PathBuf,
    v2: bool,
    /// Of v1: its controllers.
    controllers: Vec<String>,
}

pub(super) fn detect(name: &str) -> Cgroups {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Cgroups::default();
    for hierarchy in mounts.lines().filter_map(parse_mount) {
        let Some(base) = base(&hierarchy, &own, name) else {
            continue;
        };
        if hierarchy.v2 {
            let parent = base.parent().unwrap_or(&base);
            enable(parent, &CONTROLLERS.map(String::from));
            found.v2 = Some(V2 {
                controllers: enable(&base, &CONTROLLERS.map(String::from)),
                base,
            });
            continue;
        }
        for controller in hierarchy.controllers {
            if CONTROLLERS.contains(&controller.as_str()) {
                found.v1.push((controller, base.clone()));
            }
        }
    }
    found
}

/// Hands controllers on to the groups below `dir`; returns those that are.
pub(super) fn enable(dir: &Path, controllers: &[String]) -> Vec<String> {
    let file = dir.join("cgroup.subtree_control");
    for controller in controllers {
        let _ = fs::write(&file, format!("+{controller}"));
    }
    let enabled = fs::read_to_string(&file).unwrap_or_default();
    let enabled: Vec<&str> = enabled.split_whitespace().collect();
    let kept = controllers.iter().filter(|c| enabled.contains(&c.as_str()));
    kept.cloned().collect()
}

/// The base directories of an agent that exist.
pub(super) fn existing(name: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let all = mounts
        .lines()
        .filter_map(parse_mount)
        .flat_map(|h| bases(&h, &own, name));
    all.filter(|dir| dir.is_dir()).collect()
}

/// Whichever base directory can be made.
fn base(hierarchy: &Hierarchy, own: &str, name: &str) -> Option<PathBuf> {
    let mut bases = bases(hierarchy, own, name).into_iter();
    bases.find(|dir| fs::create_dir_all(dir).is_ok() && can_move(dir))
}

/// Ours below the hierarchy's root, or below the group that we are in.
fn bases(hierarchy: &Hierarchy, own: &str, name: &str) -> Vec<PathBuf> {
    let own = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = if hierarchy.v2 {
            controllers.is_empty()
        } else {
            controllers
                .split(',')
                .any(|c| hierarchy.controllers.iter().any(|h| h == c))
        };
        ours.then(|| hierarchy.point.join(path.trim_start_matches('/')))
    });
    let folder = format!("cedge-{name}");
    let parents = [Some(hierarchy.point.clone()), own].into_iter().flatten();
    parents.map(|parent| parent.join(&folder)).collect()
}

/// To move a process into a group one must be allowed to write there.
fn can_move(dir: &Path) -> bool {
    fs::OpenOptions::new()
        .write(true)
        .open(dir.join("cgroup.procs"))
        .is_ok()
}

/// `36 35 0:30 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory`
fn parse_mount(line: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1)?;
    let v2 = kind == "cgroup2";
    if !v2 && kind != "cgroup" {
        return None;
    }
    Some(Hierarchy {
        point: PathBuf::from(left.split(' ').nth(4)?),
        v2,
        controllers: options.split(',').map(ToOwned::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_hierarchy_are_recognised() {
        let v1 = parse_mount(
            "36 35 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct",
        );
        let v1 = v1.unwrap();
        assert_eq!(v1.point, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert!(!v1.v2 && v1.controllers.contains(&"cpuacct".to_owned()));
        let v2 = parse_mount("29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate");
        assert!(v2.unwrap().v2);
        assert!(parse_mount("22 28 0:20 / /proc rw - proc proc rw").is_none());
    }
}
