//! The text of the statements on one table.
//!
//! Owns SQL that depends on a [`TableDesc`]. All of it is written when the store is opened, in a few
//! sizes, so that the driver can keep every statement prepared. Names come from generated code, which
//! allows letters, digits and underscores only; values are always bound.

use crate::store::desc::PLACE;
use crate::store::{ColumnDesc, ListDesc, TableDesc};
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
    pub(super) load: Sized,
    /// Those on the tables of its lists.
    pub(super) lists: Vec<ListStatements>,
}

/// All statements on the table of a list.
#[derive(Debug)]
pub(super) struct ListStatements {
    pub(super) desc: &'static ListDesc,
    /// Binds, for each element: the instance's key, the place, the columns.
    pub(super) insert: Sized,
    /// Binds, for each instance: its key.
    pub(super) delete: Sized,
    /// Binds, for each instance: its key. Finds: which key, the columns; in order of place. Keys as many as those of the
    /// instances' own table.
    pub(super) load: Sized,
}

/// A statement in those sizes in which a row binds so many values.
fn sized(values: usize, text: &dyn Fn(usize) -> String) -> Sized {
    let fitting = SIZES.into_iter().filter(|rows| rows * values <= MAX_VALUES);
    fitting.map(|rows| (rows, text(rows).into())).collect()
}

impl Statements {
    pub(super) fn new(desc: &'static TableDesc) -> Statements {
        let keys = desc.key_columns.len().max(1);
        let columns = keys + desc.value_columns.len() + VERSION.len();
        let key: Vec<&str> = names(desc.key_columns).collect();
        let found = VERSION.into_iter().chain(key.iter().copied());
        let found: Vec<&str> = found.chain(names(desc.value_columns)).collect();
        Statements {
            desc,
            upsert: sized(columns, &|rows| upsert(desc, columns, rows)),
            delete: sized(keys, &|rows| delete(desc.name, &key, rows)),
            load: sized(keys, &|rows| load(desc.name, &key, &found, rows)),
            lists: desc.lists.iter().map(ListStatements::new).collect(),
        }
    }

    /// Keys of one load, at most.
    pub(super) fn load_limit(&self) -> usize {
        self.load.last().map_or(1, |(rows, _)| *rows)
    }
}

impl ListStatements {
    fn new(desc: &'static ListDesc) -> ListStatements {
        let keys = desc.key_columns.len();
        let found: Vec<&str> = names(desc.columns).collect();
        let load = |rows: usize| {
            let text = load(desc.name, desc.key_columns, &found, rows);
            format!("{text} ORDER BY w.n, t.\"{}\"", PLACE.name)
        };
        ListStatements {
            desc,
            insert: sized(keys + 1 + found.len(), &|rows| insert(desc, rows)),
            delete: sized(keys, &|rows| delete(desc.name, desc.key_columns, rows)),
            load: sized(keys, &load),
        }
    }
}

/// The smallest statement that loads `count` keys (at most the limit), and how many it has room for.
pub(super) fn room_for(load: &Sized, count: usize) -> (Arc<str>, usize) {
    let fitting = load.iter().find(|(rows, _)| *rows >= count);
    let (rows, text) = fitting.or(load.last()).cloned().unwrap_or_default();
    (text, rows)
}

/// The largest statement that `count` rows (at least one) fill, and how many rows it takes.
pub(super) fn rows_per_statement(sized: &Sized, count: usize) -> (Arc<str>, usize) {
    let filled = sized.iter().rev().find(|(rows, _)| *rows <= count);
    let (rows, text) = filled.or(sized.first()).cloned().unwrap_or_default();
    (text, rows.min(count))
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
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

fn insert(desc: &ListDesc, rows: usize) -> String {
    let keys = desc.key_columns.iter().copied();
    let columns = keys.chain([PLACE.name]).chain(names(desc.columns));
    let columns: Vec<&str> = columns.collect();
    let values = tuples(rows, columns.len());
    format!(
        "INSERT INTO \"{}\" ({}) VALUES {values}",
        desc.name,
        quoted(columns)
    )
}

fn delete(table: &str, key: &[&str], rows: usize) -> String {
    format!(
        "DELETE FROM \"{table}\" WHERE ({}) IN (VALUES {})",
        quoted(key.iter().copied()),
        tuples(rows, key.len()),
    )
}

/// Finds these columns, behind which of the keys it is. The keys stand left in a cross join, so that SQLite looks each up in
/// the table's primary key.
fn load(table: &str, key: &[&str], found: &[&str], rows: usize) -> String {
    let mut wanted = String::new();
    for row in 0..rows {
        let comma = if row == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(
            wanted,
            "{comma}({row}, {})",
            vec!["?"; key.len()].join(", ")
        );
    }
    let parts: Vec<String> = (0..key.len()).map(|part| format!("k{part}")).collect();
    let on: Vec<String> = parts
        .iter()
        .zip(key)
        .map(|(wanted, column)| format!("t.\"{column}\" = w.{wanted}"))
        .collect();
    let found = found.iter().map(|column| format!(", t.\"{column}\""));
    format!(
        "WITH w(n, {}) AS (VALUES {wanted}) SELECT w.n{} FROM w CROSS JOIN \"{table}\" AS t ON {}",
        parts.join(", "),
        found.collect::<String>(),
        on.join(" AND "),
    )
}
