//! Owns `transaction` and `saga` as written: statements, loops and conditions.

use pest::iterators::Pair;

use super::ast::{Broken, Docs, Ident};
use super::expr::{Expr, ExprKind};
use super::field::Attribute;
use super::grammar::Rule;
use super::lower::Lower;
use super::operation::{Param, Refusals, ResultType, Signature};
use super::span::Span;

/// `transaction NAME(…) { … }` or `saga NAME(…) { … }`
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its documentation.
    pub docs: Docs,
    /// Whether it is a saga.
    pub is_saga: bool,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its result.
    pub result: Option<ResultType>,
    /// Its refusals.
    pub refusals: Option<Refusals>,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Its statements.
    pub body: Vec<Statement>,
    /// All of it.
    pub span: Span,
}

/// A statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `let name = value`
    Let(Ident, Value, Span),
    /// A step
    Step(Expr),
    /// `return value`
    Return(Value, Span),
    /// `require cond else name`
    Require(Expr, Ident, Span),
    /// `emit Event { … }`
    Emit(Expr, Span),
    /// `yield value`
    Yield(Value, Span),
    /// `for …`
    For(For),
    /// `if …`
    If(If),
    /// What is none of these.
    Broken(Broken),
}

/// What stands after `let x =`, `return` and `yield`.
#[derive(Debug, Clone)]
pub enum Value {
    /// An expression or a step.
    Expr(Expr),
    /// `for …`
    For(For),
    /// `if …`
    If(If),
}

/// `for variable in list { … }`
#[derive(Debug, Clone)]
pub struct For {
    /// The loop variable.
    pub variable: Ident,
    /// The list.
    pub list: Box<Expr>,
    /// The body.
    pub body: Vec<Statement>,
    /// All of it.
    pub span: Span,
}

/// `if … { … } else if … { … } else { … }`
#[derive(Debug, Clone)]
pub struct If {
    /// The heads with their bodies, in written order.
    pub branches: Vec<(Head, Vec<Statement>)>,
    /// The body of the last `else`.
    pub otherwise: Option<Vec<Statement>>,
    /// All of it.
    pub span: Span,
}

/// The head of an `if`.
#[derive(Debug, Clone)]
pub enum Head {
    /// A condition
    Condition(Expr),
    /// `let name = optional`
    Let(Ident, Expr),
}

impl Lower<'_> {
    pub(super) fn transaction(&mut self, pair: Pair<'_, Rule>) -> Transaction {
        let span = self.span(&pair);
        let docs = self.docs(&pair);
        let is_saga = pair.as_rule() == Rule::saga;
        let mut signature = Signature::new(span);
        let mut attributes = Vec::new();
        let mut body = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::attributes => attributes = self.attributes(part),
                Rule::block => body = self.block(part),
                _ => self.signature_part(part, &mut signature),
            }
        }
        let Signature {
            name,
            params,
            result,
            refusals,
            ..
        } = signature;
        Transaction {
            docs,
            is_saga,
            name,
            params,
            result,
            refusals,
            attributes,
            body,
            span,
        }
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Vec<Statement> {
        pair.into_inner()
            .filter_map(|part| self.statement(part))
            .collect()
    }

    fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        match rule {
            Rule::comma => {
                self.stray_comma(&pair);
                return None;
            }
            Rule::broken_statement => {
                return Some(Statement::Broken(self.broken(&pair, Rule::statement)));
            }
            Rule::for_loop => return self.for_loop(pair).map(Statement::For),
            Rule::condition => return Some(Statement::If(self.condition(pair))),
            _ => {}
        }
        let mut name = None;
        let mut value = None;
        let mut expr = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::value => value = self.value(part),
                Rule::cond => expr = self.cond(part),
                rule if is_word(rule) => {}
                _ => expr = self.primary(part),
            }
        }
        match rule {
            Rule::let_statement => Some(Statement::Let(name?, value?, span)),
            Rule::return_statement => Some(Statement::Return(value?, span)),
            Rule::require_statement => Some(Statement::Require(expr?, name?, span)),
            Rule::emit_statement => Some(Statement::Emit(expr?, span)),
            Rule::yield_statement => Some(Statement::Yield(value?, span)),
            _ => expr.map(Statement::Step),
        }
    }

    fn value(&mut self, pair: Pair<'_, Rule>) -> Option<Value> {
        let part = pair.into_inner().next()?;
        match part.as_rule() {
            Rule::for_loop => self.for_loop(part).map(Value::For),
            Rule::condition => Some(Value::If(self.condition(part))),
            _ => self.expr(part).map(Value::Expr),
        }
    }

    fn for_loop(&mut self, pair: Pair<'_, Rule>) -> Option<For> {
        let span = self.span(&pair);
        let (mut variable, mut list, mut body) = (None, None, Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => variable = Some(self.ident(&part)),
                Rule::head_expr => list = self.expr(part),
                Rule::block => body = self.block(part),
                _ => {}
            }
        }
        Some(For {
            variable: variable?,
            list: Box::new(list?),
            body,
            span,
        })
    }

    fn condition(&mut self, pair: Pair<'_, Rule>) -> If {
        let span = self.span(&pair);
        let mut result = If {
            branches: Vec::new(),
            otherwise: None,
            span,
        };
        let mut head = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::if_head => head = self.if_head(part),
                Rule::block => {
                    let body = self.block(part);
                    match head.take() {
                        Some(head) => result.branches.push((head, body)),
                        None => result.otherwise = Some(body),
                    }
                }
                _ => {}
            }
        }
        result
    }

    fn if_head(&mut self, pair: Pair<'_, Rule>) -> Option<Head> {
        let mut name = None;
        let mut expr = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::cond => expr = self.cond(part),
                Rule::head_expr => expr = self.expr(part),
                _ => {}
            }
        }
        match name {
            Some(name) => Some(Head::Let(name, expr?)),
            None => expr.map(Head::Condition),
        }
    }

    fn cond(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let left = self.expr(parts.next()?)?;
        let Some(next) = parts.next() else {
            return Some(left);
        };
        let kind = match next.as_rule() {
            Rule::operator => {
                let operator = next.as_str().to_owned();
                ExprKind::Compare(
                    operator,
                    Box::new(left),
                    Box::new(self.expr(parts.next()?)?),
                )
            }
            _ => ExprKind::Is(Box::new(left), parts.next()?.as_rule() == Rule::w_present),
        };
        Some(Expr { kind, span })
    }
}

fn is_word(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::w_let
            | Rule::w_return
            | Rule::w_require
            | Rule::w_else
            | Rule::w_emit
            | Rule::w_yield
    )
}
