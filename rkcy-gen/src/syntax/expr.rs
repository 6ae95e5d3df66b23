//! Owns expressions and steps as written. A step is an expression here; the checker says where it
//! may stand.

use pest::iterators::Pair;

use super::ast::Ident;
use super::grammar::Rule;
use super::lower::{Lower, unescape};
use super::span::Span;

/// An expression or a step.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// All of it.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A number as written.
    Number(String),
    /// A string, its escapes resolved.
    String(String),
    /// `a.b.c`
    Path(Vec<Ident>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `Name { … }`
    Record(Ident, Vec<Entry>),
    /// `X[k]`
    Target(Target),
    /// `id of X[k]`
    IdOf(Target),
    /// `f(a)`
    Call(Ident, Vec<Expr>),
    /// What stands after a target, a call, or a path with `()` in it: `X[k].command(a)`, `X[k].field`.
    Chain(Box<Expr>, Vec<Access>),
    /// One or more `!` and what they deny.
    Not(u32, Box<Expr>),
    /// `a == b` and the like
    Compare(String, Box<Expr>, Box<Expr>),
    /// `a is present` (true) or `a is absent`
    Is(Box<Expr>, bool),
    /// `create X { … }`
    Create(Ident, Vec<Entry>),
    /// `ensure X { … }`
    Ensure(Ident, Vec<Entry>),
    /// `update X[k] { … }`
    Update(Target, Vec<Entry>),
    /// `get X[k]`
    Get(Target),
    /// `find X[k]`
    Find(Target),
    /// `delete X[k]`
    Delete(Target),
}

/// `X[k]`
#[derive(Debug, Clone)]
pub struct Target {
    /// The concern.
    pub concern: Ident,
    /// The parts of the key.
    pub keys: Vec<KeyValue>,
    /// All of it.
    pub span: Span,
}

/// A part of a key, with its name where one is given.
#[derive(Debug, Clone)]
pub struct KeyValue {
    /// The name before `:`.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// `name: value` in a record, or `name` alone for `name: name`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The field.
    pub name: Ident,
    /// The value; `None` for the short form.
    pub value: Option<Expr>,
}

/// `.name` or `.name(arguments)`
#[derive(Debug, Clone)]
pub struct Access {
    /// The name.
    pub name: Ident,
    /// The arguments; `None` without `()`.
    pub arguments: Option<Vec<Expr>>,
}

