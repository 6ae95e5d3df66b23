//! Several partitions with reliable channels: what transactions and sagas over groups come to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::Bytes;
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Body, Envelope, Finished, Kind, Open};
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::partition::{Effect, Halt, Input, Partition};
use rkcy_core::plan::{self, Partitions};
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::{Audit, Settings};
use rkcy_core::state::State;
use rkcy_core::status::{Ask, Fact, Status};
use rkcy_core::txn::{
    Access, Args, Check, Mode, Outcome, Place, ReplyTo, Rest, Step, Txn, Unplanned,
};
use rkcy_core::wire::Wire;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const ACCOUNT: ConcernId = ConcernId(1);
/// In the group of an account.
const ENTRY: ConcernId = ConcernId(2);
const PARTITIONS: u16 = 3;

const ADD: u16 = 16;
const TAKE: u16 = 17;
const GET: u16 = 18;
const DELETE: u16 = 4;
/// Cannot be made while the instance is above one hundred.
const FRAGILE: u16 = 19;

/// Instances are numbers.
struct Numbers;

impl Partitions for Numbers {
    fn partitions(&self, _: ConcernId) -> u16 {
        PARTITIONS
    }
}

fn number(bytes: &Bytes) -> i64 {
    i64::from_wire(bytes.clone()).unwrap()
}

fn bytes(number: i64) -> Bytes {
    number.to_wire().into()
}

impl Logic for Numbers {
    fn schema(&self) -> u64 {
        1
    }
    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        let value = row.value().map_or(0, number);
        let amount = if call.args.is_empty() {
            0
        } else {
            number(call.args)
        };
        let new = match call.op {
            GET => return Ok(bytes(value)),
            DELETE => {
                row.set(None);
                return Ok(Bytes::new());
            }
            FRAGILE if value > 100 => return Err(Fault::refusal("fragile", "too much")),
            ADD | FRAGILE => value + amount,
            _ if value < amount => return Err(Fault::refusal("too_little", "too little")),
            _ => value - amount,
        };
        row.set(Some(bytes(new)));
        Ok(bytes(new))
    }
    /// Kind 2: step 0 reads an account; step 1 is made where that holds more than 10, and takes it all from
    /// the entry that the number names; a `require` that it is below 1000.
    fn resume(&self, txn: &Txn) -> Result<Rest, Fault> {
        let told = txn.result(0).map(number);
        if told.is_some_and(|told| told >= 1000) {
            return Err(Fault::refusal("too_much", "a require"));
        }
        let mut steps = vec![step(0, ACCOUNT, 1, GET, 0)];
        if told.is_none_or(|told| told > 10) {
            let entry = u64::try_from(told.unwrap_or(0)).unwrap() * 1_000 + 1;
            let mut second = step(1, ENTRY, entry, TAKE, told.unwrap_or(0));
            second.after = vec![0];
            second.step.sure = told.is_some();
            if told.is_none() {
                second.step.args = Args::Late;
                second.step.place = Place::Late(ENTRY);
            }
            steps.push(second);
        }
        steps[0].step.keep = true;
        let checks = match told {
            None => vec![Check { after: vec![0] }],
            Some(_) => Vec::new(),
        };
        Ok(Rest {
            steps,
            checks,
            answer: None,
        })
    }
    fn concern_name(&self, _: ConcernId) -> &str {
        "Number"
    }
}

fn step(number: u16, concern: ConcernId, key: u64, op: u16, amount: i64) -> Unplanned {
    let root = Key::of(&(key % 1_000));
    let place = if concern == ACCOUNT {
        Place::Root
    } else {
        let mut key_of_entry = root.clone();
        key_of_entry.push(&key);
        Place::Member(RowKey {
            concern,
            key: key_of_entry,
        })
    };
    Unplanned {
        step: Step {
            number,
            place,
            op,
            args: Args::Ready(bytes(amount)),
            keep: false,
            sure: true,
            undo: None,
            claims_for: None,
        },
        root: ACCOUNT,
        group: Some(root),
        access: match op {
            GET => Access::Shared,
            DELETE => Access::Delete,
            _ => Access::Exclusive,
        },
        after: Vec::new(),
    }
}

