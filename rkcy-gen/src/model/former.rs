//! Owns what a schema says of its own past: what things were called, and which findings about a change
//! were seen and accepted.

use serde::{Serialize, Serializer};

use crate::diagnostic::Code;
use crate::syntax::Span;

/// A name of `@was`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Serialize for FormerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
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
