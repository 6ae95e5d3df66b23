//! The simulated database.
//!
//! It does what a real one may do to its users: it answers from a replica that is behind, or comes back
//! after a failover without its last commits.

use rkcy_core::id::Position;
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use std::collections::{BTreeMap, VecDeque};

/// The database of one partition, with its last few states.
#[derive(Debug, Default)]
pub(super) struct Database {
    position: StoredPosition,
    rows: BTreeMap<RowKey, StoredRow>,
    /// Earlier states, the newest last: each its position, and what the write after it has replaced.
    behind: VecDeque<(StoredPosition, BTreeMap<RowKey, Option<StoredRow>>)>,
}

/// So many states before the last one a replica may be behind.
const REMEMBERED: usize = 6;

impl Database {
    /// The position that stands in the primary.
    pub(super) fn position(&self) -> StoredPosition {
        self.position
    }

    /// All rows of the primary.
    pub(super) fn rows(&self) -> &BTreeMap<RowKey, StoredRow> {
        &self.rows
    }

    /// The positions of all copies, of which each may become the primary.
    pub(super) fn copies(&self) -> impl Iterator<Item = StoredPosition> {
        let behind = self.behind.iter().map(|(position, _)| *position);
        behind.chain([self.position])
    }

    /// Writes a batch; `torn` leaves the old position beside the new rows.
    ///
    /// # Errors
    /// Where the position is not the expected one: another storage worker was here.
    pub(super) fn write(&mut self, batch: &Batch, torn: bool) -> Result<(), String> {
        let position = self.position;
        if position != batch.expected {
            return Err(format!(
                "storage: {:?} stands there, not {:?}",
                position, batch.expected
            ));
        }
        let mut replaced = BTreeMap::new();
        for (key, row) in &batch.rows {
            let before = self.rows.insert(key.clone(), row.clone());
            replaced.insert(key.clone(), before);
        }
        self.behind.push_back((position, replaced));
        if self.behind.len() >= REMEMBERED {
            self.behind.pop_front();
        }
        if !torn {
            self.position = batch.new;
        }
        Ok(())
    }

    /// How many states there are to read from; the last is the primary.
    pub(super) fn replicas(&self) -> usize {
        self.behind.len() + 1
    }

    /// Rows and their position in state `replica`.
    pub(super) fn load(
        &self,
        replica: usize,
        keys: &[RowKey],
    ) -> (Position, Vec<(RowKey, StoredRow)>) {
        let position = self.behind.get(replica).map(|(position, _)| *position);
        let later = || self.behind.iter().skip(replica);
        let row = |key: &RowKey| {
            let replaced = later().find_map(|(_, replaced)| replaced.get(key).cloned());
            let found = replaced.unwrap_or_else(|| self.rows.get(key).cloned());
            (key.clone(), found.unwrap_or(StoredRow::ABSENT))
        };
        let position = position.unwrap_or(self.position).position;
        (position, keys.iter().map(row).collect())
    }

    /// A replica that is behind becomes the primary.
    pub(super) fn fail_over(&mut self, replica: usize) {
        while self.behind.len() > replica {
            let Some((position, replaced)) = self.behind.pop_back() else {
                break;
            };
            self.position = position;
            for (key, row) in replaced {
                match row {
                    Some(row) => self.rows.insert(key, row),
                    None => self.rows.remove(&key),
                };
            }
        }
    }
}
