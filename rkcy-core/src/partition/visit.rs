//! A visit: locks, steps, the commit point, and the end of a transaction.

use super::{Effect, Halt, Partition};
use crate::bugs::{self, Bug};
use crate::fault::{Class, Fault};
use crate::frame::{Body, Head, Kind};
use crate::id::{PartitionId, TxnId};
use crate::key::RowKey;
use crate::logic::{Call, Context, Row};
use crate::plan;
use crate::state::{Known, Lock, Waiting};
use crate::txn::{Access, Answer, Args, Mode, Outcome, ReplyTo, Step, Txn};
use crate::wire::Wire;
use bytes::Bytes;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Copies of the rows of a group, while a visit runs on them.
type Copies = Vec<(RowKey, Row)>;

/// Why a visit did not get through.
enum Stopped {
    Cold(RowKey),
    Refused(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Stopped {
        Stopped::Refused(fault)
    }
}

impl Partition {
    /// Makes the next visit of `txn`, and those after it that are in this partition.
    pub(super) fn visit(&mut self, mut txn: Txn, mut was_waiting: bool) -> Result<(), Halt> {
        loop {
            // `Txn` is only read from the wire with a visit to make, and goes on only to one.
            let Some(visit) = txn.visit() else {
                return Ok(());
            };
            let (group, access) = (visit.group.clone(), visit.access);
            let lock = self.state.locks.get(&group);
            let holds = lock.is_some_and(|lock| lock.is_held_by(txn.id));
            let others_wait = !was_waiting && self.state.queues.contains_key(&group);
            let past = txn.mode == Mode::Read && bugs::on(Bug::ReadWithoutLock);
            if !holds && !past && (others_wait || !fits(lock, access)) {
                self.wait(group, txn);
                return Ok(());
            }
            was_waiting = false;
            let copies = match self.run_steps(&mut txn, &group) {
                Ok(copies) => copies,
                Err(Stopped::Cold(row)) => return Err(Halt::Cold(vec![row])),
                Err(Stopped::Refused(fault)) => {
                    self.abort(&txn, fault);
                    return Ok(());
                }
            };
            if txn.visits.len() == usize::from(txn.next) + 1 && txn.unplanned.is_empty() {
                self.commit(txn, &group, copies);
                return Ok(());
            }
            if let Err(fault) = self.plan_next(&mut txn) {
                self.abort(&txn, fault);
                return Ok(());
            }
            let Some(next) = txn.visit().map(crate::txn::Visit::at) else {
                return Ok(());
            };
            let travels = (next != self.id).then(|| txn.to_wire());
            if let Some(body) = &travels
                && let Err(fault) = self.fits_a_record(body.len())
            {
                self.abort(&txn, fault);
                return Ok(());
            }
            self.keep_pending(&txn, group, access, copies, next);
            if let Some(body) = travels {
                self.send(next, Head::of_txn(Kind::Visit, &txn), body);
                return Ok(());
            }
        }
    }

    /// Queues a visit behind those that wait for the group.
    fn wait(&mut self, group: RowKey, txn: Txn) {
        let length = self
            .state
            .queues
            .get(&group)
            .map_or(0, |queue| queue.len() as u64);
        let limit = self.state.scalars.settings.queue;
        let halved = u64::from(limit) >> u32::from(bugs::on(Bug::QueueBoundHalved));
        let fits = if length >= halved && !bugs::on(Bug::QueueUnbounded) {
            let name = self.logic.concern_name(group.concern);
            let message = format!("{limit} visits wait for this {name}: try again later");
            Err(Fault::new(Class::Bound, "queue_full", message))
        } else if txn.next > 0 {
            // Results may have made it larger than it came.
            self.fits_a_record(txn.to_wire().len())
        } else {
            Ok(())
        };
        if let Err(fault) = fits {
            if txn.next == 0 {
                // Nothing was remembered, so nobody can say that no copy of it will run.
                self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
            } else {
                self.abort(&txn, fault);
            }
            return;
        }
        self.remember_running(&txn);
        let (at, nth, since) = (self.state.position, self.queued, self.state.scalars.clock);
        self.queued += 1;
        self.enqueue(
            &group,
            Waiting {
                at,
                nth,
                since,
                txn,
            },
        );
    }

