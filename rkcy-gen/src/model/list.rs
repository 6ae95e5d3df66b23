//! Owns lists: in which orders the instances of a concern can be read from the database, page by page.

use schemars::JsonSchema;
use serde::Serialize;

use crate::syntax::Span;

/// `list NAME by a, b desc`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct List {
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// What it is ordered by, as written.
    pub by: Vec<ListPart>,
    /// The parts of the key that are not among these. Ordered by them as well, no two instances are equal.
    pub then: Vec<ListPart>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// A field that a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct ListPart {
    /// The field, by its position in `Concern::all_fields`.
    pub field: usize,
    /// Whether the largest comes first.
    pub descending: bool,
}
