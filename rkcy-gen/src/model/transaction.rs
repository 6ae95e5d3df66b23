//! Owns transactions: their statements in written order, and what those depend on.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::concern::{Answer, Concern, Refusals};
use super::expr::{Expr, ExprKind, FieldRef, Path, Root};
use super::field::Field;
use super::former::FormerName;
use super::ids::{
    CommandId, ConcernId, EffectId, EventId, LocalId, ParamId, QueryId, RefusalId, StepId,
    TransactionId,
};
use super::types::Type;
use crate::syntax::Span;

/// A transaction or a saga.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// Which of both it is.
    pub mode: Mode,
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
    /// The steps, in written order; where each stands is told by the body.
    pub steps: Vec<Step>,
    /// What is bound besides parameters and steps; where each is bound is told by the body.
    pub locals: Vec<Local>,
    /// The statements. Their value is that after `return`; there is one exactly if there is a
    /// result type.
    pub body: Block,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// How the steps of a transaction belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Strictly serializable, all or nothing.
    Transaction,
    /// Each step is visible at once; a refusal undoes those that were done.
    Saga,
}

impl Mode {
    /// The word for it in a schema.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Transaction => "transaction",
            Mode::Saga => "saga",
        }
    }
}

/// Statements in written order, and the value that they give.
#[derive(Debug, Clone, Default, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Block {
    /// The statements.
    pub statements: Vec<Statement>,
    /// What `return` or `yield` gives, the last of them.
    pub value: Option<Expr>,
}

/// A statement.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statement {
    /// A step.
    Step(StepId),
    /// The call of a function, which gives the value of the local.
    Call(LocalId),
    /// `require COND else refusal`.
    Require(Require),
    /// `emit X { … }`
    Emit(Emit),
    /// `if COND { … } else { … }`
    If(If),
    /// `for element in list { … }`
    For(For),
}

/// `require COND else refusal`.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Require {
    /// The condition; its type is `bool`.
    pub condition: Expr,
    /// The refusal, among those of the transaction.
    pub refusal: RefusalId,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// `emit X { … }`: told to those outside once the transaction is committed, or the saga has ended without being
/// undone.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Emit {
    /// The event.
    pub event: EventId,
    /// One expression for each of its fields, in order of declaration.
    pub fields: Vec<Expr>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// `if COND { … } else { … }`
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct If {
    /// What is asked.
    pub head: Head,
    /// What is done then.
    pub then: Block,
    /// What is done otherwise. `else if` is a block with an `if` in it.
    pub otherwise: Option<Block>,
    /// The local that holds its value, where it is used as one.
    pub result: Option<LocalId>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// What an `if` asks.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Head {
    /// A condition.
    Condition(Expr),
    /// `let d = optional`: whether it is there; the local is what it holds then.
    Present(LocalId, Expr),
}

impl Head {
    /// The condition, or the optional.
    pub fn expr(&self) -> &Expr {
        match self {
            Head::Condition(expr) | Head::Present(_, expr) => expr,
        }
    }
}

/// `for element in list { … }`
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct For {
    /// The element.
    pub element: LocalId,
    /// The list.
    pub list: Expr,
    /// How many elements the list has at most.
    pub bound: u32,
    /// What is done for each; its value is what the turn yields.
    pub body: Block,
    /// The local that holds the list of what the turns yield, where it is used as a value.
    pub result: Option<LocalId>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// A name, or a value without one, that is neither a parameter nor what a step gives.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Local {
    /// Its id in the transaction.
    pub id: LocalId,
    /// The name; `None` for a value that is used where it stands.
    pub name: Option<String>,
    /// The type of its value.
    pub ty: Type,
    /// What it is.
    pub kind: LocalKind,
    /// The steps whose results its value needs. None: it is known at submission.
    pub needs: BTreeSet<StepId>,
}

/// What a local is.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LocalKind {
    /// What a function gives.
    Call(Expr),
    /// What an optional holds, in the `if let` that asks for it.
    Present(Expr),
    /// The element of a `for`.
    Element,
    /// The value of an `if`.
    Branch,
    /// The value of a `for`.
    Turns,
}

impl Local {
    /// The call of a function that gives its value.
    pub fn call(&self) -> Option<&Expr> {
        match &self.kind {
            LocalKind::Call(call) => Some(call),
            _ => None,
        }
    }
}

