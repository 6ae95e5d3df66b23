//! Effects: what is declared and what undoes what (pass 3), and their calls (pass 5).

use super::Checker;
use super::body::{Body, Given};
use super::types::Place;
use super::undo::Undoing;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Effect, EffectId, Mode, StepKind};
use crate::syntax::Span;
use crate::syntax::ast::{File, Ident, Item};
use crate::syntax::expr::{Expr as AstExpr, ExprKind as Ast};
use crate::syntax::operation::Effect as AstEffect;

impl Checker {
    /// Pass 3: an effect. What is wrong with one makes its name mean nothing.
    pub(super) fn effect(&mut self, AstEffect(declared): &AstEffect) {
        let errors = self.diagnostics.len();
        let payload = self.payload(&declared.params);
        let result = declared.result.as_ref();
        let result = result.and_then(|result| self.answer(result, Place::Stored));
        let refusals = self.refusals(declared.refusals.as_ref());
        let failed = self.diagnostics[errors..].iter().any(Diagnostic::is_error);
        match payload.filter(|_| !failed) {
            Some(payload) => {
                let id = EffectId::new(self.schema.effects.len());
                self.schema.effects.push(Effect {
                    id,
                    name: declared.name.text.clone(),
                    docs: declared.docs.clone(),
                    payload,
                    result,
                    // Told once all effects are known.
                    undo: None,
                    refusals,
                    span: declared.name.span,
                });
            }
            None => {
                self.schema.lost_calls.insert(declared.name.text.clone());
            }
        }
    }

    /// Pass 3: `undo x` on effects, once all are known.
    pub(super) fn effect_undos(&mut self, files: &[File]) {
        let items = || files.iter().flat_map(|file| &file.items);
        let undoing = items().filter_map(|item| match item {
            Item::Effect(AstEffect(declared)) => Some((&declared.name, &declared.undo.as_ref()?.0)),
            _ => None,
        });
        let undoing: Vec<(&Ident, &Ident)> = undoing.collect();
        for (name, undo) in &undoing {
            let known = self.schema.effects.iter();
            let Some(own) = known
                .map(|it| (it.id, it.span))
                .find(|it| it.1 == name.span)
            else {
                continue;
            };
            let own_undo = undoing.iter().find(|(other, _)| other.text == undo.text);
            let own_undo = own_undo.map(|(_, undo)| undo.span);
            if let Some(other) = self.effect_that_undoes(own.0, undo, own_undo) {
                self.schema.effects[own.0.index()].undo = Some(other);
            }
        }
    }

    /// The effect that undoes another; `own_undo` is where it says what undoes itself.
    fn effect_that_undoes(
        &mut self,
        own: EffectId,
        undo: &Ident,
        own_undo: Option<Span>,
    ) -> Option<EffectId> {
        let Some(other) = self.schema.effect_named(&undo.text) else {
            self.no_such_undo(undo);
            return None;
        };
        let (effect, id) = (self.schema.effect(own), other.id);
        let finding = Undoing::effect(effect).wrong(undo, &Undoing::effect(other));
        let finding = finding.or_else(|| {
            let message = format!("`{}` has an `undo` itself", undo.text);
            let finding = Diagnostic::new(Code::WrongUndo, undo.span, message);
            own_undo.map(|span| {
                finding
                    .label(span, "here")
                    .help("what undoes is never undone: remove its `undo`")
            })
        });
        match finding {
            Some(finding) => {
                self.report(finding);
                None
            }
            None => Some(id),
        }
    }

    fn no_such_undo(&mut self, undo: &Ident) {
        let text = &undo.text;
        if self.schema.is_known_call(text) {
            return;
        }
        let finding = if self.schema.function_named(text).is_some() {
            let message = format!("`{text}` is a function, which does nothing");
            Diagnostic::new(Code::WrongUndo, undo.span, message)
                .help("name an effect that takes back what this one does")
        } else {
            let message = format!("there is no effect `{text}`");
            let known = self.schema.effects.iter().map(|it| it.name.as_str());
            Diagnostic::new(Code::UnknownName, undo.span, message)
                .help(format!(
                    "declare it, with the same payload: `effect {text}(…) refuses nothing`"
                ))
                .did_you_mean(undo.span, text, known)
        };
        self.report(finding);
    }

    /// Whether an expression is the call of an effect, which is written like that of a function.
    pub(super) fn is_effect(&self, expr: &AstExpr) -> bool {
        match &expr.kind {
            Ast::Call(name, _) => self.schema.effect_named(&name.text).is_some(),
            _ => false,
        }
    }

    /// Pass 5: `f(a, b)` as a step.
    pub(super) fn effect_step<'a>(
        &mut self,
        name: &Ident,
        arguments: &'a [AstExpr],
        span: Span,
        body: &mut Body<'a>,
    ) -> Given {
        let Some(effect) = self.schema.effect_named(&name.text) else {
            for argument in arguments {
                self.expr(argument, None, body);
            }
            self.no_such_effect(name);
            return self.lost(body);
        };
        let (id, payload) = (effect.id, effect.payload.clone());
        let gives = effect.result.as_ref().map(|answer| answer.ty);
        self.stands_in_saga(name, body);
        let Some(argument) = self.argument(&payload, name, arguments, span, body) else {
            return self.lost(body);
        };
        let kind = StepKind::Effect(id, argument);
        Given::Step(self.append_step(None, kind, gives, span, body), gives)
    }

    /// An effect cannot be taken back by forgetting what was written, so it is not part of a transaction. Whether
    /// it stands in a saga.
    pub(super) fn stands_in_saga(&mut self, name: &Ident, body: &Body<'_>) -> bool {
        if body.mode == Mode::Saga {
            return true;
        }
        let message = format!("`{}` is an effect, which only a saga can call", name.text);
        let finding = Diagnostic::new(Code::EffectInTransaction, name.span, message);
        self.report(finding.label(body.name, "this one is a transaction").help(
            "make it a `saga`, and let what can be followed by a refusal have an `undo`; or move the call into a saga of its own",
        ));
        false
    }

    fn no_such_effect(&mut self, name: &Ident) {
        let text = &name.text;
        if self.schema.is_known_call(text) {
            return;
        }
        let message = format!("there is no effect `{text}`");
        let finding = Diagnostic::new(Code::UnknownName, name.span, message);
        let known = self.schema.effects.iter().map(|it| it.name.as_str());
        self.report(if self.schema.function_named(text).is_some() {
            finding.help("a function gives a value, and does nothing: `let x = …`")
        } else {
            finding
                .help("a command names its instance: `Concern[key].command(…)`")
                .did_you_mean(name.span, text, known)
        });
    }
}
