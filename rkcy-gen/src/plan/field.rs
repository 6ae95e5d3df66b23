//! Owns fields in Rust: their type, their way to protobuf and back, their checks, their default.

use super::check::rust_decimal;
use super::signature::{is_zero, number};
use super::types::Imports;
use super::{Cx, docs};
use crate::lock::Absent;
use crate::model::{Field, Literal, Many, MessageId, Number, Scalar, Type, ValueType};
use crate::naming;

/// A field of a struct, ready to be printed.
#[derive(Debug, Clone)]
pub(super) struct StructField {
    pub(super) docs: Vec<String>,
    pub(super) name: String,
    pub(super) ty: String,
    /// Empty for private fields of concerns: `pub(super)`.
    pub(super) visibility: &'static str,
    /// Its name in JSON, as a literal.
    pub(super) json: String,
    /// What it holds where JSON leaves it out; `None` where it must not.
    pub(super) left_out: Option<String>,
    pub(super) to_proto: String,
    pub(super) from_proto: String,
    pub(super) checks: Vec<String>,
    /// What it holds when it is left out.
    pub(super) default: String,
    /// Whether that is not what its type begins with.
    pub(super) has_default: bool,
    pub(super) omissible: bool,
    /// A regular expression that is compiled once: its constant and its source.
    pub(super) pattern: Option<(String, String)>,
}

/// Where a field stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The message, where it is one: its fields may hold it again.
    pub(super) message: Option<MessageId>,
    /// The name of the struct.
    pub(super) name: &'a str,
    /// Whose field it is in the lock; `None` of a parameter.
    pub(super) owner: Option<&'a str>,
    /// Whether handlers must not change it.
    pub(super) private: bool,
}

impl Cx<'_> {
    pub(super) fn struct_field(
        &self,
        field: &Field,
        place: Place<'_>,
        imports: &mut Imports,
    ) -> StructField {
        let name = naming::snake(&field.name);
        let boxed = self.is_boxed(place.message, field);
        let mut ty = self.rust_type(field.ty, imports);
        if boxed {
            let inner = self.value_type(field.ty.value, imports);
            ty = format!(
                "{}<{}<{inner}>>",
                self.names.std.option, self.names.std.boxed
            );
        }
        let declared = field.default.as_ref();
        let has_default =
            declared.is_some_and(|default| field.ty.is_optional() || !is_zero(default));
        let pattern = field.constraints.pattern.as_ref().map(|source| {
            let constant = naming::shouty(&format!("{}_{}_pattern", place.name, field.name));
            (constant, format!("{source:?}"))
        });
        let docs = docs::lines(&field.docs, &self.field_signature(field));
        let absent = (place.owner).and_then(|owner| self.lock.explicit(owner, &field.name));
        StructField {
            docs: with_deprecation(docs, field.deprecated.as_deref()),
            json: format!("{:?}", field.json_name()),
            left_out: (has_default || field.may_be_left_out()).then(|| self.default_of(field)),
            to_proto: self.writing(field, &name, boxed, absent),
            from_proto: self.reading(field, &name, boxed, absent),
            checks: self.checks(
                field,
                &format!("self.{name}"),
                pattern.as_ref().map(|it| it.0.as_str()),
                boxed,
            ),
            default: self.default_of(field),
            omissible: field.omissible && field.auto.is_none(),
            visibility: if place.private { "pub(super)" } else { "pub" },
            ty,
            has_default,
            pattern,
            name,
        }
    }

    fn writing(&self, field: &Field, name: &str, boxed: bool, absent: Option<&Absent>) -> String {
        let value = format!("self.{name}");
        // Its presence is written, so that zero is told from a record that is older than the field.
        if absent.is_some() && !self.is_message(field.ty.value) {
            let value = self.writing(field, name, boxed, None);
            return format!("Some({value})");
        }
        // A float is more than copied: not every target knows a negative zero.
        if self.is_plain(field.ty.value) && !is_float(field.ty.value) {
            return if self.is_copy(field.ty) {
                value
            } else {
                format!("{value}.clone()")
            };
        }
        match field.ty.many {
            Many::One if self.is_message(field.ty.value) => {
                format!("Some(codegen::put(&{value}))")
            }
            Many::One => format!("codegen::put(&{value})"),
            Many::Optional if boxed => {
                format!(
                    "codegen::put_optional({value}.as_deref()).map({}::new)",
                    self.names.std.boxed
                )
            }
            Many::Optional => format!("codegen::put_optional({value}.as_ref())"),
            Many::List => format!("codegen::put_list(&{value})"),
            Many::Map => format!("codegen::put_map(&{value})"),
        }
    }

    fn reading(&self, field: &Field, name: &str, boxed: bool, absent: Option<&Absent>) -> String {
        let mut value = format!("proto.{name}");
        let path = &field.name;
        match absent {
            Some(absent @ Absent::Message(_)) => {
                let ValueType::Message(id) = field.ty.value else {
                    return value;
                };
                let bytes = absent.encoding(self.model, self.lock, id);
                let bytes = bytes.escape_ascii();
                return format!("codegen::take_or_older({path:?}, {value}, b\"{bytes}\")?");
            }
            Some(absent) => {
                let older = older(absent, self.model.stored_as(field.ty.value));
                value = format!("{value}.{older}");
            }
            None => {}
        }
        if self.is_plain(field.ty.value) {
            return value;
        }
        match field.ty.many {
            Many::One if self.is_message(field.ty.value) => {
                let take = if field.omissible {
                    "take_or_default"
                } else {
                    "take_required"
                };
                format!("codegen::{take}({path:?}, {value})?")
            }
            Many::One => format!("codegen::take({path:?}, {value})?"),
            Many::Optional if boxed => format!(
                "codegen::take_optional({path:?}, {value}.map(|inner| *inner))?.map({}::new)",
                self.names.std.boxed
            ),
            Many::Optional => format!("codegen::take_optional({path:?}, {value})?"),
            Many::List => format!("codegen::take_list({path:?}, {value})?"),
            Many::Map => format!("codegen::take_map({path:?}, {value})?"),
        }
    }

    /// What a field holds when it is left out.
    pub(super) fn default_of(&self, field: &Field) -> String {
        if let Some(literal) = &field.default {
            let value = self.rust_literal(literal, field.ty.value);
            return if field.ty.is_optional() {
                format!("Some({value})")
            } else {
                value
            };
        }
        match (field.ty.many, field.ty.value) {
            (Many::Optional, _) => "None".to_owned(),
            (Many::List, _) => format!("{}::new()", self.names.std.vec),
            (Many::Map, _) => "codegen::Map::new()".to_owned(),
            (Many::One, ValueType::Scalar(Scalar::Bool)) => "false".to_owned(),
            (Many::One, ValueType::Scalar(scalar)) if scalar.is_float() => "0.0".to_owned(),
            (Many::One, ValueType::Scalar(Scalar::Duration)) => {
                "codegen::Duration::default()".to_owned()
            }
            (Many::One, ValueType::Scalar(Scalar::Decimal(_))) => {
                "codegen::Decimal::ZERO".to_owned()
            }
            (Many::One, ValueType::Message(id)) => {
                format!("{}::default()", naming::camel(&self.model.message(id).name))
            }
            (Many::One, _) => "0".to_owned(),
        }
    }

    /// A literal in Rust, of this type.
    pub(super) fn rust_literal(&self, literal: &Literal, ty: ValueType) -> String {
        match literal {
            Literal::Bool(value) => value.to_string(),
            Literal::Number(Number::Int(value)) => match ty {
                ValueType::Scalar(scalar) if scalar.is_float() => format!("{value}.0"),
                ValueType::Scalar(Scalar::Duration) => {
                    format!("codegen::Duration::from_micros({value})")
                }
                _ => value.to_string(),
            },
            Literal::Number(Number::Decimal(units, scale)) => match ty {
                ValueType::Scalar(Scalar::Decimal(_)) if *units == 0 => {
                    "codegen::Decimal::ZERO".to_owned()
                }
                ValueType::Scalar(Scalar::Decimal(digits)) => rust_decimal(*units, *scale, digits),
                _ => number(Number::Decimal(*units, *scale)),
            },
            Literal::Number(value) => number(*value),
            Literal::String(text) if text.is_empty() => format!("{}::new()", self.names.std.string),
            Literal::String(text) => format!("{text:?}.to_owned()"),
            Literal::Enum(id, index) => {
                let declared = self.model.enumeration(*id);
                let value = &declared.values[*index as usize];
                format!(
                    "{}::{}",
                    naming::camel(&declared.name),
                    naming::camel(&value.name)
                )
            }
            Literal::EmptyList => format!("{}::new()", self.names.std.vec),
        }
    }
}

