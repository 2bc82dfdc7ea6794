//! Groups that would give a container the machine: whoever is in them reads disks, memory or other containers.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Sockets and files whose group is as good as root.
const TELLING: [&str; 6] = [
    "/dev/mem",
    "/dev/kmsg",
    "/etc/shadow",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
];

/// Whether a container must not be in this group, and why.
pub(crate) fn forbidden(gid: u32) -> Option<String> {
    if gid == 0 {
        return Some("group 0 is root's".into());
    }
    let disks = fs::read_dir("/dev").into_iter().flatten().flatten();
    let disks = disks
        .filter(|e| e.file_type().is_ok_and(|t| t.is_block_device()))
        .map(|e| e.path());
    disks
        .chain(TELLING.iter().map(|p| Path::new(p).to_owned()))
        .find(|path| {
            path.metadata()
                .is_ok_and(|m| m.gid() == gid && m.mode() & 0o060 != 0)
        })
        .map(|path| format!("group {gid} may open {}", path.display()))
}
