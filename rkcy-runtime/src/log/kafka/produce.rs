//! Records on their way to the cluster.
//!
//! Owns the producers and what stands in front of them:
//!
//! ```text
//! append ─► room? ─► at once: producer without linger ───┐
//!                  └ under load: producer with 1 ms ─────┴─► broker
//!                  done ◄── all records of the append acknowledged ◄─┘ (threads `kafka-done`)
//! ```
//!
//! One front for all callers, so that the order of their appends is the order of the records: librdkafka keeps
//! it, per partition, also over repeats. Between the two producers it would not be kept, so a change of pace
//! (`pace`) waits until the one has been told of all that it had; what comes meanwhile waits, and then goes
//! first (thread `kafka-pace`).
//!
//! Where a producer has lost its numbering for good (a fatal error), what it still has fails and a new one goes
//! on: the caller of anything that fails takes over again (rule 1).

use super::super::{Done, LogError, StreamId, is_log_thread, mark_log_thread};
use super::deliver::{Deliveries, Pending, Room, Ticket, explain, not_taken};
use super::headers;
use super::lifeline::Lifeline;
use super::names::Names;
use super::pace::Pace;
use super::settings::Settings;
use super::trouble::Trouble;
use bytes::Bytes;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer, PurgeConfig};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What one record costs in the queues beside its bytes.
const RECORD_COST: usize = 128;
/// How long closing waits for acknowledgements.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// How often the thread that serves a producer looks whether it is still wanted.
const SERVE: Duration = Duration::from_millis(50);

type Client = BaseProducer<Deliveries, NoCustomPartitioner>;

/// One producer and the thread that calls what waits for it.
struct Serving {
    client: Arc<Client>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    fn start(
        settings: &Settings,
        names: &Names,
        way: Way,
        trouble: &Trouble,
    ) -> Result<Serving, LogError> {
        let client: Client = (settings.producer(way == Way::Gather))
            .create_with_context(Deliveries(trouble.clone()))
            .map_err(|error| LogError::Settings {
                what: error.to_string(),
            })?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let (served, until) = (Arc::clone(&client), Arc::clone(&stop));
        let mut lifeline = Lifeline::new(settings, names);
        let thread = spawn("kafka-done", move || {
            while !until.load(Ordering::Acquire) {
                served.poll(SERVE);
                lifeline.keep(served.client());
            }
            // Whoever still waits hears that it was closed.
            served.purge(PurgeConfig::default().queue().inflight());
            while served.in_flight_count() > 0 {
                served.poll(Duration::from_millis(1));
            }
        })?;
        Ok(Serving {
            client,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && !is_log_thread()
        {
            // A panic in there was a caller's and has been reported.
            let _ = thread.join();
        }
    }
}

/// A thread of the log.
pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LogError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            mark_log_thread();
            run();
        })
        .map_err(|error| LogError::Cluster {
            doing: "start a thread".to_owned(),
            what: error.to_string(),
        })
}

struct Item {
    ticket: Box<Ticket>,
    payload: Bytes,
}

/// Which producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    AtOnce = 0,
    Gather = 1,
}

struct Front {
    pace: Pace,
    /// Which producer has what is on its way.
    way: Way,
    /// Which one is to have the rest.
    wanted: Way,
    /// What waits for the change.
    waiting: Vec<Item>,
    /// What waited is being sent: others queue behind it.
    sending: bool,
    /// Appends that have nothing to wait for, and failures to be told of by a thread of the log.
    settled: Vec<Done>,
    closed: Option<Instant>,
}

struct Shared {
    settings: Settings,
    names: Arc<Names>,
    trouble: Trouble,
    front: Mutex<Front>,
    /// There is something for the thread `kafka-pace`.
    news: Condvar,
    /// By [`Way`].
    serving: [Mutex<Arc<Serving>>; 2],
    room: Arc<Room>,
}

