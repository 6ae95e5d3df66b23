//! Owns functions: pure, written in Rust, usable in every expression.

use schemars::JsonSchema;
use serde::Serialize;

use super::concern::Answer;
use super::field::Field;
use super::ids::FunctionId;
use crate::syntax::Span;

/// `function f(a: T, …) -> U`
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Function {
    /// Its id.
    pub id: FunctionId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The parameters, as declared.
    pub params: Vec<Field>,
    /// What it gives.
    pub result: Answer,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}
