//! Configuration in a partition: at a definite place in its log, never back, and carried over.
//!
//! Each scenario asserts that the engine does right and, in a build with the feature `seeded-bugs`, that the same
//! scenario goes wrong where the rule is broken on purpose.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::config::{ConfigObject, Edit, Entry, News, Topic};
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Body, Envelope, Frame, Kind};
use rkcy_core::id::{ConcernId, TxnId};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::storage::StoredPosition;
use rkcy_core::txn::{Answer, Outcome, ReplyTo, Txn};
use rkcy_core::worker::{TakeOver, Worker};
use std::sync::Arc;
use support::{PARTITION, Toy, kept, planned, step};

/// An object is one byte.
struct Limit(u8);

impl ConfigObject for Limit {
    type Key = u64;
    const ID: ConcernId = ConcernId(1);
    const NAME: &'static str = "Limit";

    fn read(bytes: &Bytes) -> Result<Limit, Fault> {
        match bytes[..] {
            [limit] => Ok(Limit(limit)),
            _ => Err(Fault::refusal("no_limit", "it is no byte")),
        }
    }
}

/// Instances answer what they see of the object 7; 0 is none.
const READER: Toy = Toy(1, |call, row| {
    let seen = call.context.config::<Limit>(&7).map_or(0, |limit| limit.0);
    call.context.was_readable()?;
    row.set(Some(Bytes::from(vec![seen])));
    Ok(Bytes::from(vec![seen]))
});

fn object(key: u64) -> RowKey {
    RowKey {
        concern: Limit::ID,
        key: Key::of(&key),
    }
}

fn news(key: u64, version: u64, value: Option<&[u8]>) -> Bytes {
    let value = value.map(Bytes::copy_from_slice);
    let entry = Entry { version, value };
    let object = object(key);
    News { object, entry }.frame()
}

fn ask(nth: u128) -> Bytes {
    let txn = Txn {
        reply: ReplyTo(1),
        unplanned: vec![kept(step(0, Key::of(&1_u64), 1, Bytes::new()))],
        answer: Answer::Step(0),
        ..Txn::new(TxnId::from_parts(1_000, nth), 1, 1)
    };
    Frame::encode(None, [Envelope::submit(planned(txn, &READER))].iter())
}

/// The logs of one partition; the database stays empty.
#[derive(Default)]
struct World {
    commands: Vec<Bytes>,
    changes: Vec<Bytes>,
    snapshot: Option<u64>,
    owners: u64,
}

impl World {
    /// A worker that has come to its own Open.
    fn worker(&mut self) -> Worker {
        self.owners += 1;
        let config = support::config(PARTITION, self.owners);
        let stored = StoredPosition {
            snapshot: self.snapshot,
            ..StoredPosition::default()
        };
        let mut take_over = TakeOver::new(config, stored);
        while let Some(change) = self.changes.get(take_over.next_offset() as usize) {
            take_over.fold(change.clone()).unwrap();
        }
        let mut worker = take_over.finish(Arc::new(READER)).unwrap();
        self.commands.push(worker.open());
        worker.opened(self.commands.len() as u64 - 1);
        self.run(&mut worker);
        worker
    }

    /// Applies what there is; the answers.
    fn run(&self, worker: &mut Worker) -> Vec<Outcome> {
        support::run(worker, &self.commands)
    }

    fn write_change(&mut self, worker: &mut Worker, snapshot: bool) {
        if snapshot {
            self.snapshot = Some(self.changes.len() as u64);
        }
        self.changes.extend(worker.take_change(snapshot));
    }
}

fn saw(limit: u8) -> Outcome {
    Outcome::Committed(Some(Bytes::from(vec![limit])))
}

#[test]
fn who_stands_behind_an_edit_in_the_log_sees_it_and_nobody_before() {
    let mut world = World::default();
    let mut worker = world.worker();
    world.commands.extend([
        ask(1),
        news(7, 3, Some(&[5])),
        ask(2),
        news(8, 4, Some(&[9])),
        ask(3),
        news(7, 5, None),
        ask(4),
    ]);
    assert_eq!(world.run(&mut worker), [saw(0), saw(5), saw(5), saw(0)]);
}

