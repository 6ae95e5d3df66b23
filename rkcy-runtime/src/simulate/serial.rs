//! The reference: one transaction at a time, one visit of a saga at a time, without locks, logs or
//! partitions.

use crate::codegen::{Class, Fault, TxnId};
use bytes::Bytes;
use rkcy_core::key::RowKey;
use rkcy_core::logic::{Call, Context, Logic, Row};
use rkcy_core::plan;
use rkcy_core::txn::{Answer, Args, Step, Txn};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What visits have made of rows.
pub(super) type Changes = BTreeMap<RowKey, Option<Bytes>>;

/// How a step is undone.
#[derive(Clone, Debug)]
struct Undo {
    row: RowKey,
    number: u16,
    op: u16,
    args: Bytes,
}

/// A saga on its way.
#[derive(Clone, Debug)]
struct Saga {
    txn: Txn,
    /// What is to be undone, the last first to go.
    undo: Vec<Undo>,
    turned: bool,
}

/// The world as it is between two events of the serial order.
pub(super) struct Serial<'a> {
    logic: &'a dyn Logic,
    pub(super) rows: BTreeMap<RowKey, Bytes>,
    sagas: BTreeMap<TxnId, Saga>,
    /// Rows that sagas have changed and may have to change back.
    pub(super) holds: BTreeMap<RowKey, BTreeSet<TxnId>>,
    /// Rows that were ever held. When a saga ends, its holds elsewhere last until that is heard of.
    held: BTreeMap<RowKey, BTreeSet<TxnId>>,
}

