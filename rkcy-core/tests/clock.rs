//! A partition's clock, where that of a machine was wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::frame::{Body, Envelope, Frame, Kind};
use rkcy_core::id::TxnId;
use rkcy_core::key::Key;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::StoredPosition;
use rkcy_core::txn::{Answer, Outcome, ReplyTo, Txn};
use rkcy_core::worker::{Config, Progress, Stop, TakeOver, Worker};
use std::sync::Arc;
use support::{PARTITION, Toy, kept, planned, step};

const DAY: u64 = 86_400_000;
/// When a test begins.
const T: u64 = 1_700_000_000_000;

/// Instances that count how often they were asked.
const COUNTER: Toy = Toy(1, |_, row| {
    let value = Bytes::from(vec![row.value().map_or(0, |value| value[0]) + 1]);
    row.set(Some(value.clone()));
    Ok(value)
});

/// A transaction that counts, with an id of this time.
fn count(stamp: u64) -> Bytes {
    let txn = Txn {
        reply: ReplyTo(1),
        unplanned: vec![kept(step(0, Key::of(&1_u64), 1, Bytes::new()))],
        answer: Answer::Step(0),
        ..Txn::new(TxnId::from_parts(stamp, 1), 1, 1)
    };
    let txn = planned(txn, &COUNTER);
    Frame::encode(None, [Envelope::submit(txn)].iter())
}

fn tick() -> Bytes {
    let tick = Envelope::control(Kind::Tick, &Body::Tick);
    Frame::encode(None, [tick].iter())
}

/// The logs of one partition; the database stays empty.
#[derive(Default)]
struct World {
    commands: Vec<(u64, Bytes)>,
    changes: Vec<Bytes>,
    owners: u64,
}

impl World {
    fn append(&mut self, stamp: u64, record: Bytes) {
        self.commands.push((stamp, record));
    }

    /// A worker whose Open stands in the log with this stamp.
    fn worker(&mut self, stamp: u64, accept_clock: bool) -> Worker {
        self.owners += 1;
        let config = Config {
            accept_clock,
            ..support::config(PARTITION, self.owners)
        };
        let mut worker = self.fold(config);
        let open = worker.open();
        self.append(stamp, open);
        worker.opened(self.commands.len() as u64 - 1);
        worker
    }

    fn fold(&self, config: Config) -> Worker {
        let mut take_over = TakeOver::new(config, StoredPosition::default());
        self.changes
            .iter()
            .for_each(|change| take_over.fold(change.clone()).unwrap());
        take_over.finish(Arc::new(COUNTER)).unwrap()
    }

    /// Applies what there is, on a machine where it is `now`; the answers.
    fn run(&self, worker: &mut Worker, now: u64) -> Result<Vec<Outcome>, Stop> {
        let from = usize::try_from(worker.next_offset()).unwrap();
        for (stamp, record) in &self.commands[from..] {
            worker.feed(worker.next_offset(), *stamp, record.clone(), now)?;
        }
        loop {
            match worker.run(1_000)? {
                Progress::Cold(rows) => {
                    let absent: Vec<_> = rows
                        .into_iter()
                        .map(|row| (row, StoredRow::ABSENT))
                        .collect();
                    let at = StoredPosition::default().position;
                    worker.loaded(at, &absent)?;
                }
                Progress::Idle => break,
                Progress::More | Progress::Full | Progress::Say(_) => {}
            }
        }
        let replies = worker.take_replies();
        Ok(replies.into_iter().map(|reply| reply.outcome).collect())
    }

    fn checkpoint(&mut self, worker: &mut Worker) {
        self.changes.extend(worker.take_change(false));
    }
}

fn counted(number: u8) -> Outcome {
    Outcome::Committed(Some(Bytes::from(vec![number])))
}

fn not_taken(outcomes: &[Outcome]) -> &str {
    match outcomes {
        [Outcome::NotTaken(fault)] => &fault.code,
        other => panic!("{other:?}"),
    }
}

/// What a day ahead was stamped in a log, and forgotten by that clock.
fn a_day_ahead() -> World {
    let mut world = World::default();
    let mut worker = world.worker(T, false);
    world.append(T, count(T));
    world.append(T + DAY, count(T + DAY));
    let outcomes = world.run(&mut worker, T + DAY).unwrap();
    assert_eq!(outcomes, [counted(1), counted(2)]);
    world.checkpoint(&mut worker);
    world.append(T + DAY + 200_000, tick());
    world
}

#[test]
fn records_of_before_stop_nobody_one_by_one_but_a_clock_ahead_refuses_the_start() {
    let mut world = a_day_ahead();
    // Right clock, wrong log: only one that accepts it starts.
    let mut worker = world.worker(T + 1_000, false);
    let stop = world.run(&mut worker, T + 1_000).unwrap_err();
    assert!(matches!(stop, Stop::ClockRefused { ahead, .. } if ahead == DAY + 199_000));
    assert!(stop.to_string().contains("--accept-clock"), "{stop}");
    assert!(stop.to_string().contains("24 h 3 min"), "{stop}");
    // Right log, wrong clock: it starts once that is set.
    let mut worker = world.worker(T + DAY + 201_000, false);
    assert_eq!(world.run(&mut worker, T + DAY + 201_000).unwrap(), []);
}

#[test]
fn an_accepted_clock_goes_back_and_nothing_of_before_runs_twice() {
    let mut world = a_day_ahead();
    let now = T + 300_000;
    let mut worker = world.worker(now, true);
    assert_eq!(world.run(&mut worker, now).unwrap(), []);
    assert_eq!(worker.partition().state().scalars.clock, now);
    for (id, code) in [(T, "too_old"), (now - 1, "too_old"), (T + DAY, "ahead")] {
        world.append(now + 1, count(id));
        let outcomes = world.run(&mut worker, now + 1).unwrap();
        assert_eq!(not_taken(&outcomes), code);
    }
    world.append(now + 2, count(now + 2));
    assert_eq!(world.run(&mut worker, now + 2).unwrap(), [counted(3)]);
    // Who starts after it needs no such flag.
    world.checkpoint(&mut worker);
    let mut worker = world.worker(now + 3, false);
    assert_eq!(world.run(&mut worker, now + 3).unwrap(), []);
}

/// What the clock ahead had forgotten must not come back where the clock goes back within one record.
#[test]
fn an_accepted_clock_is_folded_as_it_was_applied() {
    let mut world = a_day_ahead();
    let mut worker = world.worker(T + 1_000, true);
    world.run(&mut worker, T + 1_000).unwrap();
    world.checkpoint(&mut worker);
    let folded = world.worker(T + 2_000, false);
    assert_eq!(folded.partition().state(), worker.partition().state());
}

#[test]
fn a_live_record_too_far_ahead_stops_the_worker() {
    let mut world = World::default();
    let mut worker = world.worker(T, false);
    world.run(&mut worker, T).unwrap();
    world.append(T + 60_000, tick());
    world.run(&mut worker, T).unwrap();
    world.append(T + 60_001, tick());
    let stop = world.run(&mut worker, T).unwrap_err();
    assert!(matches!(stop, Stop::ClockAhead { ahead: 60_001, .. }));
}
