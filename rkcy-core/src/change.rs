//! Change records: what the changelog of a partition holds.
//!
//! Owns their layout, and the two ways of reading them: [`Cursor`] decides which records count
//! (rule 2), [`Fold`] makes the state out of those that do.
//!
//! A record covers the envelopes after `from` up to `to`. It holds absolute values as they were when
//! `to` had been applied. A reader at `p` takes it iff `from <= p < to`. A large record is written in
//! chunks, told apart by (epoch, `to`); it counts once, at its last chunk.
//!
//! Epochs do not go back: what the worker of an earlier one has written counts no more once a record of a later one
//! has counted. A worker that must know what has come of those before says so by a Cut, and reads up to it.

use crate::bugs::{self, Bug};
use crate::frame::Envelope;
use crate::id::{PartitionId, Position, Version};
use crate::key::RowKey;
use crate::rows::StoredRow;
use crate::state::{EntryKey, Scalars, State};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Version of the layout that is written.
pub const LAYOUT: u8 = 1;

/// What a change record holds of the small state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Every entry touched in (`from`, `to`], with its value or its absence.
    Delta,
    /// Every entry there is.
    Snapshot,
    /// Nothing: from here on no record of an earlier epoch counts.
    Cut,
}

/// An envelope that was sent and is not known to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The receiver.
    pub to: PartitionId,
    /// Number on the channel.
    pub number: u64,
    /// What was sent.
    pub envelope: Envelope,
}

/// A change record, or one chunk of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Epoch of its writer: the offset of its Open.
    pub epoch: u64,
    /// Position of the record before it.
    pub from: Position,
    /// The last envelope it covers.
    pub to: Position,
    /// Hash of the schema whose values it holds.
    pub schema: u64,
    /// What it holds of the small state.
    pub kind: ChangeKind,
    /// Which chunk it is, from 0.
    pub chunk: u32,
    /// Of how many.
    pub of: u32,
    /// The scalars at `to`.
    pub scalars: Scalars,
    /// Entries of the small state.
    pub entries: Vec<(EntryKey, Option<Bytes>)>,
    /// Rows changed in (`from`, `to`].
    pub rows: Vec<(RowKey, StoredRow)>,
    /// Effects not acknowledged: those of (`from`, `to`], in a snapshot all.
    pub outbox: Vec<Sent>,
    /// Lowest number not acknowledged, by channel.
    pub lowest: Vec<(PartitionId, u64)>,
}

impl Change {
    /// The Cut of an epoch.
    #[must_use]
    pub fn cut(epoch: u64) -> Change {
        Change {
            epoch,
            from: Position::START,
            to: Position::START,
            schema: 0,
            kind: ChangeKind::Cut,
            chunk: 0,
            of: 1,
            scalars: Scalars::default(),
            entries: Vec::new(),
            rows: Vec::new(),
            outbox: Vec::new(),
            lowest: Vec::new(),
        }
    }

    /// Splits a record that is larger than `limit` bytes into chunks that are not, as far as single items
    /// allow it.
    #[must_use]
    pub fn into_chunks(self, limit: usize) -> Vec<Bytes> {
        let whole = self.to_wire();
        if whole.len() <= limit {
            return vec![whole.into()];
        }
        let empty = Change {
            entries: Vec::new(),
            rows: Vec::new(),
            outbox: Vec::new(),
            ..self.clone()
        };
        // Headers vary by a few bytes with the number of the chunk and of the items.
        let room = limit.saturating_sub(empty.to_wire().len() + 32);
        let mut chunks = vec![empty.clone()];
        let mut used = 0;
        let mut place = |size: usize, add: &mut dyn FnMut(&mut Change)| {
            if used > 0 && used + size > room {
                chunks.push(empty.clone());
                used = 0;
            }
            used += size;
            if let Some(last) = chunks.last_mut() {
                add(last);
            }
        };
        for entry in self.entries {
            let size = entry.to_wire().len();
            let mut entry = Some(entry);
            place(size, &mut |change| change.entries.extend(entry.take()));
        }
        for row in self.rows {
            let size = row.0.to_wire().len() + row.1.to_wire().len();
            let mut row = Some(row);
            place(size, &mut |change| change.rows.extend(row.take()));
        }
        for sent in self.outbox {
            let size = sent.to_wire().len();
            let mut sent = Some(sent);
            place(size, &mut |change| change.outbox.extend(sent.take()));
        }
        let of = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        (0..of)
            .zip(chunks)
            .map(|(chunk, part)| Change { chunk, of, ..part }.to_wire().into())
            .collect()
    }
}

/// Two workers computed different things out of one log: the partition stops, loudly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two change records up to {to} have the digests {known:016x} and {other:016x}")]
pub struct Diverged {
    /// Position that both cover.
    pub to: Position,
    /// Digest of the record taken.
    pub known: u64,
    /// Digest of the other one.
    pub other: u64,
}

