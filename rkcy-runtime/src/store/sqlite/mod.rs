//! Rows in an SQLite file.
//!
//! Owns the connections: one that writes, some that read. In WAL mode they do not wait for each other,
//! and a read transaction sees rows and position as of one commit. Leaves the text of the statements to
//! `statements`, columns to `rows`, migrations to `migrations`, the check of the tables to `schema`, what an error means to `fault`.

mod fault;
mod migrations;
mod rows;
mod schema;
mod statements;

use super::{
    Dialect, Element, Loaded, Migration, MigrationStatus, Pending, SqlValue, Store, StoreError,
    TableDesc,
};
use fault::Name;
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use rows::position;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use statements::{Sized, Statements, room_for, rows_per_statement};
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Reads that can run at once. They are cold reads, rare and short; more would only queue at the disk.
const READERS: u32 = 4;
/// How long a statement waits for a lock that another program has.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of the write-ahead log (4 KiB each) after which it is moved into the file. Rows that change
/// often are moved once for many changes.
const CHECKPOINT_PAGES: u32 = 16_000;
/// Memory for pages that the writer keeps, in KiB. Keys are random, so each row of a batch touches a page of its
/// own: with SQLite's 2 MiB every one is read again, and half the throughput gone.
const CACHE_KIB: u32 = 32 << 10;

const CREATE_POSITION: &str = r#"CREATE TABLE IF NOT EXISTS "_rkcy_position" (
    "concern" INTEGER NOT NULL,
    "partition" INTEGER NOT NULL,
    "next" INTEGER NOT NULL,
    "index" INTEGER NOT NULL,
    "changelog" INTEGER NOT NULL,
    "snapshot" INTEGER,
    PRIMARY KEY ("concern", "partition")
) STRICT, WITHOUT ROWID"#;
/// The table of idempotency keys: the one hidden concern that no schema tells of.
const CREATE_KEYS: &str = r#"CREATE TABLE IF NOT EXISTS "_rkcy_key" (
    "key" BLOB NOT NULL,
    "value" BLOB NOT NULL,
    "_rkcy_generation" INTEGER NOT NULL,
    "_rkcy_offset" INTEGER NOT NULL,
    "_rkcy_index" INTEGER NOT NULL,
    PRIMARY KEY ("key")
) STRICT, WITHOUT ROWID"#;
const CREATE_LOG: &str =
    r#"CREATE TABLE IF NOT EXISTS "_rkcy_log" ("id" TEXT NOT NULL PRIMARY KEY) STRICT"#;
const SELECT_POSITION: &str = r#"SELECT "next", "index", "changelog", "snapshot"
FROM "_rkcy_position" WHERE "concern" = ? AND "partition" = ?"#;
const INSERT_POSITION: &str = r#"INSERT INTO "_rkcy_position"
("next", "index", "changelog", "snapshot", "concern", "partition") VALUES (?, ?, ?, ?, ?, ?)"#;
const UPDATE_POSITION: &str = r#"UPDATE "_rkcy_position"
SET "next" = ?, "index" = ?, "changelog" = ?, "snapshot" = ? WHERE "concern" = ? AND "partition" = ?"#;

/// An SQLite file as the database of a platform.
#[derive(Debug)]
pub struct SqliteStore {
    name: Name,
    writer: SqlitePool,
    readers: SqlitePool,
    tables: BTreeMap<ConcernId, Statements>,
}

