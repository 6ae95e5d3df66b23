//! What every log must do, whatever is under it. A new log adds one line at the end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use rkcy_core::id::ConcernId;
use rkcy_runtime::log::embedded::{EmbeddedLog, Fsync, Options};
use rkcy_runtime::log::simulated::SimulatedLog;
use rkcy_runtime::log::{Log, LogError, kafka};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use support::power::Power;
use support::{append, changes, commands, payloads, persist, read, read_all, servers, submit};
use tempfile::TempDir;

/// Opens the log that belongs to a directory; a second time it holds what the first time left.
type Factory = fn(&Path) -> Arc<dyn Log>;

fn offsets_are_dense_per_stream(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.bounds(commands(0)).unwrap(), 0..0);
    let batch: &[(_, &[u8])] = &[(commands(0), b"a"), (changes(0), b"x"), (commands(0), b"b")];
    assert_eq!(append(&*log, batch).unwrap(), [0, 0, 1]);
    assert_eq!(
        append(&*log, &[(changes(0), b"y"), (commands(1), b"c")]).unwrap(),
        [1, 0]
    );
    assert_eq!(append(&*log, &[]).unwrap(), [0_u64; 0]);
    assert_eq!(append(&*log, &[(commands(0), b"")]).unwrap(), [2]);
    assert_eq!(payloads(&*log, commands(0)), [&b"a"[..], b"b", b""]);
    assert_eq!(payloads(&*log, changes(0)), [b"x", b"y"]);
    assert_eq!(payloads(&*log, commands(1)), [b"c"]);
    assert_eq!(log.bounds(commands(0)).unwrap(), 0..3);
}

fn reads_begin_anywhere_and_are_bounded(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for number in 0..100_u8 {
        append(&*log, &[(commands(0), &[number; 10])]).unwrap();
    }
    for from in 0..100_u64 {
        let mut records = read(&*log, commands(0), from, 35).unwrap();
        let most = usize::try_from(100 - from).unwrap().min(3);
        assert!(!records.is_empty(), "from {from}");
        assert!(records.len() <= most, "from {from}");
        while records.len() < most {
            // What is in another place, or still on its way, comes with the next read.
            let next = from + records.len() as u64;
            let room = 35 - 10 * records.len();
            records.extend(read(&*log, commands(0), next, room).unwrap());
        }
        assert_eq!(records.len(), most, "from {from}");
        for (place, record) in records.iter().enumerate() {
            assert_eq!(record.offset, from + place as u64);
            assert_eq!(
                record.payload,
                vec![u8::try_from(record.offset).unwrap(); 10]
            );
        }
    }
    assert_eq!(
        read(&*log, commands(0), 7, 0).unwrap().len(),
        1,
        "at least one record"
    );
    assert_eq!(
        read(&*log, commands(0), 100, 10).unwrap(),
        [],
        "none at the end"
    );
}

fn reads_out_of_range_say_what_is_held(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&*log, &[(commands(0), b"a")]).unwrap();
    let held = |result: Result<_, LogError>| match result {
        Err(LogError::OutOfRange { held, .. }) => held,
        other => panic!("{other:?}"),
    };
    assert_eq!(held(log.read(commands(0), 2, 10)), 0..1);
    assert_eq!(held(log.read(commands(9), 1, 10)), 0..0);
    append(&*log, &[(changes(0), b"a")]).unwrap();
    assert_eq!(held(log.trim(changes(0), 2).map(|()| Vec::new())), 0..1);
}