impl<'a> Serial<'a> {
    pub(super) fn new(logic: &'a dyn Logic) -> Serial<'a> {
        Serial {
            logic,
            rows: BTreeMap::new(),
            sagas: BTreeMap::new(),
            holds: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// Executes a transaction as if alone. `told` is the refusal that its caller has heard.
    ///
    /// # Errors
    /// Its refusal; nothing has changed.
    pub(super) fn execute(&mut self, txn: &Txn, told: Option<&Fault>) -> Result<Bytes, Fault> {
        let (mut txn, mut changes) = (txn.clone(), Changes::new());
        while txn.visit().is_some() {
            let (made, _) = self.visit(&mut txn, &changes, told)?;
            changes.extend(made);
            txn.next += 1;
            plan::check(&txn)
                .map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
        }
        let result = self.result(&txn)?;
        self.write(changes);
        Ok(result)
    }

    // ---- sagas

    /// The next visit of a saga takes effect.
    ///
    /// # Errors
    /// Its refusal.
    pub(super) fn take(&mut self, submitted: &Txn) -> Result<(), Fault> {
        let mut saga = self.saga(submitted);
        let (made, undo) = self.visit(&mut saga.txn, &Changes::new(), None)?;
        self.write(made);
        for undo in &undo {
            for holds in [&mut self.holds, &mut self.held] {
                let holders = holds.entry(undo.row.clone()).or_default();
                holders.insert(saga.txn.id);
            }
        }
        saga.undo.extend(undo);
        saga.txn.next += 1;
        self.sagas.insert(saga.txn.id, saga);
        Ok(())
    }

    /// A saga turns around; gives the refusal of its next visit, where that refuses. `told` is the one
    /// that its caller has heard.
    pub(super) fn turn(&mut self, submitted: &Txn, told: Option<&Fault>) -> Option<Fault> {
        let mut saga = self.saga(submitted);
        let mut tried = saga.txn.clone();
        let refusal = match tried.visit() {
            Some(_) => self.visit(&mut tried, &Changes::new(), told).err(),
            None => None,
        };
        saga.turned = true;
        self.sagas.insert(saga.txn.id, saga);
        refusal
    }

    /// The next step of a saga that has turned around is undone.
    ///
    /// # Errors
    /// Why it cannot be; nothing has changed.
    pub(super) fn undo(&mut self, id: TxnId) -> Result<(), Fault> {
        let made = self.undone(id, false)?;
        self.write(made);
        if let Some(saga) = self.sagas.get_mut(&id) {
            saga.undo.pop();
        }
        Ok(())
    }

    /// What undoing the next step of a saga changes. `lasting`: as if no hold had ended yet.
    ///
    /// # Errors
    /// Why it cannot be undone.
    pub(super) fn undone(&self, id: TxnId, lasting: bool) -> Result<Changes, Fault> {
        let nothing = || Fault::new(Class::Corrupt, "nothing_to_undo", "nothing is to be undone");
        let saga = self.sagas.get(&id).filter(|saga| saga.turned);
        let saga = saga.ok_or_else(nothing)?;
        let undo = saga.undo.last().ok_or_else(nothing)?;
        let mut copy = Row::new(self.rows.get(&undo.row).cloned());
        let call = Call {
            row: &undo.row,
            op: undo.op,
            args: &undo.args,
            context: Context::new(id, undo.number, &saga.txn.caller),
        };
        guard(|| self.logic.run(&call, &mut copy))?;
        let mut made = Changes::new();
        if copy.is_changed() {
            made.insert(undo.row.clone(), copy.into_value());
        }
        self.may_be_made(id, &made, lasting)?;
        Ok(made)
    }

    /// A saga ends: everything is done, or everything is undone. Gives its result, where it has one.
    ///
    /// # Errors
    /// What was left to do.
    pub(super) fn end(&mut self, submitted: &Txn) -> Result<Option<Result<Bytes, Fault>>, String> {
        let saga = self.saga(submitted);
        let id = saga.txn.id;
        self.sagas.remove(&id);
        self.holds.retain(|_, holders| {
            holders.remove(&id);
            !holders.is_empty()
        });
        match saga.turned {
            true if saga.undo.is_empty() => Ok(None),
            true => Err(format!("{} steps were not undone", saga.undo.len())),
            false if saga.txn.visit().is_none() && saga.txn.unplanned.is_empty() => {
                Ok(Some(self.result(&saga.txn)))
            }
            false => Err("it was on its way".to_owned()),
        }
    }

    /// A saga on its way, or at its beginning.
    fn saga(&self, submitted: &Txn) -> Saga {
        let known = self.sagas.get(&submitted.id).cloned();
        known.unwrap_or_else(|| Saga {
            txn: submitted.clone(),
            undo: Vec::new(),
            turned: false,
        })
    }

    // ---- visits

    /// Makes the steps of the next visit on copies; gives what they change and how that is undone.
    fn visit(
        &self,
        txn: &mut Txn,
        before: &Changes,
        told: Option<&Fault>,
    ) -> Result<(Changes, Vec<Undo>), Fault> {
        let (mut made, mut undo) = (Changes::new(), Vec::new());
        let Some(group) = txn.visit().map(|visit| visit.group.clone()) else {
            let message = "there is no visit to make";
            return Err(Fault::new(Class::Corrupt, "no_visit", message));
        };
        let at = usize::from(txn.next);
        while let Some(step) = self.next_step(txn, at)? {
            let row = step.row(&group).cloned().unwrap_or_else(|| group.clone());
            let changed = made.get(&row).or_else(|| before.get(&row));
            let value = changed.cloned();
            let mut copy = Row::new(value.unwrap_or_else(|| self.rows.get(&row).cloned()));
            let Args::Ready(args) = &step.args else {
                return Err(Fault::new(Class::Corrupt, "incomplete_step", "no payload"));
            };
            let call = Call {
                row: &row,
                op: step.op,
                args,
                context: Context::new(txn.id, step.number, &txn.caller),
            };
            let result = guard(|| self.logic.run(&call, &mut copy))?;
            if let Some(op) = step.undo {
                undo.push(Undo {
                    row: row.clone(),
                    number: step.number,
                    op,
                    args: args.clone(),
                });
            }
            if copy.is_changed() {
                made.insert(row, copy.into_value());
            }
            txn.note_done(step.number);
            txn.keep(step.number, result);
        }
        let lasting = told.is_some_and(|fault| fault.code == "in_use");
        self.may_be_made(txn.id, &made, lasting)?;
        Ok((made, undo))
    }

    /// What another saga holds is not deleted. A hold lasts a little longer than its saga, until that is heard
    /// of; `lasting`: as if it were there still.
    fn may_be_made(&self, txn: TxnId, made: &Changes, lasting: bool) -> Result<(), Fault> {
        let holds = match lasting {
            true => &self.held,
            false => &self.holds,
        };
        let deleted = made.iter().filter(|(_, value)| value.is_none());
        let held = |row: &RowKey| {
            let holders = holds.get(row);
            holders.is_some_and(|holders| holders.iter().any(|holder| *holder != txn))
        };
        match deleted.map(|(row, _)| row).find(|row| held(row)) {
            Some(row) => {
                let name = self.logic.concern_name(row.concern);
                let message = format!("a saga that is not through yet has changed this {name}");
                Err(Fault::refusal("in_use", message))
            }
            None => Ok(()),
        }
    }

    /// The next step of the visit `at`. Where anything is late, the body is asked before every step.
    fn next_step(&self, txn: &mut Txn, at: usize) -> Result<Option<Step>, Fault> {
        if txn.late {
            let rest = guard(|| self.logic.resume(txn))?;
            plan::revise(txn, rest, self.logic);
        }
        let steps = &mut txn.visits[at].steps;
        Ok((!steps.is_empty()).then(|| steps.remove(0)))
    }

    fn result(&self, txn: &Txn) -> Result<Bytes, Fault> {
        Ok(match txn.answer {
            Answer::Empty => Bytes::new(),
            Answer::Step(number) => txn.result(number).cloned().unwrap_or_default(),
            Answer::Late => guard(|| self.logic.resume(txn))?.answer.unwrap_or_default(),
        })
    }

    fn write(&mut self, changes: Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

/// Runs business logic; a panic is a refusal, as in the engine.
fn guard<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Fault::panicked("the handler", &*panic)))
        .map_err(Fault::cut)
}
