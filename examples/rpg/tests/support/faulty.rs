//! A log of independent streams in memory, of which appends fail on demand.

use bytes::Bytes;
use rkcy_runtime::log::simulated::SimulatedLog;
use rkcy_runtime::log::{
    Clock, Done, Log, LogError, Persisted, Record, StreamId, StreamKind, Wake,
};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// How an append fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    /// It is not in the log.
    Lost,
    /// It is, and who has appended it hears that it is not.
    Unheard,
}

/// The log.
pub(crate) struct Faulty {
    inner: SimulatedLog,
    /// One append in so many fails; 0: none.
    lost: AtomicU64,
    unheard: AtomicU64,
    answers_lost: AtomicU64,
    appends: AtomicU64,
    failed: AtomicU64,
}

impl Faulty {
    pub(crate) fn new(clock: Clock) -> Faulty {
        Faulty {
            inner: SimulatedLog::with_clock(clock),
            lost: AtomicU64::new(0),
            unheard: AtomicU64::new(0),
            answers_lost: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// From now on one append in `every` of frames and change records fails; 0: none.
    pub(crate) fn fail(&self, how: Fails, every: u64) {
        let place = match how {
            Fails::Lost => &self.lost,
            Fails::Unheard => &self.unheard,
        };
        place.store(every, Ordering::Relaxed);
    }

    /// From now on one record of answers in `every` is lost; 0: none.
    pub(crate) fn lose_answers(&self, every: u64) {
        self.answers_lost.store(every, Ordering::Relaxed);
    }

    /// Appends that have failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn happens(&self, every: &AtomicU64, nth: u64) -> bool {
        let every = every.load(Ordering::Relaxed);
        let happens = every > 0 && nth % every == every - 1;
        self.failed.fetch_add(u64::from(happens), Ordering::Relaxed);
        happens
    }
}

impl Log for Faulty {
    fn is_atomic(&self) -> bool {
        false
    }

    fn append(&self, batch: Vec<(StreamId, Bytes)>, done: Done) {
        let nth = self.appends.fetch_add(1, Ordering::Relaxed);
        let answers = batch
            .iter()
            .any(|(stream, _)| stream.kind == StreamKind::Answers);
        if answers {
            if self.happens(&self.answers_lost, nth) {
                return done(Err(LogError::Closed));
            }
        } else if self.happens(&self.lost, nth) {
            return done(Err(LogError::Closed));
        } else if self.happens(&self.unheard, nth + 1) {
            return self
                .inner
                .append(batch, Box::new(|_| done(Err(LogError::Closed))));
        }
        self.inner.append(batch, done);
    }

    fn read(&self, stream: StreamId, from: u64, max_bytes: usize) -> Result<Vec<Record>, LogError> {
        self.inner.read(stream, from, max_bytes)
    }

    fn bounds(&self, stream: StreamId) -> Result<Range<u64>, LogError> {
        self.inner.bounds(stream)
    }

    fn watch(&self, streams: &[StreamId], wake: Wake) {
        self.inner.watch(streams, wake);
    }

    fn answer_partitions(&self) -> u16 {
        self.inner.answer_partitions()
    }

    fn persist(&self, done: Persisted) {
        self.inner.persist(done);
    }

    fn trim(&self, stream: StreamId, before: u64) -> Result<(), LogError> {
        self.inner.trim(stream, before)
    }
}
