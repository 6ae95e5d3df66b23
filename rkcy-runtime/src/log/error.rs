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
    /// A setting, or several together, cannot be meant.
    #[error("settings of the log: {what}")]
    Settings {
        /// Which, and why.
        what: String,
    },
    /// None of the brokers answers.
    #[error("no broker of {brokers} answers: {what}")]
    Unreachable {
        /// The brokers that were tried.
        brokers: String,
        /// What was heard last.
        what: String,
    },
    /// The brokers do not let us in, or we do not trust them.
    #[error("{brokers}: {what}")]
    NoAccess {
        /// The brokers.
        brokers: String,
        /// What was heard.
        what: String,
    },
    /// Topics that the platform needs are not there.
    #[error("topics are missing: {}", topics.join(", "))]
    TopicMissing {
        /// Which.
        topics: Vec<String>,
    },
    /// A topic is not as the platform needs it.
    #[error("topic {topic}: {what}")]
    WrongTopic {
        /// Which.
        topic: String,
        /// What is wrong.
        what: String,
        /// How it is mended.
        mend: String,
    },
    /// The stream belongs to no topic of the platform.
    #[error("no topic holds the {stream}")]
    NoTopic {
        /// Which stream.
        stream: StreamId,
    },
    /// Records between two that are there are not. Nothing was skipped.
    #[error("{stream} goes from offset {expected} to {found}: what stood between them is gone")]
    Gap {
        /// Which stream.
        stream: StreamId,
        /// The offset that should follow.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// The cluster did not take a record. Whether it has it all the same is not known.
    #[error("a record for {stream} was not taken: {what}")]
    NotTaken {
        /// For which stream.
        stream: StreamId,
        /// What the cluster said.
        what: String,
    },
    /// The cluster did not do something else that it was asked for.
    #[error("cannot {doing}: {what}")]
    Cluster {
        /// What it was asked for.
        doing: String,
        /// What it said.
        what: String,
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
            LogError::Settings { .. } => "wrong_setting",
            LogError::Unreachable { .. } => "log_unreachable",
            LogError::NoAccess { .. } => "log_no_access",
            LogError::TopicMissing { .. } => "log_topic_missing",
            LogError::WrongTopic { .. } => "log_topic_wrong",
            LogError::NoTopic { .. } => "log_no_topic",
            LogError::Gap { .. } => "log_hole",
            LogError::NotTaken { .. } => "log_not_taken",
            LogError::Cluster { .. } => "log_cluster",
        }
    }

    /// Exit code of a command that ends with this error: 2 for wrong input, 3 for the environment.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            LogError::TooLarge { .. } | LogError::Foreign { .. } | LogError::Settings { .. } => 2,
            _ => 3,
        }
    }

    /// What one can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            LogError::OutOfRange { .. } => {
                "the records were trimmed, or their time in the log was over, or the log was replaced: use the log and the database that belong together".into()
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
            LogError::Settings { .. } => "mend the setting; docs/kafka.md has them all".into(),
            LogError::Unreachable { .. } => {
                "see that the brokers run, that address and port are right and that no firewall stands between".into()
            }
            LogError::NoAccess { .. } => {
                "see that `sasl`, `user`, `password`, `ca`, `certificate` and `key` fit the brokers' listener, and that the user may do this".into()
            }
            LogError::TopicMissing { .. } => {
                "create them with `platform create`, or see that platform, environment and cluster are the ones that are meant".into()
            }
            LogError::WrongTopic { mend, .. } => mend.clone(),
            LogError::NoTopic { .. } => "use the build and the environment that the log was made for".into(),
            LogError::Gap { .. } => {
                "somebody else has written to the topic, or it is compacted: records are lost; restore the topic, or begin a new platform".into()
            }
            LogError::NotTaken { .. } | LogError::Cluster { .. } => {
                "see what the brokers say about it in their own logs, then start again; nothing acknowledged is lost".into()
            }
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
