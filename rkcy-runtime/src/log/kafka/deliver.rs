//! What becomes of records that were sent.
//!
//! Owns the accounts: an append is settled when its last record is, with all offsets or with the first
//! failure; until then its bytes take room, and when there is none, appenders wait.

use super::super::{Done, LogError, StreamId, is_log_thread};
use super::trouble::Trouble;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One append on its way.
pub(super) struct Pending {
    /// Records not settled yet.
    open: AtomicUsize,
    bytes: usize,
    result: Mutex<Outcome>,
    room: Arc<Room>,
}

struct Outcome {
    offsets: Result<Vec<u64>, LogError>,
    done: Option<Done>,
}

impl Pending {
    /// An append of so many records and bytes; its room is taken.
    pub(super) fn new(records: usize, bytes: usize, room: &Arc<Room>, done: Done) -> Pending {
        Pending {
            open: AtomicUsize::new(records),
            bytes,
            result: Mutex::new(Outcome {
                offsets: Ok(vec![0; records]),
                done: Some(done),
            }),
            room: Arc::clone(room),
        }
    }

    /// One record is settled; with the last one, the append.
    pub(super) fn settle(&self, index: usize, result: Result<u64, LogError>) {
        let mut outcome = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(offset) => {
                if let Ok(offsets) = &mut outcome.offsets
                    && let Some(place) = offsets.get_mut(index)
                {
                    *place = offset;
                }
            }
            Err(error) if outcome.offsets.is_ok() => outcome.offsets = Err(error),
            Err(_) => {}
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let offsets = std::mem::replace(&mut outcome.offsets, Ok(Vec::new()));
        let done = outcome.done.take();
        drop(outcome);
        self.room.leave(self.bytes);
        if let Some(done) = done {
            done(offsets);
        }
    }
}

/// What is on its way, in bytes.
#[derive(Default)]
pub(super) struct Room {
    limit: usize,
    taken: Mutex<usize>,
    less: Condvar,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn new(limit: usize) -> Room {
        Room {
            limit,
            ..Room::default()
        }
    }

    pub(super) fn enter(&self, bytes: usize) {
        let mut taken = self.lock();
        while *taken > self.limit && !is_log_thread() {
            taken = self
                .less
                .wait(taken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
    }

    pub(super) fn leave(&self, bytes: usize) {
        let mut taken = self.lock();
        let was_full = *taken > self.limit;
        *taken -= bytes;
        if was_full || *taken == 0 {
            self.less.notify_all();
        }
    }

    /// Waits until nothing is on its way, for so long at most.
    pub(super) fn empty(&self, wait: Duration) -> bool {
        let taken = self.lock();
        let waited = self
            .less
            .wait_timeout_while(taken, wait, |taken| *taken > 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What librdkafka carries for a record: whose it is.
pub(super) struct Ticket {
    pub(super) pending: Arc<Pending>,
    pub(super) index: usize,
    pub(super) stream: StreamId,
}

/// Hears of deliveries and of complaints.
pub(super) struct Deliveries(pub(super) Trouble);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.0.log(level, fac, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let result = match result {
            // Negative where the cluster did not say; idempotence makes it say.
            Ok(message) => u64::try_from(message.offset())
                .map_err(|_| not_taken(ticket.stream, "it was acknowledged without an offset")),
            Err((error, _)) => Err(match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => {
                    LogError::Closed
                }
                Some(code) => not_taken(ticket.stream, &explain(code)),
                None => not_taken(ticket.stream, &error.to_string()),
            }),
        };
        ticket.pending.settle(ticket.index, result);
    }
}

pub(super) fn not_taken(stream: StreamId, what: &str) -> LogError {
    LogError::NotTaken {
        stream,
        what: what.to_owned(),
    }
}

/// What the user can do about it, where librdkafka's words do not tell.
pub(super) fn explain(code: RDKafkaErrorCode) -> String {
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge => format!(
            "{code}: the topic's `max.message.bytes` is below {} bytes",
            super::settings::RECORD_BYTES
        ),
        RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend => {
            format!("{code}: fewer brokers are in sync than `min.insync.replicas`")
        }
        _ => code.to_string(),
    }
}
