//! Command, worker, answer and nothing else: what a log costs by itself.
//!
//! Owns the client library by hand ([`Raw`]), what a log has to do to be measured beside it ([`Side`]), and the
//! load of a number of records that are under way at a time.

use crate::figures::Figures;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use hdrhistogram::Histogram;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use rkcy_core::id::ConcernId;
use rkcy_runtime::log::kafka::{Admin, Platform, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Records that one read takes at most.
const READ_RECORDS: usize = 1000;

/// Records before the first figure: the broker's code is compiled while it runs.
pub(crate) const WARM: usize = 20_000;

/// A topic and one of its partitions.
pub(crate) type Place = (String, i32);

/// Topics made as those of a platform are, of four partitions.
pub(crate) struct Topics {
    admin: Admin,
    pub(crate) settings: Settings,
    pub(crate) platform: Platform,
}

impl Topics {
    /// Makes them.
    pub(crate) fn new() -> Topics {
        let place = std::env::var("RKCY_TEST_LOG").expect("scripts/bench starts the servers");
        let brokers = place.strip_prefix("kafka:").expect("kafka:HOST:PORT");
        let settings = Settings::new(brokers);
        let platform = Platform {
            name: "bench".to_owned(),
            env: uuid::Uuid::new_v4().to_string(),
            generation: 1,
            concerns: vec![(ConcernId(1), "thing".to_owned())],
            partitions: 4,
            answers: 1,
        };
        let admin = Admin::connect(&settings).expect("the broker answers");
        admin.create(&platform).expect("topics");
        Topics {
            admin,
            settings,
            platform,
        }
    }

    /// A partition of the topic of command logs, `process`, or of changelogs, `storage`.
    pub(crate) fn place(&self, kind: &str, partition: i32) -> Place {
        let topic = format!("rkcy.bench.{}.thing.{kind}.1", self.platform.env);
        (topic, partition)
    }

    /// Removes them.
    pub(crate) fn delete(self) {
        self.admin.delete(&self.platform).expect("topics go");
    }
}

/// A way to send and to receive.
pub(crate) trait Side: Send + Sync {
    /// Sends records to a stream: 0 holds commands, the last one answers.
    fn send(&self, stream: usize, records: Vec<Bytes>);
    /// Calls `take` with what comes in a stream from now on, until `stop`.
    fn follow(&self, stream: usize, stop: Arc<AtomicBool>, take: Take) -> JoinHandle<()>;
}

pub(crate) type Take = Box<dyn FnMut(Vec<Bytes>) + Send>;

/// The client library by hand.
pub(crate) struct Raw {
    brokers: String,
    /// Topic and partition of each stream.
    streams: Vec<Place>,
    producer: Arc<BaseProducer>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Raw {
    pub(crate) fn new(brokers: &str, linger: &str, streams: Vec<Place>) -> Raw {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", linger)
            .set("queue.buffering.max.messages", "0")
            .create()
            .expect("a producer");
        let producer = Arc::new(producer);
        let stop = Arc::new(AtomicBool::new(false));
        let (served, until) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Acquire) {
                served.poll(Duration::from_millis(50));
            }
        });
        Raw {
            brokers: brokers.to_owned(),
            streams,
            producer,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.producer
            .flush(Duration::from_secs(10))
            .expect("all is sent");
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the thread ends");
        }
    }
}

impl Side for Raw {
    fn send(&self, number: usize, records: Vec<Bytes>) {
        let (topic, partition) = &self.streams[number];
        for record in records {
            let record = BaseRecord::<(), [u8]>::to(topic)
                .partition(*partition)
                .payload(&record[..]);
            self.producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("it is taken");
        }
    }

    fn follow(&self, number: usize, stop: Arc<AtomicBool>, mut take: Take) -> JoinHandle<()> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "bench")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_uncommitted")
            .set("fetch.queue.backoff.ms", "1")
            .create()
            .expect("a consumer");
        let (topic, partition) = (&self.streams[number].0, self.streams[number].1);
        let wait = Duration::from_secs(10);
        let (_, end) = consumer
            .fetch_watermarks(topic, partition, wait)
            .expect("bounds");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(end))
            .expect("an offset");
        consumer.assign(&list).expect("it is assigned");
        std::thread::spawn(move || {
            while !stop.load(Ordering::Acquire) {
                let mut records = Vec::new();
                let mut wait = Duration::from_millis(100);
                while let Some(message) = consumer.poll(wait) {
                    let message = message.expect("a record");
                    records.push(Bytes::copy_from_slice(
                        message.payload().unwrap_or_default(),
                    ));
                    wait = Duration::ZERO;
                    if records.len() == READ_RECORDS {
                        break;
                    }
                }
                if !records.is_empty() {
                    take(records);
                }
            }
        })
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Count(usize),
    Time(Duration),
}

