//! Related views: what an instance knows of those that refer to it.
//!
//! Owns what travels and what is kept of them (rule 11). A *side* is a field that refers, seen from its target. Where
//! operations of the target read a side, its *members* are kept beside the target, in hidden rows of the target's
//! partition: one with the keys of the members, in the order in which they came, and one for each member, with its
//! value. So a change of a member costs one row, however many there are.
//!
//! The partition of a member [pushes](Push) what becomes of it when that is committed. A view may lag behind; it
//! never goes back: a member is always in one partition, whose pushes come in order, and each has a version.

use crate::claim::Referrer;
use crate::id::{ConcernId, Version};
use crate::key::{Key, RowKey};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;

/// What an instance is related to by one of its fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// The target.
    pub target: RowKey,
    /// The field, of the concern that refers.
    pub referrer: Referrer,
    /// The group of the target.
    pub group: RowKey,
}

/// A side that an operation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Who refers.
    pub referrer: Referrer,
    /// So many are shown at most: the `@length` of the side.
    pub most: u32,
}

/// What became of a member, told to the partition of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// To what it is related, or was.
    pub relation: Relation,
    /// Key of the member.
    pub member: Key,
    /// Where that was committed, in the member's partition: later there is higher, also when the member was deleted
    /// and made again between.
    pub version: Version,
    /// Its value; `None` where it is not related any more.
    pub value: Option<Bytes>,
}

/// A member, as its hidden row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Version of the push.
    pub version: Version,
    /// Its value.
    pub value: Bytes,
}

/// The keys of the members of a side, as their hidden row has them: in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(pub Vec<Key>);

impl Members {
    /// The keys in a hidden row; none where it is absent.
    ///
    /// # Errors
    /// [`Malformed`] where it holds something else.
    pub fn read(value: Option<&Bytes>) -> Result<Members, Malformed> {
        value.map_or_else(
            || Ok(Members::default()),
            |bytes| Members::from_wire(bytes.clone()),
        )
    }

    /// The value of the hidden row; absent where there is none.
    #[must_use]
    pub fn value(&self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.to_wire().into())
    }
}

/// The hidden rows of one side of one target.
#[derive(Clone, Debug)]
pub struct Place {
    hidden: ConcernId,
    prefix: Vec<u8>,
}

/// What a hidden row is: behind the side in its key, and first in its value.
const LIST: u8 = 0;
const MEMBER: u8 = 1;

impl Place {
    /// Those in the concern `hidden`. Their keys begin with that of the target, as those of all rows of a group.
    #[must_use]
    pub fn new(hidden: ConcernId, target: &Key, referrer: Referrer) -> Place {
        let mut prefix = target.as_bytes().to_vec();
        prefix.extend_from_slice(&referrer.concern.0.to_be_bytes());
        prefix.extend_from_slice(&referrer.field.to_be_bytes());
        Place { hidden, prefix }
    }

    /// The row with the keys of the [members](Members).
    #[must_use]
    pub fn list(&self) -> RowKey {
        self.row(LIST, &[])
    }

    /// The row with a [member](Member).
    #[must_use]
    pub fn member(&self, member: &Key) -> RowKey {
        self.row(MEMBER, member.as_bytes())
    }

    fn row(&self, what: u8, rest: &[u8]) -> RowKey {
        let bytes = [&self.prefix, &[what][..], rest].concat();
        RowKey {
            concern: self.hidden,
            key: Key::from_canonical(&bytes),
        }
    }
}

/// A member, as a handler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its key.
    pub key: Key,
    /// What its row holds.
    pub member: Member,
}

/// What a handler sees of those that refer to its instance: of each side that it reads, the members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views(Vec<(Referrer, Vec<Seen>)>);

impl Views {
    /// Whether no side is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a side, with its members in the order in which they came.
    pub fn add(&mut self, referrer: Referrer, members: Vec<Seen>) {
        self.0.push((referrer, members));
    }

    /// The members of a side.
    #[must_use]
    pub fn of(&self, referrer: Referrer) -> &[Seen] {
        let side = self.0.iter().find(|(known, _)| *known == referrer);
        side.map_or(&[], |(_, members)| members)
    }

    /// The sides that are read.
    pub fn sides(&self) -> impl Iterator<Item = (Referrer, &[Seen])> {
        self.0.iter().map(|(side, members)| (*side, &members[..]))
    }
}

// ---- the wire

impl Wire for Relation {
    fn put(&self, out: &mut Vec<u8>) {
        self.target.put(out);
        self.referrer.put(out);
        self.group.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Relation {
            target: Wire::take(input)?,
            referrer: Wire::take(input)?,
            group: Wire::take(input)?,
        })
    }
}

impl Wire for Push {
    fn put(&self, out: &mut Vec<u8>) {
        self.relation.put(out);
        self.member.put(out);
        self.version.put(out);
        self.value.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Push {
            relation: Wire::take(input)?,
            member: Wire::take(input)?,
            version: Wire::take(input)?,
            value: Wire::take(input)?,
        })
    }
}

impl Wire for Member {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(MEMBER);
        self.version.put(out);
        self.value.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        if input.byte()? != MEMBER {
            return Err(input.malformed("a member of a view is something else"));
        }
        Ok(Member {
            version: Wire::take(input)?,
            value: Wire::take(input)?,
        })
    }
}

impl Wire for Members {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(LIST);
        self.0.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        if input.byte()? != LIST {
            return Err(input.malformed("the members of a view are something else"));
        }
        Ok(Members(Wire::take(input)?))
    }
}
