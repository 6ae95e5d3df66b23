//! Owns findings: what is wrong with a schema, where, and what to do about it.
//!
//! A finding has a code of the registry (`code`), a message, labelled places and, where the fix is
//! known, a help line and edits. `human`, `json` and `sarif` print them.

mod allowed;
mod code;
mod explain;
mod human;
mod json;
mod sarif;
mod similar;

pub use allowed::silence;
pub use code::{Code, Severity};
pub use explain::page;
pub use human::{human, one_line};
pub use json::json;
pub use sarif::{sarif, sarif_result};
pub(crate) use similar::closest;

use crate::syntax::Span;

/// One finding.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The rule that was broken.
    pub code: Code,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The places; the first is the one that is reported.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// Changes that, applied together, remove the finding.
    pub edits: Vec<Edit>,
}

/// A place and what is to be said about it.
#[derive(Debug, Clone)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said about it; may be empty.
    pub text: String,
}

/// A change of the text.
#[derive(Debug, Clone)]
pub struct Edit {
    /// What is replaced; may be empty.
    pub span: Span,
    /// By what; may be empty.
    pub replacement: String,
}

impl Diagnostic {
    /// A finding at a place.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let labels = vec![Label {
            span,
            text: String::new(),
        }];
        Self {
            code,
            message: message.into(),
            labels,
            help: None,
            edits: Vec::new(),
        }
    }

    /// Says something about the place that is reported.
    pub(crate) fn saying(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Sets the help line.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a change that is part of the fix.
    pub(crate) fn edit(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.edits.push(Edit {
            span,
            replacement: replacement.into(),
        });
        self
    }

    /// Offers the closest of the names that could have been meant, if one is close.
    pub(crate) fn did_you_mean<'a>(
        self,
        span: Span,
        wrong: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match closest(wrong, names) {
            Some(name) => {
                let help = format!("did you mean `{name}`?");
                self.help(help).edit(span, name)
            }
            None => self,
        }
    }

    /// The place that is reported.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether an `@allow` can silence it: what is wrong stays so, and what has no migration stays without one.
    fn can_be_allowed(&self) -> bool {
        !self.is_error() || self.code.is_about_breaking()
    }

    /// Whether it is an error, so that there is no model.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}

/// A part of the language that cannot be built yet.
pub(crate) fn not_supported(span: Span, what: &str) -> Diagnostic {
    let message = format!("not supported yet: {what}");
    Diagnostic::new(Code::NotSupportedYet, span, message).help(
        "it is part of the language, and cannot be built by this version: leave it out for now",
    )
}

/// Sorts by place; what is at the same place stays in the order in which it was found.
pub(crate) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|diagnostic| diagnostic.span());
}
