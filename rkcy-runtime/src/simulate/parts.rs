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
#[derive(Debug)]
pub(super) struct Database {
    states: VecDeque<(StoredPosition, BTreeMap<RowKey, StoredRow>)>,
}

/// So many states before the last one a replica may be behind.
const REMEMBERED: usize = 6;

impl Default for Database {
    fn default() -> Database {
        Database {
            states: VecDeque::from([(StoredPosition::default(), BTreeMap::new())]),
        }
    }
}

impl Database {
    /// The position that stands in the primary.
    pub(super) fn position(&self) -> StoredPosition {
        self.states
            .back()
            .map(|(position, _)| *position)
            .unwrap_or_default()
    }

    /// All rows of the primary.
    pub(super) fn rows(&self) -> &BTreeMap<RowKey, StoredRow> {
        static EMPTY: BTreeMap<RowKey, StoredRow> = BTreeMap::new();
        self.states.back().map_or(&EMPTY, |(_, rows)| rows)
    }

    /// Writes a batch; `torn` leaves the old position beside the new rows.
    ///
    /// # Errors
    /// Where the position is not the expected one: another storage worker was here.
    pub(super) fn write(&mut self, batch: &Batch, torn: bool) -> Result<(), String> {
        let position = self.position();
        if position != batch.expected {
            return Err(format!(
                "storage: {:?} stands there, not {:?}",
                position, batch.expected
            ));
        }
        let mut rows = self.rows().clone();
        for (key, row) in &batch.rows {
            rows.insert(key.clone(), row.clone());
        }
        self.states
            .push_back((if torn { position } else { batch.new }, rows));
        while self.states.len() > REMEMBERED {
            self.states.pop_front();
        }
        Ok(())
    }

    /// How many states there are to read from; the last is the primary.
    pub(super) fn replicas(&self) -> usize {
        self.states.len()
    }

    /// Rows and their position in state `replica`.
    pub(super) fn load(
        &self,
        replica: usize,
        keys: &[RowKey],
    ) -> (Position, Vec<(RowKey, StoredRow)>) {
        let replica = replica.min(self.states.len().saturating_sub(1));
        let Some((position, rows)) = self.states.get(replica) else {
            return (Position::START, Vec::new());
        };
        let row = |key: &RowKey| {
            (
                key.clone(),
                rows.get(key).cloned().unwrap_or(StoredRow::ABSENT),
            )
        };
        (position.position, keys.iter().map(row).collect())
    }

    /// A replica that is behind becomes the primary.
    pub(super) fn fail_over(&mut self, replica: usize) {
        self.states.truncate(replica + 1);
    }
}
