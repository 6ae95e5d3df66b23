//! The database behind a platform: written behind the log, in order.
//!
//! Owns the trait that the drivers are written against. The implementations stand beside it.

mod desc;

pub use desc::{Migration, SqlValue, TableDesc};

use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use std::future::Future;
use std::pin::Pin;

/// A future of a [`Store`]: boxed, so that the trait can be an object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The database of a platform.
pub trait Store: Send + Sync + 'static {
    /// How far a partition has come; the default where it was never written.
    fn position(&self, partition: PartitionId) -> StoreFuture<'_, StoredPosition>;

    /// Writes rows and position in one database transaction, guarded by `batch.expected`.
    ///
    /// # Errors
    /// A conflict where another position stands there: a second storage worker is at work.
    fn write<'a>(&'a self, partition: PartitionId, batch: &'a Batch) -> StoreFuture<'a, ()>;

    /// Rows, and the position that they are of, read in one snapshot: for every key in order its row,
    /// [`StoredRow::ABSENT`] where there is none.
    fn load<'a>(
        &'a self,
        partition: PartitionId,
        keys: &'a [RowKey],
    ) -> StoreFuture<'a, (Position, Vec<(RowKey, StoredRow)>)>;
}

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {}
