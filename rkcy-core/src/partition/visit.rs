//! A visit: queues, locks, steps, and the commit point.

use super::{Halt, Partition};
use crate::bugs::{self, Bug};
use crate::claim::{self, Claim, GiveBack, Referrer};
use crate::expect;
use crate::fault::{Class, Fault};
use crate::frame::{Head, Kind};
use crate::id::TxnId;
use crate::key::RowKey;
use crate::logic::{Call, Context, Row};
use crate::plan;
use crate::related::Views;
use crate::state::{Known, Lock, Run, Waiting};
use crate::txn::{Access, Answer, Args, Mode, Outcome, Step, Txn, Undo};
use crate::wire::Wire;
use bytes::Bytes;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Copies of rows of a group, while a visit runs on them.
pub(super) type Copies = BTreeMap<RowKey, Row>;

/// What the steps of a visit came to.
pub(super) struct Done {
    pub(super) copies: Copies,
    /// How the steps are undone; in a saga.
    undo: Vec<Undo>,
    /// References that were asked for.
    pub(super) holds: Vec<(RowKey, Referrer)>,
    /// What rows have lost.
    pub(super) gives: Vec<GiveBack>,
    /// Numbers of the steps; in a saga.
    steps: Vec<u16>,
}

/// Why a visit did not get through.
pub(super) enum Stopped {
    Cold(Vec<RowKey>),
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
            let late = matches!(txn.mode, Mode::GiveBack(_)) && bugs::on(Bug::GiveBackIgnoresLock);
            if !holds
                && !past
                && !late
                && !self.has_holds(txn.id, &group)
                && (others_wait || !fits(lock, access) || self.claims_must_wait(&txn)?)
            {
                return self.wait(group, txn);
            }
            was_waiting = false;
            // What undoes and is refused is parked as it came.
            let came = txn.turned.is_some().then(|| txn.clone());
            let went = match self.run_steps(&mut txn, &group) {
                Ok(done) => self.took_place(txn, group, access, done),
                Err(Stopped::Cold(rows)) => return Err(Halt::Cold(rows)),
                Err(Stopped::Refused(fault)) => self.refuse(came.unwrap_or(txn), fault),
            };
            match went {
                Some(here) => txn = here,
                None => return Ok(()),
            }
        }
    }

    /// The steps of a visit went through: commits, or goes on to the next visit. Gives the transaction back
    /// where that is in this partition.
    fn took_place(
        &mut self,
        mut txn: Txn,
        group: RowKey,
        access: Access,
        done: Done,
    ) -> Option<Txn> {
        let is_last = txn.visits.len() == usize::from(txn.next) + 1 && txn.unplanned.is_empty();
        if let Mode::GiveBack(back) = txn.mode {
            self.write_rows(done.copies);
            self.taken_back(txn.id, back);
            return None;
        }
        txn.gives.extend(done.gives);
        self.give_too_early(&mut txn);
        if txn.mode == Mode::Saga {
            for step in done.steps {
                // What was claimed for it is its row's from now on.
                txn.undo.retain(|undo| undo.claims_for != Some(step));
            }
            self.count_holds(done.holds);
            self.take_effect(&mut txn, done.copies, done.undo);
            if is_last {
                match txn.turned.clone() {
                    Some(fault) => self.abort(&txn, fault),
                    None => self.commit(txn, &group, Copies::new(), Vec::new()),
                }
                return None;
            }
            return match self.advance(&mut txn) {
                Ok(body) => self.go_to_next(txn, None, body),
                Err(fault) => self.turn_around(txn, fault),
            };
        }
        if is_last {
            self.commit(txn, &group, done.copies, done.holds);
            return None;
        }
        let body = match self.advance(&mut txn) {
            Ok(body) => body,
            Err(fault) => {
                self.abort(&txn, fault);
                return None;
            }
        };
        self.keep_pending(&txn, &group, access, done.copies);
        self.keep_holds(txn.id, &group, done.holds);
        self.go_to_next(txn, Some(group), body)
    }

    /// Moves on to the next visit, if it can be made and reached; gives what travels there, where that is in
    /// another partition.
    pub(super) fn advance(&mut self, txn: &mut Txn) -> Result<Option<Vec<u8>>, Fault> {
        txn.next += 1;
        plan::check(txn)
            .map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
        let limit = self.state.scalars.settings.visits;
        // No bound refuses what undoes: it would be left half undone.
        let visits = txn.visits.len() - usize::from(txn.has_key());
        if visits > usize::from(limit) && txn.may_be_refused() {
            let message = format!("a transaction makes at most {limit} visits");
            return Err(Fault::new(Class::Bound, "too_many_visits", message));
        }
        let body = self.body_of(txn);
        match &body {
            Some(body) if txn.may_be_refused() => self.fits_a_record(body.len())?,
            _ => {}
        }
        Ok(body)
    }

    /// The transaction as it travels, where its next visit is in another partition.
    pub(super) fn body_of(&self, txn: &Txn) -> Option<Vec<u8>> {
        let next = txn.visit()?.at();
        (next != self.id).then(|| txn.to_wire())
    }

    /// Leaves a trail and sends the transaction on; gives it back where its next visit is in this partition.
    /// `locked` is the group that it holds since the visit just made, `body` what [`Partition::body_of`] gives.
    pub(super) fn go_to_next(
        &mut self,
        txn: Txn,
        locked: Option<RowKey>,
        body: Option<Vec<u8>>,
    ) -> Option<Txn> {
        let next = txn.visit().map(crate::txn::Visit::at)?;
        self.remember_running(&txn);
        // Only partitions that have made a visit get the Release that ends a trail.
        if txn.made().iter().any(|visit| visit.at() == self.id) {
            let mut trail = self.state.trails.get(&txn.id).cloned().unwrap_or_default();
            if let Some(group) = locked.filter(|group| !trail.groups.contains(group)) {
                trail.groups.push(group);
            }
            trail.next = (next != self.id).then_some(next);
            self.set_trail(txn.id, Some(trail));
        }
        let Some(body) = body else {
            return Some(txn);
        };
        self.send(next, Head::of_txn(Kind::Visit, &txn), body);
        None
    }

    /// A visit was refused: a transaction ends, a saga turns around. Gives back what goes on here.
    pub(super) fn refuse(&mut self, txn: Txn, fault: Fault) -> Option<Txn> {
        match (txn.mode, &txn.turned) {
            (Mode::Saga, None) => return self.turn_around(txn, fault),
            (Mode::Saga, Some(_)) => self.park(&txn, fault),
            (Mode::Transaction | Mode::Read, _) => self.abort(&txn, fault),
            // Only what cannot be read refuses it.
            (Mode::GiveBack(_), _) => self.halt = Some(Halt::Unreadable(fault)),
        }
        None
    }

    /// Queues a visit behind those that wait for the group.
    fn wait(&mut self, group: RowKey, txn: Txn) -> Result<(), Halt> {
        let queue = self.state.queues.get(&group);
        let length = queue.map_or(0, |queue| queue.len() as u64);
        let limit = self.state.scalars.settings.queue;
        let halved = u64::from(limit) >> u32::from(bugs::on(Bug::QueueBoundHalved));
        let fits = if !txn.may_be_refused() && !bugs::on(Bug::BoundRefusesUndo) {
            // No bound refuses what undoes, or gives back.
            Ok(())
        } else if length >= halved && !bugs::on(Bug::QueueUnbounded) {
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
                return Ok(());
            }
            return match self.refuse(txn, fault) {
                Some(here) => self.visit(here, false),
                None => Ok(()),
            };
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
        Ok(())
    }

    /// From the moment it waits or travels, a copy of the transaction must be recognised.
    pub(super) fn remember_running(&mut self, txn: &Txn) {
        let new = txn.next == 0 || txn.home() == Some(self.id);
        if new && txn.is_remembered() && self.state.ids.get(txn.id).is_none() {
            self.set_id(txn.id, Some(Known::Running(Run::default())));
        }
    }

    /// Runs the steps of the visit on copies of the group's rows.
    fn run_steps(&mut self, txn: &mut Txn, group: &RowKey) -> Result<Done, Stopped> {
        let at = usize::from(txn.next);
        let mut steps = VecDeque::from(std::mem::take(&mut txn.visits[at].steps));
        let mut done = Done {
            copies: Copies::new(),
            undo: Vec::new(),
            holds: Vec::new(),
            gives: Vec::new(),
            steps: Vec::new(),
        };
        // Whether there is a result that the rest of the transaction does not know of yet.
        let mut news = false;
        loop {
            let wanted = match steps.front() {
                Some(step) => !step.is_complete() || is_check_ready(txn),
                None => has_rest(txn),
            };
            if news && wanted {
                txn.visits[at].steps = steps.into();
                self.revise(txn)?;
                steps = std::mem::take(&mut txn.visits[at].steps).into();
                news = false;
            }
            let Some(step) = steps.pop_front() else {
                break;
            };
            let row = match step.row(group) {
                Some(row) if step.is_complete() => row,
                _ => return Err(incomplete(&step).into()),
            };
            let Some(copy) = self.copy(&mut done.copies, txn.id, group, row) else {
                let mut cold = self.cold_rows(txn.id, group, row, &steps);
                cold.extend(self.cold_lists(row, step.op));
                return Err(Stopped::Cold(cold));
            };
            let result = if step.op == claim::op::HOLD {
                self.hold(&step, group, row, &mut done)?;
                Bytes::new()
            } else {
                let views = self.views(row, step.op)?;
                let result = self.run_step(txn, &step, row, copy, views)?;
                let gives = copy.take_gives();
                if txn.mode == Mode::Saga {
                    done.steps.push(step.number);
                    done.undo
                        .retain(|undo| undo.claims_for != Some(step.number));
                }
                self.take_back_here(txn, group, gives, &mut done)?;
                result
            };
            let undo = step.undo.or(step.claims_for.map(|_| step.op));
            if let (Some(op), Args::Ready(args)) = (undo, &step.args)
                && txn.mode == Mode::Saga
            {
                done.undo.push(Undo {
                    number: step.number,
                    visit: txn.next,
                    place: step.place.clone(),
                    op,
                    args: args.clone(),
                    claims_for: step.claims_for,
                });
            }
            if txn.late {
                txn.note_done(step.number);
            }
            if step.keep {
                txn.keep(step.number, result);
                news = txn.late;
            }
        }
        for (row, copy) in &done.copies {
            self.check_row(txn.id, row, copy)?;
            if copy.is_changed() && copy.value().is_none() {
                self.check_unreferred(txn, group, row, &done)?;
            }
        }
        Ok(done)
    }

    /// What a step has given back: a unique value of its own group goes with its row, all else when the
    /// transaction is committed.
    fn take_back_here(
        &mut self,
        txn: &Txn,
        group: &RowKey,
        gives: Vec<GiveBack>,
        done: &mut Done,
    ) -> Result<(), Stopped> {
        for give in gives {
            let Claim::Unique(owner) = give.claim.clone() else {
                done.gives.push(give);
                continue;
            };
            if give.group != *group {
                done.gives.push(give);
                continue;
            }
            let Some(copy) = self.copy(&mut done.copies, txn.id, group, &give.row) else {
                return Err(Stopped::Cold(vec![give.row]));
            };
            let args = owner.to_wire().into();
            if let Some(done) = claim::run(claim::op::GIVE_BACK, &args, copy, || "") {
                done?;
            }
        }
        Ok(())
    }

    /// Whether a transaction has asked for references in a group before.
    fn has_holds(&self, txn: TxnId, group: &RowKey) -> bool {
        !self.state.counted.of(group, txn).is_empty()
    }

    /// What a copy must fulfil to become the committed row.
    fn check_row(&self, txn: TxnId, row: &RowKey, copy: &Row) -> Result<(), Fault> {
        if !copy.is_changed() {
            return Ok(());
        }
        let name = || self.logic.concern_name(row.concern);
        let Some(value) = copy.value() else {
            let holders = self.state.holds.get(row);
            let held = holders.is_some_and(|holders| holders.iter().any(|holder| *holder != txn));
            if held && !bugs::on(Bug::HeldRowDeleted) {
                let message = format!("a saga that is not through yet has changed this {}", name());
                return Err(Fault::new(Class::Refusal, "in_use", message));
            }
            return Ok(());
        };
        let limit = self.state.scalars.settings.row_bytes;
        if value.len() > limit as usize {
            let message = format!("this {} would be larger than {limit} bytes", name());
            return Err(Fault::new(Class::Bound, "instance_too_large", message));
        }
        Ok(())
    }

    /// Plans the rest anew with the results so far; a `require` may refuse now.
    fn revise(&self, txn: &mut Txn) -> Result<(), Fault> {
        let rest = self.rest(txn)?;
        plan::revise(txn, rest, &*self.logic);
        Ok(())
    }

    /// What is left of a transaction, as its body tells.
    fn rest(&self, txn: &Txn) -> Result<crate::txn::Rest, Fault> {
        if txn.schema != self.logic.schema() {
            let message = "the schema has changed since it was submitted: submit it again";
            return Err(Fault::refusal("schema_changed", message));
        }
        self.guard(|| self.logic.resume(txn))
    }

    /// The copy of a row on which a visit runs; `None` where the row is not in memory.
    fn copy<'c>(
        &mut self,
        copies: &'c mut Copies,
        txn: TxnId,
        group: &RowKey,
        row: &RowKey,
    ) -> Option<&'c mut Row> {
        Some(match copies.entry(row.clone()) {
            Entry::Occupied(copy) => copy.into_mut(),
            Entry::Vacant(place) => place.insert(Row::new(self.value_for(txn, group, row)?)),
        })
    }

    /// What the transaction sees of a row: its own pending value, else the committed one; `None` where the
    /// row is not in memory.
    fn value_for(&mut self, txn: TxnId, group: &RowKey, row: &RowKey) -> Option<Option<Bytes>> {
        if let Some(pending) = self.pending(txn, group, row) {
            return Some(pending.clone());
        }
        self.rows.get(row).map(|row| row.value.clone())
    }

    /// What an earlier visit of the transaction has made of the row.
    fn pending(&self, txn: TxnId, group: &RowKey, row: &RowKey) -> Option<&Option<Bytes>> {
        match self.state.locks.get(group)? {
            Lock::Exclusive {
                holder, pending, ..
            } if *holder == txn && !bugs::on(Bug::ReentryFromCommitted) => {
                let found = pending.binary_search_by(|(key, _)| key.cmp(row)).ok()?;
                Some(&pending[found].1)
            }
            _ => None,
        }
    }

    /// The row that was missed, and those that the steps behind it will miss.
    fn cold_rows(
        &self,
        txn: TxnId,
        group: &RowKey,
        missed: &RowKey,
        steps: &VecDeque<Step>,
    ) -> Vec<RowKey> {
        let mut cold = vec![missed.clone()];
        for row in steps.iter().filter_map(|step| step.row(group)) {
            let there = self.rows.contains(row) || self.pending(txn, group, row).is_some();
            if !there && !cold.contains(row) {
                cold.push(row.clone());
            }
        }
        cold
    }

    fn run_step(
        &self,
        txn: &Txn,
        step: &Step,
        row: &RowKey,
        copy: &mut Row,
        views: Views,
    ) -> Result<Bytes, Fault> {
        let Args::Ready(args) = &step.args else {
            return Err(incomplete(step));
        };
        let name = || self.logic.concern_name(row.concern);
        if let Some(done) = claim::run(step.op, args, copy, name) {
            return done;
        }
        if let Some(compared) = expect::run(step.op, args, copy, name) {
            return compared;
        }
        let context = Context::new(txn.id, step.number, &txn.caller);
        let context = context.with_configs(&self.state.configs).with_views(views);
        let call = Call {
            row,
            op: step.op,
            args,
            context,
        };
        self.guard(|| self.logic.run(&call, copy))
    }

    /// Runs business logic; a panic is a refusal for its caller, nothing else. In an application that has
    /// ended its workers nothing is run, and the same said: whatever is to be done beside that is.
    fn guard<T>(&self, run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        if self.parked {
            let message = "the handler ended or blocked the process; it was given up";
            return Err(Fault::refusal("handler_died", message));
        }
        catch(run)
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
    fn keep_pending(&mut self, txn: &Txn, group: &RowKey, access: Access, copies: Copies) {
        if access == Access::Shared && bugs::on(Bug::SharedLockNotKept) {
            return;
        }
        if access == Access::Hold {
            return;
        }
        let counts = self.pending_counts(copies.keys().cloned().collect());
        for (row, copy) in copies.iter().filter(|(_, copy)| copy.is_changed()) {
            self.tell_too_early(row, copy.value());
        }
        let lock = match (self.state.locks.get(group).cloned(), access) {
            (Some(Lock::Shared(mut txns)), _) => {
                if let Err(place) = txns.binary_search(&txn.id) {
                    txns.insert(place, txn.id);
                }
                Lock::Shared(txns)
            }
            (None, Access::Shared | Access::Hold) => Lock::Shared(vec![txn.id]),
            (
                Some(Lock::Exclusive {
                    pending, deletes, ..
                }),
                _,
            ) => Lock::Exclusive {
                holder: txn.id,
                pending: merge(pending, copies),
                deletes,
            },
            (None, Access::Exclusive | Access::Delete) => Lock::Exclusive {
                holder: txn.id,
                pending: merge(counts, copies),
                deletes: access == Access::Delete,
            },
        };
        self.set_lock(group, Some(lock));
    }

    /// The commit point: the last visit went through.
    pub(super) fn commit(
        &mut self,
        txn: Txn,
        group: &RowKey,
        copies: Copies,
        holds: Vec<(RowKey, Referrer)>,
    ) {
        let result = match txn.answer {
            Answer::Empty => Ok(Bytes::new()),
            Answer::Step(number) => Ok(txn.result(number).cloned().unwrap_or_default()),
            Answer::Late => self.rest(&txn).and_then(|rest| {
                rest.answer.ok_or_else(|| {
                    let message = "the body of the transaction tells no result";
                    Fault::new(Class::Corrupt, "no_result", message)
                })
            }),
        };
        let result = match result {
            Ok(result) => result,
            Err(fault) if txn.mode == Mode::Saga => {
                // Nothing is undone for a result that cannot be told: what was asked for has been done.
                return self.finish_txn(&txn, Outcome::Refused(fault), true);
            }
            Err(fault) => return self.abort(&txn, fault),
        };
        if let Some(Lock::Exclusive {
            holder,
            pending,
            deletes,
        }) = self.state.locks.get(group)
            && *holder == txn.id
        {
            // Its own earlier visit: what that one left pending, with this one's changes over it.
            let lock = Lock::Exclusive {
                holder: txn.id,
                pending: merge(pending.clone(), copies),
                deletes: *deletes,
            };
            self.set_lock(group, Some(lock));
        } else {
            self.write_rows(copies);
        }
        self.count_holds(holds);
        self.finish_txn(&txn, Outcome::Committed(Some(result)), true);
    }

    /// Makes changed copies the committed rows.
    pub(super) fn write_rows(&mut self, copies: Copies) {
        for (key, copy) in copies {
            if copy.is_changed() {
                self.commit_row(key, copy.into_value());
            }
        }
    }

    /// Makes a visit that has waited.
    fn go_on(&mut self, waiting: Waiting) -> Result<(), Halt> {
        let waited = self.state.scalars.clock.saturating_sub(waiting.since);
        let mut txn = waiting.txn;
        if txn.budget == 0 && bugs::on(Bug::DeadlineWithoutBudget) {
            txn.budget = 30;
        }
        if txn.budget != 0 {
            // Who has waited for too long was taken out of the queue before.
            let left = u64::from(txn.budget).saturating_sub(waited).max(1);
            txn.budget = u32::try_from(left).unwrap_or(u32::MAX);
        }
        self.visit(txn, true)
    }

    /// Refuses the visits that have waited in queues for as long as their callers allow.
    pub(super) fn expire(&mut self) -> Result<(), Halt> {
        while let Some(due) = self.due.first() {
            if due.at > self.state.scalars.clock {
                break;
            }
            let due = due.clone();
            let queue = self.state.queues.get(&due.group);
            let place = queue.and_then(|queue| {
                (queue.iter()).position(|waiting| (waiting.at, waiting.nth) == due.queued)
            });
            let Some(waiting) = place.and_then(|place| self.dequeue_at(&due.group, place)) else {
                self.due.remove(&due);
                continue;
            };
            let budget = waiting.txn.budget;
            let message = format!("it has waited in queues for longer than its {budget} ms");
            let fault = Fault::new(Class::Bound, "deadline", message);
            self.take_out(due.group, waiting, fault)?;
        }
        Ok(())
    }

    /// Refuses a visit that was taken out of a queue; those behind it may fit now.
    pub(super) fn take_out(
        &mut self,
        group: RowKey,
        waiting: Waiting,
        fault: Fault,
    ) -> Result<(), Halt> {
        self.released.push_back(group);
        match self.refuse(waiting.txn, fault) {
            Some(here) => self.visit(here, false),
            None => Ok(()),
        }
    }

    /// Runs the visits that waited for what was released, in order, as far as they fit.
    pub(super) fn serve_released(&mut self) -> Result<(), Halt> {
        while let Some(group) = self.released.pop_front() {
            while let Some(queue) = self.state.queues.get(&group) {
                let Some(first) = next_in(queue) else {
                    break;
                };
                let Some(access) = first.txn.visit().map(|visit| visit.access) else {
                    break;
                };
                if !fits(self.state.locks.get(&group), access) {
                    break;
                }
                // Only where something is held here, or asked for, is there more to look at.
                let asks = access == Access::Hold || self.state.counted.is_asked(&group);
                if asks || bugs::on(Bug::DeleteWaitsForSaga) {
                    let txn = first.txn.clone();
                    if self.claims_must_wait(&txn)? {
                        break;
                    }
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
fn next_in(queue: &VecDeque<Waiting>) -> Option<&Waiting> {
    if bugs::on(Bug::QueueOrderBroken) {
        return queue.back();
    }
    queue.front()
}

/// Whether one more access fits beside the lock.
fn fits(lock: Option<&Lock>, access: Access) -> bool {
    match lock {
        None => true,
        Some(Lock::Shared(_)) => matches!(access, Access::Shared | Access::Hold),
        Some(Lock::Exclusive { deletes, .. }) => {
            access == Access::Hold && (!deletes || bugs::on(Bug::HoldBesideDelete))
        }
    }
}

/// Whether a `require` may be judged that could not before. Steps that it waits for may turn out not to be
/// made, as those of a loop over an empty list: only the body knows, so it is asked after any of them.
fn is_check_ready(txn: &Txn) -> bool {
    let is_done = |number: &u16| txn.done.binary_search(number).is_ok();
    txn.checks
        .iter()
        .any(|check| check.after.iter().any(is_done))
}

/// Whether anything may come behind the steps of the visit that is being made. Whatever may still turn out to
/// be made stands in the plan, so where nothing is left of it, nothing is left to ask the body for.
fn has_rest(txn: &Txn) -> bool {
    let later = txn.visits.len() > usize::from(txn.next) + 1;
    later || !txn.unplanned.is_empty() || !txn.checks.is_empty()
}

/// A step whose row or payload should be known by now.
fn incomplete(step: &Step) -> Fault {
    let message = format!("what step {} needs was never told", step.number);
    Fault::new(Class::Corrupt, "incomplete_step", message)
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

/// Catches panics of business logic. What it says is cut to what can travel and be remembered.
fn catch<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // Whatever the logic had borrowed are copies, which are dropped with the refusal.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Fault::panicked("the handler", &*panic)))
        .map_err(Fault::cut)
}
