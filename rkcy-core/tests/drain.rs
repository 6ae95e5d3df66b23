//! A drain in a partition: nothing new begins, what has begun ends, and who takes over knows of it.
//!
//! Each scenario asserts that the engine does right and, in a build with the feature `seeded-bugs`, that the same
//! scenario goes wrong where the rule is broken on purpose.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::drain::{InFlight, is_over};
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Body, Envelope, Frame, Kind, Open, Source};
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::Key;
use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::plan::Partitions;
use rkcy_core::settings::Settings;
use rkcy_core::status::Ask;
use rkcy_core::storage::{Storage, StorageStop, StoredPosition};
use rkcy_core::txn::{Answer, Mode, Outcome, ReplyTo, Rest, Txn};
use rkcy_core::wire::Wire;
use rkcy_core::worker::{Stop, TakeOver, Worker};
use std::sync::Arc;
use support::{PARTITION, Toy, kept, key_at, planned, step};

/// Two partitions, whose every operation counts.
const COUNTER: Toy = Toy(2, |_, row| {
    let before = row.value().map_or(0, |bytes| bytes[0]);
    let now = Bytes::from(vec![before + 1]);
    row.set(Some(now.clone()));
    Ok(now)
});

/// The same platform with another schema.
struct Next;

impl Partitions for Next {
    fn partitions(&self, concern: ConcernId) -> u16 {
        COUNTER.partitions(concern)
    }
}

impl Logic for Next {
    fn schema(&self) -> u64 {
        COUNTER.schema() + 1
    }
    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        COUNTER.run(call, row)
    }
    fn resume(&self, txn: &Txn) -> Result<Rest, Fault> {
        COUNTER.resume(txn)
    }
    fn concern_name(&self, concern: ConcernId) -> &str {
        COUNTER.concern_name(concern)
    }
}

const OTHER: PartitionId = PartitionId {
    concern: PARTITION.concern,
    index: 1,
};

/// A transaction that counts the `nth` key of each of these partitions, one after the other.
fn count(id: u128, at: &[u16]) -> Txn {
    let steps = at.iter().zip(0..);
    let steps = steps.map(|(index, number)| {
        let key = Key::of(&key_at(*index, 0));
        kept(step(number, key, 1, Bytes::new()))
    });
    let txn = Txn {
        reply: ReplyTo(u64::try_from(id).unwrap()),
        unplanned: steps.collect(),
        answer: Answer::Step(0),
        ..Txn::new(TxnId::from_parts(1_000, id), 1, 1)
    };
    planned(txn, &COUNTER)
}

fn submit(txn: Txn) -> Bytes {
    Frame::encode(None, [Envelope::submit(txn)].iter())
}

fn request(kind: Kind, body: &Body) -> Bytes {
    let envelope = Envelope::request(kind, TxnId([0; 16]), ReplyTo(0), body);
    Frame::encode(None, [envelope].iter())
}

fn drain(begin: bool) -> Bytes {
    request(Kind::Drain, &Body::Drain(begin))
}

/// The logs of one of the partitions; the database stays empty.
struct World {
    id: PartitionId,
    commands: Vec<Bytes>,
    changes: Vec<Bytes>,
    snapshot: Option<u64>,
    /// How far the database is.
    stored: Position,
    owners: u64,
}

impl World {
    fn new(id: PartitionId) -> World {
        World {
            id,
            commands: Vec::new(),
            changes: Vec::new(),
            snapshot: None,
            stored: Position::START,
            owners: 0,
        }
    }

    /// A worker of this build that has come to its own Open.
    fn worker(&mut self, build: u64) -> Worker {
        self.worker_of(build, Arc::new(COUNTER)).unwrap()
    }

    /// The same, whose platform is this, where it takes over at all.
    fn worker_of(&mut self, build: u64, logic: Arc<dyn Logic>) -> Result<Worker, Stop> {
        self.owners += 1;
        let config = rkcy_core::worker::Config {
            build,
            ..support::config(self.id, self.owners)
        };
        let stored = StoredPosition {
            snapshot: self.snapshot,
            position: self.stored,
            ..StoredPosition::default()
        };
        let mut take_over = TakeOver::new(config, stored);
        while let Some(change) = self.changes.get(take_over.next_offset() as usize) {
            take_over.fold(change.clone()).unwrap();
        }
        let mut worker = take_over.finish(logic)?;
        self.commands.push(worker.open());
        worker.opened(self.commands.len() as u64 - 1);
        self.run(&mut worker);
        Ok(worker)
    }

    /// Applies what there is; the answers.
    fn run(&self, worker: &mut Worker) -> Vec<Outcome> {
        support::run(worker, &self.commands)
    }