/// A step: on one instance, or an effect.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its id in the transaction.
    pub id: StepId,
    /// The instance that it visits; an effect visits none.
    #[serde(flatten)]
    pub target: Option<Target>,
    /// What it does.
    pub kind: StepKind,
    /// The type of what it gives; `None` where it gives nothing.
    pub gives: Option<Type>,
    /// The name that a `let` gives to its result.
    pub binding: Option<String>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// The instance that a step visits.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Target {
    /// The concern whose instance the step visits; an effect visits none.
    pub concern: ConcernId,
    /// The key of that instance. Its type is the key's, or `ref`/`id of` the concern.
    pub key: Expr,
}

/// What a step does.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepKind {
    /// `create X { … }`: one expression for each of `Concern::fields`, in order of declaration;
    /// the key is `Target::key`. Gives the instance.
    Create(Vec<Expr>),
    /// `ensure X { … }`: the same, unless it exists. Gives the instance.
    Ensure(Vec<Expr>),
    /// `get X[k]`: gives the instance, refuses if there is none.
    Get,
    /// `find X[k]`: gives the instance, if there is one.
    Find,
    /// `get X[a: e, b: f]`: the same, by one of `Concern::uniques`, with one expression for each of its fields.
    /// The key is that of the instance.
    GetBy(usize, Vec<Expr>),
    /// `find X[a: e, b: f]`: the same, if there is one.
    FindBy(usize, Vec<Expr>),
    /// `update X[k] { … }`: one expression for each of `Concern::fields` that is given. Gives the
    /// instance.
    Update(Vec<Option<Expr>>),
    /// `delete X[k]`: gives nothing.
    Delete,
    /// `X[k].command(…)`.
    Command(CommandId, Argument),
    /// `X[k].query(…)`.
    Query(QueryId, Argument),
    /// `X[k]` as a value: gives the instance as the transaction commits it. It is read behind all
    /// other steps.
    Committed,
    /// `effect(…)`, in a saga: it visits no instance.
    Effect(EffectId, Argument),
}

impl StepKind {
    /// The word for it in a schema.
    pub fn word(&self) -> &'static str {
        match self {
            StepKind::Create(_) => "create",
            StepKind::Ensure(_) => "ensure",
            StepKind::Get | StepKind::GetBy(..) | StepKind::Committed => "get",
            StepKind::Find | StepKind::FindBy(..) => "find",
            StepKind::Update(_) => "update",
            StepKind::Delete => "delete",
            StepKind::Command(..) => "command",
            StepKind::Query(..) => "query",
            StepKind::Effect(..) => "effect",
        }
    }
}

/// What a command, a query or an effect is given, in the shape of its `Payload`.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// `()`
    Empty,
    /// The message that is the payload.
    Message(Expr),
    /// One expression for each named parameter, in order of declaration.
    Fields(Vec<Expr>),
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

    /// A local of this transaction.
    pub fn local(&self, id: LocalId) -> &Local {
        &self.locals[id.index()]
    }

    /// Whether the value is known when the transaction is submitted: it depends on nothing but
    /// parameters and keys that are known then (also the keys of instances that it creates).
    pub fn known_at_submission(&self, expr: &Expr) -> bool {
        self.needs(expr).is_empty()
    }

    /// The steps whose *results* the value needs, directly or through keys. The key of an instance
    /// (`player.id` of a `create` or `get`) is no result: it is known as soon as the step's own key is.
    pub fn needs(&self, expr: &Expr) -> BTreeSet<StepId> {
        needed_results(&self.steps, &self.locals, expr)
    }

    /// The steps whose results the step needs for its key and payload.
    pub fn step_needs(&self, step: &Step) -> BTreeSet<StepId> {
        let key = step.target.iter().map(|target| &target.key);
        key.chain(step.payload())
            .flat_map(|expr| self.needs(expr))
            .collect()
    }

    /// What tells the entity group of an instance, as far as that is known: the key of the concern that is
    /// nearest to the root.
    pub fn group<'a>(&'a self, concerns: &[Concern], target: &'a Target) -> (ConcernId, &'a Expr) {
        let (mut concern, mut key) = (target.concern, self.resolve_key(&target.key));
        while let (Some(parent), ExprKind::Key(_, parts)) =
            (concerns[concern.index()].parent, &key.kind)
        {
            (concern, key) = (parent, self.resolve_key(&parts[0]));
        }
        (concern, key)
    }

    /// The expression that tells the value of a key: `player.id` becomes the key of the step that
    /// `player` was bound by, so that two keys can be compared. Other expressions stay as they are.
    pub fn resolve_key<'a>(&'a self, key: &'a Expr) -> &'a Expr {
        resolve_key(&self.steps, &self.locals, key)
    }
}

