//! Idempotency keys (rule 8): what a submission with a key meets, and what is kept of its transaction.
//!
//! A key is looked at in the first visit, which takes no lock: the partition of the key is the first of the
//! transaction, so it hears how that ends, whatever happens on the way. While the transaction runs, the key stands
//! beside its id in the small state. When it has ended, the key is a row, stored and evicted as any, until it has had
//! its time; then the row goes.

use super::{Halt, Partition};
use crate::bugs::{self, Bug};
use crate::fault::{Class, Fault};
use crate::id::TxnId;
use crate::key::{Key, RowKey};
use crate::keyed::{self, KEYS, Kept, Keyed, Page, Shelf};
use crate::settings::Settings;
use crate::state::{Asker, Known, Run};
use crate::txn::{Mode, Outcome, Txn};
use crate::wire::Wire;
use std::sync::Arc;

/// Pages of keys that one application clears at most: what it reads is bounded by that.
const PAGES: u64 = 8;

impl Partition {
    /// A submission with a key, whose id is not known here: runs, or hears of the one that has the key.
    pub(super) fn submit_with_key(&mut self, mut txn: Txn) -> Result<(), Halt> {
        let Some(keyed) = txn.keyed().filter(|_| txn.is_remembered()) else {
            let fault = Fault::new(Class::Invalid, "no_key", "not a submission with a key");
            self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
            return Ok(());
        };
        if let Err(fault) = self.is_not_ahead(txn.id) {
            self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
            return Ok(());
        }
        if self.is_answered_by_key(&txn, &keyed)? {
            return Ok(());
        }
        let room = Settings::ID_COST + Settings::KEY_COST;
        if let Err(fault) = self.make_room(room).and_then(|()| self.admit(txn.id)) {
            self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
            return Ok(());
        }
        let run = Run {
            asked: Vec::new(),
            keyed: Some(Box::new(keyed)),
        };
        self.set_id(txn.id, Some(Known::Running(run)));
        // The visit has been made; what is asked for does not travel.
        txn.visits[0].steps.clear();
        self.go_on_from_key(txn)
    }

    /// Whether the key itself is the answer: then that is given, or will be when its transaction has ended.
    fn is_answered_by_key(&mut self, txn: &Txn, keyed: &Keyed) -> Result<bool, Halt> {
        if let Err(fault) = self.is_not_too_old(txn.id) {
            // It may have run in an earlier life of the key, or have been answered then: only the one that ran last
            // can be told how it ended.
            let kept = self.kept(&keyed.row())?;
            let outcome = kept.filter(|kept| kept.txn == txn.id);
            let outcome = outcome.map_or(Outcome::NotTaken(fault), |kept| kept.outcome);
            self.answer(txn.reply, txn.id, outcome);
            return Ok(true);
        }
        if let Some((id, run)) = self.state.ids.with_key(&keyed.key)
            && !bugs::on(Bug::KeyRunsTwice)
        {
            let run = run.clone();
            if run.keyed.as_ref().is_some_and(|it| it.body == keyed.body) {
                let asker = Asker {
                    reply: txn.reply,
                    txn: txn.id,
                };
                self.ask_for_end(id, run, asker);
            } else {
                self.repeat(txn, Outcome::Refused(reused()));
            }
            return Ok(true);
        }
        let Some(kept) = self.kept(&keyed.row())? else {
            return Ok(false);
        };
        let is_same = kept.body == keyed.body || bugs::on(Bug::KeyForAnyBody);
        let outcome = match is_same {
            true => kept.outcome,
            false => Outcome::Refused(reused()),
        };
        self.repeat(txn, outcome);
        Ok(true)
    }

    /// Goes on from the first visit, which was to the key.
    fn go_on_from_key(&mut self, mut txn: Txn) -> Result<(), Halt> {
        if txn.visits.len() == 1 && txn.unplanned.is_empty() {
            // There is nothing to do.
            txn.next = 1;
            let group = txn.visits[0].group.clone();
            self.commit(txn, &group, super::visit::Copies::new(), Vec::new());
            return Ok(());
        }
        let went = match self.advance(&mut txn) {
            Ok(body) => self.go_to_next(txn, None, body),
            Err(fault) => self.refuse(txn, fault),
        };
        match went {
            Some(here) => self.visit(here, false),
            None => Ok(()),
        }
    }

