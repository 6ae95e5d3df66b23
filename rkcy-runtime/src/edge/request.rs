//! From the JSON of a request to a planned transaction.
//!
//! Owns how the key of a new instance is found, and how an argument in a query string is read.

use crate::codegen::{
    Bytes, ConcernDesc, Fault, Kind, OpDesc, ParamDesc, Times, TransactionDesc, Txn, TxnId, Uuid,
};
use crate::driver::Client;
use rkcy_core::fault::Class;
use rkcy_core::key::{Key, RowKey};
use serde_json::{Map, Value as Json};

/// One operation on one instance, planned.
pub(super) fn operation(
    client: &Client,
    id: TxnId,
    concern: &ConcernDesc,
    op: &OpDesc,
    key: Key,
    args: Json,
) -> Result<Txn, Fault> {
    let args = (op.args_from_json)(args)?;
    let group = (concern.root)(&key).ok_or_else(|| {
        let message = format!("this is no key of a {}", concern.name);
        Fault::new(Class::Invalid, "wrong_key", message)
    })?;
    let concern = concern.id;
    client.single(
        id,
        group,
        RowKey { concern, key },
        op.number,
        op.access,
        args,
    )
}

/// A transaction, planned.
pub(super) fn planned(
    client: &Client,
    id: TxnId,
    transaction: &TransactionDesc,
    args: Json,
) -> Result<Txn, Fault> {
    (transaction.from_json)(args, client.origin(id, &Bytes::new()))
}

/// The key of an instance that is to be created. A key that is one `uuid` may be left out: `derived` is taken then.
pub(super) fn key_of_new(
    concern: &ConcernDesc,
    derived: Uuid,
    fields: &mut Json,
) -> Result<Key, Fault> {
    let Some(fields) = fields.as_object_mut() else {
        return Err(Fault::new(
            Class::Invalid,
            "wrong_type",
            "an object was expected",
        ));
    };
    if let [only] = concern.keys {
        if only.ty == "uuid" && !fields.contains_key(only.name) {
            let key = derived.to_string();
            fields.insert(only.name.to_owned(), key.into());
        }
        let given = fields.get(only.name).cloned();
        let given = given.ok_or_else(|| missing(only.name))?;
        return (concern.key_from_json)(given).map_err(|fault| fault.within(only.name));
    }
    let mut parts = Map::new();
    for part in concern.keys {
        let given = fields.get(part.name).cloned();
        parts.insert(
            part.name.to_owned(),
            given.ok_or_else(|| missing(part.name))?,
        );
    }
    (concern.key_from_json)(Json::Object(parts))
}

fn missing(field: &str) -> Fault {
    Fault::new(Class::Invalid, "missing_field", "is missing").at(field.to_owned())
}

/// The arguments in a query string. A text is taken as it stands; all else is JSON: `?page=2&tags=["a","b"]`.
pub(super) fn arguments(pairs: Vec<(String, String)>, params: &[ParamDesc]) -> Result<Json, Fault> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        let param = params.iter().find(|param| param.name == name);
        let value = match param.map(ParamDesc::shape) {
            Some(shape) if shape.times != Times::List && is_text(shape.value) => text.into(),
            // What names no parameter is told where all are read.
            _ => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        };
        if fields.insert(name.clone(), value).is_some() {
            let message = "is given twice";
            return Err(Fault::new(Class::Invalid, "argument_twice", message).at(name));
        }
    }
    Ok(Json::Object(fields))
}

/// Whether JSON has a value of this type as a text, whatever else the text may look like.
fn is_text(kind: Kind<'_>) -> bool {
    match kind {
        Kind::Key(_) => false,
        Kind::Named(name) => matches!(name, "string" | "uuid" | "bytes" | "timestamp" | "duration"),
    }
}
