//! A transaction as it travels from partition to partition, carrying its own state.
//!
//! Owns the data: visits, steps, results, outcome. How steps become visits is [`crate::plan`]'s; what
//! a partition does with a visit is [`crate::partition`]'s.

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
}

/// What a transaction may do to an entity group, over all of its visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reads only: others may read beside it.
    Shared,
    /// Reads and writes.
    Exclusive,
}

/// Payload of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Args {
    /// Known at submission.
    Ready(Bytes),
    /// Computed by the generated code out of earlier results, in the visit of the step.
    Late,
}

/// One operation on one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number within the transaction, in written order.
    pub number: u16,
    /// Operation of the concern, by its number in the schema.
    pub op: u16,
    /// Its payload.
    pub args: Args,
    /// Whether a later step, a `require` or the answer uses the result; else it does not travel.
    pub keep: bool,
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
    /// What is done. Empty: the visit only takes the lock, or it has been made.
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
    /// Concern of the instance.
    pub concern: ConcernId,
    /// Key of the instance, where it is known.
    pub key: Option<Key>,
    /// Whether the step may change the instance.
    pub access: Access,
    /// Numbers of the steps whose results it uses, for its key or its payload.
    pub after: Vec<u16>,
}

/// A `require` that waits for results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Number of the `require` within the transaction.
    pub number: u16,
    /// Numbers of the steps whose results it uses.
    pub after: Vec<u16>,
}

/// Where the result of the whole transaction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is none.
    Empty,
    /// It is the result of a step.
    Step(u16),
    /// The generated code computes it at the commit point.
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
}

impl Txn {
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
}

impl Outcome {
    /// Results up to this many bytes are remembered with the id (rule 8).
    pub const REMEMBERED: usize = 256;

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
        out.push(match self {
            Mode::Transaction => 0,
            Mode::Read => 1,
        });
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Mode::Transaction),
            1 => Ok(Mode::Read),
            _ => Err(input.malformed("an unknown mode")),
        }
    }
}

impl Wire for Access {
    fn put(&self, out: &mut Vec<u8>) {
        (*self == Access::Exclusive).put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(if bool::take(input)? {
            Access::Exclusive
        } else {
            Access::Shared
        })
    }
}

impl Wire for Step {
    fn put(&self, out: &mut Vec<u8>) {
        self.number.put(out);
        self.op.put(out);
        self.keep.put(out);
        match &self.args {
            Args::Late => out.push(0),
            Args::Ready(bytes) => {
                out.push(1);
                bytes.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Step {
            number: Wire::take(input)?,
            op: Wire::take(input)?,
            keep: Wire::take(input)?,
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
        self.concern.put(out);
        self.key.put(out);
        self.access.put(out);
        self.after.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Unplanned {
            step: Wire::take(input)?,
            concern: Wire::take(input)?,
            key: Wire::take(input)?,
            access: Wire::take(input)?,
            after: Wire::take(input)?,
        })
    }
}

impl Wire for Check {
    fn put(&self, out: &mut Vec<u8>) {
        self.number.put(out);
        self.after.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Check {
            number: Wire::take(input)?,
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
        };
        if txn.visit().is_none() {
            return Err(input.malformed("a transaction without a visit to make"));
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
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Outcome::Committed(Wire::take(input)?)),
            1 => Ok(Outcome::Refused(Wire::take(input)?)),
            2 => Ok(Outcome::NotTaken(Wire::take(input)?)),
            _ => Err(input.malformed("an unknown kind of outcome")),
        }
    }
}
