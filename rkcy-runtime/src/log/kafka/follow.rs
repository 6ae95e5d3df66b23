//! Streams that are read.
//!
//! Owns who reads where. A stream that is read has a *cursor*: a queue of its own in a client of librdkafka,
//! which fetches ahead into it until so many bytes are there (`ahead_kib`), and goes on when they were taken. So a
//! reader that is slow holds up nobody, memory is bounded, and no thread stands between the client's and
//! the reader's: a record wakes who watches the stream, and is copied once.
//!
//! A cursor goes forward. A read elsewhere moves it, unless another reader has just used it: then the
//! stream gets a second one, in a second client, since a client has one place in a partition.
//!
//! Offsets are dense here, since there are no transactions and no compaction in topics that are read so, but for
//! configuration. That is checked: what is missing between two records is an error, never skipped.

use super::super::{LogError, Record, StreamId, Wake, mark_log_thread};
use super::admin::SETTLE;
use super::fetch::{Client, Polled, Queue, Watchers, poll};
use super::lifeline::Lifeline;
use super::names::Names;
use super::settings::Settings;
use super::trouble::Trouble;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long a question to the brokers may take.
pub(super) const ASK: Duration = Duration::from_secs(10);
/// A cursor that nobody has used for so long may be moved by another reader.
const FORGOTTEN: Duration = Duration::from_secs(2);
/// So many readers of one stream go their own ways; more would push each other.
const CLIENTS: usize = 3;

/// Pause between two tries while a partition is without a leader that is known.
const MOVING: Duration = Duration::from_millis(20);

/// One reader's place in a stream.
struct Cursor {
    queue: Queue,
    client: usize,
    /// Offset of the record that is given next.
    next: u64,
    /// Taken from the queue and not given yet, in order, up to `next + held.len()`.
    held: VecDeque<Record>,
    used: Instant,
    /// It was moved to `next` because of a gap: another one is a gap of the stream.
    moved_for_gap: bool,
}

/// A stream that is read.
struct Followed {
    id: StreamId,
    topic: Arc<str>,
    partition: i32,
    cursors: Mutex<Vec<Cursor>>,
    watchers: Arc<Watchers>,
}

/// Codes that say: ask another broker, or the same in a moment.
fn is_moving(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::FencedLeaderEpoch
            | RDKafkaErrorCode::UnknownLeaderEpoch
            | RDKafkaErrorCode::ReplicaNotAvailable
    )
}

/// Codes that say: there is no such thing, or not yet on the broker that was asked.
fn is_unknown(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
    )
}

/// All streams that are read.
pub(super) struct Following {
    settings: Settings,
    names: Arc<Names>,
    trouble: Trouble,
    clients: Mutex<Vec<Arc<Client>>>,
    streams: RwLock<BTreeMap<StreamId, Arc<Followed>>>,
    watchers: Mutex<BTreeMap<StreamId, Arc<Watchers>>>,
}

impl Following {
    pub(super) fn start(
        settings: &Settings,
        names: Arc<Names>,
        trouble: &Trouble,
    ) -> Result<Following, LogError> {
        let following = Following {
            settings: settings.clone(),
            names,
            trouble: trouble.clone(),
            clients: Mutex::default(),
            streams: RwLock::default(),
            watchers: Mutex::default(),
        };
        following.client(0)?;
        Ok(following)
    }

