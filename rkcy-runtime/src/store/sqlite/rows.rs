//! Rows as columns.
//!
//! Owns what is bound to a statement for a row, and reading it back, by what generated code says of its table.

use super::SqliteStore;
use crate::store::{ListDesc, SqlValue, StoreError, TableDesc};
use rkcy_core::fault::Fault;
use rkcy_core::id::{Position, Version};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Row, TypeInfo, ValueRef};

impl SqliteStore {
    /// Key columns of a key.
    pub(super) fn key(
        &self,
        table: &'static TableDesc,
        key: &RowKey,
    ) -> Result<Vec<SqlValue>, StoreError> {
        (table.key)(key.key.as_bytes()).map_err(|source| self.unfit(table.name, source))
    }

    /// Key columns and, where there is a value, its columns and version.
    pub(super) fn columns(
        &self,
        table: &'static TableDesc,
        key: &RowKey,
        row: &StoredRow,
    ) -> Result<Vec<SqlValue>, StoreError> {
        let mut columns = self.key(table, key)?;
        if let Some(value) = &row.value {
            let values = (table.to_columns)(value);
            columns.extend(values.map_err(|source| self.unfit(table.name, source))?);
            let (next, index) = row.version.position.to_raw();
            columns.push(SqlValue::I64(i64::from(row.version.generation)));
            columns.push(SqlValue::I64(next.cast_signed()));
            columns.push(SqlValue::I64(i64::from(index)));
        }
        Ok(columns)
    }

    /// The elements of a list of all of these rows: the instance's key, the place, the columns.
    pub(super) fn elements(
        &self,
        table: &'static TableDesc,
        list: &'static ListDesc,
        rows: &[(&RowKey, &StoredRow)],
    ) -> Result<Vec<Vec<SqlValue>>, StoreError> {
        let mut all = Vec::new();
        for (key, row) in rows {
            let Some(value) = &row.value else { continue };
            let key = self.key(table, key)?;
            let elements = (list.to_rows)(value);
            let elements = elements.map_err(|source| self.unfit(list.name, source))?;
            for (place, element) in (0..).zip(elements) {
                let columns = key.iter().cloned().chain([SqlValue::I64(place)]);
                all.push(columns.chain(element).collect());
            }
        }
        Ok(all)
    }

    pub(super) fn unfit(&self, table: &'static str, source: Fault) -> StoreError {
        StoreError::Row {
            store: self.name.get(),
            table,
            source,
        }
    }

    pub(super) fn bind(
        &self,
        value: SqlValue,
        arguments: &mut SqliteArguments,
    ) -> Result<(), StoreError> {
        let added = match value {
            SqlValue::Null => arguments.add(None::<i64>),
            SqlValue::Bool(value) => arguments.add(i64::from(value)),
            SqlValue::I64(value) => arguments.add(value),
            SqlValue::F64(value) => arguments.add(value),
            SqlValue::Text(value) => arguments.add(value),
            SqlValue::Blob(value) => arguments.add(value),
        };
        added.map_err(|e| self.name.error(sqlx::Error::Encode(e)))
    }

    /// Whose row it is: its first column counts the keys asked for, from 0.
    pub(super) fn place_of(&self, row: &SqliteRow, places: &[usize]) -> Result<usize, StoreError> {
        let nth: i64 = row.try_get(0).map_err(|e| self.name.error(e))?;
        let place = usize::try_from(nth).ok().and_then(|nth| places.get(nth));
        place.copied().ok_or_else(|| self.name.bad_number())
    }

    /// What stands in so many columns of a row, from `first` on.
    pub(super) fn values(
        &self,
        row: &SqliteRow,
        first: usize,
        count: usize,
    ) -> Result<Vec<SqlValue>, StoreError> {
        let values = (first..first + count).map(|at| column(row, at));
        let values: Result<Vec<SqlValue>, sqlx::Error> = values.collect();
        values.map_err(|e| self.name.error(e))
    }

    /// Reads a row that a load statement found.
    pub(super) fn stored_row(
        &self,
        table: &'static TableDesc,
        row: &SqliteRow,
    ) -> Result<StoredRow, StoreError> {
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| self.name.error(e));
        let (generation, next, index) = (number(1)?, number(2)?, number(3)?);
        let columns = table.key_columns.len() + table.value_columns.len();
        let value = (table.from_columns)(&self.values(row, 4, columns)?);
        let value = value.map_err(|source| self.unfit(table.name, source))?;
        let version = Version {
            generation: u32::try_from(generation).map_err(|_| self.name.bad_number())?,
            position: position(next, index).ok_or_else(|| self.name.bad_number())?,
        };
        Ok(StoredRow {
            value: Some(value.into()),
            version,
        })
    }
}

/// A position out of its two columns.
pub(super) fn position(next: i64, index: i64) -> Option<Position> {
    Some(Position::from_raw(
        next.cast_unsigned(),
        u32::try_from(index).ok()?,
    ))
}

/// What stands in a column, by the type it has in this row.
fn column(row: &SqliteRow, at: usize) -> Result<SqlValue, sqlx::Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    let of = raw.type_info().into_owned();
    Ok(match of.name() {
        "REAL" => SqlValue::F64(row.try_get_unchecked(at)?),
        "TEXT" => SqlValue::Text(row.try_get_unchecked(at)?),
        "BLOB" => SqlValue::Blob(row.try_get_unchecked(at)?),
        _ => SqlValue::I64(row.try_get_unchecked(at)?),
    })
}
