//! Owns enums.

use schemars::JsonSchema;
use serde::Serialize;

use super::former::FormerName;
use super::ids::EnumId;
use crate::syntax::Span;

/// An enum. Number 0 on the wire is the generated `UNSPECIFIED`, which is not among the values.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Enum {
    /// Its id.
    pub id: EnumId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The values, as declared; at least one.
    pub values: Vec<EnumValue>,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// A value of an enum.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct EnumValue {
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// `@tag(n)`: the protobuf number that it must have.
    pub tag: Option<u32>,
    /// `@json("name")`: its name in JSON.
    pub json: Option<String>,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

impl EnumValue {
    /// Its name in JSON.
    pub fn json_name(&self) -> &str {
        self.json.as_deref().unwrap_or(&self.name)
    }
}
