//! Whether a PostgreSQL database has the tables that the migrations make.
//!
//! Owns the reading of its catalog. What the migrations make is read from temporary tables, in a transaction that is
//! taken back: no other session sees them, and no table of the platform is locked.

use super::{PostgresStore, READ_LIMIT, columns};
use crate::store::migrate;
use crate::store::schema::{self, Column, Found, Index, Table};
use crate::store::{Migration, StoreError};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};

const IS_READ_ONLY: &str =
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
/// The namespace of the platform's tables, and that of temporary ones.
const HERE: &str = "current_schema()::regnamespace";
const ASIDE: &str = "pg_my_temp_schema()";
/// All that a migration names is looked for among temporary tables alone, so that none touches a real one.
const GO_ASIDE: &str = "SET LOCAL search_path TO pg_temp";

/// Kind, table, name, and two texts: of a column its type and the rest, of an index whether it is unique. A key
/// has no name: it keeps that of the table before a renaming. What is not valid says so in its definition. `NOT
/// NULL` is said of the column; newer servers have a constraint for it as well.
const SELECT: &str = "
SELECT 'table', relname::text, '', concat_ws(', ',
    CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
    CASE WHEN relrowsecurity THEN 'ROW LEVEL SECURITY' END,
    CASE relkind WHEN 'p' THEN 'PARTITIONED' END), ''
FROM pg_class WHERE relnamespace = {namespace} AND relkind IN ('r', 'p')
UNION ALL
SELECT 'column', c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), concat_ws(' ',
    CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || quote_ident(l.collname) END,
    CASE WHEN a.attnotnull THEN 'NOT NULL' END,
    CASE WHEN a.attidentity <> '' THEN 'IDENTITY' END,
    CASE WHEN a.attgenerated <> '' THEN 'GENERATED' WHEN d.oid IS NOT NULL THEN 'DEFAULT' END,
    pg_get_expr(d.adbin, d.adrelid))
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE c.relnamespace = {namespace} AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.relname::text, CASE k.contype WHEN 'p' THEN '' ELSE k.conname::text END,
    pg_get_constraintdef(k.oid), ''
FROM pg_class AS c JOIN pg_constraint AS k ON k.conrelid = c.oid
WHERE c.relnamespace = {namespace} AND k.contype IN ('c', 'p', 'u', 'f', 'x')
UNION ALL
SELECT 'index', c.relname::text, i.relname::text, concat(CASE WHEN x.indisunique THEN 'UNIQUE ' END,
    substring(pg_get_indexdef(x.indexrelid) FROM ' USING (.*)$'), CASE WHEN NOT x.indisvalid THEN ' NOT VALID' END),
    CASE WHEN x.indisunique THEN 'unique' ELSE '' END
FROM pg_class AS c JOIN pg_index AS x ON x.indrelid = c.oid JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE c.relnamespace = {namespace}
AND NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid = x.indexrelid AND k.conrelid = c.oid)";

impl PostgresStore {
    pub(super) async fn check_schema(
        &self,
        migrations: &'static [Migration],
    ) -> Result<(), StoreError> {
        schema::check_version(&self.status(migrations).await?, &self.name.get())?;
        let wrap = |error| self.name.error(error);
        let act = async |connection: &mut PgConnection| {
            let read_only = sqlx::query_scalar(IS_READ_ONLY)
                .fetch_one(&mut *connection)
                .await;
            if read_only.map_err(wrap)? {
                return Err(StoreError::ReadOnly {
                    store: self.name.get(),
                });
            }
            let found = self.tables_in(HERE, connection).await?;
            let made = self.made(migrations, connection).await?;
            let tables = self.tables.values().map(|table| table.desc);
            schema::check_tables(tables, columns::sql_type, &made, &found, &self.name.get())
        };
        self.with(&self.writers, READ_LIMIT, act).await
    }

    /// The tables that the migrations make.
    async fn made(
        &self,
        migrations: &'static [Migration],
        connection: &mut PgConnection,
    ) -> Result<Found, StoreError> {
        let wrap = |error| self.name.error(error);
        let mut aside = connection.begin().await.map_err(wrap)?;
        for sql in [GO_ASIDE, super::migrations::CREATE] {
            let run = sqlx::raw_sql(sql).execute(&mut *aside).await;
            run.map_err(wrap)?;
        }
        for migration in migrations {
            for part in migrate::parts(migration.up) {
                // Nobody waits for these tables, and this is a transaction.
                let sql = match part.outside {
                    true => part.sql.replace(" CONCURRENTLY", ""),
                    false => part.sql.to_owned(),
                };
                self.run(migration, AssertSqlSafe(sql), &mut aside).await?;
            }
        }
        let made = self.tables_in(ASIDE, &mut aside).await?;
        aside.rollback().await.map_err(wrap)?;
        Ok(made)
    }

    async fn tables_in(
        &self,
        namespace: &'static str,
        connection: &mut PgConnection,
    ) -> Result<Found, StoreError> {
        let wrap = |error| self.name.error(error);
        let sql = AssertSqlSafe(SELECT.replace("{namespace}", namespace));
        let rows = sqlx::query(sql).fetch_all(connection).await;
        let mut found = Found::new();
        for row in rows.map_err(wrap)? {
            read(&row, &mut found).map_err(wrap)?;
        }
        Ok(found)
    }
}

fn read(row: &PgRow, found: &mut Found) -> Result<(), sqlx::Error> {
    let text = |at: usize| row.try_get::<String, _>(at);
    let (kind, table, name, what, more) = (text(0)?, text(1)?, text(2)?, text(3)?, text(4)?);
    let table: &mut Table = found.entry(table).or_default();
    match kind.as_str() {
        "table" => table.options = what,
        "column" => {
            let column = Column {
                ty: what,
                rest: more,
            };
            table.columns.insert(name, column);
        }
        "constraint" => {
            let name = if name.is_empty() { what.clone() } else { name };
            table.constraints.insert(name, what);
        }
        _ => {
            let index = Index {
                definition: what,
                unique: more == "unique",
            };
            table.indexes.insert(name, index);
        }
    }
    Ok(())
}
