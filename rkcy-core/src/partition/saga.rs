//! Sagas: every visit takes effect at once; a refusal undoes what was done, last first.
//!
//! Owns what differs from a transaction: effects without locks, holds, the turn, and parking. A saga that
//! has turned around travels as a list of visits of one undo each.

use super::visit::Copies;
use super::{Effect, Halt, Partition, SagaEvent};
use crate::bugs::{self, Bug};
use crate::fault::{Class, Fault};
use crate::id::TxnId;
use crate::state::Parked;
use crate::txn::{Access, Answer, Args, Outcome, ReplyTo, Step, Txn, Undo, Visit};
use crate::wire::Wire;
use bytes::Bytes;

impl Partition {
    /// The steps of a visit went through: their effects are committed, and what can be undone is held.
    pub(super) fn take_effect(&mut self, txn: &mut Txn, copies: Copies, undo: Vec<Undo>) {
        self.write_rows(copies);
        let event = match txn.turned {
            None => SagaEvent::Took,
            Some(_) => SagaEvent::Undid,
        };
        self.effects.push(Effect::Saga(txn.id, event));
        let Some(group) = txn.visit().map(|visit| visit.group.clone()) else {
            return;
        };
        if undo.is_empty() {
            return;
        }
        let (claims, undo): (Vec<_>, Vec<_>) =
            (undo.into_iter()).partition(|undo| undo.claims_for.is_some());
        txn.undo.extend(claims);
        if undo.is_empty() {
            return;
        }
        let mut trail = self.state.trails.get(&txn.id).cloned().unwrap_or_default();
        let held = undo.iter().filter(|_| !bugs::on(Bug::NoHolds));
        for row in held.filter_map(|undo| undo.place.row(&group)) {
            let mut holders = self.state.holds.get(row).cloned().unwrap_or_default();
            if let Err(place) = holders.binary_search(&txn.id) {
                holders.insert(place, txn.id);
                self.set_hold(row, Some(holders));
                trail.holds.push(row.clone());
            }
        }
        self.set_trail(txn.id, Some(trail));
        txn.undo.extend(undo);
    }

    /// A step was refused: goes back. Gives the saga back where the first undo is in this partition.
    pub(super) fn turn_around(&mut self, mut txn: Txn, fault: Fault) -> Option<Txn> {
        self.effects.push(Effect::Saga(txn.id, SagaEvent::Turned));
        super::claim::unused_claims(&mut txn);
        if txn.undo.is_empty() {
            self.abort(&txn, fault);
            return None;
        }
        txn.visits.truncate(usize::from(txn.next));
        let mut undo = std::mem::take(&mut txn.undo);
        if !bugs::on(Bug::UndoInWrittenOrder) {
            undo.reverse();
        }
        for undo in undo {
            let made = &txn.visits[usize::from(undo.visit)];
            let visit = Visit {
                group: made.group.clone(),
                partition: made.partition,
                access: Access::Delete,
                steps: vec![Step {
                    number: undo.number,
                    place: undo.place,
                    op: undo.op,
                    args: Args::Ready(undo.args),
                    keep: false,
                    sure: true,
                    undo: None,
                    claims_for: None,
                }],
            };
            txn.visits.push(visit);
        }
        txn.turned = Some(fault);
        txn.late = false;
        txn.answer = Answer::Empty;
        (txn.unplanned, txn.checks, txn.results) = (Vec::new(), Vec::new(), Vec::new());
        (txn.done, txn.params) = (Vec::new(), Bytes::new());
        let body = self.body_of(&txn);
        self.go_to_next(txn, None, body)
    }

    /// An undo could not be made: the saga waits for an operator.
    pub(super) fn park(&mut self, txn: &Txn, fault: Fault) {
        self.effects.push(Effect::Saga(txn.id, SagaEvent::Parked));
        let parked = Parked {
            attempt: txn.attempt + 1,
            fault,
            txn: txn.to_wire().into(),
            home: txn.home(),
        };
        self.keep_parked(txn.id, Some(txn.reply), parked, Some(txn));
    }

    /// Keeps a parked saga, and says so to its caller, where that is known, and to those who ask.
    pub(super) fn keep_parked(
        &mut self,
        id: TxnId,
        reply: Option<ReplyTo>,
        parked: Parked,
        txn: Option<&Txn>,
    ) {
        let message = format!("it waits for an operator: {}", parked.fault);
        let told = Outcome::Parked(Fault::new(Class::Bound, "parked", message).cut());
        let home = parked.home;
        self.set_parked(id, Some(parked));
        self.note_in_audit(id, txn, &told);
        self.tell_home(id, home, true, &told);
        if let Some(reply) = reply {
            self.answer(reply, id, told);
        }
    }

    /// An operator lets a parked saga go on. `attempt` names what was parked, so that asking twice resumes
    /// once.
    pub(super) fn resume(&mut self, id: TxnId, attempt: u32, reply: ReplyTo) -> Result<(), Halt> {
        let parked = self.state.parked.get(&id).cloned();
        let Some(parked) = parked
            .filter(|parked| parked.attempt == attempt || bugs::on(Bug::ResumeWithoutAttempt))
        else {
            let message = format!("attempt {attempt} of this saga is not parked here");
            let fault = Fault::refusal("not_parked", message);
            self.answer(reply, id, Outcome::Refused(fault));
            return Ok(());
        };
        match Txn::from_wire(parked.txn.clone()) {
            Ok(mut txn) => {
                self.answer(reply, id, Outcome::Committed(Some(Bytes::new())));
                self.set_parked(id, None);
                txn.attempt = attempt;
                if bugs::on(Bug::UndoneTwice) {
                    let again = txn.visits[usize::from(txn.next)].clone();
                    txn.visits.push(again);
                }
                self.visit(txn, false)
            }
            Err(unreadable) => {
                let fault = Fault::from(unreadable);
                self.answer(reply, id, Outcome::Refused(fault.clone()));
                let parked = Parked {
                    attempt: attempt + 1,
                    fault,
                    ..parked
                };
                self.keep_parked(id, None, parked, None);
                Ok(())
            }
        }
    }
}
