//! Owns keys of several parts in Rust: the struct, its bytes, its text.

use askama::Template;

use super::Cx;
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use crate::model::Concern;
use crate::naming::Std;

/// A key of several parts.
#[derive(Debug, Clone, Template)]
#[template(path = "key.jinja", escape = "none")]
pub(super) struct KeyStruct {
    std: Std,
    pub(super) name: String,
    value: ValueStruct,
}

impl Cx<'_> {
    /// The key of a concern, where it has several parts.
    pub(super) fn key_struct(&self, concern: &Concern, imports: &mut Imports) -> Option<KeyStruct> {
        if concern.single_key().is_some() {
            return None;
        }
        let name = self.names.key(&concern.name);
        let shape = Shape {
            docs: vec![format!("The key of a `{}`.", concern.name)],
            name,
            proto: name,
            owner: Some(&concern.name),
            message: None,
            fields: concern.keys.iter().map(|key| (key, false)).collect(),
            omissible: false,
            key: true,
            deprecated: None,
        };
        Some(KeyStruct {
            std: self.names.std.clone(),
            name: name.to_owned(),
            value: self.value_struct(shape, imports),
        })
    }
}