/// What three records, the last one older or equal, have come to.
fn after_an_older_one() -> Vec<Outcome> {
    let mut world = World::default();
    let mut worker = world.worker();
    world.commands.extend([
        news(7, 5, Some(&[5])),
        news(7, 4, Some(&[4])),
        news(7, 5, Some(&[6])),
        ask(1),
        news(7, 6, None),
        news(7, 5, Some(&[5])),
        ask(2),
    ]);
    world.run(&mut worker)
}

#[test]
fn older_or_equal_never_replaces_newer() {
    assert_eq!(after_an_older_one(), [saw(5), saw(0)]);
}

/// What a worker sees that has taken over at a change record.
fn after_a_take_over(snapshot: bool) -> Vec<Outcome> {
    let mut world = World::default();
    let mut worker = world.worker();
    world.commands.push(news(7, 5, Some(&[5])));
    world.run(&mut worker);
    world.write_change(&mut worker, snapshot);
    world.commands.push(news(7, 4, Some(&[4])));
    world.run(&mut worker);
    world.write_change(&mut worker, false);
    let mut next = world.worker();
    world.commands.push(ask(1));
    world.run(&mut next)
}

#[test]
fn a_delta_and_a_snapshot_carry_it_over() {
    assert_eq!(after_a_take_over(false), [saw(5)]);
    assert_eq!(after_a_take_over(true), [saw(5)]);
}

#[test]
fn what_cannot_be_read_stands_for_nothing() {
    let mut world = World::default();
    let mut worker = world.worker();
    let mut damaged = news(7, 6, Some(&[6])).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let broken = Envelope {
        body: Bytes::from_static(b"no news"),
        ..Envelope::control(Kind::Config, &Body::Tick)
    };
    world.commands.extend([
        news(7, 5, Some(&[5])),
        damaged.into(),
        Frame::encode(None, [broken].iter()),
        ask(1),
    ]);
    assert_eq!(world.run(&mut worker), [saw(5)]);
}

#[test]
fn a_handler_that_was_not_told_is_refused_whatever_it_has_done() {
    let mut world = World::default();
    let mut worker = world.worker();
    world.commands.extend([
        news(7, 5, Some(&[1, 2])),
        ask(1),
        news(7, 6, Some(&[6])),
        ask(2),
    ]);
    let outcomes = world.run(&mut worker);
    let [Outcome::Refused(fault), seen] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(fault.code, "unreadable");
    assert!(fault.message.contains("Limit"), "{fault}");
    assert_eq!(*seen, saw(6));
}

fn edit(key: u64, value: u8, read: u64) -> Bytes {
    let edit = Edit {
        object: object(key),
        value: Some(Bytes::from(vec![value])),
        read,
        by: "ann".to_owned(),
        restates: None,
    };
    edit.frame()
}

#[test]
fn a_worker_tells_its_partition_what_the_topic_says_once() {
    let (mut world, mut topic) = (World::default(), Topic::default());
    topic.take(0, 0, edit(7, 5, 0));
    topic.take(1, 0, edit(8, 1, 0));
    let mut worker = world.worker();
    assert!(!worker.knows_configs(&topic));
    let told = worker.tell_configs(&topic);
    assert_eq!(told.len(), 2);
    assert!(worker.tell_configs(&topic).is_empty());
    // The second has landed, the first is lost with its sender.
    world.commands.push(told[1].clone());
    world.run(&mut worker);
    topic.take(2, 0, edit(8, 2, 2));
    let mut next = world.worker();
    let told = next.tell_configs(&topic);
    assert_eq!(told.len(), 2, "each object by itself");
    world.commands.extend(told);
    world.commands.push(ask(1));
    assert_eq!(world.run(&mut next), [saw(5)]);
    assert!(next.knows_configs(&topic));
    let mut third = world.worker();
    assert!(third.tell_configs(&topic).is_empty());
}

#[cfg(feature = "seeded-bugs")]
#[test]
fn broken_rules_are_seen() {
    use rkcy_core::bugs::Bug;
    use support::with;
    let told = with(Bug::OlderConfigReplacesNewer, after_an_older_one);
    assert_ne!(told, [saw(5), saw(0)]);
    let told = with(Bug::ConfigNotInSnapshot, || after_a_take_over(true));
    assert_ne!(told, [saw(5)]);
}
