//! The text of the statements on one table.
//!
//! Owns SQL that depends on a [`TableDesc`]. All of it is written when the store is opened, in a few
//! sizes, so that the driver can keep every statement prepared. Names come from generated code, which
//! allows letters, digits and underscores only; values are always bound.

use crate::store::{ColumnDesc, TableDesc};
use std::fmt::Write;
use std::sync::Arc;

/// Rows of one statement: few sizes cover any number with few statements.
const SIZES: [usize; 4] = [1, 8, 64, 256];
/// Values that SQLite binds in one statement, at most.
const MAX_VALUES: usize = 32_766;
/// Columns of the version; the other hidden columns have defaults until something is kept in them.
const VERSION: [&str; 3] = ["_rkcy_generation", "_rkcy_offset", "_rkcy_index"];

/// One statement in several sizes, smallest first: for so many rows, its text.
pub(super) type Sized = Vec<(usize, Arc<str>)>;

/// All statements on one table.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) desc: &'static TableDesc,
    /// Binds, for each row: key columns, value columns, version.
    pub(super) upsert: Sized,
    /// Binds, for each row: key columns.
    pub(super) delete: Sized,
    /// Binds, for each row: key columns. Finds: which key, version, key columns, value columns.
    load: Sized,
}

impl Statements {
    pub(super) fn new(desc: &'static TableDesc) -> Statements {
        let keys = desc.key_columns.len().max(1);
        let columns = keys + desc.value_columns.len() + VERSION.len();
        let sized = |values: usize, text: &dyn Fn(usize) -> String| -> Sized {
            let fitting = SIZES.into_iter().filter(|rows| rows * values <= MAX_VALUES);
            fitting.map(|rows| (rows, text(rows).into())).collect()
        };
        Statements {
            desc,
            upsert: sized(columns, &|rows| upsert(desc, columns, rows)),
            delete: sized(keys, &|rows| delete(desc, rows)),
            load: sized(keys, &|rows| load(desc, rows)),
        }
    }

    /// Keys of one load, at most.
    pub(super) fn load_limit(&self) -> usize {
        self.load.last().map_or(1, |(rows, _)| *rows)
    }

    /// The smallest statement that loads `count` keys (at most the limit), and how many it has room for.
    pub(super) fn load(&self, count: usize) -> (Arc<str>, usize) {
        let fitting = self.load.iter().find(|(rows, _)| *rows >= count);
        let (rows, text) = fitting.or(self.load.last()).cloned().unwrap_or_default();
        (text, rows)
    }
}

/// The largest statement that `count` rows (at least one) fill, and how many rows it takes.
pub(super) fn rows_per_statement(sized: &Sized, count: usize) -> (Arc<str>, usize) {
    let filled = sized.iter().rev().find(|(rows, _)| *rows <= count);
    let (rows, text) = filled.or(sized.first()).cloned().unwrap_or_default();
    (text, rows.min(count))
}

fn quoted(names: impl IntoIterator<Item = &'static str>) -> String {
    let quoted: Vec<String> = names
        .into_iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    quoted.join(", ")
}

/// The names of columns.
fn names(columns: &'static [ColumnDesc]) -> impl Iterator<Item = &'static str> {
    columns.iter().map(|column| column.name)
}

/// `(?, ?), (?, ?)`.
fn tuples(rows: usize, columns: usize) -> String {
    let tuple = format!("({})", vec!["?"; columns].join(", "));
    vec![tuple; rows].join(", ")
}

fn upsert(desc: &TableDesc, columns: usize, rows: usize) -> String {
    let all = names(desc.key_columns)
        .chain(names(desc.value_columns))
        .chain(VERSION);
    let set: Vec<String> = names(desc.value_columns)
        .chain(VERSION)
        .map(|name| format!("\"{name}\" = excluded.\"{name}\""))
        .collect();
    format!(
        "INSERT INTO \"{}\" ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
        desc.name,
        quoted(all),
        tuples(rows, columns),
        quoted(names(desc.key_columns)),
        set.join(", "),
    )
}

fn delete(desc: &TableDesc, rows: usize) -> String {
    format!(
        "DELETE FROM \"{}\" WHERE ({}) IN (VALUES {})",
        desc.name,
        quoted(names(desc.key_columns)),
        tuples(rows, desc.key_columns.len()),
    )
}

/// The keys stand left in a cross join, so that SQLite looks each up in the table's primary key.
fn load(desc: &TableDesc, rows: usize) -> String {
    let keys = desc.key_columns.len();
    let mut wanted = String::new();
    for row in 0..rows {
        let comma = if row == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(wanted, "{comma}({row}, {})", vec!["?"; keys].join(", "));
    }
    let keys: Vec<String> = (0..keys).map(|key| format!("k{key}")).collect();
    let on: Vec<String> = keys
        .iter()
        .zip(names(desc.key_columns))
        .map(|(wanted, column)| format!("t.\"{column}\" = w.{wanted}"))
        .collect();
    let columns: Vec<String> = VERSION
        .into_iter()
        .chain(names(desc.key_columns))
        .chain(names(desc.value_columns))
        .map(|column| format!("t.\"{column}\""))
        .collect();
    format!(
        "WITH w(n, {}) AS (VALUES {wanted}) SELECT w.n, {} FROM w CROSS JOIN \"{}\" AS t ON {}",
        keys.join(", "),
        columns.join(", "),
        desc.name,
        on.join(" AND "),
    )
}
