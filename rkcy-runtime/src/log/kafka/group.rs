//! Which process has which partition: a consumer group per role and build.
//!
//! Owns the membership. A member subscribes to the topics of its role and is told its partitions; it reads
//! nothing (the log does that, at places of its own) and commits nothing. Where the brokers have the protocol
//! of KIP-848 it is used: joining and leaving take a fraction of the time. Elsewhere the classic cooperative
//! one is: both leave partitions alone that do not move.
//!
//! A partition that is to move is kept until its worker has let go of it ([`Released`]), for [`HOLD`] at most.

use super::super::LogError;
use super::super::group::{Assigned, Group, GroupId, Hear, Member, Released, Role};
use super::lifeline::Lifeline;
use super::names::{Names, Platform, Use};
use super::produce::spawn;
use super::settings::Settings;
use super::trouble::Trouble;
use crossbeam_channel::{Receiver, Sender};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use rkcy_core::id::PartitionId;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A worker has so long to let go of its partitions; below `max.poll.interval.ms`, after which the brokers take
/// them anyway.
const HOLD: Duration = Duration::from_secs(45);
/// How long the member sleeps in its client, with and without partitions that are being handed over.
const IDLE: Duration = Duration::from_millis(50);
const HANDING_OVER: Duration = Duration::from_millis(5);

/// The groups of a platform on a Kafka cluster.
#[derive(Clone, Debug)]
pub struct KafkaGroup {
    settings: Settings,
    names: Arc<Names>,
}

impl KafkaGroup {
    /// The groups of a platform whose topics are there.
    ///
    /// # Errors
    /// [`LogError::Settings`] where the names of its topics are too long.
    pub fn new(settings: &Settings, platform: &Platform) -> Result<KafkaGroup, LogError> {
        Ok(KafkaGroup {
            settings: settings.clone(),
            names: Arc::new(Names::new(platform)?),
        })
    }
}

