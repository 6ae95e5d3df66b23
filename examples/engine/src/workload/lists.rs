//! Appends to logs, reads of them, and whether all that callers heard can have happened one after the other.

use crate::generated::txn::{
    AppendAndRead, AppendBoth, AppendBothLoosely, Make, ReadAndAppend, ReadBoth, ReadBothLoosely,
};
use crate::generated::{Alpha, AlphaAppend, Beta, Logs};
use rand::RngExt;
use rkcy_runtime::codegen::{
    Args, Bytes, Concern, Fault, KeyPart, Ref, RowKey, Step, Transaction, Txn, decode, op,
};
use rkcy_runtime::simulate::history::{self, Attempt, Op};
use rkcy_runtime::simulate::{Call, Request, World};

/// Logs of each concern, so that each is written and read by many.
const LISTS: usize = 3;

/// A transaction on two logs. Its entry is unique in a run.
///
/// # Errors
/// Where it cannot be planned.
pub fn next(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let Some((x, y, entry)) = contended(nth, request) else {
        return request.transaction(&Make { n: 0 });
    };
    match request.rng.random_range(0..10) {
        0..2 => request.transaction(&AppendBoth { x, y, entry }),
        2..4 => request.transaction(&AppendAndRead { y, x, entry }),
        4..6 => request.transaction(&ReadAndAppend { y, x, entry }),
        6..8 => request.transaction(&ReadBoth { x, y }),
        8 => request.single::<Alpha>(x.key(), "get", Bytes::new()),
        _ => request.single::<Beta>(y.key(), "get", Bytes::new()),
    }
}

/// The same by sagas, which others may see half done.
///
/// # Errors
/// Where it cannot be planned.
pub fn next_loosely(nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
    let Some((x, y, entry)) = contended(nth, request) else {
        return request.transaction(&Make { n: 0 });
    };
    match request.rng.random_bool(0.5) {
        true => request.transaction(&AppendBothLoosely { x, y, entry }),
        false => request.transaction(&ReadBothLoosely { y, x }),
    }
}

/// Two of the few instances whose logs are used, and an entry that nobody else appends.
fn contended(nth: usize, request: &mut Request<'_>) -> Option<(Ref<Alpha>, Ref<Beta>, i64)> {
    let x = one_of_few::<Alpha>(request)?;
    let y = one_of_few::<Beta>(request)?;
    Some((x, y, i64::try_from(nth).ok()?))
}

fn one_of_few<C: Concern>(request: &mut Request<'_>) -> Option<Ref<C>> {
    let known = request.keys.get(&C::ID)?;
    let nth = request.rng.random_range(0..LISTS.min(known.len()));
    let key = C::Key::decode_key(&mut known.get(nth)?.as_bytes())?;
    Some(Ref::new(key))
}

/// Judges what callers heard of logs.
///
/// # Errors
/// The first anomaly, in words.
pub fn judge(world: &World) -> Result<(), String> {
    let history = history(world)?;
    match history::check(&history).first() {
        None => Ok(()),
        Some(anomaly) => {
            let told = anomaly.attempts.iter();
            let told = told.map(|nth| format!("#{nth} is {:?}", history[*nth]));
            Err(format!(
                "{anomaly}; {}",
                told.collect::<Vec<_>>().join(", ")
            ))
        }
    }
}

/// What callers did to logs and heard of it.
///
/// # Errors
/// Where a result cannot be read.
pub fn history(world: &World) -> Result<Vec<Attempt<RowKey>>, String> {
    let attempts = world.calls().iter().map(attempt);
    attempts.filter_map(Result::transpose).collect()
}

/// `None` where the call is not about logs.
fn attempt(call: &Call) -> Result<Option<Attempt<RowKey>>, String> {
    let result = call.result.as_ref();
    let mut read = match call.txn.kind {
        // A single read.
        0 => match steps(call).first() {
            Some((row, step)) if step.op == op::GET => log_of(row, result)?.into_iter(),
            _ => return Ok(None),
        },
        AppendBoth::NUMBER | AppendBothLoosely::NUMBER => Vec::new().into_iter(),
        AppendAndRead::NUMBER
        | ReadAndAppend::NUMBER
        | ReadBoth::NUMBER
        | ReadBothLoosely::NUMBER => logs(result)?.into_iter(),
        _ => return Ok(None),
    };
    let mut ops = Vec::new();
    for (list, step) in steps(call) {
        let list = list.clone();
        ops.push(match (&step.args, step.op) {
            (_, op::GET) => Op::Read {
                list,
                entries: read.next(),
            },
            // Those of both concerns have the same fields.
            (Args::Ready(args), _) => Op::Append {
                list,
                entry: decode::<AlphaAppend>(args).map_err(words)?.entry,
            },
            (Args::Late, _) => return Err("an entry that is not known".to_owned()),
        });
    }
    Ok(Some(Attempt {
        asked: call.asked,
        heard: call.heard,
        ops,
    }))
}

/// All steps, in written order.
fn steps(call: &Call) -> Vec<(&RowKey, &Step)> {
    let visits = call.txn.visits.iter();
    let mut steps: Vec<_> = visits
        .flat_map(|visit| visit.steps.iter().map(|step| (&visit.group, step)))
        .collect();
    steps.sort_by_key(|(_, step)| step.number);
    steps
}

/// The logs that a transaction told.
fn logs(result: Option<&Bytes>) -> Result<Vec<Vec<i64>>, String> {
    let logs: Option<Logs> = result.map(decode).transpose().map_err(words)?;
    Ok(logs.map_or_else(Vec::new, |logs| vec![logs.first, logs.second]))
}

/// The log of an instance that was read.
fn log_of(row: &RowKey, result: Option<&Bytes>) -> Result<Vec<Vec<i64>>, String> {
    let Some(bytes) = result else {
        return Ok(Vec::new());
    };
    let log = match row.concern == Alpha::ID {
        true => decode::<Alpha>(bytes).map(|alpha| alpha.log),
        false => decode::<Beta>(bytes).map(|beta| beta.log),
    };
    log.map(|log| vec![log]).map_err(words)
}

fn words(fault: Fault) -> String {
    fault.to_string()
}
