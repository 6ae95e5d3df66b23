//! Undo: what undoes a command or an effect (pass 3), and whether all of a saga that may have to be
//! undone can be (pass 5).

use std::collections::HashSet;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Block, Builtin, Command, CommandId, Concern, ConcernId, Effect, Emit, Field, MessageId, Mode,
    Payload, Refusals, Statement, Step, StepKind, Transaction, ValueType,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::concern as ast;

/// A command or an effect, as far as it undoes another or is undone.
pub(super) struct Undoing<'a> {
    word: &'static str,
    name: &'a str,
    payload: &'a Payload,
    refusals: &'a Refusals,
    span: Span,
}

impl<'a> Undoing<'a> {
    fn command(command: &'a Command) -> Self {
        Self {
            word: "command",
            name: &command.name,
            payload: &command.payload,
            refusals: &command.refusals,
            span: command.span,
        }
    }

    pub(super) fn effect(effect: &'a Effect) -> Self {
        Self {
            word: "effect",
            name: &effect.name,
            payload: &effect.payload,
            refusals: &effect.refusals,
            span: effect.span,
        }
    }

    /// What is wrong with undoing it by another, if anything is.
    pub(super) fn wrong(&self, undo: &Ident, other: &Undoing<'_>) -> Option<Diagnostic> {
        let (word, text) = (self.word, &undo.text);
        let wrong = |message: String| Diagnostic::new(Code::WrongUndo, undo.span, message);
        if other.name == self.name {
            let finding = wrong(format!("`{text}` does not undo itself"));
            Some(
                finding.help(
                    "declare another one, with the same payload, that takes back what this does",
                ),
            )
        } else if !same_payload(self.payload, other.payload) {
            let finding = wrong(format!(
                "`{text}` takes another payload than `{}`",
                self.name
            ));
            let finding = finding.label(other.span, "declared here");
            Some(finding.help("what is undone is told by the payload, so both have the same"))
        } else if !matches!(other.refusals, Refusals::Nothing) {
            let finding = wrong(format!("`{text}` can refuse, and then nothing would undo"));
            let finding = finding.label(other.span, "declared here");
            Some(finding.help(format!(
                "say that it cannot: `{word} {text}(…) refuses nothing`"
            )))
        } else {
            None
        }
    }
}

impl Checker {
    /// Pass 3: `undo x` on the commands of a concern, once all are known.
    pub(super) fn undos(&mut self, declared: &ast::Concern, id: ConcernId) {
        for member in &declared.members {
            let ast::Member::Command(operation) = member else {
                continue;
            };
            let Some((undo, _)) = &operation.undo else {
                continue;
            };
            let commands = &self.schema.concern(id).commands;
            let own = commands
                .iter()
                .find(|command| command.name == operation.name.text);
            let Some(own) = own.map(|command| command.id) else {
                continue;
            };
            if let Some(undo) = self.undo_of(own, undo, id) {
                self.schema.concerns[id.index()].commands[own.index()].undo = Some(undo);
            }
        }
    }

    fn undo_of(&mut self, own: CommandId, undo: &Ident, id: ConcernId) -> Option<CommandId> {
        let concern = self.schema.concern(id);
        let Some(other) = concern.commands.iter().find(|it| it.name == undo.text) else {
            self.no_such_command(undo, id);
            return None;
        };
        let (command, other_id) = (concern.command(own), other.id);
        match Undoing::command(command).wrong(undo, &Undoing::command(other)) {
            Some(finding) => {
                self.report(finding);
                None
            }
            None => Some(other_id),
        }
    }

    fn no_such_command(&mut self, undo: &Ident, id: ConcernId) {
        let text = &undo.text;
        if self.schema.is_lost(super::schema::Owner::Concern(id), text) {
            return;
        }
        let concern = self.schema.concern(id);
        let finding = if concern.queries.iter().any(|query| query.name == *text) {
            Diagnostic::new(
                Code::WrongUndo,
                undo.span,
                format!("`{text}` is a query, which changes nothing"),
            )
            .help("name a command that takes back what this one does")
        } else {
            let known: Vec<&str> = concern.commands.iter().map(|it| it.name.as_str()).collect();
            Diagnostic::new(
                Code::UnknownOperation,
                undo.span,
                format!("`{}` has no command `{text}`", concern.name),
            )
            .help("declare it, with the same payload and `refuses nothing`")
            .did_you_mean(undo.span, text, known)
        };
        self.report(finding);
    }

    /// Pass 5: whatever a refusal can come after has an undo.
    pub(super) fn can_be_undone(&mut self, transaction: &Transaction) {
        if transaction.mode == Mode::Saga {
            let constrained = transaction.result.as_ref().is_some_and(|result| {
                !result.constraints.is_empty() && transaction.body.value.is_some()
            });
            let after = constrained.then_some(transaction.span);
            self.undone_before(transaction, &transaction.body, after, false);
        }
    }

