//! The text of the statements on one table.
//!
//! Owns SQL that depends on a [`TableDesc`]. Each takes one array for each column, so there is one text for
//! any number of rows, and the server keeps it prepared. Names come from generated code, which allows
//! letters, digits and underscores only; values are always bound.

use crate::store::{ColumnDesc, TableDesc};
use std::sync::Arc;

/// The hidden columns: those of the version.
pub(super) const VERSION: [&str; 3] = ["_rkcy_generation", "_rkcy_offset", "_rkcy_index"];

/// All statements on one table.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) desc: &'static TableDesc,
    /// Binds arrays: key columns, value columns, version.
    pub(super) upsert: Arc<str>,
    /// Binds arrays: key columns.
    pub(super) delete: Arc<str>,
    /// Binds concern and partition, then arrays: key columns. Gives for each key: which it is, from 1,
    /// the position of the partition, and, NULL where there is no row: version, key and value columns.
    pub(super) load: Arc<str>,
}

impl Statements {
    pub(super) fn new(desc: &'static TableDesc) -> Statements {
        Statements {
            desc,
            upsert: upsert(desc).into(),
            delete: delete(desc).into(),
            load: load(desc).into(),
        }
    }

    /// Columns of key and value.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static ColumnDesc> {
        self.desc.key_columns.iter().chain(self.desc.value_columns)
    }
}

fn names(columns: &'static [ColumnDesc]) -> impl Iterator<Item = &'static str> {
    columns.iter().map(|column| column.name)
}

fn listed(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// `unnest($1, $2)`: rows out of arrays, from this number of a parameter on.
fn unnest(first: usize, count: usize) -> String {
    let parameters = listed((first..first + count).map(|number| format!("${number}")));
    format!("unnest({parameters})")
}

fn upsert(desc: &'static TableDesc) -> String {
    let values = || names(desc.value_columns).chain(VERSION);
    let columns: Vec<&str> = names(desc.key_columns).chain(values()).collect();
    format!(
        "INSERT INTO \"{}\" ({}) SELECT * FROM {} ON CONFLICT ({}) DO UPDATE SET {}",
        desc.name,
        listed(columns.iter().map(|name| quoted(name))),
        unnest(1, columns.len()),
        listed(names(desc.key_columns).map(quoted)),
        listed(values().map(|name| format!("\"{name}\" = excluded.\"{name}\""))),
    )
}

fn delete(desc: &'static TableDesc) -> String {
    format!(
        "DELETE FROM \"{}\" AS t USING {} AS w({}) WHERE {}",
        desc.name,
        unnest(1, desc.key_columns.len()),
        keys(desc),
        same_key(desc),
    )
}

fn load(desc: &'static TableDesc) -> String {
    let columns = VERSION
        .into_iter()
        .chain(names(desc.key_columns))
        .chain(names(desc.value_columns));
    format!(
        "SELECT w.n, p.\"next\", p.\"index\", {} FROM {} WITH ORDINALITY AS w({}, n) \
         LEFT JOIN \"_rkcy_position\" AS p ON p.\"concern\" = $1 AND p.\"partition\" = $2 \
         LEFT JOIN \"{}\" AS t ON {}",
        listed(columns.map(|name| format!("t.\"{name}\""))),
        unnest(3, desc.key_columns.len()),
        keys(desc),
        desc.name,
        same_key(desc),
    )
}

/// Names of the keys asked for: `k0, k1`.
fn keys(desc: &TableDesc) -> String {
    listed((0..desc.key_columns.len()).map(|key| format!("k{key}")))
}

fn same_key(desc: &'static TableDesc) -> String {
    let pairs = names(desc.key_columns).enumerate();
    let pairs = pairs.map(|(key, name)| format!("t.\"{name}\" = w.k{key}"));
    pairs.collect::<Vec<_>>().join(" AND ")
}