impl Lower<'_> {
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let mut denials = 0;
        for part in pair.into_inner() {
            if part.as_rule() == Rule::bang {
                denials += 1;
                continue;
            }
            let inner = self.primary(part)?;
            return Some(match denials {
                0 => inner,
                _ => Expr {
                    kind: ExprKind::Not(denials, Box::new(inner)),
                    span,
                },
            });
        }
        None
    }

    /// What is neither denied nor compared.
    pub(super) fn primary(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => ExprKind::Number(pair.as_str().to_owned()),
            Rule::string => ExprKind::String(unescape(pair.as_str())),
            Rule::list_expr => ExprKind::List(self.exprs(pair)),
            rule => {
                let parts = self.parts(pair);
                return self.assemble(rule, parts, span);
            }
        };
        Some(Expr { kind, span })
    }

    fn assemble(&mut self, rule: Rule, parts: Parts, span: Span) -> Option<Expr> {
        let Parts {
            name,
            target,
            keys,
            keys_end,
            arguments,
            arguments_end,
            entries,
            accesses,
        } = parts;
        let kind = match rule {
            Rule::record => ExprKind::Record(name?, entries),
            Rule::id_of => ExprKind::IdOf(target?),
            Rule::create => ExprKind::Create(name?, entries),
            Rule::ensure => ExprKind::Ensure(name?, entries),
            Rule::update => ExprKind::Update(target?, entries),
            Rule::get => ExprKind::Get(target?),
            Rule::find => ExprKind::Find(target?),
            Rule::delete => ExprKind::Delete(target?),
            Rule::keyed => {
                let concern = name?;
                let span = concern.span.to(keys_end?);
                let base = Expr {
                    kind: ExprKind::Target(Target {
                        concern,
                        keys,
                        span,
                    }),
                    span,
                };
                chain(base, accesses)
            }
            Rule::call => {
                let name = name?;
                let span = name.span.to(arguments_end?);
                let base = Expr {
                    kind: ExprKind::Call(name, arguments),
                    span,
                };
                chain(base, accesses)
            }
            Rule::path => {
                let plain = accesses
                    .iter()
                    .take_while(|access| access.arguments.is_none())
                    .count();
                let mut accesses = accesses.into_iter();
                let mut path = vec![name?];
                path.extend(accesses.by_ref().take(plain).map(|access| access.name));
                let end = path.last()?.span;
                let base = Expr {
                    span: path.first()?.span.to(end),
                    kind: ExprKind::Path(path),
                };
                chain(base, accesses.collect())
            }
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    fn parts(&mut self, pair: Pair<'_, Rule>) -> Parts {
        let mut parts = Parts::default();
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::name => parts.name = Some(self.ident(&part)),
                Rule::target => parts.target = self.target(part),
                Rule::keys => {
                    parts.keys = part
                        .into_inner()
                        .filter_map(|key| self.key_value(key))
                        .collect();
                    parts.keys_end = Some(span);
                }
                Rule::arguments => {
                    parts.arguments = self.exprs(part);
                    parts.arguments_end = Some(span);
                }
                Rule::entries => {
                    parts.entries = part
                        .into_inner()
                        .filter_map(|entry| self.entry(entry))
                        .collect()
                }
                Rule::access => parts.accesses.extend(self.access(part)),
                _ => {}
            }
        }
        parts
    }

    fn exprs(&mut self, pair: Pair<'_, Rule>) -> Vec<Expr> {
        pair.into_inner()
            .filter_map(|part| self.expr(part))
            .collect()
    }

    fn target(&mut self, pair: Pair<'_, Rule>) -> Option<Target> {
        let span = self.span(&pair);
        let parts = self.parts(pair);
        Some(Target {
            concern: parts.name?,
            keys: parts.keys,
            span,
        })
    }

    fn key_value(&mut self, pair: Pair<'_, Rule>) -> Option<KeyValue> {
        let MaybeNamed { name, value } = self.entry_or_value(pair);
        Some(KeyValue {
            name,
            value: value?,
        })
    }

    fn entry(&mut self, pair: Pair<'_, Rule>) -> Option<Entry> {
        let entry = self.entry_or_value(pair);
        Some(Entry {
            name: entry.name?,
            value: entry.value,
        })
    }

    fn entry_or_value(&mut self, pair: Pair<'_, Rule>) -> MaybeNamed {
        let mut found = MaybeNamed {
            name: None,
            value: None,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => found.name = Some(self.ident(&part)),
                _ => found.value = self.expr(part),
            }
        }
        found
    }

    fn access(&mut self, pair: Pair<'_, Rule>) -> Option<Access> {
        let Parts {
            name,
            arguments,
            arguments_end,
            ..
        } = self.parts(pair);
        Some(Access {
            name: name?,
            arguments: arguments_end.map(|_| arguments),
        })
    }
}

/// What stands in a primary expression, whatever its rule.
#[derive(Default)]
struct Parts {
    name: Option<Ident>,
    target: Option<Target>,
    keys: Vec<KeyValue>,
    keys_end: Option<Span>,
    arguments: Vec<Expr>,
    arguments_end: Option<Span>,
    entries: Vec<Entry>,
    accesses: Vec<Access>,
}

struct MaybeNamed {
    name: Option<Ident>,
    value: Option<Expr>,
}

fn chain(base: Expr, accesses: Vec<Access>) -> ExprKind {
    if accesses.is_empty() {
        return base.kind;
    }
    ExprKind::Chain(Box::new(base), accesses)
}