/// A record that counts, whole.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Offset of its first chunk in the changelog.
    pub first: u64,
    /// The record.
    pub change: Change,
}

/// For whom a changelog is read; only seeded bugs tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    TakeOver,
    Storage,
}

/// Reads a changelog and decides what counts.
#[derive(Debug)]
pub struct Cursor {
    position: Position,
    digest: Option<u64>,
    /// The latest epoch of all that counted, and of the Cuts.
    epoch: u64,
    /// Offset of the snapshot to begin with, until it has been read.
    begin_at: Option<u64>,
    /// Chunks of records that are not whole yet, by (epoch, `to`).
    partial: BTreeMap<(u64, Position), (u64, Vec<Change>)>,
    reader: For,
}

impl Cursor {
    /// A reader for a take-over. It begins with the snapshot whose first chunk is at `offset`, or, where there never
    /// was one, with the first record.
    #[must_use]
    pub fn from_snapshot(offset: Option<u64>) -> Cursor {
        Cursor {
            position: Position::START,
            digest: None,
            epoch: 0,
            begin_at: offset,
            partial: BTreeMap::new(),
            reader: For::TakeOver,
        }
    }

    /// The same for storage, so that all come to the same.
    #[must_use]
    pub fn for_storage(offset: Option<u64>) -> Cursor {
        Cursor {
            reader: For::Storage,
            ..Cursor::from_snapshot(offset)
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The earliest epoch of which a record may still count.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the snapshot to begin with is still to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.begin_at.is_some()
    }

    /// Offset from which to read again after a restart, if everything before `next` has been read: that of
    /// the first chunk of a record that is not whole yet.
    #[must_use]
    pub fn resume_at(&self, next: u64) -> u64 {
        self.partial
            .values()
            .map(|(first, _)| *first)
            .min()
            .unwrap_or(next)
            .min(next)
    }

    /// Reads the record at `offset`; gives back the one that counts now, where one does.
    ///
    /// # Errors
    /// [`Diverged`].
    pub fn take(&mut self, offset: u64, change: Change) -> Result<Option<Whole>, Diverged> {
        if change.epoch < self.epoch && !bugs::on(Bug::SnapshotNotRecorded) {
            return Ok(None);
        }
        if change.kind == ChangeKind::Cut {
            if !self.ignores_cuts() {
                self.begin_epoch(change.epoch);
            }
            return Ok(None);
        }
        let Some(whole) = self.assemble(offset, change) else {
            return Ok(None);
        };
        match self.begin_at {
            Some(begin_at)
                if begin_at == whole.first && whole.change.kind == ChangeKind::Snapshot =>
            {
                self.begin_at = None;
                Ok(Some(self.accept(whole)))
            }
            // Who has recorded that snapshot has gone beyond.
            Some(_) => Ok(None),
            None => self.consider(whole),
        }
    }

    fn ignores_cuts(&self) -> bool {
        match self.reader {
            For::TakeOver => bugs::on(Bug::CutIgnoredByTakeOver),
            For::Storage => bugs::on(Bug::CutIgnoredByStorage),
        }
    }

    /// What is of an earlier epoch counts no more.
    fn begin_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.partial.retain(|(of, _), _| *of >= epoch);
    }

    fn consider(&mut self, whole: Whole) -> Result<Option<Whole>, Diverged> {
        let change = &whole.change;
        let counts = change.from <= self.position && self.position < change.to;
        let any_snapshot = self.reader == For::TakeOver && change.kind == ChangeKind::Snapshot;
        if counts
            || bugs::on(Bug::LastChangeIsCheckpoint)
            || (bugs::on(Bug::SnapshotNotRecorded) && any_snapshot)
        {
            return Ok(Some(self.accept(whole)));
        }
        if let Some(known) = self.digest
            && change.to == self.position
            && change.scalars.digest != known
        {
            return Err(Diverged {
                to: change.to,
                known,
                other: change.scalars.digest,
            });
        }
        Ok(None)
    }

    fn accept(&mut self, whole: Whole) -> Whole {
        self.position = whole.change.to;
        self.digest = Some(whole.change.scalars.digest);
        self.begin_epoch(whole.change.epoch);
        self.partial.retain(|(_, to), _| *to > self.position);
        whole
    }

    /// Puts chunks together; gives back a record that is whole.
    fn assemble(&mut self, offset: u64, change: Change) -> Option<Whole> {
        if change.of <= 1 {
            return Some(Whole {
                first: offset,
                change,
            });
        }
        let name = (change.epoch, change.to);
        let of = change.of as usize;
        if change.chunk == 0 {
            self.partial.insert(name, (offset, vec![change]));
            return None;
        }
        // A chunk whose first one was not read belongs to a record that began before this reader did.
        let (_, chunks) = self.partial.get_mut(&name)?;
        if chunks.len() != change.chunk as usize {
            return None;
        }
        chunks.push(change);
        if chunks.len() < of {
            return None;
        }
        let (first, chunks) = self.partial.remove(&name)?;
        let mut chunks = chunks.into_iter();
        let mut whole = chunks.next()?;
        for chunk in chunks {
            whole.entries.extend(chunk.entries);
            whole.rows.extend(chunk.rows);
            whole.outbox.extend(chunk.outbox);
        }
        Some(Whole {
            first,
            change: Change {
                chunk: 0,
                of: 1,
                ..whole
            },
        })
    }
}

