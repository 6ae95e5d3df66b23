//! A transaction as it travels from partition to partition, carrying its own state.
//!
//! Owns the data: visits, steps, results, outcome. How steps become visits is [`crate::plan`]'s; what
//! a partition does with a visit is [`crate::partition`]'s.

use crate::claim::{self, Claim, GiveBack};
use crate::fault::Fault;
use crate::id::{ConcernId, PartitionId, TxnId};
use crate::key::{Key, RowKey};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;

/// Where an answer goes: a number that the submitter chose for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

/// How a transaction is kept apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Strictly serializable, all or nothing; its id is remembered.
    Transaction,
    /// One visit that changes nothing; its id is not remembered, since it may run again.
    Read,
    /// Every visit takes effect at once; a refusal undoes those that were made, last first.
    Saga,
    /// One visit that gives a unique value back for another transaction, which has the same id and was decided in
    /// this partition. Nothing refuses it.
    GiveBack(PartitionId),
}

/// What a transaction may do to an entity group, over all of its visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Refers: others may do all but delete beside it.
    Hold,
    /// Reads only: others may read beside it.
    Shared,
    /// Reads and writes.
    Exclusive,
    /// Deletes, and may read and write.
    Delete,
}

/// Payload of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Args {
    /// Known at submission.
    Ready(Bytes),
    /// The body of the transaction tells it once the results are there that it comes out of.
    Late,
}

/// Which row of an entity group a step works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The root itself.
    Root,
    /// A row that is in the group.
    Member(RowKey),
    /// A row of this concern, whose key comes out of a result.
    Late(ConcernId),
}

/// One operation on one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number within the transaction, in written order.
    pub number: u16,
    /// The row, within the group of the visit.
    pub place: Place,
    /// Operation of the concern, by its number in the schema.
    pub op: u16,
    /// Its payload.
    pub args: Args,
    /// Whether a later step, a `require` or the answer uses the result; else it does not travel.
    pub keep: bool,
    /// Whether it is known that the step is to be made. Else a condition, or the length of a list, has still
    /// to come out of a result.
    pub sure: bool,
    /// Operation that undoes it, in a saga.
    pub undo: Option<u16>,
    /// Number of the step that it claims something for; see [`crate::claim`].
    pub claims_for: Option<u16>,
}

impl Step {
    /// Whether everything is known that is needed to run it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sure && self.args != Args::Late && !matches!(self.place, Place::Late(_))
    }

    /// The row it works on, in `group`; `None` where the key is not known yet.
    #[must_use]
    pub fn row<'a>(&'a self, group: &'a RowKey) -> Option<&'a RowKey> {
        self.place.row(group)
    }
}

impl Place {
    /// The row, in `group`; `None` where the key is not known yet.
    #[must_use]
    pub fn row<'a>(&'a self, group: &'a RowKey) -> Option<&'a RowKey> {
        match self {
            Place::Root => Some(group),
            Place::Member(row) => Some(row),
            Place::Late(_) => None,
        }
    }
}

/// All that a transaction does to one entity group before it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The root instance of the group.
    pub group: RowKey,
    /// Partition of the group among those of its root concern.
    pub partition: u16,
    /// Strongest access of the transaction to this group, on any of its visits.
    pub access: Access,
    /// What is still to be done. Empty: the visit only takes the lock, or it has been made.
    pub steps: Vec<Step>,
}

impl Visit {
    /// Partition where the visit takes place.
    #[must_use]
    pub fn at(&self) -> PartitionId {
        PartitionId {
            concern: self.group.concern,
            index: self.partition,
        }
    }
}

/// A step that is not part of a visit yet: its key, or that of one before it in the order of locks,
/// comes out of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplanned {
    /// The step.
    pub step: Step,
    /// Root concern of the group.
    pub root: ConcernId,
    /// Root key of the group, where it is known.
    pub group: Option<Key>,
    /// What the step may do to the group.
    pub access: Access,
    /// Numbers of the steps whose results it uses: for its key, its payload, or to know whether it is made.
    pub after: Vec<u16>,
}

/// A `require` that waits for results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Numbers of the steps whose results it uses.
    pub after: Vec<u16>,
}

/// What is left of a transaction, as its body tells when it is run again with the results so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// All its steps, also those made, in written order; without those that are known to be passed over.
    pub steps: Vec<Unplanned>,
    /// The `require`s that still wait for results.
    pub checks: Vec<Check>,
    /// The result of the whole, where it is known.
    pub answer: Option<Bytes>,
}