    /// From the moment it waits or travels, a copy of the transaction must be recognised.
    fn remember_running(&mut self, txn: &Txn) {
        let new = txn.next == 0 || txn.home() == Some(self.id);
        if new && txn.mode == Mode::Transaction && self.state.ids.get(txn.id).is_none() {
            self.set_id(txn.id, Some(Known::Running(Vec::new())));
        }
    }

    /// Runs the steps of the visit on copies of the group's rows.
    fn run_steps(&mut self, txn: &mut Txn, group: &RowKey) -> Result<Copies, Stopped> {
        let at = usize::from(txn.next);
        let steps = std::mem::take(&mut txn.visits[at].steps);
        let mut copies = Copies::new();
        if !steps.is_empty() {
            copies.push((group.clone(), Row::new(self.value_for(txn.id, group)?)));
        }
        for step in steps {
            let result = self.run_step(txn, &step, group, &mut copies[0].1)?;
            if step.keep {
                txn.keep(step.number, result);
                self.run_checks(txn)?;
            }
        }
        if let Some((row, _)) = copies.iter().find(|(_, copy)| self.is_too_large(copy)) {
            let limit = self.state.scalars.settings.row_bytes;
            let name = self.logic.concern_name(row.concern);
            let message = format!("this {name} would be larger than {limit} bytes");
            return Err(Fault::new(Class::Bound, "instance_too_large", message).into());
        }
        Ok(copies)
    }

    fn is_too_large(&self, copy: &Row) -> bool {
        let limit = self.state.scalars.settings.row_bytes as usize;
        copy.is_changed() && copy.value().is_some_and(|value| value.len() > limit)
    }

    /// What the transaction sees of a row: its own pending value, else the committed one.
    fn value_for(&mut self, txn: TxnId, row: &RowKey) -> Result<Option<Bytes>, Stopped> {
        if let Some(Lock::Exclusive { holder, pending }) = self.state.locks.get(row)
            && *holder == txn
            && !bugs::on(Bug::ReentryFromCommitted)
            && let Ok(found) = pending.binary_search_by(|(key, _)| key.cmp(row))
        {
            return Ok(pending[found].1.clone());
        }
        match self.rows.get(row) {
            Some(row) => Ok(row.value.clone()),
            None => Err(Stopped::Cold(row.clone())),
        }
    }

    fn run_step(
        &self,
        txn: &Txn,
        step: &Step,
        group: &RowKey,
        row: &mut Row,
    ) -> Result<Bytes, Fault> {
        let logic = &self.logic;
        guard(|| {
            let late;
            let args = match &step.args {
                Args::Ready(args) => args,
                Args::Late => {
                    late = logic.args(txn, step.number)?;
                    &late
                }
            };
            let context = Context::new(txn.id, step.number, &txn.caller);
            logic.run(
                &Call {
                    row: group,
                    op: step.op,
                    args,
                    context,
                },
                row,
            )
        })
    }

    /// Evaluates the `require`s whose results are all there.
    fn run_checks(&self, txn: &mut Txn) -> Result<(), Fault> {
        let mut checks = std::mem::take(&mut txn.checks);
        let mut refused = None;
        checks.retain(|check| {
            let waits = check.after.iter().any(|step| txn.result(*step).is_none());
            if !waits && refused.is_none() {
                refused = guard(|| self.logic.check(txn, check.number)).err();
            }
            waits
        });
        txn.checks = checks;
        refused.map_or(Ok(()), Err)
    }

    /// Moves on to the next visit; plans it where its key has only now come out of a result.
    fn plan_next(&self, txn: &mut Txn) -> Result<(), Fault> {
        txn.next += 1;
        if txn.visit().is_none() {
            let mut unplanned = std::mem::take(&mut txn.unplanned);
            for waiting in unplanned.iter_mut().filter(|waiting| waiting.key.is_none()) {
                if waiting.after.iter().all(|step| txn.result(*step).is_some()) {
                    waiting.key = Some(guard(|| self.logic.key(txn, waiting.step.number))?);
                }
            }
            txn.unplanned = unplanned;
            plan::extend(txn, &*self.logic)
                .map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
        }
        let limit = self.state.scalars.settings.visits;
        if txn.visits.len() > usize::from(limit) {
            let message = format!("a transaction makes at most {limit} visits");
            return Err(Fault::new(Class::Bound, "too_many_visits", message));
        }
        Ok(())
    }

