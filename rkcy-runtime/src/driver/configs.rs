//! Configuration between its topic, the partitions of this process and those who edit it.
//!
//! Owns what a process has read of the topic, and how an edit comes into it. What a partition is told, and when an
//! edit counts, is core's.

use super::describe::append;
use super::faults::log_fault;
use super::follow::Follow;
use crate::codegen::PlatformDesc;
use crate::log::{Log, LogError, Record, StreamId, Wake};
use bytes::Bytes;
use rkcy_core::config::{Edit, Kept, MOST_BYTES, OBJECT_BYTES, Topic};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use rkcy_core::key::RowKey;
use rkcy_core::worker::Worker;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the topic that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Most bytes of the name of who edits.
pub(crate) const NAME_BYTES: usize = 200;

/// So many edits, and bytes of them, are kept beside what counts, on a log of one process.
const HISTORY: usize = 1_000;
const HISTORY_BYTES: usize = 1 << 20;

/// What the threads of a process know of the topic: it is read once for all of them.
pub(crate) struct Configuration {
    log: Arc<dyn Log>,
    topic: Mutex<Topic>,
    /// How far it has been read, for those who only want to know whether there is more.
    read: AtomicU64,
    /// Where it ended when this process began.
    began: u64,
}

impl Configuration {
    /// For a platform that has any.
    ///
    /// # Errors
    /// Where the topic is not to be had.
    pub(crate) fn new(
        log: &Arc<dyn Log>,
        desc: &PlatformDesc,
    ) -> Result<Option<Arc<Configuration>>, LogError> {
        if desc.configs.is_empty() {
            return Ok(None);
        }
        let began = log.bounds(StreamId::CONFIG)?.end;
        Ok(Some(Arc::new(Configuration {
            log: Arc::clone(log),
            topic: Mutex::default(),
            read: AtomicU64::new(0),
            began,
        })))
    }

    /// Wakes a thread when there are edits.
    pub(crate) fn watch(&self, wake: &Wake) {
        self.log.watch(&[StreamId::CONFIG], Arc::clone(wake));
    }

    fn topic(&self) -> MutexGuard<'_, Topic> {
        self.topic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what has come. Whoever finds an edit that did not count says again what does.
    ///
    /// # Errors
    /// What the log says.
    pub(crate) fn look(&self) -> Result<(), LogError> {
        let mut topic = self.topic();
        loop {
            let next = match topic.next_offset() {
                // What stood before was trimmed, and is written anew behind it.
                next if next == 0 || self.log.is_atomic() => {
                    self.log.bounds(StreamId::CONFIG)?.start.max(next)
                }
                next => next,
            };
            let records = match self.log.read(StreamId::CONFIG, next, READ_BYTES) {
                Err(error) if was_trimmed(&error) && self.log.is_atomic() => continue,
                records => records?,
            };
            if records.is_empty() {
                break;
            }
            for record in records {
                take(&mut topic, record);
            }
        }
        let read = topic.next_offset();
        if self.read.swap(read, Ordering::AcqRel) == read || self.log.is_atomic() {
            return Ok(());
        }
        let unsettled = topic.unsettled().into_iter();
        let restated: Vec<_> = unsettled
            .map(|edit| (StreamId::CONFIG, edit.frame()))
            .collect();
        if !restated.is_empty() {
            // Where it fails, the next one who looks says it.
            self.log.append(restated, Box::new(drop));
        }
        Ok(())
    }

    /// How far the topic was read.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// What a worker is to append to the log of its partition.
    pub(crate) fn news(&self, worker: &mut Worker) -> Vec<Bytes> {
        let topic = self.topic();
        // What counts in a topic that was compacted is known once all of it is.
        match topic.next_offset() >= self.began {
            true => worker.tell_configs(&topic),
            false => Vec::new(),
        }
    }

    /// Whether a partition knows all that the topic held when this process began, and what came since.
    pub(crate) fn is_known(&self, worker: &Worker) -> bool {
        self.read() >= self.began && worker.knows_configs(&self.topic())
    }
}

fn take(topic: &mut Topic, record: Record) {
    // Who is told is told by version.
    let _ = topic.take(record.offset, record.stamp, record.payload);
}