    /// Goes through a block from its end. `refusal` is one that can come behind it; gives one that
    /// can come behind what stands before the block.
    fn undone_before(
        &mut self,
        saga: &Transaction,
        block: &Block,
        refusal: Option<Span>,
        guarded: bool,
    ) -> Option<Span> {
        let mut refusal = refusal;
        for statement in block.statements.iter().rev() {
            refusal = match statement {
                Statement::Step(id) => {
                    let step = saga.step(*id);
                    if let Some(refusal) = refusal {
                        self.has_undo(step, refusal);
                    }
                    self.can_refuse(step).or(refusal)
                }
                // What is known at submission refuses before anything is done.
                Statement::Call(id) => {
                    let local = saga.local(*id);
                    let call = local.call().map(|call| call.span);
                    call.filter(|_| guarded || !local.needs.is_empty())
                        .or(refusal)
                }
                Statement::Require(require) => {
                    let is_late = guarded || !saga.known_at_submission(&require.condition);
                    is_late.then_some(require.span).or(refusal)
                }
                Statement::Emit(emit) => self.emit_can_refuse(saga, emit, guarded).or(refusal),
                Statement::If(branch) => {
                    let inner = guarded || !saga.known_at_submission(branch.head.expr());
                    let then = self.undone_before(saga, &branch.then, refusal, inner);
                    let otherwise = match &branch.otherwise {
                        Some(block) => self.undone_before(saga, block, refusal, inner),
                        None => refusal,
                    };
                    then.or(otherwise)
                }
                Statement::For(turns) => {
                    let inner = guarded || !saga.known_at_submission(&turns.list);
                    // What refuses in one turn comes behind all of the turn before.
                    let again = self.refusal_in(saga, &turns.body, inner).or(refusal);
                    self.undone_before(saga, &turns.body, again, inner)
                }
            };
        }
        refusal
    }

    /// A refusal that can come out of a block.
    fn refusal_in(&self, saga: &Transaction, block: &Block, guarded: bool) -> Option<Span> {
        block
            .statements
            .iter()
            .find_map(|statement| match statement {
                Statement::Step(id) => self.can_refuse(saga.step(*id)),
                Statement::Call(id) => {
                    let local = saga.local(*id);
                    let is_late = guarded || !local.needs.is_empty();
                    local.call().filter(|_| is_late).map(|call| call.span)
                }
                Statement::Require(require) => {
                    let is_late = guarded || !saga.known_at_submission(&require.condition);
                    is_late.then_some(require.span)
                }
                Statement::Emit(emit) => self.emit_can_refuse(saga, emit, guarded),
                Statement::If(branch) => {
                    let inner = guarded || !saga.known_at_submission(branch.head.expr());
                    let blocks = std::iter::once(&branch.then).chain(&branch.otherwise);
                    blocks
                        .into_iter()
                        .find_map(|block| self.refusal_in(saga, block, inner))
                }
                Statement::For(turns) => {
                    let inner = guarded || !saga.known_at_submission(&turns.list);
                    self.refusal_in(saga, &turns.body, inner)
                }
            })
    }

    /// Where a step stands, if it can refuse.
    fn can_refuse(&self, step: &Step) -> Option<Span> {
        let concern = step.target.as_ref();
        let concern = concern.map(|target| self.schema.concern(target.concern));
        let refusals = match (&step.kind, concern) {
            (StepKind::Effect(id, _), _) => &self.schema.effect(*id).refusals,
            (StepKind::Command(id, _), Some(concern)) => &concern.command(*id).refusals,
            (StepKind::Query(id, _), Some(concern)) => &concern.query(*id).refusals,
            (StepKind::Find | StepKind::FindBy(..), _) => return None,
            _ => return Some(step.span),
        };
        (!matches!(refusals, Refusals::Nothing)).then_some(step.span)
    }

    /// Where an event is emitted, if a value out of a result can break a constraint of it.
    fn emit_can_refuse(&self, saga: &Transaction, emit: &Emit, guarded: bool) -> Option<Span> {
        let known = emit.fields.iter().all(|it| saga.known_at_submission(it));
        let is_late = guarded || !known;
        let fields = &self.schema.event(emit.event).fields;
        (is_late && self.is_constrained(fields)).then_some(emit.span)
    }

    /// Whether fields do not take every value of their types.
    fn is_constrained(&self, fields: &[Field]) -> bool {
        let mut seen: HashSet<MessageId> = HashSet::new();
        let mut pending: Vec<&Field> = fields.iter().collect();
        while let Some(field) = pending.pop() {
            if !field.constraints.is_empty() {
                return true;
            }
            if let ValueType::Message(id) = field.ty.value
                && seen.insert(id)
            {
                pending.extend(&self.schema.message(id).fields);
            }
        }
        false
    }

