//! Owns `platform` and `import` as written.

use pest::iterators::Pair;

use super::ast::{Broken, Docs, Ident};
use super::field::{Literal, LiteralKind};
use super::grammar::Rule;
use super::lower::{Lower, unescape};
use super::span::Span;

/// `platform NAME { … }`
#[derive(Debug, Clone)]
pub struct Platform {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its settings.
    pub settings: Vec<Setting>,
    /// What is no setting.
    pub broken: Vec<Broken>,
    /// All of it.
    pub span: Span,
}

/// `crate "…"` and the like.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name.
    pub name: Ident,
    /// Its value.
    pub value: Literal,
}

/// `import "…"`
#[derive(Debug, Clone)]
pub struct Import {
    /// The path as written, relative to the file it stands in.
    pub path: String,
    /// Where the path stands.
    pub path_span: Span,
    /// All of it.
    pub span: Span,
}

impl Lower<'_> {
    pub(super) fn platform(&mut self, pair: Pair<'_, Rule>) -> Platform {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let mut name = Ident {
            text: String::new(),
            span,
        };
        let mut settings = Vec::new();
        let mut broken = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = self.ident(&part),
                Rule::setting => settings.extend(self.setting(part)),
                Rule::broken_setting => broken.push(self.broken(&part, Rule::setting)),
                Rule::comma => self.stray_comma(&part),
                _ => {}
            }
        }
        Platform {
            docs,
            name,
            settings,
            broken,
            span,
        }
    }

    fn setting(&mut self, pair: Pair<'_, Rule>) -> Option<Setting> {
        let mut parts = pair.into_inner();
        let name = self.ident(&parts.next()?);
        let value = parts.next()?;
        let kind = match value.as_rule() {
            Rule::string => LiteralKind::String(unescape(value.as_str())),
            Rule::number => LiteralKind::Number(value.as_str().to_owned()),
            _ => LiteralKind::Name(value.as_str().to_owned()),
        };
        Some(Setting {
            name,
            value: Literal {
                kind,
                span: self.span(&value),
            },
        })
    }

    pub(super) fn import(&mut self, pair: Pair<'_, Rule>) -> Import {
        let span = self.span(&pair);
        let string = pair
            .into_inner()
            .find(|part| part.as_rule() == Rule::string);
        match string {
            Some(string) => Import {
                path: unescape(string.as_str()),
                path_span: self.span(&string),
                span,
            },
            None => Import {
                path: String::new(),
                path_span: span,
                span,
            },
        }
    }
}