    /// Whether a transaction of so many bytes may travel, or wait.
    pub(super) fn fits_a_record(&self, bytes: usize) -> Result<(), Fault> {
        let limit = self.state.scalars.settings.txn_bytes;
        if bytes as u64 <= u64::from(limit) {
            return Ok(());
        }
        let message = format!("with its results the transaction is larger than {limit} bytes");
        Err(Fault::new(Class::Bound, "transaction_too_large", message))
    }

    /// Keeps what the visit has changed as pending values under the group's lock.
    fn keep_pending(
        &mut self,
        txn: &Txn,
        group: RowKey,
        access: Access,
        copies: Copies,
        next: PartitionId,
    ) {
        self.remember_running(txn);
        if access == Access::Shared && bugs::on(Bug::SharedLockNotKept) {
            return;
        }
        let lock = match (self.state.locks.get(&group).cloned(), access) {
            (Some(Lock::Shared(mut txns)), _) => {
                if let Err(place) = txns.binary_search(&txn.id) {
                    txns.insert(place, txn.id);
                }
                Lock::Shared(txns)
            }
            (None, Access::Shared) => Lock::Shared(vec![txn.id]),
            (Some(Lock::Exclusive { pending, .. }), _) => Lock::Exclusive {
                holder: txn.id,
                pending: merge(pending, copies),
            },
            (None, Access::Exclusive) => Lock::Exclusive {
                holder: txn.id,
                pending: merge(Vec::new(), copies),
            },
        };
        self.set_lock(&group, Some(lock));
        let mut trail = self.state.trails.get(&txn.id).cloned().unwrap_or_default();
        if !trail.groups.contains(&group) {
            trail.groups.push(group);
        }
        trail.next = (next != self.id).then_some(next);
        self.set_trail(txn.id, Some(trail));
    }

    /// The commit point: the last visit went through.
    fn commit(&mut self, txn: Txn, group: &RowKey, copies: Copies) {
        let result = match txn.answer {
            Answer::Empty => Ok(Bytes::new()),
            Answer::Step(number) => Ok(txn.result(number).cloned().unwrap_or_default()),
            Answer::Late => guard(|| self.logic.answer(&txn)),
        };
        let result = match result {
            Ok(result) => result,
            Err(fault) => return self.abort(&txn, fault),
        };
        if let Some(Lock::Exclusive { pending, .. }) = self.state.locks.get(group) {
            // Its own earlier visit: what that one left pending, with this one's changes over it.
            let pending = merge(pending.clone(), copies);
            self.set_lock(
                group,
                Some(Lock::Exclusive {
                    holder: txn.id,
                    pending,
                }),
            );
        } else {
            for (key, copy) in copies {
                if copy.is_changed() {
                    self.set_row(&key, copy.into_value());
                }
            }
        }
        let outcome = Outcome::Committed(Some(result));
        self.finish(txn.id, &txn.passed(), txn.mode, txn.reply, outcome, true);
    }

    /// Ends a transaction without effect.
    fn abort(&mut self, txn: &Txn, fault: Fault) {
        let outcome = Outcome::Refused(fault);
        self.finish(txn.id, &txn.passed(), txn.mode, txn.reply, outcome, false);
    }

    /// Ends a transaction whose body cannot be read, by what its head says (rule 7).
    pub(super) fn give_up(&mut self, head: &Head, fault: Fault) {
        let outcome = Outcome::Refused(fault);
        self.finish(
            head.txn,
            &head.passed,
            Mode::Transaction,
            head.reply,
            outcome,
            false,
        );
    }

    /// Releases every lock, tells the first partition and the caller.
    fn finish(
        &mut self,
        id: TxnId,
        passed: &[PartitionId],
        mode: Mode,
        reply: ReplyTo,
        outcome: Outcome,
        commit: bool,
    ) {
        let others: Vec<PartitionId> = passed.iter().copied().filter(|to| *to != self.id).collect();
        for (nth, to) in others.iter().enumerate() {
            if bugs::on(Bug::ReleaseMissing) && nth == 1 {
                continue;
            }
            let body = Body::Release(commit).encode();
            self.send(*to, Head::plain(Kind::Release, id), body);
        }
        self.release_here(id, commit);
        match passed.first() {
            Some(home) if *home != self.id => {
                let body = Body::Outcome(outcome.abridged()).encode();
                self.send(*home, Head::plain(Kind::Outcome, id), body);
            }
            _ if mode == Mode::Transaction => self.end(id, &outcome),
            _ => {}
        }
        self.effects.push(Effect::Answer(crate::frame::Reply {
            to: reply,
            txn: id,
            outcome,
        }));
    }

