//! The text of the statements on one table.
//!
//! Owns SQL that depends on a [`TableDesc`]. Each takes one array for each column, so there is one text for
//! any number of rows, and the server keeps it prepared. Names come from generated code, which allows
//! letters, digits and underscores only; values are always bound.

use crate::store::desc::PLACE;
use crate::store::{ColumnDesc, ListDesc, TableDesc};
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
    /// Those on the tables of its lists.
    pub(super) lists: Vec<ListStatements>,
}

/// All statements on the table of a list.
#[derive(Debug)]
pub(super) struct ListStatements {
    pub(super) desc: &'static ListDesc,
    /// Binds arrays: the instance's key, the place, the columns.
    pub(super) insert: Arc<str>,
    /// Binds arrays: the keys of instances.
    pub(super) delete: Arc<str>,
    /// Binds arrays: the keys of instances. Gives which key, from 1, and the columns, in order of place.
    pub(super) load: Arc<str>,
}

impl Statements {
    pub(super) fn new(desc: &'static TableDesc) -> Statements {
        let keys: Vec<&str> = names(desc.key_columns).collect();
        Statements {
            desc,
            upsert: upsert(desc).into(),
            delete: delete(desc.name, &keys).into(),
            load: load(desc).into(),
            lists: desc.lists.iter().map(ListStatements::new).collect(),
        }
    }

    /// Columns of key and value.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static ColumnDesc> {
        self.desc.key_columns.iter().chain(self.desc.value_columns)
    }
}

impl ListStatements {
    fn new(desc: &'static ListDesc) -> ListStatements {
        ListStatements {
            desc,
            insert: insert(desc).into(),
            delete: delete(desc.name, desc.key_columns).into(),
            load: load_list(desc).into(),
        }
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

fn insert(desc: &'static ListDesc) -> String {
    let keys = desc.key_columns.iter().copied();
    let columns = keys.chain([PLACE.name]).chain(names(desc.columns));
    let columns: Vec<String> = columns.map(quoted).collect();
    format!(
        "INSERT INTO \"{}\" ({}) SELECT * FROM {}",
        desc.name,
        columns.join(", "),
        unnest(1, columns.len()),
    )
}

fn delete(table: &str, key: &[&str]) -> String {
    format!(
        "DELETE FROM \"{table}\" AS t USING {} AS w({}) WHERE {}",
        unnest(1, key.len()),
        wanted(key),
        same_key(key),
    )
}

fn load(desc: &'static TableDesc) -> String {
    let key: Vec<&str> = names(desc.key_columns).collect();
    let columns = VERSION
        .into_iter()
        .chain(names(desc.key_columns))
        .chain(names(desc.value_columns));
    format!(
        "SELECT w.n, p.\"next\", p.\"index\", {} FROM {} WITH ORDINALITY AS w({}, n) \
         LEFT JOIN \"_rkcy_position\" AS p ON p.\"concern\" = $1 AND p.\"partition\" = $2 \
         LEFT JOIN \"{}\" AS t ON {}",
        listed(columns.map(|name| format!("t.\"{name}\""))),
        unnest(3, key.len()),
        wanted(&key),
        desc.name,
        same_key(&key),
    )
}

fn load_list(desc: &'static ListDesc) -> String {
    let key = desc.key_columns;
    let columns = ["w.n".to_owned()].into_iter();
    let columns = columns.chain(names(desc.columns).map(|name| format!("t.\"{name}\"")));
    format!(
        "SELECT {} FROM {} WITH ORDINALITY AS w({}, n) JOIN \"{}\" AS t ON {} ORDER BY w.n, t.\"{}\"",
        listed(columns),
        unnest(1, key.len()),
        wanted(key),
        desc.name,
        same_key(key),
        PLACE.name,
    )
}

/// Names of the keys asked for: `k0, k1`.
fn wanted(key: &[&str]) -> String {
    listed((0..key.len()).map(|part| format!("k{part}")))
}

fn same_key(key: &[&str]) -> String {
    let pairs = key.iter().enumerate();
    let pairs = pairs.map(|(part, name)| format!("t.\"{name}\" = w.k{part}"));
    pairs.collect::<Vec<_>>().join(" AND ")
}
