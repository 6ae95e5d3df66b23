//! Owns effects: what sagas do outside of the platform.

use schemars::JsonSchema;
use serde::Serialize;

use super::concern::{Answer, Payload, Refusals};
use super::ids::EffectId;
use crate::syntax::Span;

/// `effect f(…) -> T undo g refuses …`
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Effect {
    /// Its id.
    pub id: EffectId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// What it is given.
    pub payload: Payload,
    /// What it answers.
    pub result: Option<Answer>,
    /// `undo g`: the effect that undoes it. It takes the same payload, refuses nothing, and has no undo itself.
    pub undo: Option<EffectId>,
    /// How it may refuse.
    pub refusals: Refusals,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}
