//! Owns what a field holds in records that were written before it was there: the default that it was born with.
//!
//! A record says nothing of fields that it does not know. Its reader gives them what the migration has given the rows
//! of the same time, whatever the default is today; so the value stands in the lock from then on. Where it is not what
//! protobuf has for a field that is not there, the field's presence is written out (`optional` in the `.proto`): else zero
//! could not be told from that. Fields that an owner has from the first need none of this: every record has them.

use std::collections::BTreeMap;

use prost::encoding::{bool, bytes, double, float, int64, sint64, string, uint64};
use rkcy_core::decimal;

use super::{Kind, Lock, Scope};
use crate::evolve::{Words, quoted};
use crate::model::{EnumId, Field, Literal, Many, MessageId, Model, Number, Scalar, ValueType};

/// Messages within messages: as many as protobuf reads.
const DEPTH: u8 = 100;

/// The value of a field in records without it.
#[derive(Debug, Clone, PartialEq)]
pub enum Absent {
    /// Of all types that protobuf writes as an integer: a bool is 0 or 1, an enum its number, a duration microseconds.
    Int(i128),
    /// Of `f32` and `f64`.
    Float(f64),
    /// Of strings, and of what is written as one.
    Text(String),
    /// Of a message: what its fields hold, by number. What may be absent or empty, and is, is not there.
    Message(BTreeMap<u32, Absent>),
}

impl Absent {
    /// As the lock has it: `10`, `0.5`, `"text"`, `{1:10,2:{}}`.
    pub(super) fn print(&self) -> String {
        match self {
            Absent::Int(value) => value.to_string(),
            Absent::Float(value) => format!("{value:?}"),
            Absent::Text(text) => quoted(text),
            Absent::Message(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(number, value)| format!("{number}:{}", value.print()));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// What [`Absent::print`] printed.
    pub(super) fn read(text: &str) -> Option<Absent> {
        let mut words = Words::new(text);
        let read = Absent::read_from(&mut words, DEPTH)?;
        (words.is_empty() && read.print() == text).then_some(read)
    }

    /// Nothing that holds more messages within messages.
    fn read_from(words: &mut Words<'_>, depth: u8) -> Option<Absent> {
        if words.starts_with("\"") {
            return words.quoted().map(Absent::Text);
        }
        if !words.take("{") {
            let text = words.before(&[',', '}']);
            return match text.parse() {
                Ok(value) => Some(Absent::Int(value)),
                Err(_) => {
                    let value = text.parse().ok().filter(|it: &f64| it.is_finite());
                    value.map(Absent::Float)
                }
            };
        }
        let mut fields = BTreeMap::new();
        while !words.take("}") {
            let number = words.before(&[':']).parse().ok()?;
            words.take(":").then_some(())?;
            fields.insert(number, Absent::read_from(words, depth.checked_sub(1)?)?);
            words.take(",");
        }
        Some(Absent::Message(fields))
    }

    /// Whether protobuf writes nothing for it.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Absent::Int(value) => *value == 0,
            Absent::Float(value) => *value == 0.0,
            Absent::Text(text) => text.is_empty(),
            Absent::Message(_) => false,
        }
    }

    /// What a field holds that has no default; `None` where it has to be given.
    fn zero(value: ValueType) -> Option<Absent> {
        match value {
            ValueType::Scalar(Scalar::Decimal(_)) => Some(Absent::Text(String::new())),
            ValueType::Scalar(scalar) if scalar.is_float() => Some(Absent::Float(0.0)),
            ValueType::Scalar(scalar) if scalar.is_number() => Some(Absent::Int(0)),
            ValueType::Scalar(Scalar::Bool | Scalar::Duration) => Some(Absent::Int(0)),
            _ => None,
        }
    }

    /// As a default of this type; `None` for a message, and what the type cannot hold.
    pub(crate) fn literal(&self, model: &Model, lock: &Lock, value: ValueType) -> Option<Literal> {
        Some(match (self, model.stored_as(value)) {
            (Absent::Int(it), ValueType::Scalar(Scalar::Bool)) => Literal::Bool(*it != 0),
            (Absent::Int(it), ValueType::Enum(id)) => {
                Literal::Enum(id, index(model, lock, id, *it)?)
            }
            (Absent::Int(it), ValueType::Scalar(_)) => Literal::Number(Number::Int(*it)),
            (Absent::Float(it), _) => Literal::Number(Number::Float(*it)),
            (Absent::Text(text), ValueType::Scalar(Scalar::Decimal(digits))) => {
                let zero = Number::Decimal(0, digits.scale);
                let number = match text.is_empty() {
                    true => zero,
                    false => Number::decimal(text, digits)?,
                };
                Literal::Number(number)
            }
            (Absent::Text(text), _) => Literal::String(text.clone()),
            _ => return None,
        })
    }

