//! Owns messages in Rust.

use askama::Template;

use super::operation::DescParam;
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::Message;
use crate::naming::{self, Claims};

/// The file of a message.
#[derive(Debug, Clone, Template)]
#[template(path = "message.jinja", escape = "none")]
pub(super) struct MessageFile {
    header: String,
    schema: String,
    /// Name in the schema.
    declared: String,
    imports: Imports,
    value: ValueStruct,
    params: Vec<DescParam>,
}

impl Cx<'_> {
    pub(super) fn message_file(&self, message: &Message) -> MessageFile {
        let mut imports = Imports::new();
        let name = naming::camel(&message.name);
        let shape = Shape {
            docs: docs::lines(&message.docs, &format!("message {}", message.name)),
            name: &name,
            proto: &name,
            message: Some(message.id),
            fields: message.fields.iter().map(|field| (field, false)).collect(),
            omissible: message.omissible,
            key: false,
            deprecated: message.deprecated.as_deref(),
        };
        let value = self.value_struct(shape, &mut imports, &mut Claims::default());
        MessageFile {
            header: self.header.clone(),
            schema: super::hash(self.field_facts(&message.name, message.fields.iter())),
            declared: message.name.clone(),
            imports,
            value,
            params: self.desc_params(message.fields.iter()),
        }
    }
}
