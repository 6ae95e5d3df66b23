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
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the topic that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Most bytes of the name of who edits.
pub(crate) const NAME_BYTES: usize = 200;

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
                // What stood there before was compacted.
                0 => self.log.bounds(StreamId::CONFIG)?.start,
                next => next,
            };
            let records = self.log.read(StreamId::CONFIG, next, READ_BYTES)?;
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

fn take(topic: &mut Topic, record: Record) -> bool {
    let news = topic.take(record.offset, record.stamp, record.payload);
    news.is_some()
}

/// Reads the whole topic.
///
/// # Errors
/// What the log says.
pub(super) fn read_all(log: &dyn Log) -> Result<Topic, Fault> {
    let mut topic = Topic::default();
    let bounds = log.bounds(StreamId::CONFIG).map_err(log_fault)?;
    read_on(log, &mut topic, bounds.start, bounds.end)?;
    Ok(topic)
}

fn read_on(log: &dyn Log, topic: &mut Topic, next: u64, end: u64) -> Result<(), Fault> {
    let stop = AtomicBool::new(false);
    let follow = Follow::new(log, StreamId::CONFIG);
    let read = follow.up_to::<LogError>(next, end, &stop, |record| {
        take(topic, record);
        Ok(())
    });
    read.map(drop).map_err(log_fault)
}

/// An edit, before it is known what it comes to.
pub(super) struct Wish<'a> {
    pub(super) object: RowKey,
    pub(super) by: &'a str,
    /// What the object becomes, told by what it is; nothing is written where it breaks off.
    pub(super) value: &'a mut Told<'a>,
    /// The partition in whose audit it is told of, where the topic may be compacted.
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
    let mut topic = read_all(log)?;
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
    let offsets = append(log, vec![(StreamId::CONFIG, edit.frame())])?;
    let offset = offsets.first().copied().unwrap_or_default();
    let next = topic.next_offset();
    read_on(log, &mut topic, next, offset + 1)?;
    let kept = topic.get(&edit.object);
    let counts = kept.is_some_and(|kept| kept.entry.version == offset + 1);
    if !counts {
        settle(log, &mut topic)?;
        let who = kept_by(topic.get(&edit.object));
        let message = format!(
            "{who} has changed it at the same time, and came first: look at it, and edit it again if that is still wanted"
        );
        return Err(Fault::refusal("changed_meanwhile", message));
    }
    // The topic of an atomic log is never compacted: it tells who has edited what by itself.
    if !log.is_atomic() {
        append(
            log,
            vec![(StreamId::commands(wish.audit.audit()), edit.frame())],
        )?;
    }
    Ok(Some(offset + 1))
}

fn kept_by(kept: Option<&Kept>) -> String {
    kept.map_or("somebody".to_owned(), |kept| format!("`{}`", kept.by))
}

/// Says again what counts, until that is the last that is said: the topic may be compacted.
fn settle(log: &dyn Log, topic: &mut Topic) -> Result<(), Fault> {
    while !log.is_atomic() {
        let restated = topic.unsettled();
        if restated.is_empty() {
            return Ok(());
        }
        let restated = restated
            .into_iter()
            .map(|edit| (StreamId::CONFIG, edit.frame()));
        let offsets = append(log, restated.collect())?;
        let end = offsets.last().map_or(0, |last| last + 1);
        let next = topic.next_offset();
        read_on(log, topic, next, end)?;
    }
    Ok(())
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
