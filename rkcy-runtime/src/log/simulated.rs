//! The simulated log: streams in memory that lose what is not durable.
//!
//! Owns [`Stream`], of which the simulator makes the logs of its clusters, and [`SimulatedLog`], the same
//! behind the trait that the drivers are written against. Time is virtual, and a record becomes durable
//! when the test says so.

use super::{Clock, Done, Log, LogError, Persisted, Record, StreamId, Wake};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// One stream: records with their stamps, of which those up to a watermark are durable.
#[derive(Debug, Default)]
pub struct Stream {
    start: u64,
    records: VecDeque<(u64, Bytes)>,
    durable: u64,
}

impl Stream {
    /// Appends; the record is not durable yet. Gives back its offset.
    pub fn append(&mut self, stamp: u64, bytes: Bytes) -> u64 {
        self.records.push_back((stamp, bytes));
        self.end() - 1
    }

    /// Stamp and bytes of the record at `offset`, where it is kept; with `durable_only`, where it is durable.
    #[must_use]
    pub fn get(&self, offset: u64, durable_only: bool) -> Option<(u64, Bytes)> {
        let place = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        if durable_only && offset >= self.durable {
            return None;
        }
        self.records.get(place).cloned()
    }

    /// Offset of the first record kept.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.records.len() as u64
    }

    /// Offset after the last durable record.
    #[must_use]
    pub fn durable_end(&self) -> u64 {
        self.durable
    }

    /// Everything so far becomes durable.
    pub fn sync(&mut self) {
        self.durable = self.end();
    }

    /// The next `records` that are not durable become so.
    pub fn sync_next(&mut self, records: u64) {
        self.durable = (self.durable + records).min(self.end());
    }

    /// What is not durable is gone.
    pub fn lose_power(&mut self) {
        while self.end() > self.durable {
            self.records.pop_back();
        }
    }

    /// Drops the records before `before`.
    pub fn trim(&mut self, before: u64) {
        while self.start < before.min(self.end()) {
            self.records.pop_front();
            self.start += 1;
        }
    }
}

/// Appends that wait to become durable, with the offsets they will report.
type Waiting = Vec<(Done, Vec<u64>)>;

/// Who is woken when one of these streams has grown.
struct Watcher {
    streams: Vec<StreamId>,
    wake: Weak<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    streams: BTreeMap<StreamId, Stream>,
    waiting: Waiting,
    watchers: Vec<Watcher>,
    now: u64,
    clock: Option<Clock>,
    held: bool,
}

/// Streams in memory behind the [`Log`] trait.
#[derive(Default)]
pub struct SimulatedLog {
    inner: Mutex<Inner>,
}

impl SimulatedLog {
    /// From now on appends become durable only by [`SimulatedLog::sync`]; before, at once.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// A log whose records are stamped by a clock of the caller's.
    #[must_use]
    pub fn with_clock(clock: Clock) -> SimulatedLog {
        let log = SimulatedLog::default();
        log.lock().clock = Some(clock);
        log
    }

    /// Moves the virtual clock, in milliseconds.
    pub fn advance(&self, milliseconds: u64) {
        self.lock().now += milliseconds;
    }

    /// Everything appended becomes durable: it is acknowledged, and watchers are woken.
    pub fn sync(&self) {
        let mut inner = self.lock();
        let grown: Vec<StreamId> = (inner.streams.iter())
            .filter(|(_, stream)| stream.durable_end() < stream.end())
            .map(|(id, _)| *id)
            .collect();
        inner.streams.values_mut().for_each(Stream::sync);
        let waiting = std::mem::take(&mut inner.waiting);
        inner
            .watchers
            .retain(|watcher| watcher.wake.strong_count() > 0);
        let woken: Vec<Wake> = (inner.watchers.iter())
            .filter(|watcher| watcher.streams.iter().any(|stream| grown.contains(stream)))
            .filter_map(|watcher| watcher.wake.upgrade())
            .collect();
        // What they do may come back here.
        drop(inner);
        for (done, offsets) in waiting {
            done(Ok(offsets));
        }
        woken.iter().for_each(|wake| wake());
    }

