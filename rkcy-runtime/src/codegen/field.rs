//! Fields on their way to protobuf messages and back.
//!
//! Owns the few shapes that a field can have: one value, an optional one, a list, a map. Plain scalars, but for
//! floats, are copied by generated code itself. What cannot be read is a fault with the path of the field.

use super::value::{Value, quoted_key};
use rkcy_core::fault::{Class, Fault};
use std::collections::BTreeMap;

/// The schema's `map<string, T>`: values by name, in the order of the names.
pub type Map<V> = BTreeMap<String, V>;

/// The protobuf form of a field.
pub fn put<V: Value>(value: &V) -> V::Proto {
    value.to_proto()
}

/// The protobuf form of an optional field.
pub fn put_optional<V: Value>(value: Option<&V>) -> Option<V::Proto> {
    value.map(Value::to_proto)
}

/// The protobuf form of a list.
pub fn put_list<V: Value>(values: &[V]) -> Vec<V::Proto> {
    values.iter().map(Value::to_proto).collect()
}

/// The protobuf form of a map.
pub fn put_map<V: Value>(values: &Map<V>) -> Map<V::Proto> {
    let put_one = |(name, value): (&String, &V)| (name.clone(), value.to_proto());
    values.iter().map(put_one).collect()
}

/// The value of a field.
///
/// # Errors
/// Where it holds none of this type.
pub fn take<V: Value>(path: &str, proto: V::Proto) -> Result<V, Fault> {
    V::from_proto(proto).map_err(|fault| fault.within(path))
}

/// The value of an optional field.
///
/// # Errors
/// Where it holds none of this type.
pub fn take_optional<V: Value>(path: &str, proto: Option<V::Proto>) -> Result<Option<V>, Fault> {
    proto.map(|proto| take(path, proto)).transpose()
}

/// The value of a message field, which is always there.
///
/// # Errors
/// Where it is missing, or holds none of this type.
pub fn take_required<V: Value>(path: &str, proto: Option<V::Proto>) -> Result<V, Fault> {
    take_optional(path, proto)?.ok_or_else(|| {
        Fault::new(Class::Corrupt, "unreadable", "a field is missing").at(path.to_owned())
    })
}

/// The value of a message field that may be left out.
///
/// # Errors
/// Where it holds none of this type.
pub fn take_or_default<V: Value + Default>(
    path: &str,
    proto: Option<V::Proto>,
) -> Result<V, Fault> {
    Ok(take_optional(path, proto)?.unwrap_or_default())
}

/// The value of a message field; where a record is older than the field, the one with this encoding.
///
/// # Errors
/// Where it holds none of this type.
pub fn take_or_older<V: Value>(
    path: &str,
    proto: Option<V::Proto>,
    older: &'static [u8],
) -> Result<V, Fault> {
    match proto {
        Some(proto) => take(path, proto),
        None => super::value::decode_slice(older).map_err(|fault| fault.within(path)),
    }
}

/// The values of a list.
///
/// # Errors
/// Where an element is none of this type.
pub fn take_list<V: Value>(path: &str, protos: Vec<V::Proto>) -> Result<Vec<V>, Fault> {
    let take_at = |(index, proto)| {
        V::from_proto(proto).map_err(|fault| fault.within(&format!("[{index}]")).within(path))
    };
    protos.into_iter().enumerate().map(take_at).collect()
}

/// The values of a map.
///
/// # Errors
/// Where one of them is none of this type.
pub fn take_map<V: Value>(path: &str, protos: Map<V::Proto>) -> Result<Map<V>, Fault> {
    let take_one = |(name, proto): (String, _)| match V::from_proto(proto) {
        Ok(value) => Ok((name, value)),
        Err(fault) => Err(fault.within(&quoted_key(&name)).within(path)),
    };
    protos.into_iter().map(take_one).collect()
}

/// A number of an enum that this build does not know.
#[must_use]
pub fn unknown_number(name: &str, number: i32) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unreadable",
        format!("{number} is no value of {name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_zero() {
        assert!(put(&-0.0_f64).is_sign_positive());
        assert!(put_optional(Some(&-0.0_f32)).unwrap().is_sign_positive());
        assert!(put_list(&[1.5_f64, -0.0])[1].is_sign_positive());
        assert_eq!(put(&-1.5_f64), -1.5);
    }
}