/// Reads the whole topic.
///
/// # Errors
/// What the log says.
pub(super) fn read_all(log: &dyn Log) -> Result<Topic, Fault> {
    whole(log, |log, bounds| {
        let mut topic = Topic::default();
        each_record(log, bounds, |record| take(&mut topic, record))?;
        Ok(topic)
    })
}

/// Reads from the beginning; anew, where what stood there was trimmed meanwhile by an edit, which writes it behind.
fn whole<T>(
    log: &dyn Log,
    read: impl Fn(&dyn Log, Range<u64>) -> Result<T, LogError>,
) -> Result<T, Fault> {
    loop {
        let bounds = log.bounds(StreamId::CONFIG).map_err(log_fault)?;
        match read(log, bounds) {
            Err(error) if was_trimmed(&error) => {}
            read => return read.map_err(log_fault),
        }
    }
}

fn was_trimmed(error: &LogError) -> bool {
    matches!(error, LogError::OutOfRange { asked, held, .. } if *asked < held.start)
}

fn read_on(log: &dyn Log, topic: &mut Topic, end: u64) -> Result<(), Fault> {
    let rest = topic.next_offset()..end;
    each_record(log, rest, |record| take(topic, record)).map_err(log_fault)
}

fn each_record(
    log: &dyn Log,
    range: Range<u64>,
    mut each: impl FnMut(Record),
) -> Result<(), LogError> {
    let stop = AtomicBool::new(false);
    let follow = Follow::new(log, StreamId::CONFIG);
    let read = follow.up_to::<LogError>(range.start, range.end, &stop, |record| {
        each(record);
        Ok(())
    });
    read.map(drop)
}

/// An edit, before it is known what it comes to.
pub(super) struct Wish<'a> {
    pub(super) object: RowKey,
    pub(super) by: &'a str,
    /// What the object becomes, told by what it is; nothing is written where it breaks off.
    pub(super) value: &'a mut Told<'a>,
    /// The partition in whose audit it is told of, on a log that several processes share.
    pub(super) audit: PartitionId,
}

/// What an object becomes.
pub(super) type Told<'a> =
    dyn FnMut(Option<&Kept>) -> Result<ControlFlow<(), Option<Bytes>>, Fault> + 'a;

/// Edits one object; gives its version then.
///
/// # Errors
/// What `value` says; a bound; `changed_meanwhile` where another edit of the object came first; what the log says.
pub(super) fn edit(log: &dyn Log, wish: Wish<'_>) -> Result<Option<u64>, Fault> {
    if wish.by.len() > NAME_BYTES {
        let message = format!("the name of who edits has at most {NAME_BYTES} bytes");
        return Err(Fault::new(Class::Invalid, "too_large", message).at("by"));
    }
    let topic = read_all(log)?;
    let known = topic.get(&wish.object);
    let known = known.filter(|kept| kept.entry.value.is_some());
    let ControlFlow::Continue(value) = (wish.value)(known)? else {
        return Ok(None);
    };
    fits(&topic, &wish.object, value.as_ref())?;
    let edit = Edit {
        object: wish.object,
        value,
        read: topic.next_offset(),
        by: wish.by.to_owned(),
        restates: None,
    };
    match log.is_atomic() {
        true => edit_alone(log, &edit),
        false => edit_beside_others(log, topic, &edit, wish.audit),
    }
    .map(Some)
}

/// On a log of one process an edit that does not count is never written, and the topic tells who has edited what. With
/// each edit it is written anew, what counts and the last edits before, and what stood there is trimmed: a record
/// that is kept keeps its whole segment.
fn edit_alone(log: &dyn Log, edit: &Edit) -> Result<u64, Fault> {
    // Who told the value may have edited it meanwhile; nobody else is there.
    let (topic, edits) = read_edits(log)?;
    let kept = topic.get(&edit.object);
    if kept.is_some_and(|kept| kept.entry.version > edit.read) {
        return Err(crossed(kept));
    }
    let all = last_edits(&topic, edits);
    let mut batch: Vec<_> = (all.iter())
        .map(|edit| (StreamId::CONFIG, edit.frame()))
        .collect();
    batch.push((StreamId::CONFIG, edit.frame()));
    let offsets = append(log, batch)?;
    let ends = offsets.first().copied().zip(offsets.last().copied());
    let (first, last) = ends.unwrap_or_default();
    log.trim(StreamId::CONFIG, first).map_err(log_fault)?;
    Ok(last + 1)
}

