//! What a related view costs: records and bytes of one change of a member, where its target has a hundred. Counted,
//! not timed, so the same on every machine.
//!
//! Member and target are in two partitions. A record of the command log holds one envelope here, and a change
//! record one application: a busy platform puts many into each, which makes records fewer and not the bytes.

use crate::figures::Figures;
use bytes::Bytes;
use rkcy_core::claim::Referrer;
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Envelope, Frame, Source};
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::partition::{Effect, Halt, Input, Partition};
use rkcy_core::plan::{self, Partitions};
use rkcy_core::related::{Relation, Side};
use rkcy_core::rows::StoredRow;
use rkcy_core::state::State;
use rkcy_core::txn::{Access, Args, Place, Rest, Step, Txn, Unplanned};
use rkcy_core::wire::Wire;
use std::sync::Arc;
use uuid::Uuid;

const TARGET: ConcernId = ConcernId(2000);
const MEMBER: ConcernId = ConcernId(2001);
const VIEW: ConcernId = ConcernId(768);
const BY_MEMBER: Referrer = Referrer {
    concern: MEMBER,
    field: 2,
};
/// Members of the target.
const MEMBERS: u128 = 100;
/// Bytes of a member.
const SIZE: usize = 200;
/// Sets the row to the payload; an empty one removes it.
const SET: u16 = 16;

static SIDES: &[Side] = &[Side {
    referrer: BY_MEMBER,
    most: MEMBERS as u32,
}];

pub(crate) fn run(figures: &mut Figures) {
    type Kind = (&'static str, fn(&mut World) -> Cost);
    let kinds: [Kind; 3] = [
        ("change", |world| world.set(1, &value(b'b'))),
        ("leave", |world| world.set(1, &[])),
        ("come", |world| {
            world.set(1, &[]);
            world.set(1, &value(b'a'))
        }),
    ];
    for (kind, cost) in kinds {
        for (name, viewed) in [("unrelated", false), ("related", true)] {
            let cost = cost(&mut World::new(viewed));
            let mut add = |what, count: usize, unit| {
                figures.add(format!("{name}_{kind}_{what}"), count as f64, unit);
            };
            add("records", cost.records, "records");
            add("rows", cost.rows, "rows");
            add("bytes", cost.bytes, "B");
        }
    }
}

/// A member whose bytes are these.
fn value(byte: u8) -> Vec<u8> {
    vec![byte; SIZE]
}

/// What one transaction has cost.
#[derive(Default)]
struct Cost {
    /// Records of the logs.
    records: usize,
    /// Rows that storage writes.
    rows: usize,
    /// Bytes of the records.
    bytes: usize,
}

/// Members, all of one target; `.0`: it knows them.
struct Toy(bool);

impl Partitions for Toy {
    fn partitions(&self, _: ConcernId) -> u16 {
        1
    }
}

impl Logic for Toy {
    fn schema(&self) -> u64 {
        1
    }

    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        row.set((!call.args.is_empty()).then(|| call.args.clone()));
        Ok(Bytes::new())
    }

    fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
        Ok(Rest::default())
    }

    fn is_related(&self, concern: ConcernId) -> bool {
        self.0 && concern == MEMBER
    }

    fn relations(&self, _: &RowKey, _: &Bytes) -> Result<Vec<Relation>, Fault> {
        let target = row(TARGET, 0);
        Ok(vec![Relation {
            target: target.clone(),
            referrer: BY_MEMBER,
            group: target,
        }])
    }

    fn viewed_in(&self, concern: ConcernId) -> Option<ConcernId> {
        (concern == TARGET).then_some(VIEW)
    }

    fn sides_read(&self, _: ConcernId, _: u16) -> &'static [Side] {
        SIDES
    }

    fn concern_name(&self, _: ConcernId) -> &str {
        "Toy"
    }
}

fn row(concern: ConcernId, key: u128) -> RowKey {
    RowKey {
        concern,
        key: Key::of(&Uuid::from_u128(key)),
    }
}

/// Both partitions.
struct World {
    logic: Arc<Toy>,
    members: (Partition, u64),
    target: (Partition, u64),
    submitted: u128,
}

impl World {
    /// All members are there.
    fn new(viewed: bool) -> World {
        let logic = Arc::new(Toy(viewed));
        let partition = |concern| {
            let id = PartitionId { concern, index: 0 };
            (Partition::new(id, 0, logic.clone(), State::default()), 0)
        };
        let mut world = World {
            members: partition(MEMBER),
            target: partition(TARGET),
            submitted: 0,
            logic,
        };
        for member in 0..MEMBERS {
            world.set(member, &value(b'a'));
        }
        world
    }

    /// Sets a member; gives what that costs.
    fn set(&mut self, member: u128, value: &[u8]) -> Cost {
        self.submitted += 1;
        let step = Step {
            number: 0,
            place: Place::Root,
            op: SET,
            args: Args::Ready(Bytes::copy_from_slice(value)),
            keep: false,
            sure: true,
            undo: None,
            claims_for: None,
        };
        let id = TxnId::from_parts(1_000, self.submitted);
        let mut txn = Txn {
            unplanned: vec![Unplanned {
                step,
                root: MEMBER,
                group: Some(row(MEMBER, member).key),
                access: Access::Exclusive,
                after: Vec::new(),
            }],
            ..Txn::new(id, 1, 1)
        };
        plan::extend(&mut txn, &*self.logic);
        let mut cost = Cost::default();
        let from = self.members.0.id();
        let sent = apply(&mut self.members, None, &Envelope::submit(txn), &mut cost);
        for (number, envelope) in sent {
            let number = Some((from, number));
            apply(&mut self.target, number, &envelope, &mut cost);
        }
        cost
    }
}

/// Applies an envelope; gives what is sent to the other partition.
fn apply(
    (partition, next): &mut (Partition, u64),
    number: Option<(PartitionId, u64)>,
    envelope: &Envelope,
    cost: &mut Cost,
) -> Vec<(u64, Envelope)> {
    let source = number.map(|(partition, first)| Source { partition, first });
    let mut effects = Vec::new();
    let input = Input {
        at: Position::new(*next, 0),
        stamp: 1_000,
        number,
        damaged: false,
        parked: false,
        envelope,
    };
    *next += 1;
    loop {
        match partition.apply(input, &mut effects) {
            Ok(()) => break,
            Err(Halt::Cold(rows)) => rows
                .iter()
                .for_each(|row| partition.rows_mut().load(row, StoredRow::ABSENT)),
            Err(Halt::Unreadable(fault)) => panic!("the engine has stopped: {fault}"),
        }
    }
    let change = partition.take_change(false).expect("something was applied");
    cost.records += 2;
    cost.rows += change.rows.len();
    cost.bytes += Frame::encode(source, [envelope].into_iter()).len() + change.to_wire().len();
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send {
            number, envelope, ..
        } => Some((number, envelope)),
        Effect::Answer(_) | Effect::Saga(..) => None,
    });
    sent.collect()
}
