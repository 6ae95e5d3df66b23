//! Handlers that end their process: what comes of them, and of everything beside them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Body, Care, Envelope, Frame, Head, Kind, Reply, Source};
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::partition::{Halt, Input, Partition};
use rkcy_core::plan::{self, Partitions};
use rkcy_core::rows::StoredRow;
use rkcy_core::state::State;
use rkcy_core::storage::StoredPosition;
use rkcy_core::txn::{
    Access, Answer, Args, Mode, Outcome, Place, ReplyTo, Rest, Step, Txn, Unplanned,
};
use rkcy_core::worker::{Config, LookAhead, Progress, Saying, TakeOver, Worker};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CONCERN: ConcernId = ConcernId(1);
const HERE: PartitionId = PartitionId {
    concern: CONCERN,
    index: 0,
};
const THERE: PartitionId = PartitionId {
    concern: CONCERN,
    index: 1,
};
/// When everything happens.
const T: u64 = 1_700_000_000_000;

const ADD: u16 = 16;
const DIE: u16 = 17;
const UNDO_AND_DIE: u16 = 18;
const REFUSE: u16 = 19;

/// Counters; some of what is done to them ends the process.
#[derive(Default)]
struct Counter {
    died: AtomicBool,
}

impl Partitions for Counter {
    fn partitions(&self, _: ConcernId) -> u16 {
        2
    }
}

impl Logic for Counter {
    fn schema(&self) -> u64 {
        1
    }
    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        match call.op {
            REFUSE => return Err(Fault::refusal("no", "no")),
            DIE | UNDO_AND_DIE => {
                // Whoever runs this worker drops it then, with all that it has not written.
                self.died.store(true, Ordering::Relaxed);
                panic!("this process ends");
            }
            _ => {}
        }
        let value = Bytes::from(vec![row.value().map_or(0, |value| value[0]) + 1]);
        row.set(Some(value.clone()));
        Ok(value)
    }
    fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
        Ok(Rest::default())
    }
    fn concern_name(&self, _: ConcernId) -> &str {
        "Counter"
    }
}

/// The nth key of a partition.
fn key(of: PartitionId, nth: usize) -> Key {
    let keys = (0_u64..).map(|key| Key::of(&key));
    let here = keys.filter(|key| partition_of(CONCERN, key, 2) == of);
    here.skip(nth).step_by(1).next().unwrap()
}

fn step(number: u16, group: &Key, op: u16, undo: Option<u16>) -> Unplanned {
    Unplanned {
        step: Step {
            number,
            place: Place::Root,
            op,
            args: Args::Ready(Bytes::new()),
            keep: true,
            sure: true,
            undo,
            claims_for: None,
        },
        root: CONCERN,
        group: Some(group.clone()),
        access: Access::Exclusive,
        after: Vec::new(),
    }
}

fn txn(nth: u64, mode: Mode, steps: Vec<Unplanned>) -> Envelope {
    let mut txn = Txn {
        mode,
        reply: ReplyTo(nth),
        unplanned: steps,
        answer: Answer::Step(0),
        ..Txn::new(TxnId::from_parts(T, u128::from(nth)), 1, 1)
    };
    plan::extend(&mut txn, &Counter::default());
    Envelope::submit(txn)
}

fn single(nth: u64, group: &Key, op: u16) -> Envelope {
    txn(nth, Mode::Transaction, vec![step(0, group, op, None)])
}

/// The logs of one partition, and what callers heard; the database stays empty.
#[derive(Default)]
struct World {
    commands: Vec<Bytes>,
    changes: Vec<Bytes>,
    owners: u64,
    told: BTreeMap<u64, Vec<Outcome>>,
    /// What a worker says is in the log when there is nothing else to do for it, and lost where it has ended before.
    slow: bool,
}

/// How a worker ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// In a handler.
    Died,
    /// With nothing left to do; whether it was careful before it came to its Open.
    AtRest { careful: bool },
}

