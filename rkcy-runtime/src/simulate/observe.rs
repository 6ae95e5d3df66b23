//! What callers were told, and what workers did: the checks that are made while a run goes on.

use super::cluster::is_remembered;
use super::faults::Fault;
use super::workload::agree;
use crate::codegen::op;
use bytes::Bytes;
use rkcy_core::frame::Reply;
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::Key;
use rkcy_core::logic::Logic;
use rkcy_core::txn::{Outcome, Txn};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// Something that must find its place in the serial order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A transaction reached its commit point, or a read was answered.
    Committed(TxnId, Option<Bytes>),
    /// A transaction was refused.
    Refused(TxnId, rkcy_core::fault::Fault),
}

/// One submission and what its caller was told.
#[derive(Debug)]
struct Submission {
    txn: Txn,
    told: Option<Outcome>,
}

/// Watches a run.
pub(super) struct Observer {
    pub(super) step: u64,
    trace: bool,
    logic: Arc<dyn Logic>,
    lines: Vec<String>,
    submissions: BTreeMap<TxnId, Submission>,
    order: Vec<TxnId>,
    digests: BTreeMap<(PartitionId, Position), u64>,
    /// Applications seen for the first time whose answers are still to come.
    fresh: BTreeSet<(PartitionId, Position)>,
    decided: BTreeSet<TxnId>,
    /// Instances that callers know to be there since the last time they were asked for.
    created: Vec<(ConcernId, Key)>,
    pub(super) events: Vec<Event>,
    pub(super) counts: BTreeMap<Cow<'static, str>, u64>,
    faults: u64,
    pub(super) checks: u64,
}

impl Observer {
    pub(super) fn new(trace: bool, logic: Arc<dyn Logic>) -> Observer {
        Observer {
            step: 0,
            trace,
            logic,
            lines: Vec::new(),
            submissions: BTreeMap::new(),
            order: Vec::new(),
            digests: BTreeMap::new(),
            fresh: BTreeSet::new(),
            decided: BTreeSet::new(),
            created: Vec::new(),
            events: Vec::new(),
            counts: BTreeMap::new(),
            faults: 0,
            checks: 0,
        }
    }

