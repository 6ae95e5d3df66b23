//! Owns how the schema's own text is shown in documentation: a field, an operation, a type.

use rkcy_core::decimal;

use super::{Cx, Operation};
use crate::model::{Answer, Constraints, Field, Literal, Many, Number, Payload, Type, ValueType};

impl Cx<'_> {
    /// A type as a schema writes it.
    pub(super) fn schema_type(&self, ty: Type) -> String {
        let value = match ty.value {
            ValueType::Scalar(scalar) => scalar.to_string(),
            ValueType::Enum(id) => self.model.enumeration(id).name.clone(),
            ValueType::Message(id) => self.model.message(id).name.clone(),
            ValueType::Concern(id) => self.model.concern(id).name.clone(),
            ValueType::Ref(id) => format!("ref {}", self.model.concern(id).name),
            ValueType::IdOf(id) => format!("id of {}", self.model.concern(id).name),
            ValueType::ConfigRef(id) => format!("ref {}", self.model.message(id).name),
        };
        match ty.many {
            Many::One => value,
            Many::Optional => format!("{value}?"),
            Many::List => format!("[{value}]"),
            Many::Map => format!("map<string, {value}>"),
        }
    }

    /// A field as a schema writes it.
    pub(super) fn field_signature(&self, field: &Field) -> String {
        if self
            .model
            .concerns()
            .iter()
            .any(|concern| concern.is_key(field))
            || (self.model.configs()).any(|config| std::ptr::eq(&config.fields[0], field))
        {
            return self.key_signature(field);
        }
        let mut text = format!("{}: {}", field.name, self.schema_type(field.ty));
        text.push_str(&constraints(&field.constraints));
        if field.unique {
            text.push_str(" @unique");
        }
        if field.immutable {
            text.push_str(" @immutable");
        }
        if field.index {
            text.push_str(" @index");
        }
        if field.table {
            text.push_str(" @table");
        }
        if let Some(auto) = field.auto {
            text.push_str(&format!(" @auto({})", auto.word()));
        }
        if let Some(default) = &field.default {
            text.push_str(&format!(" = {}", self.literal(default)));
        }
        text
    }

    /// The key of a concern as a schema writes it.
    fn key_signature(&self, key: &Field) -> String {
        format!(
            "key {}: {}{}",
            key.name,
            self.schema_type(key.ty),
            constraints(&key.constraints)
        )
    }

    /// A command or a query as a schema writes it.
    pub(super) fn operation_signature(&self, operation: &Operation<'_>) -> String {
        let word = if operation.is_query {
            "query"
        } else {
            "command"
        };
        let params = match operation.payload {
            Payload::Empty => String::new(),
            Payload::Message(id) => self.model.message(*id).name.clone(),
            Payload::Fields(fields) => self.params_signature(fields),
        };
        let mut text = format!("{word} {}({params})", operation.name);
        text.push_str(&self.result_signature(operation.result));
        if let Some(undo) = operation.undo {
            text.push_str(&format!(" undo {undo}"));
        }
        text.push_str(&operation.refusals.to_string());
        if operation.related {
            text.push_str(" @related");
        }
        text
    }

    /// Parameters as a schema writes them.
    pub(super) fn params_signature(&self, params: &[Field]) -> String {
        params
            .iter()
            .map(|param| self.field_signature(param))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A result type with the arrow before it.
    pub(super) fn result_signature(&self, result: Option<&Answer>) -> String {
        result.map_or_else(String::new, |result| {
            format!(
                " -> {}{}",
                self.schema_type(result.ty),
                constraints(&result.constraints)
            )
        })
    }

    /// A literal as a schema writes it.
    pub(super) fn literal(&self, literal: &Literal) -> String {
        match literal {
            Literal::Bool(value) => value.to_string(),
            Literal::Number(value) => number(*value),
            Literal::String(text) => quoted(text),
            Literal::Enum(id, index) => self.model.enumeration(*id).values[*index as usize]
                .name
                .clone(),
            Literal::EmptyList => "[]".to_owned(),
        }
    }
}

/// A number as schemas and SQL write it, and Rust, unless it is a `decimal`.
pub(crate) fn number(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => {
            let text = value.to_string();
            if text.contains('.') {
                text
            } else {
                format!("{text}.0")
            }
        }
        Number::Decimal(units, scale) => decimal::show(units, scale),
    }
}

/// A string with the escapes that a schema knows.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

fn constraints(constraints: &Constraints) -> String {
    let mut text = String::new();
    match (constraints.min, constraints.max) {
        (Some(min), Some(max)) => {
            text.push_str(&format!(" @range({}..={})", number(min), number(max)))
        }
        (Some(min), None) => text.push_str(&format!(" @min({})", number(min))),
        (None, Some(max)) => text.push_str(&format!(" @max({})", number(max))),
        (None, None) => {}
    }
    if let Some(length) = constraints.length {
        let range = match (length.min, length.max) {
            (0, Some(max)) => format!("..={max}"),
            (min, Some(max)) => format!("{min}..={max}"),
            (min, None) => format!("{min}.."),
        };
        text.push_str(&format!(" @length({range})"));
    }
    if let Some(pattern) = &constraints.pattern {
        text.push_str(&format!(" @pattern({})", quoted(pattern)));
    }
    text
}

/// Whether protobuf writes nothing for a literal.
pub(crate) fn is_zero(literal: &Literal) -> bool {
    match literal {
        Literal::Bool(value) => !value,
        Literal::Number(Number::Int(value)) => *value == 0,
        Literal::Number(Number::Float(value)) => *value == 0.0,
        Literal::Number(Number::Decimal(units, _)) => *units == 0,
        Literal::String(text) => text.is_empty(),
        Literal::Enum(..) => false,
        Literal::EmptyList => true,
    }
}