impl World {
    fn append(&mut self, source: Option<u64>, envelopes: &[Envelope]) {
        let source = source.map(|first| Source {
            partition: THERE,
            first,
        });
        self.commands.push(Frame::encode(source, envelopes.iter()));
    }

    fn take_over(&mut self, logic: Arc<Counter>) -> Worker {
        self.take_over_of(HERE, logic)
    }

    fn take_over_of(&mut self, partition: PartitionId, logic: Arc<Counter>) -> Worker {
        self.owners += 1;
        let config = Config {
            process: self.owners,
            ..support::config(partition, self.owners)
        };
        let mut take_over = TakeOver::new(config, StoredPosition::default());
        for change in &self.changes {
            take_over.fold(change.clone()).unwrap();
        }
        let mut worker = take_over.finish(logic).unwrap();
        while let Some(record) = worker
            .look_offset()
            .and_then(|next| at(&self.commands, next))
        {
            worker.look(record);
        }
        worker.looked();
        self.commands.push(worker.open());
        worker.opened(self.commands.len() as u64 - 1);
        worker
    }

    fn look(&self, mut ahead: LookAhead) -> LookAhead {
        while let Some(record) = at(&self.commands, ahead.next_offset()) {
            ahead.take(record);
        }
        ahead
    }

    /// One life of a worker. What it has applied and not written is lost with it.
    fn live(&mut self) -> (Ended, Worker) {
        let logic = Arc::new(Counter::default());
        let mut worker = self.take_over(logic.clone());
        let careful = worker.is_careful();
        let mut on_its_way = None;
        loop {
            while let Some(record) = at(&self.commands, worker.next_offset()) {
                worker.feed(worker.next_offset(), T, record, T).unwrap();
            }
            let progress = worker.run(4_096).unwrap();
            if logic.died.load(Ordering::Relaxed) {
                return (Ended::Died, worker);
            }
            // Effects and change record, in one.
            for sent in worker.take_frames() {
                assert_eq!(sent.to, THERE);
            }
            if worker.has_changes() {
                self.changes.extend(worker.take_change(false));
            }
            for Reply { to, outcome, .. } in worker.take_replies() {
                self.told.entry(to.0).or_default().push(outcome);
            }
            match progress {
                Progress::Cold(rows) => {
                    let absent = rows.into_iter().map(|row| (row, StoredRow::ABSENT));
                    let absent: Vec<_> = absent.collect();
                    worker.loaded(Position::START, &absent).unwrap();
                }
                Progress::Say(Saying::Command(frame)) if self.slow => on_its_way = Some(frame),
                Progress::Say(Saying::Command(frame)) => self.say(&mut worker, frame),
                Progress::Say(Saying::Change(_)) => panic!("one process cuts nothing"),
                Progress::Idle => {
                    if let Some(frame) = on_its_way.take() {
                        self.say(&mut worker, frame);
                        continue;
                    }
                    if worker.next_offset() == self.commands.len() as u64 {
                        assert!(!worker.is_careful());
                        return (Ended::AtRest { careful }, worker);
                    }
                }
                Progress::More => {}
                Progress::Full => panic!("there is room"),
            }
        }
    }

    fn say(&mut self, worker: &mut Worker, frame: Bytes) {
        self.commands.push(frame);
        worker.said(self.commands.len() as u64 - 1);
    }

    /// Workers live one after the other until one stays; how many have died.
    fn settle(&mut self) -> (u32, Worker) {
        for died in 0..10 {
            match self.live() {
                (Ended::Died, _) => {}
                (Ended::AtRest { .. }, worker) => {
                    self.check_replay(&worker);
                    return (died, worker);
                }
            }
        }
        panic!("it dies for ever");
    }

    /// The whole log once more, in one go: what is parked is known by looking ahead alone.
    fn check_replay(&self, worker: &Worker) {
        let (golden, died) = self.replay(worker.partition().id(), None);
        assert!(!died);
        assert_eq!(golden.state(), worker.partition().state());
        let rows: BTreeMap<_, _> = worker.partition().rows().sorted().into_iter().collect();
        for (key, row) in golden.rows().sorted() {
            let there = rows.get(key).copied().unwrap_or(&StoredRow::ABSENT);
            assert_eq!(there, row, "{key:?}");
        }
    }

