//! How a concern is stored: what generated code says of its table.

use rkcy_core::fault::Fault;
use rkcy_core::id::ConcernId;
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use std::collections::BTreeMap;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// Absent.
    Null,
    /// A truth value; SQLite stores 0 or 1.
    Bool(bool),
    /// A number of up to 64 bits.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Text without NUL.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What a column holds, as the schema says it. Each names the [`SqlValue`] that generated code makes of
/// it; how a database stores that is the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// A truth value: `Bool`; read back, also `I64` 0 or 1.
    Bool,
    /// `I64`.
    I32,
    /// `I64`.
    I64,
    /// `I64`.
    U32,
    /// `Blob` of eight bytes, big-endian, so that they sort.
    U64,
    /// `F64`, widened.
    F32,
    /// `F64`.
    F64,
    /// `Text`; enums as well.
    Text,
    /// `Blob`.
    Bytes,
    /// `Blob` of 16 bytes.
    Uuid,
    /// `I64`, microseconds since 1970.
    Timestamp,
    /// `I64`, microseconds.
    Duration,
    /// `Text` in the form of [`rkcy_core::decimal::to_column`], which sorts: so many digits in all, so many of them
    /// behind the point.
    Decimal(u8, u8),
    /// `Text`, JSON.
    Json,
}

impl ColumnType {
    /// A column of this type.
    #[must_use]
    pub const fn column(self, name: &'static str) -> ColumnDesc {
        ColumnDesc { name, ty: self }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnDesc {
    /// Its name, not quoted.
    pub name: &'static str,
    /// What it holds.
    pub ty: ColumnType,
}

/// The place of an element in its list, from 0: a column of the table of each [`ListDesc`].
pub(super) const PLACE: ColumnDesc = ColumnType::I64.column("_rkcy_place");

/// What stands in the columns of an element of a list.
pub type Element = Vec<SqlValue>;

/// Puts elements behind those of an encoded instance.
pub type WithRows = fn(&[u8], &[Element]) -> Result<Vec<u8>, Fault>;

/// A list of instances in a table of its own: a row for each element.
#[derive(Debug)]
pub struct ListDesc {
    /// Name of the table, not quoted.
    pub name: &'static str,
    /// Names of the columns of the instance's key there, not quoted; they hold what its key columns hold.
    pub key_columns: &'static [&'static str],
    /// The columns of an element.
    pub columns: &'static [ColumnDesc],
    /// The elements of an encoded instance, in their order: what stands in the columns of each.
    pub to_rows: fn(&[u8]) -> Result<Vec<Element>, Fault>,
    /// An encoded instance with these elements behind those that it has.
    pub with_rows: WithRows,
}

impl ListDesc {
    /// Puts elements that were read into the rows that they are of, by the places of those. Elements of a row that is
    /// not there are nobody's.
    pub(super) fn put(
        &self,
        elements: BTreeMap<usize, Vec<Element>>,
        rows: &mut [(RowKey, StoredRow)],
    ) -> Result<(), Fault> {
        for (place, elements) in elements {
            if let Some(value) = &mut rows[place].1.value {
                *value = (self.with_rows)(value, &elements)?.into();
            }
        }
        Ok(())
    }
}

/// The table of a concern.
#[derive(Debug)]
pub struct TableDesc {
    /// Its concern.
    pub concern: ConcernId,
    /// Name of the table, not quoted.
    pub name: &'static str,
    /// The key columns.
    pub key_columns: &'static [ColumnDesc],
    /// The columns of the value, without the key.
    pub value_columns: &'static [ColumnDesc],
    /// Key columns of canonical key bytes.
    pub key: fn(&[u8]) -> Result<Vec<SqlValue>, Fault>,
    /// The lists that have tables of their own.
    pub lists: &'static [ListDesc],
    /// Value columns of an encoded instance.
    pub to_columns: fn(&[u8]) -> Result<Vec<SqlValue>, Fault>,
    /// Encoded instance of its key columns and value columns, in that order; its lists are empty.
    pub from_columns: fn(&[SqlValue]) -> Result<Vec<u8>, Fault>,
}

/// One numbered step of the database's schema.
#[derive(Debug)]
pub struct Migration {
    /// Its number, from 1, without gaps.
    pub number: u32,
    /// Its name, for people.
    pub name: &'static str,
    /// SQL that applies it.
    pub up: &'static str,
    /// SQL that takes it back.
    pub down: &'static str,
}
