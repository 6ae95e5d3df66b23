//! The database behind a platform: written behind the log, in order, and read where a row is not in
//! memory.
//!
//! Owns the trait that the drivers are written against. What is written, and when, core decides
//! ([`rkcy_core::storage`]); a store makes one batch visible as a whole or not at all. Rows are columns
//! here, so that people and other programs can query them: generated code describes each table by a
//! [`TableDesc`]. The implementations stand beside it.

mod choice;
mod desc;
mod error;
mod migrate;
mod open;
pub mod postgres;
mod schema;
pub mod sqlite;

pub use choice::StoreChoice;
pub use desc::{
    ColumnDesc, ColumnType, Element, ListDesc, Migration, SqlValue, TableDesc, WithRows,
};
pub use error::StoreError;
pub use migrate::{MigrationState, MigrationStatus};
pub use open::{begin, open};

use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use std::pin::Pin;
use std::sync::Arc;

/// What a store is asked for, on its way: boxed, so that the trait can be an object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Rows as they were at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The position they are of (Y of rule 4).
    pub position: Position,
    /// Each key that was asked for, in that order; [`StoredRow::ABSENT`] where there is no row.
    pub rows: Vec<(RowKey, StoredRow)>,
}

/// Which SQL a database speaks: a build brings migrations for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// The database of a platform.
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// How far a partition has come; the default where it was never written.
    ///
    /// # Errors
    /// Where the database is not to be had, or its schema is not there.
    fn position(&self, partition: PartitionId) -> Pending<'_, StoredPosition>;

    /// Writes rows and position in one database transaction, guarded by `batch.expected`. When it
    /// returns, they are durable.
    ///
    /// A batch whose answer was lost may have been written: then `expected` no longer stands in the
    /// database, and the caller goes on from the position it finds.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another position stands there: a second storage worker is at work.
    /// Nothing was written then; after another error the batch may have been.
    fn write(&self, partition: PartitionId, batch: Arc<Batch>) -> Pending<'_, ()>;

    /// Reads rows of a partition and its position out of one snapshot.
    ///
    /// # Errors
    /// Where the database is not to be had, or a row cannot be read.
    fn load(&self, partition: PartitionId, keys: Vec<RowKey>) -> Pending<'_, Loaded>;

    /// Applies what is not applied yet; the numbers applied. Each in a transaction of its own.
    ///
    /// # Errors
    /// [`StoreError::EditedMigration`], [`StoreError::UnknownMigration`] before anything is applied;
    /// [`StoreError::Migration`] where one fails: those before it stay.
    fn migrate_up(&self, migrations: &'static [Migration]) -> Pending<'_, Vec<u32>>;

    /// Takes back the applied ones above `keep`, last first; the numbers taken back. `keep` 0 takes
    /// back all, and with them the positions: storage then begins at the start of the changelog.
    ///
    /// # Errors
    /// As [`Store::migrate_up`].
    fn migrate_down(&self, migrations: &'static [Migration], keep: u32) -> Pending<'_, Vec<u32>>;

    /// What is applied, what is not, and what does not fit, in order of number. Changes nothing.
    ///
    /// # Errors
    /// Where the database is not to be had.
    fn migrate_status(&self, migrations: &'static [Migration])
    -> Pending<'_, Vec<MigrationStatus>>;

    /// Whether it can be run on: every migration of this build applied and unchanged, and no other; every table
    /// with exactly the columns, constraints and indexes that these make, and those that this build asks for;
    /// and all of it may be written. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Schema`], [`StoreError::EditedMigration`] and [`StoreError::UnknownMigration`] where it has
    /// another version, [`StoreError::Drift`] where somebody has changed it by hand, [`StoreError::Unreached`]
    /// where the migrations do not make what the build asks for; each names what. [`StoreError::ReadOnly`].
    fn check(&self, migrations: &'static [Migration]) -> Pending<'_, ()>;

    /// Ties the database to the log whose changes it holds: the first log names itself, any other is
    /// refused, since its positions mean something else.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] where it belongs to another log.
    fn bind_log<'a>(&'a self, log_id: &'a str) -> Pending<'a, ()>;

    /// Closes all connections; nothing else works after that.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
