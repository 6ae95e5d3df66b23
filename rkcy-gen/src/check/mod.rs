//! Owns checking: from trees to a model, or to everything that is wrong with them.
//!
//! ```text
//! 1 names         what is declared, twice or in the wrong case
//! 2 platform      its settings; what imports bring
//! 3 members       fields, keys, operations: types, attributes, constraints, defaults
//! 4 shapes        what only all of it together tells: recursion, circles, what may be left out
//! 5 transactions  statements, expressions, the order of locks, bounds, undo; the timers that run them
//! 6 allowances    what is silenced by `@allow`
//! ```
//!
//! Every pass goes on after an error. What is not known because of one is marked as such (see
//! `Schema`), so that it is not reported again by each of its users.

mod allow;
mod attribute;
mod block;
mod body;
mod bounds;
mod claim;
mod column;
mod concern;
mod condition;
mod config;
mod constraint;
mod conversion;
mod default;
mod effect;
mod enumeration;
mod event;
mod expr;
mod field;
mod former;
mod function;
mod list;
mod message;
mod names;
mod naming;
mod number;
mod operation;
mod order;
mod path;
mod pattern;
mod platform;
mod record;
mod related;
mod schema;
mod shape;
mod statement;
mod step;
mod target;
mod timer;
mod transaction;
mod types;
mod undo;

use crate::diagnostic::{Diagnostic, sort};
use crate::model::{Allow, Declared, Model};
use crate::syntax::Unit;

use schema::Schema;

/// What checking gives.
#[derive(Debug)]
pub struct Checked {
    /// The model, if there was no error.
    pub model: Option<Model>,
    /// Everything that was found, by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a file with all that it imports.
pub fn check(unit: Unit) -> Checked {
    let Unit {
        files,
        imports,
        diagnostics,
    } = unit;
    let opaque = files.iter().any(|file| file.opaque);
    let mut checker = Checker {
        schema: Schema::default(),
        diagnostics,
        allows: Vec::new(),
    };
    let mut platform = None;
    if !opaque {
        checker.declare_names(&files);
        platform = checker.platform(&files);
        checker.members(&files);
        checker.sides();
        checker.related_operations();
        checker.shapes();
        checker.transactions(&files);
        checker.timers();
        checker.former_names();
        checker.unused_imports(&files, &imports);
    }
    let (mut diagnostics, allows) = allow::apply(checker.allows, checker.diagnostics);
    sort(&mut diagnostics);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    let Schema {
        enums,
        messages,
        events,
        concerns,
        functions,
        effects,
        transactions,
        ..
    } = checker.schema;
    let declared = Declared {
        enums,
        messages,
        events,
        concerns,
        functions,
        effects,
        transactions,
    };
    let platform = platform.filter(|_| !failed);
    let model = platform.map(|platform| Model::new(platform, declared, allows));
    Checked { model, diagnostics }
}

/// The state of checking: what is known so far, and what was found.
struct Checker {
    schema: Schema,
    diagnostics: Vec<Diagnostic>,
    /// What is silenced, and where.
    allows: Vec<Allow>,
}

impl Checker {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