    /// The encoding of a message that holds this; nothing of what it is not.
    pub(crate) fn encoding(&self, model: &Model, lock: &Lock, id: MessageId) -> Vec<u8> {
        let mut encoded = Vec::new();
        let Absent::Message(values) = self else {
            return encoded;
        };
        let owner = model.message(id);
        for (number, value) in values {
            let is_it = |field: &&Field| lock.field(&owner.name, &field.name) == *number;
            let Some(field) = owner.fields.iter().find(is_it) else {
                continue;
            };
            let is_explicit =
                field.ty.is_optional() || lock.explicit(&owner.name, &field.name).is_some();
            if value.holds(model, field.ty.value) && (is_explicit || !value.is_zero()) {
                encoded.extend(value.as_field(model, lock, *number, field.ty.value));
            }
        }
        encoded
    }

    /// The encoding of a field with this number and type, which can hold it.
    pub(crate) fn as_field(
        &self,
        model: &Model,
        lock: &Lock,
        number: u32,
        value: ValueType,
    ) -> Vec<u8> {
        let mut into = Vec::new();
        match (self, value) {
            (Absent::Int(it), ValueType::Scalar(Scalar::Bool)) => {
                bool::encode(number, &(*it != 0), &mut into);
            }
            (Absent::Int(it), ValueType::Scalar(Scalar::Duration)) => {
                sint64::encode(number, &(*it as i64), &mut into);
            }
            (Absent::Int(it), ValueType::Scalar(Scalar::U32 | Scalar::U64)) => {
                uint64::encode(number, &(*it as u64), &mut into);
            }
            (Absent::Int(it), _) => int64::encode(number, &(*it as i64), &mut into),
            (Absent::Float(it), ValueType::Scalar(Scalar::F32)) => {
                float::encode(number, &(*it as f32), &mut into);
            }
            (Absent::Float(it), _) => double::encode(number, it, &mut into),
            (Absent::Text(text), _) => string::encode(number, text, &mut into),
            (Absent::Message(_), ValueType::Message(id)) => {
                bytes::encode(number, &self.encoding(model, lock, id), &mut into);
            }
            (Absent::Message(_), _) => {}
        }
        into
    }

    /// Whether a value of this type is written so.
    fn holds(&self, model: &Model, value: ValueType) -> bool {
        match (self, model.stored_as(value)) {
            (Absent::Int(_), ValueType::Enum(_)) => true,
            (Absent::Message(_), ValueType::Message(_)) => true,
            (value, ValueType::Scalar(scalar)) => match scalar {
                Scalar::Bool
                | Scalar::I32
                | Scalar::I64
                | Scalar::U32
                | Scalar::U64
                | Scalar::Duration => matches!(value, Absent::Int(_)),
                Scalar::F32 | Scalar::F64 => matches!(value, Absent::Float(_)),
                Scalar::String | Scalar::Bytes | Scalar::Decimal(_) => {
                    matches!(value, Absent::Text(_))
                }
                Scalar::Uuid | Scalar::Timestamp | Scalar::Json => false,
            },
            _ => false,
        }
    }
}

/// A field, by its owner.
type Owned<'m> = (&'m str, &'m Field);

/// All fields. Parameters are not among them: those that are new have to be given.
fn all(model: &Model) -> impl Iterator<Item = Owned<'_>> {
    let messages = model.messages().iter();
    let of_messages =
        messages.flat_map(|it| it.fields.iter().map(|field| (it.name.as_str(), field)));
    let concerns = model.concerns().iter();
    let of_concerns =
        concerns.flat_map(|it| it.all_fields().map(|field| (it.name.as_str(), field)));
    of_messages.chain(of_concerns)
}

impl Lock {
    /// What a field holds in records that were written before it was there; `None` where there are none, or it may be absent
    /// or empty.
    pub fn absent(&self, owner: &str, field: &str) -> Option<&Absent> {
        let scope = self.scopes.get(&(Kind::Field, owner.to_owned()))?;
        scope.absent.get(scope.live.get(field)?)
    }