fn undone_by(mut step: Unplanned, op: u16) -> Unplanned {
    step.step.undo = Some(op);
    step
}

fn txn(nth: u64, mode: Mode, steps: Vec<Unplanned>) -> Txn {
    let mut txn = Txn {
        mode,
        reply: ReplyTo(nth),
        unplanned: steps,
        ..Txn::new(TxnId::from_parts(1_000, u128::from(nth)), 1, 1)
    };
    plan::extend(&mut txn, &Numbers);
    plan::check(&txn).unwrap();
    txn
}

/// What has arrived and is not applied, with its source and number on the channel.
type Inbox = VecDeque<(Option<(PartitionId, u64)>, Envelope)>;

/// Partitions, and what is on its way between them.
struct Cluster {
    partitions: Vec<Partition>,
    inboxes: Vec<Inbox>,
    offsets: Vec<u64>,
    now: u64,
    told: BTreeMap<u64, Vec<Outcome>>,
    audit: BTreeMap<u16, Vec<(TxnId, Finished)>>,
}

impl Cluster {
    fn new() -> Cluster {
        Cluster::with(Settings::default())
    }

    fn with(settings: Settings) -> Cluster {
        let partitions = (0..PARTITIONS).map(|index| {
            let id = PartitionId {
                concern: ACCOUNT,
                index,
            };
            Partition::new(id, 0, Arc::new(Numbers), State::default())
        });
        let open = Body::Open(Open {
            owner: 1,
            build: 1,
            after: None,
            accept_replay: false,
            accept_clock: false,
            settings,
        });
        let first = || VecDeque::from([(None, Envelope::control(Kind::Open, &open))]);
        let mut cluster = Cluster {
            partitions: partitions.collect(),
            inboxes: (0..PARTITIONS).map(|_| first()).collect(),
            offsets: vec![0; usize::from(PARTITIONS)],
            now: 1_000,
            told: BTreeMap::new(),
            audit: BTreeMap::new(),
        };
        cluster.settle();
        cluster
    }

    fn submit(&mut self, txn: Txn) -> TxnId {
        let (id, home) = (txn.id, txn.home().unwrap());
        self.send(home, Envelope::submit(txn));
        id
    }

    fn send(&mut self, to: PartitionId, envelope: Envelope) {
        self.inboxes[usize::from(to.index)].push_back((None, envelope));
    }

    /// Asks every partition.
    fn request(&mut self, kind: Kind, txn: TxnId, reply: u64, body: &Body) {
        for inbox in &mut self.inboxes {
            inbox.push_back((None, Envelope::request(kind, txn, ReplyTo(reply), body)));
        }
    }

    /// Applies the next envelope of a partition; whether there was one.
    fn apply(&mut self, index: u16) -> bool {
        let at = usize::from(index);
        let Some((number, envelope)) = self.inboxes[at].pop_front() else {
            return false;
        };
        let input = Input {
            at: Position::new(self.offsets[at], 0),
            stamp: self.now,
            number,
            damaged: false,
            parked: false,
            envelope: &envelope,
        };
        self.offsets[at] += 1;
        let mut effects = Vec::new();
        let partition = &mut self.partitions[at];
        while let Err(halt) = partition.apply(input, &mut effects) {
            match halt {
                Halt::Cold(rows) => rows
                    .iter()
                    .for_each(|row| partition.rows_mut().load(row, StoredRow::ABSENT)),
                Halt::Unreadable(fault) => panic!("{fault}"),
            }
        }
        let from = partition.id();
        for effect in effects {
            match effect {
                Effect::Send {
                    to,
                    number,
                    envelope,
                } if !to.is_audit() => {
                    self.inboxes[usize::from(to.index)].push_back((Some((from, number)), envelope));
                }
                Effect::Send {
                    number, envelope, ..
                } => {
                    let Body::Finished(finished) =
                        Body::decode(envelope.head.kind, envelope.body).unwrap()
                    else {
                        panic!("only ends are told of")
                    };
                    let audit = self.audit.entry(from.index).or_default();
                    assert_eq!(number, audit.len() as u64 + 1);
                    audit.push((envelope.head.txn, finished));
                }
                Effect::Saga(..) => {}
                Effect::Answer(reply) => {
                    self.told.entry(reply.to.0).or_default().push(reply.outcome);
                }
            }
        }
        true
    }

