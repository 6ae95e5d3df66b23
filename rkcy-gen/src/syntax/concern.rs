//! Owns `concern` as written, with all that may stand in it but operations.

use pest::iterators::Pair;

use super::ast::{Broken, Docs, Ident};
use super::field::{Attribute, Field};
use super::grammar::Rule;
use super::lower::Lower;
use super::operation::Operation;
use super::span::Span;

/// `concern NAME in PARENT { … }`
#[derive(Debug, Clone)]
pub struct Concern {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// The concern that it is in, and where `in …` stands.
    pub parent: Option<(Ident, Span)>,
    /// Its members, in written order.
    pub members: Vec<Member>,
    /// All of it.
    pub span: Span,
}

/// What may stand in a concern.
#[derive(Debug, Clone)]
pub enum Member {
    /// `key …`
    Key(Key),
    /// A field
    Field(Field),
    /// `command …`
    Command(Operation),
    /// `query …`
    Query(Operation),
    /// `only …` or `without …`
    Narrowing(Clause),
    /// `unique (…)`
    Unique(Clause),
    /// `list … by …`
    List(List),
    /// `at … run …` or `at … delete`
    Timer(Timer),
    /// What is none of these.
    Broken(Broken),
}

/// `key name: type` or `key (a: T, b: U)`
#[derive(Debug, Clone)]
pub struct Key {
    /// Its documentation.
    pub docs: Docs,
    /// Its parts, one without `()`.
    pub parts: Vec<Field>,
    /// All of it.
    pub span: Span,
}

/// A clause that is made of names.
#[derive(Debug, Clone)]
pub struct Clause {
    /// Its first word.
    pub word: String,
    /// The names in it, in written order.
    pub names: Vec<Ident>,
    /// All of it.
    pub span: Span,
}

/// `list NAME by a, b desc`
#[derive(Debug, Clone)]
pub struct List {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// What it is ordered by, in written order.
    pub parts: Vec<ListPart>,
    /// All of it.
    pub span: Span,
}

/// A name that a list is ordered by.
#[derive(Debug, Clone)]
pub struct ListPart {
    /// The name.
    pub name: Ident,
    /// Whether `desc` follows.
    pub descending: bool,
}

/// `at FIELD run NAME(self)` or `at FIELD delete`
#[derive(Debug, Clone)]
pub struct Timer {
    /// Its documentation.
    pub docs: Docs,
    /// The field whose time has to come.
    pub field: Ident,
    /// What runs then; without it the instance is deleted.
    pub run: Option<Run>,
    /// All of it.
    pub span: Span,
}

/// `run NAME(self)`
#[derive(Debug, Clone)]
pub struct Run {
    /// What runs.
    pub name: Ident,
    /// Whether `self` stands in the brackets.
    pub has_self: bool,
}

impl Lower<'_> {
    pub(super) fn concern(&mut self, pair: Pair<'_, Rule>) -> Concern {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let name = Ident {
            text: String::new(),
            span,
        };
        let mut concern = Concern {
            docs,
            name,
            attributes: Vec::new(),
            parent: None,
            members: Vec::new(),
            span,
        };
        for part in pair.into_inner() {
            let member = match part.as_rule() {
                Rule::name => {
                    concern.name = self.ident(&part);
                    continue;
                }
                Rule::attributes => {
                    concern.attributes.extend(self.attributes(part));
                    continue;
                }
                Rule::parent => {
                    self.parent(part, &mut concern);
                    continue;
                }
                Rule::comma => {
                    self.stray_comma(&part);
                    continue;
                }
                Rule::key => Member::Key(self.key(part)),
                Rule::field => Member::Field(self.field(part)),
                Rule::command => Member::Command(self.operation(part)),
                Rule::query => Member::Query(self.operation(part)),
                Rule::narrowing => Member::Narrowing(self.clause(part)),
                Rule::unique => Member::Unique(self.clause(part)),
                Rule::list => Member::List(self.list(part)),
                Rule::timer => Member::Timer(self.timer(part)),
                Rule::broken_part => Member::Broken(self.broken(&part, Rule::concern_part)),
                _ => continue,
            };
            concern.members.push(member);
        }
        concern
    }

    fn parent(&mut self, pair: Pair<'_, Rule>, concern: &mut Concern) {
        let span = self.span(&pair);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => concern.parent = Some((self.ident(&part), span)),
                Rule::attributes => concern.attributes.extend(self.attributes(part)),
                _ => {}
            }
        }
    }

    pub(super) fn key(&mut self, pair: Pair<'_, Rule>) -> Key {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let parts = pair
            .into_inner()
            .filter(|part| part.as_rule() == Rule::key_field)
            .map(|part| self.field(part));
        let parts = parts.collect();
        Key { docs, parts, span }
    }

    fn clause(&mut self, pair: Pair<'_, Rule>) -> Clause {
        let span = self.span(&pair);
        let word = pair
            .as_str()
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default()
            .to_owned();
        // Names stand directly in a clause, or in a list of names.
        let names = pair.into_inner().flatten();
        let names = names.filter(|part| part.as_rule() == Rule::name);
        let names = names.map(|name| self.ident(&name)).collect();
        Clause { word, names, span }
    }

    fn list(&mut self, pair: Pair<'_, Rule>) -> List {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let name = Ident {
            text: String::new(),
            span,
        };
        let mut list = List {
            docs,
            name,
            parts: Vec::new(),
            span,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => list.name = self.ident(&part),
                Rule::list_part => list.parts.extend(self.list_part(part)),
                _ => {}
            }
        }
        list
    }

    fn list_part(&mut self, pair: Pair<'_, Rule>) -> Option<ListPart> {
        let mut parts = pair.into_inner();
        let name = self.ident(&parts.next()?);
        let descending = parts.next().is_some();
        Some(ListPart { name, descending })
    }

    fn timer(&mut self, pair: Pair<'_, Rule>) -> Timer {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let mut names = Vec::new();
        let mut has_self = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => names.push(self.ident(&part)),
                Rule::w_self => has_self = true,
                _ => {}
            }
        }
        let mut names = names.into_iter();
        let field = names.next().unwrap_or(Ident {
            text: String::new(),
            span,
        });
        let run = names.next().map(|name| Run { name, has_self });
        Timer {
            docs,
            field,
            run,
            span,
        }
    }
}
