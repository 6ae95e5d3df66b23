//! Owns messages in Rust, and configuration.

use askama::Template;

use super::operation::DescParam;
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::Message;
use crate::naming::{self, Std};

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
    config: Option<ConfigFacts>,
}

/// What only a config has.
#[derive(Debug, Clone)]
struct ConfigFacts {
    std: Std,
    name: String,
    doc: String,
    number: u32,
    key_type: String,
    key_value: String,
    is_required: bool,
}

impl Cx<'_> {
    pub(super) fn message_file(&self, message: &Message) -> MessageFile {
        let mut imports = Imports::new();
        let name = naming::camel(&message.name);
        let word = if message.config { "config" } else { "message" };
        let shape = Shape {
            docs: docs::lines(&message.docs, &format!("{word} {}", message.name)),
            name: &name,
            proto: &name,
            owner: Some(&message.name),
            message: Some(message.id),
            fields: message.fields.iter().map(|field| (field, false)).collect(),
            omissible: message.omissible,
            key: false,
            deprecated: message.deprecated.as_deref(),
        };
        let value = self.value_struct(shape, &mut imports);
        MessageFile {
            header: self.header.clone(),
            schema: super::hash(
                (self
                    .field_facts(&message.name, message.fields.iter())
                    .into_iter())
                .chain(
                    (message.config).then(|| format!("config {}", self.lock.config(&message.name))),
                ),
            ),
            declared: message.name.clone(),
            config: message
                .config
                .then(|| self.config_facts(message, &mut imports)),
            imports,
            value,
            params: self.desc_params(message.fields.iter()),
        }
    }

    fn config_facts(&self, config: &Message, imports: &mut Imports) -> ConfigFacts {
        let key = &config.fields[0];
        let place = format!("self.{}", naming::snake(&key.name));
        ConfigFacts {
            std: self.names.std.clone(),
            name: naming::camel(&config.name),
            doc: format!("{:?}", docs::first_paragraph(&config.docs)),
            number: self.lock.config(&config.name),
            key_type: self.rust_type(key.ty, imports),
            key_value: match self.is_copy(key.ty) {
                true => place,
                false => format!("{place}.clone()"),
            },
            is_required: self.model.is_required(config.id),
        }
    }
}
