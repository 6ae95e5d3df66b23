//! Configuration: keyed objects that operators change while the platform runs.
//!
//! Owns what a partition knows of it ([`Configs`], a part of its small state), how news of it comes into a
//! partition's log ([`News`]), and the topic where it is kept ([`Edit`], [`Topic`]).
//!
//! ```text
//! operator ─ Edit ─► config topic ─ fold: Topic ─ News ─► the log of every partition ─► Configs ─► Context
//! ```
//!
//! The topic is a log of its own. An edit says how far its writer had read: it counts unless another edit of the
//! same object that counts stands between. So of two operators who change one object at the same time one wins, and
//! the other is told. The version of an object is the place of its last edit that counts; a worker gives it to the
//! log of its partition as often as it likes, and an older one never replaces a newer.
//!
//! The topic may be compacted: of each object its last record stays, at least. Where that one did not count, somebody
//! *restates* what does ([`Topic::unsettled`]), before the log is compacted so far.

use crate::bugs::{self, Bug};
use crate::fault::Fault;
use crate::frame::{Body, Envelope, Frame, Kind};
use crate::id::ConcernId;
use crate::key::{Key, KeyPart, RowKey};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes of all objects together, names and what was removed included: they are in the memory and in the snapshots of
/// every partition. Whoever edits is refused beyond.
pub const MOST_BYTES: u64 = 1 << 20;

/// Bytes of one encoded object, at most.
pub const OBJECT_BYTES: usize = 64 << 10;

/// What is counted for an object beside its key and its value. Bytes.
const OBJECT_COST: u64 = 32;

/// A type of configuration, as generated code tells it.
pub trait ConfigObject: Sized {
    /// Type of its key.
    type Key: KeyPart;
    /// Its number. Configuration has numbers of its own: they are not those of concerns.
    const ID: ConcernId;
    /// Its name in the schema.
    const NAME: &'static str;

    /// The object that bytes hold.
    ///
    /// # Errors
    /// Where they hold none.
    fn read(bytes: &Bytes) -> Result<Self, Fault>;

    /// The name of the object with this key.
    #[must_use]
    fn object(key: &Self::Key) -> RowKey {
        RowKey {
            concern: Self::ID,
            key: Key::of(key),
        }
    }
}

/// An object of configuration, or that it was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Grows with every edit that counts; 0 is never one.
    pub version: u64,
    /// The encoded object; `None` is removed.
    pub value: Option<Bytes>,
}

impl Wire for Entry {
    fn put(&self, out: &mut Vec<u8>) {
        self.version.put(out);
        self.value.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Entry {
            version: Wire::take(input)?,
            value: Wire::take(input)?,
        })
    }
}

/// What a partition knows of the configuration, by object.
pub type Configs = BTreeMap<RowKey, Entry>;

/// News of an object, in the log of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Which object.
    pub object: RowKey,
    /// What it is now.
    pub entry: Entry,
}

impl News {
    /// Whether it says more than is known.
    #[must_use]
    pub fn is_newer(&self, known: Option<&Entry>) -> bool {
        known.is_none_or(|known| known.version < self.entry.version)
            || bugs::on(Bug::OlderConfigReplacesNewer)
    }

    /// The record for the log of a partition.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        let envelope = Envelope::control(Kind::Config, &Body::Config(self.clone()));
        Frame::encode(None, [envelope].iter())
    }
}

impl Wire for News {
    fn put(&self, out: &mut Vec<u8>) {
        self.object.put(out);
        self.entry.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(News {
            object: Wire::take(input)?,
            entry: Wire::take(input)?,
        })
    }
}

/// One record of the config topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which object.
    pub object: RowKey,
    /// What it becomes; `None` is removed.
    pub value: Option<Bytes>,
    /// How far the topic had been read when this was decided: what counts of the object up to there is known to its
    /// writer.
    pub read: u64,
    /// Who has decided it.
    pub by: String,
    /// The version that this only says again, and when that was decided, in milliseconds since the Unix epoch.
    pub restates: Option<(u64, u64)>,
}

impl Edit {
    /// The record for the topic, and for an audit.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        let envelope = Envelope::control(Kind::Edit, &Body::Edit(self.clone()));
        Frame::encode(None, [envelope].iter())
    }

    /// The edit that a record of the topic is; `None` where it cannot be read.
    #[must_use]
    pub fn of_frame(record: Bytes) -> Option<Edit> {
        let mut frame = Frame::decode(record).ok().filter(|frame| !frame.damaged)?;
        let envelope = frame.envelopes.pop()?;
        match Body::decode(envelope.head.kind, envelope.body) {
            Ok(Body::Edit(edit)) => Some(edit),
            _ => None,
        }
    }
}

