//! Owns transactions: steps in written order, and what they depend on.

use std::collections::BTreeSet;

use serde::Serialize;

use super::concern::{Answer, Refusals};
use super::expr::{Expr, ExprKind, FieldRef, Path, Root};
use super::field::Field;
use super::ids::{CommandId, ConcernId, ParamId, QueryId, RefusalId, StepId, TransactionId};
use crate::syntax::Span;

/// A transaction: strictly serializable, all or nothing.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The parameters, as declared.
    pub params: Vec<Field>,
    /// The type of what it returns.
    pub result: Option<Answer>,
    /// The refusals that its own `require`s use. Those of its steps come on top.
    pub refusals: Refusals,
    /// The steps, in written order.
    pub steps: Vec<Step>,
    /// The `require`s, in written order.
    pub requires: Vec<Require>,
    /// The value after `return`; there is one exactly if there is a result type.
    pub returns: Option<Expr>,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// A step on one instance.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its id in the transaction.
    pub id: StepId,
    /// The concern whose instance it visits.
    pub concern: ConcernId,
    /// The key of that instance. Its type is the key's, or `ref`/`id of` the concern.
    pub key: Expr,
    /// What it does there.
    pub kind: StepKind,
    /// The name that a `let` gives to its result.
    pub binding: Option<String>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// What a step does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepKind {
    /// `create X { … }`: one expression for each of `Concern::fields`, in order of declaration;
    /// the key is `Step::key`. Gives the instance.
    Create(Vec<Expr>),
    /// `get X[k]`: gives the instance, refuses if there is none.
    Get,
    /// `X[k].command(…)`.
    Command(CommandId, Argument),
    /// `X[k].query(…)`.
    Query(QueryId, Argument),
}

/// What a command or a query is given, in the shape of its `Payload`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// `()`
    Empty,
    /// The message that is the payload.
    Message(Expr),
    /// One expression for each named parameter, in order of declaration.
    Fields(Vec<Expr>),
}

/// `require COND else refusal`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Require {
    /// The condition; its type is `bool`.
    pub condition: Expr,
    /// The refusal, among those of the transaction.
    pub refusal: RefusalId,
    /// It stands behind this many steps.
    pub after_steps: u32,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

impl Transaction {
    /// A step of this transaction.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.index()]
    }

    /// A parameter of this transaction.
    pub fn param(&self, id: ParamId) -> &Field {
        &self.params[id.index()]
    }

    /// Whether the value is known when the transaction is submitted: it depends on nothing but
    /// parameters and keys that are known then (also the keys of instances that it creates).
    pub fn known_at_submission(&self, expr: &Expr) -> bool {
        needed_results(&self.steps, expr).is_empty() && !has_committed(expr)
    }

    /// The steps whose *results* the value needs, directly or through keys. The key of an instance
    /// (`player.id` of a `create` or `get`) is no result: it is known as soon as the step's own key is.
    pub fn needs(&self, expr: &Expr) -> BTreeSet<StepId> {
        needed_results(&self.steps, expr)
    }

    /// The steps whose results the step needs for its key, and those it needs for its payload.
    pub fn step_needs(&self, step: &Step) -> (BTreeSet<StepId>, BTreeSet<StepId>) {
        let key = self.needs(&step.key);
        let payload = step.payload().flat_map(|expr| self.needs(expr)).collect();
        (key, payload)
    }

    /// The expression that tells the value of a key: `player.id` becomes the key of the step that
    /// `player` was bound by, so that two keys can be compared. Other expressions stay as they are.
    pub fn resolve_key<'a>(&'a self, key: &'a Expr) -> &'a Expr {
        resolve_key(&self.steps, key)
    }
}

impl Step {
    /// The expressions that its payload (or the new instance) is made of.
    pub fn payload(&self) -> impl Iterator<Item = &Expr> {
        let list = match &self.kind {
            StepKind::Create(fields) => fields.as_slice(),
            StepKind::Get => &[],
            StepKind::Command(_, argument) | StepKind::Query(_, argument) => match argument {
                Argument::Empty => &[],
                Argument::Message(expr) => std::slice::from_ref(expr),
                Argument::Fields(list) => list.as_slice(),
            },
        };
        list.iter()
    }

    /// Whether it leaves the instance as it is.
    pub fn reads_only(&self) -> bool {
        matches!(self.kind, StepKind::Get | StepKind::Query(..))
    }
}

/// See [`Transaction::resolve_key`]; on its own because `check` asks while it builds the list.
pub(crate) fn resolve_key<'a>(steps: &'a [Step], key: &'a Expr) -> &'a Expr {
    // A step that gives a concern gives its own instance. Ends: a key only speaks of earlier steps.
    match &key.kind {
        ExprKind::Path(Path {
            root: Root::Step(id),
            fields,
        }) => match (fields.as_slice(), &steps[id.index()]) {
            ([FieldRef::Key(concern)], step) if step.concern == *concern => {
                resolve_key(steps, &step.key)
            }
            ([FieldRef::KeyPart(concern, part)], step) if step.concern == *concern => {
                match &resolve_key(steps, &step.key).kind {
                    ExprKind::Key(_, parts) => resolve_key(steps, &parts[*part as usize]),
                    // What part of a key is that came whole is read from the instance.
                    _ => key,
                }
            }
            _ => key,
        },
        _ => key,
    }
}

/// See [`Transaction::needs`].
pub(crate) fn needed_results(steps: &[Step], expr: &Expr) -> BTreeSet<StepId> {
    let mut needed = BTreeSet::new();
    expr.walk(&mut |part| {
        let resolved = resolve_key(steps, part);
        if let ExprKind::Path(Path {
            root: Root::Step(id),
            ..
        }) = &resolved.kind
        {
            needed.insert(*id);
        } else if !std::ptr::eq(resolved, part) {
            needed.extend(needed_results(steps, resolved));
        }
    });
    needed
}

fn has_committed(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part.kind, ExprKind::Committed(..)));
    found
}
