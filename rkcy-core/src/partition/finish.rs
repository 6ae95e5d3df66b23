//! The end of a transaction: releases, outcome, answer; and who asks for it.

use super::{Halt, Partition, keyed};
use crate::bugs::{self, Bug};
use crate::fault::{Class, Fault};
use crate::frame::{Body, Finished, Head, Kind};
use crate::id::{PartitionId, TxnId};
use crate::keyed::is_of_keys;
use crate::settings::{Audit, Settings};
use crate::state::{Asker, Giving, Known, Lock, Parked, Run};
use crate::txn::{Mode, Outcome, ReplyTo, Txn};
use bytes::Bytes;

/// What is known of a transaction when it ends.
struct Ending<'a> {
    id: TxnId,
    passed: &'a [PartitionId],
    remembered: bool,
    reply: ReplyTo,
    /// Absent where it could not be read.
    txn: Option<&'a Txn>,
}

impl Partition {
    /// Ends a transaction without effect.
    pub(super) fn abort(&mut self, txn: &Txn, fault: Fault) {
        self.finish_txn(txn, Outcome::Refused(fault), false);
    }

    /// Ends a transaction.
    pub(super) fn finish_txn(&mut self, txn: &Txn, outcome: Outcome, commit: bool) {
        let ending = Ending {
            id: txn.id,
            passed: &txn.passed(),
            remembered: txn.is_remembered(),
            reply: txn.reply,
            txn: Some(txn),
        };
        self.finish(&ending, outcome, commit);
    }

    /// Ends a transaction whose body cannot be read, by what its head says (rule 7). A saga is parked: only
    /// its body says how to undo what it did.
    pub(super) fn give_up(&mut self, head: &Head, fault: Fault, body: Bytes) {
        let ending = Ending {
            id: head.txn,
            passed: &head.passed,
            remembered: true,
            reply: head.reply,
            txn: None,
        };
        if head.saga {
            // No attempt at what cannot be read ever goes on, so it does not matter where they are counted from.
            let parked = Parked {
                attempt: 1,
                fault,
                txn: body,
                home: head.passed.first().copied(),
            };
            return self.keep_parked(head.txn, Some(head.reply), parked, None);
        }
        self.finish(&ending, Outcome::Refused(fault), false);
    }

    /// Releases every lock, tells the first partition and the caller.
    fn finish(&mut self, ending: &Ending<'_>, outcome: Outcome, commit: bool) {
        let here = self.id;
        // The partition of a key has nothing to release: it forgets the trail with the outcome.
        let others = (ending.passed.iter()).filter(|to| **to != here && !is_of_keys(**to));
        for (nth, to) in others.enumerate() {
            if bugs::on(Bug::ReleaseMissing) && nth == 1 {
                continue;
            }
            let body = Body::Release(commit).encode();
            self.send(*to, Head::plain(Kind::Release, ending.id), body);
        }
        self.release_here(ending.id, commit);
        if ending.remembered {
            self.note_in_audit(ending.id, ending.txn, &outcome);
        }
        let home = ending.passed.first().copied();
        let gives = (ending.txn)
            .filter(|txn| commit || txn.mode == Mode::Saga)
            .map_or(&[][..], |txn| &txn.gives);
        if !gives.is_empty() {
            if let Some(txn) = ending.txn {
                self.remember_running(txn);
            }
            let giving = Giving::of(gives, home, ending.reply, outcome);
            return self.give_all(ending.id, gives, giving);
        }
        if home.is_some_and(is_of_keys) {
            let told = keyed::told_at_home(&outcome, ending.txn);
            self.tell_home(ending.id, home, ending.remembered, &told);
        } else {
            self.tell_home(ending.id, home, ending.remembered, &outcome);
        }
        self.answer(ending.reply, ending.id, outcome);
    }

    /// Tells the audit how a transaction ended, where it is to know.
    pub(super) fn note_in_audit(&mut self, id: TxnId, txn: Option<&Txn>, outcome: &Outcome) {
        let wanted = match self.state.scalars.settings.audit {
            Audit::Off => false,
            Audit::Refused => !matches!(outcome, Outcome::Committed(_)),
            Audit::All => true,
        };
        if !wanted {
            return;
        }
        let mut groups = Vec::new();
        for visit in txn.iter().flat_map(|txn| &txn.visits) {
            if !groups.contains(&visit.group) && !is_of_keys(visit.at()) {
                groups.push(visit.group.clone());
            }
        }
        let finished = Finished {
            kind: txn.map_or(0, |txn| txn.kind),
            caller: txn.map(|txn| txn.caller.clone()).unwrap_or_default(),
            decided: self.state.scalars.clock,
            groups,
            outcome: outcome.clone(),
        };
        let head = Head::plain(Kind::Finished, id);
        self.send(self.id.audit(), head, Body::Finished(finished).encode());
    }

    /// Tells the partition that remembers the id; `None` where nothing was made yet, so it is this one.
    pub(super) fn tell_home(
        &mut self,
        id: TxnId,
        home: Option<PartitionId>,
        remembered: bool,
        outcome: &Outcome,
    ) {
        match home {
            Some(home) if home != self.id => {
                let body = Body::Outcome(outcome.abridged()).encode();
                self.send(home, Head::plain(Kind::Outcome, id), body);
            }
            _ if remembered => self.end(id, outcome),
            _ => {}
        }
    }

