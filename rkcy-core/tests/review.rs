//! Bounds: what one application, one record, one message may take, and what happens beyond.
//!
//! A platform that a large value, a large transaction or a small cache could bring to a stand would come
//! to the same stand after each restart, since its log is applied again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::change::{Change, ChangeKind};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::frame::{Envelope, Frame, Reply};
use rkcy_core::id::{ConcernId, Position, TxnId, Version};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::plan;
use rkcy_core::rows::{Rows, StoredRow};
use rkcy_core::settings::Settings;
use rkcy_core::state::Scalars;
use rkcy_core::storage::{Storage, StoredPosition};
use rkcy_core::txn::{Answer, Mode, Outcome, ReplyTo, Step, Txn, Unplanned};
use rkcy_core::worker::{Config, Progress, TakeOver, Worker};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{PARTITION, Toy, kept, key_at, planned, row};

/// Answers with the instance.
const READ: u16 = 1;
/// Replaces the instance by as many bytes as the payload says; no answer.
const WRITE: u16 = 2;
/// Refuses with as many characters as the payload says.
const REFUSE: u16 = 3;

/// Instances are bytes without a meaning.
const BLOBS: Toy = Toy(2, |call, row| {
    let size: usize = std::str::from_utf8(call.args).unwrap().parse().unwrap_or(0);
    match call.op {
        READ => Ok(row.value().cloned().unwrap_or_default()),
        WRITE => {
            row.set(Some(vec![1; size].into()));
            Ok(Bytes::new())
        }
        _ => Err(Fault::refusal("no", "ö".repeat(size))),
    }
});

fn step(number: u16, key: u64, op: u16, size: usize) -> Unplanned {
    let step = support::step(number, Key::of(&key), op, size.to_string());
    match op {
        READ => kept(step),
        _ => step,
    }
}

fn txn(nth: u128, steps: Vec<Unplanned>) -> Txn {
    let txn = Txn {
        reply: ReplyTo(u64::try_from(nth).unwrap()),
        unplanned: steps,
        answer: Answer::Empty,
        ..Txn::new(TxnId::from_parts(1_000, nth), 1, 1)
    };
    planned(txn, &BLOBS)
}

/// A worker of partition 0 over a database that never moves.
struct World {
    worker: Worker,
    next: u64,
    rows: BTreeMap<RowKey, StoredRow>,
}

fn config(cache_bytes: usize, record_bytes: usize) -> Config {
    Config {
        partition: PARTITION,
        generation: 0,
        owner: 1,
        process: 1,
        build: 1,
        atomic: true,
        accept_clock: false,
        settings: Settings::default(),
        cache_bytes,
        record_bytes,
    }
}

impl World {
    fn new(cache_bytes: usize, record_bytes: usize) -> World {
        let config = config(cache_bytes, record_bytes);
        let worker = TakeOver::new(config, StoredPosition::default());
        let mut world = World {
            worker: worker.finish(Arc::new(BLOBS)).unwrap(),
            next: 0,
            rows: BTreeMap::new(),
        };
        let open = world.worker.open();
        world.worker.opened(0);
        world.feed(open);
        world
    }

    fn feed(&mut self, record: Bytes) {
        self.worker.feed(self.next, 1_000, record, 1_000).unwrap();
        self.next += 1;
    }

    fn submit(&mut self, txns: Vec<Txn>) {
        let envelopes: Vec<Envelope> = txns.into_iter().map(Envelope::submit).collect();
        self.feed(Frame::encode(None, envelopes.iter()));
    }

    /// Works until there is nothing more to do, or for so many turns.
    fn run(&mut self, turns: usize) -> Vec<Reply> {
        for _ in 0..turns {
            match self.worker.run(4_096).unwrap() {
                Progress::Idle => break,
                Progress::More | Progress::Full | Progress::Say(_) => {}
                Progress::Cold(rows) => {
                    let load = |row: RowKey| {
                        let stored = self.rows.get(&row).cloned().unwrap_or(StoredRow::ABSENT);
                        (row, stored)
                    };
                    let rows: Vec<_> = rows.into_iter().map(load).collect();
                    self.worker.loaded(Position::START, &rows).unwrap();
                }
            }
        }
        self.worker.take_replies()
    }
}

/// Rows of the application in progress are pinned: else those it needs first go for those it needs last.
#[test]
fn a_transaction_may_need_more_rows_than_the_cache_holds() {
    let mut world = World::new(4_000, 1 << 20);
    let keys: Vec<u64> = (0..20).map(|nth| key_at(0, nth)).collect();
    for key in &keys {
        let stored = StoredRow {
            value: Some(vec![7; 1_000].into()),
            version: Version::NEVER,
        };
        world.rows.insert(row(*key), stored);
    }
    let steps = (0..).zip(&keys).map(|(n, key)| step(n, *key, READ, 0));
    world.submit(vec![txn(1, steps.collect())]);
    let replies = world.run(1_000);
    assert_eq!(replies.len(), 1, "the partition goes round for ever");
    assert_eq!(replies[0].fault(), None);
}

