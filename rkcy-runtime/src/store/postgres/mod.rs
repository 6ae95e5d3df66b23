//! Rows in a PostgreSQL database.
//!
//! Owns the connections, and how long anything may take. A batch is one transaction: the position, guarded by
//! the one before, then one statement for each table ([`write`]). A cold read is one statement, or several
//! in one snapshot (`load`). The text of statements is `statements`', the check of the tables `schema`'s, values in PostgreSQL's form are
//! `columns`', what an error means is `fault`'s.

mod columns;
mod fault;
mod load;
mod migrations;
mod schema;
mod settings;
mod statements;
mod write;

pub use settings::Settings;

use super::{Dialect, Loaded, Migration, MigrationStatus, Pending, Store, StoreError, TableDesc};
use fault::Name;
use rkcy_core::id::{ConcernId, PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::storage::{Batch, StoredPosition};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{Connection, Row};
use statements::Statements;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Writes that can run at once: storage writes one partition after the other, people migrate.
const WRITERS: u32 = 2;
/// Reads that can run at once. They are cold reads, rare and short; more would only queue at the disk.
const READERS: u32 = 8;
/// How long one waits for a connection, also for the first.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long one batch may take. A server that hangs is given up then; whether it has written is found out by
/// the position. Far above what any batch takes: the same batch would be tried again.
const WRITE_LIMIT: Duration = Duration::from_secs(150);
/// How long a cold read may take: callers wait for it.
const READ_LIMIT: Duration = Duration::from_secs(15);
/// A connection that was not used for so long is tried before it is used: the server may have been
/// restarted. One more round trip, which reads that follow each other do without.
const FRESH: Duration = Duration::from_secs(1);
/// What every connection is told, each with its reason:
/// - what hangs in the server ends before it is given up here, so that it does not write later;
/// - a process that is stopped in the middle of a batch keeps its locks for no longer than that;
/// - where somebody has turned it off, a commit is durable nevertheless: the log is trimmed by it.
const SESSION: &str = "
    SET statement_timeout = '60s';
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'";

const SELECT_POSITION: &str = r#"SELECT "next", "index", "changelog", "snapshot"
FROM "_rkcy_position" WHERE "concern" = $1 AND "partition" = $2"#;

/// A PostgreSQL database as the database of a platform.
#[derive(Debug)]
pub struct PostgresStore {
    name: Name,
    writers: PgPool,
    readers: PgPool,
    tables: BTreeMap<ConcernId, Statements>,
}

impl PostgresStore {
    /// Opens the database, which must be there, for the tables of a platform.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] where it holds something else; [`StoreError::Denied`] where it lets this
    /// program in; [`StoreError::Unavailable`] where it is not to be reached.
    pub async fn open(
        settings: &Settings,
        tables: impl IntoIterator<Item = &'static TableDesc>,
    ) -> Result<PostgresStore, StoreError> {
        let writer = settings.writer();
        let name = Name::of(&writer);
        refuse_foreign(&name, &writer).await?;
        let tables = tables.into_iter();
        Ok(PostgresStore {
            name,
            writers: pool(writer, WRITERS),
            readers: pool(settings.reader(), READERS),
            tables: tables
                .map(|table| (table.concern, Statements::new(table)))
                .collect(),
        })
    }

    fn table(&self, concern: ConcernId) -> Result<&Statements, StoreError> {
        let missing = || StoreError::NoTable {
            store: self.name.get(),
            concern,
        };
        self.tables.get(&concern).ok_or_else(missing)
    }

    /// Does something with a connection, for so long at most. After an error the connection is closed
    /// without a word: what state it is in, or whether anybody is at its other end, is not known.
    async fn with<T>(
        &self,
        pool: &PgPool,
        limit: Duration,
        act: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let acquired = pool.acquire().await;
        let mut connection: PoolConnection<Postgres> =
            acquired.map_err(|error| self.name.error(error))?;
        let done = tokio::time::timeout(limit, act(&mut connection)).await;
        let done = done.unwrap_or_else(|_| Err(self.name.too_slow()));
        if done.is_err() {
            drop(connection.detach());
        }
        done
    }

    async fn read_position(
        &self,
        connection: &mut PgConnection,
        partition: PartitionId,
    ) -> Result<StoredPosition, StoreError> {
        let wrap = |error| self.name.error(error);
        let row = sqlx::query(SELECT_POSITION)
            .bind(i64::from(partition.concern.0))
            .bind(i64::from(partition.index))
            .fetch_optional(connection)
            .await
            .map_err(wrap)?;
        let Some(row) = row else {
            return Ok(StoredPosition::default());
        };
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(wrap);
        let snapshot: Option<i64> = row.try_get(3).map_err(wrap)?;
        Ok(StoredPosition {
            position: self.position_of(number(0)?, number(1)?)?,
            changelog: number(2)?.cast_unsigned(),
            snapshot: snapshot.map(i64::cast_unsigned),
        })
    }

    /// A position out of its two columns.
    fn position_of(&self, next: i64, index: i64) -> Result<Position, StoreError> {
        let index = u32::try_from(index);
        let index = index.map_err(|_| self.name.unreadable("a position that no build writes"))?;
        Ok(Position::from_raw(next.cast_unsigned(), index))
    }
}

fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_LIMIT)
        .test_before_acquire(false)
        .before_acquire(|connection, before| {
            Box::pin(async move {
                if before.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(SESSION).execute(connection).await.map(drop) })
        })
        .connect_lazy_with(options)
}