    /// Remembers how a transaction ended, and tells those who asked meanwhile. One that is parked has not
    /// ended.
    pub(super) fn end(&mut self, id: TxnId, outcome: &Outcome) {
        let run = self.state.ids.run(id).cloned().unwrap_or_default();
        if let Some(key) = &run.keyed {
            self.end_with_key(id, &run, key, outcome);
            if !matches!(outcome, Outcome::Parked(_)) && self.state.trails.contains_key(&id) {
                self.set_trail(id, None);
            }
        } else {
            for asker in run.asked {
                self.answer(asker.reply, asker.txn, outcome.clone());
            }
        }
        let known = match outcome {
            Outcome::Parked(_) => Some(Known::Running(Run {
                asked: Vec::new(),
                keyed: run.keyed,
            })),
            _ if bugs::on(Bug::IdForgottenEarly) => None,
            ended => Some(Known::Ended(keyed::refused(ended).abridged())),
        };
        self.set_id(id, known);
        // What is remembered of the outcome may be more than was counted while it ran; those that still
        // run were admitted, so they fit.
        let _ = self.make_room(0);
    }

    /// Notes who else wants to hear how a running transaction ends.
    pub(super) fn ask_for_end(&mut self, id: TxnId, mut run: Run, asker: Asker) {
        if run.asked.contains(&asker) {
            return;
        }
        if run.asked.len() >= ASKED {
            let message = format!("{ASKED} callers wait for its end already: ask again later");
            let fault = Fault::new(Class::Bound, "asked_too_often", message);
            return self.answer(asker.reply, asker.txn, Outcome::NotTaken(fault));
        }
        if let Err(fault) = self.make_room(Settings::REPLY_COST) {
            return self.answer(asker.reply, asker.txn, Outcome::NotTaken(fault));
        }
        run.asked.push(asker);
        self.set_id(id, Some(Known::Running(run)));
    }

    /// Ends the locks and holds of a transaction in this partition; on a commit its pending values become
    /// the committed ones. A transaction that has nothing here is passed over.
    pub(super) fn release_here(&mut self, id: TxnId, commit: bool) {
        let Some(trail) = self.state.trails.get(&id).cloned() else {
            return;
        };
        self.set_trail(id, None);
        for row in trail.holds {
            if bugs::on(Bug::DeleteWaitsForSaga) {
                let groups = self.state.queues.keys().cloned();
                self.released.extend(groups);
            }
            if let Some(mut holders) = self.state.holds.get(&row).cloned() {
                holders.retain(|holder| *holder != id);
                self.set_hold(&row, (!holders.is_empty()).then_some(holders));
            }
        }
        for group in trail.groups {
            match self.state.locks.get(&group).cloned() {
                Some(Lock::Exclusive {
                    holder, pending, ..
                }) if holder == id => {
                    self.set_lock(&group, None);
                    if commit || bugs::on(Bug::AbortKeepsPending) {
                        for (row, value) in pending {
                            self.commit_row(row, value);
                        }
                    }
                }
                Some(Lock::Shared(mut txns)) => {
                    txns.retain(|txn| *txn != id);
                    self.set_lock(&group, (!txns.is_empty()).then_some(Lock::Shared(txns)));
                }
                _ => {}
            }
            self.release_holds(id, &group, commit);
            self.released.push_back(group);
        }
    }

    /// A caller wants a transaction to end. Only the partition where it now is may refuse it; every one that
    /// it has passed knows where it went, so the request is always behind it. `reply` is absent where
    /// another partition has sent the request on.
    pub(super) fn cancel(&mut self, id: TxnId, reply: Option<ReplyTo>) -> Result<(), Halt> {
        if let Some(reply) = reply {
            match self.state.ids.get(id) {
                Some(Known::Ended(outcome)) => {
                    self.answer(reply, id, outcome);
                    return Ok(());
                }
                Some(Known::Running(run)) => {
                    self.ask_for_end(id, run, Asker { reply, txn: id });
                }
                None => {
                    let fault =
                        Fault::new(Class::Bound, "unknown_id", "no such transaction began here");
                    self.answer(reply, id, Outcome::NotTaken(fault));
                    return Ok(());
                }
            }
        }
        if let Some((group, place)) = self.state.waiting(id) {
            let group = group.clone();
            let undoes = self.state.queues[&group][place].txn.turned.is_some();
            if undoes {
                return Ok(());
            }
            let Some(waiting) = self.dequeue_at(&group, place) else {
                return Ok(());
            };
            return self.take_out(group, waiting, cancelled());
        }
        // Parked, it undoes: its trails may lead to where it came back from, and round again.
        if self.state.parked.contains_key(&id) {
            return Ok(());
        }
        if bugs::on(Bug::CancelWhereItPassed) && self.state.trails.contains_key(&id) {
            self.release_here(id, false);
            self.end(id, &Outcome::Refused(cancelled()));
            return Ok(());
        }
        if let Some(next) = self.state.trails.get(&id).and_then(|trail| trail.next) {
            self.send(next, Head::plain(Kind::Cancel, id), Body::Cancel.encode());
        }
        Ok(())
    }
}

fn cancelled() -> Fault {
    Fault::refusal("cancelled", "a caller has cancelled it")
}

/// So many callers may wait for the end of one transaction, beside the one who submitted it.
const ASKED: usize = 100;