/// How a step of a saga is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Number of the step.
    pub number: u16,
    /// Index of the visit that it was part of.
    pub visit: u16,
    /// The row.
    pub place: Place,
    /// Operation that undoes it.
    pub op: u16,
    /// Payload of the step.
    pub args: Bytes,
    /// Number of the step that it claimed something for, until that has written its row: then the claim is the
    /// row's. To undo it is to give it back.
    pub claims_for: Option<u16>,
}

/// Where the result of the whole transaction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is none.
    Empty,
    /// It is the result of a step.
    Step(u16),
    /// The body of the transaction tells it at the commit point.
    Late,
}

/// A transaction and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Its id, with the stamp of the submission.
    pub id: TxnId,
    /// Number of the transaction in the schema; 0 is a single operation called alone.
    pub kind: u32,
    /// Hash of the schema it was built with.
    pub schema: u64,
    /// How it is kept apart from the others.
    pub mode: Mode,
    /// Milliseconds that it may wait in queues; 0 is without bound.
    pub budget: u32,
    /// Where the answer goes.
    pub reply: ReplyTo,
    /// Trace context, opaque to the engine.
    pub trace: Bytes,
    /// Who called, as the edge verified it; opaque to the engine.
    pub caller: Bytes,
    /// Parameters, where something is computed late; else empty.
    pub params: Bytes,
    /// Visits, those made first.
    pub visits: Vec<Visit>,
    /// Index of the visit to make now.
    pub next: u16,
    /// Steps that are not part of a visit yet, in written order.
    pub unplanned: Vec<Unplanned>,
    /// `require`s that wait for results.
    pub checks: Vec<Check>,
    /// Results that are still needed, by step, sorted.
    pub results: Vec<(u16, Bytes)>,
    /// Where the result of the whole comes from.
    pub answer: Answer,
    /// Whether something was not known at submission, so that the body is run again with results.
    pub late: bool,
    /// Numbers of the steps that were made, sorted; only where something is late.
    pub done: Vec<u16>,
    /// How the steps made so far are undone, in the order in which they were made; only in a saga.
    pub undo: Vec<Undo>,
    /// Why a saga has turned around; what is made from then on undoes.
    pub turned: Option<Fault>,
    /// How often a saga was parked and resumed.
    pub attempt: u32,
    /// What rows have lost: given back once it is committed.
    pub gives: Vec<GiveBack>,
}

impl Txn {
    /// A transaction without steps, of `kind`, the number of a transaction in the schema with this hash.
    #[must_use]
    pub fn new(id: TxnId, kind: u32, schema: u64) -> Txn {
        Txn {
            id,
            kind,
            schema,
            mode: Mode::Transaction,
            budget: 0,
            reply: ReplyTo(0),
            trace: Bytes::new(),
            caller: Bytes::new(),
            params: Bytes::new(),
            visits: Vec::new(),
            next: 0,
            unplanned: Vec::new(),
            checks: Vec::new(),
            results: Vec::new(),
            answer: Answer::Empty,
            late: false,
            done: Vec::new(),
            undo: Vec::new(),
            turned: None,
            attempt: 0,
            gives: Vec::new(),
        }
    }

    /// What gives a unique value back for `id`, and tells `back` of it. `None` for a reference, which no visit is
    /// needed for.
    #[must_use]
    pub fn giving(id: TxnId, give: &GiveBack, at: PartitionId, back: PartitionId) -> Option<Txn> {
        let Claim::Unique(owner) = &give.claim else {
            return None;
        };
        let place = match give.row == give.group {
            true => Place::Root,
            false => Place::Member(give.row.clone()),
        };
        let visit = Visit {
            group: give.group.clone(),
            partition: at.index,
            access: Access::Exclusive,
            steps: vec![Step {
                number: 0,
                place,
                op: claim::op::GIVE_BACK,
                args: Args::Ready(owner.to_wire().into()),
                keep: false,
                sure: true,
                undo: None,
                claims_for: None,
            }],
        };
        Some(Txn {
            mode: Mode::GiveBack(back),
            visits: vec![visit],
            ..Txn::new(id, 0, 0)
        })
    }

    /// Whether a bound, a deadline or a cancel may refuse its next visit: none may refuse what undoes, or gives
    /// back.
    #[must_use]
    pub fn may_be_refused(&self) -> bool {
        self.turned.is_none() && !matches!(self.mode, Mode::GiveBack(_))
    }

    /// The visit to make now.
    #[must_use]
    pub fn visit(&self) -> Option<&Visit> {
        self.visits.get(usize::from(self.next))
    }

    /// The visits already made.
    #[must_use]
    pub fn made(&self) -> &[Visit] {
        &self.visits[..usize::from(self.next).min(self.visits.len())]
    }