impl SqliteStore {
    /// Opens the file, which is made if it is not there, for the tables of a platform.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] where it holds something else; otherwise as the file system says.
    pub async fn open(
        file: &Path,
        tables: impl IntoIterator<Item = &'static TableDesc>,
    ) -> Result<SqliteStore, StoreError> {
        let name = Name::of(file);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .busy_timeout(BUSY_TIMEOUT);
        // Before the file is made to use a write-ahead log: somebody else's is not touched.
        refuse_foreign(&name, &options).await?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
            .statement_cache_capacity(512);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", format!("-{CACHE_KIB}")),
            )
            .await
            .map_err(|e| name.error(e))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options);
        let tables = tables
            .into_iter()
            .map(|table| (table.concern, Statements::new(table)))
            .collect();
        Ok(SqliteStore {
            name,
            writer,
            readers,
            tables,
        })
    }

    /// Ties the database to a log.
    async fn tie(&self, log_id: &str) -> Result<(), StoreError> {
        let wrap = |e| self.name.error(e);
        sqlx::query(CREATE_LOG)
            .execute(&self.writer)
            .await
            .map_err(wrap)?;
        let known: Option<String> = sqlx::query_scalar(r#"SELECT "id" FROM "_rkcy_log""#)
            .fetch_optional(&self.writer)
            .await
            .map_err(wrap)?;
        match known {
            Some(known) if known == log_id => Ok(()),
            Some(known) => Err(StoreError::Foreign {
                store: self.name.get(),
                found: format!("it belongs to the log {known}, not to {log_id}"),
            }),
            None => {
                let insert = sqlx::query(r#"INSERT INTO "_rkcy_log" ("id") VALUES (?)"#);
                let done = insert.bind(log_id).execute(&self.writer).await;
                done.map(drop).map_err(wrap)
            }
        }
    }

    /// Lets the file grow to so many pages of 4 KiB and no further: a bound for small machines, and what
    /// a full disk looks like. Lasts until the store is closed.
    ///
    /// # Errors
    /// Where the database is not to be had.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let sql = format!("PRAGMA max_page_count = {pages}");
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&self.writer).await;
        done.map(drop).map_err(|e| self.name.error(e))
    }

    fn table(&self, concern: ConcernId) -> Result<&Statements, StoreError> {
        let missing = || StoreError::NoTable {
            store: self.name.get(),
            concern,
        };
        self.tables.get(&concern).ok_or_else(missing)
    }

    async fn read_position(
        &self,
        connection: &mut SqliteConnection,
        partition: PartitionId,
    ) -> Result<StoredPosition, StoreError> {
        let row = sqlx::query(SELECT_POSITION)
            .bind(i64::from(partition.concern.0))
            .bind(i64::from(partition.index))
            .fetch_optional(connection)
            .await
            .map_err(|e| self.name.error(e))?;
        let Some(row) = row else {
            return Ok(StoredPosition::default());
        };
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| self.name.error(e));
        let snapshot: Option<i64> = row.try_get(3).map_err(|e| self.name.error(e))?;
        Ok(StoredPosition {
            position: position(number(0)?, number(1)?).ok_or_else(|| self.name.bad_number())?,
            changelog: number(2)?.cast_unsigned(),
            snapshot: snapshot.map(i64::cast_unsigned),
        })
    }

    async fn write_batch(&self, partition: PartitionId, batch: &Batch) -> Result<(), StoreError> {
        let acquired = self.writer.acquire().await;
        let mut connection = acquired.map_err(|e| self.name.error(e))?;
        let written = self.write_with(&mut connection, partition, batch).await;
        if written
            .as_ref()
            .is_err_and(|error| !matches!(error, StoreError::Conflict { .. }))
        {
            // SQLite may have rolled back by itself (a full disk), which its driver does not notice: it
            // would refuse every transaction after that. A new connection begins at the beginning.
            connection.close_on_drop();
        }
        written
    }

    async fn write_with(
        &self,
        connection: &mut SqliteConnection,
        partition: PartitionId,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let Batch {
            expected,
            new,
            rows,
        } = batch;
        let mut by_table: BTreeMap<ConcernId, Vec<(&RowKey, &StoredRow)>> = BTreeMap::new();
        for (key, row) in rows {
            by_table.entry(key.concern).or_default().push((key, row));
        }
        let wrap = |e| self.name.error(e);
        // The lock is taken at once, so that nobody moves the position between reading and writing it.
        let mut transaction = connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(wrap)?;
        let found = self.read_position(&mut transaction, partition).await?;
        if found != *expected {
            let store = self.name.get();
            return Err(StoreError::Conflict {
                store,
                partition,
                expected: *expected,
                found,
            });
        }
        for (concern, rows) in by_table {
            self.write_rows(self.table(concern)?, rows, &mut transaction)
                .await?;
        }
        let (next, index) = new.position.to_raw();
        let values = |sql: &'static str| {
            sqlx::query(sql)
                .bind(next.cast_signed())
                .bind(i64::from(index))
                .bind(new.changelog.cast_signed())
                .bind(new.snapshot.map(u64::cast_signed))
                .bind(i64::from(partition.concern.0))
                .bind(i64::from(partition.index))
        };
        let updated = values(UPDATE_POSITION)
            .execute(&mut *transaction)
            .await
            .map_err(wrap)?;
        if updated.rows_affected() == 0 {
            values(INSERT_POSITION)
                .execute(&mut *transaction)
                .await
                .map_err(wrap)?;
        }
        transaction.commit().await.map_err(wrap)
    }

    /// Writes and deletes rows of one table, many to a statement.
    async fn write_rows(
        &self,
        table: &Statements,
        rows: Vec<(&RowKey, &StoredRow)>,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let (kept, gone): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, row)| row.value.is_some());
        for list in &table.lists {
            let all = kept
                .iter()
                .chain(&gone)
                .map(|(key, _)| self.key(table.desc, key));
            let all = all.collect::<Result<Vec<_>, StoreError>>()?;
            self.execute(&list.delete, all, connection).await?;
            let elements = self.elements(table.desc, list.desc, &kept)?;
            self.execute(&list.insert, elements, connection).await?;
        }
        for (statements, rows) in [(&table.upsert, kept), (&table.delete, gone)] {
            let rows = rows
                .iter()
                .map(|(key, row)| self.columns(table.desc, key, row));
            let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
            self.execute(statements, rows, connection).await?;
        }
        Ok(())
    }

    /// Executes a statement for each of these rows of values, many at once.
    async fn execute(
        &self,
        statements: &Sized,
        rows: Vec<Vec<SqlValue>>,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let mut rest = rows.into_iter();
        while rest.len() > 0 {
            let (statement, count) = rows_per_statement(statements, rest.len());
            let mut arguments = SqliteArguments::default();
            for value in rest.by_ref().take(count).flatten() {
                self.bind(value, &mut arguments)?;
            }
            sqlx::query_with(AssertSqlSafe(statement), arguments)
                .execute(&mut *connection)
                .await
                .map_err(|e| self.name.error(e))?;
        }
        Ok(())
    }

    async fn load_rows(
        &self,
        partition: PartitionId,
        keys: Vec<RowKey>,
    ) -> Result<Loaded, StoreError> {
        let wrap = |e| self.name.error(e);
        let mut by_table: BTreeMap<ConcernId, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            by_table.entry(key.concern).or_default().push(place);
        }
        let mut rows: Vec<(RowKey, StoredRow)> = keys
            .into_iter()
            .map(|key| (key, StoredRow::ABSENT))
            .collect();
        // The first read fixes what the whole transaction sees.
        let mut snapshot = self.readers.begin().await.map_err(wrap)?;
        let stored = self.read_position(&mut snapshot, partition).await?;
        for (concern, places) in by_table {
            let table = self.table(concern)?;
            for places in places.chunks(table.load_limit()) {
                let keys = places
                    .iter()
                    .map(|place| self.key(table.desc, &rows[*place].0));
                let keys = keys.collect::<Result<Vec<_>, StoreError>>()?;
                for row in self.find(&table.load, &keys, &mut snapshot).await? {
                    let stored = self.stored_row(table.desc, &row)?;
                    rows[self.place_of(&row, places)?].1 = stored;
                }
                for list in &table.lists {
                    let mut elements: BTreeMap<usize, Vec<Element>> = BTreeMap::new();
                    for row in self.find(&list.load, &keys, &mut snapshot).await? {
                        let place = self.place_of(&row, places)?;
                        let values = self.values(&row, 1, list.desc.columns.len())?;
                        elements.entry(place).or_default().push(values);
                    }
                    let put = list.desc.put(elements, &mut rows);
                    put.map_err(|source| self.unfit(list.desc.name, source))?;
                }
            }
        }
        snapshot.rollback().await.map_err(wrap)?;
        Ok(Loaded {
            position: stored.position,
            rows,
        })
    }
}

