//! Whether the tables of a database are those that the migrations of a build make.
//!
//! Owns what a table is made of, and the comparisons, for any database: what the migrations make with what the
//! build asks for, and what is there with what the migrations make. Each store reads its catalog. What the
//! migrations make, it finds by applying them where nobody sees it, and reading the same catalog there: so both
//! sides are in the database's own words, and nothing is parsed that it could tell by itself.

use super::{ColumnType, MigrationState, MigrationStatus, StoreError, TableDesc};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tables by name.
pub(super) type Found = BTreeMap<String, Table>;

/// A table as a database tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// By name.
    pub(super) columns: BTreeMap<String, Column>,
    /// What they are, by name; by themselves where they have none.
    pub(super) constraints: BTreeMap<String, String>,
    /// The indexes beside those of constraints, by name.
    pub(super) indexes: BTreeMap<String, Index>,
    /// What is said of the table as a whole, as `STRICT`.
    pub(super) options: String,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// Its type.
    pub(super) ty: String,
    /// What else is said of it, as `NOT NULL`.
    pub(super) rest: String,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// What it is over, and how.
    pub(super) definition: String,
    /// Whether it keeps rows out.
    pub(super) unique: bool,
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rest.is_empty() {
            true => f.write_str(&self.ty),
            false => write!(f, "{} {}", self.ty, self.rest),
        }
    }
}

/// Differences that are named; more of them would say nothing new.
const NAMED: usize = 8;
/// Hidden columns of every table, and what they hold.
const HIDDEN: [(&str, ColumnType); 3] = [
    ("_rkcy_generation", ColumnType::I64),
    ("_rkcy_offset", ColumnType::I64),
    ("_rkcy_index", ColumnType::I64),
];
/// Tables of the store itself that are made when they are needed first.
const MADE_LATER: [&str; 2] = ["_rkcy_log", "_rkcy_migration_part"];

/// Refuses a database whose version is not exactly that of the build.
pub(super) fn check_version(
    status: &[MigrationStatus],
    store: &Arc<str>,
) -> Result<(), StoreError> {
    let other = (status.iter()).find(|it| it.state != MigrationState::Applied);
    let Some(MigrationStatus {
        number,
        name,
        state,
    }) = other
    else {
        return Ok(());
    };
    let (store, number, name) = (Arc::clone(store), *number, name.clone());
    Err(match state {
        MigrationState::Edited => StoreError::EditedMigration {
            store,
            number,
            name,
        },
        MigrationState::Unknown => StoreError::UnknownMigration {
            store,
            number,
            name,
        },
        MigrationState::Applied | MigrationState::Pending => StoreError::Schema {
            store,
            what: format!("migration {number} ({name}) is {state}"),
        },
    })
}

/// Refuses a database whose tables are not those that the migrations make, and a build whose migrations do not
/// make the tables that it asks for.
pub(super) fn check_tables<'a>(
    tables: impl IntoIterator<Item = &'a TableDesc>,
    sql_type: fn(ColumnType) -> Cow<'static, str>,
    made: &Found,
    found: &Found,
    store: &Arc<str>,
) -> Result<(), StoreError> {
    let drift = drift(made, found);
    if !drift.is_empty() {
        return Err(StoreError::Drift {
            store: Arc::clone(store),
            what: listed(drift),
        });
    }
    match unreached(tables, made, sql_type) {
        None => Ok(()),
        Some(what) => Err(StoreError::Unreached {
            store: Arc::clone(store),
            what,
        }),
    }
}

fn listed(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join("; ")
}

