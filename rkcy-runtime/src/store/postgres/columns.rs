//! Values in PostgreSQL's binary form.
//!
//! Owns what each column type is there: name, object ids, bytes. All columns of a batch travel as arrays of
//! their type, one for each column, so that a statement has one text for any number of rows.

use crate::store::{ColumnType, SqlValue};
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, Postgres};

/// PostgreSQL counts time from the year 2000 on: seconds from 1970 to there.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The base of the digits of a NUMERIC.
const NUMERIC_BASE: u64 = 10_000;
/// Version of the binary form of JSONB.
const JSONB_VERSION: u8 = 1;

/// Its type in PostgreSQL, as `format_type` names it.
pub(super) fn sql_type(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Bool => "boolean",
        ColumnType::I32 => "integer",
        ColumnType::I64 | ColumnType::U32 | ColumnType::Duration => "bigint",
        ColumnType::U64 => "numeric(20,0)",
        ColumnType::F32 => "real",
        ColumnType::F64 => "double precision",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Uuid => "uuid",
        ColumnType::Timestamp => "timestamp with time zone",
        ColumnType::Json => "jsonb",
    }
}

/// Object ids of a type and of its array; those of built-in types never change.
fn oids(ty: ColumnType) -> (u32, u32) {
    match ty {
        ColumnType::Bool => (16, 1000),
        ColumnType::I32 => (23, 1007),
        ColumnType::I64 | ColumnType::U32 | ColumnType::Duration => (20, 1016),
        ColumnType::U64 => (1700, 1231),
        ColumnType::F32 => (700, 1021),
        ColumnType::F64 => (701, 1022),
        ColumnType::Text => (25, 1009),
        ColumnType::Bytes => (17, 1001),
        ColumnType::Uuid => (2950, 2951),
        ColumnType::Timestamp => (1184, 1185),
        ColumnType::Json => (3802, 3807),
    }
}

/// The values of one column, on their way into a statement.
#[derive(Debug)]
pub(super) struct Array {
    ty: ColumnType,
    count: i32,
    has_null: bool,
    elements: Vec<u8>,
}

impl Array {
    pub(super) fn of(ty: ColumnType) -> Array {
        Array {
            ty,
            count: 0,
            has_null: false,
            elements: Vec::new(),
        }
    }

    /// Adds a value; `false` where the column's type has no such value.
    #[must_use]
    pub(super) fn push(&mut self, value: &SqlValue) -> bool {
        self.count += 1;
        if *value == SqlValue::Null {
            self.has_null = true;
            self.elements.extend((-1_i32).to_be_bytes());
            return true;
        }
        let start = self.elements.len();
        self.elements.extend([0; 4]);
        if write(self.ty, value, &mut self.elements).is_none() {
            return false;
        }
        let length = i32::try_from(self.elements.len() - start - 4);
        let Ok(length) = length else { return false };
        self.elements[start..start + 4].copy_from_slice(&length.to_be_bytes());
        true
    }
}

impl sqlx::Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        // Each value says of which type it is.
        PgTypeInfo::with_oid(Oid(oids(ColumnType::Bytes).1))
    }
}

impl Encode<'_, Postgres> for Array {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(oids(self.ty).1)))
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        // One dimension, of `count` elements from 1 on.
        let dimensions: i32 = 1;
        buffer.extend(dimensions.to_be_bytes());
        buffer.extend(i32::from(self.has_null).to_be_bytes());
        buffer.extend(oids(self.ty).0.to_be_bytes());
        buffer.extend(self.count.to_be_bytes());
        buffer.extend(1_i32.to_be_bytes());
        buffer.extend_from_slice(&self.elements);
        Ok(IsNull::No)
    }

    fn size_hint(&self) -> usize {
        20 + self.elements.len()
    }
}

/// The bytes of a value; `None` where the type has no such value.
fn write(ty: ColumnType, value: &SqlValue, into: &mut Vec<u8>) -> Option<()> {
    match (ty, value) {
        (ColumnType::Bool, SqlValue::Bool(it)) => into.push(u8::from(*it)),
        (ColumnType::I32, SqlValue::I64(it)) => {
            into.extend(i32::try_from(*it).ok()?.to_be_bytes());
        }
        (ColumnType::I64 | ColumnType::U32 | ColumnType::Duration, SqlValue::I64(it)) => {
            into.extend(it.to_be_bytes());
        }
        (ColumnType::Timestamp, SqlValue::I64(it)) => {
            into.extend(it.checked_sub(EPOCH_MICROS)?.to_be_bytes());
        }
        (ColumnType::U64, SqlValue::Blob(it)) => {
            numeric(u64::from_be_bytes(it.as_slice().try_into().ok()?), into);
        }
        // Widened on the way in, so nothing is lost.
        (ColumnType::F32, SqlValue::F64(it)) => into.extend((*it as f32).to_be_bytes()),
        (ColumnType::F64, SqlValue::F64(it)) => into.extend(it.to_be_bytes()),
        (ColumnType::Text, SqlValue::Text(it)) => into.extend(it.as_bytes()),
        (ColumnType::Bytes, SqlValue::Blob(it)) => into.extend(it),
        (ColumnType::Uuid, SqlValue::Blob(it)) if it.len() == 16 => into.extend(it),
        (ColumnType::Json, SqlValue::Text(it)) => {
            into.push(JSONB_VERSION);
            into.extend(it.as_bytes());
        }
        _ => return None,
    }
    Some(())
}

