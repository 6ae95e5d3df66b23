//! How a concern is stored: what generated code says of its table.

use rkcy_core::fault::Fault;
use rkcy_core::id::ConcernId;

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

/// The table of a concern.
#[derive(Debug)]
pub struct TableDesc {
    /// Its concern.
    pub concern: ConcernId,
    /// Name of the table, not quoted.
    pub name: &'static str,
    /// Names of the key columns, not quoted.
    pub key_columns: &'static [&'static str],
    /// Names of the columns of the value, without the key, not quoted.
    pub value_columns: &'static [&'static str],
    /// Key columns of canonical key bytes.
    pub key: fn(&[u8]) -> Result<Vec<SqlValue>, Fault>,
    /// Value columns of an encoded instance.
    pub to_columns: fn(&[u8]) -> Result<Vec<SqlValue>, Fault>,
    /// Encoded instance of its key columns and value columns, in that order.
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
