//! What fetches: a client of librdkafka, and the queues of the partitions that it follows.
//!
//! Owns the client with the thread that serves it, what comes out of a queue, and who is woken when something
//! has come. Leaves to [`super::follow`] which reader has which queue.

use super::super::{LogError, Record, Wake};
use super::lifeline::Lifeline;
use super::produce::spawn;
use super::settings::Settings;
use super::trouble::Trouble;
use bytes::Bytes;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread that serves a client looks whether it is still wanted.
const SERVE: Duration = Duration::from_millis(50);

pub(super) type Queue = PartitionQueue<Trouble>;

/// Who is woken when a stream has grown.
#[derive(Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<dyn Fn() + Send + Sync>>>);

impl Watchers {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Fn() + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        let mut watchers = self.lock();
        watchers.retain(|wake| wake.strong_count() > 0);
        let woken: Vec<Wake> = watchers.iter().filter_map(Weak::upgrade).collect();
        drop(watchers);
        woken.iter().for_each(|wake| wake());
    }
}

/// A client that reads, and the thread that serves its main queue.
pub(super) struct Client {
    pub(super) consumer: Arc<BaseConsumer<Trouble>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    pub(super) fn start(
        settings: &Settings,
        group: &str,
        trouble: &Trouble,
        mut lifeline: Lifeline,
    ) -> Result<Client, LogError> {
        let consumer: BaseConsumer<Trouble> = (settings.reader(group))
            .create_with_context(trouble.clone())
            .map_err(|error| LogError::Settings {
                what: error.to_string(),
            })?;
        let consumer = Arc::new(consumer);
        let stop = Arc::new(AtomicBool::new(false));
        let (served, until) = (Arc::clone(&consumer), Arc::clone(&stop));
        let thread = spawn("kafka-read", move || {
            while !until.load(Ordering::Acquire) {
                // Complaints go to the context. Records come by the cursors' queues; one that came here all the
                // same would be missing there, and that is seen.
                drop(served.poll(SERVE));
                lifeline.keep(served.client());
            }
        })?;
        Ok(Client {
            consumer,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// What a queue gave.
pub(super) enum Polled {
    Record(Record),
    /// Nothing now.
    Empty,
    /// The place is not there, any more or yet.
    OutOfRange,
    Failed(KafkaError),
}

pub(super) fn poll(queue: &Queue) -> Polled {
    match queue.poll(Duration::ZERO) {
        None => Polled::Empty,
        Some(Ok(message)) => Polled::Record(record(&message)),
        Some(Err(error)) => match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Polled::OutOfRange
            }
            _ => Polled::Failed(error),
        },
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        // Neither is negative in what a broker has sent.
        offset: u64::try_from(message.offset()).unwrap_or_default(),
        stamp: (message.timestamp().to_millis())
            .and_then(|millis| u64::try_from(millis).ok())
            .unwrap_or_default(),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
    }
}
