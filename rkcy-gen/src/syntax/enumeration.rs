//! Owns `enum` as written.

use pest::iterators::Pair;

use super::ast::{Broken, Docs, Ident};
use super::field::Attribute;
use super::grammar::Rule;
use super::lower::Lower;
use super::span::Span;

/// `enum NAME { … }`
#[derive(Debug, Clone)]
pub struct Enum {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Its values.
    pub values: Vec<EnumValue>,
    /// What is no value.
    pub broken: Vec<Broken>,
    /// All of it.
    pub span: Span,
}

/// A value of an enum.
#[derive(Debug, Clone)]
pub struct EnumValue {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

impl Lower<'_> {
    pub(super) fn enumeration(&mut self, pair: Pair<'_, Rule>) -> Enum {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let nothing = Ident {
            text: String::new(),
            span,
        };
        let mut result = Enum {
            docs,
            name: nothing.clone(),
            attributes: Vec::new(),
            values: Vec::new(),
            broken: Vec::new(),
            span,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => result.name = self.ident(&part),
                Rule::attributes => result.attributes = self.attributes(part),
                Rule::enum_value => {
                    let mut value = EnumValue {
                        docs: self.docs(&part),
                        name: nothing.clone(),
                        attributes: Vec::new(),
                    };
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::name => value.name = self.ident(&part),
                            _ => value.attributes = self.attributes(part),
                        }
                    }
                    result.values.push(value);
                }
                Rule::broken_value => result.broken.push(self.broken(&part, Rule::enum_value)),
                Rule::comma => self.stray_comma(&part),
                _ => {}
            }
        }
        result
    }
}