    /// Everything that was given up would have ended the process once more.
    fn check_parks(&self, id: PartitionId) {
        for record in &self.commands {
            for envelope in Frame::decode(record.clone()).unwrap().envelopes {
                let body = Body::decode(envelope.head.kind, envelope.body).unwrap();
                if let Body::Park(Care { at, .. }) = body {
                    assert!(
                        self.replay(id, Some(at)).1,
                        "{id}: {at} was parked for nothing"
                    );
                }
            }
        }
    }

    /// Applies the log, or what there is up to an envelope, and that one as if it were not parked; whether a
    /// handler has ended the process.
    fn replay(&self, id: PartitionId, until: Option<Position>) -> (Partition, bool) {
        let ahead = self.look(LookAhead::default());
        let logic = Arc::new(Counter::default());
        let mut golden = Partition::new(id, 0, logic.clone(), State::default());
        'log: for (offset, record) in (0..).zip(&self.commands) {
            let frame = Frame::decode(record.clone()).unwrap();
            for (index, envelope) in (0_u32..).zip(&frame.envelopes) {
                let at = Position::new(offset, index);
                let number = |source: Source| (source.partition, source.first + u64::from(index));
                let input = Input {
                    at,
                    stamp: T,
                    number: frame.source.map(number),
                    damaged: false,
                    parked: ahead.is_parked(at) && until != Some(at),
                    envelope,
                };
                while let Err(halt) = golden.apply(input, &mut Vec::new()) {
                    let Halt::Cold(rows) = halt else {
                        panic!("{halt:?}")
                    };
                    (rows.iter()).for_each(|row| golden.rows_mut().load(row, StoredRow::ABSENT));
                }
                if until == Some(at) {
                    break 'log;
                }
            }
        }
        (golden, logic.died.load(Ordering::Relaxed))
    }

    fn refused(&self, nth: u64) -> &str {
        match &self.told[&nth][..] {
            [Outcome::Refused(fault)] => &fault.code,
            other => panic!("{nth}: {other:?}"),
        }
    }

    fn is_committed(&self, nth: u64) -> bool {
        matches!(&self.told[&nth][..], [Outcome::Committed(_)])
    }

    /// The envelopes that were tried.
    fn tried(&self) -> BTreeSet<Position> {
        let bodies = self.commands.iter().flat_map(|record| {
            let envelopes = Frame::decode(record.clone()).unwrap().envelopes;
            let tries = envelopes
                .into_iter()
                .filter(|it| it.head.kind == Kind::Trying);
            tries.map(|it| Body::decode(Kind::Trying, it.body).unwrap())
        });
        let tried = bodies.filter_map(|body| match body {
            Body::Trying(Care { at, .. }) if at > Position::START => Some(at),
            _ => None,
        });
        tried.collect()
    }

    fn kinds(&self) -> Vec<Kind> {
        let frames = self
            .commands
            .iter()
            .map(|record| Frame::decode(record.clone()).unwrap());
        frames
            .flat_map(|frame| frame.envelopes)
            .map(|envelope| envelope.head.kind)
            .collect()
    }
}

fn at(records: &[Bytes], offset: u64) -> Option<Bytes> {
    records.get(usize::try_from(offset).unwrap()).cloned()
}

