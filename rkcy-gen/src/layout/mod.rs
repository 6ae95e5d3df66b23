//! Owns the one layout of a schema: what `fmt` writes.
//!
//! ```text
//! Source ──structure──▶ lines and brackets ──tokens──▶ tokens with comments ──print──▶ text
//! ```
//!
//! It works on tokens and not on the tree, so it cannot lose what the tree does not hold. The rules, as
//! the language reference has them: an indent is four spaces; a line has up to 100 columns, and what does
//! not fit is broken at its longest brackets, with one part a line and a comma behind each; a block stays
//! on one line if it was written so, fits, and holds no comment; the types of fields that follow each
//! other stand in a column, and so do comments behind lines; defaults stand last; blank lines are kept,
//! one at a time, and stand around declarations of several lines.

mod print;
mod token;

use crate::diagnostic::Diagnostic;
use crate::syntax::{FileId, Sources, structure};

/// A file in the one layout.
///
/// # Errors
/// The syntax errors of the file: what cannot be read is not touched.
pub fn layout(sources: &Sources, id: FileId) -> Result<String, Vec<Diagnostic>> {
    let structure = structure(sources, id)?;
    let tokens = token::tokens(sources.get(id).text(), &structure);
    Ok(print::print(&tokens))
}