    /// The partitions of the visits already made, the first one first, each once.
    #[must_use]
    pub fn passed(&self) -> Vec<PartitionId> {
        let mut passed = Vec::new();
        for visit in self.made() {
            if !passed.contains(&visit.at()) {
                passed.push(visit.at());
            }
        }
        passed
    }

    /// The partition that remembers the transaction's id: that of its first visit.
    #[must_use]
    pub fn home(&self) -> Option<PartitionId> {
        self.visits.first().map(Visit::at)
    }

    /// Result of the step `number`, where it was kept.
    #[must_use]
    pub fn result(&self, number: u16) -> Option<&Bytes> {
        let found = self
            .results
            .binary_search_by_key(&number, |(step, _)| *step)
            .ok()?;
        Some(&self.results[found].1)
    }

    /// Notes that a step was made.
    pub fn note_done(&mut self, number: u16) {
        if let Err(place) = self.done.binary_search(&number) {
            self.done.insert(place, number);
        }
    }

    /// Whether the id is remembered, and the outcome with it.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        matches!(self.mode, Mode::Transaction | Mode::Saga)
    }

    /// Keeps the result of a step.
    pub fn keep(&mut self, number: u16, result: Bytes) {
        match self
            .results
            .binary_search_by_key(&number, |(step, _)| *step)
        {
            Ok(found) => self.results[found].1 = result,
            Err(place) => self.results.insert(place, (number, result)),
        }
    }
}

/// How a transaction ended, as its caller hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed. The result is absent where it was too long to be remembered: read it.
    Committed(Option<Bytes>),
    /// It ended without effect, for good.
    Refused(Fault),
    /// It was not taken and is not remembered: nobody can say whether a copy of it ran, or will.
    NotTaken(Fault),
    /// A saga was turned around, and one of its steps could not be undone: it waits for an operator. This is
    /// not the end of it.
    Parked(Fault),
}

impl Outcome {
    /// Results up to this many bytes are remembered with the id (rule 8).
    pub const REMEMBERED: usize = 256;

    /// Why it is not a commit.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Outcome::Committed(_) => None,
            Outcome::Refused(fault) | Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
                Some(fault)
            }
        }
    }

    /// The result of a commit, where it was not too long to be remembered.
    ///
    /// # Errors
    /// [`Outcome::fault`].
    pub fn into_result(self) -> Result<Option<Bytes>, Fault> {
        match self {
            Outcome::Committed(result) => Ok(result),
            Outcome::Refused(fault) | Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
                Err(fault)
            }
        }
    }

    /// The outcome as it is remembered.
    #[must_use]
    pub fn abridged(&self) -> Outcome {
        match self {
            Outcome::Committed(Some(result)) if result.len() > Outcome::REMEMBERED => {
                Outcome::Committed(None)
            }
            other => other.clone(),
        }
    }
}

// ---- the wire

impl Wire for Mode {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Mode::Transaction => out.push(0),
            Mode::Read => out.push(1),
            Mode::Saga => out.push(2),
            Mode::GiveBack(back) => {
                out.push(3);
                back.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Mode::Transaction),
            1 => Ok(Mode::Read),
            2 => Ok(Mode::Saga),
            3 => Ok(Mode::GiveBack(Wire::take(input)?)),
            _ => Err(input.malformed("an unknown mode")),
        }
    }
}

impl Wire for Access {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Access::Shared => 0,
            Access::Exclusive => 1,
            Access::Delete => 2,
            Access::Hold => 3,
        });
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Access::Shared),
            1 => Ok(Access::Exclusive),
            2 => Ok(Access::Delete),
            3 => Ok(Access::Hold),
            _ => Err(input.malformed("an unknown access")),
        }
    }
}

impl Wire for Place {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Place::Root => out.push(0),
            Place::Member(row) => {
                out.push(1);
                row.put(out);
            }
            Place::Late(concern) => {
                out.push(2);
                concern.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Place::Root),
            1 => Ok(Place::Member(Wire::take(input)?)),
            2 => Ok(Place::Late(Wire::take(input)?)),
            _ => Err(input.malformed("an unknown kind of place")),
        }
    }
}

impl Wire for Undo {
    fn put(&self, out: &mut Vec<u8>) {
        self.number.put(out);
        self.visit.put(out);
        self.place.put(out);
        self.op.put(out);
        self.args.put(out);
        self.claims_for.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Undo {
            number: Wire::take(input)?,
            visit: Wire::take(input)?,
            place: Wire::take(input)?,
            op: Wire::take(input)?,
            args: Wire::take(input)?,
            claims_for: Wire::take(input)?,
        })
    }
}

