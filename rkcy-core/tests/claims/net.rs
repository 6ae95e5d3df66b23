//! A few partitions with channels between them, and a platform of names, targets and members.
//!
//! A member has a name, which is unique, and refers to a target, to which at most [`MOST`] may refer. A target can
//! be asked for its members.

use bytes::Bytes;
use rkcy_core::change::{Change, Cursor, Fold};
use rkcy_core::claim::{Claim, Counts, GiveBack, Hold, Referrer, Reservation, op};
use rkcy_core::fault::Fault;
use rkcy_core::frame::Envelope;
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::partition::{Effect, Halt, Input, Partition};
use rkcy_core::plan::{self, Partitions};
use rkcy_core::related::{Member, Members, Place as ViewPlace, Relation, Side};
use rkcy_core::rows::StoredRow;
use rkcy_core::state::Lock;
use rkcy_core::txn::{
    Access, Answer, Args, Mode, Outcome, Place, ReplyTo, Rest, Step, Txn, Unplanned,
};
use rkcy_core::wire::Wire;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) const NAME: ConcernId = ConcernId(1);
pub(crate) const TARGET: ConcernId = ConcernId(2);
pub(crate) const COUNT: ConcernId = ConcernId(3);
pub(crate) const MEMBER: ConcernId = ConcernId(4);
pub(crate) const PURSE: ConcernId = ConcernId(5);
pub(crate) const VIEW: ConcernId = ConcernId(6);

pub(crate) const CREATE: u16 = 21;
pub(crate) const GET: u16 = 22;
pub(crate) const RENAME: u16 = 23;
pub(crate) const DELETE: u16 = 24;
pub(crate) const MOVE: u16 = 25;
pub(crate) const ADD: u16 = 26;
pub(crate) const TAKE: u16 = 27;
pub(crate) const TOUCH: u16 = 28;
/// Gives the members of a target, with their names.
pub(crate) const LOOK: u16 = 29;

/// So many members may refer to a target.
pub(crate) const MOST: u32 = 2;
pub(crate) const BY_MEMBER: Referrer = Referrer {
    concern: MEMBER,
    field: 2,
};

/// So many members are shown.
pub(crate) const SHOWN: u32 = 100;
static SIDES: &[Side] = &[Side {
    referrer: BY_MEMBER,
    most: SHOWN,
}];

pub(crate) fn row(concern: ConcernId, key: u64) -> RowKey {
    RowKey {
        concern,
        key: Key::of(&key),
    }
}

fn number(args: &Bytes) -> Result<u64, Fault> {
    Ok(u64::from_wire(args.clone())?)
}

struct Toy;

impl Partitions for Toy {
    fn partitions(&self, _: ConcernId) -> u16 {
        2
    }
}

impl Logic for Toy {
    fn schema(&self) -> u64 {
        1
    }

    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        let there = row.value().cloned();
        let refuse = |code: &'static str| Err(Fault::refusal(code, "the toy says no"));
        match (call.op, there) {
            (GET, there) => return Ok(there.unwrap_or_default()),
            (LOOK, Some(_)) => {
                let seen = call.context.views().of(BY_MEMBER).iter();
                let members = seen.map(|seen| (seen.key.clone(), seen.member.value.clone()));
                return Ok(members.collect::<Vec<_>>().to_wire().into());
            }
            (CREATE, Some(_)) => return refuse("already_exists"),
            (CREATE, None) => row.set(Some(call.args.clone())),
            (_, None) => return refuse("not_found"),
            (TOUCH, Some(value)) => row.set(Some(value)),
            (ADD | TAKE, Some(value)) => {
                let (has, by) = (number(&value)?, number(call.args)?);
                let next = if call.op == ADD {
                    Some(has + by)
                } else {
                    has.checked_sub(by)
                };
                match next {
                    Some(next) => row.set(Some(next.to_wire().into())),
                    None => return refuse("broke"),
                }
            }
            (DELETE, Some(value)) if call.row.concern == MEMBER => {
                let (name, target) = <(u64, u64)>::from_wire(value)?;
                row.give_back(name_of(name, call.row));
                row.give_back(refers(target));
                row.set(None);
            }
            (DELETE, Some(_)) => row.set(None),
            (RENAME, Some(value)) => {
                let (name, target) = <(u64, u64)>::from_wire(value)?;
                row.give_back(name_of(name, call.row));
                row.set(Some((number(call.args)?, target).to_wire().into()));
            }
            (MOVE, Some(value)) => {
                let (name, target) = <(u64, u64)>::from_wire(value)?;
                row.give_back(refers(target));
                row.set(Some((name, number(call.args)?).to_wire().into()));
            }
            (op, _) => panic!("no operation {op}"),
        }
        Ok(Bytes::new())
    }

    fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
        Ok(Rest::default())
    }

    fn counted_in(&self, concern: ConcernId) -> Option<ConcernId> {
        (concern == TARGET).then_some(COUNT)
    }

    fn is_related(&self, concern: ConcernId) -> bool {
        concern == MEMBER
    }

    fn relations(&self, _: &RowKey, value: &Bytes) -> Result<Vec<Relation>, Fault> {
        let (_, target) = <(u64, u64)>::from_wire(value.clone())?;
        Ok(vec![Relation {
            target: row(TARGET, target),
            referrer: BY_MEMBER,
            group: row(TARGET, target),
        }])
    }

    fn viewed_in(&self, concern: ConcernId) -> Option<ConcernId> {
        (concern == TARGET).then_some(VIEW)
    }

    fn sides_read(&self, concern: ConcernId, op: u16) -> &'static [Side] {
        match (concern, op) {
            (TARGET, LOOK) => SIDES,
            _ => &[],
        }
    }

    fn concern_name(&self, concern: ConcernId) -> &str {
        match concern {
            NAME => "Member.name",
            MEMBER => "Member",
            TARGET => "Target",
            _ => "Purse",
        }
    }
}

