//! Pass 5, statements: what each binds, refuses or returns.

use super::Checker;
use super::body::{Binding, Body, Bound, Given, is_step};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Answer, Expr, Require};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr as ast;
use crate::syntax::transaction::Value;

/// Names that mean something in every transaction.
const GIVEN_NAMES: [&str; 4] = ["now", "caller", "true", "false"];

impl Checker {
    /// Reports a statement or value that cannot be built yet.
    pub(super) fn unbuilt(&mut self, span: Span, what: &str, body: &mut Body<'_>) {
        body.blurred = true;
        self.not_supported(span, what);
    }

    pub(super) fn let_statement<'a>(
        &mut self,
        name: &'a Ident,
        value: &'a Value,
        span: Span,
        body: &mut Body<'a>,
    ) {
        self.member_naming(name);
        self.hides_nothing(name);
        let given = self.value(value, body);
        let bound = match given {
            Given::Expr(expr) => {
                let mut parts = 0;
                expr.walk(&mut |_| parts += 1);
                Bound::Expr(expr, parts)
            }
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
        let value_start = start_of(value);
        body.bind(Binding {
            name,
            value: bound,
            used: false,
            statement: Some(Span {
                end: value_start,
                ..span
            }),
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

    /// What stands after `let x =` and `return`.
    fn value<'a>(&mut self, value: &'a Value, body: &mut Body<'a>) -> Given {
        match value {
            Value::Expr(expr) if is_step(expr) => self.step(expr, body),
            Value::Expr(expr) => match self.expr(expr, None, body) {
                Some(expr) => Given::Expr(expr),
                None => Given::Lost,
            },
            Value::For(looped) => {
                self.unbuilt(looped.span.first(3), "`for`", body);
                Given::Lost
            }
            Value::If(condition) => {
                self.unbuilt(condition.span.first(2), "`if`", body);
                Given::Lost
            }
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
        let after_steps = body.steps.len() as u32;
        body.requires.push(Require {
            condition,
            refusal: id,
            after_steps,
            span,
        });
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
        let expected = answer.map(|answer| answer.ty);
        if let Value::Expr(expr) = value
            && !is_step(expr)
        {
            // With the type that is expected, names of enum values are known.
            return self.expr(expr, expected, body);
        }
        match self.value(value, body) {
            Given::Step(id, Some(ty)) => {
                let span = body.steps.get(id.index()).map_or(span, |step| step.span);
                let expr = super::path::of_step(id, ty, span);
                let expected = expected?;
                self.fits(&expr, expected).then_some(expr)
            }
            Given::Step(_, None) => {
                self.report(
                    Diagnostic::new(
                        Code::NoResult,
                        span,
                        "this step gives nothing that could be returned",
                    )
                    .help("return something else, or let the command give something: `-> T`"),
                );
                None
            }
            Given::Expr(expr) => Some(expr),
            Given::Lost => None,
        }
    }
}

fn start_of(value: &Value) -> u32 {
    match value {
        Value::Expr(expr) => expr.span.start,
        Value::For(looped) => looped.span.start,
        Value::If(condition) => condition.span.start,
    }
}
