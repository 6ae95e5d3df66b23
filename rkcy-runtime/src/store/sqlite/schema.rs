//! Whether an SQLite file has the tables that the migrations make.
//!
//! Owns the reading of its schema. SQLite keeps the text that made a table, and tells nowhere else which `CHECK`s
//! are in it: so that text is taken apart, as far as to see which part is which column's.

use super::{CREATE_KEYS, CREATE_LOG, CREATE_POSITION, SqliteStore};
use crate::store::schema::{self, Column, Found, Index, Table};
use crate::store::{ColumnType, Migration, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::borrow::Cow;

const SELECT: &str = r#"SELECT "type", "name", "tbl_name", "sql" FROM "sqlite_schema"
WHERE "type" IN ('table', 'index') AND "sql" IS NOT NULL ORDER BY "type" DESC"#;

/// The type of its column.
fn sql_type(ty: ColumnType) -> Cow<'static, str> {
    let name = match ty {
        ColumnType::F32 | ColumnType::F64 => "REAL",
        ColumnType::Text | ColumnType::Decimal(..) | ColumnType::Json => "TEXT",
        ColumnType::U64 | ColumnType::Bytes | ColumnType::Uuid => "BLOB",
        ColumnType::Bool
        | ColumnType::I32
        | ColumnType::I64
        | ColumnType::U32
        | ColumnType::Timestamp
        | ColumnType::Duration => "INTEGER",
    };
    name.into()
}

impl SqliteStore {
    pub(super) async fn check_schema(
        &self,
        migrations: &'static [Migration],
    ) -> Result<(), StoreError> {
        schema::check_version(&self.status(migrations).await?, &self.name.get())?;
        let wrap = |e| self.name.error(e);
        // A write lock is given only where the file may be written.
        let lock = self.writer.begin_with("BEGIN IMMEDIATE").await;
        lock.map_err(wrap)?.rollback().await.map_err(wrap)?;
        let mut connection = self.readers.acquire().await.map_err(wrap)?;
        let found = self.tables_of(&mut connection).await?;
        let made = self.made(migrations).await?;
        let tables = self.tables.values().map(|table| table.desc);
        schema::check_tables(tables, sql_type, &made, &found, &self.name.get())
    }

    /// The tables that the migrations make: in a database in memory, which is gone then.
    async fn made(&self, migrations: &'static [Migration]) -> Result<Found, StoreError> {
        let wrap = |e| self.name.error(e);
        let options = SqliteConnectOptions::new().in_memory(true);
        let mut connection = options.connect().await.map_err(wrap)?;
        for sql in [
            super::migrations::CREATE_MIGRATION,
            CREATE_POSITION,
            CREATE_KEYS,
            CREATE_LOG,
        ] {
            let run = sqlx::query(sql).execute(&mut connection).await;
            run.map_err(wrap)?;
        }
        for migration in migrations {
            self.run(migration, migration.up, &mut connection).await?;
        }
        let made = self.tables_of(&mut connection).await?;
        connection.close().await.map_err(wrap)?;
        Ok(made)
    }

    async fn tables_of(&self, connection: &mut SqliteConnection) -> Result<Found, StoreError> {
        let wrap = |e| self.name.error(e);
        let mut found = Found::new();
        for row in (sqlx::query(SELECT).fetch_all(connection).await).map_err(wrap)? {
            let text = |at: usize| row.try_get::<String, _>(at).map_err(wrap);
            let (kind, name, table, sql) = (text(0)?, text(1)?, text(2)?, text(3)?);
            match kind.as_str() {
                "table" => {
                    found.insert(name, read_table(&sql));
                }
                _ => {
                    let tokens = tokens(&sql);
                    let unique = tokens.get(1).is_some_and(|it| it == "UNIQUE");
                    // Behind `ON "table"`: what it is over.
                    let on = tokens.iter().position(|it| it == "ON");
                    let over = on.map_or(0, |at| at + 2).min(tokens.len());
                    let kind = if unique { "UNIQUE " } else { "" };
                    let definition = format!("{kind}{}", tokens[over..].join(" "));
                    let index = Index { definition, unique };
                    found.entry(table).or_default().indexes.insert(name, index);
                }
            }
        }
        Ok(found)
    }
}