impl Wire for Step {
    fn put(&self, out: &mut Vec<u8>) {
        self.number.put(out);
        self.place.put(out);
        self.op.put(out);
        out.push(u8::from(self.keep) | u8::from(self.sure) << 1);
        self.undo.put(out);
        self.claims_for.put(out);
        match &self.args {
            Args::Late => out.push(0),
            Args::Ready(bytes) => {
                out.push(1);
                bytes.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let (number, place, op) = (Wire::take(input)?, Wire::take(input)?, Wire::take(input)?);
        let flags = input.byte()?;
        if flags > 3 {
            return Err(input.malformed("unknown flags of a step"));
        }
        Ok(Step {
            number,
            place,
            op,
            keep: flags & 1 != 0,
            sure: flags & 2 != 0,
            undo: Wire::take(input)?,
            claims_for: Wire::take(input)?,
            args: match bool::take(input)? {
                false => Args::Late,
                true => Args::Ready(Wire::take(input)?),
            },
        })
    }
}

impl Wire for Visit {
    fn put(&self, out: &mut Vec<u8>) {
        self.group.put(out);
        self.partition.put(out);
        self.access.put(out);
        self.steps.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Visit {
            group: Wire::take(input)?,
            partition: Wire::take(input)?,
            access: Wire::take(input)?,
            steps: Wire::take(input)?,
        })
    }
}

impl Wire for Unplanned {
    fn put(&self, out: &mut Vec<u8>) {
        self.step.put(out);
        self.root.put(out);
        self.group.put(out);
        self.access.put(out);
        self.after.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Unplanned {
            step: Wire::take(input)?,
            root: Wire::take(input)?,
            group: Wire::take(input)?,
            access: Wire::take(input)?,
            after: Wire::take(input)?,
        })
    }
}

impl Wire for Check {
    fn put(&self, out: &mut Vec<u8>) {
        self.after.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Check {
            after: Wire::take(input)?,
        })
    }
}

impl Wire for Answer {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Answer::Empty => out.push(0),
            Answer::Late => out.push(1),
            Answer::Step(number) => {
                out.push(2);
                number.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Answer::Empty),
            1 => Ok(Answer::Late),
            2 => Ok(Answer::Step(Wire::take(input)?)),
            _ => Err(input.malformed("an unknown kind of answer")),
        }
    }
}

impl Wire for Txn {
    fn put(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.kind.put(out);
        self.schema.put(out);
        self.mode.put(out);
        self.budget.put(out);
        self.reply.0.put(out);
        self.trace.put(out);
        self.caller.put(out);
        self.params.put(out);
        self.visits.put(out);
        self.next.put(out);
        self.unplanned.put(out);
        self.checks.put(out);
        self.results.put(out);
        self.answer.put(out);
        self.late.put(out);
        self.done.put(out);
        self.undo.put(out);
        self.turned.put(out);
        self.attempt.put(out);
        self.gives.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let txn = Txn {
            id: Wire::take(input)?,
            kind: Wire::take(input)?,
            schema: Wire::take(input)?,
            mode: Wire::take(input)?,
            budget: Wire::take(input)?,
            reply: ReplyTo(Wire::take(input)?),
            trace: Wire::take(input)?,
            caller: Wire::take(input)?,
            params: Wire::take(input)?,
            visits: Wire::take(input)?,
            next: Wire::take(input)?,
            unplanned: Wire::take(input)?,
            checks: Wire::take(input)?,
            results: Wire::take(input)?,
            answer: Wire::take(input)?,
            late: Wire::take(input)?,
            done: Wire::take(input)?,
            undo: Wire::take(input)?,
            turned: Wire::take(input)?,
            attempt: Wire::take(input)?,
            gives: Wire::take(input)?,
        };
        if txn.visit().is_none() {
            return Err(input.malformed("a transaction without a visit to make"));
        }
        if txn.undo.iter().any(|undo| undo.visit >= txn.next) {
            return Err(input.malformed("an undo of a visit that was not made"));
        }
        Ok(txn)
    }
}

impl Wire for Outcome {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Outcome::Committed(result) => {
                out.push(0);
                result.put(out);
            }
            Outcome::Refused(fault) => {
                out.push(1);
                fault.put(out);
            }
            Outcome::NotTaken(fault) => {
                out.push(2);
                fault.put(out);
            }
            Outcome::Parked(fault) => {
                out.push(3);
                fault.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Outcome::Committed(Wire::take(input)?)),
            1 => Ok(Outcome::Refused(Wire::take(input)?)),
            2 => Ok(Outcome::NotTaken(Wire::take(input)?)),
            3 => Ok(Outcome::Parked(Wire::take(input)?)),
            _ => Err(input.malformed("an unknown kind of outcome")),
        }
    }
}
