//! Owns types: what a field, a parameter, a result or an expression holds.

use std::fmt;

use rkcy_core::decimal::{MOST_DIGITS, power};
use schemars::JsonSchema;
use serde::Serialize;

use super::field::Number;
use super::ids::{ConcernId, EnumId, MessageId};

/// A type: a kind of value, and how many of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
pub struct Type {
    /// What one value is.
    pub value: ValueType,
    /// How many there are.
    pub many: Many,
}

impl Type {
    /// Exactly one value.
    pub fn one(value: ValueType) -> Self {
        Self {
            value,
            many: Many::One,
        }
    }

    /// Whether this is `T?`.
    pub fn is_optional(self) -> bool {
        self.many == Many::Optional
    }

    /// Whether this is `[T]`.
    pub fn is_list(self) -> bool {
        self.many == Many::List
    }

    /// Whether this is `map<string, T>`.
    pub fn is_map(self) -> bool {
        self.many == Many::Map
    }

    /// Whether this holds any number of values: a list or a map.
    pub fn is_collection(self) -> bool {
        matches!(self.many, Many::List | Many::Map)
    }

    /// The type without its `?`.
    pub fn present(self) -> Self {
        match self.many {
            Many::Optional => Self::one(self.value),
            _ => self,
        }
    }
}

/// How many values a type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Many {
    /// `T`
    One,
    /// `T?`: absent is different from zero.
    Optional,
    /// `[T]`: never optional itself, and its elements are neither optional nor collections.
    List,
    /// `map<string, T>`: as a list, with a name for each element.
    Map,
}

/// What one value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A built-in type.
    Scalar(Scalar),
    /// A value of an enum.
    Enum(EnumId),
    /// A message.
    Message(MessageId),
    /// `ref Concern`: the key of an instance that is promised to exist.
    Ref(ConcernId),
    /// `id of Concern`: the key, without the promise. The type of a concern's key field in an
    /// expression (`player.id`) is this one too.
    IdOf(ConcernId),
    /// `ref Config`: the key of an object of configuration, which may or may not be there.
    ConfigRef(MessageId),
    /// A whole instance: only in expressions and in results, never stored.
    Concern(ConcernId),
}

/// The built-in types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// `bool`
    Bool,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `string`: UTF-8 without NUL; its length counts Unicode scalars.
    String,
    /// `bytes`: its length counts bytes.
    Bytes,
    /// `uuid`
    Uuid,
    /// `timestamp`: an instant, in microseconds.
    Timestamp,
    /// `duration`: a span of time, in microseconds.
    Duration,
    /// `json`: any JSON document.
    Json,
    /// `decimal(p, s)`: an exact number.
    Decimal(Digits),
}

/// The digits of a `decimal(p, s)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Digits {
    /// How many in all: 1 to 38.
    pub precision: u8,
    /// How many of them behind the point: none to all.
    pub scale: u8,
}

impl Digits {
    /// So many digits, if a number can have them.
    pub fn new(precision: u8, scale: u8) -> Option<Self> {
        let fits = (1..=MOST_DIGITS).contains(&precision) && scale <= precision;
        fits.then_some(Self { precision, scale })
    }

    /// The digits before the point.
    pub fn whole(self) -> u8 {
        self.precision - self.scale
    }

    /// The largest number, in units of the last digit.
    pub fn most(self) -> i128 {
        power(self.precision) - 1
    }

    /// Whether every number of other digits is one of these.
    pub fn holds(self, other: Self) -> bool {
        other.whole() <= self.whole() && other.scale <= self.scale
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.precision, self.scale)
    }
}

impl Scalar {
    /// All that are one word, in the order in which the language reference lists them.
    pub const WORDS: [Scalar; 13] = [
        Scalar::Bool,
        Scalar::I32,
        Scalar::I64,
        Scalar::U32,
        Scalar::U64,
        Scalar::F32,
        Scalar::F64,
        Scalar::String,
        Scalar::Bytes,
        Scalar::Uuid,
        Scalar::Timestamp,
        Scalar::Duration,
        Scalar::Json,
    ];

    /// The word for it in a schema, of `decimal` without its digits.
    pub fn word(self) -> &'static str {
        match self {
            Scalar::Decimal(_) => "decimal",
            Scalar::Bool => "bool",
            Scalar::I32 => "i32",
            Scalar::I64 => "i64",
            Scalar::U32 => "u32",
            Scalar::U64 => "u64",
            Scalar::F32 => "f32",
            Scalar::F64 => "f64",
            Scalar::String => "string",
            Scalar::Bytes => "bytes",
            Scalar::Uuid => "uuid",
            Scalar::Timestamp => "timestamp",
            Scalar::Duration => "duration",
            Scalar::Json => "json",
        }
    }

    /// The scalar that a word alone names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|scalar| scalar.word() == word)
    }

    /// The smallest and the largest value of an integer type.
    pub fn integer_bounds(self) -> Option<(i128, i128)> {
        match self {
            Scalar::I32 => Some((i128::from(i32::MIN), i128::from(i32::MAX))),
            Scalar::I64 => Some((i128::from(i64::MIN), i128::from(i64::MAX))),
            Scalar::U32 => Some((0, i128::from(u32::MAX))),
            Scalar::U64 => Some((0, i128::from(u64::MAX))),
            _ => None,
        }
    }

    /// Its zero, as a number.
    pub fn zero(self) -> Number {
        match self {
            Scalar::Decimal(digits) => Number::Decimal(0, digits.scale),
            _ if self.is_float() => Number::Float(0.0),
            _ => Number::Int(0),
        }
    }

    /// Whether this is `f32` or `f64`.
    pub fn is_float(self) -> bool {
        matches!(self, Scalar::F32 | Scalar::F64)
    }

    /// The smallest and the largest value of a type whose values have an end.
    pub fn limits(self) -> Option<(Number, Number)> {
        if let Scalar::Decimal(digits) = self {
            let limit = |units| Number::Decimal(units, digits.scale);
            return Some((limit(-digits.most()), limit(digits.most())));
        }
        let (least, most) = self.integer_bounds()?;
        Some((Number::Int(least), Number::Int(most)))
    }

    /// The digits of a `decimal`.
    pub fn digits(self) -> Option<Digits> {
        match self {
            Scalar::Decimal(digits) => Some(digits),
            _ => None,
        }
    }

    /// Whether this is an integer, a float or a `decimal`.
    pub fn is_number(self) -> bool {
        self.is_float() || self.digits().is_some() || self.integer_bounds().is_some()
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Decimal(digits) => write!(f, "decimal({digits})"),
            other => f.write_str(other.word()),
        }
    }
}
