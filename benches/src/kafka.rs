//! The Kafka log against the client library that it is made of, through one broker.
//!
//! Both sides send the same bytes, with the same durability, by the same library in the same run. The raw side
//! sends each record by itself and reads a topic by a client of its own, as one would by hand; with a linger
//! of nothing and of one millisecond, since the log follows the load.

use crate::figures::{Figures, duration};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use hdrhistogram::Histogram;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_runtime::log::kafka::{Admin, KafkaLog, Platform, Settings};
use rkcy_runtime::log::{Log, StreamId, Wake};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of a record.
const RECORD: usize = 300;
/// Records that one read takes at most, and bytes.
const READ_RECORDS: usize = 1000;
const READ_BYTES: usize = 1 << 20;
/// Each side runs in turns.
const SLICES: u32 = 4;
/// Records before the first figure: the broker's code is compiled while it runs.
const WARM: usize = 20_000;

pub(crate) fn run(figures: &mut Figures) {
    let place = std::env::var("RKCY_TEST_LOG").expect("scripts/bench starts the servers");
    let brokers = place.strip_prefix("kafka:").expect("kafka:HOST:PORT");
    let platform = Platform {
        name: "bench".to_owned(),
        env: uuid::Uuid::new_v4().to_string(),
        generation: 1,
        concerns: vec![(ConcernId(1), "thing".to_owned())],
        partitions: 4,
        answers: 1,
    };
    let settings = Settings::new(brokers);
    let admin = Admin::connect(&settings).expect("the broker answers");
    admin.create(&platform).expect("topics");
    let log = Arc::new(KafkaLog::open(&settings, &platform).expect("the log opens"));
    let log: Arc<dyn Log> = log;
    let topic = |kind: &str| format!("rkcy.bench.{}.thing.{kind}.1", platform.env);
    let raw = |linger| Raw::new(brokers, linger, &topic("process"), &topic("storage"));
    let (at_once, gathering) = (Arc::new(raw("0")), Arc::new(raw("1")));
    let ours = Arc::new(Ours { log });
    // Each side has streams of its own: nobody's records are in anybody's way.
    let sides: [(&str, Arc<dyn Side>); 3] =
        [("log", ours), ("raw", at_once), ("raw_linger_1", gathering)];
    for (_, side) in &sides {
        round_trips(side, 1_000, Limit::Count(WARM));
    }

    let slice = duration() / SLICES;
    for (name, in_flight) in [("1", 1), ("1000", 1_000), ("10000", 10_000)] {
        let mut loads: Vec<Load> = sides.iter().map(|_| Load::default()).collect();
        for _ in 0..SLICES {
            for ((_, side), load) in sides.iter().zip(&mut loads) {
                load.add(round_trips(side, in_flight, Limit::Time(slice / 2)));
            }
        }
        for ((side, _), load) in sides.iter().zip(&loads) {
            load.report(figures, &format!("kafka_two_legs_{side}_{name}_in_flight"));
        }
        let best = loads[1].rate().max(loads[2].rate());
        figures.add(
            format!("kafka_two_legs_{name}_in_flight_over_raw"),
            loads[0].rate() / best,
            "ratio",
        );
        if in_flight == 1 {
            let least = loads[1].p50();
            figures.add(
                "kafka_two_legs_p50_over_raw",
                loads[0].p50() / least,
                "ratio",
            );
        }
    }
    for rate in [1_000, 20_000, 50_000, 100_000] {
        for (name, side) in &sides {
            let load = open_loop(side, rate, slice);
            load.report(
                figures,
                &format!("kafka_one_leg_{name}_at_{rate}_per_second"),
            );
        }
    }
    drop(sides);
    admin.delete(&platform).expect("topics go");
}

/// A way to send and to receive.
trait Side: Send + Sync {
    /// Sends records to a stream: 0 holds commands, 1 answers.
    fn send(&self, stream: usize, records: Vec<Bytes>);
    /// Calls `take` with what comes in a stream from now on, until `stop`.
    fn follow(&self, stream: usize, stop: Arc<AtomicBool>, take: Take) -> JoinHandle<()>;
}

type Take = Box<dyn FnMut(Vec<Bytes>) + Send>;

/// The log of the platform.
struct Ours {
    log: Arc<dyn Log>,
}

fn stream(number: usize) -> StreamId {
    let partition = PartitionId {
        concern: ConcernId(1),
        index: 0,
    };
    if number == 0 {
        // Change records and commands are the same to a log but for their headers.
        StreamId::commands(partition)
    } else {
        StreamId::changes(partition)
    }
}

impl Side for Ours {
    fn send(&self, number: usize, records: Vec<Bytes>) {
        let batch = records
            .into_iter()
            .map(|record| (stream(number), record))
            .collect();
        let done = |result: Result<Vec<u64>, _>| drop(result.expect("it is taken"));
        self.log.append(batch, Box::new(done));
    }