#[test]
fn what_ends_its_process_is_refused_and_nothing_else() {
    let mut world = World::default();
    let (one, other) = (key(HERE, 0), key(HERE, 1));
    world.append(None, &[single(1, &one, ADD)]);
    assert_eq!(world.live().0, Ended::AtRest { careful: false });
    world.append(
        None,
        &[
            single(2, &one, ADD),
            single(3, &other, DIE),
            single(4, &other, ADD),
        ],
    );
    world.append(None, &[single(5, &one, ADD)]);
    // Two take-overs come to nothing; the next two go step by step, and say where they die.
    for _ in 0..2 {
        assert_eq!(world.live().0, Ended::Died);
        assert!(!world.kinds().contains(&Kind::Trying));
    }
    let before = world.changes.len();
    for _ in 0..2 {
        assert_eq!(world.live().0, Ended::Died);
        assert!(!world.kinds().contains(&Kind::Park));
    }
    assert_eq!(world.tried().len(), 2);
    assert_eq!(
        world.changes.len(),
        before + 1,
        "the one before it is through"
    );
    let (ended, worker) = world.live();
    assert_eq!(ended, Ended::AtRest { careful: true });
    world.check_replay(&worker);
    assert_eq!(world.refused(3), "handler_died");
    assert!([1, 2, 4, 5].into_iter().all(|nth| world.is_committed(nth)));
    // Who asks again hears the same, of whoever takes over next.
    world.append(None, &[single(3, &other, DIE)]);
    let (ended, worker) = world.live();
    assert_eq!(ended, Ended::AtRest { careful: false });
    world.check_replay(&worker);
    assert!(
        world.told[&3]
            .iter()
            .all(|told| matches!(told, Outcome::Refused(_)))
    );
    assert_eq!(
        world
            .kinds()
            .iter()
            .filter(|kind| **kind == Kind::Park)
            .count(),
        1
    );
}

/// How many workers have died when a deadly envelope is given up, on a log that is slow: of ten that have lived.
fn deaths_on_a_slow_log() -> usize {
    let mut world = World {
        slow: true,
        ..World::default()
    };
    world.append(None, &[single(1, &key(HERE, 0), DIE)]);
    let lives = (0..10).map(|_| world.live().0);
    lives.take_while(|ended| *ended == Ended::Died).count()
}

#[test]
fn what_is_tried_is_in_the_log_before_it_is_applied() {
    assert_eq!(deaths_on_a_slow_log(), 4);
}

#[cfg(feature = "seeded-bugs")]
#[test]
fn what_is_tried_before_the_log_says_so_ends_processes_for_ever() {
    use rkcy_core::bugs::Bug;
    let deaths = support::with(Bug::TryingNotDurable, deaths_on_a_slow_log);
    assert_eq!(deaths, 10, "the bug was not seen");
}

#[test]
fn one_deadly_envelope_after_the_other_is_given_up() {
    let mut world = World::default();
    let one = key(HERE, 0);
    let deadly = [2, 3, 5];
    for nth in 1..=6 {
        let op = if deadly.contains(&nth) { DIE } else { ADD };
        world.append(None, &[single(nth, &one, op)]);
    }
    let (died, _) = world.settle();
    // Two that were not careful, then two for each.
    assert_eq!(died, 8);
    for nth in 1..=6 {
        match deadly.contains(&nth) {
            true => assert_eq!(world.refused(nth), "handler_died"),
            false => assert!(world.is_committed(nth)),
        }
    }
}

/// A worker that dies of something else, as by a kill, is no reason to give anything up.
#[test]
fn workers_that_are_killed_give_nothing_up() {
    let mut world = World::default();
    world.append(None, &[single(1, &key(HERE, 0), ADD)]);
    for _ in 0..5 {
        drop(world.take_over(Arc::default()));
    }
    let (ended, worker) = world.live();
    assert_eq!(ended, Ended::AtRest { careful: true });
    world.check_replay(&worker);
    assert!(world.is_committed(1));
    // It has come to its Open: those before it are forgotten.
    assert_eq!(world.live().0, Ended::AtRest { careful: false });
    // Those that come to their Opens lose nothing, however often, and though nothing else happens.
    for _ in 0..5 {
        assert_eq!(world.live().0, Ended::AtRest { careful: false });
    }
}

