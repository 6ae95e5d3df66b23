//! Owns fields, types, attributes and literals as written.

use pest::iterators::Pair;

use super::ast::{Docs, Ident};
use super::grammar::Rule;
use super::lower::{Lower, unescape};
use super::span::Span;

/// `name: type by side @attributes = default`
#[derive(Debug, Clone)]
pub struct Field {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
    /// The name after `by`.
    pub by: Option<Ident>,
    /// Its attributes, before and after the default.
    pub attributes: Vec<Attribute>,
    /// Its default.
    pub default: Option<Literal>,
    /// All of it.
    pub span: Span,
}

/// A type as written.
#[derive(Debug, Clone)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// The places of all `?` after it.
    pub optional: Vec<Span>,
    /// All of it.
    pub span: Span,
}

/// What a type is.
#[derive(Debug, Clone)]
pub enum TypeKind {
    /// `[T]`
    List(Box<Type>),
    /// `map<string, T>`
    Map(Box<Type>),
    /// `decimal(p, s)`
    Decimal(String, String),
    /// `ref X`
    Ref(Ident),
    /// `id of X`
    IdOf(Ident),
    /// A name
    Named(Ident),
}

/// `@name(arguments)`
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its name.
    pub name: Ident,
    /// Its arguments; `None` without `()`.
    pub arguments: Option<Vec<Argument>>,
    /// All of it.
    pub span: Span,
}

/// An argument of an attribute.
#[derive(Debug, Clone)]
pub enum Argument {
    /// `a..=b`, `a..`, `..=b`
    Range {
        /// The lower end.
        from: Option<Literal>,
        /// The upper end.
        to: Option<Literal>,
        /// All of it.
        span: Span,
    },
    /// A literal
    Literal(Literal),
}

/// A literal
#[derive(Debug, Clone)]
pub struct Literal {
    /// What it is.
    pub kind: LiteralKind,
    /// Where it stands.
    pub span: Span,
}

/// What a literal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiteralKind {
    /// A number as written.
    Number(String),
    /// A string, its escapes resolved.
    String(String),
    /// `true`, `false`, or a value of an enum.
    Name(String),
    /// `[]`
    EmptyList,
}

impl Argument {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Argument::Range { span, .. } => *span,
            Argument::Literal(literal) => literal.span,
        }
    }
}

impl Lower<'_> {
    pub(super) fn field(&mut self, pair: Pair<'_, Rule>) -> Field {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let mut field = Field {
            docs,
            name: Ident {
                text: String::new(),
                span,
            },
            ty: Type {
                kind: TypeKind::Named(Ident {
                    text: String::new(),
                    span,
                }),
                optional: Vec::new(),
                span,
            },
            by: None,
            attributes: Vec::new(),
            default: None,
            span,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => field.name = self.ident(&part),
                Rule::r#type => field.ty = self.ty(part),
                Rule::side => field.by = self.name_in(part),
                Rule::attributes => field.attributes.extend(self.attributes(part)),
                Rule::default => {
                    field.default = part
                        .into_inner()
                        .next()
                        .and_then(|literal| self.literal(literal))
                }
                _ => {}
            }
        }
        field
    }

    /// The first name inside a pair.
    pub(super) fn name_in(&self, pair: Pair<'_, Rule>) -> Option<Ident> {
        pair.into_inner()
            .find(|part| part.as_rule() == Rule::name)
            .map(|name| self.ident(&name))
    }

    pub(super) fn ty(&mut self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let nothing = Ident {
            text: String::new(),
            span,
        };
        let mut kind = TypeKind::Named(nothing.clone());
        let mut optional = Vec::new();
        for part in pair.into_inner() {
            let rule = part.as_rule();
            if rule == Rule::optional_mark {
                optional.push(self.span(&part));
                continue;
            }
            let inner = part.into_inner();
            kind = match rule {
                Rule::list_type | Rule::map_type => {
                    let element = inner.filter(|part| part.as_rule() == Rule::r#type).last();
                    let element = match element {
                        Some(element) => Box::new(self.ty(element)),
                        None => continue,
                    };
                    if rule == Rule::list_type {
                        TypeKind::List(element)
                    } else {
                        TypeKind::Map(element)
                    }
                }
                Rule::decimal_type => {
                    let mut numbers = inner
                        .filter(|part| part.as_rule() == Rule::number)
                        .map(|part| part.as_str().to_owned());
                    TypeKind::Decimal(
                        numbers.next().unwrap_or_default(),
                        numbers.next().unwrap_or_default(),
                    )
                }
                Rule::ref_type | Rule::id_type | Rule::named_type => {
                    let name = inner.filter(|part| part.as_rule() == Rule::name).last();
                    let name = name.map_or(nothing.clone(), |name| self.ident(&name));
                    match rule {
                        Rule::ref_type => TypeKind::Ref(name),
                        Rule::id_type => TypeKind::IdOf(name),
                        _ => TypeKind::Named(name),
                    }
                }
                _ => continue,
            };
        }
        Type {
            kind,
            optional,
            span,
        }
    }

    pub(super) fn attributes(&mut self, pair: Pair<'_, Rule>) -> Vec<Attribute> {
        pair.into_inner()
            .filter_map(|part| self.attribute(part))
            .collect()
    }

    fn attribute(&mut self, pair: Pair<'_, Rule>) -> Option<Attribute> {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let name = self.ident(&parts.next()?);
        let arguments = parts.next().map(|list| {
            list.into_inner()
                .filter_map(|part| self.argument(part))
                .collect()
        });
        Some(Attribute {
            name,
            arguments,
            span,
        })
    }

    fn argument(&mut self, pair: Pair<'_, Rule>) -> Option<Argument> {
        if pair.as_rule() != Rule::range {
            return self.literal(pair).map(Argument::Literal);
        }
        let span = self.span(&pair);
        let (mut from, mut to) = (None, None);
        let mut seen_dots = false;
        for part in pair.into_inner() {
            if part.as_rule() == Rule::number {
                let literal = Literal {
                    kind: LiteralKind::Number(part.as_str().to_owned()),
                    span: self.span(&part),
                };
                if seen_dots {
                    to = Some(literal);
                } else {
                    from = Some(literal);
                }
            } else {
                seen_dots = true;
            }
        }
        Some(Argument::Range { from, to, span })
    }

    pub(super) fn literal(&mut self, pair: Pair<'_, Rule>) -> Option<Literal> {
        let span = self.span(&pair);
        let part = pair.into_inner().next()?;
        let kind = match part.as_rule() {
            Rule::number => LiteralKind::Number(part.as_str().to_owned()),
            Rule::string => LiteralKind::String(unescape(part.as_str())),
            Rule::empty_list => LiteralKind::EmptyList,
            _ => LiteralKind::Name(part.as_str().to_owned()),
        };
        Some(Literal { kind, span })
    }
}
