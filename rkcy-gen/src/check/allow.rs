//! Owns `@allow(CODE, "why")`: which findings at which elements are silenced, and which of them are not
//! there.
//!
//! A finding belongs to the innermost element around it. Codes that need an older schema to be found are
//! left to those who have one: they come with the model.

use std::collections::BTreeSet;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic, Severity, unused_allow};
use crate::model::Allow;
use crate::syntax::Span;
use crate::syntax::field::{Argument, Attribute, Literal, LiteralKind};

/// What is silenced, and where.
#[derive(Default)]
pub(super) struct Allowed {
    /// All that could have an `@allow`.
    elements: BTreeSet<Span>,
    allows: Vec<Allow>,
}

impl Allowed {
    /// Notes something that may have attributes.
    pub(super) fn element(&mut self, span: Span) {
        self.elements.insert(span);
    }

    /// The innermost element around a place.
    fn innermost(&self, place: Span) -> Option<Span> {
        let around = self.elements.iter().filter(|it| it.contains(place));
        around.min_by_key(|it| it.end - it.start).copied()
    }

    /// Takes away the findings that are allowed. What is left, and the allowances that others ask for.
    pub(super) fn apply(self, found: Vec<Diagnostic>) -> (Vec<Diagnostic>, Vec<Allow>) {
        let failed = found.iter().any(Diagnostic::is_error);
        let mut used = vec![false; self.allows.len()];
        let mut left = Vec::new();
        for finding in found {
            let element = finding.span().and_then(|place| self.innermost(place));
            let allow = self.allows.iter().position(|allow| {
                allow.code == finding.code && Some(allow.element) == element && !finding.is_error()
            });
            match allow {
                Some(allow) => used[allow] = true,
                None => left.push(finding),
            }
        }
        let mut others = Vec::new();
        for (allow, used) in self.allows.into_iter().zip(used) {
            if allow.code.is_about_change() {
                others.push(allow);
            } else if !used && !failed {
                left.push(unused_allow(&allow));
            }
        }
        (left, others)
    }
}

impl Checker {
    /// `@allow(CODE, "why")`.
    pub(super) fn allow(&mut self, attribute: &Attribute, element: Span) {
        let arguments = attribute.arguments.as_deref().unwrap_or_default();
        let [
            Argument::Literal(Literal {
                kind: LiteralKind::Name(code),
                span,
            }),
            Argument::Literal(Literal {
                kind: LiteralKind::String(why),
                span: why_span,
            }),
        ] = arguments
        else {
            return self.wrong_arguments(attribute);
        };
        if why.trim().is_empty() {
            let message = "an `@allow` says why";
            let finding = Diagnostic::new(Code::WrongAllow, *why_span, message);
            self.report(finding.help("write what makes it right here"));
        }
        let Some(known) = Code::find(code).filter(|known| known.name() == code) else {
            let finding = Diagnostic::new(
                Code::WrongAllow,
                *span,
                format!("there is no code `{code}`"),
            )
            .help("`rkcy-gen explain` lists all codes");
            let names = Code::ALL.iter().map(|code| code.name());
            return self.report(finding.did_you_mean(*span, code, names));
        };
        if known.severity() == Severity::Error && !known.is_about_change() {
            let message = format!("{known} is an error, which cannot be allowed");
            let finding = Diagnostic::new(Code::WrongAllow, *span, message);
            return self.report(finding.help(
                "warnings can be, and what `migrate` and `breaking` say about a change of the schema",
            ));
        }
        let allow = Allow {
            code: known,
            element,
            span: attribute.span,
        };
        let first = (self.allowed.allows.iter())
            .find(|it| it.code == known && it.element == element)
            .map(|it| it.span);
        match first {
            None => self.allowed.allows.push(allow),
            Some(first) => self.report(
                Diagnostic::new(
                    Code::AttributeTwice,
                    attribute.span,
                    format!("{known} is allowed here twice"),
                )
                .label(first, "first here")
                .help("remove one of them"),
            ),
        }
    }
}
