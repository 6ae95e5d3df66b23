//! Owns migrations for SQLite. It alters nearly nothing in place, so a table that changes is made anew beside
//! the old one, filled from it, and takes its name: all in the transaction that the runtime makes around a
//! migration.

use super::carry::Source;
use super::change::{Change, Difference, Moved, Pair, has_index};
use super::create::{create, create_bare, drop, indexes};
use super::list::{gathered, spread};
use super::refill::refill;
use super::table::{Dialect, Index, Table, ident, list};

const HERE: Dialect = Dialect::Sqlite;

/// The statements of a migration.
pub(crate) fn script(found: &Difference<'_>) -> String {
    let mut sql = String::new();
    let rebuilt: Vec<Pair<'_>> = found
        .kept
        .iter()
        .filter(|it| is_rebuilt(**it))
        .copied()
        .collect();
    for pair in &rebuilt {
        sql.push_str(&format!("-- {} is made anew.\n", pair.new.name));
        sql.push_str(&create_bare(pair.new, &beside(pair.new), HERE));
        sql.push_str(&copy(*pair, &found.gathered));
    }
    for moved in &found.spread {
        let owner = &moved.owner.old.name;
        sql.push_str(&spread(moved, &beside(moved.table), owner, HERE));
    }
    for pair in found.kept.iter().filter(|it| !is_rebuilt(**it)) {
        for index in pair
            .old
            .indexes
            .iter()
            .filter(|it| !has_index(*pair, pair.new, pair.old, it))
        {
            sql.push_str(&format!("DROP INDEX {};\n", ident(&index.name)));
        }
    }
    let gathered = found.gathered.iter().map(|moved| moved.table);
    sql.extend(found.removed.iter().copied().chain(gathered).map(drop));
    sql.extend(rebuilt.iter().map(|pair| drop(pair.old)));
    let spread = found.spread.iter().map(|moved| moved.table);
    for table in rebuilt.iter().map(|pair| pair.new).chain(spread) {
        let (from, to) = (ident(&beside(table)), ident(&table.name));
        sql.push_str(&format!("ALTER TABLE {from} RENAME TO {to};\n"));
        sql.push_str(&indexes(table));
    }
    for pair in found.kept.iter().filter(|it| !is_rebuilt(**it)) {
        let is_new = |index: &&Index| !has_index(*pair, pair.old, pair.new, index);
        let added = Table {
            indexes: pair.new.indexes.iter().filter(is_new).cloned().collect(),
            ..pair.new.clone()
        };
        sql.push_str(&indexes(&added));
    }
    sql.extend(found.added.iter().map(|table| create(table, HERE)));
    sql.push_str(&refills(found, HERE));
    sql
}

/// The statements that fill hidden tables.
pub(crate) fn refills(found: &Difference<'_>, dialect: Dialect) -> String {
    let kept = found.kept.iter().map(|pair| pair.new);
    let all: Vec<&Table> = kept.chain(found.added.iter().copied()).collect();
    let mut sql = String::new();
    for change in &found.changes {
        match change {
            Change::Filled(table) => sql.push_str(&refill(table, &all, dialect)),
            Change::Refilled(pair) => {
                sql.push_str(&format!("DELETE FROM {};\n", ident(&pair.new.name)));
                sql.push_str(&refill(pair.new, &all, dialect));
            }
            _ => {}
        }
    }
    sql
}

/// The name of a table while it is made.
fn beside(table: &Table) -> String {
    match table.list {
        None => format!("_rkcy_new_{}", table.number),
        Some(list) => format!("_rkcy_new_{}_{list}", table.number),
    }
}

fn is_rebuilt(Pair { old, new }: Pair<'_>) -> bool {
    let definitions = |table: &Table| {
        let columns = table.columns.iter().map(|column| {
            let definition = column.definition("", HERE);
            (column.id.clone(), column.name.clone(), definition)
        });
        let mut all: Vec<_> = columns.collect();
        all.sort();
        (table.name.clone(), all)
    };
    let rewritten = new.columns.iter().any(|column| {
        let before = old.column(&column.id);
        before.is_some_and(|before| {
            let name = ident(&before.name);
            Source::Column(before).sql(Pair { old, new }, column, HERE) != name
        })
    });
    definitions(old) != definitions(new) || rewritten
}

fn copy(pair: Pair<'_>, moved: &[Moved<'_>]) -> String {
    let (owner, keys) = (&pair.old.name, pair.old.key());
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in &pair.new.columns {
        let moved = moved.iter().find(|moved| moved.is(pair, column));
        let moved = moved.and_then(|it| gathered(it, &it.table.name, (owner, &keys), HERE));
        names.push(column.name.as_str());
        values.push(match moved {
            Some(sql) => sql,
            None => Source::of(pair, column).sql(pair, column, HERE),
        });
    }
    names.extend(pair.new.version());
    values.extend(pair.new.version().iter().map(|name| ident(name)));
    format!(
        "INSERT INTO {} ({})\nSELECT {} FROM {};\n",
        ident(&beside(pair.new)),
        list(names),
        values.join(", "),
        ident(&pair.old.name)
    )
}
