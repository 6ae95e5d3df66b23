//! Owns enums in Rust.

use askama::Template;

use super::field::with_deprecation;
use super::{Cx, docs};
use crate::model::Enum;
use crate::naming::{self, Std};

/// The file of an enum.
#[derive(Debug, Clone, Template)]
#[template(path = "enumeration.jinja", escape = "none")]
pub(super) struct EnumFile {
    header: String,
    std: Std,
    schema: String,
    /// Name in the schema.
    declared: String,
    name: String,
    docs: Vec<String>,
    values: Vec<Value>,
    is_key: bool,
}

#[derive(Debug, Clone)]
struct Value {
    docs: Vec<String>,
    name: String,
    /// Name in the schema.
    declared: String,
    /// Name in JSON.
    json: String,
    number: u32,
}

impl Cx<'_> {
    pub(super) fn enum_file(&self, declared: &Enum, is_key: bool) -> EnumFile {
        let values = declared.values.iter().map(|value| Value {
            docs: with_deprecation(
                docs::lines(&value.docs, &value.name),
                value.deprecated.as_deref(),
            ),
            name: naming::camel(&value.name),
            declared: value.name.clone(),
            json: value.json_name().to_owned(),
            number: self.lock.value(&declared.name, &value.name),
        });
        let values: Vec<Value> = values.collect();
        let facts = values
            .iter()
            .map(|value| format!("{} {} {}", value.declared, value.json, value.number));
        EnumFile {
            header: self.header.clone(),
            std: self.names.std.clone(),
            schema: super::hash(std::iter::once(format!("enum {}", declared.name)).chain(facts)),
            declared: declared.name.clone(),
            name: naming::camel(&declared.name),
            docs: with_deprecation(
                docs::lines(&declared.docs, &format!("enum {}", declared.name)),
                declared.deprecated.as_deref(),
            ),
            values,
            is_key,
        }
    }
}
