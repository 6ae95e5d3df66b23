//! Owns timers: what happens to an instance when the time in one of its fields has come.

use schemars::JsonSchema;
use serde::Serialize;

use super::ids::{CommandId, TransactionId};
use crate::syntax::Span;

/// `at FIELD run NAME(self)` or `at FIELD delete`: once for each value of the field.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Timer {
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The field: its position among `Concern::fields`. It is a `timestamp` or a `timestamp?`.
    pub field: usize,
    /// What happens.
    pub action: TimerAction,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// What a timer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerAction {
    /// The instance is deleted.
    Delete,
    /// A command of the concern, without parameters.
    Command(CommandId),
    /// A transaction or a saga with one parameter, which is the key of the instance.
    Transaction(TransactionId),
}
