//! JSON in and out: for command lines and, later, for HTTP.
//!
//! Owns how a fault in a JSON argument is told: the path of the field and what was expected there.

use super::draft::{Origin, transaction};
use super::platform::Transaction;
use super::value::{Value, check, decode, encode};
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::txn::Txn;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// A payload without fields, so that an argument too many is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

impl Value for Empty {
    type Proto = ();
    fn to_proto(&self) {}
    fn from_proto((): ()) -> Result<Self, Fault> {
        Ok(Empty {})
    }
}

/// Reads a value, without checking its constraints.
///
/// # Errors
/// [`Class::Invalid`] with the path of the field.
pub fn from_json<T: DeserializeOwned>(json: Json) -> Result<T, Fault> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = match error.path().to_string() {
            whole if whole == "." => String::new(),
            path => path,
        };
        let message = error.into_inner().to_string();
        // serde stops at the object that lacks the field; its name stands in the message.
        match message
            .strip_prefix("missing field `")
            .and_then(|rest| rest.strip_suffix('`'))
        {
            Some(name) => Fault::new(Class::Invalid, "missing_field", "is missing")
                .at(name.to_owned())
                .within_path(&path),
            None if message.starts_with("unknown field") => {
                Fault::new(Class::Invalid, "unknown_field", message).at(path)
            }
            None => Fault::new(Class::Invalid, "wrong_type", message).at(path),
        }
    })
}

trait WithinPath {
    fn within_path(self, outer: &str) -> Self;
}

impl WithinPath for Fault {
    fn within_path(self, outer: &str) -> Fault {
        if outer.is_empty() {
            self
        } else {
            self.within(outer)
        }
    }
}

/// Shows an encoded value.
///
/// # Errors
/// [`Class::Corrupt`] where it cannot be read.
pub fn to_json<V: Value + Serialize>(bytes: &Bytes) -> Result<Json, Fault> {
    let value: V = decode(bytes)?;
    serde_json::to_value(value)
        .map_err(|error| Fault::new(Class::Corrupt, "unreadable", error.to_string()))
}

/// Reads the payload of an operation and checks it.
///
/// # Errors
/// [`Class::Invalid`] with the path of the field.
pub fn args_from_json<V: Value + DeserializeOwned>(json: Json) -> Result<Bytes, Fault> {
    let value: V = from_json(json)?;
    check(&value)?;
    Ok(encode(&value))
}

/// Reads the parameters of a transaction, checks them and plans its visits.
///
/// # Errors
/// [`Class::Invalid`] with the path of the parameter, or a `require` that fails.
pub fn transaction_from_json<T: Transaction + DeserializeOwned>(
    json: Json,
    origin: Origin<'_>,
) -> Result<Txn, Fault> {
    transaction(&from_json::<T>(json)?, origin)
}