/// What one side did.
pub(crate) struct Load {
    pub(crate) times: Histogram<u64>,
    pub(crate) done: u64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            // Microseconds, up to a minute.
            times: Histogram::new_with_bounds(1, 60_000_000, 3).expect("a histogram"),
            done: 0,
            took: Duration::ZERO,
            cpu: Duration::ZERO,
        }
    }
}

impl Load {
    pub(crate) fn add(&mut self, other: Load) {
        self.times.add(&other.times).expect("of one kind");
        self.done += other.done;
        self.took += other.took;
        self.cpu += other.cpu;
    }

    pub(crate) fn rate(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds.
    pub(crate) fn p50(&self) -> f64 {
        self.times.value_at_quantile(0.5) as f64 / 1000.0
    }

    pub(crate) fn report(&self, figures: &mut Figures, name: &str) {
        figures.add(format!("{name}_per_second"), self.rate(), "1/s");
        figures.add(format!("{name}_p50"), self.p50(), "ms");
        let p99 = self.times.value_at_quantile(0.99) as f64 / 1000.0;
        figures.add(format!("{name}_p99"), p99, "ms");
        let cpu = self.cpu.as_secs_f64() * 1e6 / self.done.max(1) as f64;
        figures.add(format!("{name}_client_cpu"), cpu, "us");
    }
}

/// Processor time of this process: the client's share, without the broker's.
pub(crate) fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// A record that knows when it was sent.
pub(crate) fn record(bytes: usize, began: Instant) -> Bytes {
    let mut bytes = vec![7; bytes];
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    bytes[..8].copy_from_slice(&micros.to_be_bytes());
    bytes.into()
}

/// Microseconds since it was sent.
pub(crate) fn age(record: &Bytes, began: Instant) -> u64 {
    let mut sent = [0; 8];
    sent.copy_from_slice(&record[..8]);
    let now = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    now.saturating_sub(u64::from_be_bytes(sent))
}

/// What goes round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Streams that it goes through: commands, others, answers.
    pub(crate) legs: usize,
    /// Bytes of a record in all streams but the last,
    pub(crate) command: usize,
    /// and there.
    pub(crate) answer: usize,
}

/// Command, workers, answer: so many at a time.
pub(crate) fn round_trips(
    side: &Arc<dyn Side>,
    round: Round,
    in_flight: usize,
    limit: Limit,
) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let last = round.legs - 1;
    let workers = (0..last).map(|stream| {
        let worker = Arc::clone(side);
        let size = match stream + 1 == last {
            true => round.answer,
            false => round.command,
        };
        let work = move |records: Vec<Bytes>| {
            let sent = records.into_iter().map(|record| record.slice(..size));
            worker.send(stream + 1, sent.collect());
        };
        side.follow(stream, Arc::clone(&stop), Box::new(work))
    });
    let mut threads: Vec<JoinHandle<()>> = workers.collect();
    let (answered, answers): (Sender<Vec<Bytes>>, Receiver<Vec<Bytes>>) = unbounded();
    threads.push(side.follow(
        last,
        Arc::clone(&stop),
        Box::new(move |records| drop(answered.send(records))),
    ));
    let mut load = Load::default();
    let (began, cpu) = (Instant::now(), cpu_time());
    for _ in 0..in_flight {
        side.send(0, vec![record(round.command, began)]);
    }
    let (mut sent, mut open) = (in_flight, in_flight);
    while open > 0 {
        let records = answers
            .recv_timeout(Duration::from_secs(30))
            .expect("answers come");
        for answer in records {
            load.times.saturating_record(age(&answer, began));
            load.done += 1;
            open -= 1;
            let more = match limit {
                Limit::Count(count) => sent < count,
                Limit::Time(time) => began.elapsed() < time,
            };
            if more {
                side.send(0, vec![record(round.command, began)]);
                sent += 1;
                open += 1;
            }
        }
    }
    load.took = began.elapsed();
    load.cpu = cpu_time() - cpu;
    stop.store(true, Ordering::Release);
    for thread in threads {
        thread.join().expect("it ends");
    }
    load
}
