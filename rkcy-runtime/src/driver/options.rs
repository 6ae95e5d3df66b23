//! How a platform is run.

use crate::log::LogChoice;
use crate::log::embedded::Fsync;
use crate::log::group::Role;
use crate::store::StoreChoice;
use rkcy_core::settings::Settings;
use std::path::PathBuf;
use std::time::Duration;

/// How a platform is run in one process.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log.
    pub log: LogChoice,
    /// The database.
    pub store: StoreChoice,
    /// Name of the environment; a log belongs to one.
    pub env: String,
    /// Partitions of every root concern, where the log is new; else what it was made with.
    pub partitions: Option<u16>,
    /// What this process does, on a log that several processes share; with nothing, it only submits. On the
    /// embedded log it does everything.
    pub roles: Vec<Role>,
    /// When an append counts as durable, on the embedded log.
    pub fsync: Fsync,
    /// Bounds that decide outcomes.
    pub settings: Settings,
    /// Set the clocks of the partitions to the machine's, also backwards, for a log that was written
    /// while the machine's clock was ahead. It asserts that no caller still repeats ids made meanwhile:
    /// once the clock comes to their stamps, they would be taken anew. Not for every start.
    pub accept_clock: bool,
    /// Bound of the rows in memory, for all partitions together. Bytes.
    pub cache_bytes: usize,
    /// Worker threads.
    pub threads: usize,
    /// A handler that has not come back for so long ends the process, with exit code 3; zero: never.
    pub watchdog: Duration,
    /// Which build this is, on a log that several processes share; else the hash of the executable.
    pub build: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Options {
            log: LogChoice::Embedded(PathBuf::from("data/log")),
            store: StoreChoice::Sqlite(PathBuf::from("data/platform.db")),
            env: "dev".to_owned(),
            partitions: None,
            roles: vec![Role::Process, Role::Storage],
            fsync: Fsync::Always,
            settings: Settings::default(),
            accept_clock: false,
            cache_bytes: 256 << 20,
            // The log's two threads and storage want a core as well.
            threads: cores.div_ceil(2),
            watchdog: Duration::from_secs(30),
            build: None,
        }
    }
}

impl Options {
    /// Whether this process has a role.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