    fn settle(&mut self) {
        while (0..PARTITIONS).any(|index| self.apply(index)) {}
    }

    fn value(&mut self, step: &Unplanned) -> i64 {
        let group = RowKey {
            concern: ACCOUNT,
            key: step.group.clone().unwrap(),
        };
        let at = partition_of(ACCOUNT, &group.key, PARTITIONS).index;
        let row = step.step.row(&group).unwrap();
        let rows = self.partitions[usize::from(at)].rows_mut();
        rows.get(row)
            .and_then(|row| row.value.as_ref())
            .map_or(0, number)
    }

    fn account(&mut self, key: u64) -> i64 {
        self.value(&step(0, ACCOUNT, key, GET, 0))
    }

    /// The last that was told.
    fn told(&self, reply: u64) -> &Outcome {
        self.told[&reply].last().unwrap()
    }

    fn refused(&self, reply: u64) -> &str {
        match self.told(reply) {
            Outcome::Refused(fault) => &fault.code,
            other => panic!("{other:?}"),
        }
    }

    fn is_committed(&self, reply: u64) -> bool {
        matches!(self.told(reply), Outcome::Committed(_))
    }

    /// Nothing is left of what has ended.
    fn assert_at_rest(&self) {
        for partition in &self.partitions {
            let state = partition.state();
            assert!(state.locks.is_empty(), "{:?}", state.locks);
            assert!(state.queues.is_empty(), "{:?}", state.queues);
            assert!(state.trails.is_empty(), "{:?}", state.trails);
            assert!(state.holds.is_empty(), "{:?}", state.holds);
            assert_eq!(state.ids.running(), 0);
            assert_eq!(partition.due(), None);
        }
    }
}

/// Keys of accounts in partitions 0, 1 and 2.
fn keys() -> [u64; 3] {
    [0, 1, 2].map(|index| {
        let here = |key: &u64| partition_of(ACCOUNT, &Key::of(key), PARTITIONS).index == index;
        (0..1_000).find(here).unwrap()
    })
}

fn add(cluster: &mut Cluster, nth: u64, key: u64, amount: i64) {
    cluster.submit(txn(
        nth,
        Mode::Transaction,
        vec![step(0, ACCOUNT, key, ADD, amount)],
    ));
    cluster.settle();
}

#[test]
fn the_rows_of_a_group_change_together() {
    let mut cluster = Cluster::new();
    let [a, b, _] = keys();
    let entry = |number, nth: u64, op, amount| step(number, ENTRY, nth * 1_000 + a, op, amount);
    add(&mut cluster, 1, a, 5);
    let over_two = vec![
        entry(0, 1, ADD, 1),
        entry(1, 2, ADD, 2),
        step(2, ACCOUNT, a, TAKE, 3),
        step(3, ACCOUNT, b, ADD, 3),
    ];
    cluster.submit(txn(2, Mode::Transaction, over_two.clone()));
    cluster.settle();
    assert!(cluster.is_committed(2));
    let values = over_two.iter().map(|step| cluster.value(step));
    assert_eq!(values.collect::<Vec<_>>(), [1, 2, 2, 3]);
    // What the last step cannot do, none does.
    let mut too_much = over_two.clone();
    too_much[2] = step(2, ACCOUNT, a, TAKE, 30);
    cluster.submit(txn(3, Mode::Transaction, too_much));
    cluster.settle();
    assert_eq!(cluster.refused(3), "too_little");
    let values = over_two.iter().map(|step| cluster.value(step));
    assert_eq!(values.collect::<Vec<_>>(), [1, 2, 2, 3]);
    cluster.assert_at_rest();
}

/// A transaction of kind 2 of [`Numbers::resume`].
fn late(nth: u64) -> Txn {
    let mut txn = Txn {
        kind: 2,
        late: true,
        reply: ReplyTo(nth),
        ..Txn::new(TxnId::from_parts(1_000, u128::from(nth)), 2, 1)
    };
    let rest = Numbers.resume(&txn).unwrap();
    (txn.unplanned, txn.checks) = (rest.steps, rest.checks);
    plan::extend(&mut txn, &Numbers);
    txn
}

