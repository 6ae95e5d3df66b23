//! From the JSON of a request to a planned transaction.
//!
//! Owns how the key of a new instance is found, and how an argument in a query string is read.

use crate::codegen::{
    self, ConcernDesc, Fault, Kind, OpDesc, ParamDesc, Shape, Times, TransactionDesc, Txn, TxnId,
    Uuid,
};
use crate::driver::Client;
use rkcy_core::fault::Class;
use rkcy_core::key::Key;
use serde_json::{Map, Value as Json};

/// One operation on one instance, planned.
pub(super) fn operation(
    client: &Client,
    id: TxnId,
    concern: &ConcernDesc,
    op: &OpDesc,
    key: Key,
    args: Map<String, Json>,
) -> Result<Txn, Fault> {
    codegen::operation(client.origin(id, client.caller()), concern, op, key, args)
}

/// A transaction, planned.
pub(super) fn planned(
    client: &Client,
    id: TxnId,
    transaction: &TransactionDesc,
    args: Map<String, Json>,
) -> Result<Txn, Fault> {
    (transaction.from_json)(Json::Object(args), client.origin(id, client.caller()))
}

/// The key of an instance that is to be created. A key that is one `uuid` may be left out: `derived` is taken then.
pub(super) fn key_of_new(
    concern: &ConcernDesc,
    derived: Uuid,
    fields: &mut Map<String, Json>,
) -> Result<Key, Fault> {
    if let [only] = concern.keys
        && only.ty == "uuid"
    {
        let key = fields.entry(only.name);
        key.or_insert_with(|| derived.to_string().into());
    }
    concern.key_in(fields)
}

/// The arguments in a query string. A text is taken as it stands; all else is JSON: `?page=2&tags=["a","b"]`.
pub(super) fn arguments(
    pairs: Vec<(String, String)>,
    params: &[ParamDesc],
) -> Result<Map<String, Json>, Fault> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        let param = params.iter().find(|param| param.name == name);
        let value = match param.map(ParamDesc::shape) {
            Some(Shape {
                value,
                times: Times::One | Times::Optional,
            }) if is_text(value) => text.into(),
            // What names no parameter is told where all are read.
            _ => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        };
        if fields.insert(name.clone(), value).is_some() {
            let message = "is given twice";
            return Err(Fault::new(Class::Invalid, "argument_twice", message).at(name));
        }
    }
    Ok(fields)
}

/// Whether JSON has a value of this type as a text, whatever else the text may look like.
fn is_text(kind: Kind<'_>) -> bool {
    match kind {
        Kind::Key(_) => false,
        Kind::Decimal(..) => true,
        Kind::Named(name) => matches!(name, "string" | "uuid" | "bytes" | "timestamp" | "duration"),
    }
}