/// The state of a partition, folded from its changelog.
#[derive(Debug, Default)]
pub struct Fold {
    /// The small state.
    pub state: State,
    /// Rows newer than `beyond`.
    pub rows: BTreeMap<RowKey, StoredRow>,
    /// What was sent and is not known to be durable, by channel and number.
    pub outbox: BTreeMap<(PartitionId, u64), Envelope>,
    lowest: BTreeMap<PartitionId, u64>,
    /// Position that the database has; its rows need not be kept.
    beyond: Position,
}

impl Fold {
    /// An empty state; rows up to `beyond` are in the database.
    #[must_use]
    pub fn new(beyond: Position) -> Fold {
        Fold {
            beyond,
            ..Fold::default()
        }
    }

    /// Position up to which rows are in the database.
    #[must_use]
    pub fn beyond(&self) -> Position {
        self.beyond
    }

    /// Takes over a record that counts.
    ///
    /// # Errors
    /// [`Malformed`] where an entry cannot be read.
    pub fn apply(&mut self, change: Change) -> Result<(), Malformed> {
        if change.kind == ChangeKind::Snapshot {
            self.state = State::default();
            self.outbox.clear();
        }
        self.state.position = change.to;
        self.state.scalars = change.scalars;
        for (key, value) in change.entries {
            self.state.set_entry(key, value)?;
        }
        self.state.ids.forget_through(self.state.scalars.floor);
        for (key, row) in change.rows {
            if row.version.position > self.beyond {
                self.rows.insert(key, row);
            }
        }
        for sent in change.outbox {
            self.outbox.insert((sent.to, sent.number), sent.envelope);
        }
        for (to, number) in change.lowest {
            let lowest = self.lowest.entry(to).or_default();
            *lowest = number.max(*lowest);
        }
        let lowest = &self.lowest;
        self.outbox
            .retain(|(to, number), _| lowest.get(to).is_none_or(|lowest| number >= lowest));
        Ok(())
    }
}

// ---- the wire

impl Wire for Sent {
    fn put(&self, out: &mut Vec<u8>) {
        self.to.put(out);
        self.number.put(out);
        self.envelope.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Sent {
            to: Wire::take(input)?,
            number: Wire::take(input)?,
            envelope: Wire::take(input)?,
        })
    }
}

impl Wire for StoredRow {
    fn put(&self, out: &mut Vec<u8>) {
        self.version.put(out);
        self.value.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let version: Version = Wire::take(input)?;
        Ok(StoredRow {
            version,
            value: Wire::take(input)?,
        })
    }
}

impl Wire for Change {
    /// A CRC-32C (little-endian), the layout's version, and the fields.
    fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(LAYOUT);
        self.epoch.put(out);
        self.from.put(out);
        self.to.put(out);
        self.schema.put(out);
        out.push(match self.kind {
            ChangeKind::Delta => 0,
            ChangeKind::Snapshot => 1,
            ChangeKind::Cut => 2,
        });
        self.chunk.put(out);
        self.of.put(out);
        self.scalars.put(out);
        self.entries.put(out);
        self.rows.put(out);
        self.outbox.put(out);
        self.lowest.put(out);
        let sum = crc32c::crc32c(&out[start + 4..]);
        out[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let mut sum = [0; 4];
        sum.copy_from_slice(input.slice(4)?);
        let rest = input.share(input.remaining())?;
        if crc32c::crc32c(&rest) != u32::from_le_bytes(sum) {
            return Err(input.malformed("a change record that is damaged"));
        }
        let mut input = Reader::new(rest);
        if input.byte()? != LAYOUT {
            return Err(input.malformed("a change record of an unknown layout"));
        }
        let change = Change {
            epoch: Wire::take(&mut input)?,
            from: Wire::take(&mut input)?,
            to: Wire::take(&mut input)?,
            schema: Wire::take(&mut input)?,
            kind: match input.byte()? {
                0 => ChangeKind::Delta,
                1 => ChangeKind::Snapshot,
                2 => ChangeKind::Cut,
                _ => return Err(input.malformed("a change record of an unknown kind")),
            },
            chunk: Wire::take(&mut input)?,
            of: Wire::take(&mut input)?,
            scalars: Wire::take(&mut input)?,
            entries: Wire::take(&mut input)?,
            rows: Wire::take(&mut input)?,
            outbox: Wire::take(&mut input)?,
            lowest: Wire::take(&mut input)?,
        };
        input.end()?;
        Ok(change)
    }
}