#[test]
fn a_result_tells_the_key_the_payload_and_whether_there_is_a_step_at_all() {
    for (told, ends) in [(5, "commits"), (20, "takes"), (2_000, "too_much")] {
        let mut cluster = Cluster::new();
        add(&mut cluster, 1, 1, told);
        let entry = step(0, ENTRY, 20_001, ADD, 25);
        cluster.submit(txn(2, Mode::Transaction, vec![entry.clone()]));
        cluster.submit(late(3));
        cluster.settle();
        match ends {
            "too_much" => assert_eq!(cluster.refused(3), "too_much"),
            _ => assert!(cluster.is_committed(3), "{:?}", cluster.told(3)),
        }
        let left = if ends == "takes" { 5 } else { 25 };
        assert_eq!(cluster.value(&entry), left, "{told}");
        cluster.assert_at_rest();
    }
}

#[test]
fn a_saga_is_undone_last_first_where_a_step_is_refused() {
    let mut cluster = Cluster::new();
    let [a, b, c] = keys();
    add(&mut cluster, 1, a, 10);
    add(&mut cluster, 2, b, 10);
    let gift = |nth, amount| {
        txn(
            nth,
            Mode::Saga,
            vec![
                undone_by(step(0, ACCOUNT, b, TAKE, amount), ADD),
                undone_by(step(1, ACCOUNT, a, TAKE, amount), ADD),
                step(2, ACCOUNT, c, TAKE, 2 * amount - 4),
            ],
        )
    };
    cluster.submit(gift(3, 2));
    cluster.settle();
    assert!(cluster.is_committed(3));
    assert_eq!([a, b, c].map(|key| cluster.account(key)), [8, 8, 0]);
    cluster.submit(gift(4, 5));
    cluster.settle();
    assert_eq!(cluster.refused(4), "too_little");
    assert_eq!([a, b, c].map(|key| cluster.account(key)), [8, 8, 0]);
    cluster.assert_at_rest();
}

/// The second step can only be undone while the first one is still done.
#[test]
fn what_was_done_last_is_undone_first() {
    let mut cluster = Cluster::new();
    let [a, b, _] = keys();
    cluster.submit(txn(
        1,
        Mode::Saga,
        vec![
            undone_by(step(0, ACCOUNT, a, ADD, 10), TAKE),
            undone_by(step(1, ACCOUNT, a, TAKE, 8), ADD),
            step(2, ACCOUNT, b, TAKE, 1),
        ],
    ));
    cluster.settle();
    assert_eq!(cluster.refused(1), "too_little");
    assert_eq!(cluster.account(a), 0);
    cluster.assert_at_rest();
}

#[test]
fn what_a_saga_holds_is_not_deleted_before_it_is_through() {
    let mut cluster = Cluster::new();
    let [a, b, _] = keys();
    add(&mut cluster, 1, a, 10);
    cluster.submit(txn(
        2,
        Mode::Saga,
        vec![
            undone_by(step(0, ACCOUNT, a, TAKE, 5), ADD),
            step(1, ACCOUNT, b, TAKE, 5),
        ],
    ));
    let home = partition_of(ACCOUNT, &Key::of(&a), PARTITIONS).index;
    assert!(cluster.apply(home));
    let delete = |nth| txn(nth, Mode::Transaction, vec![step(0, ACCOUNT, a, DELETE, 0)]);
    cluster.submit(delete(3));
    assert!(cluster.apply(home));
    assert_eq!(cluster.refused(3), "in_use");
    cluster.settle();
    assert_eq!(cluster.account(a), 10);
    cluster.submit(delete(4));
    cluster.settle();
    assert!(cluster.is_committed(4));
    cluster.assert_at_rest();
}

