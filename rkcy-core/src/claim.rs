//! Claims: what a row has on other rows, beside its own value.
//!
//! Owns the two kinds of them (rule 10), and the hidden rows in which they are kept. A *unique value* is a row of
//! a hidden index concern, whose key is the value: a [`Reservation`] of one owner, with how many claims it has. A
//! *reference* counts at its target, in a hidden row beside the target's own: [`Counts`], by who refers.
//!
//! Every claim is asked for before the row that has it is written, and given back after the row has lost it. It
//! is asked for once by each step that sets the field, also to the value that it has: so what a step gives back
//! is what the row had, and what the step has asked for, without what the row has then.

use crate::bugs::{self, Bug};
use crate::fault::Fault;
use crate::id::ConcernId;
use crate::key::RowKey;
use crate::logic::Row;
use crate::txn::Access;
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;

/// Operations of the engine itself: no logic is asked for them.
pub mod op {
    /// Claims a unique value: a step on a row of an index. The payload is the [owner](super::Reservation).
    pub const RESERVE: u16 = 7;
    /// Claims a reference: a step on its target. The payload is a [`Hold`](super::Hold).
    pub const HOLD: u16 = 8;
    /// Gives a unique value back. The payload is the owner.
    pub const GIVE_BACK: u16 = 9;
    /// Reads who owns a unique value: a step on a row of an index. The result is the owner's key, an option.
    pub const LOOK_UP: u16 = 10;

    /// Whether a step claims something for the row of another step.
    #[must_use]
    pub fn is_claim(op: u16) -> bool {
        matches!(op, RESERVE | HOLD)
    }
}

/// Who refers: a field of a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Referrer {
    /// The concern.
    pub concern: ConcernId,
    /// Number of the field.
    pub field: u32,
}

/// Payload of [`op::HOLD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who refers.
    pub referrer: Referrer,
    /// So many may refer by this field at most.
    pub most: Option<u32>,
}

/// A claim of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A unique value, for the row that has it.
    Unique(RowKey),
    /// A reference.
    Reference(Referrer),
}

/// A claim, with the row that it is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GiveBack {
    /// The group of the row.
    pub group: RowKey,
    /// The row: of an index, or the target of the reference.
    pub row: RowKey,
    /// The claim on it.
    pub claim: Claim,
}

/// A claim that a step asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The claim, as it is given back later.
    pub give: GiveBack,
    /// Of a reference: so many may refer by this field at most.
    pub most: Option<u32>,
}

impl Asked {
    /// The step that asks for it: its operation and payload, and what it may do to the group.
    #[must_use]
    pub fn step(&self) -> (u16, Bytes, Access) {
        match &self.give.claim {
            Claim::Unique(owner) => (op::RESERVE, owner.to_wire().into(), Access::Exclusive),
            Claim::Reference(referrer) => {
                let hold = Hold {
                    referrer: *referrer,
                    most: self.most,
                };
                (op::HOLD, hold.to_wire().into(), Access::Hold)
            }
        }
    }
}

/// Value of a row of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose value it is.
    pub owner: RowKey,
    /// How often it was reserved and not given back. Each give-back arrives exactly once, so a count tells as
    /// much as a set of tokens would: the value is free when none is left.
    pub claims: u32,
}

/// What refers to a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(Vec<(Referrer, i64)>);

impl Counts {
    /// The counts in a hidden row; none where it is absent.
    ///
    /// # Errors
    /// [`Malformed`] where it holds something else.
    pub fn read(value: Option<&Bytes>) -> Result<Counts, Malformed> {
        value.map_or_else(
            || Ok(Counts::default()),
            |bytes| Counts::from_wire(bytes.clone()),
        )
    }

    /// How many refer by this field. Below zero for as long as a give-back has overtaken the Release of what it
    /// gives back.
    #[must_use]
    pub fn of(&self, referrer: Referrer) -> i64 {
        let found = self.0.binary_search_by_key(&referrer, |(known, _)| *known);
        found.map_or(0, |place| self.0[place].1)
    }

