//! Owns expressions in transactions: every one has its type, every name in it is resolved.

use schemars::JsonSchema;
use serde::Serialize;

use super::field::Literal;
use super::ids::{ConcernId, FunctionId, LocalId, MessageId, ParamId, StepId};
use super::types::Type;
use crate::syntax::Span;

/// An expression with its type.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Expr {
    /// The type of its value. Where a value is used as another type (a `ref X` as an `id of X`, a
    /// key of X, a `T` where `T?` is expected), this is the type of the value and the place of use
    /// tells the other: the conversions that are possible change nothing but the wrapping.
    pub ty: Type,
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands; for what was filled in, the record that it was filled into.
    #[serde(skip)]
    pub span: Span,
}

/// What an expression is. `let name = EXPR` leaves no trace, unless the expression calls a function:
/// it stands wherever the name was used.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExprKind {
    /// A literal, or a value of an enum. A zero `duration` is the number 0.
    Literal(Literal),
    /// Something that is bound, or a field in it. No field on the way is optional or
    /// a list, only the last may be.
    Path(Path),
    /// `Message { … }`: one expression for every field of the message, in order of declaration.
    Record(MessageId, Vec<Expr>),
    /// A key of several parts: one expression for each of `Concern::keys`.
    Key(ConcernId, Vec<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `X[k]` as a value: the instance as the transaction commits it. Only while a transaction is
    /// checked; in a model it is the path of the step that reads it.
    Committed(ConcernId, Box<Expr>),
    /// `f(a, b)`; only as the value of a local.
    Call(FunctionId, Vec<Expr>),
    /// A field that was left out: its declared default, or else absent, empty, zero, or a message
    /// made of such fields. Which field it is, is told by where this stands.
    Default,
    /// A `T?` without a value.
    Absent,
    /// A uuid key that `create` leaves out: derived from (transaction id, step, index).
    DerivedUuid(StepId),
    /// An `@auto(uuid)` field that `create` leaves out, by its position in `Concern::fields`: derived from
    /// the transaction's id, the step and the name of the field.
    AutoUuid(StepId, u32),
    /// `!a`
    Not(Box<Expr>),
    /// `a == b` and the like; a condition.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// `a is present`; a condition on an optional.
    IsPresent(Box<Expr>),
    /// `a is absent`; a condition on an optional.
    IsAbsent(Box<Expr>),
}

/// Something that is bound, or a field in it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Path {
    /// Where it begins.
    pub root: Root,
    /// The fields to go through; empty for what is bound itself.
    pub fields: Vec<FieldRef>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// A parameter of the transaction.
    Param(ParamId),
    /// What an earlier step gave.
    Step(StepId),
    /// What else is bound.
    Local(LocalId),
    /// `now`: the stamp of the submission.
    Now,
    /// `caller`: who called.
    Caller,
}

/// A field of a concern or of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRef {
    /// The key of a concern that has one part.
    Key(ConcernId),
    /// A part of a key of several, by its position in `Concern::keys`.
    KeyPart(ConcernId, u32),
    /// Another field of a concern, by its position in `Concern::fields`.
    Concern(ConcernId, u32),
    /// A field of a message, by its position in `Message::fields`.
    Message(MessageId, u32),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Expr {
    /// Whether the schema does not write it: a uuid that `create` leaves out.
    pub fn is_derived(&self) -> bool {
        matches!(self.kind, ExprKind::DerivedUuid(_) | ExprKind::AutoUuid(..))
    }

    /// Calls `visit` for this expression and every one inside it, outermost first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Record(_, parts)
            | ExprKind::Key(_, parts)
            | ExprKind::List(parts)
            | ExprKind::Call(_, parts) => parts.iter().for_each(|part| part.walk(visit)),
            ExprKind::Committed(_, inner)
            | ExprKind::Not(inner)
            | ExprKind::IsPresent(inner)
            | ExprKind::IsAbsent(inner) => inner.walk(visit),
            ExprKind::Compare(_, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Literal(_)
            | ExprKind::Path(_)
            | ExprKind::Default
            | ExprKind::Absent
            | ExprKind::DerivedUuid(_)
            | ExprKind::AutoUuid(..) => {}
        }
    }
}