    fn follow(&self, number: usize, stop: Arc<AtomicBool>, mut take: Take) -> JoinHandle<()> {
        let log = Arc::clone(&self.log);
        let stream = stream(number);
        let mut next = log.bounds(stream).expect("bounds").end;
        let (woken, wakes) = bounded(1);
        let wake: Wake = Arc::new(move || {
            let _ = woken.try_send(());
        });
        log.watch(&[stream], Arc::clone(&wake));
        log.read(stream, next, READ_BYTES).expect("a read");
        std::thread::spawn(move || {
            let _wake = wake;
            while !stop.load(Ordering::Acquire) {
                let records = log.read(stream, next, READ_BYTES).expect("a read");
                match records.last() {
                    None => drop(wakes.recv_timeout(Duration::from_millis(100))),
                    Some(last) => {
                        next = last.offset + 1;
                        take(records.into_iter().map(|record| record.payload).collect());
                    }
                }
            }
        })
    }
}

/// The client library by hand.
struct Raw {
    brokers: String,
    topics: [String; 2],
    partition: i32,
    producer: Arc<BaseProducer>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Raw {
    fn new(brokers: &str, linger: &str, commands: &str, answers: &str) -> Raw {
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
            topics: [commands.to_owned(), answers.to_owned()],
            partition: if linger == "0" { 1 } else { 2 },
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
        for record in records {
            let record = BaseRecord::<(), [u8]>::to(&self.topics[number])
                .partition(self.partition)
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
        let (topic, partition) = (&self.topics[number], self.partition);
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
enum Limit {
    Count(usize),
    Time(Duration),
}

/// What one side did.
struct Load {
    times: Histogram<u64>,
    done: u64,
    took: Duration,
    cpu: Duration,
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
    fn add(&mut self, other: Load) {
        self.times.add(&other.times).expect("of one kind");
        self.done += other.done;
        self.took += other.took;
        self.cpu += other.cpu;
    }

    fn rate(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds.
    fn p50(&self) -> f64 {
        self.times.value_at_quantile(0.5) as f64 / 1000.0
    }

    fn report(&self, figures: &mut Figures, name: &str) {
        figures.add(format!("{name}_per_second"), self.rate(), "1/s");
        figures.add(format!("{name}_p50"), self.p50(), "ms");
        let p99 = self.times.value_at_quantile(0.99) as f64 / 1000.0;
        figures.add(format!("{name}_p99"), p99, "ms");
        let cpu = self.cpu.as_secs_f64() * 1e6 / self.done.max(1) as f64;
        figures.add(format!("{name}_client_cpu"), cpu, "us");
    }
}

/// Processor time of this process: the client's share, without the broker's.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// A record that knows when it was sent.
fn record(began: Instant) -> Bytes {
    let mut bytes = vec![7; RECORD];
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    bytes[..8].copy_from_slice(&micros.to_be_bytes());
    bytes.into()
}

/// Microseconds since it was sent.
fn age(record: &Bytes, began: Instant) -> u64 {
    let mut sent = [0; 8];
    sent.copy_from_slice(&record[..8]);
    let now = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    now.saturating_sub(u64::from_be_bytes(sent))
}

/// Command, worker, answer: so many at a time.
fn round_trips(side: &Arc<dyn Side>, in_flight: usize, limit: Limit) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let worker = Arc::clone(side);
    let worker = side.follow(
        0,
        Arc::clone(&stop),
        Box::new(move |commands| worker.send(1, commands)),
    );
    let (answered, answers): (Sender<Vec<Bytes>>, Receiver<Vec<Bytes>>) = unbounded();
    let answering = side.follow(
        1,
        Arc::clone(&stop),
        Box::new(move |records| drop(answered.send(records))),
    );
    let mut load = Load::default();
    let (began, cpu) = (Instant::now(), cpu_time());
    for _ in 0..in_flight {
        side.send(0, vec![record(began)]);
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
                side.send(0, vec![record(began)]);
                sent += 1;
                open += 1;
            }
        }
    }
    load.took = began.elapsed();
    load.cpu = cpu_time() - cpu;
    stop.store(true, Ordering::Release);
    worker.join().expect("the worker ends");
    answering.join().expect("the reader ends");
    load
}

/// So many records a second to one stream, however long they take.
fn open_loop(side: &Arc<dyn Side>, rate: u32, time: Duration) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let load = Arc::new(Mutex::new(Load::default()));
    let (began, cpu) = (Instant::now(), cpu_time());
    let (noted, notes) = unbounded();
    let received = Arc::clone(&load);
    let reader = side.follow(
        0,
        Arc::clone(&stop),
        Box::new(move |records| {
            let mut load = received.lock().expect("nobody has failed");
            for record in &records {
                load.times.saturating_record(age(record, began));
                load.done += 1;
            }
            let _ = noted.send(load.done);
        }),
    );
    let mut sent = 0;
    while began.elapsed() < time {
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        while sent < due {
            side.send(0, vec![record(began)]);
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    while notes
        .recv_timeout(Duration::from_secs(30))
        .expect("all comes")
        < sent
    {}
    let (took, cpu) = (began.elapsed(), cpu_time() - cpu);
    stop.store(true, Ordering::Release);
    reader.join().expect("the reader ends");
    let mut load = std::mem::take(&mut *load.lock().expect("nobody has failed"));
    (load.took, load.cpu) = (took, cpu);
    load
}
