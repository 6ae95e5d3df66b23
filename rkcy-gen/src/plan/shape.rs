//! Owns what stands in columns of JSON: its shape, and what is written where nothing is said. As serde writes
//! it.

use super::Cx;
use crate::evolve::{Member, Shape};
use crate::lock::Absent;
use crate::model::{Field, Literal, Many, MessageId, Number, Scalar, Type, ValueType};

impl Cx<'_> {
    /// The shape of a value in JSON.
    pub(super) fn shape(&self, ty: Type) -> Shape {
        self.shape_within(ty, &mut Vec::new())
    }

    /// The same of a value inside of these, outermost first: a message or the key of a concern each.
    fn shape_within(&self, ty: Type, outer: &mut Vec<ValueType>) -> Shape {
        let one = self.one_shape(self.model.stored_as(ty.value), outer);
        match ty.many {
            Many::One => one,
            Many::Optional => Shape::Optional(Box::new(one)),
            Many::List => Shape::List(Box::new(one)),
            Many::Map => Shape::Map(Box::new(one)),
        }
    }

    fn one_shape(&self, value: ValueType, outer: &mut Vec<ValueType>) -> Shape {
        let (owner, fields) = match value {
            ValueType::Message(id) => {
                let message = self.model.message(id);
                (&message.name, message.fields.as_slice())
            }
            // A key of several parts.
            ValueType::IdOf(id) | ValueType::Ref(id) => {
                let concern = self.model.concern(id);
                (&concern.name, concern.keys.as_slice())
            }
            ValueType::Enum(id) => {
                let declared = self.model.enumeration(id);
                let values = declared.values.iter().map(|value| {
                    let json = value.json_name().to_owned();
                    (self.lock.value(&declared.name, &value.name), json)
                });
                let mut values: Vec<(u32, String)> = values.collect();
                values.sort();
                return Shape::Enum(values);
            }
            other => return Shape::Scalar(self.column_type(other)),
        };
        if let Some(place) = outer.iter().rev().position(|it| *it == value) {
            return Shape::Outer(place as u32);
        }
        outer.push(value);
        let members = fields.iter().map(|field| Member {
            number: self.lock.field(owner, &field.name),
            name: field.json_name().to_owned(),
            shape: self.shape_within(field.ty, outer),
            fill: self.fill_json_rows(owner, field),
        });
        let members = members.collect();
        outer.pop();
        Shape::Object(members)
    }

    /// The JSON of a field in rows that are older than it; `None` where they have none to give. What records of that time
    /// are taken to hold: an optional field is absent there, whatever it defaults to; others hold what they were born with.
    pub(super) fn fill_json_rows(&self, owner: &str, field: &Field) -> Option<String> {
        if field.ty.is_optional() {
            return Some("null".to_owned());
        }
        match self.lock.absent(owner, &field.name) {
            Some(absent) => self.absent_json(absent, field),
            None => self.fill_json(field),
        }
    }

    fn absent_json(&self, absent: &Absent, field: &Field) -> Option<String> {
        let (Absent::Message(values), ValueType::Message(id)) = (absent, field.ty.value) else {
            let born = Field {
                default: absent.literal(self.model, self.lock, field.ty.value),
                ..field.clone()
            };
            return self.fill_json(&born);
        };
        let owner = &self.model.message(id).name;
        self.object_json(id, |inner| {
            match values.get(&self.lock.field(owner, &inner.name)) {
                Some(value) => self.absent_json(value, inner),
                None => self.fill_json_rows(owner, inner),
            }
        })
    }

    /// A message as JSON; `None` where one of its fields has none.
    fn object_json(
        &self,
        id: MessageId,
        json: impl Fn(&Field) -> Option<String>,
    ) -> Option<String> {
        let members = self.model.message(id).fields.iter().map(|field| {
            let name = json_text(field.json_name());
            Some(format!("{name}:{}", json(field)?))
        });
        let members: Option<Vec<String>> = members.collect();
        Some(format!("{{{}}}", members?.join(",")))
    }

    /// The JSON of a field that is left out; `None` where it may not be.
    pub(super) fn fill_json(&self, field: &Field) -> Option<String> {
        if let Some(default) = &field.default {
            return Some(match default {
                Literal::Bool(value) => value.to_string(),
                Literal::Number(value) => self.number_json(*value, field.ty.value),
                Literal::String(text) => json_text(text),
                Literal::Enum(id, index) => {
                    let value = &self.model.enumeration(*id).values[*index as usize];
                    json_text(value.json_name())
                }
                Literal::EmptyList => "[]".to_owned(),
            });
        }
        match (field.ty.many, field.ty.value) {
            (Many::Optional, _) => Some("null".to_owned()),
            (Many::List, _) => Some("[]".to_owned()),
            (Many::Map, _) => Some("{}".to_owned()),
            (Many::One, ValueType::Scalar(Scalar::Bool)) => Some("false".to_owned()),
            (Many::One, _) if !field.omissible || field.auto.is_some() => None,
            (Many::One, ValueType::Scalar(Scalar::Uuid)) => None,
            (Many::One, ValueType::Message(id)) => {
                self.object_json(id, |inner| self.fill_json(inner))
            }
            (Many::One, value) => Some(self.number_json(Number::Int(0), value)),
        }
    }

    fn number_json(&self, value: Number, ty: ValueType) -> String {
        match (value, ty) {
            (Number::Int(micros), ValueType::Scalar(Scalar::Duration)) => json_duration(micros),
            (Number::Int(value), ValueType::Scalar(scalar)) if scalar.is_float() => {
                format!("{value}.0")
            }
            (Number::Int(units), ValueType::Scalar(Scalar::Decimal(digits))) => {
                json_text(&super::number(Number::Decimal(units, digits.scale)))
            }
            (Number::Decimal(..), _) => json_text(&super::number(value)),
            (value, _) => super::number(value),
        }
    }
}

/// A duration as the runtime writes it: seconds with a point.
fn json_duration(micros: i128) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.abs());
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = format!("{rest:06}");
    let fraction = fraction.trim_end_matches('0');
    match fraction.is_empty() {
        true => format!("\"{sign}{seconds}s\""),
        false => format!("\"{sign}{seconds}.{fraction}s\""),
    }
}

/// Text as JSON.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
