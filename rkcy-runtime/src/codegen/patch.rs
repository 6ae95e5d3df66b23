//! What `update` is given: for each field, whether it changes and to what.
//!
//! Owns the form of that in JSON and on the wire. In JSON an absent field stays as it is, and `null` stands
//! for absence. In protobuf a field that is there changes; the numbers of those that become absent or empty
//! stand in a list.

use super::claims::Claims;
use super::field::{Map, take_list, take_map, take_optional};
use super::platform::Concern;
use super::value::Value;
use rkcy_core::fault::Fault;

/// Changes of an instance.
pub trait Patch<C: Concern>: Value {
    /// Makes them.
    fn apply(self, instance: &mut C);

    /// What it claims for the instance with this key.
    ///
    /// # Errors
    /// Where it changes one half of a unique value.
    fn claims(&self, _key: &C::Key, _claims: &mut Claims) -> Result<(), Fault> {
        Ok(())
    }
}

/// The message of a field that may become absent.
pub fn put_change<V: Value>(change: Option<&Option<V>>) -> Option<V::Proto> {
    change.and_then(Option::as_ref).map(Value::to_proto)
}

/// The change of a field that may become absent.
///
/// # Errors
/// Where the value cannot be read.
pub fn take_change<V: Value>(
    path: &str,
    value: Option<V::Proto>,
    cleared: bool,
) -> Result<Option<Option<V>>, Fault> {
    let value = take_optional(path, value)?;
    Ok((cleared || value.is_some()).then_some(value))
}

/// The change of a list.
///
/// # Errors
/// Where an element cannot be read.
pub fn take_list_change<V: Value>(
    path: &str,
    list: Vec<V::Proto>,
    cleared: bool,
) -> Result<Option<Vec<V>>, Fault> {
    let list = take_list(path, list)?;
    Ok((cleared || !list.is_empty()).then_some(list))
}

/// The change of a map.
///
/// # Errors
/// Where a value cannot be read.
pub fn take_map_change<V: Value>(
    path: &str,
    map: Map<V::Proto>,
    cleared: bool,
) -> Result<Option<Map<V>>, Fault> {
    let map = take_map(path, map)?;
    Ok((cleared || !map.is_empty()).then_some(map))
}

/// The numbers of the fields that become absent or empty.
#[must_use]
pub fn cleared(fields: &[(u32, bool)]) -> Vec<u32> {
    let cleared = fields.iter().filter(|(_, cleared)| *cleared);
    cleared.map(|(number, _)| *number).collect()
}