    /// What is kept of a key that has not had its time.
    fn kept(&mut self, row: &RowKey) -> Result<Option<Kept>, Halt> {
        let Some(stored) = self.rows.get(row) else {
            return Err(Halt::Cold(vec![row.clone()]));
        };
        let kept = stored.value.clone().map(Kept::from_wire).transpose();
        let kept = kept.map_err(|broken| Halt::Unreadable(broken.into()))?;
        let life = self.state.scalars.settings.key_life;
        let early = u64::from(bugs::on(Bug::KeyForgottenEarly)) * (life / 2);
        Ok(kept.filter(|kept| self.state.scalars.clock + early < kept.until))
    }

    /// Answers a repeat, which has an id of its own: a copy of it that comes late must not run, so the id is
    /// remembered as that of any transaction that has ended.
    fn repeat(&mut self, txn: &Txn, outcome: Outcome) {
        let room = self.make_room(Settings::ID_COST);
        if let Err(fault) = room.and_then(|()| self.is_not_too_old(txn.id)) {
            return self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
        }
        self.set_id(txn.id, Some(Known::Ended(outcome.clone())));
        // The outcome may be more than was counted.
        let _ = self.make_room(0);
        self.answer(txn.reply, txn.id, outcome);
    }

    /// A transaction that has a key has ended: keeps the outcome for those who repeat it, unless nothing was done
    /// and the platform itself is why: then who repeats it may run.
    pub(super) fn end_with_key(&mut self, id: TxnId, run: &Run, keyed: &Keyed, outcome: &Outcome) {
        if let Outcome::NotTaken(_) = outcome {
            for asker in &run.asked {
                let told = match asker.txn == id {
                    true => refused(outcome),
                    false => outcome.clone(),
                };
                self.answer(asker.reply, asker.txn, told);
            }
            return;
        }
        for asker in &run.asked {
            self.answer(asker.reply, asker.txn, outcome.clone());
            if asker.txn != id && !matches!(outcome, Outcome::Parked(_)) {
                self.set_id(asker.txn, Some(Known::Ended(outcome.abridged())));
            }
        }
        if matches!(outcome, Outcome::Parked(_)) {
            return;
        }
        let scalars = &self.state.scalars;
        let until = scalars.clock.saturating_add(scalars.settings.key_life);
        let kept = Kept {
            until,
            body: keyed.body,
            txn: id,
            outcome: outcome.abridged(),
        };
        self.set_row(keyed.row(), Some(kept.to_wire().into()));
        self.shelve(keyed.key.clone(), until);
    }

    // ---- keys that have had their time

    /// Puts a key on the shelf.
    fn shelve(&mut self, key: Key, until: u64) {
        let shelf = Arc::make_mut(self.state.scalars.shelf.get_or_insert_default());
        if shelf.is_empty() {
            shelf.due = until;
        }
        shelf.last.push((key, until));
        if shelf.last.len() >= Shelf::PAGE {
            let page = std::mem::take(&mut shelf.last);
            let number = shelf.next;
            shelf.next += 1;
            let row = Shelf::row(self.id, number);
            self.set_row(row, Some(page.to_wire().into()));
        }
    }

    /// When the oldest keys may have had their time.
    pub(super) fn shelf_due(&self) -> Option<u64> {
        let shelf = self.state.scalars.shelf.as_ref()?;
        (!shelf.is_empty()).then_some(shelf.due)
    }

