//! Owns what instances claim beside themselves: unique values, and the instances that they refer to.

use schemars::JsonSchema;
use serde::Serialize;

use super::concern::Concern;
use super::field::Field;
use super::ids::ConcernId;
use super::transaction::{Step, StepKind, Target};
use super::types::{Many, ValueType};
use crate::syntax::Span;

/// Fields whose values, together, only one instance has: `@unique` or `unique (a, b)`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Unique {
    /// The fields, by their positions in `Concern::all_fields`, as written. None is a list.
    pub fields: Vec<usize>,
    /// Whether the first is the root of the group: then the values are unique within each group, and kept
    /// there.
    pub within: bool,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// The other side of a reference: `characters: [Character] by player`. It is derived, never set.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Side {
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The concern that refers.
    pub concern: ConcernId,
    /// By which of its fields: the position among `Concern::fields`.
    pub field: usize,
    /// So many may refer at most.
    pub most: Option<u32>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// A view has so many members at most: all of them are in memory while an operation reads it.
pub const MOST_RELATED: u32 = 1_000;

impl Side {
    /// How many members a view of it has at most, where it is one that operations read: one with a bound.
    pub fn readable(&self) -> Option<u32> {
        self.most.filter(|most| *most <= MOST_RELATED)
    }
}

impl Concern {
    /// The sides of which views are kept: where operations read what is related, all that are bounded.
    pub fn viewed(&self) -> impl Iterator<Item = (&Side, u32)> {
        let reads = self.commands.iter().any(|command| command.related)
            || self.queries.iter().any(|query| query.related);
        let sides = self.sides.iter().filter(move |_| reads);
        sides.filter_map(|side| Some((side, side.readable()?)))
    }

    /// The fields that hold what they refer to, with their positions among `Concern::fields`, and the targets.
    pub fn references(&self) -> impl Iterator<Item = (usize, &Field, ConcernId)> {
        let target = |(index, field): (usize, &'_ Field)| match (field.ty.value, field.ty.many) {
            (ValueType::Ref(target), Many::One | Many::Optional) => Some((index, target)),
            _ => None,
        };
        let found = self.fields.iter().enumerate().filter_map(target);
        found.map(|(index, target)| (index, &self.fields[index], target))
    }

    /// How many claims an instance has at most.
    pub fn claims(&self) -> usize {
        self.uniques.len() + self.references().count()
    }

    /// The fields of a unique value.
    pub fn unique_fields(&self, unique: &Unique) -> Vec<&Field> {
        let all: Vec<&Field> = self.all_fields().collect();
        unique.fields.iter().map(|index| all[*index]).collect()
    }

    /// The names of its fields, as they are written: `tenant, serial`.
    pub fn unique_names(&self, unique: &Unique) -> String {
        let fields = self.unique_fields(unique);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        names.join(", ")
    }

    /// Its name: `Device.serial`, `Device(tenant, serial)`.
    pub fn unique_name(&self, unique: &Unique) -> String {
        match unique.fields.as_slice() {
            [_] => format!("{}.{}", self.name, self.unique_names(unique)),
            _ => format!("{}({})", self.name, self.unique_names(unique)),
        }
    }

    /// Whether a field is part of a unique value.
    pub fn is_unique(&self, field: &Field) -> bool {
        let mut all = self.uniques.iter().flat_map(|it| self.unique_fields(it));
        all.any(|part| std::ptr::eq(part, field))
    }
}

impl Step {
    /// How many numbers of steps it takes: its own, and one for each claim that its instance may have.
    pub fn numbers(&self, concerns: &[Concern]) -> u64 {
        let claims = |target: &Target| concerns[target.concern.index()].claims() as u64;
        match self.kind {
            StepKind::Create(_) | StepKind::Ensure(_) | StepKind::Update(_) => {
                1 + self.target.as_ref().map_or(0, claims)
            }
            StepKind::GetBy(..) | StepKind::FindBy(..) => 2,
            _ => 1,
        }
    }
}