    /// Whether a step that a refusal can come after can be undone.
    fn has_undo(&mut self, step: &Step, refusal: Span) {
        let concern = step.target.as_ref();
        let concern = concern.map(|target| self.schema.concern(target.concern));
        let (message, help) = match (&step.kind, concern) {
            (StepKind::Create(_), Some(concern)) if concern.builtins.has(Builtin::Delete) => return,
            (StepKind::Create(_), Some(concern)) => (
                "nothing undoes this `create`".to_owned(),
                format!(
                    "`{}` has no `delete`: let it have one, or move the step behind all that can refuse",
                    concern.name
                ),
            ),
            (StepKind::Command(id, _), Some(concern)) => {
                let command = concern.command(*id);
                match command.undo {
                    Some(undo) => return self.undo_may_break(step, concern.id, *id, undo),
                    None => without_undo("command", &command.name),
                }
            }
            (StepKind::Effect(id, _), _) => {
                let effect = self.schema.effect(*id);
                match effect.undo {
                    Some(_) => return,
                    None => without_undo("effect", &effect.name),
                }
            }
            (StepKind::Update(_) | StepKind::Delete | StepKind::Ensure(_), _) => {
                let word = step.kind.word();
                (
                    format!("nothing undoes `{word}`"),
                    "move the step behind all that can refuse, or use a command that has an `undo`"
                        .to_owned(),
                )
            }
            (
                StepKind::Get
                | StepKind::GetBy(..)
                | StepKind::Find
                | StepKind::FindBy(..)
                | StepKind::Query(..)
                | StepKind::Committed,
                _,
            )
            | (StepKind::Create(_) | StepKind::Command(..), None) => return,
        };
        let finding = Diagnostic::new(Code::MissingUndo, step.span, message).help(help);
        self.report(if refusal == step.span {
            finding.saying("it can refuse in the next turn")
        } else {
            finding.label(refusal, "this can refuse afterwards")
        });
    }

    /// Others may change an instance before the undo does. A command with refusals of its own moves
    /// towards what it refuses, so its undo moves away from there; without any it is the other way round.
    fn undo_may_break(
        &mut self,
        step: &Step,
        concern: ConcernId,
        command: CommandId,
        undo: CommandId,
    ) {
        let concern = self.schema.concern(concern);
        let has_own = !concern.command(command).refusals.named().is_empty();
        let undo = &concern.command(undo).name;
        let Some(field) = self.limited_field(concern, has_own) else {
            return;
        };
        let message = format!("`{undo}` may break the constraint of `{field}` when it undoes this");
        self.report(
            Diagnostic::new(Code::UndoMayBreak, step.span, message).help(
                "others may have changed the instance by then, and an undo that breaks a constraint stops the saga until an operator resumes it: make this the last step, or see to it that the undo always fits",
            ),
        );
    }

    /// A number or a list that handlers change and whose size is limited, as a path.
    fn limited_field(&self, concern: &Concern, on_both_sides: bool) -> Option<String> {
        let changes = concern
            .fields
            .iter()
            .filter(|field| !field.immutable && !matches!(field.ty.value, ValueType::Ref(_)));
        let mut pending: Vec<(String, &Field, usize)> = changes
            .map(|field| (field.name.clone(), field, 0))
            .collect();
        pending.reverse();
        while let Some((path, field, depth)) = pending.pop() {
            let limits = &field.constraints;
            let length = limits.length.filter(|_| field.ty.is_collection());
            let least = limits.min.is_some() || length.is_some_and(|length| length.min > 0);
            let most = limits.max.is_some() || length.is_some_and(|length| length.max.is_some());
            if (least && most) || (!on_both_sides && (least || most)) {
                return Some(path);
            }
            // Deep enough for what people nest, and it ends where messages contain themselves.
            if let (ValueType::Message(id), true) = (field.ty.value, depth < 8) {
                let inner = self.schema.message(id).fields.iter().rev();
                pending.extend(
                    inner.map(|field| (format!("{path}.{}", field.name), field, depth + 1)),
                );
            }
        }
        None
    }
}

fn without_undo(word: &str, name: &str) -> (String, String) {
    (
        format!("nothing undoes `{name}`"),
        format!(
            "say what does: `{word} {name}(…) undo …`; or move the step behind all that can refuse"
        ),
    )
}

fn same_payload(left: &Payload, right: &Payload) -> bool {
    match (left, right) {
        (Payload::Empty, Payload::Empty) => true,
        (Payload::Message(left), Payload::Message(right)) => left == right,
        (Payload::Fields(left), Payload::Fields(right)) => {
            let same = left.iter().zip(right);
            left.len() == right.len()
                && same
                    .into_iter()
                    .all(|(left, right)| left.name == right.name && left.ty == right.ty)
        }
        _ => false,
    }
}