/// How often it is looked whether a producer has been told of all that it had.
const CHANGE: Duration = Duration::from_micros(200);

/// Takes appends, and sees that they arrive in order.
pub(super) struct Producing {
    shared: Arc<Shared>,
    pacer: Option<JoinHandle<()>>,
}

impl Producing {
    pub(super) fn start(
        settings: &Settings,
        names: Arc<Names>,
        trouble: &Trouble,
    ) -> Result<Producing, LogError> {
        let serving = |way| -> Result<_, LogError> {
            Ok(Mutex::new(Arc::new(Serving::start(
                settings, &names, way, trouble,
            )?)))
        };
        let serving = [serving(Way::AtOnce)?, serving(Way::Gather)?];
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            names,
            trouble: trouble.clone(),
            front: Mutex::new(Front {
                pace: Pace::new(Instant::now()),
                way: Way::AtOnce,
                wanted: Way::AtOnce,
                waiting: Vec::new(),
                sending: false,
                settled: Vec::new(),
                closed: None,
            }),
            news: Condvar::new(),
            serving,
            room: Arc::new(Room::new((settings.queue_mib as usize) << 20)),
        });
        let paced = Arc::clone(&shared);
        let pacer = spawn("kafka-pace", move || paced.pace())?;
        Ok(Producing {
            shared,
            pacer: Some(pacer),
        })
    }

    /// The first acknowledgement waits for a number of the producer's own, which is asked for early by this.
    pub(super) fn warm(&self, topic: &str, wait: Duration) {
        for way in [Way::AtOnce, Way::Gather] {
            let serving = self.shared.serving(way);
            // Where it fails, the first append waits for the same.
            let _ = serving.client.client().fetch_metadata(Some(topic), wait);
        }
    }

    pub(super) fn append(&self, batch: Vec<(StreamId, Bytes)>, done: Done) {
        let shared = &*self.shared;
        if batch.is_empty() {
            let mut front = shared.front();
            front.settled.push(done);
            drop(front);
            shared.news.notify_one();
            return;
        }
        let bytes = batch
            .iter()
            .map(|(_, payload)| payload.len() + RECORD_COST)
            .sum();
        shared.room.enter(bytes);
        let pending = Arc::new(Pending::new(batch.len(), bytes, &shared.room, done));
        let items = batch
            .into_iter()
            .enumerate()
            .map(|(index, (stream, payload))| Item {
                ticket: Box::new(Ticket {
                    pending: Arc::clone(&pending),
                    index,
                    stream,
                }),
                payload,
            });
        let mut front = shared.front();
        front.wanted = match front.pace.note(items.len(), Instant::now()) {
            true => Way::Gather,
            false => Way::AtOnce,
        };
        if front.wanted == front.way && front.waiting.is_empty() && !front.sending {
            // Under the lock: another caller must not get between these.
            let refused = shared.send(front.way, items);
            drop(front);
            shared.refuse(refused);
            return;
        }
        let first = front.waiting.is_empty();
        front.waiting.extend(items);
        drop(front);
        if first {
            shared.news.notify_one();
        }
    }
}

impl Drop for Producing {
    fn drop(&mut self) {
        self.shared.front().closed = Some(Instant::now());
        self.shared.news.notify_one();
        if let Some(pacer) = self.pacer.take()
            && !is_log_thread()
        {
            let _ = pacer.join();
            self.shared.room.empty(CLOSE_WAIT);
        }
    }
}

