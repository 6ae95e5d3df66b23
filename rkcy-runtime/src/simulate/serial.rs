//! The reference: one transaction at a time, without locks, logs or partitions.

use crate::codegen::Fault;
use bytes::Bytes;
use rkcy_core::key::RowKey;
use rkcy_core::logic::{Call, Context, Logic, Row};
use rkcy_core::plan;
use rkcy_core::txn::{Answer, Args, Txn};
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
    while txn.visit().is_some() || !txn.unplanned.is_empty() {
        if txn.visit().is_none() {
            plan_rest(logic, &mut txn)?;
        }
        let Some(visit) = txn.visit().cloned() else {
            break;
        };
        for step in &visit.steps {
            let group = &visit.group;
            let value = changed
                .get(group)
                .cloned()
                .unwrap_or_else(|| rows.get(group).cloned());
            let mut row = Row::new(value);
            let late;
            let args = match &step.args {
                Args::Ready(args) => args,
                Args::Late => {
                    late = logic.args(&txn, step.number)?;
                    &late
                }
            };
            let context = Context::new(txn.id, step.number, &txn.caller);
            let result = logic.run(
                &Call {
                    row: group,
                    op: step.op,
                    args,
                    context,
                },
                &mut row,
            )?;
            if row.is_changed() {
                changed.insert(group.clone(), row.into_value());
            }
            txn.keep(step.number, result);
            let ready = |after: &Vec<u16>| after.iter().all(|step| txn.result(*step).is_some());
            let due: Vec<_> = txn
                .checks
                .iter()
                .filter(|check| ready(&check.after))
                .map(|c| c.number)
                .collect();
            for number in due {
                logic.check(&txn, number)?;
                txn.checks.retain(|check| check.number != number);
            }
        }
        txn.next += 1;
    }
    let result = match txn.answer {
        Answer::Empty => Bytes::new(),
        Answer::Step(number) => txn.result(number).cloned().unwrap_or_default(),
        Answer::Late => logic.answer(&txn)?,
    };
    for (key, value) in changed {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
    Ok(result)
}

fn plan_rest(logic: &dyn Logic, txn: &mut Txn) -> Result<(), Fault> {
    for nth in 0..txn.unplanned.len() {
        let waiting = &txn.unplanned[nth];
        if waiting.key.is_none() && waiting.after.iter().all(|step| txn.result(*step).is_some()) {
            let key = logic.key(txn, waiting.step.number)?;
            txn.unplanned[nth].key = Some(key);
        }
    }
    plan::extend(txn, logic)
        .map_err(|stuck| Fault::new(crate::codegen::Class::Invalid, "no_plan", stuck.to_string()))
}
