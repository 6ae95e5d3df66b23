//! What a trace says, in the words of the schema: names, keys as text, payloads as JSON.

use crate::codegen::PlatformDesc;
use bytes::Bytes;
use rkcy_core::id::PartitionId;
use rkcy_core::key::RowKey;
use rkcy_core::keyed::is_of_keys;
use rkcy_core::txn::{Args, Outcome, Step, Txn, Visit};

/// The words of a platform.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(pub(super) &'static PlatformDesc);

impl Words {
    /// `Alpha/0`.
    pub(super) fn partition(self, id: PartitionId) -> String {
        self.0.partition_text(id)
    }

    /// `Alpha[key]`.
    pub(super) fn row(self, row: &RowKey) -> String {
        self.0.row_text(row)
    }

    /// `trade: Alpha[key].take {"amount":3}, then Beta[key].add {"amount":3}`.
    pub(super) fn txn(self, txn: &Txn) -> String {
        let visits: Vec<String> = txn.visits.iter().map(|visit| self.visit(visit)).collect();
        let late = match txn.unplanned.len() {
            0 => String::new(),
            steps => format!(", then {steps} steps that wait for results"),
        };
        format!(
            "{}{}{late}",
            self.name(txn)
                .map_or(String::new(), |name| format!("{name}: ")),
            visits.join(", then ")
        )
    }

    fn name(self, txn: &Txn) -> Option<&'static str> {
        self.0.numbered(txn.kind).map(|it| it.name)
    }

    fn visit(self, visit: &Visit) -> String {
        if is_of_keys(visit.at()) {
            return format!("with key {:?}", visit.group.key);
        }
        if visit.steps.is_empty() {
            return format!("lock {}", self.row(&visit.group));
        }
        let steps = visit.steps.iter().map(|step| self.step(visit, step));
        steps.collect::<Vec<_>>().join(" and ")
    }

    fn step(self, visit: &Visit, step: &Step) -> String {
        let row = step.row(&visit.group).unwrap_or(&visit.group);
        let op = self.0.op(row.concern, step.op);
        let args = match (&step.args, op) {
            (Args::Ready(args), Some(op)) => json((op.args_to_json)(args).ok()),
            _ => " (payload out of a result)".to_owned(),
        };
        format!("{}.{}{args}", self.row(row), op.map_or("?", |op| op.name))
    }

    /// How a transaction ended.
    pub(super) fn outcome(self, txn: Option<&Txn>, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Committed(Some(result)) => {
                let result = txn.and_then(|txn| self.result(txn, result));
                format!("committed{}", json(result))
            }
            Outcome::Committed(None) => "committed, read it".to_owned(),
            Outcome::Refused(fault) | Outcome::NotTaken(fault) => fault.to_string(),
            Outcome::Parked(fault) => format!("parked: {fault}"),
        }
    }

    fn result(self, txn: &Txn, result: &Bytes) -> Option<serde_json::Value> {
        if let Some(desc) = self.0.numbered(txn.kind) {
            return (desc.result_to_json)(result).ok();
        }
        let visit = txn.visits.iter().find(|visit| !is_of_keys(visit.at()))?;
        let step = visit.steps.first()?;
        let row = step.row(&visit.group)?;
        (self.0.op(row.concern, step.op)?.result_to_json)(result).ok()
    }
}

/// With a space in front; nothing where there is nothing to say.
fn json(value: Option<serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::Object(fields)) if fields.is_empty() => String::new(),
        Some(value) => format!(" {value}"),
    }
}
