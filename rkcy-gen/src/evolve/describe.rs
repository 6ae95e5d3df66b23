//! Owns changes in words: a line for each, and a name for a migration that was given none.

use super::change::{Change, Difference, Pair};
use super::table::{Column, Table};
use crate::naming;

/// The name of a migration that does many things.
const MANY: &str = "changes";

impl Change<'_> {
    /// What differs, in a line.
    pub fn describe(&self) -> String {
        let path = |pair: &Pair<'_>, column: &Column| format!("{}.{}", pair.new.name, column.name);
        match self {
            Change::TableAdded(table) => format!("table {} is new", table.name),
            Change::TableRemoved(table) => format!("table {} is removed", table.name),
            Change::TableRenamed(pair) => {
                format!("table {} becomes {}", pair.old.name, pair.new.name)
            }
            Change::KeyChanged(pair) => format!("the key of {} is another", pair.new.name),
            Change::ColumnAdded(pair, column) => {
                format!("column {} is new", path(pair, column))
            }
            Change::ColumnRemoved(pair, column) => {
                format!("column {} is removed", path(pair, column))
            }
            Change::ColumnRenamed(pair, old, new) => {
                format!("column {} becomes {}", path(pair, old), new.name)
            }
            Change::TypeChanged(pair, old, new, _) => format!(
                "column {} was {} and is {}",
                path(pair, new),
                old.ty.print(),
                new.ty.print()
            ),
            Change::BecameOptional(pair, column) => {
                format!("column {} may be absent", path(pair, column))
            }
            Change::BecameRequired(pair, column) => {
                format!("column {} may not be absent", path(pair, column))
            }
            Change::ValuesRenamed(pair, column, names) => {
                let names: Vec<String> = (names.iter())
                    .map(|(old, new)| format!("{old} becomes {new}"))
                    .collect();
                format!("values of {}: {}", path(pair, column), names.join(", "))
            }
            Change::ValuesRemoved(pair, column, names) => format!(
                "values of {}: {} removed",
                path(pair, column),
                names.join(", ")
            ),
            Change::ValuesAdded(pair, column, names) => {
                format!("values of {}: {} new", path(pair, column), names.join(", "))
            }
            Change::Narrowed(pair, column) => {
                format!(
                    "column {} takes other values than before",
                    path(pair, column)
                )
            }
            Change::Widened(pair, column) => {
                format!("column {} takes more values", path(pair, column))
            }
            Change::Folded(pair, column) => {
                format!("columns of {} become JSON", path(pair, column))
            }
            Change::Unfolded(pair, column) => {
                format!(
                    "JSON becomes columns: {} and its neighbours",
                    path(pair, column)
                )
            }
            Change::JsonChanged(pair, _, column, _) => {
                format!("the JSON in {} has another shape", path(pair, column))
            }
            Change::IndexAdded(_, index) => format!("index {} is new", index.name),
            Change::IndexRemoved(_, index) => format!("index {} is removed", index.name),
            Change::Refilled(pair) => format!("table {} is filled anew", pair.new.name),
            Change::Filled(table) => format!("table {} is filled from rows", table.name),
            Change::Said(pair) => format!("documentation of {}", pair.new.name),
        }
    }

    /// A name for a migration that does this.
    fn name(&self) -> Option<String> {
        let of = |word: &str, table: &Table, column: &Column| {
            Some(format!("{word}_{}_{}", table.name, column.name))
        };
        match self {
            Change::TableAdded(table) if table.derived.is_none() => {
                Some(format!("add_{}", table.name))
            }
            Change::TableRemoved(table) if table.derived.is_none() => {
                Some(format!("remove_{}", table.name))
            }
            Change::TableRenamed(pair) => Some(format!("rename_{}", pair.old.name)),
            Change::ColumnAdded(pair, column) => of("add", pair.new, column),
            Change::ColumnRemoved(pair, column) => of("remove", pair.new, column),
            Change::ColumnRenamed(pair, column, _) => of("rename", pair.new, column),
            Change::ValuesAdded(pair, column, _)
            | Change::ValuesRemoved(pair, column, _)
            | Change::ValuesRenamed(pair, column, _)
            | Change::Narrowed(pair, column)
            | Change::Widened(pair, column)
            | Change::BecameOptional(pair, column)
            | Change::BecameRequired(pair, column)
            | Change::TypeChanged(pair, _, column, _)
            | Change::JsonChanged(pair, _, column, _) => of("change", pair.new, column),
            _ => None,
        }
    }
}

impl Difference<'_> {
    /// A name for the migration, where none is given.
    pub fn name(&self) -> String {
        let mut names: Vec<String> = self.changes.iter().filter_map(Change::name).collect();
        names.dedup();
        match names.as_slice() {
            [only] => {
                let plain = naming::plain_snake(only);
                plain.chars().take(60).collect()
            }
            _ => MANY.to_owned(),
        }
    }
}