/// A saga whose undo is refused as long as the account is above one hundred.
fn parked(cluster: &mut Cluster) -> TxnId {
    let [a, b, c] = keys();
    add(cluster, 1, a, 10);
    add(cluster, 2, b, 200);
    let id = cluster.submit(txn(
        3,
        Mode::Saga,
        vec![
            undone_by(step(0, ACCOUNT, a, TAKE, 5), ADD),
            undone_by(step(1, ACCOUNT, b, TAKE, 1), FRAGILE),
            step(2, ACCOUNT, c, TAKE, 5),
        ],
    ));
    cluster.settle();
    assert!(matches!(cluster.told(3), Outcome::Parked(_)));
    id
}

#[test]
fn a_saga_that_cannot_be_undone_waits_for_an_operator_and_is_resumed_once() {
    let mut cluster = Cluster::new();
    let [a, b, _] = keys();
    let id = parked(&mut cluster);
    assert_eq!([a, b].map(|key| cluster.account(key)), [5, 199]);

    cluster.request(Kind::Ask, id, 50, &Body::Ask(Ask::One(id)));
    cluster.settle();
    let facts: Vec<Fact> = cluster.told[&50]
        .iter()
        .flat_map(|outcome| match outcome {
            Outcome::Committed(Some(told)) => Vec::<Status>::from_wire(told.clone()).unwrap(),
            other => panic!("{other:?}"),
        })
        .map(|status| status.fact)
        .collect();
    let attempts: Vec<u32> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Parked { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [1], "{facts:?}");

    // In vain; the second one names an attempt that is over.
    cluster.request(Kind::Resume, id, 51, &Body::Resume(1));
    cluster.request(Kind::Resume, id, 52, &Body::Resume(1));
    cluster.settle();
    let taken = |told: &[Outcome]| {
        told.iter()
            .filter(|outcome| matches!(outcome, Outcome::Committed(_)))
            .count()
    };
    assert_eq!(
        (taken(&cluster.told[&51]), taken(&cluster.told[&52])),
        (1, 0)
    );

    cluster.submit(txn(
        4,
        Mode::Transaction,
        vec![step(0, ACCOUNT, b, TAKE, 150)],
    ));
    cluster.settle();
    cluster.request(Kind::Resume, id, 53, &Body::Resume(2));
    cluster.request(Kind::Resume, id, 54, &Body::Resume(2));
    cluster.settle();
    assert_eq!(cluster.refused(3), "too_little");
    assert_eq!([a, b].map(|key| cluster.account(key)), [10, 50]);
    cluster.assert_at_rest();
}

#[test]
fn a_saga_that_cannot_be_read_on_its_way_is_parked() {
    let mut cluster = Cluster::new();
    let [a, b, _] = keys();
    add(&mut cluster, 1, a, 10);
    cluster.submit(txn(
        2,
        Mode::Saga,
        vec![
            undone_by(step(0, ACCOUNT, a, TAKE, 5), ADD),
            step(1, ACCOUNT, b, ADD, 5),
        ],
    ));
    let at = |key: u64| partition_of(ACCOUNT, &Key::of(&key), PARTITIONS).index;
    assert!(cluster.apply(at(a)));
    let on_its_way = cluster.inboxes[usize::from(at(b))].front_mut().unwrap();
    on_its_way.1.body = Bytes::from_static(b"noise");
    cluster.settle();
    assert!(matches!(cluster.told(2), Outcome::Parked(_)));
    assert_eq!(cluster.account(a), 5);
    assert!(
        cluster
            .partitions
            .iter()
            .any(|one| !one.state().holds.is_empty())
    );
}

