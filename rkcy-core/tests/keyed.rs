//! Idempotency keys: who repeats a request hears what came of the first, however late, and whatever happens.
//!
//! Each scenario asserts that the engine does right and, in a build with the feature `seeded-bugs`, that the same
//! scenario goes wrong where the rule is broken on purpose.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Body, Envelope, Head, Kind, Open};
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::keyed::{Digest, KEYS, Kept, Keyed};
use rkcy_core::partition::{Effect, Halt, Input, Partition};
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::Settings;
use rkcy_core::state::State;
use rkcy_core::txn::{Answer, Mode, Outcome, ReplyTo, Txn};
use rkcy_core::wire::Wire;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use support::{PARTITION, Toy, kept, planned, row, step};

const ADD: u16 = 16;
const REFUSE: u16 = 17;
const LONG: u16 = 18;

/// Instances are counters.
const COUNTER: Toy = Toy(1, |call, row| {
    let next = row.value().map_or(0, |value| value[0]) + 1;
    match call.op {
        REFUSE => Err(Fault::refusal("never", "it never goes through")),
        LONG => Ok(Bytes::from(vec![0; 1_000])),
        _ => {
            row.set(Some(Bytes::from(vec![next])));
            Ok(Bytes::from(vec![next]))
        }
    }
});

const KEYED: PartitionId = PartitionId {
    concern: KEYS,
    index: 0,
};

const LIFE: u64 = 10_000;

/// What has arrived and is not applied, with its source and number on the channel.
type Inbox = VecDeque<(Option<(PartitionId, u64)>, Envelope)>;

/// The partition of keys and that of counters, and what is on its way between them.
struct World {
    partitions: BTreeMap<PartitionId, Partition>,
    inboxes: BTreeMap<PartitionId, Inbox>,
    offsets: BTreeMap<PartitionId, u64>,
    stored: BTreeMap<RowKey, StoredRow>,
    settings: Settings,
    now: u64,
    told: BTreeMap<u64, Vec<Outcome>>,
}