    /// Adds to how many refer by this field.
    pub fn add(&mut self, referrer: Referrer, by: i64) {
        match self.0.binary_search_by_key(&referrer, |(known, _)| *known) {
            Ok(place) => self.0[place].1 += by,
            Err(place) => self.0.insert(place, (referrer, by)),
        }
        self.0.retain(|(_, count)| *count != 0);
    }

    /// Who refers, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Referrer, i64)> {
        self.0.iter().copied()
    }

    /// The value of the hidden row; absent where nobody refers.
    #[must_use]
    pub fn value(&self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.to_wire().into())
    }
}

/// Runs an operation of the engine on a row of an index; `None` where `op` is none. The name of the index is asked
/// for where it is to be said.
#[must_use]
pub fn run<'n>(
    op: u16,
    args: &Bytes,
    row: &mut Row,
    name: impl FnOnce() -> &'n str,
) -> Option<Result<Bytes, Fault>> {
    Some(match op {
        op::RESERVE => reserve(args, row, name),
        op::GIVE_BACK => give_back(args, row),
        op::LOOK_UP => look_up(row),
        _ => return None,
    })
}

fn reservation(row: &Row) -> Result<Option<Reservation>, Fault> {
    let value = row.value().cloned();
    Ok(value.map(Reservation::from_wire).transpose()?)
}

fn reserve<'n>(
    args: &Bytes,
    row: &mut Row,
    name: impl FnOnce() -> &'n str,
) -> Result<Bytes, Fault> {
    let owner = RowKey::from_wire(args.clone())?;
    let claims = match reservation(row)? {
        None => 1,
        Some(known) if known.owner == owner => known.claims + 1,
        Some(_) => {
            let name = name();
            let message = format!("{name}: another one has this value");
            return Err(Fault::refusal("taken", message).within(fields(name)));
        }
    };
    row.set(Some(Reservation { owner, claims }.to_wire().into()));
    Ok(Bytes::new())
}

fn give_back(args: &Bytes, row: &mut Row) -> Result<Bytes, Fault> {
    let owner = RowKey::from_wire(args.clone())?;
    let known = reservation(row)?;
    if bugs::on(Bug::ReleaseWithoutToken) {
        row.set(None);
    } else if let Some(known) = known.filter(|known| known.owner == owner) {
        let claims = known.claims - 1;
        let left = (claims > 0).then(|| Reservation { owner, claims }.to_wire().into());
        row.set(left);
    }
    Ok(Bytes::new())
}

fn look_up(row: &Row) -> Result<Bytes, Fault> {
    let owner = reservation(row)?.map(|known| known.owner.key);
    Ok(owner.to_wire().into())
}

/// The fields of an index, out of its name: `Device.serial`, `Device(tenant, serial)`.
fn fields(name: &str) -> &str {
    match name.split_once(['.', '(']) {
        Some((_, fields)) => fields.trim_end_matches(')'),
        None => name,
    }
}

// ---- the wire

impl Wire for Referrer {
    fn put(&self, out: &mut Vec<u8>) {
        self.concern.put(out);
        self.field.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Referrer {
            concern: Wire::take(input)?,
            field: Wire::take(input)?,
        })
    }
}

impl Wire for Hold {
    fn put(&self, out: &mut Vec<u8>) {
        self.referrer.put(out);
        self.most.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Hold {
            referrer: Wire::take(input)?,
            most: Wire::take(input)?,
        })
    }
}

impl Wire for GiveBack {
    fn put(&self, out: &mut Vec<u8>) {
        self.group.put(out);
        self.row.put(out);
        match &self.claim {
            Claim::Unique(owner) => {
                out.push(0);
                owner.put(out);
            }
            Claim::Reference(referrer) => {
                out.push(1);
                referrer.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(GiveBack {
            group: Wire::take(input)?,
            row: Wire::take(input)?,
            claim: match bool::take(input)? {
                false => Claim::Unique(Wire::take(input)?),
                true => Claim::Reference(Wire::take(input)?),
            },
        })
    }
}

impl Wire for Reservation {
    fn put(&self, out: &mut Vec<u8>) {
        self.owner.put(out);
        self.claims.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Reservation {
            owner: Wire::take(input)?,
            claims: Wire::take(input)?,
        })
    }
}

impl Wire for Counts {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Counts(Wire::take(input)?))
    }
}
