//! Pass 5: a transaction while it is checked: what is bound, which steps there are so far.

use crate::model::{Expr, Field, ParamId, Refusals, Require, Step, StepId, Type};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr as ast;
use crate::syntax::operation::Param;
use crate::syntax::transaction::Statement;

/// A transaction while it is checked.
pub(super) struct Body<'a> {
    pub(super) bindings: Vec<Binding<'a>>,
    /// The `let`s of the whole body, to tell a name that comes later from one that never comes.
    pub(super) later: Vec<&'a Ident>,
    /// The names in statements that could not be read or built: nothing is said about them.
    pub(super) lost_names: Vec<&'a str>,
    pub(super) steps: Vec<Step>,
    pub(super) requires: Vec<Require>,
    pub(super) refusals: Refusals,
    pub(super) used_refusals: Vec<bool>,
    /// Something is wrong or missing, so what is not used cannot be told.
    pub(super) blurred: bool,
}

/// A name and what it stands for.
pub(super) struct Binding<'a> {
    pub(super) name: &'a Ident,
    pub(super) value: Bound,
    pub(super) used: bool,
    /// The `let` up to its value; `None` for a parameter.
    pub(super) statement: Option<Span>,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Bound {
    Param(ParamId, Type),
    Step(StepId, Type),
    Expr(Expr),
    /// It is not known, which has been reported.
    Lost,
}

/// What a value gives, besides an error that has been reported.
pub(super) enum Given {
    Expr(Expr),
    Step(StepId, Option<Type>),
    Lost,
}

impl<'a> Body<'a> {
    /// What a name stands for; it counts as used then.
    pub(super) fn find(&mut self, name: &str) -> Option<Bound> {
        let binding = self
            .bindings
            .iter_mut()
            .find(|binding| binding.name.text == name)?;
        binding.used = true;
        Some(binding.value.clone())
    }

    /// The `let` that binds the name later on.
    pub(super) fn bound_later(&self, name: &str) -> Option<&'a Ident> {
        self.later.iter().copied().find(|later| later.text == name)
    }
}

pub(super) fn bindings<'a>(declared: &'a [Param], known: &[Field]) -> Vec<Binding<'a>> {
    let named = declared.iter().filter_map(|param| match param {
        Param::Named(field) => Some(&field.name),
        Param::Unnamed(..) => None,
    });
    let mut bindings: Vec<Binding<'a>> = Vec::new();
    for name in named {
        if bindings
            .iter()
            .any(|earlier| earlier.name.text == name.text)
        {
            continue;
        }
        let index = known.iter().position(|field| field.span == name.span);
        let value = match index.and_then(|index| Some((index, known.get(index)?))) {
            Some((index, field)) => Bound::Param(ParamId::new(index), field.ty),
            None => Bound::Lost,
        };
        bindings.push(Binding {
            name,
            value,
            used: false,
            statement: None,
        });
    }
    bindings
}

pub(super) fn bound_name(statement: &Statement) -> Option<&Ident> {
    match statement {
        Statement::Let(name, ..) => Some(name),
        _ => None,
    }
}

/// Whether an expression is written as a step.
pub(super) fn is_step(expr: &ast::Expr) -> bool {
    use ast::ExprKind as Kind;
    match &expr.kind {
        Kind::Create(..)
        | Kind::Ensure(..)
        | Kind::Update(..)
        | Kind::Get(_)
        | Kind::Find(_)
        | Kind::Delete(_) => true,
        Kind::Chain(_, accesses) => accesses.iter().any(|access| access.arguments.is_some()),
        _ => false,
    }
}
