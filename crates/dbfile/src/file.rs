//! The file below the engine: its space is allocated when it grows, not when a page is first written.
//!
//! A disk that fills up then refuses the growth, before any page of the database is touched, and all that is in the
//! file can still be read, checked after a crash, and rewritten in place.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Where a database lives. Opened anew after a failure.
pub trait Disk: std::fmt::Debug + Send + Sync {
    /// Whether there is one.
    ///
    /// # Errors
    /// The disk.
    fn exists(&self) -> io::Result<bool>;

    /// Opens the one that there is.
    ///
    /// # Errors
    /// The disk; it is open already.
    fn open(&self) -> Result<Allocated, redb::Error>;

    /// Begins a new one, which nobody sees before [`Disk::keep`]: a crash while the engine writes its first pages
    /// would leave a file that is neither empty nor a database.
    ///
    /// # Errors
    /// The disk.
    fn create(&self) -> Result<Allocated, redb::Error>;

    /// Makes the new one, complete by now, the one that there is; unless another was quicker.
    ///
    /// # Errors
    /// The disk.
    fn keep(&self) -> io::Result<()>;
}

/// A file of the file system.
#[derive(Debug)]
pub struct OnDisk(pub PathBuf);

/// A database with its space allocated ahead.
#[derive(Debug)]
pub struct Allocated {
    inner: Box<dyn StorageBackend>,
    /// The same open file, for what the engine's own backend does not offer; none if it is not a file.
    file: Option<File>,
}

// === impl OnDisk ===

impl OnDisk {
    /// Beside the file, so that it can take its name; of this process, so that two that begin do not share it.
    fn draft(&self) -> PathBuf {
        let mut name = self.draft_prefix();
        name.push(std::process::id().to_string());
        self.0.with_file_name(name)
    }

    fn draft_prefix(&self) -> OsString {
        let mut name = self.0.file_name().unwrap_or_default().to_owned();
        name.push(".new-");
        name
    }

    fn folder(&self) -> &Path {
        match self.0.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Drafts of processes that were killed while they created the file.
    fn remove_drafts(&self) -> io::Result<()> {
        let prefix = self.draft_prefix();
        for entry in std::fs::read_dir(self.folder())? {
            let entry = entry?;
            let name = entry.file_name();
            if name
                .as_encoded_bytes()
                .starts_with(prefix.as_encoded_bytes())
            {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Disk for OnDisk {
    fn exists(&self) -> io::Result<bool> {
        match std::fs::metadata(&self.0) {
            Ok(found) => Ok(found.len() > 0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn open(&self) -> Result<Allocated, redb::Error> {
        Allocated::of(OpenOptions::new().read(true).write(true).open(&self.0)?)
    }

    fn create(&self) -> Result<Allocated, redb::Error> {
        self.remove_drafts()?;
        let mut options = OpenOptions::new();
        // Secrets will be in it.
        options.read(true).write(true).create_new(true).mode(0o600);
        Allocated::of(options.open(self.draft())?)
    }

    fn keep(&self) -> io::Result<()> {
        let draft = self.draft();
        if std::fs::metadata(&self.0).is_ok_and(|found| found.len() == 0) {
            std::fs::rename(&draft, &self.0)?;
        } else {
            match std::fs::hard_link(&draft, &self.0) {
                Ok(()) => std::fs::remove_file(&draft)?,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => std::fs::remove_file(&draft)?,
                // Not every file system has links.
                Err(_) => std::fs::rename(&draft, &self.0)?,
            }
        }
        // The name must survive a power loss as well.
        File::open(self.folder())?.sync_all()
    }
}

// === impl Allocated ===

impl Allocated {
    fn of(file: File) -> Result<Self, redb::Error> {
        Ok(Self {
            inner: Box::new(FileBackend::new(file.try_clone()?)?),
            file: Some(file),
        })
    }

    /// What is not a file, such as a disk that loses power in a test.
    #[must_use]
    pub fn elsewhere(inner: impl StorageBackend) -> Self {
        Self {
            inner: Box::new(inner),
            file: None,
        }
    }
}

impl StorageBackend for Allocated {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.inner.len()?;
        if len > before
            && let Some(file) = &self.file
            && let Err(e) = allocate(file, before, len - before)
        {
            // Give back what was allocated before the disk was full.
            let _ = self.inner.set_len(before);
            return Err(e);
        }
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};

    let range = |n: u64| i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    match fallocate(file, FallocateFlags::empty(), range(from)?, range(bytes)?) {
        // Not every file system can: then a full disk is met at the first write instead.
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}
