//! Care on logs that several processes share: who seems to have ended at an envelope may only be slow.
//!
//! Each scenario asserts that the engine does right and, in a build with the feature `seeded-bugs`, that the same
//! scenario goes wrong where the rule is broken on purpose.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::frame::{Body, Envelope, Frame};
use rkcy_core::id::{Position, TxnId};
use rkcy_core::key::Key;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Storage, StorageStop, StoredPosition};
use rkcy_core::txn::{Answer, Outcome, ReplyTo, Txn};
use rkcy_core::worker::{Config, LookAhead, Progress, Saying, Stop, TakeOver, Worker};
use std::sync::Arc;
use support::{PARTITION, Toy, kept, planned, step};

/// Instances are counters; the operation adds one. Who ends at it does so between two calls of the engine.
const COUNTER: Toy = Toy(1, |_, row| {
    let value = Bytes::from(vec![row.value().map_or(0, |value| value[0]) + 1]);
    row.set(Some(value.clone()));
    Ok(value)
});

const KEY: u64 = 7;
/// The envelope that all of this is about.
const IT: Position = Position::new(0, 0);

/// The logs of one partition.
struct World {
    commands: Vec<Bytes>,
    changes: Vec<Bytes>,
    owners: u64,
}

/// Where a worker has come to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// It says this.
    Says(Saying),
    /// It has applied something and waits.
    Withholds,
    Rest,
}

impl World {
    /// With one envelope, which two workers have not come to.
    fn new() -> World {
        let txn = Txn {
            reply: ReplyTo(1),
            unplanned: vec![kept(step(0, Key::of(&KEY), 1, Bytes::new()))],
            answer: Answer::Step(0),
            ..Txn::new(TxnId::from_parts(1_000, 1), 1, 1)
        };
        let submit = Envelope::submit(planned(txn, &COUNTER));
        let mut world = World {
            commands: vec![Frame::encode(None, [submit].iter())],
            changes: Vec::new(),
            owners: 0,
        };
        drop((world.worker(1), world.worker(2)));
        world
    }

    fn fold(&mut self, process: u64) -> Result<Worker, Stop> {
        self.owners += 1;
        let config = Config {
            process,
            atomic: false,
            ..support::config(PARTITION, self.owners)
        };
        let mut take_over = TakeOver::new(config, StoredPosition::default());
        for record in &self.changes {
            take_over.fold(record.clone())?;
        }
        take_over.finish(Arc::new(COUNTER))
    }

    /// A worker of a process, which has opened.
    fn worker(&mut self, process: u64) -> Worker {
        let mut worker = self.fold(process).unwrap();
        self.commands.push(worker.open());
        worker.opened(self.commands.len() as u64 - 1);
        worker
    }

    /// Lets a worker read what there is, and work.
    fn go(&self, worker: &mut Worker) -> Result<Came, Stop> {
        let at = |log: &[Bytes], offset: u64| log.get(usize::try_from(offset).unwrap()).cloned();
        loop {
            if let Some(next) = worker.look_offset() {
                worker.look(at(&self.commands, next).unwrap());
                continue;
            }
            if let Some(next) = worker.hear_offset()
                && let Some(record) = at(&self.changes, next)
            {
                worker.hear(record)?;
                continue;
            }
            if worker.withholds() {
                return Ok(Came::Withholds);
            }
            while let Some(record) = at(&self.commands, worker.next_offset()) {
                worker.feed(worker.next_offset(), 1_000, record, 1_000)?;
            }
            match worker.run(1)? {
                Progress::Cold(rows) => {
                    let absent = rows.into_iter().map(|row| (row, StoredRow::ABSENT));
                    let absent: Vec<_> = absent.collect();
                    worker.loaded(Position::START, &absent)?;
                }
                Progress::Say(saying) => return Ok(Came::Says(saying)),
                Progress::Idle => return Ok(Came::Rest),
                Progress::More | Progress::Full => {}
            }
        }
    }

    /// What it says is durable.
    fn say(&mut self, worker: &mut Worker, came: Came) {
        let Came::Says(saying) = came else {
            panic!("it says nothing: {came:?}");
        };
        let log = match &saying {
            Saying::Command(_) => &mut self.commands,
            Saying::Change(_) => &mut self.changes,
        };
        let (Saying::Command(record) | Saying::Change(record)) = saying;
        log.push(record);
        worker.said(log.len() as u64 - 1);
    }

    /// A worker of a process tries the envelope.
    fn tries(&mut self, process: u64) -> Worker {
        let mut worker = self.worker(process);
        let came = self.go(&mut worker).unwrap();
        assert!(is_trying(&came), "{came:?}");
        self.say(&mut worker, came);
        assert_eq!(worker.trying(), Some(IT));
        worker
    }

    /// One that tries it and is slow: what it has to write comes later, or never.
    fn slow(&mut self, process: u64) -> (Worker, Vec<Bytes>) {
        let mut worker = self.tries(process);
        self.go(&mut worker).unwrap();
        let late = worker.take_change(false);
        (worker, late)
    }

