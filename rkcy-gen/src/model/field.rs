//! Owns fields: of a concern, of a message, and the parameters of commands, queries and
//! transactions, which are fields of the message that carries them.

use std::cmp::Ordering;

use rkcy_core::decimal;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::former::FormerName;
use super::ids::EnumId;
use super::types::{Digits, Scalar, Type};
use crate::syntax::Span;

/// A field or a parameter.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Field {
    /// The name as written.
    pub name: String,
    /// Documentation, without the slashes, lines joined by `\n`; empty if there is none.
    pub docs: String,
    /// What it holds.
    pub ty: Type,
    /// Which values it takes.
    pub constraints: Constraints,
    /// `= literal`, if there is one. What an omitted field holds without it is told by its type:
    /// absent, empty, zero, or a message made of such fields.
    pub default: Option<Literal>,
    /// `@auto(…)`: what a `create` that leaves it out gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<Auto>,
    /// Whether `create` and record literals may leave it out.
    pub omissible: bool,
    /// `@tag(n)`: the protobuf number that it must have.
    pub tag: Option<u32>,
    /// `@immutable`: only `create` sets it. Always true for keys.
    pub immutable: bool,
    /// `@unique`: no two instances have the same value.
    pub unique: bool,
    /// `@index`: the databases have an index over it.
    pub index: bool,
    /// `@table`: its elements stand in a table of their own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub table: bool,
    /// `@json("name")`: its name in JSON.
    pub json: Option<String>,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

impl Field {
    /// Its name in JSON.
    pub fn json_name(&self) -> &str {
        self.json.as_deref().unwrap_or(&self.name)
    }
}

/// What the platform gives a field that `create` leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    /// `@auto(uuid)`: a uuid that is derived from the transaction's id, the step and the field.
    Uuid,
    /// `@auto(now)`: the stamp of the submission.
    Now,
}

impl Auto {
    /// The word for it in a schema.
    pub fn word(self) -> &'static str {
        match self {
            Auto::Uuid => "uuid",
            Auto::Now => "now",
        }
    }

    /// What a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Auto::Uuid, Auto::Now]
            .into_iter()
            .find(|auto| auto.word() == word)
    }

    /// The type of the fields that have it.
    pub fn scalar(self) -> Scalar {
        match self {
            Auto::Uuid => Scalar::Uuid,
            Auto::Now => Scalar::Timestamp,
        }
    }
}

/// The values that a field or a result takes. Checked after every command and on `create`.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Constraints {
    /// The smallest number (`@min`, `@range`), included. Fits the type.
    pub min: Option<Number>,
    /// The largest number (`@max`, `@range`), included. Fits the type.
    pub max: Option<Number>,
    /// The length (`@length`) of a list in elements, of a string in Unicode scalars, of bytes in bytes.
    pub length: Option<Length>,
    /// The regular expression (`@pattern`) that the whole string must match, anchors added by who uses it.
    pub pattern: Option<String>,
}

impl Constraints {
    /// Whether every value of the type is taken.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether zero is one of them, of a type that is a number or compares as one.
    pub fn take_zero(&self, scalar: Scalar) -> bool {
        let zero = scalar.zero();
        let is_below = |min: Number| zero.compare(min) == Some(Ordering::Less);
        let is_above = |max: Number| zero.compare(max) == Some(Ordering::Greater);
        !self.min.is_some_and(is_below) && !self.max.is_some_and(is_above)
    }
}

/// A range of lengths, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Length {
    /// The shortest; 0 if none was given.
    pub min: u32,
    /// The longest, if there is one.
    pub max: Option<u32>,
}

/// A number in a schema.
#[derive(Debug, Clone, Copy, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// For integer types.
    Int(i128),
    /// For `f32` and `f64`; always finite.
    Float(f64),
    /// For `decimal`: units of the last digit, and how many digits stand behind the point. In documents it is the
    /// canonical text, since numbers of JSON have no such size.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    Decimal(i128, u8),
}

impl Number {
    /// The number of a `decimal` that a text writes, if it has no more digits.
    pub fn decimal(text: &str, digits: Digits) -> Option<Self> {
        let units = decimal::parse(text, digits.precision, digits.scale)?;
        Some(Number::Decimal(units, digits.scale))
    }

    /// How one compares to another: both are of integer types, or both are floats, or both are of `decimal`.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(one), Number::Int(other)) => Some(one.cmp(&other)),
            (Number::Float(one), Number::Float(other)) => one.partial_cmp(&other),
            (Number::Decimal(one, scale), Number::Decimal(other, other_scale)) => {
                Some(compare_units((one, scale), (other, other_scale)))
            }
            _ => None,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Some(Ordering::Equal)
    }
}

fn as_text<S: Serializer>(units: &i128, scale: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&decimal::show(*units, *scale))
}

/// Compares numbers of units, which have so many digits behind the point.
fn compare_units((one, scale): (i128, u8), (other, other_scale): (i128, u8)) -> Ordering {
    let split = |units: i128, scale: u8| {
        let unit = decimal::power(scale);
        (units.div_euclid(unit), units.rem_euclid(unit))
    };
    let ((whole, part), (other_whole, other_part)) = (split(one, scale), split(other, other_scale));
    // A part of one, in units of the most digits that there are.
    let fine = |part: i128, scale: u8| part * decimal::power(decimal::MOST_DIGITS - scale);
    let parts = fine(part, scale).cmp(&fine(other_part, other_scale));
    whole.cmp(&other_whole).then(parts)
}

/// A literal whose type is known.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// `true` or `false`.
    Bool(bool),
    /// A number that fits its type.
    Number(Number),
    /// A string, escapes resolved.
    String(String),
    /// A value of an enum, by its position among the values.
    Enum(EnumId, u32),
    /// `[]`.
    EmptyList,
}