/// A row that keeps its old value is not part of a change record, and may be evicted.
#[test]
fn a_write_that_was_taken_back_leaves_no_mark() {
    let old = StoredRow {
        value: Some(Bytes::from_static(b"old")),
        version: Version::NEVER,
    };
    let new = StoredRow {
        value: Some(Bytes::from_static(b"new")),
        version: Version {
            generation: 0,
            position: Position::new(3, 0),
        },
    };
    let mut rows = Rows::default();
    rows.load(&row(1), old.clone());
    let before = rows.write(&row(1), new.clone());
    rows.undo(&row(1), before);
    assert_eq!(rows.get(&row(1)), Some(&old));
    assert_eq!(rows.take_dirty(), []);

    // One that was changed before the application that is taken back stays changed.
    rows.write(&row(1), new.clone());
    let before = rows.write(&row(1), old);
    rows.undo(&row(1), before);
    assert_eq!(rows.take_dirty(), [(row(1), new)]);
    rows.evict(0, Position::new(3, 0));
    assert!(rows.is_empty());
}

/// Small commands may change large rows: what is appended at once stays near the bound of a record.
#[test]
fn a_run_ends_when_its_changes_fill_a_record() {
    const RECORD: usize = 100_000;
    let mut world = World::new(1 << 30, RECORD);
    let writes = (0..200).map(|nth| {
        let key = key_at(0, usize::try_from(nth).unwrap());
        txn(nth, vec![step(0, key, WRITE, 5_000)])
    });
    world.submit(writes.collect());
    let mut answered = 0;
    for _ in 0..1_000 {
        answered += world.run(1).len();
        let bytes: usize = world.worker.take_change(false).iter().map(Bytes::len).sum();
        assert!(bytes < 2 * RECORD, "{bytes} bytes in one change record");
    }
    assert_eq!(answered, 200);
}

/// What waits stands in a change record, as one entry.
#[test]
fn a_transaction_that_has_grown_too_large_does_not_wait() {
    let mut world = World::new(1 << 30, 4 << 20);
    let (first, second, there) = (key_at(0, 0), key_at(0, 1), key_at(1, 0));
    let (first, second) = (first.min(second), first.max(second));
    // Holds the second group until another partition releases it.
    let holder = txn(1, vec![step(0, second, READ, 0), step(1, there, READ, 0)]);
    let large = 200 << 10;
    let fill = txn(2, vec![step(0, first, WRITE, large)]);
    // Four results of a large row, then a group that is not free.
    let mut steps: Vec<Unplanned> = (0..4).map(|n| step(n, first, READ, 0)).collect();
    steps.push(step(4, second, READ, 0));
    world.submit(vec![holder, fill, txn(3, steps)]);
    let replies = world.run(1_000);
    let told: Vec<(u64, Option<&str>)> = (replies.iter())
        .map(|reply| (reply.to.0, reply.fault().map(|fault| &*fault.code)))
        .collect();
    assert_eq!(told, [(2, None), (3, Some("transaction_too_large"))]);
}

#[test]
fn a_submission_above_the_bound_is_not_taken() {
    let mut world = World::new(1 << 30, 4 << 20);
    let mut large = txn(1, vec![step(0, key_at(0, 0), WRITE, 1)]);
    large.params = vec![0; 600 << 10].into();
    world.submit(vec![large]);
    let replies = world.run(1_000);
    let Outcome::NotTaken(fault) = &replies[0].outcome else {
        panic!("{:?}", replies[0]);
    };
    assert_eq!(
        (fault.class, &*fault.code),
        (Class::Bound, "transaction_too_large")
    );
}

#[test]
fn an_instance_above_the_bound_is_not_written() {
    let bound = usize::try_from(Settings::default().row_bytes).unwrap();
    let key = key_at(0, 0);
    let mut world = World::new(1 << 30, 4 << 20);
    world.submit(vec![
        txn(1, vec![step(0, key, WRITE, bound)]),
        txn(2, vec![step(0, key, WRITE, bound + 1)]),
    ]);
    let replies = world.run(1_000);
    let told: Vec<Option<(Class, &str)>> = (replies.iter())
        .map(|reply| reply.fault().map(|fault| (fault.class, &*fault.code)))
        .collect();
    assert_eq!(told, [None, Some((Class::Bound, "instance_too_large"))]);
    // What there was stays.
    world.submit(vec![Txn {
        mode: Mode::Read,
        answer: Answer::Step(0),
        ..txn(3, vec![step(0, key, READ, 0)])
    }]);
    let replies = world.run(1_000);
    let Outcome::Committed(Some(value)) = &replies[0].outcome else {
        panic!("{:?}", replies[0].fault());
    };
    assert_eq!(value.len(), bound);
}

