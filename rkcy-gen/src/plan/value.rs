//! Owns structs with their `impl Value`: messages, payloads, parameters of transactions, instances.

use askama::Template;

use super::Cx;
use super::field::{Place, StructField, with_deprecation};
use super::types::Imports;
use crate::model::{Field, MessageId};
use crate::naming::Std;

/// A struct and its way to protobuf.
#[derive(Debug, Clone, Template)]
#[template(path = "value.jinja", escape = "none")]
pub(super) struct ValueStruct {
    std: Std,
    docs: Vec<String>,
    name: String,
    /// Its message in `proto`.
    proto: String,
    derives: Vec<&'static str>,
    fields: Vec<StructField>,
    /// A declared default stands in the way of `derive(Default)`.
    has_default_impl: bool,
    has_checks: bool,
}

/// What a struct is made of.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) docs: Vec<String>,
    pub(super) name: &'a str,
    pub(super) proto: &'a str,
    /// Whose its fields are in the lock; `None` of parameters.
    pub(super) owner: Option<&'a str>,
    pub(super) message: Option<MessageId>,
    /// The fields, and whether handlers must not change them.
    pub(super) fields: Vec<(&'a Field, bool)>,
    /// Whether it may be left out as a whole.
    pub(super) omissible: bool,
    /// Whether it is a key, which is compared, sorted and looked up.
    pub(super) key: bool,
    pub(super) deprecated: Option<&'a str>,
}

impl Cx<'_> {
    pub(super) fn value_struct(&self, shape: Shape<'_>, imports: &mut Imports) -> ValueStruct {
        let is_eq = shape.fields.iter().all(|(field, _)| self.is_eq(field.ty));
        let mut fields = Vec::new();
        for (field, private) in &shape.fields {
            let place = Place {
                message: shape.message,
                name: shape.name,
                owner: shape.owner,
                private: *private,
            };
            fields.push(self.struct_field(field, place, imports));
        }
        imports.remove(shape.name);
        let has_default_impl = shape.omissible && fields.iter().any(|field| field.has_default);
        let mut derives = vec!["Clone", "Debug"];
        if shape.omissible && !has_default_impl {
            derives.push("Default");
        }
        derives.push("PartialEq");
        if is_eq {
            derives.push("Eq");
        }
        if shape.key {
            derives.extend(["PartialOrd", "Ord", "Hash"]);
            if shape.fields.iter().all(|(field, _)| self.is_copy(field.ty)) {
                derives.insert(1, "Copy");
            }
        }
        ValueStruct {
            std: self.names.std.clone(),
            docs: with_deprecation(shape.docs, shape.deprecated),
            name: shape.name.to_owned(),
            proto: shape.proto.to_owned(),
            derives,
            has_default_impl,
            has_checks: fields.iter().any(|field| !field.checks.is_empty()),
            fields,
        }
    }
}

impl ValueStruct {
    /// The fields, as they are printed.
    pub(super) fn fields(&self) -> &[StructField] {
        &self.fields
    }
}
