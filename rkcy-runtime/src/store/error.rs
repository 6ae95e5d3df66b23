//! Why the database did not do what was asked.
//!
//! Owns the one error type of every store, with a stable code, a class, and a remedy for each case. The
//! mapping from a driver's errors stands beside each store.

use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::storage::StoredPosition;
use std::sync::Arc;

/// Why the database did not do what was asked. `store` is the file, or the address without secrets.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, opened or locked now.
    #[error("the database {store} is not available: {source}")]
    Unavailable {
        /// Which database.
        store: Arc<str>,
        /// What its driver said.
        source: Arc<sqlx::Error>,
    },
    /// Its disk is full.
    #[error("the disk of the database {store} is full")]
    Full {
        /// Which database.
        store: Arc<str>,
    },
    /// It may be read only.
    #[error("the database {store} may not be written")]
    ReadOnly {
        /// Which database.
        store: Arc<str>,
    },
    /// It does not let this program in, or not do what it must.
    #[error("the database {store} does not let this program in: {what}")]
    Denied {
        /// Which database.
        store: Arc<str>,
        /// What it said.
        what: String,
    },
    /// Its file is damaged.
    #[error("the database {store} is damaged: {source}")]
    Damaged {
        /// Which database.
        store: Arc<str>,
        /// What its driver said.
        source: Arc<sqlx::Error>,
    },
    /// It is not a database, or not one of a platform.
    #[error("{store} is not the database of a platform: {found}")]
    Foreign {
        /// Which database.
        store: Arc<str>,
        /// What stands there.
        found: String,
    },
    /// Tables or columns are not what this build expects.
    #[error("the schema of the database {store} is not this build's: {what}")]
    Schema {
        /// Which database.
        store: Arc<str>,
        /// What is missing or in the way.
        what: String,
    },
    /// All migrations are applied, but somebody has changed the tables beside them.
    #[error("the database {store} was changed beside its migrations: {what}")]
    Drift {
        /// Which database.
        store: Arc<str>,
        /// What is missing, changed or too much, with its name.
        what: String,
    },
    /// The migrations of this build do not make the tables that it asks for.
    #[error("the migrations for {store} do not reach the schema of this build: {what}")]
    Unreached {
        /// Which database.
        store: Arc<str>,
        /// What they do not make, with its name.
        what: String,
    },
    /// Somebody else moved the position: two storage workers have the partition.
    #[error("the rows of partition {partition} in {store} stand at {}, not at {}", found.position, expected.position)]
    Conflict {
        /// Which database.
        store: Arc<str>,
        /// Which partition.
        partition: PartitionId,
        /// Where this worker thought it was.
        expected: StoredPosition,
        /// Where the database is.
        found: StoredPosition,
    },
    /// A row cannot be turned into columns, or columns into a row.
    #[error("a row of table \"{table}\" in {store}: {source}")]
    Row {
        /// Which database.
        store: Arc<str>,
        /// Which table.
        table: &'static str,
        /// Why.
        source: Fault,
    },
    /// A constraint of a table refuses a row that the engine has committed.
    #[error("the database {store} refuses a row: {source}")]
    Constraint {
        /// Which database.
        store: Arc<str>,
        /// What its driver said.
        source: Arc<sqlx::Error>,
    },
    /// A row of a concern that has no table here.
    #[error("no table of {store} belongs to concern {}", concern.0)]
    NoTable {
        /// Which database.
        store: Arc<str>,
        /// Which concern.
        concern: ConcernId,
    },
    /// A migration was changed after it had been applied.
    #[error("migration {number} ({name}) is not what was applied to {store}")]
    EditedMigration {
        /// Which database.
        store: Arc<str>,
        /// Which migration.
        number: u32,
        /// Its name.
        name: String,
    },
    /// The database has a migration that this build does not know.
    #[error("{store} has migration {number} ({name}), which this build does not know")]
    UnknownMigration {
        /// Which database.
        store: Arc<str>,
        /// Which migration.
        number: u32,
        /// Its name, as the database knows it.
        name: String,
    },
    /// A migration failed; it left nothing behind.
    #[error("migration {number} ({name}) of {store} failed: {source}")]
    Migration {
        /// Which database.
        store: Arc<str>,
        /// Which migration.
        number: u32,
        /// Its name.
        name: &'static str,
        /// What the driver said.
        source: Arc<sqlx::Error>,
    },
}

impl StoreError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Unavailable { .. } => "store_unavailable",
            StoreError::Full { .. } => "store_disk_full",
            StoreError::ReadOnly { .. } => "store_read_only",
            StoreError::Denied { .. } => "store_denied",
            StoreError::Damaged { .. } => "store_damaged",
            StoreError::Foreign { .. } => "store_foreign",
            StoreError::Schema { .. } => "store_schema",
            StoreError::Drift { .. } => "store_drift",
            StoreError::Unreached { .. } => "store_unreached",
            StoreError::Conflict { .. } => "store_conflict",
            StoreError::Row { .. } => "store_unreadable_row",
            StoreError::Constraint { .. } => "store_constraint",
            StoreError::NoTable { .. } => "store_no_table",
            StoreError::EditedMigration { .. } => "store_edited_migration",
            StoreError::UnknownMigration { .. } => "store_unknown_migration",
            StoreError::Migration { .. } => "store_migration_failed",
        }
    }

    /// Its class, which decides the exit code.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            StoreError::Foreign { .. } => Class::Invalid,
            StoreError::Damaged { .. } | StoreError::Row { .. } => Class::Corrupt,
            _ => Class::Unavailable,
        }
    }

    /// Whether the same may succeed later, without anybody changing the build or the data: a database
    /// that is away, full, or a standby until it is promoted. Who writes tries again, ever less often.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            StoreError::Unavailable { .. } | StoreError::Full { .. } | StoreError::ReadOnly { .. }
        )
    }

    /// What one can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            StoreError::Unavailable { store, .. } => {
                format!("see that {store} can be reached and that no other program holds it locked, then try again")
            }
            StoreError::Full { store } => {
                format!("free space for {store}; nothing is lost, storage goes on from the log")
            }
            StoreError::ReadOnly { store } => {
                format!("see that {store} may be written: a file and its directory, or a primary and not its standby")
            }
            StoreError::Denied { store, .. } => {
                format!("see to the user, password, certificates and rights in the address of {store}")
            }
            StoreError::Damaged { store, .. } | StoreError::Row { store, .. } => {
                format!("restore {store} from a copy; the log goes on from the position in it")
            }
            StoreError::Foreign { .. } => "name an empty database, or one that a platform made".into(),
            StoreError::Schema { .. } => "apply the migrations of this build (migrate up)".into(),
            StoreError::Drift { .. } => {
                "take the change back by hand, or restore it from a copy; what is meant to change is \
                 changed in the schema, by a migration (rkcy-gen migrate)".into()
            }
            StoreError::Unreached { .. } => {
                "write the next migration (rkcy-gen migrate) and build again".into()
            }
            StoreError::Conflict { .. } => {
                "stop the other storage worker; one of the two stops by itself and goes on from what it finds".into()
            }
            StoreError::Constraint { .. } | StoreError::NoTable { .. } => {
                "the database's schema and this build differ: see migrate status".into()
            }
            StoreError::EditedMigration { number, .. } => format!(
                "put migration {number} back as it was, and make the change in a new one"
            ),
            StoreError::UnknownMigration { .. } => "use the build that applied it, or take it back with that build".into(),
            StoreError::Migration { .. } => "correct the data or the migration, then apply it again".into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::new(
            error.class(),
            error.code(),
            format!("{error}; {}", error.remedy()),
        )
    }
}
