//! Files that must never be half written, nor readable by others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A file that could not be read or written, and which one.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}", path.display())]
pub struct FileError {
    /// `read`, `write`, `create`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub cause: io::Error,
}

impl FileError {
    fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self {
            action,
            path,
            cause,
        }
    }
}

/// Makes a folder (and those above it) that only its owner can enter. One that exists stays as it is.
///
/// # Errors
/// When the folder cannot be made.
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileError::of("create", path))
}

/// Replaces a file in one step: after a power loss there is the old one or the new one, with mode 0600.
///
/// # Errors
/// When it cannot be written; the old file is then untouched.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, 0o600)
}

/// As [`write_private`], for what anybody may read (certificates): mode 0644.
///
/// # Errors
/// When it cannot be written; the old file is then untouched.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, 0o644)
}

/// Reads a file of a few KiB; `None` if there is none.
///
/// # Errors
/// When it exists and cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FileError::of("read", path)(e)),
    }
}

/// As [`read`], for a secret: a file that others could read is closed to them first (backups and copies loosen modes).
///
/// # Errors
/// When it exists and cannot be read.
pub fn read_private(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    if let Ok(meta) = fs::metadata(path)
        && meta.permissions().mode() & 0o077 != 0
    {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(FileError::of("protect", path))?;
    }
    read(path)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let fail = || FileError::of("write", path);
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| {
        fail()(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a file name",
        ))
    })?;
    // A name of its own for each writer: two processes never write into one another's draft.
    let draft = dir.join(format!(
        ".{}.{}.{:08x}",
        name.to_string_lossy(),
        std::process::id(),
        u32::from_be_bytes(crate::random())
    ));
    let written = write_draft(&draft, bytes, mode)
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| File::open(dir)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map_err(fail())
}

fn write_draft(draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}