/// A transaction goes on to the other partition and comes back with a Release, behind which a deadly visit
/// waits.
fn deadly_release(commit: bool) -> (World, Worker) {
    let mut world = World::default();
    let (one, away) = (key(HERE, 0), key(THERE, 0));
    let two = vec![step(0, &one, ADD, None), step(1, &away, ADD, None)];
    world.append(None, &[txn(1, Mode::Transaction, two)]);
    world.append(None, &[single(2, &one, DIE), single(3, &one, ADD)]);
    let release = Envelope::new(
        Head::plain(Kind::Release, TxnId::from_parts(T, 1)),
        &Body::Release(commit),
    );
    let outcome = Outcome::Committed(Some(Bytes::new()));
    let outcome = Envelope::new(
        Head::plain(Kind::Outcome, TxnId::from_parts(T, 1)),
        &Body::Outcome(outcome),
    );
    world.append(Some(1), &[release, outcome]);
    let (died, worker) = world.settle();
    assert_eq!(died, 4);
    (world, worker)
}

#[test]
fn a_release_that_lets_a_deadly_visit_go_on_is_applied_in_full() {
    for commit in [true, false] {
        let (mut world, worker) = deadly_release(commit);
        assert_eq!(world.refused(2), "handler_died");
        // It was let go on by the same application, so it goes the same way.
        assert_eq!(world.refused(3), "handler_died");
        let state = worker.partition().state();
        assert!(state.locks.is_empty() && state.queues.is_empty() && state.trails.is_empty());
        assert_eq!(state.ids.running(), 0);
        assert_eq!(state.inbound[&THERE], 2);
        world.append(None, &[single(4, &key(HERE, 0), ADD)]);
        let (died, _) = world.settle();
        assert_eq!(died, 0);
        let value = Bytes::from(vec![1 + u8::from(commit)]);
        assert_eq!(world.told[&4], [Outcome::Committed(Some(value))]);
    }
}

#[cfg(feature = "seeded-bugs")]
#[test]
fn a_parked_release_that_is_skipped_is_seen() {
    use rkcy_core::bugs::Bug;
    let (_, worker) = support::with(Bug::ParkSkipsRelease, || deadly_release(true));
    assert!(
        !worker.partition().state().locks.is_empty(),
        "the bug was not seen"
    );
}

#[test]
fn a_saga_that_dies_within_one_application_has_not_happened() {
    let (one, other) = (key(HERE, 0), key(HERE, 1));
    let mut world = World::default();
    let saga = |last, undo| vec![step(0, &one, ADD, Some(undo)), step(1, &other, last, None)];
    world.append(None, &[txn(1, Mode::Saga, saga(REFUSE, ADD))]);
    world.append(None, &[txn(2, Mode::Saga, saga(REFUSE, UNDO_AND_DIE))]);
    let (died, worker) = world.settle();
    assert_eq!(died, 4);
    assert_eq!(world.refused(1), "no");
    // Its first visit, the refusal and the undo were one application: nothing of it has happened.
    assert_eq!(world.refused(2), "handler_died");
    let state = worker.partition().state();
    assert!(state.holds.is_empty() && state.trails.is_empty() && state.parked.is_empty());
}

/// The undo comes as a visit of its own, from the other partition.
#[test]
fn a_deadly_undo_is_parked_for_an_operator() {
    let (one, away) = (key(HERE, 0), key(THERE, 0));
    let mut world = World::default();
    let steps = vec![
        step(0, &one, ADD, Some(UNDO_AND_DIE)),
        step(1, &away, REFUSE, None),
    ];
    world.append(None, &[txn(1, Mode::Saga, steps)]);
    let logic = Arc::new(Counter::default());
    let (ended, _) = world.live();
    assert_eq!(ended, Ended::AtRest { careful: false });
    // The other partition refuses, and sends it back.
    let mut there = Partition::new(THERE, 0, logic, State::default());
    let sent = world_sent(&world);
    let mut effects = Vec::new();
    let input = Input {
        at: Position::new(0, 0),
        stamp: T,
        number: Some((HERE, 1)),
        damaged: false,
        parked: false,
        envelope: &sent,
    };
    while let Err(Halt::Cold(rows)) = there.apply(input, &mut effects) {
        (rows.iter()).for_each(|row| there.rows_mut().load(row, StoredRow::ABSENT));
    }
    let back = effects.into_iter().find_map(|effect| match effect {
        rkcy_core::partition::Effect::Send { envelope, .. } => Some(envelope),
        _ => None,
    });
    world.append(Some(1), &[back.unwrap()]);
    world.append(None, &[single(2, &one, ADD)]);
    let (died, worker) = world.settle();
    assert_eq!(died, 4);
    let state = worker.partition().state();
    let parked = &state.parked[&TxnId::from_parts(T, 1)];
    assert_eq!(parked.fault.code, "handler_died");
    assert!(!state.holds.is_empty());
    assert!(matches!(world.told[&1][..], [Outcome::Parked(_)]));
    assert!(world.is_committed(2));
}

