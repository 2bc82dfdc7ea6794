//! A disk that can be filled.

#![expect(clippy::panic, reason = "a disk that fails otherwise ends the test")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory, unmounted with its owner. Declare it before the sites on it.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// A file system of so many MiB at `at`.
    ///
    /// # Errors
    /// Why there is none: whoever runs the test may not mount, for example.
    pub fn mount(at: &Path, mib: u32) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|e| e.to_string())?;
        let mut mount = Command::new("mount");
        let options = format!("size={mib}m");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        match mount.output() {
            Ok(done) if done.status.success() => Ok(Self(at.to_owned())),
            Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Writes until nothing fits any more.
    ///
    /// # Panics
    /// If anything else goes wrong.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file on the small disk");
        // Large pieces first, then what a large one does not fit into.
        for piece in [1 << 20, 4096] {
            let zeros = vec![0; piece];
            loop {
                match file.write_all(&zeros) {
                    Ok(()) => {}
                    Err(full) if full.kind() == io::ErrorKind::StorageFull => break,
                    Err(other) => panic!("not full: {other}"),
                }
            }
        }
    }

    /// Gives the space back.
    ///
    /// # Panics
    /// If the file cannot be removed.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("what was filled in");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
