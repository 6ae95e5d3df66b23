//! Values in PostgreSQL's binary form.
//!
//! Owns what each column type is there: name, object ids, bytes. All columns of a batch travel as arrays of
//! their type, one for each column, so that a statement has one text for any number of rows.

use crate::store::{ColumnType, SqlValue};
use rkcy_core::decimal;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, Postgres};
use std::borrow::Cow;

/// PostgreSQL counts time from the year 2000 on: seconds from 1970 to there.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// A digit of a NUMERIC is so many of a decimal number.
const NUMERIC_DIGITS: usize = 4;
/// The sign of a NUMERIC above and below zero; NaN and infinities have others.
const NUMERIC_SIGNS: [u16; 2] = [0, 0x4000];
/// Version of the binary form of JSONB.
const JSONB_VERSION: u8 = 1;

/// Its type in PostgreSQL, as `format_type` names it.
pub(super) fn sql_type(ty: ColumnType) -> Cow<'static, str> {
    let name = match ty {
        ColumnType::Decimal(precision, scale) => {
            return format!("numeric({precision},{scale})").into();
        }
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
    };
    name.into()
}

/// Object ids of a type and of its array; those of built-in types never change.
fn oids(ty: ColumnType) -> (u32, u32) {
    match ty {
        ColumnType::Bool => (16, 1000),
        ColumnType::I32 => (23, 1007),
        ColumnType::I64 | ColumnType::U32 | ColumnType::Duration => (20, 1016),
        ColumnType::U64 | ColumnType::Decimal(..) => (1700, 1231),
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
            let number = u64::from_be_bytes(it.as_slice().try_into().ok()?);
            numeric(number.into(), 0, into)?;
        }
        (ColumnType::Decimal(precision, scale), SqlValue::Text(it)) => {
            numeric(decimal::from_column(it, precision, scale)?, scale, into)?;
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
        ColumnType::U64 => {
            let number = u64::try_from(units(bytes, 0)?).ok()?;
            SqlValue::Blob(number.to_be_bytes().to_vec())
        }
        ColumnType::Decimal(precision, scale) => {
            let units = units(bytes, scale)?;
            let fits = units.abs() < decimal::power(precision);
            SqlValue::Text(fits.then(|| decimal::to_column(units, precision, scale))?)
        }
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

/// A number of units as NUMERIC: count of digits, weight of the first, sign, decimal digits behind the point, digits.
/// There are no digits of zero at either end.
fn numeric(units: i128, scale: u8, into: &mut Vec<u8>) -> Option<()> {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    // The point stands between two digits of a NUMERIC.
    let before = whole.len().next_multiple_of(NUMERIC_DIGITS);
    let behind = scale.next_multiple_of(NUMERIC_DIGITS);
    let all = format!("{whole:0>before$}{fraction:0<behind$}");
    let groups = all.as_bytes().chunks(NUMERIC_DIGITS);
    let groups: Vec<u16> = groups
        .map(|group| std::str::from_utf8(group).ok()?.parse().ok())
        .collect::<Option<_>>()?;
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    let end = groups.iter().rposition(|group| *group != 0);
    let kept = &groups[zeros..end.map_or(zeros, |end| end + 1)];
    let weight = match kept.is_empty() {
        true => 0,
        false => i16::try_from(before / NUMERIC_DIGITS).ok()? - 1 - i16::try_from(zeros).ok()?,
    };
    into.extend(u16::try_from(kept.len()).ok()?.to_be_bytes());
    into.extend(weight.to_be_bytes());
    into.extend(NUMERIC_SIGNS[usize::from(units < 0)].to_be_bytes());
    into.extend(u16::try_from(scale).ok()?.to_be_bytes());
    for group in kept {
        into.extend(group.to_be_bytes());
    }
    Some(())
}

/// The units of a NUMERIC; `None` where it has other digits beyond them than zeros.
fn units(bytes: &[u8], scale: u8) -> Option<i128> {
    let mut fields = bytes
        .chunks_exact(2)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    let (count, weight) = (fields.next()?, fields.next()?.cast_signed());
    let (sign, _shown) = (fields.next()?, fields.next()?);
    let is_negative = NUMERIC_SIGNS.iter().position(|known| *known == sign)? == 1;
    let mut units: i128 = 0;
    for place in 0..i32::from(count) {
        let digit = i128::from(fields.next()?);
        // How many decimal digits stand between its last one and the last of a unit.
        let above = (i32::from(weight) - place) * 4 + i32::from(scale);
        let part = match u32::try_from(above) {
            Ok(above) => digit.checked_mul(10_i128.checked_pow(above)?)?,
            Err(_) => {
                let below = 10_i128.checked_pow(above.unsigned_abs())?;
                (digit % below == 0).then_some(digit / below)?
            }
        };
        units = units.checked_add(part)?;
    }
    Some(if is_negative { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let most = decimal::power(38) - 1;
        for number in [
            0,
            1,
            -1,
            9_999,
            10_000,
            10_001,
            -100_000_000,
            u64::MAX.into(),
            most,
            -most,
        ] {
            for scale in [0, 1, 2, 4, 7, 38] {
                let mut bytes = Vec::new();
                numeric(number, scale, &mut bytes).unwrap();
                assert_eq!(units(&bytes, scale), Some(number), "{number} {scale}");
            }
        }
        let written = |units, scale| {
            let mut bytes = Vec::new();
            numeric(units, scale, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(
            written(10_000, 0),
            [0, 1, 0, 1, 0, 0, 0, 0, 0, 1],
            "no digits of zero at the end"
        );
        assert_eq!(
            written(-1, 6),
            [0, 1, 255, 254, 64, 0, 0, 6, 0, 100],
            "nor at the beginning"
        );
    }

    #[test]
    fn what_is_no_number_of_units_is_not_rounded() {
        let mut bytes = Vec::new();
        numeric(125, 2, &mut bytes).unwrap();
        assert_eq!(units(&bytes, 1), None);
        assert_eq!(units(&bytes, 4), Some(12_500));
        let nan = [0, 0, 0, 0, 0xC0, 0, 0, 0];
        assert_eq!(units(&nan, 0), None);
    }

    #[test]
    fn what_a_column_cannot_hold_is_not_bent() {
        for (ty, value) in [
            (ColumnType::I32, SqlValue::I64(i64::MAX)),
            (ColumnType::Uuid, SqlValue::Blob(vec![1])),
            (ColumnType::U64, SqlValue::Blob(vec![1])),
            (ColumnType::Text, SqlValue::I64(1)),
            (ColumnType::Timestamp, SqlValue::I64(i64::MIN)),
            (ColumnType::Decimal(4, 2), SqlValue::Text("1.25".to_owned())),
        ] {
            assert!(!Array::of(ty).push(&value), "{ty:?}");
        }
    }
}