/// What stands in a column: `bytes` of it in binary form, `None` where it is NULL.
pub(super) fn read(ty: ColumnType, bytes: Option<&[u8]>) -> Option<SqlValue> {
    let Some(bytes) = bytes else {
        return Some(SqlValue::Null);
    };
    Some(match ty {
        ColumnType::Bool => SqlValue::Bool(bytes == [1]),
        ColumnType::I32 => SqlValue::I64(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        ColumnType::I64 | ColumnType::U32 | ColumnType::Duration => {
            SqlValue::I64(i64::from_be_bytes(bytes.try_into().ok()?))
        }
        ColumnType::Timestamp => {
            let since_2000 = i64::from_be_bytes(bytes.try_into().ok()?);
            SqlValue::I64(since_2000.checked_add(EPOCH_MICROS)?)
        }
        ColumnType::U64 => SqlValue::Blob(unsigned(bytes)?.to_be_bytes().to_vec()),
        ColumnType::F32 => SqlValue::F64(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
        ColumnType::F64 => SqlValue::F64(f64::from_be_bytes(bytes.try_into().ok()?)),
        ColumnType::Text => SqlValue::Text(String::from_utf8(bytes.to_vec()).ok()?),
        ColumnType::Bytes | ColumnType::Uuid => SqlValue::Blob(bytes.to_vec()),
        ColumnType::Json => match bytes.split_first()? {
            (&JSONB_VERSION, text) => SqlValue::Text(String::from_utf8(text.to_vec()).ok()?),
            _ => return None,
        },
    })
}

/// A number as NUMERIC: count of digits, weight of the first, sign, digits behind the point, digits.
fn numeric(value: u64, into: &mut Vec<u8>) {
    let mut digits: Vec<u16> = Vec::new();
    let mut rest = value;
    while rest > 0 {
        // Below the base.
        digits.push((rest % NUMERIC_BASE) as u16);
        rest /= NUMERIC_BASE;
    }
    let weight = digits.len().saturating_sub(1) as u16;
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let kept = &digits[zeros..];
    for field in [kept.len() as u16, weight, 0, 0] {
        into.extend(field.to_be_bytes());
    }
    for digit in kept.iter().rev() {
        into.extend(digit.to_be_bytes());
    }
}

/// A NUMERIC without sign and fraction.
fn unsigned(bytes: &[u8]) -> Option<u64> {
    let mut fields = bytes
        .chunks_exact(2)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    let (count, weight) = (fields.next()?, fields.next()?);
    let (sign, scale) = (fields.next()?, fields.next()?);
    if sign != 0 || scale != 0 {
        return None;
    }
    if count == 0 {
        return Some(0);
    }
    let mut value: u64 = 0;
    for _ in 0..=weight {
        let digit = u64::from(fields.next().unwrap_or(0));
        value = value.checked_mul(NUMERIC_BASE)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_sign_come_back() {
        for value in [
            0,
            1,
            9_999,
            10_000,
            10_001,
            100_000_000,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            numeric(value, &mut bytes);
            assert_eq!(unsigned(&bytes), Some(value));
        }
        let mut ten_thousand = Vec::new();
        numeric(10_000, &mut ten_thousand);
        assert_eq!(
            ten_thousand,
            [0, 1, 0, 1, 0, 0, 0, 0, 0, 1],
            "no digits of zero at the end"
        );
    }

    #[test]
    fn what_a_column_cannot_hold_is_not_bent() {
        for (ty, value) in [
            (ColumnType::I32, SqlValue::I64(i64::MAX)),
            (ColumnType::Uuid, SqlValue::Blob(vec![1])),
            (ColumnType::U64, SqlValue::Blob(vec![1])),
            (ColumnType::Text, SqlValue::I64(1)),
            (ColumnType::Timestamp, SqlValue::I64(i64::MIN)),
        ] {
            assert!(!Array::of(ty).push(&value), "{ty:?}");
        }
    }
}