    /// What is not durable is gone, and its appenders hear that the log was closed.
    pub fn lose_power(&self) {
        let mut inner = self.lock();
        inner.streams.values_mut().for_each(Stream::lose_power);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        for (done, _) in waiting {
            done(Err(LogError::Closed));
        }
    }

    /// The maps stay whole where a holder of the lock has panicked.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimulatedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedLog").finish_non_exhaustive()
    }
}

impl Log for SimulatedLog {
    /// As on a cluster: each stream loses its end on its own.
    fn is_atomic(&self) -> bool {
        false
    }

    fn answer_partitions(&self) -> u16 {
        4
    }

    fn append(&self, batch: Vec<(StreamId, Bytes)>, done: Done) {
        let mut inner = self.lock();
        let now = inner.clock.as_ref().map_or(inner.now, |clock| clock());
        let offsets = batch
            .into_iter()
            .map(|(id, bytes)| inner.streams.entry(id).or_default().append(now, bytes))
            .collect();
        inner.waiting.push((done, offsets));
        let held = inner.held;
        drop(inner);
        if !held {
            self.sync();
        }
    }

    fn read(&self, stream: StreamId, from: u64, max_bytes: usize) -> Result<Vec<Record>, LogError> {
        let held = self.bounds(stream)?;
        if from < held.start || from > held.end {
            return Err(LogError::OutOfRange {
                stream,
                asked: from,
                held,
            });
        }
        let inner = self.lock();
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        for offset in from..held.end {
            let found = inner
                .streams
                .get(&stream)
                .and_then(|stream| stream.get(offset, true));
            let Some((stamp, payload)) = found else { break };
            bytes += payload.len();
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push(Record {
                offset,
                stamp,
                payload,
            });
        }
        Ok(records)
    }

    fn bounds(&self, stream: StreamId) -> Result<Range<u64>, LogError> {
        let inner = self.lock();
        let stream = inner.streams.get(&stream);
        Ok(stream.map_or(0..0, |stream| stream.start()..stream.durable_end()))
    }

    fn watch(&self, streams: &[StreamId], wake: Wake) {
        let wake = Arc::downgrade(&wake);
        let streams = streams.to_vec();
        self.lock().watchers.push(Watcher { streams, wake });
    }

    /// What is not durable cannot be read here.
    fn persist(&self, done: Persisted) {
        done(Ok(()));
    }

    fn trim(&self, stream: StreamId, before: u64) -> Result<(), LogError> {
        let held = self.bounds(stream)?;
        if before > held.end {
            return Err(LogError::OutOfRange {
                stream,
                asked: before,
                held,
            });
        }
        if let Some(stream) = self.lock().streams.get_mut(&stream) {
            stream.trim(before);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkcy_core::id::{ConcernId, PartitionId};
    use std::sync::mpsc;

    const STREAM: StreamId = StreamId::commands(PartitionId {
        concern: ConcernId(1),
        index: 0,
    });

    #[test]
    fn only_what_is_durable_is_read_and_survives() {
        let log = SimulatedLog::default();
        log.hold();
        let (sender, receiver) = mpsc::channel();
        for text in ["a", "b"] {
            let sender = sender.clone();
            let done =
                move |result: Result<Vec<u64>, LogError>| sender.send(result.is_ok()).unwrap();
            log.append(vec![(STREAM, Bytes::from(text))], Box::new(done));
            if text == "a" {
                assert_eq!(log.read(STREAM, 0, 10).unwrap(), []);
                log.advance(5);
                log.sync();
            }
        }
        log.lose_power();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [true, false]);
        let records = log.read(STREAM, 0, 10).unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].payload, "a");
    }
}
