//! What partitions know of transactions, and what went wrong, as JSON: the same over HTTP and on the command line.

use crate::codegen::{Bytes, PlatformDesc, Timestamp, Uuid};
use crate::driver::{Drained, Told};
use rkcy_core::drain::{self, InFlight};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{PartitionId, Position, TxnId};
use rkcy_core::key::RowKey;
use rkcy_core::status::{Fact, Status};
use rkcy_core::txn::{Args, Mode, Outcome, Txn};
use rkcy_core::wire::Wire;
use serde_json::{Value as Json, json};

/// A fault as JSON.
#[must_use]
pub fn fault_json(fault: &Fault) -> Json {
    json!({
        "class": fault.class.to_string(),
        "code": fault.code,
        "path": fault.path,
        "message": fault.message,
    })
}

/// How a transaction ended, as the audit of a partition tells it. Where the result is wanted and cannot be read, say of a
/// schema that has gone, that is told in its place.
pub(crate) fn finished(desc: &PlatformDesc, id: PartitionId, told: &Told, results: bool) -> Json {
    let finished = &told.finished;
    let kind = desc.numbered(finished.kind);
    let groups = finished.groups.iter().map(|group| desc.row_text(group));
    let result = match (&finished.outcome, kind) {
        (Outcome::Committed(Some(bytes)), Some(txn)) if results => (txn.result_to_json)(bytes),
        _ => Ok(Json::Null),
    };
    let (outcome, fault) = match &finished.outcome {
        Outcome::Committed(_) => ("committed", None),
        Outcome::Refused(fault) => ("refused", Some(fault)),
        Outcome::NotTaken(fault) => ("not taken", Some(fault)),
        Outcome::Parked(fault) => ("parked", Some(fault)),
    };
    let mut document = json!({
        "partition": desc.partition_text(id),
        "number": told.number,
        "id": told.txn.to_string(),
        "name": kind.map_or("a single operation", |txn| txn.name),
        "decided": Timestamp::from_millis(finished.decided).to_string(),
        "instances": groups.collect::<Vec<_>>(),
        "outcome": outcome,
        "error": fault.map(fault_json),
    });
    match result {
        Ok(result) => document["result"] = result,
        Err(fault) => document["unreadable"] = fault_json(&fault),
    }
    document
}

/// What partitions have told, by transaction, in the order of their ids.
pub(crate) fn by_transaction(
    desc: &PlatformDesc,
    told: &[(PartitionId, Status)],
) -> Vec<(TxnId, Vec<Json>)> {
    let mut sorted: Vec<&(PartitionId, Status)> = told.iter().collect();
    sorted.sort_by_key(|(partition, status)| (status.txn, *partition));
    let of_one = sorted.chunk_by(|one, other| one.1.txn == other.1.txn);
    of_one
        .filter_map(|of_one| {
            let (_, first) = of_one.first()?;
            let facts = of_one.iter();
            let facts = facts.map(|(partition, status)| fact(desc, *partition, &status.fact));
            Some((first.txn, facts.collect()))
        })
        .collect()
}