#[test]
fn a_visit_that_waits_too_long_is_refused_by_a_tick() {
    let mut cluster = Cluster::new();
    let [a, b, _] = keys();
    add(&mut cluster, 1, a, 10);
    // Holds `a` until the release is applied.
    cluster.submit(txn(
        2,
        Mode::Transaction,
        vec![step(0, ACCOUNT, a, TAKE, 1), step(1, ACCOUNT, b, ADD, 1)],
    ));
    let home = partition_of(ACCOUNT, &Key::of(&a), PARTITIONS);
    let (first, at) = (home.index, usize::from(home.index));
    assert!(cluster.apply(first));
    let mut waits = txn(3, Mode::Transaction, vec![step(0, ACCOUNT, a, TAKE, 1)]);
    waits.budget = 50;
    cluster.submit(waits);
    cluster.submit(txn(
        4,
        Mode::Transaction,
        vec![step(0, ACCOUNT, a, TAKE, 1)],
    ));
    assert!(cluster.apply(first) && cluster.apply(first));
    assert_eq!(cluster.partitions[at].due(), Some(1_050));
    cluster.now = 1_050;
    let id = cluster.partitions[at].id();
    cluster.send(id, Envelope::control(Kind::Tick, &Body::Tick));
    assert!(cluster.apply(first));
    assert_eq!(cluster.refused(3), "deadline");
    cluster.settle();
    assert!(cluster.is_committed(2) && cluster.is_committed(4));
    assert_eq!(cluster.account(a), 8);
    cluster.assert_at_rest();
}

#[test]
fn a_cancel_follows_a_transaction_to_where_it_is() {
    let [a, b, _] = keys();
    let at = |key: u64| partition_of(ACCOUNT, &Key::of(&key), PARTITIONS).index;
    // How far the transaction has come when the cancel reaches its first partition.
    for waits in [true, false] {
        let mut cluster = Cluster::new();
        add(&mut cluster, 1, a, 10);
        // Has visited `b`, and its release is still on its way.
        if waits {
            cluster.submit(txn(
                2,
                Mode::Transaction,
                vec![
                    step(0, ACCOUNT, b, ADD, 1),
                    step(1, ACCOUNT, keys()[2], ADD, 1),
                ],
            ));
            assert!(cluster.apply(at(b)));
        }
        let id = cluster.submit(txn(
            3,
            Mode::Transaction,
            vec![step(0, ACCOUNT, a, TAKE, 1), step(1, ACCOUNT, b, ADD, 1)],
        ));
        assert!(cluster.apply(at(a)));
        let cancel = Envelope::request(Kind::Cancel, id, ReplyTo(9), &Body::Cancel);
        let home = cluster.partitions[usize::from(at(a))].id();
        cluster.send(home, cancel.clone());
        assert!(cluster.apply(at(a)));
        if waits {
            while cluster.apply(at(b)) {}
            assert_eq!(cluster.refused(3), "cancelled");
        }
        cluster.settle();
        assert_eq!(cluster.told(9), cluster.told(3));
        assert_eq!(cluster.is_committed(3), !waits);
        assert_eq!(cluster.account(a), if waits { 10 } else { 9 });
        // Whoever cancels it again hears how it ended; nobody knows of another.
        cluster.send(home, cancel);
        let other = TxnId::from_parts(1_000, 77);
        cluster.send(
            home,
            Envelope::request(Kind::Cancel, other, ReplyTo(10), &Body::Cancel),
        );
        cluster.settle();
        assert_eq!(cluster.told(9), cluster.told(3));
        assert!(matches!(cluster.told(10), Outcome::NotTaken(fault) if fault.code == "unknown_id"));
        cluster.assert_at_rest();
    }
}

#[test]
fn no_bound_refuses_what_undoes() {
    let mut cluster = Cluster::with(Settings {
        queue: 0,
        ..Settings::default()
    });
    let [a, b, c] = keys();
    add(&mut cluster, 1, a, 10);
    cluster.submit(txn(
        2,
        Mode::Saga,
        vec![
            undone_by(step(0, ACCOUNT, a, TAKE, 5), ADD),
            step(1, ACCOUNT, b, TAKE, 5),
        ],
    ));
    let at = |key: u64| partition_of(ACCOUNT, &Key::of(&key), PARTITIONS).index;
    assert!(cluster.apply(at(a)));
    // Another holds `a` when the undo comes back.
    cluster.submit(txn(
        3,
        Mode::Transaction,
        vec![step(0, ACCOUNT, a, TAKE, 1), step(1, ACCOUNT, c, ADD, 1)],
    ));
    assert!(cluster.apply(at(a)) && cluster.apply(at(b)) && cluster.apply(at(a)));
    cluster.settle();
    assert_eq!(cluster.refused(2), "too_little");
    assert_eq!(cluster.account(a), 9);
    cluster.assert_at_rest();
}