/// What the text that made a table says. What is no `CREATE TABLE … (…)`, as of a virtual table, has no columns.
fn read_table(sql: &str) -> Table {
    let tokens = tokens(sql);
    let mut table = Table::default();
    let Some(open) = tokens.iter().position(|it| it == "(") else {
        return table;
    };
    let (mut depth, mut part) = (0_usize, Vec::new());
    let mut rest = tokens[open..].iter();
    for token in rest.by_ref() {
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 || (depth == 1 && token == ",") {
            add_part(&std::mem::take(&mut part), &mut table);
            if depth == 0 {
                break;
            }
        } else if depth > 1 || token != "(" || !part.is_empty() {
            part.push(token.as_str());
        }
    }
    table.options = rest.map(String::as_str).collect::<Vec<_>>().join(" ");
    table
}

/// Adds a column, or a constraint of the table.
fn add_part(part: &[&str], table: &mut Table) {
    let (Some(first), all) = (part.first(), part.join(" ")) else {
        return;
    };
    match *first {
        "CONSTRAINT" => {
            let name = part.get(1).map_or("", |it| bare(it)).to_owned();
            let definition = part.get(2..).unwrap_or_default().join(" ");
            table.constraints.insert(name, definition);
        }
        "PRIMARY" | "UNIQUE" | "CHECK" | "FOREIGN" => {
            table.constraints.insert(all.clone(), all);
        }
        name => {
            let column = Column {
                ty: part.get(1).copied().unwrap_or_default().to_owned(),
                rest: part.get(2..).unwrap_or_default().join(" "),
            };
            table.columns.insert(bare(name).to_owned(), column);
        }
    }
}

/// A name without its quotes.
fn bare(name: &str) -> &str {
    let quoted = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    quoted.unwrap_or(name)
}

/// The tokens of a statement: what is in quotes as it stands, anything else in capitals; without comments.
fn tokens(sql: &str) -> Vec<String> {
    let (mut all, mut rest) = (Vec::new(), sql);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("--") => {
                rest = rest.split_once('\n').map_or("", |it| it.1);
                continue;
            }
            _ if rest.starts_with("/*") => {
                rest = rest.split_once("*/").map_or("", |it| it.1);
                continue;
            }
            _ if first.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            '\'' | '"' | '`' | '[' => quoted(rest, first),
            _ if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        match first {
            '\'' | '"' => all.push(token.to_owned()),
            // Two other ways to quote a name.
            '`' | '[' => all.push(format!("\"{}\"", &token[1..token.len().max(2) - 1])),
            _ => all.push(token.to_uppercase()),
        }
    }
    all
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$')
}

/// Length of what is in quotes at the start; a quote that stands twice does not end it.
fn quoted(text: &str, quote: char) -> usize {
    let end = if quote == '[' { ']' } else { quote };
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == end {
            match chars.peek() {
                Some((_, next)) if *next == end && quote != '[' => {
                    chars.next();
                }
                _ => return at + end.len_utf8(),
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_apart() {
        let table = read_table(
            "CREATE TABLE \"a (b\" (\"x, y\" integer NOT NULL CHECK (\"x, y\" IN (1, 2)), -- a comment, with (\n\
             [z] TEXT CHECK (\"z\" <> 'it''s, )'), CONSTRAINT \"c\" CHECK (length(\"z\") > 1),\n\
             PRIMARY KEY (\"x, y\", \"z\")) STRICT, WITHOUT ROWID",
        );
        let column = |name: &str| table.columns[name].to_string();
        assert_eq!(
            column("x, y"),
            "INTEGER NOT NULL CHECK ( \"x, y\" IN ( 1 , 2 ) )"
        );
        assert_eq!(column("z"), "TEXT CHECK ( \"z\" < > 'it''s, )' )");
        assert_eq!(table.columns.len(), 2);
        assert_eq!(table.constraints["c"], "CHECK ( LENGTH ( \"z\" ) > 1 )");
        assert!(
            table
                .constraints
                .contains_key("PRIMARY KEY ( \"x, y\" , \"z\" )")
        );
        assert_eq!(table.options, "STRICT , WITHOUT ROWID");
    }

    #[test]
    fn what_ends_too_early_is_read_as_far_as_it_goes() {
        for sql in [
            "",
            "CREATE",
            "CREATE TABLE x (",
            "CREATE TABLE x ('",
            "[",
            "`",
            "\"",
        ] {
            read_table(sql);
        }
    }
}