    /// The `nth` client, which is made where it is needed first.
    fn client(&self, nth: usize) -> Result<Arc<Client>, LogError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        while clients.len() <= nth {
            let group = format!("{}.read", self.names.prefix);
            let lifeline = Lifeline::new(&self.settings, &self.names);
            let client = Client::start(&self.settings, &group, &self.trouble, lifeline)?;
            clients.push(Arc::new(client));
        }
        Ok(Arc::clone(&clients[nth]))
    }

    fn watchers(&self, stream: StreamId) -> Arc<Watchers> {
        let mut all = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(stream).or_default())
    }

    pub(super) fn watch(&self, streams: &[StreamId], wake: &Wake) {
        for stream in streams {
            self.watchers(*stream).lock().push(Arc::downgrade(wake));
        }
        let followed = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        let any = streams.iter().any(|stream| followed.contains_key(stream));
        drop(followed);
        // What waits there has woken those who came before.
        if any {
            wake();
        }
    }

    /// Nobody here reads these any more. Whoever does all the same is woken, and begins anew.
    pub(super) fn leave(&self, streams: &[StreamId]) {
        for stream in streams {
            let left = (self.streams.write())
                .unwrap_or_else(PoisonError::into_inner)
                .remove(stream);
            let Some(left) = left else { continue };
            let cursors = std::mem::take(&mut *left.cursors());
            for cursor in cursors {
                if let Ok(client) = self.client(cursor.client) {
                    // It fails where the partition is not assigned: then there is nothing to stop.
                    let _ = client.consumer.incremental_unassign(&left.place(None));
                }
            }
            left.watchers.wake();
        }
    }

    pub(super) fn bounds(&self, stream: StreamId) -> Result<Range<u64>, LogError> {
        let (topic, partition) = self.names.place(stream)?;
        let client = self.client(0)?;
        let began = Instant::now();
        let error = loop {
            let error = match client.consumer.fetch_watermarks(topic, partition, ASK) {
                Ok((low, high)) => {
                    let offset = |mark: i64| u64::try_from(mark).unwrap_or_default();
                    return Ok(offset(low)..offset(high));
                }
                Err(error) => error,
            };
            let patience = match error.rdkafka_error_code() {
                Some(code) if is_moving(code) => ASK,
                Some(code) if is_unknown(code) => SETTLE,
                _ => Duration::ZERO,
            };
            if began.elapsed() >= patience {
                break error;
            }
            std::thread::sleep(MOVING);
            // A broker that has just begun may not know yet what there is. The client keeps that answer for as long
            // as a good one, and gives it to whoever asks: so it is told to ask again. Where it cannot, the next
            // try says why.
            let _ = client.consumer.fetch_metadata(Some(topic), SETTLE);
        };
        if error.rdkafka_error_code().is_some_and(is_unknown) {
            let topics = vec![format!("{topic} (partition {partition})")];
            return Err(LogError::TopicMissing { topics });
        }
        let doing = format!("learn the bounds of {stream}");
        Err(self.trouble.explain(&self.settings.brokers, &doing, &error))
    }

    fn followed(&self, stream: StreamId) -> Result<Arc<Followed>, LogError> {
        let known = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(followed) = known.get(&stream) {
            return Ok(Arc::clone(followed));
        }
        drop(known);
        let (topic, partition) = self.names.place(stream)?;
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        let followed = streams.entry(stream).or_insert_with(|| {
            Arc::new(Followed {
                id: stream,
                topic: Arc::clone(topic),
                partition,
                cursors: Mutex::default(),
                watchers: self.watchers(stream),
            })
        });
        Ok(Arc::clone(followed))
    }

    pub(super) fn read(
        &self,
        stream: StreamId,
        from: u64,
        max_bytes: usize,
    ) -> Result<Vec<Record>, LogError> {
        let followed = self.followed(stream)?;
        let mut cursors = followed.cursors();
        let at = match cursors.iter().position(|cursor| cursor.next == from) {
            Some(at) => at,
            None => self.go_to(&followed, &mut cursors, from)?,
        };
        let read = self.take(&followed, &mut cursors[at], max_bytes);
        if read.is_err() {
            // Whatever is read here next begins by asking what there is.
            let cursor = cursors.swap_remove(at);
            self.stop(&followed, cursor);
        }
        read
    }

    /// A cursor at `from`: a new one, or one that nobody needs where it is.
    fn go_to(
        &self,
        followed: &Arc<Followed>,
        cursors: &mut Vec<Cursor>,
        from: u64,
    ) -> Result<usize, LogError> {
        let stream = followed.id;
        let held = self.bounds(stream)?;
        if from < held.start || from > held.end {
            return Err(LogError::OutOfRange {
                stream,
                asked: from,
                held,
            });
        }
        let idle = (0..cursors.len()).max_by_key(|at| cursors[*at].used.elapsed());
        if let Some(at) = idle
            && (cursors.len() == CLIENTS || cursors[at].used.elapsed() >= FORGOTTEN)
        {
            self.move_to(followed, &mut cursors[at], from)?;
            return Ok(at);
        }
        let free = (0..CLIENTS).find(|nth| cursors.iter().all(|cursor| cursor.client != *nth));
        let nth = free.unwrap_or_default();
        let client = self.client(nth)?;
        let failed = |error: &KafkaError| {
            let doing = format!("read {stream}");
            self.trouble.explain(&self.settings.brokers, &doing, error)
        };
        // The queue first: what is fetched goes there from the first record on.
        let queue = client
            .consumer
            .split_partition_queue(&followed.topic, followed.partition);
        let mut queue = queue.ok_or(LogError::NoTopic { stream })?;
        let watchers = Arc::clone(&followed.watchers);
        queue.set_nonempty_callback(move || {
            // librdkafka's thread: an append made from here must not wait.
            mark_log_thread();
            watchers.wake();
        });
        (client.consumer)
            .incremental_assign(&followed.place(Some(from)))
            .map_err(|error| failed(&error))?;
        cursors.push(Cursor {
            queue,
            client: nth,
            next: from,
            held: VecDeque::new(),
            used: Instant::now(),
            moved_for_gap: false,
        });
        Ok(cursors.len() - 1)
    }

    fn move_to(&self, followed: &Followed, cursor: &mut Cursor, to: u64) -> Result<(), LogError> {
        // Close ahead: what was fetched already is dropped as it comes.
        cursor.held.retain(|record| record.offset >= to);
        let ahead = cursor.held.front().is_some_and(|first| first.offset == to);
        cursor.moved_for_gap = false;
        if !ahead {
            cursor.held.clear();
            let client = self.client(cursor.client)?;
            let offset = Offset::Offset(i64::try_from(to).unwrap_or(i64::MAX));
            (client.consumer)
                .seek(&followed.topic, followed.partition, offset, ASK)
                .map_err(|error| {
                    let doing = format!("go to offset {to} of {}", followed.id);
                    self.trouble.explain(&self.settings.brokers, &doing, &error)
                })?;
        }
        cursor.next = to;
        Ok(())
    }

    /// A cursor that has failed is given up.
    fn stop(&self, followed: &Followed, cursor: Cursor) {
        if let Ok(client) = self.client(cursor.client) {
            let _ = client.consumer.incremental_unassign(&followed.place(None));
        }
    }

    fn take(
        &self,
        followed: &Followed,
        cursor: &mut Cursor,
        max_bytes: usize,
    ) -> Result<Vec<Record>, LogError> {
        let stream = followed.id;
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        cursor.used = Instant::now();
        loop {
            let record = match cursor.held.pop_front() {
                Some(record) => record,
                None => match poll(&cursor.queue) {
                    Polled::Record(record) => record,
                    Polled::Empty => break,
                    Polled::OutOfRange => {
                        let held = self.bounds(stream)?;
                        return Err(LogError::OutOfRange {
                            stream,
                            asked: cursor.next,
                            held,
                        });
                    }
                    Polled::Failed(error) if records.is_empty() => {
                        let doing = format!("read {stream}");
                        let brokers = &self.settings.brokers;
                        match self.trouble.explain(brokers, &doing, &error) {
                            // librdkafka tries again by itself. Records may stand behind it, for which
                            // nobody is woken: the queue is not empty.
                            LogError::Unreachable { .. } => continue,
                            error => return Err(error),
                        }
                    }
                    Polled::Failed(_) => break,
                },
            };
            if record.offset < cursor.next {
                continue;
            }
            if record.offset > cursor.next {
                if !records.is_empty() {
                    // First what is in order; the next read looks into it.
                    cursor.held.push_front(record);
                    break;
                }
                self.look_into_gap(followed, cursor, record.offset)?;
                // What stands behind it is of before the move, or wakes nobody.
                continue;
            }
            bytes += record.payload.len();
            if bytes > max_bytes && !records.is_empty() {
                cursor.held.push_front(record);
                break;
            }
            cursor.next += 1;
            cursor.moved_for_gap = false;
            records.push(record);
        }
        Ok(records)
    }

    /// A record is not where it should be: it was trimmed, or was dropped on the way, or the stream has a hole.
    fn look_into_gap(
        &self,
        followed: &Followed,
        cursor: &mut Cursor,
        found: u64,
    ) -> Result<(), LogError> {
        let stream = followed.id;
        let expected = cursor.next;
        let held = self.bounds(stream)?;
        if expected < held.start {
            return Err(LogError::OutOfRange {
                stream,
                asked: expected,
                held,
            });
        }
        if cursor.moved_for_gap && stream == StreamId::CONFIG {
            // It was compacted.
            cursor.moved_for_gap = false;
            return self.move_to(followed, cursor, found);
        }
        if cursor.moved_for_gap {
            return Err(LogError::Gap {
                stream,
                expected,
                found,
            });
        }
        cursor.held.clear();
        self.move_to(followed, cursor, expected)?;
        cursor.moved_for_gap = true;
        Ok(())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // The queues go before the clients that they are of.
        let streams =
            std::mem::take(&mut *self.streams.write().unwrap_or_else(PoisonError::into_inner));
        for followed in streams.values() {
            followed.cursors().clear();
        }
    }
}

impl Followed {
    fn cursors(&self) -> MutexGuard<'_, Vec<Cursor>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, at: Option<u64>) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        let mut place = list.add_partition(&self.topic, self.partition);
        if let Some(at) = at {
            let offset = Offset::Offset(i64::try_from(at).unwrap_or(i64::MAX));
            // It fails for what is no offset, and this is one.
            let _ = place.set_offset(offset);
        }
        list
    }
}