/// What the only worker so far has sent to the other partition: it is told by applying the log again.
fn world_sent(world: &World) -> Envelope {
    let mut partition = Partition::new(HERE, 0, Arc::new(Counter::default()), State::default());
    let mut effects = Vec::new();
    for (offset, record) in (0..).zip(&world.commands) {
        let frame = Frame::decode(record.clone()).unwrap();
        let input = Input {
            at: Position::new(offset, 0),
            stamp: T,
            number: None,
            damaged: false,
            parked: false,
            envelope: &frame.envelopes[0],
        };
        while let Err(Halt::Cold(rows)) = partition.apply(input, &mut effects) {
            (rows.iter()).for_each(|row| partition.rows_mut().load(row, StoredRow::ABSENT));
        }
    }
    let sent = effects.into_iter().find_map(|effect| match effect {
        rkcy_core::partition::Effect::Send { envelope, .. } => Some(envelope),
        _ => None,
    });
    sent.unwrap()
}

// ---- two partitions in one process that dies, of handlers and of other things, from a seed

/// Numbers out of a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What one process does for two partitions, on one atomic log.
struct Process {
    worlds: [World; 2],
    told: BTreeMap<u64, Vec<Outcome>>,
    dice: Dice,
    /// A process is killed in one of so many rounds, until there is peace.
    kills: Option<u64>,
}

impl Process {
    /// Whether it is killed now.
    fn is_killed(&mut self) -> bool {
        self.kills.is_some_and(|kills| self.dice.one_in(kills))
    }

    /// One life; the workers where it came to rest.
    fn live(&mut self) -> Option<[Worker; 2]> {
        let logic = Arc::new(Counter::default());
        let mut workers = [HERE, THERE].map(|id| {
            let world = &mut self.worlds[usize::from(id.index)];
            world.take_over_of(id, logic.clone())
        });
        if workers.iter().any(Worker::is_careful) {
            workers.iter_mut().for_each(Worker::be_careful);
        }
        loop {
            let careful = workers.iter().position(Worker::is_careful);
            let nth = careful.unwrap_or(usize::from(self.dice.one_in(2)));
            let worker = &mut workers[nth];
            while let Some(record) = at(&self.worlds[nth].commands, worker.next_offset()) {
                worker.feed(worker.next_offset(), T, record, T).unwrap();
            }
            let limit = if self.dice.one_in(2) { 1 } else { 4_096 };
            let progress = worker.run(limit).unwrap();
            if logic.died.load(Ordering::Relaxed) || self.is_killed() {
                return None;
            }
            self.append(worker, nth);
            match progress {
                Progress::Cold(rows) => {
                    let absent = rows.into_iter().map(|row| (row, StoredRow::ABSENT));
                    let absent: Vec<_> = absent.collect();
                    worker.loaded(Position::START, &absent).unwrap();
                }
                Progress::Say(Saying::Command(frame)) => {
                    self.worlds[nth].commands.push(frame);
                    if self.is_killed() {
                        return None;
                    }
                    worker.said(self.worlds[nth].commands.len() as u64 - 1);
                }
                Progress::Say(Saying::Change(_)) => panic!("one process cuts nothing"),
                Progress::Idle | Progress::More => {}
                Progress::Full => panic!("there is room"),
            }
            let is_at_rest = |(world, worker): (&World, &Worker)| {
                let end = world.commands.len() as u64;
                worker.owns() && worker.next_offset() == end && worker.inbox_bytes() == 0
            };
            if self.worlds.iter().zip(&workers).all(is_at_rest) {
                return Some(workers);
            }
        }
    }

