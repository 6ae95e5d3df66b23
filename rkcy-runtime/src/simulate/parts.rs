//! The simulated log and the simulated database.
//!
//! Both can do what real ones do to their users: a log loses what is not durable yet, a database answers
//! from a replica that is behind, or comes back after a failover without its last commits.

use bytes::Bytes;
use rkcy_core::id::Position;
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use std::collections::{BTreeMap, VecDeque};

/// One stream of the log.
#[derive(Debug, Default)]
pub(super) struct Stream {
    records: Vec<(u64, Bytes)>,
    durable: usize,
}

impl Stream {
    /// Appends; the record is not durable yet.
    pub(super) fn append(&mut self, stamp: u64, bytes: Bytes) -> u64 {
        self.records.push((stamp, bytes));
        self.records.len() as u64 - 1
    }

    /// Records up to the end, or up to the durable end.
    pub(super) fn get(&self, offset: u64, durable_only: bool) -> Option<(u64, Bytes)> {
        let offset = usize::try_from(offset).ok()?;
        let end = if durable_only {
            self.durable
        } else {
            self.records.len()
        };
        self.records[..end].get(offset).cloned()
    }

    pub(super) fn end(&self) -> u64 {
        self.records.len() as u64
    }

    pub(super) fn durable_end(&self) -> u64 {
        self.durable as u64
    }

    /// Everything so far becomes durable.
    pub(super) fn sync(&mut self) {
        self.durable = self.records.len();
    }

    /// What is not durable is gone.
    pub(super) fn lose_power(&mut self) {
        self.records.truncate(self.durable);
    }
}

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