/// What counts, and as many edits before as there is room for, the oldest first; each says again when it was made.
fn last_edits(topic: &Topic, all: Vec<Edit>) -> Vec<Edit> {
    let counts = |edit: &Edit| {
        let kept = topic.get(&edit.object).map(|kept| kept.entry.version);
        kept == edit.restates.map(|(version, _)| version)
    };
    let (mut edits, mut bytes) = (0, 0);
    let mut last: Vec<Edit> = Vec::new();
    for edit in all.into_iter().rev() {
        let size = edit.value.as_ref().map_or(0, Bytes::len) + NAME_BYTES;
        if counts(&edit) || (edits < HISTORY && bytes + size <= HISTORY_BYTES) {
            (edits, bytes) = (edits + 1, bytes + size);
            let read = topic.next_offset();
            last.push(Edit { read, ..edit });
        }
    }
    last.reverse();
    last
}

/// The whole topic, and the edits that it holds, the oldest first, each with its version and when it was made.
///
/// # Errors
/// What the log says.
pub(super) fn read_edits(log: &dyn Log) -> Result<(Topic, Vec<Edit>), Fault> {
    whole(log, |log, bounds| {
        // What is said again may stand beside what is not trimmed yet.
        let (mut topic, mut edits) = (Topic::default(), BTreeMap::new());
        each_record(log, bounds, |record| {
            if let Some(edit) = Edit::of_frame(record.payload.clone()) {
                let (version, at) = edit.restates.unwrap_or((record.offset + 1, record.stamp));
                let restates = Some((version, at));
                edits.insert(version, Edit { restates, ..edit });
            }
            take(&mut topic, record);
        })?;
        Ok((topic, edits.into_values().collect()))
    })
}

/// On a log that several processes share the topic tells whether an edit counts.
fn edit_beside_others(
    log: &dyn Log,
    mut topic: Topic,
    edit: &Edit,
    audit: PartitionId,
) -> Result<u64, Fault> {
    let offsets = append(log, vec![(StreamId::CONFIG, edit.frame())])?;
    let offset = offsets.first().copied().unwrap_or_default();
    read_on(log, &mut topic, offset + 1)?;
    let kept = topic.get(&edit.object);
    if kept.is_none_or(|kept| kept.entry.version != offset + 1) {
        let crossed = crossed(kept);
        settle(log, &mut topic)?;
        return Err(crossed);
    }
    append(log, vec![(StreamId::commands(audit.audit()), edit.frame())])?;
    Ok(offset + 1)
}

fn crossed(kept: Option<&Kept>) -> Fault {
    let who = kept.map_or("somebody".to_owned(), |kept| format!("`{}`", kept.by));
    let message = format!(
        "{who} has changed it at the same time, and came first: look at it, and edit it again if that is still wanted"
    );
    Fault::refusal("changed_meanwhile", message)
}

/// Says again what counts, until that is the last that is said: the topic may be compacted.
fn settle(log: &dyn Log, topic: &mut Topic) -> Result<(), Fault> {
    loop {
        let restated = topic.unsettled();
        if restated.is_empty() {
            return Ok(());
        }
        let restated = restated
            .into_iter()
            .map(|edit| (StreamId::CONFIG, edit.frame()));
        let offsets = append(log, restated.collect())?;
        let end = offsets.last().map_or(0, |last| last + 1);
        read_on(log, topic, end)?;
    }
}

fn fits(topic: &Topic, object: &RowKey, value: Option<&Bytes>) -> Result<(), Fault> {
    let bytes = value.map_or(0, Bytes::len);
    if bytes > OBJECT_BYTES {
        let message = format!("the object has {bytes} bytes; at most {OBJECT_BYTES} are taken");
        return Err(Fault::new(Class::Invalid, "too_large", message));
    }
    let all = topic.bytes_with(object, value);
    if all > MOST_BYTES && all > topic.bytes() {
        let message = format!(
            "all of the configuration has at most {MOST_BYTES} bytes, what was removed included; with this it would have {all}"
        );
        return Err(Fault::new(Class::Bound, "config_full", message));
    }
    Ok(())
}