    /// Removes the rows of keys that have had their time, a few pages in one application.
    pub(super) fn clear_shelf(&mut self) -> Result<(), Halt> {
        let clock = self.state.scalars.clock;
        if self.shelf_due().is_none_or(|due| due > clock) {
            return Ok(());
        }
        let Some(mut shelf) = self.state.scalars.shelf.clone() else {
            return Ok(());
        };
        let shelf = Arc::make_mut(&mut shelf);
        let (over, later) = self.had_their_time(shelf)?;
        let keys = over.iter().flatten();
        self.must_be_here(keys.map(|(key, _)| key_row(key)))?;
        for page in &over {
            for (key, until) in page {
                let row = key_row(key);
                // A key that was used again stands on another page as well.
                if self.row_until(&row)? == Some(*until) {
                    self.set_row(row, None);
                }
            }
            if shelf.first < shelf.next {
                self.set_row(Shelf::row(self.id, shelf.first), None);
                shelf.first += 1;
            } else {
                shelf.last.clear();
            }
        }
        // It is another moment each time, since a driver lets time pass for each but once.
        shelf.due = later.unwrap_or(0).max(shelf.due + 1);
        self.state.scalars.shelf = Some(Arc::new(shelf.clone()));
        Ok(())
    }

    /// The oldest pages all of whose keys have had their time, a few at most; and when that holds for the one behind
    /// them, where that is known.
    fn had_their_time(&mut self, shelf: &Shelf) -> Result<(Vec<Page>, Option<u64>), Halt> {
        let clock = self.state.scalars.clock;
        let numbers = shelf.first..shelf.next.min(shelf.first + PAGES);
        let rows = numbers.clone().map(|number| Shelf::row(self.id, number));
        self.must_be_here(rows.clone())?;
        let mut over = Vec::new();
        for row in rows {
            let stored = self.rows.get(&row).and_then(|row| row.value.clone());
            let page = stored.map(Page::from_wire).transpose();
            let page = page.map_err(|broken| Halt::Unreadable(broken.into()))?;
            let page = page.unwrap_or_default();
            let until = keyed::all_until(&page);
            if until > clock {
                return Ok((over, Some(until)));
            }
            over.push(page);
        }
        if numbers.end < shelf.next || shelf.last.is_empty() {
            return Ok((over, None));
        }
        let until = keyed::all_until(&shelf.last);
        if until > clock {
            return Ok((over, Some(until)));
        }
        over.push(shelf.last.clone());
        Ok((over, None))
    }

    /// Until when a key has its row, which is in memory.
    fn row_until(&mut self, row: &RowKey) -> Result<Option<u64>, Halt> {
        let stored = self.rows.get(row).and_then(|row| row.value.clone());
        let kept = stored.map(Kept::from_wire).transpose();
        let kept = kept.map_err(|broken| Halt::Unreadable(broken.into()))?;
        Ok(kept.map(|kept| kept.until))
    }

    /// Asks for the rows that are not in memory.
    fn must_be_here(&self, rows: impl Iterator<Item = RowKey>) -> Result<(), Halt> {
        let mut cold: Vec<RowKey> = rows.filter(|row| !self.rows.contains(row)).collect();
        cold.sort_unstable();
        cold.dedup();
        match cold.is_empty() {
            true => Ok(()),
            false => Err(Halt::Cold(cold)),
        }
    }
}

/// What the partition of a key hears, where its transaction has ended like this. One that was refused by the platform,
/// not by the logic, has left nothing, so the key is as good as new: it is told that it was not taken. A saga may
/// have left something that no step undoes, unless it was refused at once.
pub(super) fn told_at_home(outcome: &Outcome, txn: Option<&Txn>) -> Outcome {
    let has_left = |txn: &Txn| txn.mode == Mode::Saga && txn.made().len() > 1;
    let by_logic = |fault: &Fault| {
        matches!(fault.class, Class::Refusal | Class::Invalid) && fault.code != "schema_changed"
    };
    match outcome {
        Outcome::Refused(fault)
            if !by_logic(fault) && !txn.is_some_and(has_left) && !bugs::on(Bug::KeyKeepsBound) =>
        {
            Outcome::NotTaken(fault.clone())
        }
        other => other.clone(),
    }
}

/// What the id itself is remembered by, of a transaction that has left nothing: no copy of it will run.
pub(super) fn refused(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::NotTaken(fault) => Outcome::Refused(fault.clone()),
        other => other.clone(),
    }
}

fn key_row(key: &Key) -> RowKey {
    RowKey {
        concern: KEYS,
        key: key.clone(),
    }
}

fn reused() -> Fault {
    let message = "the key was used before, and for something else";
    Fault::refusal("key_reused", message)
}
