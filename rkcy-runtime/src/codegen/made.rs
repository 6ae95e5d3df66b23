//! What the platform makes where a `create` leaves it out.
//!
//! Owns the values of `@auto` fields, and the way from the JSON of one operation to its plan.

use super::draft::{self, Origin};
use super::op;
use super::platform::{ConcernDesc, OpDesc};
use super::proto::{self, LeftOut, Made};
use super::time::Timestamp;
use super::{ParamDesc, derived_uuid, put};
use bytes::Bytes;
use prost::encoding::sfixed64;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::key::{Key, RowKey};
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
    let names: Vec<&str> = left.iter().map(|(param, _)| param.name).collect();
    let derived = derived_key(&origin);
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
    planned(origin, (group, row), op, args, &names, with_stamp)
}

/// The same with a request in protobuf. Where it is `whole`, a `create` leaves nothing out: what is not there is zero, or
/// absent.
///
/// # Errors
/// Where it is none of the operation's.
pub(crate) fn operation_from_wire(
    origin: Origin<'_>,
    concern: &ConcernDesc,
    op: &OpDesc,
    request: Bytes,
    whole: bool,
) -> Result<Txn, Fault> {
    if op.number != op::CREATE {
        let (group, row) = concern.group_and_row((concern.key_from_wire)(&request)?)?;
        let args = (op.args_from_wire)(proto::within(&request, proto::PAYLOAD)?)?;
        return draft::single(origin, group, row, op.number, op.access, args);
    }
    let given = proto::numbers(&request)?;
    let is_left = |it: &&LeftOut| !whole && !given.contains(&it.number);
    let left: Vec<&LeftOut> = op.left_out.iter().filter(is_left).collect();
    let derived = derived_key(&origin);
    let mut known = request.to_vec();
    for field in &left {
        match field.made {
            Made::Default(encoded) => known.extend_from_slice(encoded),
            Made::Key => known.extend(proto::field(field.number, &put(&derived))),
            Made::Auto(Auto::Uuid, name) => {
                let uuid = put(&auto_uuid(derived, name));
                known.extend(proto::field(field.number, &uuid));
            }
            Made::Auto(Auto::Now, _) => {}
            Made::Nothing(name) => {
                return Err(Fault::new(Class::Invalid, "missing_field", "is missing").at(name));
            }
        }
    }
    let with_stamp = |now: Timestamp| -> Result<Bytes, Fault> {
        let mut all = known.clone();
        for field in &left {
            if let Made::Auto(Auto::Now, _) = field.made {
                sfixed64::encode(field.number, &now.as_micros(), &mut all);
            }
        }
        (op.args_from_wire)(all.into())
    };
    let names = left.iter().filter_map(|field| match field.made {
        Made::Auto(_, name) => Some(name),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    let args = with_stamp(Timestamp::from_millis(origin.id.stamp()))?;
    let place = concern.group_and_row((concern.key_of_instance)(&args)?)?;
    planned(origin, place, op, args, &names, with_stamp)
}

/// The key of what is created without one: the same, however often it is asked for.
fn derived_key(origin: &Origin<'_>) -> Uuid {
    match origin.key {
        Some(key) => key.derived_uuid(),
        None => derived_uuid(origin.id, 0, 0),
    }
}

/// An operation whose arguments depend on the stamp of the submission in the fields with these names.
fn planned(
    origin: Origin<'_>,
    (group, row): (RowKey, RowKey),
    op: &OpDesc,
    args: Bytes,
    made: &[&str],
    with_stamp: impl Fn(Timestamp) -> Result<Bytes, Fault>,
) -> Result<Txn, Fault> {
    if made.is_empty() || origin.key.is_none() {
        return draft::single(origin, group, row, op.number, op.access, args);
    }
    // Another stamp makes no other request; one that gives the field does.
    let mut compared = with_stamp(Timestamp::from_micros(0))?.to_vec();
    for name in made {
        compared.push(0);
        compared.extend_from_slice(name.as_bytes());
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
