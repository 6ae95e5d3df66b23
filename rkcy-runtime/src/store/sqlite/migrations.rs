//! Migrations on an SQLite file.
//!
//! Owns the table of applied migrations. Each is applied, or taken back, in one transaction with its
//! entry there, so that a crash leaves it done or not begun.

use super::{CREATE_KEYS, CREATE_POSITION, SqliteStore};
use crate::store::migrate::{self, Applied};
use crate::store::{Migration, MigrationStatus, StoreError};
use sqlx::{Row, SqliteConnection};
use std::sync::Arc;

pub(super) const CREATE_MIGRATION: &str = r#"CREATE TABLE IF NOT EXISTS "_rkcy_migration" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL
) STRICT"#;
const IS_CREATED: &str = r#"SELECT 1 FROM "sqlite_schema" WHERE "name" = '_rkcy_migration'"#;
const SELECT_APPLIED: &str =
    r#"SELECT "number", "name", "hash" FROM "_rkcy_migration" ORDER BY "number""#;
const INSERT_APPLIED: &str =
    r#"INSERT INTO "_rkcy_migration" ("number", "name", "hash") VALUES (?, ?, ?)"#;
const DELETE_APPLIED: &str = r#"DELETE FROM "_rkcy_migration" WHERE "number" = ?"#;
const DELETE_POSITIONS: &str = r#"DELETE FROM "_rkcy_position""#;
const DELETE_KEYS: &str = r#"DELETE FROM "_rkcy_key""#;

impl SqliteStore {
    pub(super) async fn up(
        &self,
        migrations: &'static [Migration],
    ) -> Result<Vec<u32>, StoreError> {
        let mut done = Vec::new();
        let wrap = |e| self.name.error(e);
        loop {
            // Another process may do the same: what is applied is read under the lock, each time.
            let mut transaction = self
                .writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map_err(wrap)?;
            for sql in [CREATE_MIGRATION, CREATE_POSITION, CREATE_KEYS] {
                sqlx::query(sql)
                    .execute(&mut *transaction)
                    .await
                    .map_err(wrap)?;
            }
            let applied = self.applied(&mut transaction).await?;
            migrate::check(migrations, &applied, &self.name.get())?;
            let is_pending = |ours: &&Migration| applied.iter().all(|it| it.number != ours.number);
            let Some(next) = migrations.iter().find(is_pending) else {
                transaction.commit().await.map_err(wrap)?;
                return Ok(done);
            };
            self.run(next, next.up, &mut transaction).await?;
            sqlx::query(INSERT_APPLIED)
                .bind(i64::from(next.number))
                .bind(next.name)
                .bind(migrate::hash(next))
                .execute(&mut *transaction)
                .await
                .map_err(wrap)?;
            transaction.commit().await.map_err(wrap)?;
            done.push(next.number);
        }
    }

    pub(super) async fn down(
        &self,
        migrations: &'static [Migration],
        keep: u32,
    ) -> Result<Vec<u32>, StoreError> {
        let mut done = Vec::new();
        let wrap = |e| self.name.error(e);
        if self
            .status(migrations)
            .await?
            .iter()
            .all(|it| it.state == super::super::MigrationState::Pending)
        {
            return Ok(done);
        }
        loop {
            let mut transaction = self
                .writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map_err(wrap)?;
            let applied = self.applied(&mut transaction).await?;
            migrate::check(migrations, &applied, &self.name.get())?;
            let is_applied = |ours: &&Migration| applied.iter().any(|it| it.number == ours.number);
            let last = migrations
                .iter()
                .rev()
                .find(is_applied)
                .filter(|it| it.number > keep);
            let Some(last) = last else {
                return Ok(done);
            };
            self.run(last, last.down, &mut transaction).await?;
            let number = i64::from(last.number);
            sqlx::query(DELETE_APPLIED)
                .bind(number)
                .execute(&mut *transaction)
                .await
                .map_err(wrap)?;
            if applied.len() == 1 {
                // The rows are gone: a position that says they are there would be a lie.
                for sql in [DELETE_POSITIONS, CREATE_KEYS, DELETE_KEYS] {
                    sqlx::query(sql)
                        .execute(&mut *transaction)
                        .await
                        .map_err(wrap)?;
                }
            }
            transaction.commit().await.map_err(wrap)?;
            done.push(last.number);
        }
    }

    pub(super) async fn status(
        &self,
        migrations: &'static [Migration],
    ) -> Result<Vec<MigrationStatus>, StoreError> {
        let wrap = |e| self.name.error(e);
        let mut connection = self.readers.acquire().await.map_err(wrap)?;
        let created = sqlx::query(IS_CREATED)
            .fetch_optional(&mut *connection)
            .await
            .map_err(wrap)?;
        let applied = match created {
            Some(_) => self.applied(&mut connection).await?,
            None => Vec::new(),
        };
        Ok(migrate::status(migrations, &applied))
    }

    pub(super) async fn run(
        &self,
        migration: &Migration,
        sql: &'static str,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        sqlx::raw_sql(sql)
            .execute(connection)
            .await
            .map_err(|source| StoreError::Migration {
                store: self.name.get(),
                number: migration.number,
                name: migration.name,
                source: Arc::new(source),
            })?;
        Ok(())
    }

    async fn applied(&self, connection: &mut SqliteConnection) -> Result<Vec<Applied>, StoreError> {
        let rows = sqlx::query(SELECT_APPLIED).fetch_all(connection).await;
        let rows = rows.map_err(|e| self.name.error(e))?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<Applied, sqlx::Error> {
            Ok(Applied {
                number: row.try_get(0)?,
                name: row.try_get(1)?,
                hash: row.try_get(2)?,
            })
        };
        rows.iter()
            .map(|row| read(row).map_err(|e| self.name.error(e)))
            .collect()
    }
}