impl Wire for Edit {
    fn put(&self, out: &mut Vec<u8>) {
        self.object.put(out);
        self.value.put(out);
        self.read.put(out);
        self.by.put(out);
        self.restates.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Edit {
            object: Wire::take(input)?,
            value: Wire::take(input)?,
            read: Wire::take(input)?,
            by: Wire::take(input)?,
            restates: Wire::take(input)?,
        })
    }
}

/// An object, as the config topic has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub entry: Entry,
    /// Who has made it so.
    pub by: String,
    /// When: milliseconds since the Unix epoch, by the clock of the log.
    pub at: u64,
    /// Offset of the last edit that did not count and that nothing which counts has seen.
    lost: Option<u64>,
}

/// The config topic, read so far.
#[derive(Clone, Debug, Default)]
pub struct Topic {
    kept: BTreeMap<RowKey, Kept>,
    bytes: u64,
    next: u64,
    unreadable: u64,
}

impl Topic {
    /// Offset of the record to take next.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// The objects, removed ones included.
    pub fn objects(&self) -> impl Iterator<Item = (&RowKey, &Kept)> {
        self.kept.iter()
    }

    /// One object.
    #[must_use]
    pub fn get(&self, object: &RowKey) -> Option<&Kept> {
        self.kept.get(object)
    }

    /// Bytes of all objects, counted against [`MOST_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that could not be read. They count for nothing.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Bytes of all objects if this one were so.
    #[must_use]
    pub fn bytes_with(&self, object: &RowKey, value: Option<&Bytes>) -> u64 {
        let before = self.kept.get(object);
        let before = before.map_or(0, |kept| cost(object, kept.entry.value.as_ref()));
        self.bytes - before + cost(object, value)
    }

    /// Takes the record at `offset`, which is not below [`Topic::next_offset`]: what was compacted is missing. Gives
    /// what is new.
    pub fn take(&mut self, offset: u64, stamp: u64, record: Bytes) -> Option<News> {
        self.next = offset + 1;
        let Some(edit) = Edit::of_frame(record) else {
            self.unreadable += 1;
            return None;
        };
        let (version, at) = edit.restates.unwrap_or((offset + 1, stamp));
        let (lost, is_new) = match self.kept.get_mut(&edit.object) {
            Some(known) if known.entry.version > edit.read => {
                known.lost = Some(offset);
                return None;
            }
            Some(known) => (known.lost, known.entry.version != version),
            None => (None, true),
        };
        self.bytes = self.bytes_with(&edit.object, edit.value.as_ref());
        let entry = Entry {
            version,
            value: edit.value,
        };
        let kept = Kept {
            entry: entry.clone(),
            by: edit.by,
            at,
            lost: lost.filter(|lost| *lost >= edit.read),
        };
        self.kept.insert(edit.object.clone(), kept);
        is_new.then_some(News {
            object: edit.object,
            entry,
        })
    }

    /// Edits that say again what counts, of objects whose last record might not, read from a compacted topic.
    #[must_use]
    pub fn unsettled(&self) -> Vec<Edit> {
        let unsettled = self.kept.iter().filter(|(_, kept)| kept.lost.is_some());
        let restated = unsettled.map(|(object, kept)| Edit {
            object: object.clone(),
            value: kept.entry.value.clone(),
            read: self.next,
            by: kept.by.clone(),
            restates: Some((kept.entry.version, kept.at)),
        });
        restated.collect()
    }

    /// What is newer than `version`, the oldest first.
    #[must_use]
    pub fn newer(&self, version: u64) -> Vec<News> {
        let newer = self.kept.iter();
        let newer = newer.filter(|(_, kept)| kept.entry.version > version);
        let mut newer: Vec<News> = newer
            .map(|(object, kept)| News {
                object: object.clone(),
                entry: kept.entry.clone(),
            })
            .collect();
        newer.sort_by_key(|news| news.entry.version);
        newer
    }
}