    /// The same of what is appended now.
    fn hear(
        &mut self,
        worker: &mut Worker,
        records: impl IntoIterator<Item = Bytes>,
    ) -> Vec<Outcome> {
        self.commands.extend(records);
        self.run(worker)
    }

    /// What is in flight, as it is told.
    fn in_flight(&mut self, worker: &mut Worker) -> InFlight {
        let told = self.hear(worker, [request(Kind::Ask, &Body::Ask(Ask::InFlight))]);
        told_of(&told[0])
    }

    /// What the worker leaves, at the other partition.
    fn send(&mut self, worker: &mut Worker, other: &mut World) {
        for sent in worker.take_frames() {
            assert_eq!(sent.to, other.id);
            other.commands.push(sent.frame);
        }
    }
}

fn told_of(outcome: &Outcome) -> InFlight {
    match outcome {
        Outcome::Committed(Some(bytes)) => InFlight::from_wire(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn is_draining(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotTaken(fault) if fault.code == "draining")
}

/// What a submission hears between the beginning and the end of a drain.
fn between() -> Vec<Outcome> {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    let mut heard = world.hear(
        &mut worker,
        [
            submit(count(1, &[0])),
            drain(true),
            submit(count(2, &[0])),
            // What has ended is known, and answered.
            submit(count(1, &[0])),
            drain(false),
            submit(count(2, &[0])),
        ],
    );
    heard.retain(|it| !matches!(it, Outcome::Committed(Some(bytes)) if bytes.len() > 1));
    heard
}

#[test]
fn nothing_new_begins_until_it_ends() {
    let counted = |count: u8| Outcome::Committed(Some(Bytes::from(vec![count])));
    let heard = between();
    assert!(is_draining(&heard[1]), "{heard:?}");
    assert_eq!(
        [&heard[0], &heard[2], &heard[3]],
        [&counted(1), &counted(1), &counted(2)]
    );
    #[cfg(feature = "seeded-bugs")]
    {
        use rkcy_core::bugs::Bug;
        let heard = support::with(Bug::DrainTakesSubmissions, between);
        assert_eq!(heard[1], counted(2));
    }
}

#[test]
fn a_read_is_not_taken_either_and_nothing_of_it_stays() {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    let read = Txn {
        mode: Mode::Read,
        ..count(1, &[0])
    };
    let heard = world.hear(&mut worker, [drain(true), submit(read)]);
    assert!(is_draining(&heard[1]));
    assert_eq!(world.in_flight(&mut worker).running, 0);
}

#[test]
fn what_has_begun_goes_on_to_its_end_and_is_counted_until_then() {
    let (mut first, mut second) = (World::new(PARTITION), World::new(OTHER));
    let (mut one, mut two) = (first.worker(1), second.worker(1));
    first.hear(&mut one, [submit(count(1, &[0, 1])), drain(true)]);
    let there = first.in_flight(&mut one);
    assert_eq!((there.running, there.locked), (1, 1));
    second.hear(&mut two, [drain(true)]);
    let both = |first: InFlight, second: InFlight| vec![(PARTITION, first), (OTHER, second)];
    let told = both(there, second.in_flight(&mut two));
    assert!(!is_over(&told, &told));

    // The other one drains as well: it takes the visit all the same.
    first.send(&mut one, &mut second);
    assert_eq!(
        second.run(&mut two),
        [Outcome::Committed(Some(Bytes::from(vec![1])))]
    );
    let told = both(first.in_flight(&mut one), second.in_flight(&mut two));
    assert!(!is_over(&told, &told), "its end is on the way");
    second.send(&mut two, &mut first);
    first.run(&mut one);
    let once = both(first.in_flight(&mut one), second.in_flight(&mut two));
    let twice = both(first.in_flight(&mut one), second.in_flight(&mut two));
    assert!(is_over(&once, &twice), "{twice:?}");
}

/// What a submission hears from one that has taken over at a change record.
fn after_a_take_over(build: u64, snapshot: bool) -> Outcome {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    world.hear(&mut worker, [drain(true)]);
    if snapshot {
        world.snapshot = Some(world.changes.len() as u64);
    }
    world.changes.extend(worker.take_change(snapshot));
    let mut next = world.worker(build);
    world.hear(&mut next, [submit(count(1, &[0]))]).remove(0)
}

#[test]
fn who_takes_over_goes_on_with_it_and_another_build_ends_it() {
    for snapshot in [false, true] {
        assert!(is_draining(&after_a_take_over(1, snapshot)), "{snapshot}");
        let heard = after_a_take_over(2, snapshot);
        assert!(matches!(heard, Outcome::Committed(_)), "{heard:?}");
    }
    #[cfg(feature = "seeded-bugs")]
    {
        use rkcy_core::bugs::Bug;
        let heard = support::with(Bug::DrainNotInSnapshot, || after_a_take_over(1, true));
        assert!(matches!(heard, Outcome::Committed(_)), "{heard:?}");
    }
}

#[test]
fn an_open_that_does_not_count_ends_nothing() {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    let open = Open {
        owner: 77,
        build: 2,
        after: None,
        accept_replay: false,
        accept_clock: false,
        settings: Settings::default(),
    };
    let open = Envelope::control(Kind::Open, &Body::Open(open));
    let open = Frame::encode(None, [open].iter());
    let heard = world.hear(&mut worker, [drain(true), open, submit(count(1, &[0]))]);
    assert!(is_draining(&heard[1]), "{heard:?}");
}

#[test]
fn a_request_that_cannot_be_read_is_told_so() {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    let mut envelope =
        Envelope::request(Kind::Drain, TxnId([0; 16]), ReplyTo(0), &Body::Drain(true));
    envelope.body = Bytes::from_static(b"nonsense");
    let source: Option<Source> = None;
    let heard = world.hear(&mut worker, [Frame::encode(source, [envelope].iter())]);
    assert!(matches!(&heard[0], Outcome::NotTaken(fault) if fault.code == "unreadable"));
    assert_eq!(world.in_flight(&mut worker).draining, None);
}

/// One partition after what these submissions have come to, with a change record of it.
fn left_by(records: impl IntoIterator<Item = Bytes>) -> World {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    world.hear(&mut worker, records);
    worker.take_frames();
    for number in 1..9 {
        worker.acknowledged(OTHER, number..=number);
    }
    world.changes.extend(worker.take_change(false));
    world.stored = worker.partition().state().position;
    world
}

#[test]
fn another_schema_goes_on_where_nothing_is_in_flight() {
    let mut world = left_by([submit(count(1, &[0])), drain(true)]);
    let mut next = world.worker_of(2, Arc::new(Next)).unwrap();
    let of_next = Txn {
        schema: Next.schema(),
        ..count(2, &[0])
    };
    let heard = world.hear(&mut next, [submit(of_next)]);
    assert!(matches!(&heard[0], Outcome::Committed(_)), "{heard:?}");
}

fn in_flight() -> Result<(), Stop> {
    let mut world = left_by([submit(count(1, &[0, 1]))]);
    world.worker_of(2, Arc::new(Next)).map(drop)
}

#[test]
fn another_schema_does_not_go_on_with_what_is_in_flight() {
    let stop = in_flight().unwrap_err();
    let Stop::ForeignSchema {
        found, own, passes, ..
    } = &stop
    else {
        panic!("{stop}");
    };
    assert_eq!((*found, *own, *passes), (1, 2, false));
    let said = stop.to_string();
    for needle in [
        "1 transactions that run",
        "1 groups that are locked",
        "Drain first",
    ] {
        assert!(said.contains(needle), "{said}");
    }
    // The one that left it does.
    left_by([submit(count(1, &[0, 1]))]).worker(1);
    #[cfg(feature = "seeded-bugs")]
    {
        use rkcy_core::bugs::Bug;
        support::with(Bug::ForeignSchemaTaken, in_flight).unwrap();
    }
}

#[test]
fn another_schema_waits_for_rows_that_the_database_has_not() {
    let mut world = left_by([submit(count(1, &[0]))]);
    let stored = std::mem::replace(&mut world.stored, Position::START);
    let stop = world.worker_of(2, Arc::new(Next)).map(drop).unwrap_err();
    assert!(
        matches!(stop, Stop::ForeignSchema { passes: true, .. }),
        "{stop}"
    );
    world.stored = stored;
    world.worker_of(2, Arc::new(Next)).map(drop).unwrap();
}

#[test]
fn storage_takes_what_holds_no_rows_of_another_schema() {
    let mut world = World::new(PARTITION);
    let mut worker = world.worker(1);
    world.hear(&mut worker, [drain(true)]);
    let empty = worker.take_change(false);
    world.hear(&mut worker, [drain(false), submit(count(1, &[0]))]);
    let full = worker.take_change(false);
    let mut storage = Storage::new(StoredPosition::default(), Next.schema());
    storage.take(empty[0].clone()).unwrap();
    assert!(storage.take_batch().is_some(), "its position is written");
    let stop = storage.take(full[0].clone()).unwrap_err();
    assert!(matches!(stop, StorageStop::ForeignSchema { .. }), "{stop}");
}
