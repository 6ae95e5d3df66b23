//! Owns pest: the parser made from `grammar.pest`, and its limit on work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use pest::Parser as _;
use pest::iterators::Pair;

/// The parser made from `grammar.pest`.
#[derive(pest_derive::Parser)]
#[grammar = "syntax/grammar.pest"]
pub(super) struct Grammar;

/// pest counts calls of its own parsing functions. Sensible schemas need about 60 for a byte; this
/// many are far more than any text needs for which the grammar is linear.
const CALLS_PER_BYTE: usize = 1_000;
/// For the shortest texts.
const CALLS_AT_LEAST: usize = 1_000_000;

/// The text cannot be parsed within the limits on work and stack.
pub(super) struct TooComplicated;

/// Parses a file. The grammar takes every text, so only the limits can refuse one.
pub(super) fn parse(text: &str) -> Result<Pair<'_, Rule>, TooComplicated> {
    allow(text.len());
    let mut pairs = Grammar::parse(Rule::file, text).map_err(|_| TooComplicated)?;
    pairs.next().ok_or(TooComplicated)
}

/// The limit is global to the process, so it only ever grows: to what the longest text needs.
fn allow(bytes: usize) {
    static LONGEST: AtomicUsize = AtomicUsize::new(0);
    let longest = LONGEST.fetch_max(bytes, Ordering::Relaxed).max(bytes);
    pest::set_call_limit(NonZeroUsize::new(
        CALLS_AT_LEAST.saturating_add(longest.saturating_mul(CALLS_PER_BYTE)),
    ));
}