    /// Ends the locks of a transaction in this partition; on a commit its pending values become the
    /// committed ones. A transaction that holds nothing here is passed over.
    pub(super) fn release_here(&mut self, id: TxnId, commit: bool) {
        let Some(trail) = self.state.trails.get(&id).cloned() else {
            return;
        };
        self.set_trail(id, None);
        for group in trail.groups {
            match self.state.locks.get(&group).cloned() {
                Some(Lock::Exclusive { holder, pending }) if holder == id => {
                    self.set_lock(&group, None);
                    if commit || bugs::on(Bug::AbortKeepsPending) {
                        for (row, value) in pending {
                            self.set_row(&row, value);
                        }
                    }
                }
                Some(Lock::Shared(mut txns)) => {
                    txns.retain(|txn| *txn != id);
                    self.set_lock(&group, (!txns.is_empty()).then_some(Lock::Shared(txns)));
                }
                _ => {}
            }
            self.released.push_back(group);
        }
    }

    /// Makes a visit that has waited, unless it has waited for longer than its caller allows.
    fn go_on(&mut self, waiting: Waiting) -> Result<(), Halt> {
        let waited = self.state.scalars.clock.saturating_sub(waiting.since);
        let mut txn = waiting.txn;
        if txn.budget == 0 && bugs::on(Bug::DeadlineWithoutBudget) {
            txn.budget = 30;
        }
        if txn.budget != 0 {
            let left = u64::from(txn.budget).saturating_sub(waited);
            let Some(left) = u32::try_from(left).ok().filter(|left| *left > 0) else {
                let message = format!(
                    "it has waited in queues for longer than its {} ms",
                    txn.budget
                );
                self.abort(&txn, Fault::new(Class::Bound, "deadline", message));
                return Ok(());
            };
            txn.budget = left;
        }
        self.visit(txn, true)
    }

    /// Runs the visits that waited for what was released, in order, as far as they fit.
    pub(super) fn serve_released(&mut self) -> Result<(), Halt> {
        while let Some(group) = self.released.pop_front() {
            while let Some(queue) = self.state.queues.get(&group) {
                let Some(visit) = next_in(queue).and_then(|first| first.txn.visit()) else {
                    break;
                };
                if !fits(self.state.locks.get(&group), visit.access) {
                    break;
                }
                let Some(waiting) = self.dequeue(&group) else {
                    break;
                };
                self.go_on(waiting)?;
            }
        }
        Ok(())
    }
}

/// The visit to serve next: the one that has waited longest.
pub(super) fn next_in(queue: &VecDeque<Waiting>) -> Option<&Waiting> {
    if bugs::on(Bug::QueueOrderBroken) {
        return queue.back();
    }
    queue.front()
}

/// Whether one more access fits beside the lock.
fn fits(lock: Option<&Lock>, access: Access) -> bool {
    match lock {
        None => true,
        Some(Lock::Shared(_)) => access == Access::Shared,
        Some(Lock::Exclusive { .. }) => false,
    }
}

/// Pending values with the changed copies over them.
fn merge(
    mut pending: Vec<(RowKey, Option<Bytes>)>,
    copies: Copies,
) -> Vec<(RowKey, Option<Bytes>)> {
    for (key, copy) in copies {
        if !copy.is_changed() {
            continue;
        }
        match pending.binary_search_by(|(row, _)| row.cmp(&key)) {
            Ok(found) => pending[found].1 = copy.into_value(),
            Err(place) => pending.insert(place, (key, copy.into_value())),
        }
    }
    pending
}

/// Runs business logic; a panic is a refusal for its caller, nothing else. What it says is cut to what can
/// travel and be remembered.
fn guard<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // Whatever the logic had borrowed are copies, which are dropped with the refusal.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "no message".to_owned());
            Err(Fault::refusal(
                "panicked",
                format!("the handler panicked: {text}"),
            ))
        })
        .map_err(Fault::cut)
}