fn watchers_hear_of_what_they_can_read(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let seen: Arc<dyn Fn() + Send + Sync> =
        Arc::new(move || sender.lock().unwrap().send(()).unwrap_or_default());
    log.watch(&[commands(0), commands(1)], Arc::clone(&seen));
    append(&*log, &[(commands(2), b"not watched")]).unwrap();
    for index in 0..2 {
        // A log that is elsewhere follows what is read.
        assert_eq!(log.read(commands(index), 0, 10).unwrap(), []);
    }
    for round in 0..10_u64 {
        let stream = commands(u16::from(round % 2 == 1));
        append(&*log, &[(stream, b"x")]).unwrap();
        while log.read(stream, round / 2, 10).unwrap().is_empty() {
            receiver
                .recv_timeout(Duration::from_secs(10))
                .expect("a wake");
        }
        assert_eq!(log.bounds(commands(0)).unwrap().end, round / 2 + 1);
    }
    // Without another owner the watcher goes, and its channel is closed behind what it was told before.
    drop(seen);
    append(&*log, &[(commands(0), b"x"), (commands(1), b"x")]).unwrap();
    while let Ok(()) = receiver.try_recv() {}
    assert_eq!(
        receiver.recv_timeout(Duration::from_secs(10)),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}

fn appends_of_many_threads_keep_their_order(open: Factory) {
    const THREADS: u16 = 4;
    const EACH: u32 = 500;
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                let waiting: Vec<_> = (0..EACH)
                    .map(|number| {
                        let mut text = thread.to_be_bytes().to_vec();
                        text.extend(number.to_be_bytes());
                        submit(
                            &**log,
                            &[(commands(0), &text), (commands(1 + thread), &text)],
                        )
                    })
                    .collect();
                let mut last = None;
                for answer in waiting {
                    let offsets = answer.recv().unwrap().unwrap();
                    assert!(last < Some(offsets[0]), "in order");
                    last = Some(offsets[0]);
                }
            });
        }
    });
    let all = read_all(&*log, commands(0), 4096).unwrap();
    assert!(
        all.iter()
            .enumerate()
            .all(|(place, record)| record.offset == place as u64)
    );
    for thread in 0..THREADS {
        let mine: Vec<Bytes> = all
            .iter()
            .map(|record| record.payload.clone())
            .filter(|payload| payload[..2] == thread.to_be_bytes())
            .collect();
        assert_eq!(mine.len(), EACH as usize);
        assert!(mine.is_sorted());
        assert_eq!(payloads(&*log, commands(1 + thread)), mine);
    }
}

fn trimmed_records_are_gone(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for number in 0..10_u8 {
        append(&*log, &[(commands(0), &[number]), (changes(0), &[number])]).unwrap();
    }
    log.trim(changes(0), 4).unwrap();
    log.trim(changes(0), 2).unwrap();
    assert_eq!(append(&*log, &[(changes(0), b"x")]).unwrap(), [10]);
    assert_eq!(log.bounds(changes(0)).unwrap(), 4..11);
    assert_eq!(log.bounds(commands(0)).unwrap(), 0..10);
    assert!(matches!(
        log.read(changes(0), 3, 10),
        Err(LogError::OutOfRange { .. })
    ));
    assert_eq!(read(&*log, changes(0), 4, 1).unwrap()[0].payload, [4][..]);
    log.trim(changes(0), 11).unwrap();
    append(&*log, &[(changes(1), b"x")]).unwrap();
    assert_eq!(log.bounds(changes(0)).unwrap(), 11..11);
    assert_eq!(append(&*log, &[(changes(0), b"y")]).unwrap(), [11]);
    // Command logs are trimmed too, or kept for their time.
    log.trim(commands(0), 4).unwrap();
    append(&*log, &[(commands(0), b"x")]).unwrap();
    let held = log.bounds(commands(0)).unwrap();
    assert!([0..11, 4..11].contains(&held), "{held:?}");
}

fn everything_is_there_after_reopening(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..5_u8 {
        let log = open(dir.path());
        assert_eq!(payloads(&*log, changes(0)), expected);
        for number in 0..20 {
            append(
                &*log,
                &[(changes(0), &[round, number]), (commands(3), b"beside")],
            )
            .unwrap();
            expected.push(vec![round, number]);
        }
    }
    let log = open(dir.path());
    log.trim(changes(0), 50).unwrap();
    append(&*log, &[(commands(3), b"x")]).unwrap();
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.bounds(changes(0)).unwrap(), 50..100);
    assert_eq!(payloads(&*log, changes(0)), expected[50..]);
    assert_eq!(append(&*log, &[(changes(0), b"next")]).unwrap(), [100]);
}

/// Two who read one stream at places of their own do not hold each other up.
fn readers_of_one_stream_go_their_own_ways(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for number in 0..50_u8 {
        append(&*log, &[(changes(0), &[number])]).unwrap();
    }
    let (mut one, mut other) = (0, 25);
    while one < 50 || other < 50 {
        for next in [&mut one, &mut other] {
            for record in read(&*log, changes(0), *next, 3).unwrap() {
                assert_eq!(record.offset, *next);
                assert_eq!(u64::from(record.payload[0]), *next);
                *next += 1;
            }
        }
    }
    // Who leaves takes nothing from who stays.
    log.leave(&[changes(0)]);
    append(&*log, &[(changes(0), &[50])]).unwrap();
    assert_eq!(
        read(&*log, changes(0), 50, 10).unwrap()[0].payload,
        [50][..]
    );
}

