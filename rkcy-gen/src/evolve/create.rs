//! Owns making and removing tables.

use super::table::{Dialect, Table, ident, list, text, version_type};

/// What a migration does in one database, and what takes it back: SQL, without a first line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// What it does.
    pub up: String,
    /// What takes it back.
    pub down: String,
}

/// The first migration: all tables.
pub fn initial(tables: &[Table], dialect: Dialect) -> Script {
    let up: Vec<String> = tables.iter().map(|it| create(it, dialect)).collect();
    let down = tables.iter().rev().map(drop);
    Script {
        up: up.join("\n"),
        down: down.collect(),
    }
}

/// Makes a table with its indexes and comments.
pub(crate) fn create(table: &Table, dialect: Dialect) -> String {
    let mut sql = String::new();
    if dialect == Dialect::Sqlite && !table.comment.is_empty() {
        sql.push_str(&format!("-- {}\n", table.comment));
    }
    sql.push_str(&create_bare(table, &table.name, dialect));
    sql.push_str(&indexes(table));
    if dialect == Dialect::Postgres {
        sql.push_str(&comments(table));
    }
    sql
}

/// Makes a table under a name, without anything around it.
pub(crate) fn create_bare(table: &Table, name: &str, dialect: Dialect) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", ident(name));
    for column in &table.columns {
        let definition = column.definition(&table.name, dialect);
        sql.push_str(&format!("    {} {definition},\n", ident(&column.name)));
    }
    for hidden in table.version() {
        let ty = version_type(dialect);
        sql.push_str(&format!("    {} {ty} NOT NULL,\n", ident(hidden)));
    }
    let end = match dialect {
        Dialect::Sqlite => ") STRICT, WITHOUT ROWID;\n",
        Dialect::Postgres => ");\n",
    };
    sql.push_str(&format!("    PRIMARY KEY ({})\n{end}", table.key_list()));
    sql
}

/// Makes the indexes of a table.
pub(crate) fn indexes(table: &Table) -> String {
    let indexes = table.indexes.iter().map(|index| {
        let columns = list(index.columns.iter().map(String::as_str));
        format!(
            "CREATE INDEX {} ON {} ({columns});\n",
            ident(&index.name),
            ident(&table.name)
        )
    });
    indexes.collect()
}

/// Says what a table and its columns are.
pub(crate) fn comments(table: &Table) -> String {
    let mut sql = String::new();
    if !table.comment.is_empty() {
        sql.push_str(&comment_on(&table.name, &table.comment));
    }
    for column in table.columns.iter().filter(|it| !it.comment.is_empty()) {
        sql.push_str(&comment_on_column(
            &table.name,
            &column.name,
            &column.comment,
        ));
    }
    sql
}

/// Says what a table is; nothing, where that is empty.
pub(crate) fn comment_on(table: &str, comment: &str) -> String {
    format!(
        "COMMENT ON TABLE {} IS {};\n",
        ident(table),
        or_null(comment)
    )
}

/// The same of a column.
pub(crate) fn comment_on_column(table: &str, column: &str, comment: &str) -> String {
    let place = format!("{}.{}", ident(table), ident(column));
    format!("COMMENT ON COLUMN {place} IS {};\n", or_null(comment))
}

fn or_null(comment: &str) -> String {
    match comment.is_empty() {
        true => "NULL".to_owned(),
        false => text(comment),
    }
}

/// Removes a table.
pub(crate) fn drop(table: &Table) -> String {
    format!("DROP TABLE {};\n", ident(&table.name))
}