impl Shared {
    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, way: Way) -> MutexGuard<'_, Arc<Serving>> {
        self.serving[way as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn serving(&self, way: Way) -> Arc<Serving> {
        Arc::clone(&self.slot(way))
    }

    /// Changes from one producer to the other and sends what waited for that, until the log is closed and
    /// nothing waits.
    fn pace(&self) {
        let mut front = self.front();
        loop {
            let settled = std::mem::take(&mut front.settled);
            if !settled.is_empty() {
                drop(front);
                settled.into_iter().for_each(|done| done(Ok(Vec::new())));
                front = self.front();
                continue;
            }
            if front.waiting.is_empty() {
                if front.closed.is_some() {
                    return;
                }
                front = self
                    .news
                    .wait(front)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if front.wanted != front.way {
                // Where the brokers are away this lasts until they are back, and the room fills.
                if self.serving(front.way).client.in_flight_count() > 0 {
                    if front.closed.is_some_and(|at| at.elapsed() > CLOSE_WAIT) {
                        let waiting = std::mem::take(&mut front.waiting);
                        drop(front);
                        for item in waiting {
                            let ticket = item.ticket;
                            ticket.pending.settle(ticket.index, Err(LogError::Closed));
                        }
                        front = self.front();
                        continue;
                    }
                    front = self
                        .news
                        .wait_timeout(front, CHANGE)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                    continue;
                }
                front.way = front.wanted;
            }
            let waiting = std::mem::take(&mut front.waiting);
            let way = front.way;
            front.sending = true;
            drop(front);
            let refused = self.send(way, waiting.into_iter());
            self.refuse(refused);
            front = self.front();
            front.sending = false;
        }
    }

    /// Hands records to the producer, in order; gives back those that it did not take.
    fn send(&self, way: Way, items: impl Iterator<Item = Item>) -> Vec<(Box<Ticket>, LogError)> {
        let mut refused = Vec::new();
        let mut serving = self.serving(way);
        for Item { ticket, payload } in items {
            let stream = ticket.stream;
            let (topic, partition) = match self.names.place(stream) {
                Ok(place) => place,
                Err(error) => {
                    refused.push((ticket, error));
                    continue;
                }
            };
            let shown = headers::of(stream, &payload);
            let mut record: BaseRecord<'_, [u8], [u8], Box<Ticket>> =
                BaseRecord::with_opaque_to(topic, ticket)
                    .partition(partition)
                    .payload(&payload[..]);
            record.key = shown.key.as_deref();
            record.headers = shown.headers;
            if let Err((error, record)) = serving.client.send(record) {
                if serving.client.client().fatal_error().is_none() {
                    let error = not_taken(stream, &text(&error));
                    refused.push((record.delivery_opaque, error));
                    continue;
                }
                // It will never take anything again.
                match self.renew(way, &serving) {
                    Ok(fresh) => serving = fresh,
                    Err(error) => {
                        refused.push((record.delivery_opaque, error));
                        continue;
                    }
                }
                if let Err((error, record)) = serving.client.send(record) {
                    let error = not_taken(stream, &text(&error));
                    refused.push((record.delivery_opaque, error));
                }
            }
        }
        refused
    }

    /// Another producer in the place of one that is at its end.
    fn renew(&self, way: Way, old: &Arc<Serving>) -> Result<Arc<Serving>, LogError> {
        let mut serving = self.slot(way);
        if Arc::ptr_eq(&serving, old) {
            *serving = Arc::new(Serving::start(
                &self.settings,
                &self.names,
                way,
                &self.trouble,
            )?);
            // Its thread ends it: what it still had fails.
            old.stop.store(true, Ordering::Release);
        }
        Ok(Arc::clone(&serving))
    }

    /// Tells of records that were not taken, from a thread of the log.
    fn refuse(&self, refused: Vec<(Box<Ticket>, LogError)>) {
        if refused.is_empty() {
            return;
        }
        let settle = move || {
            for (ticket, error) in refused {
                ticket.pending.settle(ticket.index, Err(error));
            }
        };
        if is_log_thread() {
            settle();
            return;
        }
        let mut front = self.front();
        front.settled.push(Box::new(move |_| settle()));
        drop(front);
        self.news.notify_one();
    }
}

fn text(error: &KafkaError) -> String {
    error
        .rdkafka_error_code()
        .map_or_else(|| error.to_string(), explain)
}