/// A database with tables but without those of a platform belongs to somebody else. Also the first that
/// the server hears of this program, so that what is wrong with the address is said at once.
async fn refuse_foreign(name: &Name, options: &PgConnectOptions) -> Result<(), StoreError> {
    let wrap = |error| name.error(error);
    let ask = async {
        let mut connection = PgConnection::connect_with(options).await.map_err(wrap)?;
        let sql = r#"SELECT current_setting('server_encoding'), (
            SELECT min(relname::text) FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
              AND to_regclass('"_rkcy_migration"') IS NULL
              AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')),
            current_schema() IS NULL"#;
        let row = sqlx::query(sql)
            .fetch_one(&mut connection)
            .await
            .map_err(wrap)?;
        let encoding: String = row.try_get(0).map_err(wrap)?;
        let found: Option<String> = row.try_get(1).map_err(wrap)?;
        let nowhere: bool = row.try_get(2).map_err(wrap)?;
        connection.close().await.map_err(wrap)?;
        let what = match (encoding.as_str(), found, nowhere) {
            (_, _, true) => "no schema of its search_path is there".to_owned(),
            ("UTF8", None, _) => return Ok(()),
            ("UTF8", Some(found), _) => format!("it holds \"{found}\""),
            (other, ..) => format!("its encoding is {other}, not UTF8"),
        };
        Err(StoreError::Foreign {
            store: name.get(),
            found: what,
        })
    };
    let asked = tokio::time::timeout(CONNECT_LIMIT, ask).await;
    asked.unwrap_or_else(|_| Err(name.too_slow()))
}

impl Store for PostgresStore {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn position(&self, partition: PartitionId) -> Pending<'_, StoredPosition> {
        // Not from a replica, which may be behind: storage goes on from what it hears.
        Box::pin(
            self.with(&self.writers, READ_LIMIT, async move |connection| {
                self.read_position(connection, partition).await
            }),
        )
    }

    fn write(&self, partition: PartitionId, batch: Arc<Batch>) -> Pending<'_, ()> {
        Box::pin(self.write_batch(partition, batch))
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
            // A server that hangs does not keep anybody who is to stop.
            let closing = async {
                self.readers.close().await;
                self.writers.close().await;
            };
            let _ = tokio::time::timeout(CONNECT_LIMIT, closing).await;
        })
    }
}
