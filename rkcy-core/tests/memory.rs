//! What a worker and storage hold is bounded in bytes, and falls as it is used.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::frame::{Envelope, Frame, Reply};
use rkcy_core::id::{Position, TxnId, Version};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Storage, StoredPosition};
use rkcy_core::txn::{Outcome, ReplyTo, Txn};
use rkcy_core::worker::{Config, Progress, TakeOver, Worker};
use std::sync::Arc;
use support::{CONCERN, PARTITION, Toy, key_at, planned, step};

/// Instances are as many bytes as the payload says.
const BLOBS: Toy = Toy(2, |call, row| {
    let size = std::str::from_utf8(call.args).unwrap().parse().unwrap();
    row.set(Some(vec![1; size].into()));
    Ok(Bytes::new())
});

/// Writes so many bytes to each of several instances.
fn write(nth: u128, keys: &[u64], size: usize) -> Txn {
    let steps = (0_u16..).zip(keys);
    let steps = steps.map(|(number, key)| step(number, Key::of(key), 1, size.to_string()));
    let txn = Txn {
        reply: ReplyTo(u64::try_from(nth).unwrap()),
        unplanned: steps.collect(),
        ..Txn::new(TxnId::from_parts(1_000, nth), 1, 1)
    };
    planned(txn, &BLOBS)
}

struct World {
    worker: Worker,
    next: u64,
    /// Cold reads, with how many rows each asked for.
    loads: Vec<usize>,
    /// Most bytes of rows in memory after a cold read.
    most: usize,
    /// Bytes of every row in the database.
    size: usize,
}

