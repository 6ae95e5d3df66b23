//! Pass 5: a transaction while it is checked: what is bound, which steps there are so far.

use std::collections::{HashMap, HashSet};

use crate::model::{Expr, Field, ParamId, Refusals, Require, Step, StepId, Type};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr as ast;
use crate::syntax::operation::Param;
use crate::syntax::transaction::Statement;

/// A name that is bound to an expression stands for it wherever it is used, so records of records
/// can grow without end. This many parts are far more than a payload has.
const MAX_PARTS: usize = 50_000;

/// A transaction while it is checked.
pub(super) struct Body<'a> {
    pub(super) bindings: Vec<Binding<'a>>,
    /// The `let`s of the whole body, to tell a name that comes later from one that never comes.
    pub(super) later: Vec<&'a Ident>,
    /// The names in statements that could not be read or built: nothing is said about them.
    pub(super) lost_names: HashSet<&'a str>,
    /// Where each name stands among the bindings.
    index: HashMap<&'a str, usize>,
    /// How many parts the expressions have that names were replaced by.
    parts: usize,
    /// That there are too many has been reported.
    pub(super) too_large: bool,
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
    /// An expression, and of how many parts it is made.
    Expr(Expr, usize),
    /// It is not known, which has been reported.
    Lost,
    /// An expression that has become too large.
    TooLarge,
}

/// What a value gives, besides an error that has been reported.
pub(super) enum Given {
    Expr(Expr),
    Step(StepId, Option<Type>),
    Lost,
}

impl<'a> Body<'a> {
    /// A transaction before its first statement.
    pub(super) fn new(
        params: &'a [Param],
        known: &[Field],
        statements: &'a [Statement],
        refusals: Refusals,
    ) -> Self {
        let mut body = Self {
            bindings: Vec::new(),
            later: statements.iter().filter_map(bound_name).collect(),
            lost_names: HashSet::new(),
            index: HashMap::new(),
            parts: 0,
            too_large: false,
            steps: Vec::new(),
            requires: Vec::new(),
            used_refusals: vec![false; refusals.named().len()],
            refusals,
            blurred: false,
        };
        let by_place: HashMap<Span, usize> = known
            .iter()
            .enumerate()
            .map(|(index, field)| (field.span, index))
            .collect();
        for param in params {
            let Param::Named(field) = param else { continue };
            if body.position(&field.name.text).is_some() {
                continue;
            }
            let index = by_place.get(&field.name.span).copied();
            let value = match index.and_then(|index| Some((index, known.get(index)?))) {
                Some((index, field)) => Bound::Param(ParamId::new(index), field.ty),
                None => Bound::Lost,
            };
            body.bind(Binding {
                name: &field.name,
                value,
                used: false,
                statement: None,
            });
        }
        body
    }

    pub(super) fn bind(&mut self, binding: Binding<'a>) {
        self.index.insert(&binding.name.text, self.bindings.len());
        self.bindings.push(binding);
    }

    /// Where a name is bound already.
    pub(super) fn position(&self, name: &str) -> Option<Span> {
        let index = self.index.get(name)?;
        self.bindings.get(*index).map(|binding| binding.name.span)
    }

    /// What a name stands for; it counts as used then.
    pub(super) fn find(&mut self, name: &str) -> Option<Bound> {
        let binding = self.bindings.get_mut(*self.index.get(name)?)?;
        binding.used = true;
        if let Bound::Expr(_, parts) = binding.value {
            self.parts += parts;
            if self.parts > MAX_PARTS {
                return Some(Bound::TooLarge);
            }
        }
        Some(binding.value.clone())
    }

    /// The `let` that binds the name later on.
    pub(super) fn bound_later(&self, name: &str) -> Option<&'a Ident> {
        self.later.iter().copied().find(|later| later.text == name)
    }
}

fn bound_name(statement: &Statement) -> Option<&Ident> {
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
