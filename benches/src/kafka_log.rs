//! The Kafka log against the client library that it is made of, through one broker.
//!
//! Both sides send the same bytes, with the same durability, by the same library in the same run. The raw side
//! sends each record by itself and reads a topic by a client of its own, as one would by hand; with a linger
//! of nothing and of one millisecond, since the log follows the load.

use crate::figures::{Figures, duration};
use crate::round_trips::{
    Limit, Load, Raw, Round, Side, Take, Topics, WARM, age, cpu_time, record, round_trips,
};
use bytes::Bytes;
use crossbeam_channel::{bounded, unbounded};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_runtime::log::kafka::KafkaLog;
use rkcy_runtime::log::{Log, StreamId, Wake};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of a record.
const RECORD: usize = 300;
const ROUND: Round = Round {
    legs: 2,
    command: RECORD,
    answer: RECORD,
};
/// Bytes that one read takes at most.
const READ_BYTES: usize = 1 << 20;
/// Each side runs in turns.
const SLICES: u32 = 4;

pub(crate) fn run(figures: &mut Figures) {
    let topics = Topics::new();
    let log = Arc::new(KafkaLog::open(&topics.settings, &topics.platform).expect("the log opens"));
    let log: Arc<dyn Log> = log;
    let raw = |linger, partition| {
        let streams = ["process", "storage"].map(|kind| topics.place(kind, partition));
        Raw::new(&topics.settings.brokers, linger, streams.into())
    };
    let (at_once, gathering) = (Arc::new(raw("0", 1)), Arc::new(raw("1", 2)));
    let ours = Arc::new(Ours { log });
    // Each side has streams of its own: nobody's records are in anybody's way.
    let sides: [(&str, Arc<dyn Side>); 3] =
        [("log", ours), ("raw", at_once), ("raw_linger_1", gathering)];
    for (_, side) in &sides {
        round_trips(side, ROUND, 1_000, Limit::Count(WARM));
    }

    let slice = duration() / SLICES;
    for (name, in_flight) in [("1", 1), ("1000", 1_000), ("10000", 10_000)] {
        let mut loads: Vec<Load> = sides.iter().map(|_| Load::default()).collect();
        for _ in 0..SLICES {
            for ((_, side), load) in sides.iter().zip(&mut loads) {
                load.add(round_trips(side, ROUND, in_flight, Limit::Time(slice / 2)));
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
    topics.delete();
}

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
            side.send(0, vec![record(RECORD, began)]);
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
