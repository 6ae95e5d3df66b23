//! The schema of a PostgreSQL database.
//!
//! Owns the table of applied migrations. Each migration is applied, or taken back, in one transaction with its entry there, so that a crash leaves it done or not
//! begun. One of several parts has an entry for how far it has come, so that the next run goes on there. Two
//! programs that migrate at once wait for each other.

use super::{PostgresStore, READ_LIMIT};
use crate::store::migrate::{self, Applied};
use crate::store::{Migration, MigrationState, MigrationStatus, StoreError};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Postgres, Row, SqlSafeStr, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than any migration takes.
const MIGRATION_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// A table that somebody has is asked for so often,
const TRIES: u32 = 60;
/// with such a pause between, in which those go on that came behind.
const PAUSE: Duration = Duration::from_secs(1);
/// Another program that migrates is waited for so long,
const OTHERS: Duration = Duration::from_secs(60);
/// and looked for so often.
const LOOK: Duration = Duration::from_millis(100);
/// Keeps others out while a part runs that cannot stand in a transaction.
const LOCK: &str = "SELECT pg_advisory_lock(7823160914530277)";
/// Such a part takes its time.
const NO_LIMIT: &str = "SET statement_timeout = 0";
const LIMIT: &str = "RESET statement_timeout";
/// One program at a time; the number of the lock is drawn.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(7823160914530277)";
/// The same, which says what was waited for in vain.
const LOCK_NOW: &str =
    "SET LOCAL lock_timeout = '1ms'; SELECT pg_advisory_xact_lock(7823160914530277)";
/// A migration takes its time. The lock of the session becomes that of the transaction.
const BEGIN: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = '60s';
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SELECT pg_advisory_xact_lock(7823160914530277);
    SELECT pg_advisory_unlock(7823160914530277)";
/// The tables of the store itself; `concern` and `partition` are numbers of the schema and of the log. That of
/// idempotency keys is a hidden concern that no schema tells of.
pub(super) const CREATE: &str = r#"
CREATE TABLE IF NOT EXISTS "_rkcy_migration" (
    "number" BIGINT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS "_rkcy_migration_part" (
    "number" BIGINT NOT NULL PRIMARY KEY,
    "hash" TEXT NOT NULL,
    "up" BOOLEAN NOT NULL,
    "done" BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS "_rkcy_position" (
    "concern" BIGINT NOT NULL,
    "partition" BIGINT NOT NULL,
    "next" BIGINT NOT NULL,
    "index" BIGINT NOT NULL,
    "changelog" BIGINT NOT NULL,
    "snapshot" BIGINT,
    PRIMARY KEY ("concern", "partition")
);
CREATE TABLE IF NOT EXISTS "_rkcy_key" (
    "key" BYTEA NOT NULL,
    "value" BYTEA NOT NULL,
    "_rkcy_generation" BIGINT NOT NULL,
    "_rkcy_offset" BIGINT NOT NULL,
    "_rkcy_index" BIGINT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE IF NOT EXISTS "_rkcy_log" (
    "only" BOOLEAN NOT NULL DEFAULT true CHECK ("only") PRIMARY KEY,
    "id" TEXT NOT NULL
);"#;
const IS_CREATED: &str = r#"SELECT to_regclass('"_rkcy_migration"') IS NOT NULL"#;
const SELECT_APPLIED: &str =
    r#"SELECT "number", "name", "hash" FROM "_rkcy_migration" ORDER BY "number""#;
const INSERT_APPLIED: &str =
    r#"INSERT INTO "_rkcy_migration" ("number", "name", "hash") VALUES ($1, $2, $3)"#;
const DELETE_APPLIED: &str = r#"DELETE FROM "_rkcy_migration" WHERE "number" = $1"#;
const SELECT_PART: &str = r#"SELECT "number", "hash", "up", "done" FROM "_rkcy_migration_part""#;
const UPSERT_PART: &str = r#"INSERT INTO "_rkcy_migration_part" ("number", "hash", "up", "done")
VALUES ($1, $2, $3, $4) ON CONFLICT ("number") DO UPDATE SET "done" = $4"#;
const DELETE_PART: &str = r#"DELETE FROM "_rkcy_migration_part""#;
const DELETE_POSITIONS: &str = r#"DELETE FROM "_rkcy_position""#;
const DELETE_KEYS: &str = r#"DELETE FROM "_rkcy_key""#;
const INSERT_LOG: &str = r#"INSERT INTO "_rkcy_log" ("id") VALUES ($1) ON CONFLICT DO NOTHING"#;
const SELECT_LOG: &str = r#"SELECT "id" FROM "_rkcy_log""#;

/// Whether a lock was not to be had within `lock_timeout`, which each part sets for itself: who waits for a table keeps
/// all others waiting behind. Among those who may have it is autovacuum, which lets go when it is asked to, a second later.
/// Or whether two waited for each other, of which PostgreSQL has ended this one.
fn is_locked(error: &StoreError) -> bool {
    let StoreError::Unavailable { source, .. } = error else {
        return false;
    };
    let code = source.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "55P03" || code == "40P01")
}

/// A transaction that no other program's migration runs beside. Who waits is in no transaction meanwhile: an index that
/// is made concurrently waits for all that are open, and so each would wait for the other.
async fn begin_alone(
    connection: &mut PgConnection,
) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let began = Instant::now();
    let try_lock = || sqlx::query_scalar::<_, bool>(TRY_LOCK);
    while !try_lock().fetch_one(&mut *connection).await? {
        if began.elapsed() > OTHERS {
            let mut transaction = connection.begin().await?;
            sqlx::raw_sql(LOCK_NOW).execute(&mut *transaction).await?;
        }
        tokio::time::sleep(LOOK).await;
    }
    begin_locked(connection).await
}

/// The same of a session that has the lock.
async fn begin_locked(
    connection: &mut PgConnection,
) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(BEGIN).execute(&mut *transaction).await?;
    Ok(transaction)
}

