//! Owns `command`, `query`, `function` and `effect` as written, and parameters, results and
//! refusals, which transactions have too.

use pest::iterators::Pair;

use super::ast::{Docs, Ident};
use super::field::{Attribute, Field, Type};
use super::grammar::Rule;
use super::lower::Lower;
use super::span::Span;

/// A command, a query, a function or an effect.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its result.
    pub result: Option<ResultType>,
    /// The command after `undo`.
    pub undo: Option<(Ident, Span)>,
    /// Its refusals.
    pub refusals: Option<Refusals>,
    /// The attributes of a command or a query; what stands behind a result is the result's.
    pub attributes: Vec<Attribute>,
    /// All of it.
    pub span: Span,
}

/// `function NAME(…) -> T`
#[derive(Debug, Clone)]
pub struct Function(pub Operation);

/// `effect NAME(…) -> T undo … refuses …`
#[derive(Debug, Clone)]
pub struct Effect(pub Operation);

/// A parameter.
#[derive(Debug, Clone)]
pub enum Param {
    /// `name: type`
    Named(Field),
    /// A type alone
    Unnamed(Type, Vec<Attribute>),
}

/// `-> T @attributes`
#[derive(Debug, Clone)]
pub struct ResultType {
    /// The type.
    pub ty: Type,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// All of it.
    pub span: Span,
}

/// `refuses a, b` or `refuses nothing`
#[derive(Debug, Clone)]
pub struct Refusals {
    /// The names; none for `refuses nothing`.
    pub names: Vec<Ident>,
    /// All of it.
    pub span: Span,
}

/// What operations and transactions begin with.
pub(super) struct Signature {
    pub(super) name: Ident,
    pub(super) params: Vec<Param>,
    pub(super) result: Option<ResultType>,
    pub(super) undo: Option<(Ident, Span)>,
    pub(super) refusals: Option<Refusals>,
}

impl Signature {
    pub(super) fn new(span: Span) -> Self {
        let name = Ident {
            text: String::new(),
            span,
        };
        Self {
            name,
            params: Vec::new(),
            result: None,
            undo: None,
            refusals: None,
        }
    }
}

impl Lower<'_> {
    pub(super) fn function(&mut self, pair: Pair<'_, Rule>) -> Function {
        Function(self.operation(pair))
    }

    pub(super) fn effect(&mut self, pair: Pair<'_, Rule>) -> Effect {
        Effect(self.operation(pair))
    }

    pub(super) fn operation(&mut self, pair: Pair<'_, Rule>) -> Operation {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let mut signature = Signature::new(span);
        let mut attributes = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::attributes => attributes = self.attributes(part),
                _ => self.signature_part(part, &mut signature),
            }
        }
        let Signature {
            name,
            params,
            result,
            undo,
            refusals,
        } = signature;
        Operation {
            docs,
            name,
            params,
            result,
            undo,
            refusals,
            attributes,
            span,
        }
    }

    /// Takes what belongs to a signature and leaves the rest.
    pub(super) fn signature_part(&mut self, part: Pair<'_, Rule>, signature: &mut Signature) {
        match part.as_rule() {
            Rule::name => signature.name = self.ident(&part),
            Rule::params => {
                let params = part.into_inner().map(|param| self.param(param));
                signature.params = params.collect();
            }
            Rule::result => signature.result = Some(self.result(part)),
            Rule::undo => {
                let span = self.span(&part);
                signature.undo = self.name_in(part).map(|name| (name, span));
            }
            Rule::refusals => signature.refusals = Some(self.refusals(part)),
            _ => {}
        }
    }

    fn param(&mut self, pair: Pair<'_, Rule>) -> Param {
        let is_named = pair
            .clone()
            .into_inner()
            .next()
            .is_some_and(|part| part.as_rule() == Rule::name);
        let field = self.field(pair);
        if is_named {
            Param::Named(field)
        } else {
            Param::Unnamed(field.ty, field.attributes)
        }
    }

    fn result(&mut self, pair: Pair<'_, Rule>) -> ResultType {
        let Field {
            ty,
            attributes,
            span,
            ..
        } = self.field(pair);
        ResultType {
            ty,
            attributes,
            span,
        }
    }

    fn refusals(&mut self, pair: Pair<'_, Rule>) -> Refusals {
        let span = self.span(&pair);
        let names = pair
            .into_inner()
            .flatten()
            .filter(|part| part.as_rule() == Rule::name);
        let names = names.map(|name| self.ident(&name)).collect();
        Refusals { names, span }
    }
}
