//! Owns migrations for PostgreSQL. What can be done without a look at every row is done first, in one short
//! transaction; checks are added without looking at rows, and looked at in a transaction of their own, which
//! locks out nobody who reads or writes; indexes are made while the table is in use.

use std::collections::BTreeSet;

use super::carry::{Source, literal};
use super::change::{Difference, Moved, Pair, has_index};
use super::convert::{convert, way};
use super::create::{comment_on, comment_on_column, comments, create, drop};
use super::list::{gathered, spread};
use super::sqlite::refills;
use super::table::{Column, Constraint, Dialect, Table, ident, list};

const HERE: Dialect = Dialect::Postgres;

/// What the runtime is told of the statements behind it.
const NEXT: &str = "-- rkcy: next transaction\n";
const OUTSIDE: &str = "-- rkcy: outside a transaction\n";
/// Whoever waits for a lock lets others wait behind it. So each transaction gives up soon, and is tried again.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s';\n";

/// Statements by when they are made.
#[derive(Default)]
struct Parts {
    /// In the first transaction.
    first: String,
    /// In the second one.
    checks: String,
    /// In the third one, when all checks hold.
    last: String,
    /// Outside of one, one by one.
    outside: Vec<String>,
}

/// The statements of a migration.
pub(crate) fn script(found: &Difference<'_>) -> String {
    let mut parts = Parts::default();
    parts
        .first
        .extend(found.removed.iter().map(|table| drop(table)));
    // Their names may be wanted.
    parts.first.extend(found.gathered.iter().map(|moved| {
        let (from, to) = (ident(&moved.table.name), ident(&leaving(moved)));
        format!("ALTER TABLE {from} RENAME TO {to};\n")
    }));
    parts.first.push_str(&rename_tables(found));
    for moved in &found.spread {
        let (name, owner) = (&moved.table.name, &moved.owner.new.name);
        parts.first.push_str(&spread(moved, name, owner, HERE));
        parts.first.push_str(&comments(moved.table));
    }
    for pair in &found.kept {
        of_table(*pair, &found.gathered, &mut parts);
    }
    parts.first.extend(found.gathered.iter().map(|moved| {
        let table = ident(&leaving(moved));
        format!("DROP TABLE {table};\n")
    }));
    parts
        .first
        .extend(found.added.iter().map(|table| create(table, HERE)));
    parts.first.push_str(&refills(found, HERE));
    let mut sql = match parts.first.is_empty() {
        true => String::new(),
        false => format!("{PATIENCE}{}", parts.first),
    };
    for part in [parts.checks, parts.last] {
        if !part.is_empty() {
            sql.push_str(&format!("\n{NEXT}{PATIENCE}{part}"));
        }
    }
    for part in parts.outside {
        sql.push_str(&format!("\n{OUTSIDE}{part}"));
    }
    sql
}

/// New names, by way of names that nobody has where one is taken by another of them.
fn rename_tables(found: &Difference<'_>) -> String {
    let renamed: Vec<(String, String)> = (found.kept.iter())
        .filter(|pair| pair.old.name != pair.new.name)
        .map(|pair| (pair.old.name.clone(), pair.new.name.clone()))
        .collect();
    let rename =
        |from: &str, to: &str| format!("ALTER TABLE {} RENAME TO {};\n", ident(from), ident(to));
    renames(&renamed, rename)
}

fn renames(renamed: &[(String, String)], rename: impl Fn(&str, &str) -> String) -> String {
    let old: BTreeSet<&String> = renamed.iter().map(|it| &it.0).collect();
    let (mut first, mut last) = (String::new(), String::new());
    for (place, (from, to)) in renamed.iter().enumerate() {
        match old.contains(to) {
            false => first.push_str(&rename(from, to)),
            true => {
                let between = format!("_rkcy_between_{place}");
                first.push_str(&rename(from, &between));
                last.push_str(&rename(&between, to));
            }
        }
    }
    // Those that go to a free name leave theirs first; the others are out of the way by then.
    first + &last
}

/// The name of the table of a list that is on its way into JSON.
fn leaving(moved: &Moved<'_>) -> String {
    let Table { number, list, .. } = moved.table;
    format!("_rkcy_leaving_{number}_{}", list.unwrap_or_default())
}