/// What stands for a field that a record lacks, since it is older.
fn older(absent: &Absent, value: ValueType) -> String {
    let value = match (absent, value) {
        (Absent::Int(value), ValueType::Scalar(Scalar::Bool)) => (*value != 0).to_string(),
        // As protobuf reads a number that has become narrower.
        (Absent::Int(value), ValueType::Scalar(Scalar::I32) | ValueType::Enum(_)) => {
            (*value as i32).to_string()
        }
        (Absent::Int(value), ValueType::Scalar(Scalar::U32)) => (*value as u32).to_string(),
        (Absent::Int(value), ValueType::Scalar(Scalar::U64)) => (*value as u64).to_string(),
        (Absent::Int(value), _) => (*value as i64).to_string(),
        (Absent::Float(value), ValueType::Scalar(Scalar::F32)) => format!("{:?}", *value as f32),
        (Absent::Float(value), _) => format!("{value:?}"),
        (Absent::Text(text), ValueType::Scalar(Scalar::Bytes)) => {
            return format!("unwrap_or(codegen::Bytes::from_static({text:?}.as_bytes()))");
        }
        (Absent::Text(text), _) => return format!("unwrap_or_else(|| {text:?}.to_owned())"),
        (Absent::Message(_), _) => "default()".to_owned(),
    };
    format!("unwrap_or({value})")
}

impl Field {
    /// Whether JSON may leave it out. What the platform makes is made before, so there it is always there.
    fn may_be_left_out(&self) -> bool {
        self.ty.is_optional() || (self.omissible && !self.is_made())
    }

    /// Whether the platform makes it where `create` leaves it out: a key, or by `@auto`.
    fn is_made(&self) -> bool {
        let is_uuid = self.ty == Type::one(ValueType::Scalar(Scalar::Uuid));
        self.omissible && (is_uuid || self.auto.is_some())
    }
}

/// Documentation with the word that the thing is on its way out.
pub(super) fn with_deprecation(mut docs: Vec<String>, why: Option<&str>) -> Vec<String> {
    if let Some(why) = why {
        docs.push(String::new());
        docs.push(format!("Deprecated: {}", why.replace(['\n', '\r'], " ")));
    }
    docs
}

fn is_float(value: ValueType) -> bool {
    matches!(value, ValueType::Scalar(Scalar::F32 | Scalar::F64))
}