/// What is done next, of a transaction that has seen what is applied.
enum Step {
    Up(&'static Migration),
    Down(&'static Migration, IsLast),
}

/// No migration is left after it.
type IsLast = bool;

impl Step {
    fn migration(&self) -> &'static Migration {
        match self {
            Step::Up(migration) | Step::Down(migration, _) => migration,
        }
    }

    fn sql(&self) -> &'static str {
        match self {
            Step::Up(migration) => migration.up,
            Step::Down(migration, _) => migration.down,
        }
    }

    fn is_up(&self) -> bool {
        matches!(self, Step::Up(_))
    }
}

impl PostgresStore {
    pub(super) async fn up(
        &self,
        migrations: &'static [Migration],
    ) -> Result<Vec<u32>, StoreError> {
        let next = |applied: &[Applied]| {
            let is_pending = |ours: &&Migration| applied.iter().all(|it| it.number != ours.number);
            migrations.iter().find(is_pending).map(Step::Up)
        };
        self.step_by_step(migrations, next).await
    }

    pub(super) async fn down(
        &self,
        migrations: &'static [Migration],
        keep: u32,
    ) -> Result<Vec<u32>, StoreError> {
        let status = self.status(migrations).await?;
        if status.iter().all(|it| it.state == MigrationState::Pending) {
            return Ok(Vec::new());
        }
        let next = |applied: &[Applied]| {
            let is_applied = |ours: &&Migration| applied.iter().any(|it| it.number == ours.number);
            let last = migrations.iter().rev().find(is_applied);
            let last = last.filter(|it| it.number > keep)?;
            Some(Step::Down(last, applied.len() == 1))
        };
        self.step_by_step(migrations, next).await
    }