/// The first column that a build asks for otherwise than its migrations make it.
fn unreached<'a>(
    tables: impl IntoIterator<Item = &'a TableDesc>,
    made: &Found,
    sql_type: fn(ColumnType) -> Cow<'static, str>,
) -> Option<String> {
    tables.into_iter().find_map(|table| {
        let name = table.name;
        let Some(made) = made.get(name) else {
            return Some(format!("table \"{name}\" is not made"));
        };
        let columns = table.key_columns.iter().chain(table.value_columns);
        let columns = columns.map(|column| (column.name, column.ty));
        let wanted: BTreeMap<&str, Cow<'_, str>> = (columns.chain(HIDDEN))
            .map(|(column, ty)| (column, sql_type(ty)))
            .collect();
        let wrong = wanted.iter().find_map(|(column, ty)| {
            let place = format!("column \"{name}\".\"{column}\"");
            match made.columns.get(*column) {
                None => Some(format!("{place} is not made")),
                Some(other) if !other.ty.eq_ignore_ascii_case(ty) => {
                    Some(format!("{place} is made {}, not {ty}", other.ty))
                }
                Some(_) => None,
            }
        });
        let extra = || (made.columns.keys()).find(|it| !wanted.contains_key(it.as_str()));
        wrong.or_else(|| {
            let other = extra()?;
            Some(format!(
                "column \"{name}\".\"{other}\" is made, which this build does not know"
            ))
        })
    })
}

/// All that was changed beside the migrations. What is there beside their tables is nobody's business, and
/// so is an index that keeps no row out.
fn drift(made: &Found, found: &Found) -> Vec<String> {
    let mut all = Vec::new();
    for (name, made) in made {
        match found.get(name) {
            Some(found) => drift_of(name, made, found, &mut all),
            None if MADE_LATER.contains(&name.as_str()) => {}
            None => all.push(format!("table \"{name}\" is missing")),
        }
    }
    all
}

fn drift_of(name: &str, made: &Table, found: &Table, all: &mut Vec<String>) {
    for (column, made) in &made.columns {
        let place = format!("column \"{name}\".\"{column}\"");
        match found.columns.get(column) {
            None => all.push(format!("{place} is missing")),
            Some(found) if found != made => all.push(format!("{place} holds {found}, not {made}")),
            Some(_) => {}
        }
    }
    let extra = (found.columns.keys()).filter(|it| !made.columns.contains_key(*it));
    all.extend(extra.map(|column| {
        format!("column \"{name}\".\"{column}\" is there, which this build does not know")
    }));
    let constraint = |constraint: &str, definition: &str| match constraint == definition {
        true => format!("constraint {definition} of table \"{name}\""),
        false => format!("constraint \"{constraint}\" of table \"{name}\""),
    };
    for (key, made) in &made.constraints {
        match found.constraints.get(key) {
            None => all.push(format!("{} is missing", constraint(key, made))),
            Some(found) if found != made => {
                all.push(format!("{} is {found}, not {made}", constraint(key, made)));
            }
            Some(_) => {}
        }
    }
    let extra = (found.constraints.iter()).filter(|it| !made.constraints.contains_key(it.0));
    all.extend(extra.map(|(key, found)| {
        let place = constraint(key, found);
        format!("{place} is there, which this build does not know: it could refuse rows")
    }));
    for (index, made) in &made.indexes {
        let place = format!("index \"{index}\" of table \"{name}\"");
        match found.indexes.get(index) {
            None => all.push(format!("{place} is missing")),
            Some(found) if found != made => {
                let (found, made) = (&found.definition, &made.definition);
                all.push(format!("{place} is {found}, not {made}"));
            }
            Some(_) => {}
        }
    }
    let extra = (found.indexes.iter()).filter(|it| !made.indexes.contains_key(it.0));
    all.extend(extra.filter(|it| it.1.unique).map(|(index, _)| {
        format!("unique index \"{index}\" of table \"{name}\" is there, which this build does not know: it could refuse rows")
    }));
    if made.options != found.options {
        let said = |options: &str| match options.is_empty() {
            true => "nothing".to_owned(),
            false => options.to_owned(),
        };
        let (found, made) = (said(&found.options), said(&made.options));
        all.push(format!("table \"{name}\" is declared {found}, not {made}"));
    }
}
