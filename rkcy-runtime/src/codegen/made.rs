//! What the platform makes where a `create` leaves it out.
//!
//! Owns the values of `@auto` fields, and the way from the JSON of one operation to its plan.

use super::draft::{self, Origin};
use super::op;
use super::platform::{ConcernDesc, OpDesc};
use super::time::Timestamp;
use super::{ParamDesc, derived_uuid};
use bytes::Bytes;
use rkcy_core::fault::Fault;
use rkcy_core::key::Key;
use rkcy_core::txn::Txn;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// What a field is given that `create` leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auto {
    /// A uuid that is derived from the request and the name of the field: [`auto_uuid`].
    Uuid,
    /// The stamp of the submission.
    Now,
}

/// The uuid of an `@auto(uuid)` field of the instance whose key is, or would be, `derived`: the same when the
/// transaction is submitted again.
#[must_use]
pub fn auto_uuid(derived: Uuid, field: &str) -> Uuid {
    Uuid::new_v5(&derived, field.as_bytes())
}

/// A single operation, called alone, with the parameters of a JSON object. `@auto` fields that a `create` leaves out
/// are made; who repeats it with an idempotency key repeats it whatever was made meanwhile.
///
/// # Errors
/// Where the parameters or the key are none of the operation's.
pub fn operation(
    origin: Origin<'_>,
    concern: &ConcernDesc,
    op: &OpDesc,
    key: Key,
    params: Map<String, Json>,
) -> Result<Txn, Fault> {
    let (group, row) = concern.group_and_row(key)?;
    let left: Vec<(&ParamDesc, Auto)> = match op.number {
        op::CREATE => left_out(op.params, &params).collect(),
        _ => Vec::new(),
    };
    if left.is_empty() {
        let args = (op.args_from_json)(Json::Object(params))?;
        return draft::single(origin, group, row, op.number, op.access, args);
    }
    let derived = match origin.key {
        Some(key) => key.derived_uuid(),
        None => derived_uuid(origin.id, 0, 0),
    };
    let with_stamp = |now: Timestamp| -> Result<Bytes, Fault> {
        let mut all = params.clone();
        for (param, auto) in &left {
            let value = match auto {
                Auto::Uuid => auto_uuid(derived, param.name).to_string().into(),
                Auto::Now => now.to_string().into(),
            };
            all.insert(param.name.to_owned(), value);
        }
        (op.args_from_json)(Json::Object(all))
    };
    let args = with_stamp(Timestamp::from_millis(origin.id.stamp()))?;
    if origin.key.is_none() {
        return draft::single(origin, group, row, op.number, op.access, args);
    }
    // Another stamp makes no other request; one that gives the field does.
    let mut compared = with_stamp(Timestamp::from_micros(0))?.to_vec();
    for (param, _) in &left {
        compared.push(0);
        compared.extend_from_slice(param.name.as_bytes());
    }
    draft::single_compared(origin, group, row, op.number, op.access, args, &compared)
}

fn left_out<'p>(
    params: &'p [ParamDesc],
    given: &Map<String, Json>,
) -> impl Iterator<Item = (&'p ParamDesc, Auto)> {
    let left = params
        .iter()
        .filter(|param| !given.contains_key(param.name));
    left.filter_map(|param| Some((param, param.auto?)))
}