    /// Effects and change record, in one; then the answers.
    fn append(&mut self, worker: &mut Worker, nth: usize) {
        for sent in worker.take_frames() {
            let to = usize::from(sent.to.index);
            self.worlds[to].commands.push(sent.frame);
        }
        if worker.has_changes() {
            let snapshot = self.dice.one_in(10);
            self.worlds[nth]
                .changes
                .extend(worker.take_change(snapshot));
        }
        for Reply { to, outcome, .. } in worker.take_replies() {
            self.told.entry(to.0).or_default().push(outcome);
        }
    }
}

/// A load of transactions of one and two visits, some of them deadly, in both directions over few rows.
fn load(process: &mut Process, nth: u64) -> (u64, Vec<(PartitionId, Key)>, bool) {
    let deadly = process.dice.one_in(12);
    let op = if deadly { DIE } else { ADD };
    let mut row = |of| (of, key(of, usize::from(process.dice.one_in(3))));
    let rows = match nth % 3 {
        0 => vec![row(HERE)],
        1 => vec![row(THERE)],
        _ => vec![row(HERE), row(THERE)],
    };
    // Of two visits either may be the deadly one.
    let last = rows.len() - usize::from(process.dice.one_in(2)).min(rows.len() - 1) - 1;
    let steps = (0_u16..).zip(&rows).map(|(number, (_, key))| {
        let op = if usize::from(number) == last { op } else { ADD };
        step(number, key, op, None)
    });
    let submit = txn(nth, Mode::Transaction, steps.collect());
    let home = usize::from(rows[0].0.index);
    process.worlds[home].append(None, &[submit]);
    (nth, rows, deadly)
}

#[test]
fn whatever_dies_each_transaction_happens_wholly_or_not_at_all() {
    let mut given_up = 0;
    for seed in 1..=400 {
        let killed = seed % 2 == 0;
        let mut process = Process {
            worlds: Default::default(),
            told: BTreeMap::new(),
            dice: Dice(seed),
            kills: killed.then_some(12),
        };
        let mut sent = Vec::new();
        for nth in 1..=40 {
            sent.push(load(&mut process, nth));
            if process.dice.one_in(4) {
                process.live();
            }
        }
        process.kills = None;
        let workers = (0..200).find_map(|_| process.live());
        let workers = workers.unwrap_or_else(|| panic!("seed {seed}: it dies for ever"));
        // Each row counts the transactions on it whose callers heard that they are committed.
        let mut counts: BTreeMap<RowKey, u8> = BTreeMap::new();
        for (nth, rows, deadly) in sent {
            match &process.told[&nth][..] {
                [Outcome::Committed(_)] => {
                    assert!(!deadly, "seed {seed}: {nth}");
                    for (_, key) in rows {
                        let concern = CONCERN;
                        *counts.entry(RowKey { concern, key }).or_default() += 1;
                    }
                }
                [Outcome::Refused(fault)] => {
                    assert_eq!(fault.code, "handler_died", "seed {seed}: {nth}");
                    given_up += 1;
                }
                other => panic!("seed {seed}: {nth} was told {other:?}"),
            }
        }
        for (world, worker) in process.worlds.iter().zip(&workers) {
            world.check_replay(worker);
            if !killed {
                world.check_parks(worker.partition().id());
            }
            let state = worker.partition().state();
            assert!(state.locks.is_empty(), "seed {seed}: {:?}", state.locks);
            assert!(
                state.queues.is_empty() && state.trails.is_empty(),
                "seed {seed}"
            );
            assert_eq!(state.ids.running(), 0, "seed {seed}");
            for (row, stored) in worker.partition().rows().sorted() {
                let value = stored.value.as_ref().map_or(0, |value| value[0]);
                let count = counts.get(row).copied().unwrap_or(0);
                assert_eq!(value, count, "seed {seed}: {row:?}");
            }
        }
    }
    assert!(given_up > 1_000, "{given_up}");
}