    /// What callers hear of a worker that goes on until it rests.
    fn told(&mut self, worker: &mut Worker) -> Result<Vec<Outcome>, Stop> {
        loop {
            match self.go(worker)? {
                Came::Withholds => {
                    assert_eq!(
                        (worker.take_replies(), worker.take_frames()),
                        (vec![], vec![])
                    );
                    let changes = worker.take_change(false);
                    // What it waits for is on its way already, or never comes.
                    if changes.is_empty() {
                        return Ok(Vec::new());
                    }
                    self.changes.extend(changes);
                }
                Came::Rest => {
                    self.changes.extend(worker.take_change(false));
                    return Ok(outcomes(worker));
                }
                says @ Came::Says(_) => self.say(worker, says),
            }
        }
    }

    /// What the database comes to have of the counter, when all of the changelog is written.
    fn stored(&self) -> Result<u8, StorageStop> {
        let mut storage = Storage::new(StoredPosition::default(), 1);
        for record in &self.changes {
            storage.take(record.clone())?;
        }
        let rows = storage.take_batch().unwrap_or_default().rows;
        let value = rows.get(&support::row(KEY));
        Ok(value
            .and_then(|row| row.value.as_ref())
            .map_or(0, |it| it[0]))
    }

    /// Whether the log says that the envelope was given up.
    fn is_parked(&self) -> bool {
        let mut ahead = LookAhead::default();
        (self.commands.iter()).for_each(|record| ahead.take(record.clone()));
        ahead.is_parked(IT)
    }
}

/// What callers may hear now.
fn outcomes(worker: &mut Worker) -> Vec<Outcome> {
    let replies = worker.take_replies().into_iter();
    replies.map(|reply| reply.outcome).collect()
}

fn is_trying(came: &Came) -> bool {
    let Came::Says(Saying::Command(frame)) = came else {
        return false;
    };
    let envelope = Frame::decode(frame.clone()).unwrap().envelopes.remove(0);
    let body = Body::decode(envelope.head.kind, envelope.body).unwrap();
    matches!(body, Body::Trying(care) if care.at == IT)
}

fn is_cut(came: &Came) -> bool {
    matches!(came, Came::Says(Saying::Change(_)))
}

