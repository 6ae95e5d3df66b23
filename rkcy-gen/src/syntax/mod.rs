//! Owns text: sources, spans, the grammar and the tree that parsing gives.

mod span;

pub use span::{FileId, Span};