    /// Adds a line to the trace, where there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace {
            self.lines.push(format!("{:>6}  {}", self.step, line()));
        }
    }

    pub(super) fn count(&mut self, what: impl Into<Cow<'static, str>>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults += 1;
        self.count(fault.name());
        self.note(|| format!("FAULT {}", fault.name()));
    }

    /// Faults injected so far.
    pub(super) fn faults(&self) -> u64 {
        self.faults
    }

    /// Transactions submitted.
    pub(super) fn transactions(&self) -> u64 {
        self.order.len() as u64
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub(super) fn submitted(&mut self, txn: &Txn) {
        let logic = self.logic.clone();
        self.note(|| {
            let visits: Vec<String> = (txn.visits.iter())
                .map(|visit| {
                    format!(
                        "{}[{:?}]",
                        logic.concern_name(visit.group.concern),
                        visit.group.key
                    )
                })
                .collect();
            format!(
                "caller submits {} (kind {}): {}",
                txn.id,
                txn.kind,
                visits.join(" -> ")
            )
        });
        self.order.push(txn.id);
        self.submissions.insert(
            txn.id,
            Submission {
                txn: txn.clone(),
                told: None,
            },
        );
    }

    /// A submission made before: any, or one of the last few.
    pub(super) fn submission(&self, choice: u64, recent: bool) -> Option<Txn> {
        let count = self.order.len();
        let among = if recent { count.min(5) } else { count };
        let back = usize::try_from(choice % among.max(1) as u64).ok()?;
        self.submissions
            .get(self.order.get(count.checked_sub(back + 1)?)?)
            .map(|one| one.txn.clone())
    }

    /// Instances whose creation was answered since the last call.
    pub(super) fn take_created(&mut self) -> Vec<(ConcernId, Key)> {
        std::mem::take(&mut self.created)
    }

    /// The transaction with this id, as it was submitted.
    pub(super) fn txn(&self, id: TxnId) -> Option<&Txn> {
        self.submissions.get(&id).map(|submission| &submission.txn)
    }

    /// Submissions whose callers still wait.
    pub(super) fn unanswered(&self) -> Vec<Txn> {
        let waiting = self.submissions.values().filter(|one| one.told.is_none());
        waiting.map(|one| one.txn.clone()).collect()
    }

    /// Every application of one envelope must do the same.
    pub(super) fn applied(
        &mut self,
        partition: PartitionId,
        serial: u64,
        at: Position,
        digest: u64,
    ) -> Result<(), Violation> {
        self.checks += 1;
        match self.digests.insert((partition, at), digest) {
            None => {
                self.fresh.insert((partition, at));
                self.note(|| format!("worker {serial} of {partition} applies {at}"));
                Ok(())
            }
            Some(known) if known == digest => {
                self.note(|| format!("worker {serial} of {partition} applies {at} again"));
                Ok(())
            }
            Some(_) => Err(Violation(format!(
                "two workers did different things at {partition} position {at}: \
                 an application is not a function of the log"
            ))),
        }
    }

    /// Answers given by the application at `at`.
    pub(super) fn replies(
        &mut self,
        partition: PartitionId,
        at: Position,
        replies: Vec<Reply>,
    ) -> Result<(), Violation> {
        let fresh = self.fresh.remove(&(partition, at));
        for reply in replies {
            self.note(|| format!("  answer to {}: {}", reply.txn, describe(&reply.outcome)));
            self.tell(&reply, fresh)?;
        }
        Ok(())
    }

    fn tell(&mut self, reply: &Reply, fresh: bool) -> Result<(), Violation> {
        self.checks += 1;
        let Some(submission) = self.submissions.get_mut(&reply.txn) else {
            return Err(Violation(format!(
                "an answer to {}, which nobody submitted",
                reply.txn
            )));
        };
        let remembered = is_remembered(&submission.txn);
        if let Some(told) = &submission.told
            && remembered
            && !agree(told, &reply.outcome)
        {
            return Err(Violation(format!(
                "{} was told two things: {} and {}",
                reply.txn,
                describe(told),
                describe(&reply.outcome)
            )));
        }
        if submission.told.is_none() && matches!(reply.outcome, Outcome::Committed(_)) {
            for visit in &submission.txn.visits {
                let created = visit.steps.iter().filter(|step| step.op == op::CREATE);
                let rows = created.filter_map(|step| step.row(&visit.group));
                self.created
                    .extend(rows.map(|row| (row.concern, row.key.clone())));
            }
        }
        let definite = !matches!(reply.outcome, Outcome::NotTaken(_) | Outcome::Parked(_));
        if definite || submission.told.is_none() {
            submission.told = Some(reply.outcome.clone());
        }
        match &reply.outcome {
            Outcome::Committed(_) => self.count("committed"),
            Outcome::Refused(fault) => self.count(format!("refused: {}", fault.code)),
            Outcome::NotTaken(fault) => self.count(format!("not taken: {}", fault.code)),
            Outcome::Parked(_) => self.count("parked"),
        }
        // The first answer of a transaction is given at its commit point; later ones repeat it. A read
        // is answered anew each time.
        if definite && fresh && (!remembered || self.decided.insert(reply.txn)) {
            self.events.extend(match &reply.outcome {
                Outcome::Committed(result) => Some(Event::Committed(reply.txn, result.clone())),
                Outcome::Refused(fault) => Some(Event::Refused(reply.txn, fault.clone())),
                Outcome::NotTaken(_) | Outcome::Parked(_) => None,
            });
        }
        Ok(())
    }

    /// Every caller must have been answered.
    pub(super) fn check_answered(&self) -> Result<(), Violation> {
        match self
            .submissions
            .values()
            .find(|submission| submission.told.is_none())
        {
            None => Ok(()),
            Some(submission) => Err(Violation(format!(
                "{} was never answered",
                submission.txn.id
            ))),
        }
    }

    /// A number that is the same for the same run.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut text = Vec::new();
        for ((partition, at), digest) in &self.digests {
            text.extend_from_slice(format!("{partition} {at} {digest} ").as_bytes());
        }
        u64::from(crc32c::crc32c(&text))
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Committed(Some(result)) => format!("committed, {} bytes", result.len()),
        Outcome::Committed(None) => "committed, read it".to_owned(),
        Outcome::Refused(fault) | Outcome::NotTaken(fault) => fault.to_string(),
        Outcome::Parked(fault) => format!("parked: {fault}"),
    }
}
