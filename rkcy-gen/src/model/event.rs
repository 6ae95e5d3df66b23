//! Owns events: what a transaction tells those outside, once it is committed.

use schemars::JsonSchema;
use serde::Serialize;

use super::field::Field;
use super::former::FormerName;
use super::ids::EventId;
use crate::syntax::Span;

/// `event X { … }`: like a message, but no type of a value.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The fields, as declared.
    pub fields: Vec<Field>,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}
