//! Owns `message`, `event` and `config` as written.

use pest::iterators::Pair;

use super::ast::{Broken, Docs, Ident};
use super::concern::Key;
use super::field::{Attribute, Field};
use super::grammar::Rule;
use super::lower::Lower;
use super::span::Span;

/// `message NAME { … }`
#[derive(Debug, Clone)]
pub struct Message {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What is no field.
    pub broken: Vec<Broken>,
    /// All of it.
    pub span: Span,
}

/// `event NAME { … }`: like a message.
#[derive(Debug, Clone)]
pub struct Event(pub Message);

/// `config NAME { key … }`
#[derive(Debug, Clone)]
pub struct Config {
    /// All but its keys.
    pub message: Message,
    /// Its keys; one, if it is right.
    pub keys: Vec<Key>,
}

impl Lower<'_> {
    pub(super) fn message(&mut self, pair: Pair<'_, Rule>) -> Message {
        self.config(pair).message
    }

    pub(super) fn event(&mut self, pair: Pair<'_, Rule>) -> Event {
        Event(self.message(pair))
    }

    pub(super) fn config(&mut self, pair: Pair<'_, Rule>) -> Config {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let name = Ident {
            text: String::new(),
            span,
        };
        let mut message = Message {
            docs,
            name,
            attributes: Vec::new(),
            fields: Vec::new(),
            broken: Vec::new(),
            span,
        };
        let mut keys = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => message.name = self.ident(&part),
                Rule::attributes => message.attributes = self.attributes(part),
                Rule::field => message.fields.push(self.field(part)),
                Rule::key => keys.push(self.key(part)),
                Rule::broken_field => message.broken.push(self.broken(&part, Rule::field)),
                Rule::broken_config => message.broken.push(self.broken(&part, Rule::config_part)),
                Rule::comma => self.stray_comma(&part),
                _ => {}
            }
        }
        Config { message, keys }
    }
}
