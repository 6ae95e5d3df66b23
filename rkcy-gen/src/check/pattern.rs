//! Owns patterns: regular expressions that mean the same in Rust and in PostgreSQL.

use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassSet, ClassSetItem, GroupKind, LiteralKind, RepetitionKind,
};

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::Span;

/// Longer patterns are programs, and slow ones.
const MAX_LENGTH: usize = 1_000;
/// PostgreSQL allows no more repetitions.
const MAX_REPETITIONS: u32 = 255;

impl Checker {
    /// Whether the pattern means the same everywhere; else says why not.
    pub(super) fn pattern_is_shared(&mut self, pattern: &str, span: Span) -> bool {
        let why = match problem(pattern) {
            None => return true,
            Some(why) => why,
        };
        self.report(
            Diagnostic::new(Code::WrongPattern, span, format!("this pattern cannot be used: {why}"))
                .help("patterns are made of characters, `.`, classes, groups, `|`, `*`, `+`, `?` and `{n,m}`; the whole string must match"),
        );
        false
    }
}

/// What is wrong with a pattern.
fn problem(pattern: &str) -> Option<String> {
    if pattern.len() > MAX_LENGTH {
        return Some(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    match ast::parse::Parser::new().parse(pattern) {
        Err(error) => Some(error.kind().to_string()),
        Ok(ast) => {
            if let Some(why) = differs(&ast) {
                return Some(why.to_owned());
            }
            // Also bounds the size of what it is compiled to.
            regex::Regex::new(pattern)
                .err()
                .map(|_| "it is too large once compiled".to_owned())
        }
    }
}

/// What in a pattern means different things, or nothing, in one of the two.
fn differs(ast: &Ast) -> Option<&'static str> {
    match ast {
        Ast::Empty(_) | Ast::Dot(_) => None,
        Ast::Flags(_) => Some("flags like `(?i)` are not shared"),
        Ast::Literal(literal) => match literal.kind {
            LiteralKind::Verbatim | LiteralKind::Meta => None,
            _ => Some("write the character itself instead of this escape"),
        },
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine | AssertionKind::EndLine => {
                Some("`^` and `$` are not needed: the whole string must match")
            }
            _ => Some("boundaries like `\\b` are not shared"),
        },
        Ast::ClassUnicode(_) => Some("Unicode classes like `\\p{L}` are not shared"),
        Ast::ClassPerl(_) => Some(
            "`\\d`, `\\s` and `\\w` mean different characters in the two; write a class like `[0-9]`",
        ),
        Ast::ClassBracketed(class) => match &class.kind {
            ClassSet::Item(item) => class_differs(item),
            ClassSet::BinaryOp(_) => Some("operations on classes are not shared"),
        },
        Ast::Repetition(repetition) => {
            if !repetition.greedy {
                return Some("repetitions that take as little as they can are not shared");
            }
            if let RepetitionKind::Range(range) = &repetition.op.kind {
                let most = match range {
                    ast::RepetitionRange::Exactly(n)
                    | ast::RepetitionRange::AtLeast(n)
                    | ast::RepetitionRange::Bounded(_, n) => *n,
                };
                if most > MAX_REPETITIONS {
                    return Some("more than 255 repetitions are not shared");
                }
            }
            differs(&repetition.ast)
        }
        Ast::Group(group) => match group.kind {
            GroupKind::CaptureIndex(_) => differs(&group.ast),
            GroupKind::NonCapturing(ref flags) if flags.items.is_empty() => differs(&group.ast),
            _ => Some("groups with names or flags are not shared"),
        },
        Ast::Alternation(list) => list.asts.iter().find_map(differs),
        Ast::Concat(list) => list.asts.iter().find_map(differs),
    }
}

fn class_differs(item: &ClassSetItem) -> Option<&'static str> {
    match item {
        ClassSetItem::Empty(_) | ClassSetItem::Literal(_) | ClassSetItem::Range(_) => None,
        ClassSetItem::Ascii(_) => {
            Some("classes like `[:alpha:]` mean different characters in the two")
        }
        ClassSetItem::Unicode(_) => Some("Unicode classes like `\\p{L}` are not shared"),
        ClassSetItem::Perl(_) => {
            Some("`\\d`, `\\s` and `\\w` mean different characters in the two")
        }
        ClassSetItem::Bracketed(_) => Some("classes inside classes are not shared"),
        ClassSetItem::Union(union) => union.items.iter().find_map(class_differs),
    }
}

/// Whether the whole text matches a pattern that was accepted.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_taken() {
        for pattern in [
            "[a-z]+",
            "a|b",
            "(ab){2,3}c?",
            "[^0-9]*",
            "\\.",
            "(?:x)y",
            "",
        ] {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_differs_is_refused() {
        for pattern in [
            "(",
            "\\d",
            "\\bx",
            "(?i)x",
            "\\p{L}",
            "x*?",
            "(?<n>x)",
            "[[:alpha:]]",
            "^x$",
            "x{300}",
            "(?=x)",
            "[a&&b]",
        ] {
            assert!(problem(pattern).is_some(), "{pattern}");
        }
    }

    #[test]
    fn the_whole_text_must_match() {
        assert!(matches("[a-z]+", "abc"));
        assert!(!matches("[a-z]+", "abc1"));
        assert!(!matches("a|b", "ab"));
    }
}
