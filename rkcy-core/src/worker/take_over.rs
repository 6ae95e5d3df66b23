//! The first half of a take-over: the changelog is folded, and becomes a worker.

use super::careful::Care;
use super::{Config, LookAhead, Stop, Worker};
use crate::bugs::{self, Bug};
use crate::change::{Change, Cursor, Fold, Sent};
use crate::drain::InFlight;
use crate::fault::{Class, Fault};
use crate::logic::Logic;
use crate::partition::Partition;
use crate::storage::StoredPosition;
use crate::wire::{Malformed, Wire};
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The first half of a take-over: the changelog is folded.
pub struct TakeOver {
    config: Config,
    cursor: Cursor,
    fold: Fold,
    next: u64,
    /// Epoch of the worker that has written the last record that counts,
    writer: Option<u64>,
    /// and its schema.
    schema: Option<u64>,
}

impl TakeOver {
    /// Begins at what stands in the database.
    #[must_use]
    pub fn new(config: Config, stored: StoredPosition) -> TakeOver {
        let begin = stored
            .snapshot
            .filter(|_| !bugs::on(Bug::SnapshotNotRecorded));
        TakeOver {
            config,
            cursor: Cursor::from_snapshot(begin),
            fold: Fold::new(stored.position),
            next: begin.unwrap_or(0),
            writer: None,
            schema: None,
        }
    }

    /// Offset in the changelog of the record to hand in next; hand in all that there are.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Folds the record at [`TakeOver::next_offset`].
    ///
    /// # Errors
    /// [`Stop`] where it cannot be read, or contradicts another.
    pub fn fold(&mut self, bytes: Bytes) -> Result<(), Stop> {
        let offset = self.next;
        let change = Change::from_wire(bytes).map_err(|error| self.unreadable(offset, &error))?;
        self.next += 1;
        let counts = self
            .cursor
            .take(offset, change)
            .map_err(|source| Stop::Diverged {
                partition: self.config.partition,
                source,
            })?;
        if let Some(whole) = counts {
            self.writer = self.writer.max(Some(whole.change.epoch));
            self.schema = Some(whole.change.schema);
            self.fold
                .apply(whole.change)
                .map_err(|error| self.unreadable(offset, &error))?;
        }
        Ok(())
    }

    /// The build that owns the partition and has not sealed it, where that is another than this worker's:
    /// it appends nothing before it has folded that Seal (rule 5).
    #[must_use]
    pub fn foreign_owner(&self) -> Option<u64> {
        let scalars = &self.fold.state.scalars;
        let waits = scalars.epoch.is_some()
            && scalars.sealed.is_none()
            && scalars.build != self.config.build
            && !self.config.atomic;
        waits.then_some(scalars.build)
    }

    fn unreadable(&self, offset: u64, error: &Malformed) -> Stop {
        Stop::Unreadable {
            partition: self.config.partition,
            place: format!("changelog offset {offset}"),
            fault: Fault::from(error.clone()),
        }
    }

    /// Refuses what a build with another schema has left in flight: a transaction of which a part is made, a pending
    /// value, a row that the database has not. What has ended says nothing about the schema.
    fn check_schema(&self, own: u64) -> Result<(), Stop> {
        let Some(found) = self.schema.filter(|found| *found != own) else {
            return Ok(());
        };
        let left = InFlight::of(&self.fold.state);
        let counts = [
            (left.running, "transactions that run"),
            (left.waiting, "visits that wait"),
            (left.locked, "groups that are locked"),
            (left.parked, "sagas that are parked"),
            (left.giving, "transactions that give back"),
            (
                self.fold.outbox.len() as u64,
                "messages that may not have been sent",
            ),
            (
                self.fold.rows.len() as u64,
                "rows that the database has not",
            ),
        ];
        let there = counts.iter().filter(|(count, _)| *count > 0);
        let there: Vec<String> = there.map(|(count, of)| format!("{count} {of}")).collect();
        if there.is_empty() || bugs::on(Bug::ForeignSchemaTaken) {
            return Ok(());
        }
        Err(Stop::ForeignSchema {
            partition: self.config.partition,
            what: there.join(", "),
            found,
            own,
            passes: counts[..6].iter().all(|(count, _)| *count == 0),
        })
    }

    /// Ends the folding.
    ///
    /// # Errors
    /// [`Stop`] where the snapshot that storage has recorded is not in the changelog, where the changelog ends before
    /// the position that storage has, or where a build with another schema has left something in flight.
    pub fn finish(self, logic: Arc<dyn Logic>) -> Result<Worker, Stop> {
        let partition = self.config.partition;
        let stored = self.fold.beyond();
        if self.cursor.is_waiting() || self.cursor.position() < stored {
            let place = format!("changelog up to offset {}", self.next);
            let message = format!("it does not reach {stored}, which the database has");
            let fault = Fault::new(Class::Corrupt, "changelog_short", message);
            return Err(Stop::Unreadable {
                partition,
                place,
                fault,
            });
        }
        self.check_schema(logic.schema())?;
        let Fold {
            state,
            rows,
            outbox,
            ..
        } = self.fold;
        let next_feed = state.position.offset().unwrap_or(0);
        let mut partition =
            Partition::new(self.config.partition, self.config.generation, logic, state);
        for (key, row) in rows {
            partition.restore_row(&key, row);
        }
        let from = partition.state().position;
        let own = (self.config.owner, self.config.process);
        let scalars = partition.state().scalars.clone();
        let ahead = LookAhead::new(from, scalars, self.writer, own);
        let unsent: Vec<Sent> = outbox
            .iter()
            .map(|((to, number), envelope)| Sent {
                to: *to,
                number: *number,
                envelope: envelope.clone(),
            })
            .collect();
        Ok(Worker {
            config: self.config,
            partition,
            opened: None,
            now: 0,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            index: 0,
            next_feed,
            effects: Vec::new(),
            unsent,
            unacknowledged: outbox
                .into_iter()
                .map(|(name, envelope)| (name, (from, envelope)))
                .collect(),
            replies: Vec::new(),
            saga_steps: Vec::new(),
            stored,
            fence: stored,
            loading: BTreeSet::new(),
            pinned: false,
            wanted: BTreeSet::new(),
            care: Care::new(ahead, self.cursor, self.next),
            writer: self.writer,
            told_configs: 0,
        })
    }
}
