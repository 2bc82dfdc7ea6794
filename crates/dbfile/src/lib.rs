//! Tool: the file below a database of the engine redb, for the store of the API and for the tables of links.
//!
//! What it is: [`open`] makes a database under another name and gives it its own when it is complete, so that a crash
//! while its first pages are written leaves none rather than half of one; [`Allocated`] makes a full disk refuse growth
//! before a page is touched. What it never does: know what is in the file. Start reading at [`open`].
#![warn(missing_docs)]

mod file;

use std::io;

pub use file::{Allocated, Disk, OnDisk};

/// Opens the database of a disk. Where there is none it is made first: `start` opens a file as a database, `fill` writes
/// what a new one holds.
///
/// *Guarantees*: a crash at any instant leaves no database, or one that `fill` has finished.
///
/// # Errors
/// What the disk, `start` and `fill` say.
pub fn open<D, E>(
    disk: &dyn Disk,
    start: impl Fn(Allocated) -> Result<D, E>,
    fill: impl FnOnce(&D) -> Result<(), E>,
) -> Result<D, E>
where
    E: From<io::Error> + From<redb::Error>,
{
    if !disk.exists()? {
        let draft = start(disk.create()?)?;
        fill(&draft)?;
        // Closed before it gets its name: it is as whole as it will ever be.
        drop(draft);
        disk.keep()?;
    }
    start(disk.open()?)
}
