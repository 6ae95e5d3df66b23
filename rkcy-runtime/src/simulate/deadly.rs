//! Handlers that end the process of whoever runs them, and what must come of that.
//!
//! Owns which steps are deadly, and who may be killed from outside while it tries an envelope. What was tried is given
//! up when two processes have ended at it; where nobody but careful workers has applied it, that does no harm to one that
//! is not deadly either, so then both may have been killed from outside.

use super::cluster::Cluster;
use super::faults::Fault;
use super::observe::Violation;
use super::overheard::Listener;
use crate::codegen::{Call, TxnId};
use crate::log::StreamId;
use rkcy_core::frame::{Body, Frame, Kind};
use rkcy_core::id::{PartitionId, Position};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Transactions of a run that are deadly, at most: each ends a few processes.
const MOST: usize = 4;
/// Processes that one of them may end: far more than it takes to give up all that there is of it.
const ENDS: u32 = 100;

/// What is deadly to whoever runs it.
#[derive(Default)]
pub(super) struct Deadly {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The transactions, and how many processes each has ended.
    deadly: BTreeMap<TxnId, u32>,
    /// Who has ended the process that runs now.
    ended_by: Option<TxnId>,
}

impl Deadly {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some steps of this transaction are deadly.
    fn add(&self, txn: TxnId) {
        let known = &mut *self.known();
        if known.deadly.len() < MOST {
            known.deadly.insert(txn, 0);
        }
    }

    /// Their handlers end nobody any more.
    pub(super) fn mend_all(&self) {
        self.known().deadly.clear();
    }

    /// Whether a process has just ended; whoever ran it drops it, with all that has not left it.
    pub(super) fn took(&self) -> Result<bool, Violation> {
        let known = &mut *self.known();
        let Some(txn) = known.ended_by.take() else {
            return Ok(false);
        };
        let ends = known.deadly.entry(txn).or_default();
        *ends += 1;
        match *ends <= ENDS {
            true => Ok(true),
            false => Err(Violation(format!("{txn} has ended {ENDS} processes"))),
        }
    }
}

/// Whether a step of a deadly transaction is so itself: about every other, so that it may be on its way before.
fn ends_at(txn: TxnId, step: u16, op: u16) -> bool {
    let mut name = txn.0.to_vec();
    name.extend(step.to_le_bytes());
    name.extend(op.to_le_bytes());
    crc32c::crc32c(&name).is_multiple_of(2)
}

impl Cluster<'_> {
    /// A transaction of a caller may be deadly.
    pub(super) fn may_be_deadly(&mut self, txn: TxnId) {
        if self.happens(Fault::Deadly) {
            self.deadly.add(txn);
        }
    }

    /// Whether a worker may be killed from outside now. It is noted where it tries something: who is killed there may
    /// be taken for one that was ended by a handler, once.
    pub(super) fn may_be_killed(&mut self, nth: usize) -> bool {
        let member = &self.members[nth];
        let (partition, serial) = (member.partition, member.serial);
        let trying = member.trying();
        let others = self.members.iter().any(|other| {
            other.partition == partition && other.serial != serial && !other.worker.is_careful()
        });
        // Nobody has let anything of it out, and nobody will.
        let harmless = |at: Position| {
            !self.draw.atomic && !others && !self.observer.was_applied(partition, at)
        };
        let has_ended = |at: Position| self.observer.ends.contains_key(&(partition, at));
        if trying.iter().any(|at| has_ended(*at) && !harmless(*at)) {
            return false;
        }
        for at in trying {
            self.observer.ends_at(partition, at);
        }
        true
    }

    /// The same for all.
    pub(super) fn may_all_be_killed(&mut self) -> bool {
        (0..self.members.len()).all(|nth| self.may_be_killed(nth))
    }

    /// Whether a second worker may be started beside those of a partition. Who is careful beside one that only seems to
    /// have ended may give up what that has applied, so it is the only one.
    pub(super) fn may_be_doubled(&self, id: PartitionId) -> bool {
        let mut here = self.members.iter().filter(|member| member.partition == id);
        here.all(|member| !member.may_be_careful())
    }

    /// A worker was ended by a handler, at an envelope that it tried or not.
    ///
    /// # Errors
    /// Where it tried one, and did not say so for good.
    pub(super) fn ended(&mut self, nth: usize, tried: Option<Position>) -> Result<(), Violation> {
        self.observer.count("ended by a handler");
        let partition = self.members[nth].partition;
        self.observer
            .note(|| format!("worker of {partition} is ended by a handler"));
        if let Some(at) = tried {
            self.check_said(partition, at)?;
            self.observer.ends_at(partition, at);
        }
        match self.draw.atomic {
            true => self.end_process(),
            false => self.kill(nth, true),
        }
        Ok(())
    }

    /// That an envelope is tried is durable before it is applied.
    fn check_said(&self, partition: PartitionId, at: Position) -> Result<(), Violation> {
        let commands = self.logs.stream(StreamId::commands(partition));
        let records = commands.start()..commands.durable_end();
        let frames = records
            .filter_map(|offset| commands.get(offset, true))
            .filter_map(|(_, bytes)| Frame::decode(bytes).ok());
        let mut envelopes = frames.flat_map(|frame| frame.envelopes);
        let said = envelopes.any(|envelope| {
            let tries = envelope.head.kind == Kind::Trying;
            let body = tries.then(|| Body::decode(Kind::Trying, envelope.body).ok());
            matches!(body.flatten(), Some(Body::Trying(care)) if care.at == at)
        });
        match said {
            true => Ok(()),
            false => Err(Violation(format!(
                "{partition} position {at} was tried, and its log does not say so"
            ))),
        }
    }
}

/// What was given up had ended as many processes as it takes.
pub(super) fn check_parked(
    id: PartitionId,
    parked: &BTreeSet<Position>,
    ends: &BTreeMap<(PartitionId, Position), u32>,
) -> Result<(), Violation> {
    /// As the engine has it.
    const TRIES: u32 = 2;
    let few = |at: &&Position| ends.get(&(id, **at)).copied().unwrap_or(0) < TRIES;
    match parked.iter().find(few) {
        None => Ok(()),
        Some(at) => Err(Violation(format!(
            "{id} position {at} was given up, and did not end {TRIES} processes"
        ))),
    }
}

impl Listener for Deadly {
    fn hears(&self, call: &Call<'_>) {
        let txn = call.context.txn_id();
        let known = &mut *self.known();
        if known.deadly.contains_key(&txn) && ends_at(txn, call.context.step(), call.op) {
            known.ended_by.get_or_insert(txn);
        }
    }
}