impl SqliteStore {
    /// The rows that a statement finds for these keys.
    async fn find(
        &self,
        load: &Sized,
        keys: &[Vec<SqlValue>],
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let (statement, room) = room_for(load, keys.len());
        let mut arguments = SqliteArguments::default();
        for value in keys.iter().flatten().cloned() {
            self.bind(value, &mut arguments)?;
        }
        // A statement has room for a fixed number of keys; NULL is nobody's.
        let columns = keys.first().map_or(0, Vec::len);
        for _ in 0..(room - keys.len()) * columns {
            self.bind(SqlValue::Null, &mut arguments)?;
        }
        let found = sqlx::query_with(AssertSqlSafe(statement), arguments).fetch_all(connection);
        found.await.map_err(|e| self.name.error(e))
    }
}

/// A file with tables but without those of a platform belongs to somebody else.
async fn refuse_foreign(name: &Name, options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let wrap = |e| name.error(e);
    let mut connection = options.connect().await.map_err(wrap)?;
    let sql = r#"SELECT "name" FROM "sqlite_schema"
        WHERE NOT EXISTS (SELECT 1 FROM "sqlite_schema" WHERE "name" = '_rkcy_migration') LIMIT 1"#;
    let row = sqlx::query(sql)
        .fetch_optional(&mut connection)
        .await
        .map_err(wrap)?;
    let found: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(wrap)?;
    connection.close().await.map_err(wrap)?;
    found.map_or(Ok(()), |found| {
        Err(StoreError::Foreign {
            store: name.get(),
            found: format!("it holds \"{found}\""),
        })
    })
}