/// Also what another append, and another thread, has made readable meanwhile.
fn what_is_persisted_survives_a_power_loss(open: Factory) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for round in 0..3 {
        append(&*log, &[(commands(0), &[round]), (changes(0), &[round])]).unwrap();
        if round < 2 {
            persist(&*log).unwrap();
        }
    }
    persist(&*log).unwrap();
    append(&*log, &[(commands(0), b"may be lost")]).unwrap();
    let after = lose_power(dir.path());
    drop(log);
    let log = open(after.path());
    assert_eq!(payloads(&*log, commands(0))[..3], [[0], [1], [2]]);
    assert_eq!(payloads(&*log, changes(0)), [[0], [1], [2]]);
}

macro_rules! conformance {
    ($log:ident, $open:expr) => {
        mod $log {
            use super::*;
            conformance!($open;
                offsets_are_dense_per_stream
                reads_begin_anywhere_and_are_bounded
                reads_out_of_range_say_what_is_held
                watchers_hear_of_what_they_can_read
                appends_of_many_threads_keep_their_order
                trimmed_records_are_gone
                everything_is_there_after_reopening
                what_is_persisted_survives_a_power_loss
                readers_of_one_stream_go_their_own_ways
            );
        }
    };
    ($open:expr; $($test:ident)*) => { $( #[test] fn $test() { super::$test($open); } )* };
}

/// What stands behind the logs of a directory: their disk, or what there is instead of one.
#[derive(Clone)]
struct Behind {
    disk: Arc<Power>,
    memory: Arc<SimulatedLog>,
    /// The environment whose topics they are.
    env: String,
}

impl Default for Behind {
    fn default() -> Behind {
        Behind {
            disk: Arc::default(),
            memory: Arc::default(),
            env: uuid::Uuid::new_v4().to_string(),
        }
    }
}

static ALL: Mutex<BTreeMap<PathBuf, Behind>> = Mutex::new(BTreeMap::new());

fn behind(dir: &Path) -> Behind {
    let mut all = ALL.lock().unwrap();
    all.entry(dir.to_owned()).or_default().clone()
}

/// The directory as a power loss leaves it.
fn lose_power(dir: &Path) -> TempDir {
    let Behind { disk, memory, env } = behind(dir);
    memory.lose_power();
    let after = disk.cut(dir);
    // A cluster does not lose its power with the process.
    let same_topics = Behind {
        env,
        ..Behind::default()
    };
    let mut all = ALL.lock().unwrap();
    all.insert(after.path().to_owned(), same_topics);
    drop(all);
    for number in 0..2 {
        for stream in [commands(number), changes(number)] {
            let records = read_all(&*memory, stream, 1 << 20).unwrap();
            let batch: Vec<(_, &[u8])> = records.iter().map(|r| (stream, &r.payload[..])).collect();
            append(&*behind(after.path()).memory, &batch).unwrap();
        }
    }
    after
}

fn embedded(dir: &Path, options: Options) -> Arc<dyn Log> {
    let disk = behind(dir).disk;
    let (log, dropped) = EmbeddedLog::open(dir, Options { disk, ..options }).unwrap();
    assert_eq!(dropped, None);
    Arc::new(log)
}

fn simulated(dir: &Path) -> Arc<dyn Log> {
    behind(dir).memory
}

/// Topics of their own for each directory, on the servers of `scripts/services`.
fn kafka(dir: &Path) -> Arc<dyn Log> {
    let settings = kafka::Settings::new(servers::kafka());
    let platform = kafka::Platform {
        name: "conformance".to_owned(),
        env: behind(dir).env,
        generation: 1,
        concerns: vec![(ConcernId(1), "thing".to_owned())],
        partitions: 10,
        answers: 2,
    };
    let admin = kafka::Admin::connect(&settings).unwrap();
    admin.create(&platform).unwrap();
    Arc::new(kafka::KafkaLog::open(&settings, &platform).unwrap())
}

conformance!(simulated_log, simulated);
conformance!(kafka_log, kafka);
conformance!(embedded_always, |dir| embedded(dir, Options::default()));
conformance!(embedded_interval, |dir| {
    let fsync = Fsync::Interval(Duration::from_mins(60));
    embedded(
        dir,
        Options {
            fsync,
            ..Options::default()
        },
    )
});
conformance!(embedded_os, |dir| embedded(
    dir,
    Options {
        fsync: Fsync::Os,
        ..Options::default()
    }
));
// Segments of a few records and next to no memory: every read goes through files.
conformance!(embedded_cold, |dir| {
    embedded(
        dir,
        Options {
            segment_bytes: 4096,
            memory_bytes: 0,
            ..Options::default()
        },
    )
});
conformance!(embedded_tiny_queue, |dir| embedded(
    dir,
    Options {
        queue_bytes: 1,
        ..Options::default()
    }
));
