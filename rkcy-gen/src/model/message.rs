//! Owns messages: values without a key, in fields, requests and results; and configuration, which is kept as they are,
//! and has a key.

use schemars::JsonSchema;
use serde::Serialize;

use super::field::Field;
use super::former::FormerName;
use super::ids::MessageId;
use super::types::ValueType;
use crate::syntax::Span;

/// A message, or a `config`.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The fields, as declared.
    pub fields: Vec<Field>,
    /// Whether all of its fields may be left out, and so a field of this type.
    pub omissible: bool,
    /// Whether it is a `config`: its first field is its key, and operators alone make and change its objects.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub config: bool,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

impl Message {
    /// Whether its fields can be columns of whoever holds it: it holds no lists and no messages.
    pub fn is_flat(&self) -> bool {
        self.fields.iter().all(|field| {
            !field.ty.is_collection() && !matches!(field.ty.value, ValueType::Message(_))
        })
    }
}
