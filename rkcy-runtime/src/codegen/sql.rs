//! Values in columns.
//!
//! Owns what each type of the schema is in a column, for the `to_columns` and `from_columns` that
//! generated code has for every concern. Which columns there are is generated; how a target stores a
//! [`SqlValue`] is the store's.

use super::blob::Blob;
use super::platform::Concern;
use super::time::{Duration, Timestamp};
use super::value::Ref;
use crate::store::SqlValue;
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A type that one column holds.
pub trait Column: Sized {
    /// What stands in the column.
    fn to_sql(&self) -> SqlValue;
    /// The value; `None` where the column holds something else.
    fn from_sql(value: &SqlValue) -> Option<Self>;
}

/// What stands in the column of a value.
pub fn sql<T: Column>(value: &T) -> SqlValue {
    value.to_sql()
}

/// What stands in the column of a field of an optional message.
pub fn sql_optional<T: Column>(value: Option<&T>) -> SqlValue {
    value.map_or(SqlValue::Null, Column::to_sql)
}

/// What stands in a JSON column: canonical JSON, since fields have an order.
///
/// # Errors
/// Never for values of a schema; the serializer cannot know.
pub fn sql_json<T: Serialize>(value: &T) -> Result<SqlValue, Fault> {
    match serde_json::to_string(value) {
        Ok(text) if text == "null" => Ok(SqlValue::Null),
        Ok(text) => Ok(SqlValue::Text(text)),
        Err(error) => Err(Fault::new(Class::Corrupt, "unreadable", error.to_string())),
    }
}

/// The columns of a row, read one after the other.
#[derive(Debug)]
pub struct Columns<'a> {
    concern: &'static str,
    values: std::slice::Iter<'a, SqlValue>,
}

impl<'a> Columns<'a> {
    /// Reads from the first column.
    #[must_use]
    pub fn new(concern: &'static str, values: &'a [SqlValue]) -> Columns<'a> {
        Columns {
            concern,
            values: values.iter(),
        }
    }

    /// The next column.
    ///
    /// # Errors
    /// Where it holds another type.
    pub fn take<T: Column>(&mut self, name: &str) -> Result<T, Fault> {
        let value = self.next(name)?;
        T::from_sql(value).ok_or_else(|| self.wrong(name, "holds another type"))
    }

    /// The next column, of JSON.
    ///
    /// # Errors
    /// Where it holds another value.
    pub fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Fault> {
        let text = match self.next(name)? {
            SqlValue::Null => "null",
            SqlValue::Text(text) => text,
            _ => return Err(self.wrong(name, "holds no JSON")),
        };
        serde_json::from_str(text).map_err(|error| self.wrong(name, &error.to_string()))
    }

    /// The column that tells whether an optional message is there; if not, its `count` columns are
    /// passed over.
    ///
    /// # Errors
    /// Where it holds no truth value.
    pub fn present(&mut self, name: &str, count: usize) -> Result<bool, Fault> {
        let present: bool = self.take(name)?;
        if !present {
            for _ in 0..count {
                self.next(name)?;
            }
        }
        Ok(present)
    }

    /// Whether an optional value of `count` columns, which are all there or all absent, is absent; then
    /// they are passed over.
    ///
    /// # Errors
    /// Where there are no such columns.
    pub fn absent(&mut self, name: &str, count: usize) -> Result<bool, Fault> {
        let first = self.values.as_slice().first();
        let absent = match first {
            Some(value) => *value == SqlValue::Null,
            None => return Err(self.wrong(name, "is missing")),
        };
        if absent {
            for _ in 0..count {
                self.next(name)?;
            }
        }
        Ok(absent)
    }

    fn next(&mut self, name: &str) -> Result<&'a SqlValue, Fault> {
        self.values
            .next()
            .ok_or_else(|| self.wrong(name, "is missing"))
    }

    fn wrong(&self, name: &str, what: &str) -> Fault {
        let message = format!("column `{name}` of {} {what}", self.concern);
        Fault::new(Class::Corrupt, "unreadable_row", message)
    }
}

macro_rules! columns {
    ($($type:ty: $to:expr, $($from:pat => $back:expr),+;)*) => { $(
        impl Column for $type {
            fn to_sql(&self) -> SqlValue {
                $to(self)
            }
            fn from_sql(value: &SqlValue) -> Option<Self> {
                match value {
                    $($from => $back,)+
                    _ => None,
                }
            }
        }
    )* };
}

columns! {
    bool: |it: &bool| SqlValue::Bool(*it),
        SqlValue::Bool(it) => Some(*it),
        SqlValue::I64(0) => Some(false),
        SqlValue::I64(1) => Some(true);
    i32: |it: &i32| SqlValue::I64(i64::from(*it)), SqlValue::I64(it) => i32::try_from(*it).ok();
    i64: |it: &i64| SqlValue::I64(*it), SqlValue::I64(it) => Some(*it);
    u32: |it: &u32| SqlValue::I64(i64::from(*it)), SqlValue::I64(it) => u32::try_from(*it).ok();
    // Neither target has an unsigned 64-bit integer: eight bytes, big-endian, so that they sort.
    u64: |it: &u64| SqlValue::Blob(it.to_be_bytes().to_vec()),
        SqlValue::Blob(it) => Some(u64::from_be_bytes(it.as_slice().try_into().ok()?));
    f32: |it: &f32| SqlValue::F64(f64::from(*it)),
        // Widened on the way in, so nothing is lost on the way back.
        SqlValue::F64(it) => Some(*it as f32);
    f64: |it: &f64| SqlValue::F64(*it), SqlValue::F64(it) => Some(*it);
    String: |it: &String| SqlValue::Text(it.clone()), SqlValue::Text(it) => Some(it.clone());
    Uuid: |it: &Uuid| SqlValue::Blob(it.as_bytes().to_vec()),
        SqlValue::Blob(it) => Uuid::from_slice(it).ok();
    Blob: |it: &Blob| SqlValue::Blob(it.0.to_vec()),
        SqlValue::Blob(it) => Some(Blob(Bytes::copy_from_slice(it)));
    Timestamp: |it: &Timestamp| SqlValue::I64(it.as_micros()),
        SqlValue::I64(it) => Some(Timestamp::from_micros(*it));
    Duration: |it: &Duration| SqlValue::I64(it.as_micros()),
        SqlValue::I64(it) => Some(Duration::from_micros(*it));
}

impl<C: Concern<Key: Column>> Column for Ref<C> {
    fn to_sql(&self) -> SqlValue {
        self.key().to_sql()
    }
    fn from_sql(value: &SqlValue) -> Option<Self> {
        C::Key::from_sql(value).map(Ref::new)
    }
}

impl<T: Column> Column for Option<T> {
    fn to_sql(&self) -> SqlValue {
        sql_optional(self.as_ref())
    }
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Null => Some(None),
            value => T::from_sql(value).map(Some),
        }
    }
}
