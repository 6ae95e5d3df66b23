//! A batch in one transaction.
//!
//! Owns the guard of the position, and rows as arrays of columns. The position is written first: its row lock
//! keeps a second writer waiting until this one is through, and then it finds another position.

use super::columns::Array;
use super::statements::{ListStatements, Statements, VERSION};
use super::{PostgresStore, WRITE_LIMIT};
use crate::store::desc::PLACE;
use crate::store::{ColumnType, SqlValue, StoreError};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whatever the database's default is, the guard needs no more.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// Binds concern, partition, the new position, the one that must stand there.
const UPDATE_POSITION: &str = r#"UPDATE "_rkcy_position"
SET "next" = $3, "index" = $4, "changelog" = $5, "snapshot" = $6
WHERE "concern" = $1 AND "partition" = $2
AND "next" = $7 AND "index" = $8 AND "changelog" = $9 AND "snapshot" IS NOT DISTINCT FROM $10"#;
/// Binds concern, partition, the position: the first of the partition.
const INSERT_POSITION: &str = r#"INSERT INTO "_rkcy_position"
("concern", "partition", "next", "index", "changelog", "snapshot") VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING"#;

/// Rows of one table, as its statements take them.
struct Rows<'a> {
    table: &'a Statements,
    kept: Vec<Array>,
    gone: Vec<Array>,
    lists: Vec<Lists<'a>>,
}

/// Rows of the table of a list.
struct Lists<'a> {
    table: &'a ListStatements,
    /// The keys of all instances that are written or deleted.
    of: Vec<Array>,
    elements: Vec<Array>,
}

impl PostgresStore {
    pub(super) async fn write_batch(
        &self,
        partition: PartitionId,
        batch: Arc<Batch>,
    ) -> Result<(), StoreError> {
        // Before the transaction: what cannot be written is found out, and the lock is held for less.
        let tables = self.as_columns(&batch)?;
        let act = async |connection: &mut PgConnection| {
            let wrap = |error| self.name.error(error);
            let mut transaction = connection.begin_with(BEGIN).await.map_err(wrap)?;
            if !self
                .move_position(&mut transaction, partition, &batch)
                .await?
            {
                return Err(StoreError::Conflict {
                    store: self.name.get(),
                    partition,
                    expected: batch.expected,
                    found: self.read_position(&mut transaction, partition).await?,
                });
            }
            for (statement, arrays) in tables.into_iter().flat_map(Rows::statements) {
                let mut arguments = PgArguments::default();
                for array in arrays {
                    arguments
                        .add(array)
                        .map_err(|error| wrap(sqlx::Error::Encode(error)))?;
                }
                sqlx::query_with(AssertSqlSafe(Arc::clone(statement)), arguments)
                    .execute(&mut *transaction)
                    .await
                    .map_err(wrap)?;
            }
            transaction.commit().await.map_err(wrap)
        };
        self.with(&self.writers, WRITE_LIMIT, act).await
    }

    /// `false` where another position stands there.
    async fn move_position(
        &self,
        connection: &mut PgConnection,
        partition: PartitionId,
        batch: &Batch,
    ) -> Result<bool, StoreError> {
        let Batch { expected, new, .. } = batch;
        let of = |sql: &'static str, position: &StoredPosition| {
            let (next, index) = position.position.to_raw();
            sqlx::query(sql)
                .bind(i64::from(partition.concern.0))
                .bind(i64::from(partition.index))
                .bind(next.cast_signed())
                .bind(i64::from(index))
                .bind(position.changelog.cast_signed())
                .bind(position.snapshot.map(u64::cast_signed))
        };
        let (next, index) = expected.position.to_raw();
        let update = of(UPDATE_POSITION, new)
            .bind(next.cast_signed())
            .bind(i64::from(index))
            .bind(expected.changelog.cast_signed())
            .bind(expected.snapshot.map(u64::cast_signed));
        let moved = update.execute(&mut *connection).await;
        let mut moved = moved.map_err(|error| self.name.error(error))?;
        if moved.rows_affected() == 0 && *expected == StoredPosition::default() {
            let inserted = of(INSERT_POSITION, new).execute(connection).await;
            moved = inserted.map_err(|error| self.name.error(error))?;
        }
        Ok(moved.rows_affected() == 1)
    }

    /// The rows of a batch, column by column.
    fn as_columns(&self, batch: &Batch) -> Result<Vec<Rows<'_>>, StoreError> {
        let mut tables: BTreeMap<ConcernId, Rows<'_>> = BTreeMap::new();
        for (key, row) in &batch.rows {
            let rows = match tables.entry(key.concern) {
                std::collections::btree_map::Entry::Occupied(rows) => rows.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(Rows::of(self.table(key.concern)?))
                }
            };
            rows.push(key, row).map_err(|source| StoreError::Row {
                store: self.name.get(),
                table: rows.table.desc.name,
                source,
            })?;
        }
        Ok(tables.into_values().collect())
    }
}

