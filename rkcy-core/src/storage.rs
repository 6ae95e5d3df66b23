//! What storage does with a changelog.
//!
//! Owns the decision which rows to write, and the position to write with them (rule 3). The driver reads
//! the changelog, hands records in, and writes each [`Batch`] in one database transaction.

use crate::bugs::{self, Bug};
use crate::change::{Change, ChangeKind, Cursor, Diverged};
use crate::id::Position;
use crate::key::RowKey;
use crate::rows::StoredRow;
use crate::wire::{Malformed, Wire};
use bytes::Bytes;
use std::collections::BTreeMap;

/// How far the database of a partition has come. It stands in the database, and changes in one
/// transaction with the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredPosition {
    /// The rows are exactly those after this envelope.
    pub position: Position,
    /// Offset in the changelog from which to read on.
    pub changelog: u64,
    /// Offset of the first chunk of the last snapshot that advanced the position: recovery starts there.
    pub snapshot: Option<u64>,
}

impl StoredPosition {
    /// Offsets in the changelog and in the command log from which on records are needed; the least of all
    /// copies of a database that may be started from is what the log may be trimmed to (rule 3). Neither
    /// a take-over nor storage reads below: it begins at the snapshot, and a record of several envelopes
    /// may have been applied in part.
    #[must_use]
    pub fn needed(&self) -> (u64, u64) {
        let snapshot = self.snapshot.unwrap_or(0);
        let snapshot = if bugs::on(Bug::TrimmedAtPosition) {
            self.changelog
        } else {
            // A record that is not whole yet is read again after a restart.
            snapshot.min(self.changelog)
        };
        let applied = u64::from(bugs::on(Bug::PartlyAppliedTrimmed));
        let commands = self.position.offset().map_or(0, |offset| offset + applied);
        (snapshot, commands)
    }
}

/// What to write in one database transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The position that must stand in the database before.
    pub expected: StoredPosition,
    /// The position to write.
    pub new: StoredPosition,
    /// The last value of every row, in order of keys.
    pub rows: BTreeMap<RowKey, StoredRow>,
}

/// Why storage stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageStop {
    /// A record cannot be read.
    #[error("the change record at offset {offset} cannot be read: {source}")]
    Unreadable {
        /// Where.
        offset: u64,
        /// Why.
        source: Malformed,
    },
    /// Two workers disagree.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// The record holds rows of another schema than this build knows.
    #[error(
        "the change record at offset {offset} is of schema {found:016x}, this build is of {own:016x}: \
         start the build that wrote it, so that its storage writes it"
    )]
    ForeignSchema {
        /// Where.
        offset: u64,
        /// Schema of the record.
        found: u64,
        /// Schema of this build.
        own: u64,
    },
}

/// The reader of one partition's changelog on behalf of the database.
#[derive(Debug)]
pub struct Storage {
    cursor: Cursor,
    /// Up to here the database had everything when this reader began.
    written: Position,
    schema: u64,
    stored: StoredPosition,
    pending: Batch,
    /// Of the rows in it.
    pending_bytes: usize,
    next: u64,
}

impl Storage {
    /// Goes on from what stands in the database, for a build with this schema. What counts is told by what counted
    /// before, so it reads from where a take-over would.
    #[must_use]
    pub fn new(stored: StoredPosition, schema: u64) -> Storage {
        let pending = Batch {
            expected: stored,
            new: stored,
            rows: BTreeMap::new(),
        };
        Storage {
            cursor: Cursor::for_storage(stored.snapshot),
            written: stored.position,
            schema,
            stored,
            pending,
            pending_bytes: 0,
            next: stored.snapshot.unwrap_or(0),
        }
    }

    /// Offset in the changelog of the record to hand in next.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Rows that wait to be written.
    #[must_use]
    pub fn pending_rows(&self) -> usize {
        self.pending.rows.len()
    }

    /// Bytes, roughly, of those rows.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Whether there is something to write.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.pending.new != self.stored
    }

    /// Takes the record at [`Storage::next_offset`].
    ///
    /// # Errors
    /// [`StorageStop`]: nothing after it may be written.
    pub fn take(&mut self, bytes: Bytes) -> Result<(), StorageStop> {
        let offset = self.next;
        let change = Change::from_wire(bytes)
            .map_err(|source| StorageStop::Unreadable { offset, source })?;
        // Positions and the small state are the engine's own; values are of a schema.
        let is_new = change.to > self.written;
        if is_new && change.schema != self.schema && !change.rows.is_empty() {
            return Err(StorageStop::ForeignSchema {
                offset,
                found: change.schema,
                own: self.schema,
            });
        }
        self.next += 1;
        let whole = self.cursor.take(offset, change)?;
        if let Some(whole) = whole.filter(|whole| whole.change.to > self.written) {
            // A record that is not whole yet and began before the snapshot may still count after it:
            // recovery must find its first chunk too, and so begins with an earlier snapshot.
            let all_after = self.cursor.resume_at(self.next) > whole.first;
            if whole.change.kind == ChangeKind::Snapshot && all_after {
                self.pending.new.snapshot = Some(whole.first);
            }
            for (key, row) in whole.change.rows {
                let name = key.key.as_bytes().len();
                self.pending_bytes += cost(name, &row);
                if let Some(before) = self.pending.rows.insert(key, row) {
                    self.pending_bytes -= cost(name, &before);
                }
            }
        }
        let new = &mut self.pending.new;
        new.position = self.cursor.position().max(new.position);
        new.changelog = self.cursor.resume_at(self.next).max(new.changelog);
        Ok(())
    }

    /// The batch to write now; `None` where nothing has come since the last one.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if !self.has_batch() {
            return None;
        }
        let new = self.pending.new;
        let next = Batch {
            expected: new,
            new,
            rows: BTreeMap::new(),
        };
        self.stored = new;
        self.pending_bytes = 0;
        Some(std::mem::replace(&mut self.pending, next))
    }
}

/// Bytes, roughly, that a row takes with a key of `name` bytes.
fn cost(name: usize, row: &StoredRow) -> usize {
    std::mem::size_of::<(RowKey, StoredRow)>() + name + row.value.as_ref().map_or(0, Bytes::len)
}
