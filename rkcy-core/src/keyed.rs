//! Idempotency keys: who repeats a request with a key gets the first answer (rule 8).
//!
//! Owns the hidden concern of the keys, how a submission names one, and the values of its rows: what came of a
//! key, and the shelf by which keys are found again that have had their time. What a partition does with a key
//! is `partition/keyed.rs`.

use crate::id::{ConcernId, PartitionId, TxnId};
use crate::key::{Key, RowKey, partition_of};
use crate::plan::Partitions;
use crate::txn::{Access, Args, Mode, Outcome, Place, Step, Txn, Visit};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;
use std::sync::Arc;

/// The hidden concern of the keys. Every platform has it; it ranks before all others.
pub const KEYS: ConcernId = ConcernId(0);

/// The operation of the first visit of a transaction with a key. The payload is the [`Digest`] of its body.
pub const OP: u16 = 11;

/// What is kept of a key, or of a body: the first 192 bits of a hash that resists collisions. So many, since a
/// [`Key`] of 24 bytes needs no memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 24]);

/// A key, and what it is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// Key of the row: the digest of caller and key.
    pub key: Key,
    /// The digest of what is asked for.
    pub body: Digest,
}

impl Keyed {
    /// Who asks for `body` with `key`, which is a digest of caller and key.
    #[must_use]
    pub fn new(key: Digest, body: Digest) -> Keyed {
        Keyed {
            key: Key::from_canonical(&key.0),
            body,
        }
    }

    /// The row of the key.
    #[must_use]
    pub fn row(&self) -> RowKey {
        RowKey {
            concern: KEYS,
            key: self.key.clone(),
        }
    }
}

impl Txn {
    /// The same with a key: its first visit is to the partition of that. A read is remembered as well, then.
    ///
    /// # Panics
    /// Where it has begun.
    #[must_use]
    pub fn with_key(mut self, keyed: &Keyed, partitions: &(impl Partitions + ?Sized)) -> Txn {
        assert!(self.next == 0, "a key comes before the first visit");
        if self.mode == Mode::Read {
            self.mode = Mode::Transaction;
        }
        let at = partition_of(KEYS, &keyed.key, partitions.partitions(KEYS));
        let step = Step {
            number: u16::MAX,
            place: Place::Root,
            op: OP,
            args: Args::Ready(Bytes::copy_from_slice(&keyed.body.0)),
            keep: false,
            sure: true,
            undo: None,
            claims_for: None,
        };
        let visit = Visit {
            group: keyed.row(),
            partition: at.index,
            access: Access::Shared,
            steps: vec![step],
        };
        self.visits.insert(0, visit);
        self
    }

    /// Whether it was submitted with a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.home().is_some_and(is_of_keys)
    }

    /// The key that it was submitted with, and what for; `None` where it has none, or its first visit was made.
    #[must_use]
    pub fn keyed(&self) -> Option<Keyed> {
        let first = self.visits.first().filter(|_| self.has_key())?;
        let [Step { op: OP, args, .. }] = first.steps.as_slice() else {
            return None;
        };
        let Args::Ready(body) = args else {
            return None;
        };
        Some(Keyed {
            key: first.group.key.clone(),
            body: Digest(body.as_ref().try_into().ok()?),
        })
    }
}

/// Whether a partition is one of those that keep keys.
#[must_use]
pub fn is_of_keys(partition: PartitionId) -> bool {
    partition.concern == KEYS
}

/// Value of the row of a key whose transaction has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it has had its time, in milliseconds of the partition's clock: then it is as if it were not there.
    pub until: u64,
    /// The digest of what was asked for.
    pub body: Digest,
    /// The transaction that ran.
    pub txn: TxnId,
    /// How it ended, [abridged](Outcome::abridged).
    pub outcome: Outcome,
}

/// Keys in the order in which their transactions ended: so those that have had their time are found without a
/// search. The last few are named here, the others in rows of their own, the *pages*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Number of the oldest page that is left.
    pub first: u64,
    /// Number that the next page will have.
    pub next: u64,
    /// Before this, in milliseconds of the partition's clock, the oldest page, or where there is none the last
    /// few keys, have not had their time.
    pub due: u64,
    /// The last few keys, each with when it has had its time.
    pub last: Page,
}

/// Some keys, each with when it has had its time.
pub type Page = Vec<(Key, u64)>;

impl Shelf {
    /// Keys of one page.
    pub const PAGE: usize = 16;

    /// The row of a page. Unlike those of keys, it begins with the number of its partition, which wrote it.
    #[must_use]
    pub fn row(partition: PartitionId, page: u64) -> RowKey {
        let mut key = [0; 10];
        key[..2].copy_from_slice(&partition.index.to_be_bytes());
        key[2..].copy_from_slice(&page.to_be_bytes());
        RowKey {
            concern: KEYS,
            key: Key::from_canonical(&key),
        }
    }

    /// Whether no key is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == self.next && self.last.is_empty()
    }
}

/// When all keys of a page have had their time.
#[must_use]
pub fn all_until(page: &Page) -> u64 {
    page.iter().map(|(_, until)| *until).max().unwrap_or(0)
}

// ---- the wire

impl Wire for Digest {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let mut bytes = [0; 24];
        for byte in &mut bytes {
            *byte = input.byte()?;
        }
        Ok(Digest(bytes))
    }
}

impl Wire for Keyed {
    fn put(&self, out: &mut Vec<u8>) {
        self.key.put(out);
        self.body.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Keyed {
            key: Wire::take(input)?,
            body: Wire::take(input)?,
        })
    }
}

impl Wire for Kept {
    fn put(&self, out: &mut Vec<u8>) {
        self.until.put(out);
        self.body.put(out);
        self.txn.put(out);
        self.outcome.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Kept {
            until: Wire::take(input)?,
            body: Wire::take(input)?,
            txn: Wire::take(input)?,
            outcome: Wire::take(input)?,
        })
    }
}

impl Wire for Shelf {
    fn put(&self, out: &mut Vec<u8>) {
        self.first.put(out);
        self.next.put(out);
        self.due.put(out);
        self.last.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Shelf {
            first: Wire::take(input)?,
            next: Wire::take(input)?,
            due: Wire::take(input)?,
            last: Wire::take(input)?,
        })
    }
}

impl Wire for Arc<Shelf> {
    fn put(&self, out: &mut Vec<u8>) {
        Shelf::put(self, out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Shelf::take(input).map(Arc::new)
    }
}
