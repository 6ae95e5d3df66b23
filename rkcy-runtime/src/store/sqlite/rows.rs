//! Rows as columns.
//!
//! Owns binding a row to a statement and reading it back, by what generated code says of its table.

use super::SqliteStore;
use crate::store::{SqlValue, StoreError, TableDesc};
use rkcy_core::id::{Position, Version};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Row, TypeInfo, ValueRef};

impl SqliteStore {
    /// Binds key columns and, where there is a value, its columns and version.
    pub(super) fn bind_row(
        &self,
        table: &'static TableDesc,
        key: &RowKey,
        row: &StoredRow,
        arguments: &mut SqliteArguments,
    ) -> Result<(), StoreError> {
        let unfit = |source| StoreError::Row {
            store: self.name.get(),
            table: table.name,
            source,
        };
        for column in (table.key)(key.key.as_bytes()).map_err(unfit)? {
            self.bind(column, arguments)?;
        }
        let Some(value) = &row.value else {
            return Ok(());
        };
        for column in (table.to_columns)(value).map_err(unfit)? {
            self.bind(column, arguments)?;
        }
        let (next, index) = row.version.position.to_raw();
        self.bind(SqlValue::I64(i64::from(row.version.generation)), arguments)?;
        self.bind(SqlValue::I64(next.cast_signed()), arguments)?;
        self.bind(SqlValue::I64(i64::from(index)), arguments)
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

    /// Reads a row that a load statement found: which of the keys it is, and what it holds.
    pub(super) fn stored_row(
        &self,
        table: &'static TableDesc,
        row: &SqliteRow,
    ) -> Result<(usize, StoredRow), StoreError> {
        let number = |at: usize| row.try_get::<i64, _>(at).map_err(|e| self.name.error(e));
        let first = number(0)?;
        let (generation, next, index) = (number(1)?, number(2)?, number(3)?);
        let columns = table.key_columns.len() + table.value_columns.len();
        let values: Result<Vec<SqlValue>, StoreError> = (4..4 + columns)
            .map(|at| column(row, at).map_err(|e| self.name.error(e)))
            .collect();
        let value = (table.from_columns)(&values?).map_err(|source| StoreError::Row {
            store: self.name.get(),
            table: table.name,
            source,
        })?;
        let version = Version {
            generation: u32::try_from(generation).map_err(|_| self.name.bad_number())?,
            position: position(next, index).ok_or_else(|| self.name.bad_number())?,
        };
        let ordinal = usize::try_from(first).map_err(|_| self.name.bad_number())?;
        Ok((
            ordinal,
            StoredRow {
                value: Some(value.into()),
                version,
            },
        ))
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