impl World {
    fn new() -> World {
        World::with(Settings {
            key_life: LIFE,
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> World {
        let of = |id| {
            (
                id,
                Partition::new(id, 0, Arc::new(COUNTER), State::default()),
            )
        };
        let mut world = World {
            partitions: [KEYED, PARTITION].map(of).into(),
            inboxes: BTreeMap::new(),
            offsets: BTreeMap::new(),
            stored: BTreeMap::new(),
            settings,
            now: 1_000,
            told: BTreeMap::new(),
        };
        world.open(KEYED);
        world.open(PARTITION);
        world
    }

    fn open(&mut self, id: PartitionId) {
        let open = Open {
            owner: self.offsets.get(&id).copied().unwrap_or(0) + 1,
            build: 1,
            after: None,
            accept_replay: false,
            accept_clock: false,
            settings: self.settings.clone(),
        };
        self.send(id, Envelope::control(Kind::Open, &Body::Open(open)));
        while self.apply(id) {}
    }

    fn send(&mut self, to: PartitionId, envelope: Envelope) {
        self.inboxes
            .entry(to)
            .or_default()
            .push_back((None, envelope));
    }

    /// Applies the next envelope of a partition; whether there was one.
    fn apply(&mut self, id: PartitionId) -> bool {
        let Some((number, envelope)) = self.inboxes.entry(id).or_default().pop_front() else {
            return false;
        };
        let offset = self.offsets.entry(id).or_default();
        let input = Input {
            at: Position::new(*offset, 0),
            stamp: self.now,
            number,
            damaged: false,
            parked: false,
            envelope: &envelope,
        };
        *offset += 1;
        let mut effects = Vec::new();
        let partition = self.partitions.get_mut(&id).unwrap();
        while let Err(halt) = partition.apply(input, &mut effects) {
            let Halt::Cold(rows) = halt else {
                panic!("{halt:?}")
            };
            for row in rows {
                let stored = self.stored.get(&row).cloned();
                partition
                    .rows_mut()
                    .load(&row, stored.unwrap_or(StoredRow::ABSENT));
            }
        }
        for effect in effects {
            match effect {
                Effect::Send {
                    to,
                    number,
                    envelope,
                } => {
                    let inbox = self.inboxes.entry(to).or_default();
                    inbox.push_back((Some((id, number)), envelope));
                }
                Effect::Answer(reply) => {
                    self.told.entry(reply.to.0).or_default().push(reply.outcome);
                }
                Effect::Saga(..) => {}
            }
        }
        true
    }

    fn settle(&mut self) {
        while self.apply(KEYED) || self.apply(PARTITION) {}
    }

    fn submit(&mut self, txn: Txn) {
        self.send(txn.home().unwrap(), Envelope::submit(txn));
    }

    /// Submits a transaction, and all comes to rest.
    fn ask(&mut self, txn: Txn) {
        self.submit(txn);
        self.settle();
    }

    /// Another worker takes over from change record and database: nothing stays in memory.
    fn take_over(&mut self, id: PartitionId) {
        let mut old = self.partitions.remove(&id).unwrap();
        let change = old.take_change(true).unwrap();
        self.stored.extend(change.rows.iter().cloned());
        let mut state = State {
            position: old.state().position,
            scalars: Wire::from_wire(old.state().scalars.to_wire().into()).unwrap(),
            ..State::default()
        };
        for (key, value) in change.entries {
            state.set_entry(key, value).unwrap();
        }
        assert_eq!(&state, old.state());
        let new = Partition::new(id, 0, Arc::new(COUNTER), state);
        self.partitions.insert(id, new);
    }

    fn tick(&mut self) {
        self.send(KEYED, Envelope::control(Kind::Tick, &Body::Tick));
        self.settle();
    }

    fn counter(&mut self, key: u64) -> u8 {
        let rows = self.partitions.get_mut(&PARTITION).unwrap().rows_mut();
        let value = rows.get(&row(key)).and_then(|row| row.value.clone());
        value.map_or(0, |value| value[0])
    }

    /// The last that was told.
    fn told(&self, reply: u64) -> &Outcome {
        self.told[&reply].last().unwrap()
    }

    fn code(&self, reply: u64) -> &str {
        match self.told(reply) {
            Outcome::Committed(_) => "committed",
            Outcome::Refused(fault) | Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
                &fault.code
            }
        }
    }

    /// Rows of keys and pages that are there.
    fn rows(&self) -> usize {
        let rows = self.partitions[&KEYED].rows().sorted().into_iter();
        rows.filter(|(_, row)| row.value.is_some()).count()
    }
}

fn keyed(key: u8, body: u8) -> Keyed {
    Keyed::new(Digest([key; 24]), Digest([body; 24]))
}

/// An operation on the counter 1, by somebody who wants to hear at `nth`.
fn operate(world: &World, nth: u64, op: u16) -> Txn {
    let txn = Txn {
        reply: ReplyTo(nth),
        unplanned: vec![kept(step(0, Key::of(&1_u64), op, Bytes::new()))],
        answer: Answer::Step(0),
        ..Txn::new(TxnId::from_parts(world.now, u128::from(nth)), 1, 1)
    };
    planned(txn, &COUNTER)
}

/// Adds one, with a key.
fn add(world: &World, nth: u64, key: u8, body: u8) -> Txn {
    operate(world, nth, ADD).with_key(&keyed(key, body), &COUNTER)
}

#[test]
fn a_repeat_hears_the_first_answer() {
    let mut world = World::new();
    world.ask(add(&world, 1, 7, 1));
    let first = Outcome::Committed(Some(Bytes::from(vec![1])));
    assert_eq!(*world.told(1), first);
    world.ask(add(&world, 2, 7, 1));
    assert_eq!(*world.told(2), first);
    world.ask(add(&world, 3, 8, 1));
    assert_eq!(
        *world.told(3),
        Outcome::Committed(Some(Bytes::from(vec![2])))
    );
    world.ask(add(&world, 4, 7, 2));
    assert_eq!(world.code(4), "key_reused");
    assert_eq!(world.counter(1), 2);
    for partition in world.partitions.values() {
        let state = partition.state();
        assert!(state.trails.is_empty(), "{:?}", state.trails);
        assert_eq!(state.ids.running(), 0);
    }
}

/// Repeats, one of them of something else, come while the first is on its way.
fn repeats_while_the_first_runs() -> (World, Vec<Outcome>) {
    let mut world = World::new();
    world.submit(add(&world, 1, 7, 1));
    world.apply(KEYED);
    for (nth, body) in [(2, 1), (3, 1), (4, 2)] {
        world.submit(add(&world, nth, 7, body));
        world.apply(KEYED);
    }
    world.take_over(KEYED);
    world.settle();
    let told = (1..=4).map(|nth| world.told(nth).clone()).collect();
    (world, told)
}

#[test]
fn who_repeats_while_the_first_runs_hears_how_it_ends() {
    let (mut world, told) = repeats_while_the_first_runs();
    let first = Outcome::Committed(Some(Bytes::from(vec![1])));
    assert_eq!(told[..3], [first.clone(), first.clone(), first]);
    assert_eq!(world.code(4), "key_reused");
    assert_eq!(world.counter(1), 1);
}

/// A repeat was answered, and a copy of it comes late, when the key has had its time.
#[test]
fn a_copy_of_a_repeat_does_not_run_when_the_key_is_forgotten() {
    let mut world = World::new();
    world.ask(add(&world, 1, 7, 1));
    world.now += LIFE - 1;
    let (same, other) = (add(&world, 2, 7, 1), add(&world, 3, 7, 2));
    world.ask(same.clone());
    world.ask(other.clone());
    world.now += 10;
    world.ask(same);
    world.ask(other);
    assert_eq!(world.told[&2].len(), 2);
    assert_eq!(world.told[&2][0], world.told[&2][1]);
    assert_eq!(world.told[&3].len(), 2);
    assert_eq!(world.code(3), "key_reused");
    assert_eq!(world.counter(1), 1);
    world.ask(add(&world, 4, 7, 1));
    assert_eq!(world.counter(1), 2);
}

#[test]
fn a_refusal_is_the_answer_as_well() {
    let mut world = World::new();
    let refused = |world: &World, nth| operate(world, nth, REFUSE).with_key(&keyed(7, 1), &COUNTER);
    world.ask(refused(&world, 1));
    world.take_over(KEYED);
    world.ask(refused(&world, 2));
    assert_eq!(world.code(1), "never");
    assert_eq!(world.told(1), world.told(2));
}

#[test]
fn a_long_result_is_not_kept() {
    let mut world = World::new();
    let long = |world: &World, nth| operate(world, nth, LONG).with_key(&keyed(7, 1), &COUNTER);
    world.ask(long(&world, 1));
    world.ask(long(&world, 2));
    assert_eq!(
        *world.told(1),
        Outcome::Committed(Some(Bytes::from(vec![0; 1_000])))
    );
    assert_eq!(*world.told(2), Outcome::Committed(None));
}

#[test]
fn what_only_reads_or_does_nothing_is_remembered_with_a_key() {
    let mut world = World::new();
    let mut read = operate(&world, 1, ADD);
    read.mode = Mode::Read;
    let read = read.with_key(&keyed(7, 1), &COUNTER);
    assert_eq!(read.mode, Mode::Transaction);
    for nth in [1, 2] {
        let nothing = Txn {
            reply: ReplyTo(nth),
            ..Txn::new(TxnId::from_parts(world.now, u128::from(nth)), 1, 1)
        };
        world.ask(nothing.with_key(&keyed(8, 1), &COUNTER));
    }
    assert_eq!(*world.told(2), Outcome::Committed(Some(Bytes::new())));
}

/// Somebody who holds a counter.
fn holder() -> TxnId {
    TxnId::from_parts(1_000, 99)
}

/// A transaction that goes on elsewhere, where nobody is, holds the counter 1.
fn hold(world: &mut World) {
    let held = Txn {
        unplanned: vec![step(0, Key::of(&1_u64), ADD, Bytes::new())],
        ..Txn::new(holder(), 1, 1)
    };
    let mut held = planned(held, &COUNTER);
    let mut second = held.visits[0].clone();
    second.group.concern = ConcernId(2);
    held.visits.push(second);
    world.ask(held);
}

/// The counter 1 is free again.
fn release(world: &mut World) {
    let head = Head::plain(Kind::Release, holder());
    world.send(PARTITION, Envelope::new(head, &Body::Release(false)));
    world.settle();
}

/// The first waits in a queue for longer than its caller allows; another repeats it meanwhile, and once more.
fn repeats_of_what_was_not_taken() -> Vec<String> {
    let mut world = World::new();
    hold(&mut world);
    let mut first = add(&world, 1, 7, 1);
    first.budget = 50;
    world.submit(first);
    world.settle();
    world.ask(add(&world, 2, 7, 1));
    world.now += 60;
    world.send(PARTITION, Envelope::control(Kind::Tick, &Body::Tick));
    world.settle();
    release(&mut world);
    world.ask(add(&world, 3, 7, 1));
    let told = |nth| match world.told(nth) {
        Outcome::NotTaken(fault) => format!("not taken: {}", fault.code),
        _ => world.code(nth).to_owned(),
    };
    (1..=3).map(told).collect()
}

#[test]
fn what_the_platform_did_not_take_is_not_the_answer() {
    let told = repeats_of_what_was_not_taken();
    assert_eq!(told, ["deadline", "not taken: deadline", "committed"]);
}

/// A saga that meets a full queue, after `before` steps on another counter; what is told then, and to a repeat.
fn saga_that_is_not_taken(before: u16) -> [String; 2] {
    let mut world = World::with(Settings {
        queue: 0,
        ..Settings::default()
    });
    hold(&mut world);
    let mut steps: Vec<_> = (0..before)
        .map(|number| step(number, Key::of(&2_u64), ADD, Bytes::new()))
        .collect();
    steps.push(step(before, Key::of(&1_u64), ADD, Bytes::new()));
    let saga = |world: &World, nth: u64| {
        let txn = Txn {
            mode: Mode::Saga,
            reply: ReplyTo(nth),
            unplanned: steps.clone(),
            ..Txn::new(TxnId::from_parts(world.now, u128::from(nth)), 1, 1)
        };
        planned(txn, &COUNTER).with_key(&keyed(7, 1), &COUNTER)
    };
    world.ask(saga(&world, 1));
    release(&mut world);
    world.ask(saga(&world, 2));
    [1, 2].map(|nth| world.code(nth).to_owned())
}

#[test]
fn a_saga_that_has_left_something_is_remembered_however_it_was_refused() {
    assert_eq!(saga_that_is_not_taken(0), ["queue_full", "committed"]);
    assert_eq!(saga_that_is_not_taken(1), ["queue_full", "queue_full"]);
}

/// Whether the same runs again, so many milliseconds after the first.
fn runs_again_after(millis: u64) -> bool {
    let mut world = World::new();
    world.ask(add(&world, 1, 7, 1));
    world.now += millis;
    world.take_over(KEYED);
    world.ask(add(&world, 2, 7, 1));
    world.counter(1) == 2
}

#[test]
fn a_key_lives_as_long_as_it_should() {
    assert!(!runs_again_after(LIFE - 1));
    assert!(runs_again_after(LIFE));
}

#[test]
fn keys_that_have_had_their_time_leave_nothing() {
    let mut world = World::new();
    let mut least = usize::MAX;
    for round in 0..4_u64 {
        for key in 0..100_u8 {
            world.ask(add(&world, round * 1_000 + u64::from(key), key, 1));
            world.now += 1;
        }
        least = least.min(world.rows());
        world.take_over(KEYED);
    }
    assert!(least >= 100);
    // Nobody comes any more: a driver lets time pass whenever something is due.
    let mut ticked = None;
    for _ in 0..200 {
        let Some(due) = world.partitions[&KEYED].due() else {
            break;
        };
        assert_ne!(ticked, Some(due), "a driver ticks once for each");
        ticked = Some(due);
        world.now = world.now.max(due);
        world.tick();
    }
    assert_eq!(world.partitions[&KEYED].due(), None);
    assert_eq!(world.rows(), 0);
    world.take_over(KEYED);
    let left = world.stored.iter().filter(|(row, _)| row.concern == KEYS);
    assert_eq!(left.filter(|(_, row)| row.value.is_some()).count(), 0);
    world.ask(add(&world, 9_999, 1, 1));
    assert_eq!(world.code(9_999), "committed");
}

/// A key is used again after its time, before its row was cleared away: that must stay.
#[test]
fn a_key_that_is_used_again_is_not_cleared_with_its_first_life() {
    let mut world = World::new();
    for key in 0..20 {
        world.ask(add(&world, u64::from(key), key, 1));
    }
    // It comes in one application with the clock.
    world.now += LIFE;
    world.ask(add(&world, 100, 3, 1));
    world.tick();
    let row = keyed(3, 1).row();
    let rows = world.partitions.get_mut(&KEYED).unwrap().rows_mut();
    let value = rows.get(&row).and_then(|row| row.value.clone()).unwrap();
    assert_eq!(Kept::from_wire(value).unwrap().until, world.now + LIFE);
    world.ask(add(&world, 101, 3, 1));
    assert_eq!(world.counter(1), 21);
}

#[test]
fn memory_for_keys_that_run_is_bounded() {
    let mut world = World::with(Settings {
        id_bytes: 10 * (Settings::ID_COST + Settings::KEY_COST),
        ..Settings::default()
    });
    for key in 0..12 {
        world.submit(add(&world, u64::from(key), key, 1));
        world.apply(KEYED);
    }
    let ids = &world.partitions[&KEYED].state().ids;
    assert_eq!(ids.running(), 10);
    assert_eq!(world.code(11), "ids_exhausted");
    world.settle();
    assert_eq!(world.counter(1), 10);
}

#[test]
fn a_cancelled_transaction_is_the_answer() {
    let mut world = World::new();
    hold(&mut world);
    let first = add(&world, 1, 7, 1);
    let id = first.id;
    world.ask(first);
    world.ask(add(&world, 2, 7, 1));
    let cancel = Envelope::request(Kind::Cancel, id, ReplyTo(50), &Body::Cancel);
    world.send(KEYED, cancel);
    world.settle();
    release(&mut world);
    world.ask(add(&world, 3, 7, 1));
    for nth in [50, 1, 2, 3] {
        assert_eq!(world.code(nth), "cancelled", "{nth}");
    }
    assert_eq!(world.counter(1), 0);
}

#[cfg(feature = "seeded-bugs")]
mod seeded {
    use super::support::with;
    use super::*;
    use rkcy_core::bugs::Bug;

    #[test]
    fn a_key_that_is_forgotten_early_lets_it_run_twice() {
        assert!(with(Bug::KeyForgottenEarly, || runs_again_after(LIFE - 1)));
    }

    #[test]
    fn a_repeat_that_is_not_recognised_runs() {
        let (mut world, _) = with(Bug::KeyRunsTwice, repeats_while_the_first_runs);
        assert_ne!(world.counter(1), 1);
    }

    #[test]
    fn a_bound_that_is_kept_is_the_answer_for_ever() {
        let told = with(Bug::KeyKeepsBound, repeats_of_what_was_not_taken);
        assert_eq!(told[2], "deadline");
    }
}
