//! Whether the tables of a database are those that a build knows.
//!
//! Owns the comparison, for any database; each store reads its catalog and knows its types.

use super::{ColumnType, MigrationState, MigrationStatus, TableDesc};
use std::collections::BTreeMap;

/// The columns that are there, with their types: by table, by name.
pub(super) type Found = BTreeMap<String, BTreeMap<String, String>>;

/// Hidden columns of every table, and what they hold.
const HIDDEN: [(&str, ColumnType); 3] = [
    ("_rkcy_generation", ColumnType::I64),
    ("_rkcy_offset", ColumnType::I64),
    ("_rkcy_index", ColumnType::I64),
];

/// What keeps a build from running on these migrations.
pub(super) fn unapplied(status: &[MigrationStatus]) -> Option<String> {
    let other = status
        .iter()
        .find(|it| it.state != MigrationState::Applied)?;
    let MigrationStatus {
        number,
        name,
        state,
    } = other;
    Some(format!("migration {number} ({name}) is {state}"))
}

/// The first difference between the tables that are wanted and those that are there.
pub(super) fn difference<'a>(
    tables: impl IntoIterator<Item = &'a TableDesc>,
    found: &Found,
    sql_type: fn(ColumnType) -> &'static str,
) -> Option<String> {
    tables.into_iter().find_map(|table| {
        let name = table.name;
        let Some(found) = found.get(name) else {
            return Some(format!("table \"{name}\" is missing"));
        };
        let columns = table.key_columns.iter().chain(table.value_columns);
        let columns = columns.map(|column| (column.name, column.ty));
        let wanted: BTreeMap<&str, &str> = (columns.chain(HIDDEN))
            .map(|(column, ty)| (column, sql_type(ty)))
            .collect();
        for (column, ty) in &wanted {
            match found.get(*column) {
                None => return Some(format!("column \"{name}\".\"{column}\" is missing")),
                Some(other) if other != ty => {
                    return Some(format!(
                        "column \"{name}\".\"{column}\" holds {other}, not {ty}"
                    ));
                }
                Some(_) => {}
            }
        }
        let other = found
            .keys()
            .find(|column| !wanted.contains_key(column.as_str()))?;
        Some(format!(
            "column \"{name}\".\"{other}\" is there, which this build does not know"
        ))
    })
}
