//! The platform that a command works with.

use super::remote::Remote;
use super::settings::Settings;
use super::term::Term;
use crate::codegen::{ConcernDesc, Platform};
use crate::driver::{Options, Running};
use crate::simulate::{Invariant, Workload};
use crate::store::{self, Loaded, Store, StoreChoice};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use rkcy_core::key::{Key, RowKey};
use rkcy_core::rows::StoredRow;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// A command's view of its platform: what it is, where it is, how to talk about it.
pub struct Session {
    /// The platform.
    pub platform: Platform,
    /// Where its data is.
    pub settings: Settings,
    /// What is said goes here.
    pub term: Term,
    pub(super) workload: Option<&'static dyn Workload>,
    pub(super) invariants: Vec<Invariant>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Session");
        debug
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        platform: Platform,
        settings: Settings,
        term: Term,
        (workload, invariants): (Option<&'static dyn Workload>, Vec<Invariant>),
    ) -> Session {
        Session {
            platform,
            settings,
            term,
            workload,
            invariants,
        }
    }

    /// The same with other settings.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Session {
        Session {
            platform: self.platform.clone(),
            settings,
            invariants: self.invariants.clone(),
            ..*self
        }
    }

    /// The platform that runs in another process, if one does.
    pub(super) fn remote(&self) -> Result<Option<Remote>, Fault> {
        Remote::find(&self.settings, self.platform.desc)
    }

    /// Starts the platform in this process; says what a crash had left behind. On a log that several processes
    /// share this one only submits: others are at work, or will be.
    ///
    /// # Errors
    /// Where it does not start: another process has it, a file is damaged, the disk is full.
    pub fn start(&self) -> Result<Running, Fault> {
        let mut options = self.settings.options();
        if self.settings.is_shared() {
            options.roles.clear();
        }
        self.start_with(&options)
    }

    /// The same with options that are not settings.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn start_with(&self, options: &Options) -> Result<Running, Fault> {
        outlive_file_limit();
        let running = Running::start(&self.platform, options)?;
        if let Some(recovered) = running.recovered() {
            self.term.warn(&format!(
                "a crash had cut short the last write: {} bytes of {} from byte {} on were dropped; \
                 nothing of them was acknowledged",
                recovered.dropped_bytes,
                recovered.file.display(),
                recovered.position
            ));
        }
        Ok(running)
    }

    /// Opens the database alone, beside a platform that may be running.
    ///
    /// # Errors
    /// Where it is not there or not this platform's.
    pub async fn database(&self) -> Result<Arc<dyn Store>, Fault> {
        if let StoreChoice::Sqlite(file) = &self.settings.store
            && !file.exists()
        {
            let message = format!("there is no database {}", file.display());
            return Err(Fault::new(Class::Unavailable, "store_missing", message));
        }
        self.database_or_new().await
    }

    /// The same, where a file that is not there yet is made.
    pub(super) async fn database_or_new(&self) -> Result<Arc<dyn Store>, Fault> {
        Ok(store::open(&self.settings.store, self.platform.desc.tables()).await?)
    }

    /// Rows as the database has them, in the order of the keys.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn stored(
        &self,
        store: &dyn Store,
        concern: &ConcernDesc,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<Vec<StoredRow>, Fault> {
        let keys = keys.into_iter().map(|key| RowKey {
            concern: concern.id,
            key,
        });
        // Rows are found by their keys alone; the position that comes with them is not used.
        let any = PartitionId {
            concern: concern.id,
            index: 0,
        };
        let Loaded { rows, .. } = store.load(any, keys.collect()).await?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// A concern by name.
    ///
    /// # Errors
    /// [`Class::Invalid`], with the names there are.
    pub fn concern(&self, name: &str) -> Result<&'static ConcernDesc, Fault> {
        let desc = self.platform.desc;
        desc.concern(name).ok_or_else(|| {
            let known: Vec<&str> = desc.declared().map(|concern| concern.name).collect();
            super::args::unknown("concern", name, &known)
        })
    }
}

/// Number of SIGXFSZ, on Linux and macOS alike.
const SIGXFSZ: i32 = 25;

/// At the limit of a file's size (`ulimit -f`) a write is to fail, as on a full disk: unless somebody
/// listens to the signal that comes with it, the process ends without a word.
fn outlive_file_limit() {
    if let Ok(runtime) = runtime() {
        // Once listened to, it stays harmless; where that fails, nothing is worse than before.
        let _ = runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)) });
    }
}

/// A runtime for a command's own waiting.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))
}
