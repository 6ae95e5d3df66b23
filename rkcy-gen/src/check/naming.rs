//! Owns how names are written, and when two of them become one in generated code.

use std::collections::HashMap;

use heck::{ToLowerCamelCase, ToSnakeCase, ToUpperCamelCase};

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::Span;
use crate::syntax::ast::Ident;

/// The names of one namespace, as they come.
#[derive(Default)]
pub(super) struct Namespace {
    exact: HashMap<String, Span>,
    /// By every form in which generated code writes them.
    forms: HashMap<String, (String, Span)>,
}

impl Namespace {
    /// Adds a name; gives what is wrong with it, if another is the same or becomes the same.
    pub(super) fn add(&mut self, name: &Ident, what: &str) -> Result<(), Diagnostic> {
        let text = &name.text;
        if let Some(first) = self.exact.get(text) {
            return Err(Diagnostic::new(
                Code::Duplicate,
                name.span,
                format!("the {what} `{text}` is declared twice"),
            )
            .saying("again here")
            .label(*first, "first here")
            .help("rename or remove one of them"));
        }
        self.exact.insert(text.clone(), name.span);
        for form in [
            format!("s:{}", text.to_snake_case()),
            format!("c:{}", text.to_lower_camel_case()),
        ] {
            if let Some((other, first)) = self.forms.get(&form) {
                let became = &form[2..];
                return Err(Diagnostic::new(
                    Code::Collision,
                    name.span,
                    format!("`{text}` and `{other}` both become `{became}` in generated code"),
                )
                .label(*first, "the other one")
                .help("rename one of them"));
            }
            self.forms.insert(form, (text.clone(), name.span));
        }
        Ok(())
    }
}

impl Checker {
    /// Types are UpperCamel.
    pub(super) fn type_naming(&mut self, name: &Ident) {
        let text = &name.text;
        if text.starts_with(|c: char| c.is_ascii_uppercase()) && !text.contains('_') {
            return;
        }
        let better = text.to_upper_camel_case();
        self.report(
            Diagnostic::new(
                Code::TypeNaming,
                name.span,
                format!("the type `{text}` is not written in UpperCamel"),
            )
            .help(format!("rename it to `{better}`")),
        );
    }

    /// Members, parameters, transactions, refusals are snake_case.
    pub(super) fn member_naming(&mut self, name: &Ident) {
        let text = &name.text;
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if plain && !text.starts_with('_') {
            return;
        }
        let better = text.to_snake_case();
        self.report(
            Diagnostic::new(
                Code::MemberNaming,
                name.span,
                format!("`{text}` is not written in snake_case"),
            )
            .help(format!("rename it to `{better}`")),
        );
    }
}