/// Committed with one, or the code of the refusal.
fn text(outcomes: &[Outcome]) -> String {
    let text = |outcome: &Outcome| match outcome {
        Outcome::Committed(_) => "committed".to_owned(),
        other => other
            .fault()
            .map_or(String::new(), |it| it.code.to_string()),
    };
    outcomes.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[test]
fn where_two_processes_have_ended_it_is_given_up() {
    let mut world = World::new();
    drop(world.tries(3));
    drop(world.tries(4));
    let mut worker = world.worker(5);
    let came = world.go(&mut worker).unwrap();
    assert!(is_cut(&came), "{came:?}");
    world.say(&mut worker, came);
    assert_eq!(text(&world.told(&mut worker).unwrap()), "handler_died");
    assert!(world.is_parked());
    assert_eq!(world.stored(), Ok(0));
    // Whoever comes next knows it by the log alone, and goes on as ever.
    world.changes.clear();
    let mut next = world.worker(6);
    assert_eq!(text(&world.told(&mut next).unwrap()), "handler_died");
}

#[test]
fn nothing_leaves_before_it_counts() {
    let mut world = World::new();
    let (mut worker, change) = world.slow(3);
    assert_eq!(world.told(&mut worker), Ok(Vec::new()));
    world.changes.extend(change);
    assert_eq!(text(&world.told(&mut worker).unwrap()), "committed");
}

#[test]
fn what_has_come_before_the_cut_was_not_deadly() {
    let mut world = World::new();
    let (mut slow, late) = world.slow(3);
    drop(world.tries(4));
    let mut worker = world.worker(5);
    let cut = world.go(&mut worker).unwrap();
    assert!(is_cut(&cut), "{cut:?}");
    world.changes.extend(late);
    world.say(&mut worker, cut);
    assert!(matches!(
        world.go(&mut worker),
        Err(Stop::Overtaken {
            at: Position::START,
            ..
        })
    ));
    assert!(!world.is_parked());
    let mut next = world.worker(6);
    assert_eq!(text(&world.told(&mut next).unwrap()), "");
    assert_eq!(world.stored(), Ok(1));
    // The slow one finds that it counted, and then that others have opened.
    assert!(matches!(world.told(&mut slow), Err(Stop::Overtaken { .. })));
    assert_eq!(text(&outcomes(&mut slow)), "committed");
}

/// What a slow worker tells of it, the one that gives it up, and what the database comes to have; `None` where
/// two were found to contradict each other.
fn late_behind_the_cut() -> Option<(String, String, u8)> {
    let mut world = World::new();
    let (mut slow, late) = world.slow(3);
    let mut told = text(&outcomes(&mut slow));
    drop(world.tries(4));
    let mut worker = world.worker(5);
    for _ in 0..2 {
        if let Ok(came @ Came::Says(_)) = world.go(&mut worker) {
            world.say(&mut worker, came);
        }
    }
    assert!(world.is_parked());
    world.changes.extend(late);
    // Whether it goes on or not, what it may let out is out.
    let _ = world.told(&mut slow);
    told.push_str(&text(&outcomes(&mut slow)));
    let given_up = text(&world.told(&mut worker).ok()?);
    let stored = world.stored().ok()?;
    // Who takes over comes to the same.
    let next = world.fold(6).ok()?;
    (next.partition().state() == worker.partition().state()).then_some((told, given_up, stored))
}

#[test]
fn what_comes_behind_the_cut_counts_for_nobody() {
    let right = (String::new(), "handler_died".to_owned(), 0);
    assert_eq!(late_behind_the_cut(), Some(right));
}

/// Whether a worker goes on with an envelope that it has given up after another has opened.
fn parks_after_another_has_opened() -> bool {
    let mut world = World::new();
    drop(world.tries(3));
    drop(world.tries(4));
    let mut worker = world.worker(5);
    let cut = world.go(&mut worker).unwrap();
    world.say(&mut worker, cut);
    let park = world.go(&mut worker).unwrap();
    drop(world.worker(6));
    world.say(&mut worker, park);
    world.go(&mut worker).is_ok()
}

#[test]
fn a_park_counts_only_where_nobody_has_opened_since() {
    assert!(!parks_after_another_has_opened());
}

/// Whether an envelope at which one process has ended is tried again.
fn is_tried_again() -> bool {
    let mut world = World::new();
    drop(world.tries(3));
    let mut worker = world.worker(4);
    is_trying(&world.go(&mut worker).unwrap())
}

#[test]
fn who_is_killed_once_loses_nothing() {
    assert!(is_tried_again());
}

#[test]
fn a_process_that_goes_on_was_not_ended() {
    let mut world = World::new();
    drop(world.tries(3));
    drop(world.tries(3));
    // Twice by one process is once; and who says so has not died of it.
    let mut own = world.worker(3);
    assert!(is_trying(&world.go(&mut own).unwrap()));
    let mut other = world.worker(4);
    assert!(is_trying(&world.go(&mut other).unwrap()));
}

#[test]
fn who_stops_for_other_reasons_says_so() {
    let mut world = World::new();
    for process in 3..6 {
        let mut worker = world.tries(process);
        world.commands.push(worker.withdraw().unwrap());
        assert_eq!(worker.trying(), None);
    }
    let mut worker = world.worker(6);
    assert!(is_trying(&world.go(&mut worker).unwrap()));
}

/// Whether an envelope is tried again at which one process has ended, and another has stopped that was overtaken.
fn is_tried_after_a_late_stop() -> bool {
    let mut world = World::new();
    drop(world.tries(3));
    let mut old = world.tries(4);
    drop(world.worker(5));
    world.commands.push(old.withdraw().unwrap());
    let mut worker = world.worker(6);
    is_trying(&world.go(&mut worker).unwrap())
}

#[test]
fn who_stops_says_so_also_when_it_was_overtaken() {
    assert!(is_tried_after_a_late_stop());
}

/// It says so of the envelope that it has tried then, not of what its process tries since.
#[test]
fn who_stops_says_nothing_of_a_later_try() {
    let mut world = World::new();
    drop(world.tries(3));
    let mut old = world.tries(4);
    drop(world.tries(4));
    world.commands.push(old.withdraw().unwrap());
    let mut worker = world.worker(6);
    assert!(!is_trying(&world.go(&mut worker).unwrap()));
}

/// What a worker says that another has overtaken is nothing to those who come later.
#[test]
fn who_has_been_overtaken_is_not_believed() {
    let mut world = World::new();
    drop(world.tries(3));
    let mut old = world.worker(4);
    let said = world.go(&mut old).unwrap();
    drop(world.worker(5));
    world.say(&mut old, said);
    let mut worker = world.worker(6);
    assert!(is_trying(&world.go(&mut worker).unwrap()));
}

#[cfg(feature = "seeded-bugs")]
mod broken {
    use super::support::with;
    use super::*;
    use rkcy_core::bugs::Bug;

    #[test]
    fn without_a_cut_or_where_it_is_ignored_two_things_are_told_or_stored() {
        let right = Some((String::new(), "handler_died".to_owned(), 0));
        for bug in [
            Bug::ParkWithoutCut,
            Bug::CutIgnoredByStorage,
            Bug::CutIgnoredByTakeOver,
            Bug::CarefulEffectsBeforeChange,
        ] {
            assert_ne!(with(bug, late_behind_the_cut), right, "{bug:?}");
        }
    }

    #[test]
    fn a_park_of_one_that_was_overtaken_would_count() {
        assert!(with(
            Bug::ParkOfOthersCounts,
            parks_after_another_has_opened
        ));
    }

    #[test]
    fn who_was_overtaken_would_be_taken_for_dead() {
        assert!(!with(
            Bug::WithdrawnByOwnersOnly,
            is_tried_after_a_late_stop
        ));
    }

    #[test]
    fn one_try_would_be_enough() {
        assert!(!with(Bug::ParkAfterOneTry, is_tried_again));
    }
}
