//! Owns text: sources, spans, the grammar and the tree that parsing gives.
//!
//! ```text
//! Source ──scan──▶ text without comments ──grammar.pest──▶ pairs ──lower──▶ ast::File
//! ```
//!
//! Parsing takes every text and yields what it can; the rest is a `Broken` node and a diagnostic.

pub mod ast;
pub mod concern;
mod docs;
pub mod enumeration;
mod explain;
pub mod expr;
pub mod field;
mod grammar;
mod lower;
pub mod message;
pub mod operation;
mod parse;
pub mod platform;
mod scan;
mod source;
mod span;
mod structure;
pub mod transaction;

pub use parse::{ImportEdge, Parsed, Unit, load, parse};
pub use scan::Comment;
pub use source::{MAX_FILE_BYTES, Position, Source, Sources};
pub use span::{FileId, Span};
pub(crate) use structure::{Holds, LineKind, Structure, structure};
