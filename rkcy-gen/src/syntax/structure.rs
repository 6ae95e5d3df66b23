//! Owns what the layout of a text depends on: where lines begin, which brackets hold lines and which
//! hold parts. It is taken from the pairs of the grammar, so that there is one grammar only.

use std::collections::{BTreeMap, BTreeSet};

use pest::iterators::Pair;

use super::grammar::{self, Rule};
use super::parse::parse;
use super::scan::{Comment, not_a_schema, scan};
use super::source::Sources;
use super::span::{FileId, Span};
use crate::diagnostic::Diagnostic;

/// What begins a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// A field. If attributes follow its default: where the default begins, where they begin, and where
    /// they end.
    Field {
        late_attributes: Option<(usize, usize, usize)>,
    },
    /// A command or a query.
    Operation,
    /// Anything else.
    Other,
}

/// What a pair of brackets holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Members, values or statements: each is a line.
    Lines,
    /// Parts between commas, behind what they belong to: `f(a, b)`.
    Glued,
    /// Parts between commas, with space in front of them: `key (a: T)`, `[a, b]`, `X { a }`.
    Spaced,
}

/// The structure of a file without syntax errors. Places are bytes of the source.
#[derive(Debug)]
pub(crate) struct Structure {
    /// The text without its comments, as long as the source.
    pub(crate) text: String,
    /// All comments, in written order.
    pub(crate) comments: Vec<Comment>,
    /// What begins a line, by the place where it begins.
    pub(crate) lines: BTreeMap<usize, LineKind>,
    /// What brackets hold, by the place of the closing one.
    pub(crate) brackets: BTreeMap<usize, Holds>,
    /// The places of the `<` and `>` of map types.
    pub(crate) angles: BTreeSet<usize>,
}

/// The structure of a file.
///
/// # Errors
/// The syntax errors of the file.
pub(crate) fn structure(sources: &Sources, id: FileId) -> Result<Structure, Vec<Diagnostic>> {
    let mut errors = parse(sources, id).diagnostics;
    errors.retain(Diagnostic::is_error);
    if !errors.is_empty() {
        return Err(errors);
    }
    let scanned = scan(id, sources.get(id));
    let mut found = Structure {
        text: String::new(),
        comments: scanned.comments,
        lines: BTreeMap::new(),
        brackets: BTreeMap::new(),
        angles: BTreeSet::new(),
    };
    // A file without errors has been parsed before.
    let unread = || vec![not_a_schema(Span::new(id, 0, 0))];
    let text = scanned.text.ok_or_else(unread)?;
    let root = grammar::parse(&text).map_err(|_| unread())?;
    for item in root.into_inner() {
        found.line(&item);
        found.walk(item);
    }
    found.text = text;
    Ok(found)
}

impl Structure {
    fn walk(&mut self, pair: Pair<'_, Rule>) {
        let holds_lines = holds_lines(pair.as_rule());
        match pair.as_rule() {
            _ if holds_lines => self.brackets_of(&pair, Holds::Lines),
            Rule::params | Rule::arguments | Rule::attribute_arguments | Rule::keys => {
                self.brackets_of(&pair, Holds::Glued);
            }
            Rule::entries | Rule::list_expr | Rule::unique => {
                self.brackets_of(&pair, Holds::Spaced);
            }
            Rule::key if pair.as_str().trim_end().ends_with(')') && is_composite(&pair) => {
                self.brackets_of(&pair, Holds::Spaced);
            }
            Rule::map_type => {
                let less = pair
                    .as_str()
                    .find('<')
                    .map(|at| pair.as_span().start() + at);
                self.angles.extend(less.into_iter().chain([last(&pair)]));
            }
            _ => {}
        }
        for part in pair.into_inner() {
            if holds_lines && begins_line(part.as_rule()) {
                self.line(&part);
            }
            self.walk(part);
        }
    }

    fn line(&mut self, pair: &Pair<'_, Rule>) {
        let kind = match pair.as_rule() {
            Rule::field => LineKind::Field {
                late_attributes: late_attributes(pair),
            },
            Rule::command | Rule::query => LineKind::Operation,
            Rule::EOI => return,
            _ => LineKind::Other,
        };
        self.lines.insert(pair.as_span().start(), kind);
    }

    fn brackets_of(&mut self, pair: &Pair<'_, Rule>, holds: Holds) {
        self.brackets.insert(last(pair), holds);
    }
}

/// The place of the last character of a pair that is no space.
fn last(pair: &Pair<'_, Rule>) -> usize {
    pair.as_span().start() + pair.as_str().trim_end().len() - 1
}

fn is_composite(key: &Pair<'_, Rule>) -> bool {
    let behind = key.as_str().strip_prefix("key").unwrap_or_default();
    behind.trim_start().starts_with('(')
}

fn holds_lines(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::platform
            | Rule::enumeration
            | Rule::message
            | Rule::event
            | Rule::config
            | Rule::concern
            | Rule::block
    )
}

fn begins_line(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::setting
            | Rule::enum_value
            | Rule::field
            | Rule::key
            | Rule::command
            | Rule::query
            | Rule::narrowing
            | Rule::unique
            | Rule::list
            | Rule::timer
            | Rule::let_statement
            | Rule::return_statement
            | Rule::require_statement
            | Rule::emit_statement
            | Rule::yield_statement
            | Rule::step_statement
            | Rule::for_loop
            | Rule::condition
    )
}

fn late_attributes(field: &Pair<'_, Rule>) -> Option<(usize, usize, usize)> {
    let mut parts = field.clone().into_inner();
    let default = parts.find(|part| part.as_rule() == Rule::default)?;
    let late = parts.next()?.into_inner().next()?;
    let start = default.as_span().start();
    Some((start, late.as_span().start(), last(field) + 1))
}
