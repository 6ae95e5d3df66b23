//! The few calls by which the log touches its disk.
//!
//! Owns the trait that a test replaces to make a disk full or broken at a chosen moment, and the real
//! one. Leaves what the bytes mean to the other modules.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What the log asks of a disk when it writes. A test implements it to inject failures.
pub trait Disk: Send + Sync + 'static {
    /// Writes some of `bytes` at `position`; returns how many.
    ///
    /// # Errors
    /// As `pwrite`.
    fn write(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        file.write_at(bytes, position)
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// As `fdatasync`. After an error nobody knows what the disk holds.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Reserves space up to `length` and makes the file that long; new bytes read as zero.
    ///
    /// # Errors
    /// As `posix_fallocate`.
    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length) {
            // Some file systems cannot reserve: there the space is taken as it is written.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(length),
            other => other.map_err(io::Error::from),
        }
    }
}

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// Writes all of `bytes` at `position`, however small the steps.
pub(super) fn write_all(
    disk: &dyn Disk,
    file: &File,
    mut bytes: &[u8],
    mut position: u64,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(file, bytes, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                position += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