    /// Does one step after the other, each in a transaction of its own.
    async fn step_by_step(
        &self,
        migrations: &'static [Migration],
        next: impl Fn(&[Applied]) -> Option<Step>,
    ) -> Result<Vec<u32>, StoreError> {
        let wrap = |error| self.name.error(error);
        let act = async |connection: &mut PgConnection| {
            let (mut done, mut tries) = (Vec::new(), 0);
            loop {
                // Another process may do the same: what is applied is read under the lock, each time.
                let mut transaction = begin_alone(connection).await.map_err(wrap)?;
                let create = sqlx::raw_sql(CREATE).execute(&mut *transaction).await;
                create.map_err(wrap)?;
                let applied = self.applied(&mut transaction).await?;
                migrate::check(migrations, &applied, &self.name.get())?;
                let Some(step) = next(&applied) else {
                    transaction.commit().await.map_err(wrap)?;
                    return Ok(done);
                };
                let migration = step.migration();
                let parts = migrate::parts(step.sql());
                let at = self.part(&step, &mut transaction).await?;
                let part = parts.get(at).copied();
                let part = part.ok_or_else(|| self.name.unreadable("a part no build has"))?;
                let ran = if part.outside {
                    // The transaction has nothing to do but to see that it is this part's turn.
                    let lock = sqlx::raw_sql(LOCK).execute(&mut *transaction).await;
                    lock.map_err(wrap)?;
                    transaction.commit().await.map_err(wrap)?;
                    let limit = sqlx::raw_sql(NO_LIMIT).execute(&mut *connection).await;
                    limit.map_err(wrap)?;
                    let ran = self.run(migration, part.sql, connection).await;
                    let reset = sqlx::raw_sql(LIMIT).execute(&mut *connection).await;
                    reset.map_err(wrap)?;
                    // Nobody comes between it and the note that it is done.
                    transaction = begin_locked(connection).await.map_err(wrap)?;
                    ran
                } else {
                    self.run(migration, part.sql, &mut transaction).await
                };
                match ran {
                    Ok(()) => tries = 0,
                    Err(error) if is_locked(&error) && tries < TRIES => {
                        tries += 1;
                        transaction.rollback().await.map_err(wrap)?;
                        if tries == 1 {
                            let (number, name) = (migration.number, migration.name);
                            eprintln!(
                                "migration {number} ({name}): somebody has its table; trying again for {TRIES} s"
                            );
                        }
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                if at + 1 < parts.len() {
                    let upsert = sqlx::query(UPSERT_PART)
                        .bind(i64::from(migration.number))
                        .bind(migrate::hash(migration))
                        .bind(step.is_up())
                        .bind(at as i64 + 1);
                    upsert.execute(&mut *transaction).await.map_err(wrap)?;
                    transaction.commit().await.map_err(wrap)?;
                    continue;
                }
                let delete = sqlx::query(DELETE_PART).execute(&mut *transaction);
                delete.await.map_err(wrap)?;
                match &step {
                    Step::Up(migration) => {
                        let insert = sqlx::query(INSERT_APPLIED)
                            .bind(i64::from(migration.number))
                            .bind(migration.name)
                            .bind(migrate::hash(migration));
                        insert.execute(&mut *transaction).await.map_err(wrap)?;
                    }
                    Step::Down(migration, is_last) => {
                        let delete = sqlx::query(DELETE_APPLIED).bind(i64::from(migration.number));
                        delete.execute(&mut *transaction).await.map_err(wrap)?;
                        if *is_last {
                            // The rows are gone: a position that says they are there would be a lie.
                            for sql in [DELETE_POSITIONS, DELETE_KEYS] {
                                let delete = sqlx::query(sql).execute(&mut *transaction);
                                delete.await.map_err(wrap)?;
                            }
                        }
                    }
                }
                transaction.commit().await.map_err(wrap)?;
                done.push(migration.number);
            }
        };
        self.with(&self.writers, MIGRATION_LIMIT, act).await
    }

    pub(super) async fn status(
        &self,
        migrations: &'static [Migration],
    ) -> Result<Vec<MigrationStatus>, StoreError> {
        let act = async |connection: &mut PgConnection| {
            let created = sqlx::query_scalar(IS_CREATED)
                .fetch_one(&mut *connection)
                .await;
            let applied = match created.map_err(|error| self.name.error(error))? {
                true => self.applied(connection).await?,
                false => Vec::new(),
            };
            Ok(migrate::status(migrations, &applied))
        };
        self.with(&self.writers, READ_LIMIT, act).await
    }

    /// Ties the database to a log.
    pub(super) async fn tie(&self, log_id: &str) -> Result<(), StoreError> {
        let wrap = |error| self.name.error(error);
        let act = async |connection: &mut PgConnection| {
            let insert = sqlx::query(INSERT_LOG).bind(log_id);
            insert.execute(&mut *connection).await.map_err(wrap)?;
            let known: String = sqlx::query_scalar(SELECT_LOG)
                .fetch_one(connection)
                .await
                .map_err(wrap)?;
            match known == log_id {
                true => Ok(()),
                false => Err(StoreError::Foreign {
                    store: self.name.get(),
                    found: format!("it belongs to the log {known}, not to {log_id}"),
                }),
            }
        };
        self.with(&self.writers, READ_LIMIT, act).await
    }

    pub(super) async fn run(
        &self,
        migration: &Migration,
        sql: impl SqlSafeStr,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let run = sqlx::raw_sql(sql).execute(connection).await;
        run.map(drop).map_err(|source| {
            let source = Arc::new(source);
            match self.name.shared(&source) {
                error if error.may_pass() => error,
                denied @ StoreError::Denied { .. } => denied,
                _ => StoreError::Migration {
                    store: self.name.get(),
                    number: migration.number,
                    name: migration.name,
                    source,
                },
            }
        })
    }

    /// The part that a step goes on with. What is half done is brought to its end before anything else.
    async fn part(&self, step: &Step, connection: &mut PgConnection) -> Result<usize, StoreError> {
        let wrap = |error| self.name.error(error);
        let row = sqlx::query(SELECT_PART).fetch_optional(connection).await;
        let Some(row) = row.map_err(wrap)? else {
            return Ok(0);
        };
        let (number, up): (i64, bool) =
            (row.try_get(0).map_err(wrap)?, row.try_get(2).map_err(wrap)?);
        let (hash, done): (String, i64) =
            (row.try_get(1).map_err(wrap)?, row.try_get(3).map_err(wrap)?);
        let migration = step.migration();
        if number != i64::from(migration.number) || up != step.is_up() {
            let (what, command) = match up {
                true => ("applied", "migrate up"),
                false => ("taken back", "migrate down"),
            };
            return Err(StoreError::Schema {
                store: self.name.get(),
                what: format!("migration {number} is half {what}: go on with `{command}`"),
            });
        }
        if hash != migrate::hash(migration) {
            return Err(StoreError::EditedMigration {
                store: self.name.get(),
                number: migration.number,
                name: migration.name.to_owned(),
            });
        }
        usize::try_from(done).map_err(|_| self.name.unreadable("a part no build has"))
    }

    async fn applied(&self, connection: &mut PgConnection) -> Result<Vec<Applied>, StoreError> {
        let wrap = |error| self.name.error(error);
        let rows = sqlx::query(SELECT_APPLIED).fetch_all(connection).await;
        let read = |row: &PgRow| -> Result<Applied, StoreError> {
            let number: i64 = row.try_get(0).map_err(wrap)?;
            let number = u32::try_from(number);
            Ok(Applied {
                number: number.map_err(|_| self.name.unreadable("a number no build writes"))?,
                name: row.try_get(1).map_err(wrap)?,
                hash: row.try_get(2).map_err(wrap)?,
            })
        };
        rows.map_err(wrap)?.iter().map(read).collect()
    }
}