impl World {
    fn new(cache_bytes: usize, size: usize) -> World {
        let config = Config {
            cache_bytes,
            record_bytes: 4 << 20,
            ..support::config(PARTITION, 1)
        };
        let worker = TakeOver::new(config, StoredPosition::default());
        let mut world = World {
            worker: worker.finish(Arc::new(BLOBS)).unwrap(),
            next: 0,
            loads: Vec::new(),
            most: 0,
            size,
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

    fn submit(&mut self, txn: Txn) {
        self.feed(Frame::encode(None, [Envelope::submit(txn)].iter()));
    }

    fn run(&mut self) -> Vec<Reply> {
        for _ in 0..10_000 {
            match self.worker.run(1).unwrap() {
                Progress::Idle => return self.worker.take_replies(),
                Progress::More | Progress::Full | Progress::Say(_) => {
                    let at = self.worker.partition().state().position;
                    self.worker.take_change(false);
                    self.worker.storage_at(at);
                }
                Progress::Cold(rows) => {
                    self.loads.push(rows.len());
                    let stored = StoredRow {
                        value: Some(vec![1; self.size].into()),
                        version: Version::NEVER,
                    };
                    let rows: Vec<_> = rows.into_iter().map(|row| (row, stored.clone())).collect();
                    let at = self.worker.partition().rows().evicted();
                    self.worker.loaded(at, &rows).unwrap();
                    self.most = self.most.max(self.worker.partition().rows().bytes());
                }
            }
        }
        panic!("it goes round for ever");
    }
}

#[test]
fn the_inbox_falls_as_it_is_consumed() {
    let mut world = World::new(1 << 30, 0);
    for nth in 0..10 {
        world.submit(write(nth, &[key_at(0, 0)], 10));
    }
    let mut before = world.worker.inbox_bytes();
    let mut falls = 0;
    while before > 0 {
        match world.worker.run(1).unwrap() {
            Progress::Cold(rows) => {
                let absent: Vec<_> = (rows.into_iter())
                    .map(|row| (row, StoredRow::ABSENT))
                    .collect();
                world.worker.loaded(Position::START, &absent).unwrap();
            }
            Progress::Idle => assert_eq!(world.worker.inbox_bytes(), 0),
            _ => {}
        }
        let now = world.worker.inbox_bytes();
        falls += usize::from(now < before);
        before = now;
    }
    assert!(falls >= 10, "{falls}");
}

/// A transaction that touches forty cold rows asks for them together.
#[test]
fn many_cold_rows_of_a_transaction_are_one_query() {
    let mut world = World::new(1 << 30, 10);
    let keys: Vec<u64> = (0..40).map(|nth| key_at(0, nth)).collect();
    world.submit(write(1, &keys, 10));
    assert_eq!(world.run().len(), 1);
    assert!(world.loads.len() <= 2, "{:?}", world.loads);
    assert_eq!(world.loads.iter().sum::<usize>(), 40);
}

/// Small commands name large rows: no cold read, and no cache, is larger than its bound in bytes.
#[test]
fn rows_that_are_loaded_ahead_are_bounded() {
    const ROW: usize = 250 << 10;
    const CACHE: usize = 8 << 20;
    let mut world = World::new(CACHE, ROW);
    for nth in 0..400 {
        let key = key_at(0, usize::try_from(nth).unwrap());
        world.submit(write(nth, &[key], 1));
    }
    assert_eq!(world.run().len(), 400);
    let largest = world.loads.iter().max().unwrap() * ROW;
    assert!(largest <= 16 << 20, "{largest}");
    assert!(
        world.most <= CACHE + (16 << 20) + (1 << 20),
        "{}",
        world.most
    );
}

/// The same caller asks again and again for what runs, then many do.
#[test]
fn those_who_ask_for_what_runs_are_bounded() {
    let mut world = World::new(1 << 30, 0);
    // It goes on to another partition, from which nothing is heard.
    let keys = [key_at(0, 0), key_at(1, 0)];
    for _ in 0..50 {
        world.submit(write(1, &keys, 1));
    }
    assert_eq!(world.run(), []);
    let id = TxnId::from_parts(1_000, 1);
    let asked = |world: &World| {
        let ids = &world.worker.partition().state().ids;
        ids.run(id).unwrap().asked.len()
    };
    assert_eq!(asked(&world), 1);
    for reply in 0..200 {
        let txn = Txn {
            reply: ReplyTo(1_000 + reply),
            ..write(1, &keys, 1)
        };
        world.submit(txn);
    }
    let told = world.run();
    assert_eq!(asked(&world), 100);
    assert_eq!(told.len(), 101);
    for reply in told {
        let Outcome::NotTaken(fault) = reply.outcome else {
            panic!("{:?}", reply.outcome);
        };
        assert_eq!(fault.code, "asked_too_often");
    }
}

#[test]
fn storage_counts_the_bytes_that_wait() {
    let mut world = World::new(1 << 30, 0);
    let mut storage = Storage::new(StoredPosition::default(), 1);
    for (nth, size) in [(1, 100_000), (2, 50_000)] {
        world.submit(write(nth, &[key_at(0, 0)], size));
        world.submit(write(nth + 10, &[key_at(0, nth as usize)], 1_000));
        loop {
            match world.worker.run(100).unwrap() {
                Progress::Idle => break,
                Progress::Cold(rows) => {
                    let absent: Vec<_> = (rows.into_iter())
                        .map(|row| (row, StoredRow::ABSENT))
                        .collect();
                    world.worker.loaded(Position::START, &absent).unwrap();
                }
                _ => {}
            }
        }
        for change in world.worker.take_change(false) {
            storage.take(change).unwrap();
        }
        let rest = storage.pending_bytes() - size - 1_000 * nth as usize;
        assert!(rest < 1_000, "{rest}");
    }
    let batch = storage.take_batch().unwrap();
    assert_eq!(batch.rows.len(), 3);
    assert_eq!(storage.pending_bytes(), 0);
    let row = RowKey {
        concern: CONCERN,
        key: Key::of(&key_at(0, 0)),
    };
    assert_eq!(batch.rows[&row].value.as_ref().unwrap().len(), 50_000);
}