fn name_of(name: u64, owner: &RowKey) -> GiveBack {
    GiveBack {
        group: row(NAME, name),
        row: row(NAME, name),
        claim: Claim::Unique(owner.clone()),
    }
}

fn refers(target: u64) -> GiveBack {
    GiveBack {
        group: row(TARGET, target),
        row: row(TARGET, target),
        claim: Claim::Reference(BY_MEMBER),
    }
}

/// The steps of a transaction, in written order.
#[derive(Default)]
pub(crate) struct Steps(Vec<Unplanned>);

impl Steps {
    pub(crate) fn on(self, concern: ConcernId, key: u64, op: u16, args: Vec<u8>) -> Self {
        let access = match op {
            GET | LOOK => Access::Shared,
            DELETE => Access::Delete,
            op::HOLD => Access::Hold,
            _ => Access::Exclusive,
        };
        self.step(concern, key, op, args, access, None)
    }

    fn step(
        mut self,
        concern: ConcernId,
        key: u64,
        op: u16,
        args: Vec<u8>,
        access: Access,
        claims_for: Option<u16>,
    ) -> Self {
        let undo = match (op, concern) {
            (CREATE, _) => Some(DELETE),
            (TAKE, _) => Some(ADD),
            _ => None,
        };
        self.0.push(Unplanned {
            step: Step {
                number: u16::try_from(self.0.len()).unwrap(),
                place: Place::Root,
                op,
                args: Args::Ready(args.into()),
                keep: matches!(op, GET | LOOK),
                sure: true,
                undo,
                claims_for,
            },
            root: concern,
            group: Some(Key::of(&key)),
            access,
            after: Vec::new(),
        });
        self
    }

    /// The next step but `ahead` claims a name for a member.
    pub(crate) fn reserve(self, name: u64, member: u64, ahead: u16) -> Self {
        let owner = row(MEMBER, member).to_wire();
        let step = u16::try_from(self.0.len()).unwrap() + 1 + ahead;
        self.step(
            NAME,
            name,
            op::RESERVE,
            owner,
            Access::Exclusive,
            Some(step),
        )
    }

    /// The next step claims a reference.
    pub(crate) fn hold(self, target: u64) -> Self {
        self.hold_of(target, MOST)
    }

    fn hold_of(self, target: u64, most: u32) -> Self {
        let hold = Hold {
            referrer: BY_MEMBER,
            most: Some(most),
        };
        let step = u16::try_from(self.0.len()).unwrap() + 1;
        self.step(
            TARGET,
            target,
            op::HOLD,
            hold.to_wire(),
            Access::Hold,
            Some(step),
        )
    }

    pub(crate) fn create(self, member: u64, name: u64, target: u64) -> Self {
        self.reserve(name, member, 1).hold(target).on(
            MEMBER,
            member,
            CREATE,
            (name, target).to_wire(),
        )
    }

    /// The same where so many may refer to the target; the name is that of nobody else.
    pub(crate) fn create_of(self, member: u64, target: u64, most: u32) -> Self {
        let value = (1_000 + member, target).to_wire();
        self.reserve(1_000 + member, member, 1)
            .hold_of(target, most)
            .on(MEMBER, member, CREATE, value)
    }

