//! Value constraints: what generated `check` functions are made of.
//!
//! Owns one function for each attribute of the schema, and the checks that every value of a type has to
//! pass because some target could not store it otherwise. Each names the field at fault.

use super::document::Json;
use super::field::Map;
use super::time::Timestamp;
use super::value::{Value, Violation};
use regex::Regex;
use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::sync::OnceLock;

/// A number within the limits of `@min`, `@max` or `@range`.
///
/// # Errors
/// Where it is not.
pub fn number<T: PartialOrd + Display + Copy>(
    path: &str,
    value: T,
    range: impl RangeBounds<T>,
) -> Result<(), Violation> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Violation::new(
        path,
        format!("must be {}, not {value}", words(&range)),
    ))
}

/// A number that is neither infinite nor NaN.
///
/// # Errors
/// Where it is one of them.
pub fn finite(path: &str, value: impl Into<f64>) -> Result<(), Violation> {
    if value.into().is_finite() {
        return Ok(());
    }
    Err(Violation::new(path, "must be a finite number"))
}

/// Text without NUL, with so many Unicode scalars.
///
/// # Errors
/// Where it is not.
pub fn text(path: &str, value: &str, length: impl RangeBounds<usize>) -> Result<(), Violation> {
    if value.contains('\0') {
        return Err(Violation::new(path, "must not contain NUL"));
    }
    if unbounded(&length) || length.contains(&value.chars().count()) {
        return Ok(());
    }
    let count = value.chars().count();
    Err(Violation::new(
        path,
        format!("must have {} characters, not {count}", words(&length)),
    ))
}

/// A list, or bytes, of so many elements.
///
/// # Errors
/// Where there are more or less.
pub fn length(path: &str, value: usize, length: impl RangeBounds<usize>) -> Result<(), Violation> {
    if length.contains(&value) {
        return Ok(());
    }
    Err(Violation::new(
        path,
        format!("must have {} elements, not {value}", words(&length)),
    ))
}

/// A document that is not `null`, which stands for one that is absent.
///
/// # Errors
/// Where it is.
pub fn not_null(path: &str, value: &Json) -> Result<(), Violation> {
    if value.is_null() {
        return Err(Violation::new(
            path,
            "must be absent or a document, not `null`",
        ));
    }
    Ok(())
}

/// An instant that every target can store: in the years 1 to 9999.
///
/// # Errors
/// Where it is not.
pub fn timestamp(path: &str, value: Timestamp) -> Result<(), Violation> {
    if value.is_storable() {
        return Ok(());
    }
    Err(Violation::new(path, "must be in the years 1 to 9999"))
}

/// A value with constraints of its own.
///
/// # Errors
/// The first that is broken, seen from `path`.
pub fn nested<V: Value>(path: &str, value: &V) -> Result<(), Violation> {
    value.check().map_err(|violation| violation.within(path))
}

/// Every element of a list.
///
/// # Errors
/// The first that `check` finds, with its index.
pub fn each<T>(
    path: &str,
    values: &[T],
    check: impl Fn(&T) -> Result<(), Violation>,
) -> Result<(), Violation> {
    values.iter().enumerate().try_for_each(|(index, value)| {
        check(value).map_err(|violation| violation.at_index(index).within(path))
    })
}

/// Every value of a map, and every name.
///
/// # Errors
/// The first that `check` finds, with its name, or a name that not every target can store.
pub fn entries<T>(
    path: &str,
    values: &Map<T>,
    check: impl Fn(&T) -> Result<(), Violation>,
) -> Result<(), Violation> {
    values.iter().try_for_each(|(name, value)| {
        let checked = text("", name, ..).and_then(|()| check(value));
        checked.map_err(|violation| violation.at_key(name).within(path))
    })
}

/// A regular expression of `@pattern`; it is compiled when it is first used.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// The pattern, without anchors: the whole text has to match.
    #[must_use]
    pub const fn new(source: &'static str) -> Pattern {
        Pattern {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// Text that matches.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&self, path: &str, value: &str) -> Result<(), Violation> {
        let compiled = self
            .compiled
            .get_or_init(|| Regex::new(&format!("^(?:{})$", self.source)).ok());
        // A pattern that does not compile is refused by the checker of the schema.
        if compiled.as_ref().is_some_and(|regex| regex.is_match(value)) {
            return Ok(());
        }
        Err(Violation::new(
            path,
            format!("must match `{}`", self.source),
        ))
    }
}

fn unbounded<T>(range: &impl RangeBounds<T>) -> bool {
    matches!(
        (range.start_bound(), range.end_bound()),
        (Bound::Unbounded, Bound::Unbounded)
    )
}

/// The range in words. Ranges of schemas include both ends.
fn words<T: Display>(range: &impl RangeBounds<T>) -> String {
    let end = |bound| match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value),
        Bound::Unbounded => None,
    };
    match (end(range.start_bound()), end(range.end_bound())) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_the_field_and_the_limits() {
        let broken = number("gold", -1, 0..).unwrap_err();
        assert_eq!(broken.path, "gold");
        assert_eq!(broken.message, "must be at least 0, not -1");
        let broken = text("name", "a", 2..=64).unwrap_err();
        assert_eq!(broken.message, "must have 2 to 64 characters, not 1");
        assert!(text("name", "a\0b", ..).is_err());
        assert!(text("name", "äö", 2..=2).is_ok());
        assert!(finite("x", f32::NAN).is_err());
        let broken = each("tags", &["a", ""], |tag| text("", tag, 1..)).unwrap_err();
        assert_eq!(broken.path, "tags[1]");
    }

    #[test]
    fn the_whole_text_has_to_match_a_pattern() {
        static PATTERN: Pattern = Pattern::new("a|b");
        assert!(PATTERN.check("x", "b").is_ok());
        assert!(PATTERN.check("x", "bc").is_err());
    }
}
