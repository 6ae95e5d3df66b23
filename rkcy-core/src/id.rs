//! Names of things: concerns, partitions, positions, versions, transactions.
//!
//! Owns the small ordered types by which every other module refers to something. Leaves keys of
//! instances to [`crate::key`].

use std::fmt;

/// A concern, by its rank in the lock file. Ranks never move, so they are also the order of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConcernId(pub u16);

/// One partition of a root concern's topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The root concern.
    pub concern: ConcernId,
    /// Number of the partition, from 0.
    pub index: u16,
}

impl PartitionId {
    /// Bit of a concern's number that tells the audit of its partitions from their command logs.
    const AUDIT: u16 = 0x8000;

    /// The log that holds how the transactions ended that were decided in this partition. Nobody owns it; it
    /// is written as the command logs are, under numbers of its own, and its readers drop what they have.
    #[must_use]
    pub const fn audit(self) -> PartitionId {
        PartitionId {
            concern: ConcernId(self.concern.0 | Self::AUDIT),
            index: self.index,
        }
    }

    /// Whether this is the audit of a partition.
    #[must_use]
    pub const fn is_audit(self) -> bool {
        self.concern.0 & Self::AUDIT != 0
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.concern.0, self.index)
    }
}

/// A place in a command log: a record and an envelope within its frame.
///
/// A `Position` names the envelope that was applied *last*. [`Position::START`] is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Offset of the record plus one; 0 is "before the first record".
    ///
    /// Kept private so that nobody adds the one twice.
    next: u64,
    /// Index of the envelope in that record's frame.
    index: u32,
}

impl Position {
    /// Before the first envelope of the log.
    pub const START: Position = Position { next: 0, index: 0 };

    /// The envelope `index` of the record at `offset`.
    #[must_use]
    pub const fn new(offset: u64, index: u32) -> Position {
        Position {
            next: offset + 1,
            index,
        }
    }

    /// Offset of the record, or `None` before the first.
    #[must_use]
    pub const fn offset(self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Index of the envelope within its frame.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Both halves as they are stored: `(offset + 1, index)`.
    #[must_use]
    pub const fn to_raw(self) -> (u64, u32) {
        (self.next, self.index)
    }

    /// The inverse of [`Position::to_raw`].
    #[must_use]
    pub const fn from_raw(next: u64, index: u32) -> Position {
        Position { next, index }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset() {
            None => write!(f, "start"),
            Some(offset) => write!(f, "{offset}.{}", self.index),
        }
    }
}

/// When an instance last changed: the envelope that did it, in the generation of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Generation of the command log; it counts changes of the number of partitions.
    pub generation: u32,
    /// The envelope that last changed the instance.
    pub position: Position,
}

impl Version {
    /// Version of what was never written.
    pub const NEVER: Version = Version {
        generation: 0,
        position: Position::START,
    };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.generation, self.position)
    }
}

/// A transaction's id: a UUIDv7 (RFC 9562), so that it carries its stamp and sorts by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(pub [u8; 16]);

impl TxnId {
    /// Builds an id out of a stamp in milliseconds since the Unix epoch and 74 bits of `entropy`.
    #[must_use]
    pub fn from_parts(stamp: u64, entropy: u128) -> TxnId {
        let random = entropy.to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&stamp.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random[6..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        TxnId(bytes)
    }

    /// The stamp of the submission, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn stamp(self) -> u64 {
        let mut stamp = [0; 8];
        stamp[2..].copy_from_slice(&self.0[..6]);
        u64::from_be_bytes(stamp)
    }
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
