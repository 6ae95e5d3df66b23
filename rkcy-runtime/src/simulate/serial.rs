//! The reference: one transaction at a time, without locks, logs or partitions.

use crate::codegen::{Class, Fault};
use bytes::Bytes;
use rkcy_core::key::RowKey;
use rkcy_core::logic::{Call, Context, Logic, Row};
use rkcy_core::plan;
use rkcy_core::txn::{Answer, Args, Step, Txn};
use std::collections::BTreeMap;

/// Executes a transaction as if alone.
///
/// # Errors
/// Its refusal; `rows` is as it was.
pub(super) fn execute(
    logic: &dyn Logic,
    rows: &mut BTreeMap<RowKey, Bytes>,
    mut txn: Txn,
) -> Result<Bytes, Fault> {
    let mut changed: BTreeMap<RowKey, Option<Bytes>> = BTreeMap::new();
    while let Some(group) = txn.visit().map(|visit| visit.group.clone()) {
        let at = usize::from(txn.next);
        while let Some(step) = next_step(logic, &mut txn, at)? {
            let row = step.row(&group).cloned().unwrap_or_else(|| group.clone());
            let value = changed
                .get(&row)
                .cloned()
                .unwrap_or_else(|| rows.get(&row).cloned());
            let mut copy = Row::new(value);
            let Args::Ready(args) = &step.args else {
                return Err(Fault::new(Class::Corrupt, "incomplete_step", "no payload"));
            };
            let call = Call {
                row: &row,
                op: step.op,
                args,
                context: Context::new(txn.id, step.number, &txn.caller),
            };
            let result = logic.run(&call, &mut copy)?;
            if copy.is_changed() {
                changed.insert(row, copy.into_value());
            }
            txn.note_done(step.number);
            txn.keep(step.number, result);
        }
        txn.next += 1;
        plan::check(&txn)
            .map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
    }
    let result = match txn.answer {
        Answer::Empty => Bytes::new(),
        Answer::Step(number) => txn.result(number).cloned().unwrap_or_default(),
        Answer::Late => logic.resume(&txn)?.answer.unwrap_or_default(),
    };
    for (key, value) in changed {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
    Ok(result)
}

/// The next step of the visit `at`. Where anything is late, the body is asked before every step.
fn next_step(logic: &dyn Logic, txn: &mut Txn, at: usize) -> Result<Option<Step>, Fault> {
    if txn.late {
        let rest = logic.resume(txn)?;
        plan::revise(txn, rest, logic);
    }
    let steps = &mut txn.visits[at].steps;
    Ok((!steps.is_empty()).then(|| steps.remove(0)))
}
