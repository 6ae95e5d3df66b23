//! Pass 5, statements: what each binds, refuses or returns.

use super::Checker;
use super::block::Gives;
use super::body::{Binding, Body, Bound, BoundBy, Given, is_step, rooted};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Answer, Expr, ExprKind, Require, Root, Statement, Type};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr as ast;
use crate::syntax::transaction::Value;

/// Names that mean something in every transaction.
const GIVEN_NAMES: [&str; 4] = ["now", "caller", "true", "false"];

impl Checker {
    pub(super) fn let_statement<'a>(
        &mut self,
        name: &'a Ident,
        value: &'a Value,
        span: Span,
        body: &mut Body<'a>,
    ) {
        let tail = std::mem::replace(&mut body.is_tail, false);
        let given = self.value(value, None, body);
        body.is_tail = tail;
        let bound = match given {
            Given::Expr(expr) => bound_to(name, expr, body),
            Given::Step(id, Some(ty)) => {
                if let Some(step) = body.steps.get_mut(id.index()) {
                    step.binding = Some(name.text.clone());
                }
                Bound::Step(id, ty)
            }
            Given::Step(id, None) => {
                let step = body.steps.get(id.index()).map_or(span, |step| step.span);
                self.report(
                    Diagnostic::new(
                        Code::NoResult,
                        step,
                        "this step gives nothing that could be bound",
                    )
                    .help(format!(
                        "remove `let {} =`, or let the command give something: `-> T`",
                        name.text
                    ))
                    .edit(
                        Span {
                            end: step.start,
                            ..span
                        },
                        "",
                    ),
                );
                Bound::Lost
            }
            Given::Lost => Bound::Lost,
        };
        let until_value = Span {
            end: start_of(value),
            ..span
        };
        self.bind_new(name, bound, BoundBy::Let(until_value), body);
    }

    /// Binds a name in the innermost block.
    pub(super) fn bind_new<'a>(
        &mut self,
        name: &'a Ident,
        value: Bound,
        place: BoundBy,
        body: &mut Body<'a>,
    ) {
        self.member_naming(name);
        self.hides_nothing(name);
        if let Some(first) = body.position(&name.text) {
            let finding = Diagnostic::new(
                Code::BoundTwice,
                name.span,
                format!("`{}` is bound already", name.text),
            )
            .label(first, "here")
            .help("a name is bound once and hides no other: choose another one");
            self.report(finding);
            return;
        }
        body.bind(Binding {
            name,
            value,
            used: false,
            place,
        });
    }

    pub(super) fn hides_nothing(&mut self, name: &Ident) {
        if GIVEN_NAMES.contains(&name.text.as_str()) {
            self.report(
                Diagnostic::new(
                    Code::BoundTwice,
                    name.span,
                    format!("`{}` means something in every transaction", name.text),
                )
                .help("choose another name"),
            );
        }
    }

    /// What stands after `let x =`, `return` and `yield`.
    fn value<'a>(
        &mut self,
        value: &'a Value,
        expected: Option<Type>,
        body: &mut Body<'a>,
    ) -> Given {
        let given = match value {
            Value::Expr(expr) if is_step(expr) || self.is_effect(expr) => {
                return self.step(expr, body);
            }
            // With the type that is expected, names of enum values are known.
            Value::Expr(expr) => self.expr_alone(expr, expected, body),
            Value::For(turns) => self.turns(turns, Gives::Value(expected), body),
            Value::If(branch) => self.branch(branch, Gives::Value(expected), body),
        };
        given.map_or(Given::Lost, Given::Expr)
    }

    /// The value of `return` or `yield`, held against the type that is expected.
    pub(super) fn value_given<'a>(
        &mut self,
        value: &'a Value,
        expected: Option<Type>,
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let given = match self.value(value, expected, body) {
            Given::Expr(expr) => expr,
            Given::Step(id, Some(ty)) => {
                let span = body.steps.get(id.index()).map_or(span, |step| step.span);
                rooted(Root::Step(id), ty, span)
            }
            Given::Step(_, None) => {
                self.report(
                    Diagnostic::new(
                        Code::NoResult,
                        span,
                        "this step gives nothing that could be used as a value",
                    )
                    .help("give something else, or let the command give something: `-> T`"),
                );
                return None;
            }
            Given::Lost => return None,
        };
        if expected.is_some_and(|expected| !self.fits(&given, expected)) {
            return None;
        }
        if body.is_tail {
            self.read_committed(given, body)
        } else {
            self.nothing_committed(&given, body).then_some(given)
        }
    }

    pub(super) fn require<'a>(
        &mut self,
        condition: &'a ast::Expr,
        refusal: &Ident,
        span: Span,
        body: &mut Body<'a>,
    ) {
        let condition = self.condition(condition, body);
        let Some(id) = self.declared_refusal(refusal, body) else {
            return;
        };
        let Some(condition) = condition else { return };
        body.push(Statement::Require(Require {
            condition,
            refusal: id,
            span,
        }));
    }

    fn declared_refusal(
        &mut self,
        name: &Ident,
        body: &mut Body<'_>,
    ) -> Option<crate::model::RefusalId> {
        let declared = body.refusals.named();
        if let Some(found) = declared.iter().find(|refusal| refusal.name == name.text) {
            if let Some(used) = body.used_refusals.get_mut(found.id.index()) {
                *used = true;
            }
            return Some(found.id);
        }
        let finding = Diagnostic::new(
            Code::UnknownRefusal,
            name.span,
            format!("the refusal `{}` is not declared", name.text),
        )
        .help(format!(
            "add it behind the parameters: `refuses {}`",
            name.text
        ));
        let finding = finding.did_you_mean(
            name.span,
            &name.text,
            declared.iter().map(|refusal| refusal.name.as_str()),
        );
        self.report(finding);
        // Which of the declared ones is not used cannot be told now.
        body.used_refusals.iter_mut().for_each(|used| *used = true);
        None
    }

    pub(super) fn return_is_last(&mut self, span: Span, last: bool, first: Option<Span>) {
        let finding = match first {
            Some(first) => {
                Diagnostic::new(Code::ReturnNotLast, span, "there is a `return` already")
                    .label(first, "here")
            }
            None if !last => {
                Diagnostic::new(Code::ReturnNotLast, span, "`return` is the last statement")
                    .help("move it to the end: it says what the transaction has committed")
            }
            None => return,
        };
        self.report(finding);
    }

    pub(super) fn return_statement<'a>(
        &mut self,
        value: &'a Value,
        span: Span,
        result: Option<Option<&Answer>>,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let Some(answer) = result else {
            self.report(
                Diagnostic::new(
                    Code::MissingReturn,
                    span,
                    "this transaction has no result type",
                )
                .help("say what it returns behind the parameters: `-> T`"),
            );
            body.blurred = true;
            return None;
        };
        body.is_tail = true;
        let value = self.value_given(value, answer.map(|answer| answer.ty), span, body);
        body.is_tail = false;
        value
    }
}

/// What a name stands for that is bound to an expression. What an expression is made of is put in
/// its place wherever the name is used; what has a place of its own gets the name.
fn bound_to(name: &Ident, expr: Expr, body: &mut Body<'_>) -> Bound {
    if let ExprKind::Path(path) = &expr.kind
        && let (Root::Local(id), true) = (path.root, path.fields.is_empty())
        && let Some(local) = body.locals.get_mut(id.index())
        && local.name.is_none()
    {
        local.name = Some(name.text.clone());
        return Bound::Local(id, local.ty);
    }
    let mut parts = 0;
    expr.walk(&mut |_| parts += 1);
    Bound::Expr(expr, parts)
}

fn start_of(value: &Value) -> u32 {
    match value {
        Value::Expr(expr) => expr.span.start,
        Value::For(looped) => looped.span.start,
        Value::If(condition) => condition.span.start,
    }
}
