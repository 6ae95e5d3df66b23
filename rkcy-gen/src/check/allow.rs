//! Owns `@allow(CODE, "why")`: which findings at which elements are silenced, and which of them are not
//! there.
//!
//! Codes that need an older schema to be found are left to those who have one: they come with the model.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic, Severity, silence};
use crate::model::Allow;
use crate::syntax::Span;
use crate::syntax::field::{Argument, Attribute, Literal, LiteralKind};

/// Takes away the findings that are allowed. What is left, and the allowances that others ask for.
pub(super) fn apply(allows: Vec<Allow>, found: Vec<Diagnostic>) -> (Vec<Diagnostic>, Vec<Allow>) {
    if allows.is_empty() {
        return (found, allows);
    }
    // Where something could not be checked to its end, nobody knows what is not there.
    let failed = found.iter().any(Diagnostic::is_error);
    let left = silence(found, &allows, |code| !code.is_about_change());
    let left = left.into_iter();
    let left = left.filter(|it| !(failed && it.code == Code::UnusedAllow));
    let others = allows.iter().filter(|it| it.code.is_about_change());
    (left.collect(), others.cloned().collect())
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
        let first = (self.allows.iter())
            .find(|it| it.code == known && it.element == element)
            .map(|it| it.span);
        match first {
            None => self.allows.push(allow),
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
