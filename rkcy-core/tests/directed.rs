//! Directed scenarios: interleavings that random schedules meet too seldom.
//!
//! Each asserts that the engine does right and, in a build with the feature `seeded-bugs`, that the same
//! scenario goes wrong where the rule is broken on purpose.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::expect::{Expected, Tag, UNMET};
use rkcy_core::frame::{Body, Envelope, Frame, Head, Kind, Reply, Source};
use rkcy_core::id::{PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::Settings;
use rkcy_core::storage::{Storage, StoredPosition};
use rkcy_core::txn::{Answer, Place, ReplyTo, Txn, Unplanned};
use rkcy_core::worker::{Config, Progress, Stop, TakeOver, Worker};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{CONCERN, PARTITION, Toy, kept, planned, row, step};

/// Instances are counters; the operation adds one, and panics at seven.
const COUNTER: Toy = Toy(2, |_, row| {
    let next = row.value().map_or(0, |value| value[0]) + 1;
    assert_ne!(next, 7, "nobody counts to seven");
    let value = Bytes::from(vec![next]);
    row.set(Some(value.clone()));
    Ok(value)
});

/// A transaction that adds one to the counter `key`.
fn add(key: u64, nth: u128) -> Envelope {
    add_to_each(&[key], nth)
}

/// A transaction that adds one to each of several counters.
fn add_to_each(keys: &[u64], nth: u128) -> Envelope {
    let steps = (0_u16..).zip(keys);
    let steps = steps.map(|(number, key)| kept(step(number, Key::of(key), 1, Bytes::new())));
    let txn = Txn {
        reply: ReplyTo(u64::try_from(nth).unwrap()),
        unplanned: steps.collect(),
        answer: Answer::Step(0),
        ..Txn::new(TxnId::from_parts(1_000, nth), 1, 1)
    };
    Envelope::submit(planned(txn, &COUNTER))
}

/// The log, the changelog and the database of one partition.
#[derive(Default)]
struct World {
    commands: Vec<Bytes>,
    changes: Vec<Bytes>,
    position: StoredPosition,
    rows: BTreeMap<RowKey, StoredRow>,
    owners: u64,
}

impl World {
    /// A worker that has taken over, and whose Open is in the log.
    fn worker(&mut self) -> Result<Worker, Stop> {
        let mut worker = self.folded(1, Settings::default())?;
        self.open(&mut worker);
        Ok(worker)
    }

    /// The worker's Open is in the log.
    fn open(&mut self, worker: &mut Worker) {
        self.commands.push(worker.open());
        worker.opened(self.commands.len() as u64 - 1);
        while let Some(next) = worker.look_offset() {
            worker.look(get(&self.commands, next).unwrap());
        }
    }

    /// A worker of a build that has folded the changelog.
    fn folded(&mut self, build: u64, settings: Settings) -> Result<Worker, Stop> {
        self.owners += 1;
        let config = Config {
            build,
            atomic: false,
            settings,
            ..support::config(PARTITION, self.owners)
        };
        let mut take_over = TakeOver::new(config, self.position);
        while let Some(record) = get(&self.changes, take_over.next_offset()) {
            take_over.fold(record)?;
        }
        take_over.finish(Arc::new(COUNTER))
    }

    /// Applies up to `limit` envelopes; cold rows are read from the database.
    fn run(&self, worker: &mut Worker, limit: usize) -> Result<(), Stop> {
        let mut left = limit;
        while left > 0 {
            let next = worker.next_offset();
            if let Some(record) = get(&self.commands, next) {
                worker.feed(next, 1_000, record, 1_000)?;
            }
            match worker.run(1)? {
                Progress::Cold(rows) => {
                    let load = |row: RowKey| {
                        let stored = self.rows.get(&row).cloned().unwrap_or(StoredRow::ABSENT);
                        (row, stored)
                    };
                    let rows: Vec<_> = rows.into_iter().map(load).collect();
                    worker.loaded(self.position.position, &rows)?;
                }
                Progress::Idle if worker.next_offset() == self.commands.len() as u64 => break,
                _ => left -= 1,
            }
        }
        Ok(())
    }

    /// Storage writes all of the changelog.
    fn store(&mut self) {
        let mut storage = Storage::new(self.position, 1);
        while let Some(record) = get(&self.changes, storage.next_offset()) {
            storage.take(record).unwrap();
        }
        if let Some(batch) = storage.take_batch() {
            self.rows.extend(batch.rows);
            self.position = batch.new;
        }
    }

    fn submit(&mut self, envelopes: &[Envelope]) {
        self.commands.push(Frame::encode(None, envelopes.iter()));
    }

    fn counter(&self, key: u64) -> u8 {
        self.rows[&row(key)].value.as_ref().unwrap()[0]
    }
}

fn get(records: &[Bytes], offset: u64) -> Option<Bytes> {
    records.get(usize::try_from(offset).ok()?).cloned()
}

/// Position (1, 1) changes a row that storage has only as of (1, 0): the row must stay in memory.
fn evict_within_a_frame() -> u8 {
    let mut world = World::default();
    let mut worker = world.worker().unwrap();
    world.submit(&[add(7, 1), add(7, 2)]);
    while worker.partition().state().position < Position::new(1, 0) {
        world.run(&mut worker, 1).unwrap();
    }
    world.changes.extend(worker.take_change(false));
    world.store();
    assert_eq!(world.position.position, Position::new(1, 0));
    worker.storage_at(world.position.position);
    world.run(&mut worker, 100).unwrap();
    world.changes.extend(worker.take_change(false));
    worker.evict_to(0);
    world.submit(&[add(7, 3)]);
    world.run(&mut worker, 100).unwrap();
    world.changes.extend(worker.take_change(false));
    world.store();
    world.counter(7)
}

/// The snapshot of an owner that was overtaken arrives late; recovery must not begin with it.
fn recover_beside_a_late_snapshot() -> Result<u8, Stop> {
    let mut world = World::default();
    let mut old = world.worker()?;
    world.submit(&[add(7, 1)]);
    world.run(&mut old, 100)?;
    world.changes.extend(old.take_change(true));
    world.submit(&[add(7, 2)]);
    world.run(&mut old, 100)?;
    let late = old.take_change(true);
    let mut new = world.worker()?;
    world.submit(&[add(7, 3), add(7, 4)]);
    world.run(&mut new, 100)?;
    world.changes.extend(new.take_change(false));
    world.store();
    world.changes.extend(late);
    world.store();
    let mut newest = world.worker()?;
    world.submit(&[add(7, 5)]);
    world.run(&mut newest, 100)?;
    world.changes.extend(newest.take_change(false));
    world.store();
    Ok(world.counter(7))
}

/// Three visits wait for a lock; they are served in the order in which they came.
fn order_of_those_who_wait() -> Vec<u64> {
    let at = |index| {
        let here = |key: &u64| partition_of(CONCERN, &Key::of(key), 2).index == index;
        (1..).find(here).unwrap()
    };
    let (here, there) = (at(0), at(1));
    let mut world = World::default();
    let mut worker = world.worker().unwrap();
    world.submit(&[
        add_to_each(&[here, there], 1),
        add(here, 2),
        add(here, 3),
        add(here, 4),
    ]);
    world.run(&mut worker, 100).unwrap();
    assert_eq!(worker.take_replies(), []);
    let other = PartitionId {
        concern: CONCERN,
        index: 1,
    };
    let release = Envelope::new(
        Head::plain(Kind::Release, TxnId::from_parts(1_000, 1)),
        &Body::Release(true),
    );
    let source = Source {
        partition: other,
        first: 1,
    };
    world
        .commands
        .push(Frame::encode(Some(source), [release].iter()));
    world.run(&mut worker, 100).unwrap();
    worker
        .take_replies()
        .iter()
        .map(|reply| reply.to.0)
        .collect()
}

/// A build hands over to the next one by a Seal, but a worker of the old build has folded less, and opens
/// behind the Open of the new one: what stands between Seal and Open is the new build's to apply.
fn old_build_behind_a_new_one() -> Result<Position, Stop> {
    let mut world = World::default();
    let mut old = world.worker()?;
    world.submit(&[add(7, 1)]);
    world.run(&mut old, 100)?;
    world.changes.extend(old.take_change(false));
    let mut late = world.folded(1, Settings::default())?;
    world.commands.extend(old.seal());
    let sealed = world.commands.len() as u64 - 1;
    let stopped = world.run(&mut old, 100);
    assert!(matches!(stopped, Err(Stop::Sealed { .. })), "{stopped:?}");
    world.changes.extend(old.take_change(true));
    world.submit(&[add(7, 2)]);
    let mut new = world.folded(2, Settings::default())?;
    world.open(&mut new);
    world.open(&mut late);
    let stopped = world.run(&mut late, 100);
    assert!(
        matches!(stopped, Err(Stop::ForeignBuild { owner: 2, .. })),
        "{stopped:?}"
    );
    world.run(&mut new, 100)?;
    assert_eq!(new.take_replies().len(), 1);
    assert!(new.owns());
    assert_eq!(sealed, 2);
    Ok(late.partition().state().position)
}

#[test]
fn what_stands_behind_a_seal_is_for_the_build_that_opens_next() {
    assert_eq!(old_build_behind_a_new_one(), Ok(Position::new(2, 0)));
}

/// Offset of the first command that is needed when storage has the first envelope of record 1.
fn needed_in_the_middle_of_a_record() -> u64 {
    let mut world = World::default();
    let mut worker = world.worker().unwrap();
    world.submit(&[add(7, 1), add(7, 2)]);
    while worker.partition().state().position < Position::new(1, 0) {
        world.run(&mut worker, 1).unwrap();
    }
    world.changes.extend(worker.take_change(true));
    world.store();
    assert_eq!(world.position.position, Position::new(1, 0));
    let (changelog, commands) = world.position.needed();
    assert_eq!(changelog, 0);
    commands
}

#[test]
fn a_record_that_was_applied_in_part_is_needed() {
    assert_eq!(needed_in_the_middle_of_a_record(), 1);
}

/// What is remembered of outcomes counts as well: it may be more than an id that runs takes.
#[test]
fn outcomes_do_not_take_more_memory_than_ids_may() {
    let settings = Settings {
        id_bytes: 4 * Settings::ID_COST,
        ..Settings::default()
    };
    let mut world = World::default();
    let mut worker = world.folded(1, settings.clone()).unwrap();
    world.open(&mut worker);
    let here = |key: &u64| partition_of(CONCERN, &Key::of(key), 2).index == 0;
    let keys: Vec<u64> = (1..).filter(here).take(5).collect();
    // Six times one counter: the seventh panics, and what a panic says is longer than a result.
    let many = (0..12).map(|nth| add(keys[0], nth));
    world.submit(&many.collect::<Vec<_>>());
    world.run(&mut worker, 100).unwrap();
    let ids = &worker.partition().state().ids;
    assert!(ids.bytes() <= settings.id_bytes, "{} bytes", ids.bytes());
    let replies = worker.take_replies();
    assert!(replies.iter().any(|reply| reply.fault().is_some()));
}

/// Of a channel the second envelope arrives before the first, which was lost, and both are sent again.
fn served_where_a_send_was_lost() -> Vec<u64> {
    let mut world = World::default();
    let mut worker = world.worker().unwrap();
    for nth in [2, 1, 2] {
        let source = Source {
            partition: PartitionId {
                concern: CONCERN,
                index: 1,
            },
            first: nth,
        };
        let frame = Frame::encode(Some(source), [add(8, nth.into())].iter());
        world.commands.push(frame);
    }
    world.run(&mut worker, 100).unwrap();
    let replies = worker.take_replies();
    replies.iter().map(|reply| reply.to.0).collect()
}

#[test]
fn what_comes_before_its_turn_is_taken_when_it_comes_again() {
    assert_eq!(served_where_a_send_was_lost(), [1, 2]);
}

#[test]
fn who_has_waited_longest_is_served_first() {
    assert_eq!(order_of_those_who_wait(), [2, 3, 4]);
}

/// Adds one to a counter that must have a value: in the same visit.
fn add_expecting(value: u8, key: u64, nth: u128) -> Envelope {
    let expected = Expected::One(vec![Tag::of(&[value])]);
    let compares = Unplanned {
        step: expected.step(0, Place::Root),
        ..step(0, Key::of(&key), 1, Bytes::new())
    };
    let adds = kept(step(1, Key::of(&key), 1, Bytes::new()));
    let txn = Txn {
        unplanned: vec![compares, adds],
        answer: Answer::Step(1),
        ..Txn::new(TxnId::from_parts(1_000, nth), 1, 1)
    };
    Envelope::submit(planned(txn, &COUNTER))
}

/// Which callers are refused, who all expect the value that the first of them changes.
fn refused_of_those_who_expect_one_value() -> Vec<bool> {
    let mut world = World::default();
    let mut worker = world.worker().unwrap();
    world.submit(&[add(7, 1), add_expecting(1, 7, 2), add_expecting(1, 7, 3)]);
    world.run(&mut worker, 100).unwrap();
    let unmet = |reply: &Reply| reply.fault().is_some_and(|fault| fault.code == UNMET);
    worker.take_replies().iter().map(unmet).collect()
}

#[test]
fn who_expects_a_value_that_is_gone_is_refused() {
    assert_eq!(
        refused_of_those_who_expect_one_value(),
        [false, false, true]
    );
}

/// A panic is a refusal for its caller; nothing of it stays, and the next one goes on.
#[test]
fn a_handler_that_panics_refuses_and_does_nothing_else() {
    let mut world = World::default();
    let mut worker = world.worker().unwrap();
    let many: Vec<Envelope> = (0..8).map(|nth| add(7, nth)).collect();
    world.submit(&many);
    world.submit(&[add(8, 100)]);
    world.run(&mut worker, 100).unwrap();
    let panicked = |reply: &Reply| reply.fault().is_some_and(|fault| fault.code == "panicked");
    let replies = worker.take_replies();
    assert_eq!(
        replies.iter().map(panicked).collect::<Vec<_>>(),
        [false, false, false, false, false, false, true, true, false]
    );
    world.changes.extend(worker.take_change(false));
    world.store();
    assert_eq!((world.counter(7), world.counter(8)), (6, 1));
}

#[test]
fn a_row_newer_than_storage_within_its_frame_stays_in_memory() {
    assert_eq!(evict_within_a_frame(), 3);
}

#[test]
fn recovery_begins_with_the_snapshot_that_storage_has_recorded() {
    assert_eq!(recover_beside_a_late_snapshot(), Ok(5));
}

#[cfg(feature = "seeded-bugs")]
mod broken {
    use super::support::with;
    use super::*;
    use rkcy_core::bugs::Bug;

    #[test]
    fn where_expectations_are_ignored_a_change_is_lost() {
        let refused = with(
            Bug::ExpectationIgnored,
            refused_of_those_who_expect_one_value,
        );
        assert_eq!(refused, [false; 3]);
    }

    #[test]
    fn eviction_by_offset_loses_a_change() {
        assert_ne!(with(Bug::EvictionByOffset, evict_within_a_frame), 3);
    }

    #[test]
    fn what_was_lost_is_never_taken_where_gaps_are_accepted() {
        assert_eq!(with(Bug::AcceptGaps, served_where_a_send_was_lost), [2]);
    }

    #[test]
    fn a_queue_served_from_its_end_is_out_of_order() {
        let order = with(Bug::QueueOrderBroken, order_of_those_who_wait);
        assert_ne!(order, [2, 3, 4]);
    }

    #[test]
    fn a_record_applied_in_part_would_be_trimmed() {
        assert_eq!(
            with(Bug::PartlyAppliedTrimmed, needed_in_the_middle_of_a_record),
            2
        );
    }

    #[test]
    fn recovery_from_any_snapshot_is_noticed_or_wrong() {
        assert_ne!(
            with(Bug::SnapshotNotRecorded, recover_beside_a_late_snapshot),
            Ok(5)
        );
    }
}
