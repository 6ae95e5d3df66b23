//! Owns where the steps of a transaction stand: under which conditions, and in which loops.

use std::collections::BTreeSet;

use super::concern::Concern;
use super::expr::{Expr, ExprKind, Root};
use super::ids::{LocalId, StepId};
use super::transaction::{Block, For, Head, If, Statement, Transaction};

/// Where a step or another statement stands.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The steps whose results tell whether, or how often, it is made.
    pub guards: BTreeSet<StepId>,
    /// The loops around it, outermost first: the element, and how many there are at most.
    pub loops: Vec<(LocalId, u32)>,
}

impl Place {
    /// How often it is made at most.
    pub fn turns(&self) -> u64 {
        let bounds = self.loops.iter().map(|(_, bound)| u64::from(*bound));
        bounds.fold(1, u64::saturating_mul)
    }
}

impl Transaction {
    /// Where each step stands, in the order of their ids.
    pub fn places(&self) -> Vec<Place> {
        let mut places = vec![Place::default(); self.steps.len()];
        self.each_statement(&mut |statement, place| {
            if let Statement::Step(id) = statement {
                places[id.index()] = place.clone();
            }
        });
        places
    }

    /// Calls `visit` for every statement and where it stands, in written order.
    pub fn each_statement<'a>(&'a self, visit: &mut dyn FnMut(&'a Statement, &Place)) {
        self.walk(&self.body, &Place::default(), visit);
    }

    /// Calls `visit` for every expression.
    pub fn each_expr<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        let mut values: Vec<&Expr> = self.body.value.iter().collect();
        self.each_statement(&mut |statement, _| match statement {
            Statement::Step(id) => {
                let step = self.step(*id);
                values.extend(step.target.iter().map(|target| &target.key));
                values.extend(step.payload());
            }
            Statement::Call(id) => values.extend(self.local(*id).call()),
            Statement::Require(require) => values.push(&require.condition),
            Statement::Emit(emit) => values.extend(&emit.fields),
            Statement::If(branch) => {
                values.push(branch.head.expr());
                values.extend(&branch.then.value);
                values.extend(branch.otherwise.iter().flat_map(|block| &block.value));
            }
            Statement::For(turns) => {
                values.push(&turns.list);
                values.extend(&turns.body.value);
            }
        });
        values.into_iter().for_each(visit);
    }

    /// How many instances the key of a step means at most, over all turns of the loops around it.
    pub fn instances(&self, key: &Expr, place: &Place, places: &[Place]) -> u64 {
        let path = match &key.kind {
            ExprKind::Literal(_) => return 1,
            ExprKind::Path(path) => path,
            ExprKind::Key(_, parts) => {
                let parts = parts.iter().map(|part| self.instances(part, place, places));
                return parts.fold(1, u64::saturating_mul).min(place.turns());
            }
            _ => return place.turns(),
        };
        match path.root {
            Root::Param(_) | Root::Now | Root::Caller => 1,
            Root::Step(id) => places[id.index()].turns(),
            Root::Local(id) => match place.loops.iter().position(|(element, _)| *element == id) {
                Some(depth) => {
                    let outer = place.loops.iter().take(depth + 1);
                    let bounds = outer.map(|(_, bound)| u64::from(*bound));
                    bounds.fold(1, u64::saturating_mul)
                }
                None => place.turns(),
            },
        }
    }

    /// How many step numbers the statements use at most.
    pub fn width(&self, block: &Block, concerns: &[Concern]) -> u64 {
        let statements = block.statements.iter().map(|statement| match statement {
            Statement::Step(id) => self.step(*id).numbers(concerns),
            Statement::Call(_) | Statement::Require(_) | Statement::Emit(_) => 0,
            Statement::If(If {
                then, otherwise, ..
            }) => {
                let otherwise = otherwise
                    .as_ref()
                    .map_or(0, |block| self.width(block, concerns));
                self.width(then, concerns).saturating_add(otherwise)
            }
            Statement::For(For { bound, body, .. }) => {
                self.width(body, concerns).saturating_mul(u64::from(*bound))
            }
        });
        statements.fold(0, u64::saturating_add)
    }

    fn walk<'a>(
        &'a self,
        block: &'a Block,
        place: &Place,
        visit: &mut dyn FnMut(&'a Statement, &Place),
    ) {
        for statement in &block.statements {
            visit(statement, place);
            match statement {
                Statement::Step(_)
                | Statement::Call(_)
                | Statement::Require(_)
                | Statement::Emit(_) => {}
                Statement::If(If {
                    head: Head::Condition(asked) | Head::Present(_, asked),
                    then,
                    otherwise,
                    ..
                }) => {
                    let mut inner = place.clone();
                    inner.guards.extend(self.needs(asked));
                    self.walk(then, &inner, visit);
                    if let Some(otherwise) = otherwise {
                        self.walk(otherwise, &inner, visit);
                    }
                }
                Statement::For(For {
                    element,
                    list,
                    bound,
                    body,
                    ..
                }) => {
                    let mut inner = place.clone();
                    inner.guards.extend(self.needs(list));
                    inner.loops.push((*element, *bound));
                    self.walk(body, &inner, visit);
                }
            }
        }
    }
}