    /// The same, where it is more than protobuf has for a field that is not there.
    pub fn explicit(&self, owner: &str, field: &str) -> Option<&Absent> {
        self.absent(owner, field).filter(|absent| !absent.is_zero())
    }

    /// The fields that are new where there may be records: the lock knows, or knew, others of their owner. To be asked before
    /// they are given numbers.
    pub(super) fn born<'m>(&self, model: &'m Model) -> Vec<Owned<'m>> {
        let is_born = |(owner, field): &Owned<'_>| {
            let scope = self.scopes.get(&(Kind::Field, (*owner).to_owned()));
            let has_records = |it: &Scope| !it.live.is_empty() || !it.retired.is_empty();
            scope.is_some_and(|it| has_records(it) && !it.live.contains_key(&field.name))
        };
        all(model).filter(is_born).collect()
    }

    /// Writes down what those hold that were born; and forgets what a field cannot hold any more: such a change breaks
    /// what was written before anyway.
    pub(super) fn remember(&mut self, model: &Model, born: &[Owned<'_>]) {
        for (owner, field) in all(model) {
            let unfit = |absent: &Absent| {
                field.ty.many != Many::One || !absent.holds(model, field.ty.value)
            };
            if self.absent(owner, &field.name).is_some_and(unfit) {
                self.put_absent(owner, field, None);
            }
        }
        for (owner, field) in born {
            if field.ty.many == Many::One && field.omissible && field.auto.is_none() {
                self.put_absent(owner, field, self.left_out(model, field));
            }
        }
    }

    /// A default as records have it.
    fn absent_of(&self, model: &Model, value: ValueType, default: &Literal) -> Absent {
        match (default, value) {
            (Literal::Bool(value), _) => Absent::Int((*value).into()),
            (Literal::Enum(id, index), _) => {
                let declared = model.enumeration(*id);
                let value = &declared.values[*index as usize];
                Absent::Int(self.value(&declared.name, &value.name).into())
            }
            (Literal::String(text), _) => Absent::Text(text.clone()),
            (Literal::Number(Number::Decimal(0, _)), _) => Absent::Text(String::new()),
            (Literal::Number(Number::Decimal(units, scale)), _) => {
                Absent::Text(decimal::show(*units, *scale))
            }
            (Literal::Number(Number::Float(value)), _) => Absent::Float(*value),
            (Literal::Number(Number::Int(value)), ValueType::Scalar(scalar))
                if scalar.is_float() =>
            {
                Absent::Float(*value as f64)
            }
            (Literal::Number(Number::Int(value)), _) => Absent::Int(*value),
            // Lists are empty where they are left out, and nothing is said of them.
            (Literal::EmptyList, _) => Absent::Int(0),
        }
    }

    /// What a field holds that is left out; `None` where it is absent or empty, or has to be given.
    pub(crate) fn left_out(&self, model: &Model, field: &Field) -> Option<Absent> {
        match (&field.default, field.ty.value) {
            (_, _) if field.ty.is_collection() => None,
            (Some(default), value) => Some(self.absent_of(model, value, default)),
            (None, _) if field.ty.is_optional() => None,
            (None, ValueType::Message(id)) => {
                let owner = model.message(id);
                let fields = owner.fields.iter().filter_map(|inner| {
                    let number = self.field(&owner.name, &inner.name);
                    Some((number, self.left_out(model, inner)?))
                });
                Some(Absent::Message(fields.collect()))
            }
            (None, value) => Absent::zero(value),
        }
    }

    fn put_absent(&mut self, owner: &str, field: &Field, absent: Option<Absent>) {
        let Some(scope) = self.scopes.get_mut(&(Kind::Field, owner.to_owned())) else {
            return;
        };
        let Some(number) = scope.live.get(&field.name) else {
            return;
        };
        match absent {
            Some(absent) => scope.absent.insert(*number, absent),
            None => scope.absent.remove(number),
        };
    }
}

/// The place of the value of an enum that has this number.
fn index(model: &Model, lock: &Lock, id: EnumId, number: i128) -> Option<u32> {
    let declared = model.enumeration(id);
    let mut values = declared.values.iter();
    let is_it = |name: &str| i128::from(lock.value(&declared.name, name)) == number;
    let index = values.position(|value| is_it(&value.name))?;
    u32::try_from(index).ok()
}
