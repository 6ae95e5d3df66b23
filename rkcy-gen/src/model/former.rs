//! Owns what a schema says of its own past: what things were called, and which findings about a change
//! were seen and accepted.

use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::Code;
use crate::syntax::Span;

/// A name of `@was`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct FormerName {
    /// The name.
    pub text: String,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// `@allow(CODE, "why")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// What is silenced.
    pub code: Code,
    /// Where: all of a field, a value, a declaration.
    pub element: Span,
    /// Where the attribute stands.
    pub span: Span,
}