impl<'a> Rows<'a> {
    fn of(table: &'a Statements) -> Rows<'a> {
        let lists = table.lists.iter().map(|table| Lists {
            table,
            of: Vec::new(),
            elements: Vec::new(),
        });
        Rows {
            table,
            kept: Vec::new(),
            gone: Vec::new(),
            lists: lists.collect(),
        }
    }

    /// What is to be executed, with the arrays that it binds.
    fn statements(self) -> impl Iterator<Item = (&'a Arc<str>, Vec<Array>)> {
        let rows = [
            (&self.table.upsert, self.kept),
            (&self.table.delete, self.gone),
        ];
        let lists = self.lists.into_iter().flat_map(|list| {
            let table = list.table;
            [(&table.delete, list.of), (&table.insert, list.elements)]
        });
        let all = rows.into_iter().chain(lists);
        all.filter(|(_, arrays)| !arrays.is_empty())
    }

    fn push(&mut self, key: &RowKey, row: &StoredRow) -> Result<(), rkcy_core::fault::Fault> {
        let desc = self.table.desc;
        let keys = (desc.key)(key.key.as_bytes())?;
        let key_types = || desc.key_columns.iter().map(|column| column.ty);
        for list in &mut self.lists {
            add(&mut list.of, key_types(), &keys)?;
            let Some(value) = &row.value else { continue };
            let columns = [PLACE]
                .into_iter()
                .chain(list.table.desc.columns.iter().copied());
            let columns: Vec<ColumnType> =
                key_types().chain(columns.map(|column| column.ty)).collect();
            for (place, element) in (0..).zip((list.table.desc.to_rows)(value)?) {
                let place = [SqlValue::I64(place)];
                let all = keys.iter().chain(&place).chain(&element);
                add(&mut list.elements, columns.iter().copied(), all)?;
            }
        }
        let Some(value) = &row.value else {
            return add(&mut self.gone, key_types(), &keys);
        };
        let values = (desc.to_columns)(value)?;
        let (next, index) = row.version.position.to_raw();
        let version = [
            SqlValue::I64(i64::from(row.version.generation)),
            SqlValue::I64(next.cast_signed()),
            SqlValue::I64(i64::from(index)),
        ];
        let columns = self.table.columns().map(|column| column.ty);
        let columns = columns.chain(VERSION.map(|_| ColumnType::I64));
        let all = keys.iter().chain(&values).chain(&version);
        add(&mut self.kept, columns, all)
    }
}

/// Adds one row to its columns.
fn add<'a>(
    arrays: &mut Vec<Array>,
    columns: impl Iterator<Item = ColumnType>,
    values: impl IntoIterator<Item = &'a SqlValue>,
) -> Result<(), rkcy_core::fault::Fault> {
    if arrays.is_empty() {
        arrays.extend(columns.map(Array::of));
    }
    let mut count = 0;
    for (nth, value) in values.into_iter().enumerate() {
        count += 1;
        if !arrays.get_mut(nth).is_some_and(|array| array.push(value)) {
            return Err(unfit(format!("value {nth} does not fit its column")));
        }
    }
    match count == arrays.len() {
        true => Ok(()),
        false => Err(unfit(format!(
            "{count} values for {} columns",
            arrays.len()
        ))),
    }
}

fn unfit(message: String) -> rkcy_core::fault::Fault {
    rkcy_core::fault::Fault::new(rkcy_core::fault::Class::Corrupt, "unreadable_row", message)
}
