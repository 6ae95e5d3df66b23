//! Cold reads.
//!
//! Owns that rows and position are of one snapshot, whatever is written meanwhile and however far behind a
//! replica is. Rows of one table, which is nearly every read, need one statement and one round trip; of
//! several tables, or with lists in tables of their own, a transaction whose first statement fixes what all of them
//! see.

use super::columns::{Array, read};
use super::statements::{ListStatements, Statements, VERSION};
use super::{PostgresStore, READ_LIMIT};
use crate::store::{ColumnDesc, Element, Loaded, SqlValue, StoreError};
use rkcy_core::fault::Fault;
use rkcy_core::id::{ConcernId, PartitionId, Position, Version};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, PgValueFormat};
use sqlx::{Arguments, AssertSqlSafe, Connection, Row, ValueRef};
use std::collections::BTreeMap;
use std::sync::Arc;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Columns before those of the version: which key, next, index.
const BEFORE_VERSION: usize = 3;

impl PostgresStore {
    pub(super) async fn load_rows(
        &self,
        partition: PartitionId,
        keys: Vec<RowKey>,
    ) -> Result<Loaded, StoreError> {
        let mut by_table: BTreeMap<ConcernId, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            by_table.entry(key.concern).or_default().push(place);
        }
        let mut loaded = Loaded {
            position: Position::START,
            rows: (keys.into_iter())
                .map(|key| (key, StoredRow::ABSENT))
                .collect(),
        };
        let wrap = |error| self.name.error(error);
        let act = async |connection: &mut PgConnection| {
            if let (1, Some((concern, places))) = (by_table.len(), by_table.first_key_value()) {
                let table = self.table(*concern)?;
                if table.lists.is_empty() {
                    return self
                        .load_table(connection, partition, table, places, &mut loaded)
                        .await;
                }
            }
            let mut snapshot = connection.begin_with(BEGIN).await.map_err(wrap)?;
            loaded.position = self.read_position(&mut snapshot, partition).await?.position;
            for (concern, places) in &by_table {
                let table = self.table(*concern)?;
                self.load_table(&mut snapshot, partition, table, places, &mut loaded)
                    .await?;
            }
            snapshot.commit().await.map_err(wrap)
        };
        self.with(&self.readers, READ_LIMIT, act).await?;
        Ok(loaded)
    }

    /// Reads the rows of one table at these places of `loaded`, and the position.
    async fn load_table(
        &self,
        connection: &mut PgConnection,
        partition: PartitionId,
        table: &Statements,
        places: &[usize],
        loaded: &mut Loaded,
    ) -> Result<(), StoreError> {
        let wrap = |error| self.name.error(error);
        let encode = |error| wrap(sqlx::Error::Encode(error));
        let mut arguments = PgArguments::default();
        arguments
            .add(i64::from(partition.concern.0))
            .map_err(encode)?;
        arguments.add(i64::from(partition.index)).map_err(encode)?;
        self.add_keys(&mut arguments, table, places, loaded)?;
        let found = sqlx::query_with(AssertSqlSafe(Arc::clone(&table.load)), arguments)
            .fetch_all(&mut *connection)
            .await
            .map_err(wrap)?;
        for row in found {
            let number = |at: usize| row.try_get::<Option<i64>, _>(at).map_err(wrap);
            if let (Some(next), Some(index)) = (number(1)?, number(2)?) {
                loaded.position = self.position_of(next, index)?;
            }
            let place = self.place_of(&row, places)?;
            if let Some(stored) = self.stored_row(table, &row)? {
                loaded.rows[place].1 = stored;
            }
        }
        for list in &table.lists {
            self.load_list(connection, (table, list), places, loaded)
                .await?;
        }
        Ok(())
    }

    /// Reads a list of the rows at these places, out of a table of its own.
    async fn load_list(
        &self,
        connection: &mut PgConnection,
        (table, list): (&Statements, &ListStatements),
        places: &[usize],
        loaded: &mut Loaded,
    ) -> Result<(), StoreError> {
        let wrap = |error| self.name.error(error);
        let mut arguments = PgArguments::default();
        self.add_keys(&mut arguments, table, places, loaded)?;
        let found = sqlx::query_with(AssertSqlSafe(Arc::clone(&list.load)), arguments)
            .fetch_all(connection)
            .await
            .map_err(wrap)?;
        let mut elements: BTreeMap<usize, Vec<Element>> = BTreeMap::new();
        for row in found {
            let place = self.place_of(&row, places)?;
            let values = self.values(list.desc.columns.iter(), &row, 1)?;
            elements.entry(place).or_default().push(values);
        }
        let put = list.desc.put(elements, &mut loaded.rows);
        put.map_err(|source| self.unfit(list.desc.name, source))
    }

    /// Binds the keys of the rows at these places, an array for each column.
    fn add_keys(
        &self,
        arguments: &mut PgArguments,
        table: &Statements,
        places: &[usize],
        loaded: &Loaded,
    ) -> Result<(), StoreError> {
        let columns = table.desc.key_columns.iter();
        let mut arrays: Vec<Array> = columns.map(|column| Array::of(column.ty)).collect();
        for place in places {
            let (key, _) = &loaded.rows[*place];
            let values = (table.desc.key)(key.key.as_bytes());
            let values = values.map_err(|source| self.unfit(table.desc.name, source))?;
            for (array, value) in arrays.iter_mut().zip(&values) {
                if !array.push(value) {
                    return Err(self.name.unreadable("a key that does not fit its column"));
                }
            }
        }
        for array in arrays {
            let added = arguments.add(array);
            added.map_err(|error| self.name.error(sqlx::Error::Encode(error)))?;
        }
        Ok(())
    }

    /// Whose row it is: its first column counts the keys asked for, from 1.
    fn place_of(&self, row: &PgRow, places: &[usize]) -> Result<usize, StoreError> {
        let nth: Option<i64> = row.try_get(0).map_err(|error| self.name.error(error))?;
        let nth = nth.and_then(|nth| usize::try_from(nth - 1).ok());
        let place = nth.and_then(|nth| places.get(nth)).copied();
        place.ok_or_else(|| self.name.unreadable("a row nobody asked for"))
    }

    fn unfit(&self, table: &'static str, source: Fault) -> StoreError {
        StoreError::Row {
            store: self.name.get(),
            table,
            source,
        }
    }

    /// What a row of the answer holds; `None` where the table has no such row.
    fn stored_row(&self, table: &Statements, row: &PgRow) -> Result<Option<StoredRow>, StoreError> {
        let wrap = |error| self.name.error(error);
        let number = |at: usize| {
            row.try_get::<Option<i64>, _>(BEFORE_VERSION + at)
                .map_err(wrap)
        };
        let (Some(generation), Some(next), Some(index)) = (number(0)?, number(1)?, number(2)?)
        else {
            return Ok(None);
        };
        let first = BEFORE_VERSION + VERSION.len();
        let values = self.values(table.columns(), row, first)?;
        let value = (table.desc.from_columns)(&values);
        let value = value.map_err(|source| self.unfit(table.desc.name, source))?;
        let generation = u32::try_from(generation);
        Ok(Some(StoredRow {
            value: Some(value.into()),
            version: Version {
                generation: generation
                    .map_err(|_| self.name.unreadable("a generation that no build writes"))?,
                position: self.position_of(next, index)?,
            },
        }))
    }

    /// What stands in these columns of a row, the first of which is at `first`.
    fn values(
        &self,
        columns: impl Iterator<Item = &'static ColumnDesc>,
        row: &PgRow,
        first: usize,
    ) -> Result<Vec<SqlValue>, StoreError> {
        let wrap = |error| self.name.error(error);
        let values = columns.enumerate().map(|(nth, column)| {
            let raw = row.try_get_raw(first + nth).map_err(wrap)?;
            let bytes = match raw.is_null() {
                true => None,
                false if raw.format() == PgValueFormat::Binary => {
                    let bytes = raw.as_bytes();
                    Some(bytes.map_err(|error| wrap(sqlx::Error::Decode(error)))?)
                }
                false => return Err(self.name.unreadable("a value in text form")),
            };
            let unreadable = || self.name.unreadable("a value that no build writes");
            read(column.ty, bytes).ok_or_else(unreadable)
        });
        values.collect()
    }
}