    pub(crate) fn rename(self, member: u64, name: u64) -> Self {
        self.reserve(name, member, 0)
            .on(MEMBER, member, RENAME, name.to_wire())
    }

    pub(crate) fn moved(self, member: u64, target: u64) -> Self {
        self.hold(target).on(MEMBER, member, MOVE, target.to_wire())
    }
}

/// A partition with its changelog.
struct Site {
    partition: Partition,
    changes: Vec<Change>,
    /// What the database would have.
    rows: BTreeMap<RowKey, StoredRow>,
    next: u64,
    sent: BTreeMap<PartitionId, u64>,
}

type Channel = VecDeque<(u64, Envelope)>;

/// All of it.
#[derive(Default)]
pub(crate) struct Net {
    places: BTreeMap<PartitionId, Site>,
    pub(crate) channels: BTreeMap<(PartitionId, PartitionId), Channel>,
    pub(crate) answers: BTreeMap<u64, Outcome>,
    pub(crate) submitted: u64,
}

impl Net {
    fn place(&mut self, at: PartitionId) -> &mut Site {
        self.places.entry(at).or_insert_with(|| Site {
            partition: Partition::new(at, 0, Arc::new(Toy), Default::default()),
            changes: Vec::new(),
            rows: BTreeMap::new(),
            next: 0,
            sent: BTreeMap::new(),
        })
    }

    pub(crate) fn submit(&mut self, mode: Mode, steps: Steps) -> u64 {
        self.submitted += 1;
        let nth = self.submitted;
        let kept = (steps.0.iter()).rfind(|step| step.step.op == LOOK);
        let mut txn = Txn {
            mode,
            reply: ReplyTo(nth),
            answer: kept.map_or(Answer::Empty, |step| Answer::Step(step.step.number)),
            unplanned: steps.0,
            ..Txn::new(TxnId::from_parts(1_000, u128::from(nth)), 1, 1)
        };
        plan::extend(&mut txn, &Toy);
        let home = txn.home().unwrap();
        self.apply(home, None, &Envelope::submit(txn));
        nth
    }

    pub(crate) fn apply(
        &mut self,
        at: PartitionId,
        number: Option<(PartitionId, u64)>,
        envelope: &Envelope,
    ) {
        let mut effects = Vec::new();
        let place = self.place(at);
        let input = Input {
            at: Position::new(place.next, 0),
            stamp: 1_000,
            number,
            damaged: false,
            parked: false,
            envelope,
        };
        place.next += 1;
        loop {
            match place.partition.apply(input, &mut effects) {
                Ok(()) => break,
                Err(Halt::Cold(rows)) => {
                    for row in rows {
                        let stored = place.rows.get(&row).cloned().unwrap_or(StoredRow::ABSENT);
                        place.partition.rows_mut().load(&row, stored);
                    }
                }
                Err(Halt::Unreadable(fault)) => panic!("{at}: {fault}"),
            }
        }
        for effect in effects {
            match effect {
                Effect::Send {
                    to,
                    number,
                    envelope,
                } => {
                    *self.place(at).sent.entry(to).or_default() = number;
                    self.channels
                        .entry((at, to))
                        .or_default()
                        .push_back((number, envelope));
                }
                Effect::Answer(reply) => {
                    let before = self.answers.insert(reply.to.0, reply.outcome.clone());
                    assert!(
                        before.is_none_or(|before| before == reply.outcome),
                        "{} was told twice",
                        reply.to.0
                    );
                }
                Effect::Saga(..) => {}
            }
        }
    }

    /// The first envelope of a channel arrives.
    pub(crate) fn deliver(&mut self, channel: (PartitionId, PartitionId)) {
        let queue = self.channels.get_mut(&channel).unwrap();
        let (number, envelope) = queue.pop_front().unwrap();
        if queue.is_empty() {
            self.channels.remove(&channel);
        }
        self.apply(channel.1, Some((channel.0, number)), &envelope);
    }

    /// Everything arrives.
    pub(crate) fn settle(&mut self) {
        while let Some(channel) = self.channels.keys().next().copied() {
            self.deliver(channel);
        }
    }

    pub(crate) fn partitions(&self) -> Vec<PartitionId> {
        self.places.keys().copied().collect()
    }

