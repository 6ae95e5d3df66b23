//! Why the log did not do what was asked.
//!
//! Owns the one error type of every log, with a stable code, an exit code and a remedy for each case.
//! An error about stored data names the file and the position, so that one can look at it.

use super::StreamId;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the log did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The stream does not hold that offset.
    #[error("{stream} holds offsets {}..{}, not {asked}", held.start, held.end)]
    OutOfRange {
        /// Which stream.
        stream: StreamId,
        /// What was asked for.
        asked: u64,
        /// What it holds.
        held: Range<u64>,
    },
    /// One append carries more than a segment can hold. Nothing of it was written.
    #[error("an append of {bytes} bytes is above the log's limit of {limit} bytes")]
    TooLarge {
        /// Bytes of the append as they would stand on disk.
        bytes: usize,
        /// Most bytes of one append.
        limit: usize,
    },
    /// The operating system refused.
    #[error("cannot {what} {} at byte {position}: {source}", file.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        file: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A write or a sync failed earlier, so that nobody knows what the disk holds beyond the last
    /// acknowledged record. The log takes nothing more until it is opened again.
    #[error("the log takes no appends since a failure: {cause}")]
    Poisoned {
        /// The failure.
        cause: Arc<LogError>,
    },
    /// The log was closed before it could take the append.
    #[error("the log is closed")]
    Closed,
    /// Stored data is not what was written. Nothing was skipped or changed.
    #[error("{} is damaged at byte {position}: {what}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Where the damaged part begins, in bytes.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// A file of the log that holds records still needed is not there.
    #[error("{} is missing: {what}", file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
        /// How one can tell.
        what: String,
    },
    /// Another process has the log open.
    #[error("the log in {} is in use by {}", dir.display(), process(*pid))]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The other process, where it could be read.
        pid: Option<u32>,
    },
    /// The directory holds something that is not a log.
    #[error("{} is not an embedded log: it holds {found}", dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// What stands there.
        found: String,
    },
    /// The log was written in a format that this build does not know.
    #[error("{} has log format {found}; this build reads format {known}", file.display())]
    Format {
        /// The file that says so.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The format of this build.
        known: u32,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl LogError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            LogError::OutOfRange { .. } => "log_out_of_range",
            LogError::TooLarge { .. } => "log_append_too_large",
            LogError::Io { source, .. } if is_full(source) => "log_disk_full",
            LogError::Io { .. } => "log_io",
            LogError::Poisoned { .. } => "log_poisoned",
            LogError::Closed => "log_closed",
            LogError::Damaged { .. } => "log_damaged",
            LogError::Missing { .. } => "log_file_missing",
            LogError::Locked { .. } => "log_in_use",
            LogError::Foreign { .. } => "log_foreign_directory",
            LogError::Format { .. } => "log_format_unknown",
        }
    }

    /// Exit code of a command that ends with this error: 2 for wrong input, 3 for the environment.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            LogError::TooLarge { .. } | LogError::Foreign { .. } => 2,
            _ => 3,
        }
    }

    /// What one can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            LogError::OutOfRange { .. } => {
                "the records were trimmed or the log was replaced: use the log and the database that belong together".into()
            }
            LogError::TooLarge { .. } => "send less in one append".into(),
            LogError::Io { source, file, .. } if is_full(source) => {
                format!("free space for {}, then start again; nothing acknowledged is lost", file.display())
            }
            LogError::Io { file, .. } => {
                format!("see that the disk works and that {} may be read and written, then start again", file.display())
            }
            LogError::Poisoned { cause } => cause.remedy(),
            LogError::Closed => "open the log again".into(),
            LogError::Damaged { file, .. } => format!(
                "restore {} and its neighbours from a copy; the log does not start on data that it cannot trust",
                file.display()
            ),
            LogError::Missing { file, .. } => format!("restore {} from a copy", file.display()),
            LogError::Locked { pid, .. } => format!("stop {} first, or use another directory", process(*pid)),
            LogError::Foreign { .. } => "name an empty directory, or one that this program made".into(),
            LogError::Format { .. } => "use the build that wrote the log".into(),
        }
    }

    /// Wraps what the system said about a file.
    pub(crate) fn io(
        what: &'static str,
        file: &Path,
        position: u64,
        source: io::Error,
    ) -> LogError {
        LogError::Io {
            what,
            file: file.to_owned(),
            position,
            source: Arc::new(source),
        }
    }

    /// Says that stored data is wrong.
    pub(crate) fn damaged(file: &Path, position: u64, what: impl Into<String>) -> LogError {
        LogError::Damaged {
            file: file.to_owned(),
            position,
            what: what.into(),
        }
    }
}

/// Whether a write failed for want of space, by quota or file size limit too.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