impl Group for KafkaGroup {
    fn join(&self, group: GroupId, hear: Hear) -> Result<Box<dyn Member>, LogError> {
        let name = format!("{}.{}.{:016x}", self.names.prefix, group.role, group.build);
        let uses = match group.role {
            Role::Process => Use::Commands,
            Role::Storage => Use::Changes,
        };
        let topics: Vec<String> = self.names.of_use(uses).map(str::to_owned).collect();
        let joining = Joining {
            settings: self.settings.clone(),
            names: Arc::clone(&self.names),
            name,
            topics,
            hear: hear.into(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let first = joining.consumer(self.settings.classic_groups)?;
        let until = Arc::clone(&stop);
        let thread = spawn("kafka-group", move || joining.run(first, &until))?;
        Ok(Box::new(KafkaMember {
            stop,
            thread: Some(thread),
        }))
    }
}

struct KafkaMember {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member for KafkaMember {}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// Partitions that wait for their worker.
struct Held {
    number: u64,
    list: TopicPartitionList,
    since: Instant,
}

/// Hears of rebalances, in the member's own thread.
struct Rebalances {
    names: Arc<Names>,
    hear: Arc<dyn Fn(Assigned) + Send + Sync>,
    trouble: Trouble,
    held: Mutex<Vec<Held>>,
    numbers: AtomicU64,
    free: Sender<u64>,
    leaving: AtomicBool,
}

impl Rebalances {
    fn owned(&self, list: &TopicPartitionList) -> Vec<PartitionId> {
        (list.elements().iter())
            .filter_map(|place| self.names.owned(place.topic(), place.partition()))
            .collect()
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gained(&self, consumer: &BaseConsumer<Rebalances>, list: &mut TopicPartitionList) {
        // A place is needed and nothing is fetched: paused before a fetch can come back.
        let placed = list
            .set_all_offsets(Offset::Offset(0))
            .and_then(|()| consumer.incremental_assign(list))
            .and_then(|()| consumer.pause(list));
        if let Err(error) = placed {
            self.trouble.note(&error, &error.to_string());
        }
        let owned = self.owned(list);
        if !owned.is_empty() {
            (self.hear)(Assigned::Gained(owned));
        }
    }

    fn revoked(&self, consumer: &BaseConsumer<Rebalances>, list: &TopicPartitionList) {
        let owned = self.owned(list);
        let lost = consumer.assignment_lost();
        if lost || self.leaving.load(Ordering::Acquire) || owned.is_empty() {
            if lost && !owned.is_empty() {
                (self.hear)(Assigned::Lost(owned));
            }
            self.give(consumer, list);
            return;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.held().push(Held {
            number,
            list: list.clone(),
            since: Instant::now(),
        });
        let free = self.free.clone();
        let released = Released::new(move || {
            // Where nobody listens any more, the membership is over.
            let _ = free.send(number);
        });
        (self.hear)(Assigned::Revoked(owned, released));
    }

    /// The group may go on with these.
    fn give(&self, consumer: &BaseConsumer<Rebalances>, list: &TopicPartitionList) {
        if let Err(error) = consumer.incremental_unassign(list) {
            self.trouble.note(&error, &error.to_string());
        }
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.trouble.log(level, fac, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.gained(consumer, list);
        } else {
            self.revoked(consumer, list);
        }
    }
}

/// A membership as it is run by its thread.
struct Joining {
    settings: Settings,
    names: Arc<Names>,
    name: String,
    topics: Vec<String>,
    hear: Arc<dyn Fn(Assigned) + Send + Sync>,
}

type Client = (BaseConsumer<Rebalances>, Receiver<u64>);

impl Joining {
    fn consumer(&self, classic: bool) -> Result<Client, LogError> {
        let (free, freed) = crossbeam_channel::unbounded();
        let context = Rebalances {
            names: Arc::clone(&self.names),
            hear: Arc::clone(&self.hear),
            trouble: Trouble::default(),
            held: Mutex::default(),
            numbers: AtomicU64::new(0),
            free,
            leaving: AtomicBool::new(false),
        };
        let consumer: BaseConsumer<Rebalances> = (self.settings.member(&self.name, classic))
            .create_with_context(context)
            .map_err(|error| LogError::Settings {
                what: error.to_string(),
            })?;
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| LogError::Cluster {
                doing: format!("join the group {}", self.name),
                what: error.to_string(),
            })?;
        Ok((consumer, freed))
    }

    /// Serves the membership until it is dropped; begins anew where a client has come to its end.
    fn run(&self, first: Client, stop: &AtomicBool) {
        let mut classic = self.settings.classic_groups;
        let mut client = Some(first);
        while !stop.load(Ordering::Acquire) {
            let served = match client.take() {
                Some(client) => Ok(client),
                None => self.consumer(classic),
            };
            // A client that cannot be made now is made a moment later.
            let Ok((consumer, freed)) = served else {
                std::thread::park_timeout(Duration::from_secs(1));
                continue;
            };
            if self.serve(&consumer, &freed, stop) == End::UnknownProtocol {
                classic = true;
            }
            leave(consumer);
        }
    }

    fn serve(
        &self,
        consumer: &BaseConsumer<Rebalances>,
        freed: &Receiver<u64>,
        stop: &AtomicBool,
    ) -> End {
        let context = Arc::clone(consumer.context());
        let mut lifeline = Lifeline::new(&self.settings, &self.names);
        while !stop.load(Ordering::Acquire) {
            lifeline.keep(consumer.client());
            let waiting = !context.held().is_empty();
            let result = consumer.poll(if waiting { HANDING_OVER } else { IDLE });
            if let Some(Err(error)) = result {
                match error.rdkafka_error_code() {
                    Some(
                        RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion,
                    ) => return End::UnknownProtocol,
                    _ if consumer.client().fatal_error().is_some() => {
                        self.lost_all(consumer);
                        return End::Fatal;
                    }
                    _ => {}
                }
            }
            let mut free: Vec<u64> = freed.try_iter().collect();
            let mut held = context.held();
            free.extend(
                (held.iter())
                    .filter(|held| held.since.elapsed() > HOLD)
                    .map(|held| held.number),
            );
            let (given, kept) = std::mem::take(&mut *held)
                .into_iter()
                .partition(|held| free.contains(&held.number));
            *held = kept;
            drop(held);
            let given: Vec<Held> = given;
            for held in given {
                context.give(consumer, &held.list);
            }
        }
        End::Stopped
    }

    fn lost_all(&self, consumer: &BaseConsumer<Rebalances>) {
        let assigned = consumer.assignment().unwrap_or_default();
        let owned = consumer.context().owned(&assigned);
        if !owned.is_empty() {
            (self.hear)(Assigned::Lost(owned));
        }
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Stopped,
    UnknownProtocol,
    Fatal,
}

/// Leaves the group: what is still held goes with it.
fn leave(consumer: BaseConsumer<Rebalances>) {
    let context = Arc::clone(consumer.context());
    context.leaving.store(true, Ordering::Release);
    let held = std::mem::take(&mut *context.held());
    for held in held {
        context.give(&consumer, &held.list);
    }
    drop(consumer);
}