    /// Another worker takes the partition over, out of its change records.
    pub(crate) fn take_over(&mut self, at: PartitionId, snapshot: bool) {
        let place = self.place(at);
        place.changes.extend(place.partition.take_change(snapshot));
        let mut cursor = Cursor::from_snapshot(None);
        let mut fold = Fold::new(Position::START);
        for (offset, change) in (0..).zip(place.changes.iter().cloned()) {
            if let Some(whole) = cursor.take(offset, change).unwrap() {
                fold.apply(whole.change).unwrap();
            }
        }
        place.rows = fold.rows;
        place.partition = Partition::new(at, 0, Arc::new(Toy), fold.state);
    }

    fn value(&mut self, row: &RowKey) -> Option<Bytes> {
        let at = partition_of(
            match row.concern {
                COUNT | VIEW => TARGET,
                own => own,
            },
            // That of a view begins with its target's.
            &Key::from_canonical(&row.key.as_bytes()[..8]),
            2,
        );
        let place = self.place(at);
        let stored = place.partition.rows_mut().get(row).cloned();
        stored.or_else(|| place.rows.get(row).cloned())?.value
    }

    pub(crate) fn is_there(&mut self, concern: ConcernId, key: u64) -> bool {
        self.value(&row(concern, key)).is_some()
    }

    /// Name and target of a member.
    pub(crate) fn member(&mut self, key: u64) -> Option<(u64, u64)> {
        let value = self.value(&row(MEMBER, key))?;
        Some(Wire::from_wire(value).unwrap())
    }

    pub(crate) fn owner(&mut self, name: u64) -> Option<Reservation> {
        let value = self.value(&row(NAME, name))?;
        Some(Reservation::from_wire(value).unwrap())
    }

    pub(crate) fn count(&mut self, target: u64) -> i64 {
        let value = self.value(&row(COUNT, target));
        Counts::read(value.as_ref()).unwrap().of(BY_MEMBER)
    }

    /// The members that a target knows of, with names: out of its hidden rows.
    pub(crate) fn view(&mut self, target: u64) -> Vec<(Key, u64)> {
        let place = ViewPlace::new(VIEW, &Key::of(&target), BY_MEMBER);
        let list = self.value(&place.list());
        let members = Members::read(list.as_ref()).unwrap().0.into_iter();
        let mut view: Vec<(Key, u64)> = members
            .map(|key| {
                let member = Member::from_wire(self.value(&place.member(&key)).unwrap()).unwrap();
                let (name, of) = <(u64, u64)>::from_wire(member.value).unwrap();
                assert_eq!(of, target, "{key:?} is in a view that is not its own");
                (key, name)
            })
            .collect();
        view.sort();
        view
    }

    /// Whether nothing is kept of who refers to a target.
    pub(crate) fn is_view_gone(&mut self, target: u64) -> bool {
        let place = ViewPlace::new(VIEW, &Key::of(&target), BY_MEMBER);
        self.value(&place.list()).is_none()
    }

    /// Who has a row's group locked.
    pub(crate) fn is_locked(&mut self, concern: ConcernId, key: u64) -> Option<&Lock> {
        let group = row(concern, key);
        let at = partition_of(concern, &group.key, 2);
        self.place(at).partition.state().locks.get(&group)
    }

    /// What a target has answered that was asked for its members.
    pub(crate) fn seen(&self, nth: u64) -> Vec<Key> {
        let Some(Outcome::Committed(Some(told))) = self.answers.get(&nth) else {
            panic!("{nth} was told {:?}", self.answers.get(&nth));
        };
        let seen = Vec::<(Key, Bytes)>::from_wire(told.clone()).unwrap();
        seen.into_iter().map(|(key, _)| key).collect()
    }

    /// Rows of a partition in memory.
    pub(crate) fn rows_in_memory(&mut self, at: PartitionId) -> usize {
        self.place(at).partition.rows().len()
    }

    /// What is left that must not be, when all has arrived.
    pub(crate) fn left_over(&self) -> Option<String> {
        self.places.iter().find_map(|(at, place)| {
            let state = place.partition.state();
            let is_clean = state.locks.is_empty()
                && state.queues.is_empty()
                && state.counted.keys().next().is_none()
                && state.holds.is_empty()
                && state.giving.is_empty()
                && state.trails.is_empty()
                && state.ids.running() == 0;
            (!is_clean).then(|| format!("{at}: {state:?}"))
        })
    }

    pub(crate) fn code(&self, nth: u64) -> Option<String> {
        Some(match self.answers.get(&nth)? {
            Outcome::Committed(_) => "committed".to_owned(),
            other => other.fault().unwrap().code.to_string(),
        })
    }
}