#[test]
fn undoing_may_take_more_visits_than_a_transaction_may_make() {
    let mut cluster = Cluster::with(Settings {
        visits: 3,
        ..Settings::default()
    });
    let [a, b, c] = keys();
    add(&mut cluster, 1, a, 10);
    add(&mut cluster, 2, b, 10);
    cluster.submit(txn(
        3,
        Mode::Saga,
        vec![
            undone_by(step(0, ACCOUNT, a, TAKE, 5), ADD),
            undone_by(step(1, ACCOUNT, b, TAKE, 5), ADD),
            step(2, ACCOUNT, c, TAKE, 5),
        ],
    ));
    cluster.settle();
    assert_eq!(cluster.refused(3), "too_little");
    assert_eq!([a, b].map(|key| cluster.account(key)), [10, 10]);
    cluster.assert_at_rest();
}

#[test]
fn the_audit_tells_of_every_end_once_where_it_was_decided() {
    for (audit, expected) in [(Audit::All, 3), (Audit::Refused, 1), (Audit::Off, 0)] {
        let mut cluster = Cluster::with(Settings {
            audit,
            ..Settings::default()
        });
        let [a, b, _] = keys();
        add(&mut cluster, 1, a, 10);
        for (nth, amount) in [(2, 5), (3, 50)] {
            cluster.submit(txn(
                nth,
                Mode::Transaction,
                vec![
                    step(0, ACCOUNT, a, TAKE, amount),
                    step(1, ACCOUNT, b, ADD, 1),
                ],
            ));
            cluster.settle();
        }
        let told: Vec<_> = cluster.audit.values().flatten().collect();
        assert_eq!(told.len(), expected);
        for (id, finished) in told {
            let refused = matches!(finished.outcome, Outcome::Refused(_));
            assert_eq!(refused, *id == TxnId::from_parts(1_000, 3));
            assert!(!finished.groups.is_empty());
        }
    }
}

#[test]
fn a_partition_runs_no_more_transactions_than_it_may() {
    let mut cluster = Cluster::with(Settings {
        running: 1,
        ..Settings::default()
    });
    let [a, b, _] = keys();
    let over_two = |nth| {
        txn(
            nth,
            Mode::Transaction,
            vec![step(0, ACCOUNT, a, ADD, 1), step(1, ACCOUNT, b, ADD, 1)],
        )
    };
    cluster.submit(over_two(1));
    cluster.submit(over_two(2));
    cluster.settle();
    assert!(cluster.is_committed(1));
    assert!(
        matches!(cluster.told(2), Outcome::NotTaken(fault) if fault.code == "too_many_running")
    );
    cluster.submit(over_two(3));
    cluster.settle();
    assert!(cluster.is_committed(3));
    cluster.assert_at_rest();
}

/// Each scenario goes wrong where the rule that it is about is broken on purpose.
#[cfg(feature = "seeded-bugs")]
#[test]
fn a_broken_rule_is_seen() {
    use rkcy_core::bugs::Bug;
    use support::with;

    let scenarios: [(Bug, fn()); 7] = [
        (
            Bug::HeldRowDeleted,
            what_a_saga_holds_is_not_deleted_before_it_is_through,
        ),
        (
            Bug::NoHolds,
            what_a_saga_holds_is_not_deleted_before_it_is_through,
        ),
        (
            Bug::CancelWhereItPassed,
            a_cancel_follows_a_transaction_to_where_it_is,
        ),
        (
            Bug::ResumeWithoutAttempt,
            a_saga_that_cannot_be_undone_waits_for_an_operator_and_is_resumed_once,
        ),
        (
            Bug::UndoneTwice,
            a_saga_that_cannot_be_undone_waits_for_an_operator_and_is_resumed_once,
        ),
        (Bug::UndoInWrittenOrder, what_was_done_last_is_undone_first),
        (Bug::BoundRefusesUndo, no_bound_refuses_what_undoes),
    ];
    for (bug, scenario) in scenarios {
        let seen = with(bug, || std::panic::catch_unwind(scenario).is_err());
        assert!(seen, "{bug:?}");
    }
}