/// Where the values of a list come from whose table is on its way out.
fn gathered_from<'a>(pair: Pair<'_>, column: &Column, moved: &[Moved<'_>]) -> Option<Source<'a>> {
    let moved = moved.iter().find(|moved| moved.is(pair, column))?;
    // The instances' own table and its columns have their new names by then.
    let (owner, keys) = (&pair.new.name, pair.new.key());
    gathered(moved, &leaving(moved), (owner, &keys), HERE).map(Source::Gathered)
}

fn of_table(pair: Pair<'_>, moved: &[Moved<'_>], parts: &mut Parts) {
    let Pair { old, new } = pair;
    let table = ident(&new.name);
    let alter = |what: &str| format!("ALTER TABLE {table} {what};\n");
    // Checks that no column has any more, before anything else changes under them.
    let (mut stays, mut added) = (Vec::new(), Vec::new());
    for column in &new.columns {
        let before = old.column(&column.id);
        let mut known = before.map_or(Vec::new(), |it| named_alike(it, old, &column.name));
        for wanted in column.constraints(&new.name, HERE) {
            let same = known.iter().position(|(_, sql)| *sql == wanted.sql);
            // What is converted is held against its checks anew.
            let same = same.filter(|_| before.is_some_and(|it| it.ty == column.ty));
            match same {
                Some(at) => stays.push((known.remove(at).0, wanted.name)),
                None => added.push((before.is_some(), wanted)),
            }
        }
    }
    for column in &old.columns {
        for Constraint { name, .. } in column.constraints(&old.name, HERE) {
            let is_kept = stays.iter().any(|(old, _)| *old == name);
            if !is_kept && new.column(&column.id).is_some() {
                parts
                    .first
                    .push_str(&alter(&format!("DROP CONSTRAINT {}", ident(&name))));
            }
        }
    }
    for index in old
        .indexes
        .iter()
        .filter(|it| !has_index(pair, new, old, it))
    {
        parts
            .first
            .push_str(&format!("DROP INDEX {};\n", ident(&index.name)));
    }
    let folds = |column: &&Column| !matches!(Source::of(pair, column), Source::Column(_));
    let unfolded = new.columns.iter().filter(folds);
    let made: Vec<(&Column, Source<'_>)> = unfolded
        .map(|column| {
            if let Some(source) = gathered_from(pair, column, moved) {
                return (column, source);
            }
            // By then the column that tells whether the message is there has its new name.
            let source = match Source::of(pair, column) {
                Source::Within(presence, fill) => {
                    Source::Within(new.column(&presence.id).unwrap_or(presence), fill)
                }
                other => other,
            };
            (column, source)
        })
        .collect();
    let takes_values = |source: &Source<'_>| {
        matches!(
            source,
            Source::Fold(_) | Source::Unfold(_) | Source::Within(..) | Source::Gathered(_)
        )
    };
    let mut gone: Vec<&Column> = (old.columns.iter())
        .filter(|it| new.column(&it.id).is_none())
        .collect();
    // Those whose values go elsewhere stay until they have; others may have a name that is wanted.
    let (later, now): (Vec<&Column>, Vec<&Column>) = gone.drain(..).partition(|column| {
        made.iter().any(|(_, source)| match source {
            Source::Fold(columns) => columns.iter().any(|it| it.id == column.id),
            Source::Unfold(json) => json.id == column.id,
            _ => false,
        })
    });
    // One of them may have a name that another column is to have: it goes on under another one.
    let is_wanted = |name: &String| new.columns.iter().any(|it| it.name == *name);
    let moved: Vec<Column> = (later.iter().enumerate())
        .map(|(place, column)| Column {
            name: match is_wanted(&column.name) {
                true => format!("_rkcy_leaving_{place}"),
                false => column.name.clone(),
            },
            ..(*column).clone()
        })
        .collect();
    let now_called = |column: &Column| moved.iter().find(|it| it.id == column.id);
    let made: Vec<(&Column, Source<'_>)> = (made.into_iter())
        .map(|(column, source)| match source {
            Source::Unfold(json) => (column, Source::Unfold(now_called(json).unwrap_or(json))),
            Source::Fold(columns) => {
                let columns = columns.into_iter();
                let columns = columns.map(|it| now_called(it).unwrap_or(it));
                (column, Source::Fold(columns.collect()))
            }
            other => (column, other),
        })
        .collect();
    let drop_column = |column: &Column| alter(&format!("DROP COLUMN {}", ident(&column.name)));
    let rename_column =
        |from: &str, to: &str| alter(&format!("RENAME COLUMN {} TO {}", ident(from), ident(to)));
    parts.first.extend(now.into_iter().map(drop_column));
    for (column, moved) in later.iter().zip(&moved) {
        if column.name != moved.name {
            let renamed = rename_column(&column.name, &moved.name);
            parts.first.push_str(&renamed);
        }
    }
    parts.first.push_str(&rename_columns(pair, rename_column));
    stays.retain(|(from, to)| from != to);
    parts.first.push_str(&renames(&stays, |from, to| {
        let (from, to) = (ident(from), ident(to));
        alter(&format!("RENAME CONSTRAINT {from} TO {to}"))
    }));
    for (column, source) in &made {
        add_column(pair, column, source, &alter, parts);
    }
    let sets: Vec<String> = made
        .iter()
        .filter(|(_, source)| takes_values(source))
        .map(|(column, source)| {
            format!(
                "{} = {}",
                ident(&column.name),
                source.sql(pair, column, HERE)
            )
        })
        .collect();
    if !sets.is_empty() {
        let update = format!("UPDATE {table} SET {};\n", sets.join(", "));
        parts.first.push_str(&update);
        for (column, source) in &made {
            if takes_values(source) && !column.optional {
                let set = format!("ALTER COLUMN {} SET NOT NULL", ident(&column.name));
                parts.first.push_str(&alter(&set));
            }
        }
    }
    parts.first.extend(moved.iter().map(drop_column));
    for column in &new.columns {
        if let Some(before) = old.column(&column.id) {
            change_column(before, column, &table, &alter, parts);
            if column.within && before.optional && !before.within {
                // The columns have their new names by now.
                let renamed = Pair { old: new, new };
                let named = Column {
                    name: column.name.clone(),
                    ty: column.ty,
                    checks: column.checks.clone(),
                    ..before.clone()
                };
                let value = Source::Column(&named).sql(renamed, column, HERE);
                let name = ident(&column.name);
                parts
                    .first
                    .push_str(&format!("UPDATE {table} SET {name} = {value};\n"));
            }
        }
    }
    for (_, Constraint { name, sql }) in added {
        let name = ident(&name);
        parts.first.push_str(&alter(&format!(
            "ADD CONSTRAINT {name} CHECK ({sql}) NOT VALID"
        )));
        parts
            .checks
            .push_str(&alter(&format!("VALIDATE CONSTRAINT {name}")));
    }
    for index in new
        .indexes
        .iter()
        .filter(|it| !has_index(pair, old, new, it))
    {
        let (name, columns) = (
            ident(&index.name),
            list(index.columns.iter().map(String::as_str)),
        );
        // One that was not finished is there, and of no use.
        parts
            .outside
            .push(format!("DROP INDEX CONCURRENTLY IF EXISTS {name};\n"));
        parts.outside.push(format!(
            "CREATE INDEX CONCURRENTLY {name} ON {table} ({columns});\n"
        ));
    }
    say(pair, parts);
}

/// The checks of a column, as they are written when it has another name.
fn named_alike(column: &Column, table: &Table, name: &str) -> Vec<(String, String)> {
    let renamed = Column {
        name: name.to_owned(),
        ..column.clone()
    };
    let names = column.constraints(&table.name, HERE).into_iter();
    let checks = renamed.constraints(&table.name, HERE).into_iter();
    names
        .zip(checks)
        .map(|(old, new)| (old.name, new.sql))
        .collect()
}

/// New names of columns; those that are on their way out are out of the way.
fn rename_columns(pair: Pair<'_>, rename: impl Fn(&str, &str) -> String) -> String {
    let renamed = pair.new.columns.iter().filter_map(|column| {
        let before = pair.old.column(&column.id)?;
        (before.name != column.name).then(|| (before.name.clone(), column.name.clone()))
    });
    let renamed: Vec<(String, String)> = renamed.collect();
    renames(&renamed, rename)
}

fn add_column(
    pair: Pair<'_>,
    column: &Column,
    source: &Source<'_>,
    alter: &dyn Fn(&str) -> String,
    parts: &mut Parts,
) {
    let (name, ty) = (ident(&column.name), column.ty.sql(HERE));
    let not_null = if column.optional { "" } else { " NOT NULL" };
    match source {
        // A constant is written nowhere: the server remembers it.
        Source::Fill(_) => {
            let value = source.sql(pair, column, HERE);
            parts.first.push_str(&alter(&format!(
                "ADD COLUMN {name} {ty}{not_null} DEFAULT {value}"
            )));
            parts
                .first
                .push_str(&alter(&format!("ALTER COLUMN {name} DROP DEFAULT")));
        }
        Source::Fold(_) | Source::Unfold(_) | Source::Within(..) | Source::Gathered(_) => {
            parts
                .first
                .push_str(&alter(&format!("ADD COLUMN {name} {ty}")));
        }
        Source::Absent | Source::Missing | Source::Column(_) => {
            parts
                .first
                .push_str(&alter(&format!("ADD COLUMN {name} {ty}{not_null}")));
        }
    }
}

fn change_column(
    old: &Column,
    new: &Column,
    table: &str,
    alter: &dyn Fn(&str) -> String,
    parts: &mut Parts,
) {
    let name = ident(&new.name);
    let value = convert(old, new, &name, HERE);
    if old.ty != new.ty {
        let ty = new.ty.sql(HERE);
        if ty != old.ty.sql(HERE) {
            parts.first.push_str(&alter(&format!(
                "ALTER COLUMN {name} TYPE {ty} USING {value}"
            )));
        }
    } else if value != name && way(old, new).is_none() {
        // Names of values of an enum.
        let cases = super::change::values(old).unwrap_or_default();
        let after = super::change::values(new).unwrap_or_default();
        let stale = cases
            .iter()
            .filter(|(number, before)| after.iter().any(|it| it.0 == *number && it.1 != *before));
        let stale: Vec<String> = stale.map(|it| super::table::text(&it.1)).collect();
        parts.first.push_str(&format!(
            "UPDATE {table} SET {name} = {value} WHERE {name} IN ({});\n",
            stale.join(", ")
        ));
    } else if value != name {
        parts
            .first
            .push_str(&format!("UPDATE {table} SET {name} = {value};\n"));
    }
    match (old.optional, new.optional) {
        (false, true) => {
            parts
                .first
                .push_str(&alter(&format!("ALTER COLUMN {name} DROP NOT NULL")));
        }
        (true, false) => {
            if let Some(fill) = &new.fill {
                let fill = literal(fill, new.ty, HERE);
                parts.first.push_str(&format!(
                    "UPDATE {table} SET {name} = {fill} WHERE {name} IS NULL;\n"
                ));
            }
            // The server takes a check that holds for a proof, and looks at no row under the lock.
            let check = ident(&crate::naming::sql_constraint(
                "_rkcy", &new.name, "present",
            ));
            parts.first.push_str(&alter(&format!(
                "ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID"
            )));
            parts
                .checks
                .push_str(&alter(&format!("VALIDATE CONSTRAINT {check}")));
            parts
                .last
                .push_str(&alter(&format!("ALTER COLUMN {name} SET NOT NULL")));
            parts
                .last
                .push_str(&alter(&format!("DROP CONSTRAINT {check}")));
        }
        _ => {}
    }
}

fn say(Pair { old, new }: Pair<'_>, parts: &mut Parts) {
    if old.comment != new.comment {
        parts.first.push_str(&comment_on(&new.name, &new.comment));
    }
    for column in &new.columns {
        let before = old.column(&column.id).map_or("", |it| it.comment.as_str());
        if before != column.comment {
            let comment = comment_on_column(&new.name, &column.name, &column.comment);
            parts.first.push_str(&comment);
        }
    }
}