/// A message travels, and is remembered with the id.
#[test]
fn a_long_message_of_a_handler_is_cut() {
    let mut world = World::new(1 << 30, 4 << 20);
    world.submit(vec![txn(1, vec![step(0, key_at(0, 0), REFUSE, 1 << 20)])]);
    let replies = world.run(1_000);
    let fault = replies[0].fault().unwrap();
    assert_eq!((fault.class, &*fault.code), (Class::Refusal, "no"));
    assert!(fault.message.len() <= 4_096, "{}", fault.message.len());
    assert!(fault.message.starts_with("öö"));
}

/// The first step in written order must wait for a key of lower rank. One behind it, on a group that is
/// held, must not: that key comes out of it.
#[test]
fn a_step_held_back_by_its_rank_holds_back_no_other() {
    let on = |number, concern, key: Option<u64>, after: &[u16]| Unplanned {
        root: ConcernId(concern),
        group: key.map(|key| Key::of(&key)),
        after: after.to_vec(),
        ..step(number, 0, READ, 0)
    };
    let mut waits = txn(
        1,
        vec![
            on(0, 4, Some(1), &[]),
            on(1, 2, Some(1), &[]),
            on(2, 1, Some(1), &[1]),
            on(3, 3, None, &[2]),
        ],
    );
    let shape = |txn: &Txn| -> Vec<(u16, Vec<u16>)> {
        let numbers = |steps: &[Step]| steps.iter().map(|step| step.number).collect();
        (txn.visits.iter())
            .map(|visit| (visit.group.concern.0, numbers(&visit.steps)))
            .collect()
    };
    assert_eq!(shape(&waits), [(1, vec![]), (2, vec![1]), (1, vec![2])]);
    waits.next = 3;
    waits.unplanned.iter_mut().for_each(|waiting| {
        waiting.group.get_or_insert(Key::of(&9_u64));
    });
    plan::extend(&mut waits, &BLOBS);
    assert_eq!(shape(&waits)[3..], [(3, vec![3]), (4, vec![0])]);
}

/// What only reads leaves nothing to write, so nothing takes its bytes off again.
#[test]
fn reads_do_not_end_a_run() {
    let mut world = World::new(1 << 30, 1_000);
    world.submit(vec![txn(0, vec![step(0, key_at(0, 0), WRITE, 500)])]);
    world.run(10);
    world.worker.take_change(false);
    let reads = (1..100).map(|nth| Txn {
        mode: Mode::Read,
        answer: Answer::Step(0),
        ..txn(nth, vec![step(0, key_at(0, 0), READ, 0)])
    });
    world.submit(reads.collect());
    assert_eq!(world.worker.run(4_096), Ok(Progress::Idle));
    assert_eq!(world.worker.take_replies().len(), 99);
}

/// A record that storage has taken may have begun before the snapshot that it has taken as well: recovery
/// must find both.
#[test]
fn a_snapshot_between_the_chunks_of_another_record_is_not_where_recovery_begins() {
    let record = |epoch, to, kind, rows: u64| Change {
        epoch,
        from: Position::START,
        to: Position::new(to, 0),
        schema: 1,
        kind,
        chunk: 0,
        of: 1,
        scalars: Scalars::default(),
        entries: Vec::new(),
        rows: (0..rows)
            .map(|key| {
                let version = Version {
                    generation: 0,
                    position: Position::new(to, 0),
                };
                let value = Some(vec![0; 100].into());
                (row(key), StoredRow { value, version })
            })
            .collect(),
        outbox: Vec::new(),
        lowest: Vec::new(),
    };
    let chunks = record(2, 3, ChangeKind::Delta, 2).into_chunks(200);
    let snapshot = record(2, 1, ChangeKind::Snapshot, 1).into_chunks(1_000);
    assert_eq!((chunks.len(), snapshot.len()), (2, 1));
    let log = [&chunks[0], &snapshot[0], &chunks[1]];

    let mut storage = Storage::new(StoredPosition::default(), 1);
    log.iter()
        .for_each(|record| storage.take((*record).clone()).unwrap());
    let stored = storage.take_batch().unwrap().new;
    assert_eq!(stored.position, Position::new(3, 0));

    let mut take_over = TakeOver::new(config(1 << 20, 1 << 20), stored);
    while let Some(record) = log.get(usize::try_from(take_over.next_offset()).unwrap()) {
        take_over.fold((*record).clone()).unwrap();
    }
    let worker = take_over.finish(Arc::new(BLOBS)).unwrap();
    assert_eq!(worker.partition().state().position, stored.position);
}
