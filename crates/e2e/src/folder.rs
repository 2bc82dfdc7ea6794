//! A test's own folder.

use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A folder that goes with the test. Declare it before the sites in it, so that it goes after them.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder for the test of this name.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn of(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("cedge-e2e-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        Self(folder)
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a failed test leaves is worth reading.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