impl Store for SqliteStore {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn position(&self, partition: PartitionId) -> Pending<'_, StoredPosition> {
        Box::pin(async move {
            let mut connection = self
                .readers
                .acquire()
                .await
                .map_err(|e| self.name.error(e))?;
            self.read_position(&mut connection, partition).await
        })
    }

    fn write(&self, partition: PartitionId, batch: Arc<Batch>) -> Pending<'_, ()> {
        Box::pin(async move { self.write_batch(partition, &batch).await })
    }

    fn load(&self, partition: PartitionId, keys: Vec<RowKey>) -> Pending<'_, Loaded> {
        Box::pin(self.load_rows(partition, keys))
    }

    fn migrate_up(&self, migrations: &'static [Migration]) -> Pending<'_, Vec<u32>> {
        Box::pin(self.up(migrations))
    }

    fn migrate_down(&self, migrations: &'static [Migration], keep: u32) -> Pending<'_, Vec<u32>> {
        Box::pin(self.down(migrations, keep))
    }

    fn migrate_status(
        &self,
        migrations: &'static [Migration],
    ) -> Pending<'_, Vec<MigrationStatus>> {
        Box::pin(self.status(migrations))
    }

    fn check(&self, migrations: &'static [Migration]) -> Pending<'_, ()> {
        Box::pin(self.check_schema(migrations))
    }

    fn bind_log<'a>(&'a self, log_id: &'a str) -> Pending<'a, ()> {
        Box::pin(self.tie(log_id))
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            // The last connection makes the write-ahead log part of the file.
            self.readers.close().await;
            self.writer.close().await;
        })
    }
}