fn cost(object: &RowKey, value: Option<&Bytes>) -> u64 {
    let bytes = object.key.as_bytes().len() + value.map_or(0, Bytes::len);
    OBJECT_COST + bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(number: u8) -> RowKey {
        RowKey {
            concern: ConcernId(1),
            key: Key::of(&u32::from(number)),
        }
    }

    fn edit(number: u8, value: &'static str, read: u64) -> Edit {
        Edit {
            object: object(number),
            value: Some(Bytes::from_static(value.as_bytes())),
            read,
            by: "ann".to_owned(),
            restates: None,
        }
    }

    /// The records of a topic: each edit was made by somebody who had read up to its `read`.
    fn folded<'a>(records: impl IntoIterator<Item = (u64, &'a Edit)>) -> Topic {
        let mut topic = Topic::default();
        for (offset, edit) in records {
            topic.take(offset, 100 + offset, edit.frame());
        }
        topic
    }

    fn value(topic: &Topic, number: u8) -> (u64, Bytes) {
        let kept = topic.get(&object(number)).unwrap();
        (kept.entry.version, kept.entry.value.clone().unwrap())
    }

    #[test]
    fn of_two_who_have_read_the_same_the_first_wins() {
        let edits = [
            edit(1, "a", 0),
            edit(1, "b", 1),
            edit(1, "c", 1),
            edit(2, "d", 1),
        ];
        let topic = folded((0..).zip(&edits));
        assert_eq!(value(&topic, 1), (2, Bytes::from_static(b"b")));
        assert_eq!(value(&topic, 2), (4, Bytes::from_static(b"d")));
        assert_eq!(topic.get(&object(1)).unwrap().at, 101);
    }

    /// Whatever compaction leaves (of each object the last record at least), what counts is the same once all is read.
    #[test]
    fn what_counts_survives_compaction() {
        let mut edits = vec![
            edit(1, "a", 0),
            edit(1, "b", 1),
            // Lost against "b", of which it did not know; then one that does not know it lost.
            edit(1, "c", 1),
            edit(1, "d", 2),
        ];
        let topic = folded((0..).zip(&edits));
        assert_eq!(value(&topic, 1), (4, Bytes::from_static(b"d")));
        let restated = topic.unsettled();
        assert_eq!(restated.len(), 1);
        edits.extend(restated);
        let last = edits.len() - 1;
        for kept in 0..1_u32 << last {
            let left = (0..).zip(&edits);
            let left = left.filter(|(nth, _)| *nth as usize == last || kept >> nth & 1 == 1);
            let topic = folded(left);
            assert_eq!(value(&topic, 1), (4, Bytes::from_static(b"d")), "{kept:b}");
            assert_eq!(topic.get(&object(1)).unwrap().at, 103);
            assert!(topic.unsettled().is_empty());
        }
    }

    #[test]
    fn a_restatement_that_comes_too_late_changes_nothing() {
        let mut edits = vec![edit(1, "a", 0), edit(1, "b", 0)];
        edits.extend(folded((0..).zip(&edits)).unsettled());
        edits.insert(2, edit(1, "c", 2));
        let topic = folded((0..).zip(&edits));
        assert_eq!(value(&topic, 1), (3, Bytes::from_static(b"c")));
        assert_eq!(topic.unsettled().len(), 1);
        edits.extend(topic.unsettled());
        let topic = folded((0..).zip(&edits));
        assert_eq!(value(&topic, 1), (3, Bytes::from_static(b"c")));
        assert!(topic.unsettled().is_empty());
    }

    #[test]
    fn what_was_removed_is_counted_and_what_cannot_be_read_is_not_taken() {
        let mut topic = Topic::default();
        assert!(topic.take(0, 0, edit(1, "four", 0).frame()).is_some());
        assert_eq!(topic.bytes(), 32 + 4 + 4);
        let removed = Edit {
            value: None,
            ..edit(1, "", 1)
        };
        assert_eq!(topic.bytes_with(&object(1), None), 32 + 4);
        let news = topic.take(1, 0, removed.frame()).unwrap();
        assert_eq!(
            news.entry,
            Entry {
                version: 2,
                value: None
            }
        );
        assert_eq!(topic.bytes(), 32 + 4);
        let mut damaged = edit(1, "b", 2).frame().to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(topic.take(2, 0, damaged.into()), None);
        assert_eq!((topic.unreadable(), topic.next_offset()), (1, 3));
    }

    /// A change here breaks every log that was ever written.
    #[test]
    fn golden_bytes() {
        let hex =
            |bytes: Vec<u8>| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let edit = Edit {
            restates: Some((7, 300)),
            ..edit(1, "v", 9)
        };
        assert_eq!(hex(edit.to_wire()), "0104000000010101760903616e6e0107ac02");
        assert_eq!(Edit::from_wire(edit.to_wire().into()), Ok(edit.clone()));
        let news = News {
            object: edit.object,
            entry: Entry {
                version: 300,
                value: None,
            },
        };
        assert_eq!(hex(news.to_wire()), "010400000001ac0200");
        assert_eq!(News::from_wire(news.to_wire().into()), Ok(news));
    }
}