impl Step {
    /// The expressions that its payload (or the new instance) is made of.
    pub fn payload(&self) -> impl Iterator<Item = &Expr> {
        let (given, maybe): (&[Expr], &[Option<Expr>]) = match &self.kind {
            StepKind::Create(fields)
            | StepKind::Ensure(fields)
            | StepKind::GetBy(_, fields)
            | StepKind::FindBy(_, fields) => (fields, &[]),
            StepKind::Update(fields) => (&[], fields),
            StepKind::Get | StepKind::Find | StepKind::Delete | StepKind::Committed => (&[], &[]),
            StepKind::Command(_, argument)
            | StepKind::Query(_, argument)
            | StepKind::Effect(_, argument) => match argument {
                Argument::Empty => (&[], &[]),
                Argument::Message(expr) => (std::slice::from_ref(expr), &[]),
                Argument::Fields(list) => (list, &[]),
            },
        };
        given.iter().chain(maybe.iter().flatten())
    }

    /// Whether it leaves the instance as it is.
    pub fn reads_only(&self) -> bool {
        matches!(
            self.kind,
            StepKind::Get | StepKind::Find | StepKind::Query(..) | StepKind::Committed
        )
    }
}

impl Target {
    /// What tells the parts of its key; one expression where that came whole.
    pub fn key_parts(&self) -> &[Expr] {
        match &self.key.kind {
            ExprKind::Key(_, parts) => parts,
            _ => std::slice::from_ref(&self.key),
        }
    }
}

/// See [`Transaction::resolve_key`]; on its own because `check` asks while it builds the lists.
pub(crate) fn resolve_key<'a>(steps: &'a [Step], locals: &'a [Local], key: &'a Expr) -> &'a Expr {
    let ExprKind::Path(Path { root, fields }) = &key.kind else {
        return key;
    };
    let (concern, part) = match fields.as_slice() {
        [FieldRef::Key(concern)] => (concern, None),
        [FieldRef::KeyPart(concern, part)] => (concern, Some(*part as usize)),
        _ => return key,
    };
    let step = match root {
        Root::Step(id) => Some(*id),
        // What `find` found.
        Root::Local(id) => match &locals[id.index()].kind {
            LocalKind::Present(Expr {
                kind:
                    ExprKind::Path(Path {
                        root: Root::Step(id),
                        fields,
                    }),
                ..
            }) if fields.is_empty() => Some(*id),
            _ => None,
        },
        Root::Param(_) | Root::Now | Root::Caller => None,
    };
    // A step that gives a concern gives its own instance. Ends: a key only speaks of earlier steps.
    let step = step.map(|id| &steps[id.index()]);
    let given = step.and_then(|step| Some((step, step.target.as_ref()?)));
    let Some((step, target)) = given.filter(|(_, target)| target.concern == *concern) else {
        return key;
    };
    if matches!(step.kind, StepKind::GetBy(..) | StepKind::FindBy(..)) {
        return key;
    }
    let whole = resolve_key(steps, locals, &target.key);
    match (part, &whole.kind) {
        (None, _) => whole,
        (Some(part), ExprKind::Key(_, parts)) => resolve_key(steps, locals, &parts[part]),
        // What is part of a key that came whole is read from the instance.
        (Some(_), _) => key,
    }
}

/// See [`Transaction::needs`].
pub(crate) fn needed_results(steps: &[Step], locals: &[Local], expr: &Expr) -> BTreeSet<StepId> {
    let mut needed = BTreeSet::new();
    expr.walk(&mut |part| {
        let resolved = resolve_key(steps, locals, part);
        match &resolved.kind {
            ExprKind::Path(Path {
                root: Root::Step(id),
                ..
            }) => {
                needed.insert(*id);
            }
            ExprKind::Path(Path {
                root: Root::Local(id),
                ..
            }) => needed.extend(&locals[id.index()].needs),
            _ if !std::ptr::eq(resolved, part) => {
                needed.extend(needed_results(steps, locals, resolved));
            }
            _ => {}
        }
    });
    needed
}