/// How far a drain has come.
pub(crate) fn drained(desc: &PlatformDesc, told: &Drained) -> Json {
    let sum = |of: fn(&InFlight) -> u64| told.partitions.iter().map(|(_, it)| of(it)).sum::<u64>();
    let partitions = told.partitions.iter().map(|(id, it)| {
        let mark = it.draining.map(Position::to_raw);
        json!({
            "partition": desc.partition_text(*id),
            "concern": id.concern.0,
            "index": id.index,
            "next": mark.map(|mark| mark.0),
            "nth": mark.map(|mark| mark.1),
        })
    });
    json!({
        "draining": told.partitions.iter().all(|(_, it)| it.draining.is_some()),
        "over": told.is_over,
        "in_flight": {
            "running": sum(|it| it.running),
            "waiting": sum(|it| it.waiting),
            "locked": sum(|it| it.locked),
            "parked": sum(|it| it.parked),
            "giving": sum(|it| it.giving),
            "on_the_way": drain::on_the_way(&told.partitions),
        },
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

/// The attempt of a saga that is parked, by what partitions have told of it.
pub(crate) fn parked_attempt(told: &[(PartitionId, Status)]) -> Option<u32> {
    told.iter().find_map(|(_, status)| match status.fact {
        Fact::Parked { attempt, .. } => Some(attempt),
        _ => None,
    })
}

/// A saga that is to be resumed is not parked.
pub(crate) fn not_parked(id: TxnId) -> Fault {
    Fault::refusal("not_parked", format!("{id} is not parked"))
}

/// A transaction that is to be cancelled had ended before.
pub(crate) fn cancelled_too_late() -> Fault {
    Fault::refusal("committed", "it was committed before it could be cancelled")
}

/// What the id of a caller is remembered with is no result of what is asked for with it now.
pub(crate) fn reused(id: TxnId) -> Fault {
    let message = format!("{id} was given for something else before, which has happened");
    Fault::new(Class::Invalid, "id_reused", message)
}

/// No partition knows a transaction.
pub(crate) fn unknown(id: TxnId) -> Fault {
    let message = format!("no partition knows {id}: it never was, or ended long ago");
    Fault::new(Class::Refusal, "unknown_id", message)
}

/// What a partition knows of a transaction, with `says`: the same in words.
fn fact(desc: &PlatformDesc, at: PartitionId, fact: &Fact) -> Json {
    let mut json = match fact {
        Fact::Runs => json!({ "state": "runs", "says": "began here and runs" }),
        Fact::Ended(outcome) => ended(outcome),
        Fact::Waits {
            group,
            ahead,
            since,
            txn,
        } => json!({
            "state": "waits",
            "says": format!("waits for {} since {since} ms, {ahead} in front of it", desc.row_text(group)),
            "group": desc.row_text(group),
            "ahead": ahead,
            "since_ms": since,
            "transaction": transaction(desc, txn),
        }),
        Fact::Passed {
            groups,
            holds,
            next,
        } => {
            let named = |rows: &[RowKey]| -> Vec<String> {
                rows.iter().map(|row| desc.row_text(row)).collect()
            };
            let (locks, holds) = (named(groups), named(holds));
            let next = next.map(|next| desc.partition_text(next));
            let went = next
                .as_deref()
                .map_or("stayed".to_owned(), |next| format!("went on to {next}"));
            json!({
                "state": "passed",
                "says": format!("{went}; has locked {locks:?}, holds {holds:?}"),
                "locks": locks,
                "holds": holds,
                "next": next,
            })
        }
        Fact::Parked {
            attempt,
            fault,
            txn,
        } => json!({
            "state": "parked",
            "says": format!("parked, attempt {attempt}: {fault}"),
            "attempt": attempt,
            "error": fault_json(fault),
            "transaction": transaction(desc, txn),
        }),
    };
    json["partition"] = desc.partition_text(at).into();
    json
}

fn ended(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Committed(_) => json!({ "state": "committed", "says": "is committed" }),
        Outcome::Refused(fault) => {
            json!({ "state": "refused", "says": fault.to_string(), "error": fault_json(fault) })
        }
        Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
            json!({ "state": "unknown", "says": fault.to_string(), "error": fault_json(fault) })
        }
    }
}

/// A transaction on its way: its visits, with payloads and results.
fn transaction(desc: &PlatformDesc, bytes: &Bytes) -> Json {
    let txn = match Txn::from_wire(bytes.clone()) {
        Ok(txn) => txn,
        Err(error) => return json!({ "unreadable": error.to_string() }),
    };
    let named = desc.numbered(txn.kind);
    let visits: Vec<Json> = (0_u16..)
        .zip(&txn.visits)
        .map(|(nth, visit)| {
            let steps: Vec<Json> = (visit.steps.iter())
                .map(|step| {
                    let row = step.row(&visit.group);
                    let op = row.and_then(|row| desc.op(row.concern, step.op));
                    let payload = match (&step.args, op) {
                        (Args::Ready(args), Some(op)) => (op.args_to_json)(args).ok(),
                        _ => None,
                    };
                    json!({
                        "step": step.number,
                        "instance": row.map(|row| desc.row_text(row)),
                        "operation": op.map_or_else(|| step.op.to_string(), |op| op.name.to_owned()),
                        "payload": payload,
                    })
                })
                .collect();
            json!({
                "group": desc.row_text(&visit.group),
                "made": nth < txn.next,
                "steps": steps,
            })
        })
        .collect();
    json!({
        "name": named.map_or("a single operation", |it| it.name),
        "mode": match txn.mode {
            Mode::Transaction => "transaction",
            Mode::Read => "read",
            Mode::GiveBack(_) => "give_back",
            Mode::Saga => "saga",
        },
        "stamp_ms": txn.id.stamp(),
        "visits": visits,
        "refused": txn.turned.as_ref().map(fault_json),
    })
}

/// A transaction id as a person writes it.
///
/// # Errors
/// [`Class::Invalid`] where it carries no stamp.
pub(crate) fn txn_id(text: &str) -> Result<TxnId, Fault> {
    let wrong = |why: String| {
        let message = format!("`{text}` is no transaction id: {why}");
        Fault::new(Class::Invalid, "wrong_id", message).at("id")
    };
    let uuid = Uuid::parse_str(text).map_err(|error| wrong(error.to_string()))?;
    match uuid.get_version_num() {
        7 => Ok(TxnId(uuid.into_bytes())),
        other => Err(wrong(format!(
            "a UUID of version 7 was expected, with the time in it, not version {other}"
        ))),
    }
}
