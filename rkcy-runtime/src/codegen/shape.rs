//! What values a parameter takes: for front ends that make values, as the simulator does.
//!
//! Owns the description of parameters, messages and enums, and how the text of a type is read.

use super::json;
use super::made::Auto;
use super::platform::Concern;
use super::{Key, decode_key};
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use serde_json::Value as Json;

/// A limit of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// For integer types.
    Int(i128),
    /// For floating point types.
    Float(f64),
    /// For `decimal`: in units of its last digit.
    Units(i128),
}

/// A named parameter, or a field of a message or of a key.
#[derive(Clone, Debug)]
pub struct ParamDesc {
    /// Name in JSON: that of the schema, unless told otherwise.
    pub name: &'static str,
    /// Type as the schema writes it.
    pub ty: &'static str,
    /// The smallest number.
    pub min: Option<Number>,
    /// The largest number.
    pub max: Option<Number>,
    /// The least and the most elements of a list, characters of a text or bytes.
    pub length: (usize, Option<usize>),
    /// The regular expression that the whole text matches.
    pub pattern: Option<&'static str>,
    /// What it is given where a `create` leaves it out.
    pub auto: Option<Auto>,
}

/// A message.
#[derive(Debug)]
pub struct MessageDesc {
    /// Name in the schema.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [ParamDesc],
}

/// An enum.
#[derive(Debug)]
pub struct EnumDesc {
    /// Name in the schema.
    pub name: &'static str,
    /// Its values, as JSON has them.
    pub values: &'static [&'static str],
}

/// Who calls.
#[derive(Debug)]
pub struct CallerDesc {
    /// The message.
    pub message: &'static str,
    /// Reads one from a JSON object; checks it.
    pub from_json: fn(Json) -> Result<Bytes, Fault>,
}

/// A type, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape<'a> {
    /// What one value is.
    pub value: Kind<'a>,
    /// How many there are.
    pub times: Times,
}

/// How many values there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Exactly one.
    One,
    /// `T?`
    Optional,
    /// `[T]`
    List,
    /// `map<string, T>`
    Map,
}

/// What one value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `ref Concern` or `id of Concern`
    Key(&'a str),
    /// `decimal(p, s)`: so many digits, so many of them behind the point.
    Decimal(u8, u8),
    /// Another built-in type, a message or an enum, by name.
    Named(&'a str),
}

impl ParamDesc {
    /// A parameter that takes every value of its type.
    #[must_use]
    pub const fn new(name: &'static str, ty: &'static str) -> ParamDesc {
        ParamDesc {
            name,
            ty,
            min: None,
            max: None,
            length: (0, None),
            pattern: None,
            auto: None,
        }
    }

    /// With a smallest number.
    #[must_use]
    pub const fn min(self, min: Number) -> ParamDesc {
        ParamDesc {
            min: Some(min),
            ..self
        }
    }

    /// With a largest number.
    #[must_use]
    pub const fn max(self, max: Number) -> ParamDesc {
        ParamDesc {
            max: Some(max),
            ..self
        }
    }

    /// With a length.
    #[must_use]
    pub const fn length(self, least: usize, most: Option<usize>) -> ParamDesc {
        ParamDesc {
            length: (least, most),
            ..self
        }
    }

    /// Made by the platform where a `create` leaves it out.
    #[must_use]
    pub const fn auto(self, auto: Auto) -> ParamDesc {
        ParamDesc {
            auto: Some(auto),
            ..self
        }
    }

    /// With a regular expression.
    #[must_use]
    pub const fn pattern(self, pattern: &'static str) -> ParamDesc {
        ParamDesc {
            pattern: Some(pattern),
            ..self
        }
    }

    /// Its type, taken apart.
    #[must_use]
    pub fn shape(&self) -> Shape<'static> {
        let (text, times) = if let Some(inner) = self.ty.strip_suffix('?') {
            (inner, Times::Optional)
        } else if let Some(inner) = (self.ty.strip_prefix('[')).and_then(|it| it.strip_suffix(']'))
        {
            (inner, Times::List)
        } else if let Some(inner) =
            (self.ty.strip_prefix("map<string, ")).and_then(|it| it.strip_suffix('>'))
        {
            (inner, Times::Map)
        } else {
            (self.ty, Times::One)
        };
        let concern = text
            .strip_prefix("ref ")
            .or_else(|| text.strip_prefix("id of "));
        let value = match (concern, digits(text)) {
            (Some(concern), _) => Kind::Key(concern),
            (None, Some((precision, scale))) => Kind::Decimal(precision, scale),
            (None, None) => Kind::Named(text),
        };
        Shape { value, times }
    }
}

/// The digits of a `decimal(p, s)`.
fn digits(text: &str) -> Option<(u8, u8)> {
    let inside = text.strip_prefix("decimal(")?.strip_suffix(')')?;
    let (precision, scale) = inside.split_once(", ")?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

/// Reads a key as JSON has it.
///
/// # Errors
/// [`Class::Invalid`] where it is none.
pub fn key_from_json<C: Concern>(json: Json) -> Result<Key, Fault> {
    json::from_json::<C::Key>(json).map(|key| Key::of(&key))
}

/// Shows a key as JSON has it.
///
/// # Errors
/// [`Class::Corrupt`] where the bytes are no key.
pub fn key_to_json<C: Concern>(key: &Key) -> Result<Json, Fault> {
    let key = decode_key::<C>(key.as_bytes())?;
    serde_json::to_value(key)
        .map_err(|error| Fault::new(Class::Corrupt, "unreadable", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_taken_apart() {
        for (text, value, times) in [
            ("i64", Kind::Named("i64"), Times::One),
            ("Money?", Kind::Named("Money"), Times::Optional),
            ("[ref Item]", Kind::Key("Item"), Times::List),
            ("map<string, ref Item>", Kind::Key("Item"), Times::Map),
            ("id of Shelf?", Kind::Key("Shelf"), Times::Optional),
            ("[decimal(10, 2)]", Kind::Decimal(10, 2), Times::List),
        ] {
            let shape = ParamDesc::new("x", text).shape();
            assert_eq!(shape, Shape { value, times }, "{text}");
        }
    }
}
