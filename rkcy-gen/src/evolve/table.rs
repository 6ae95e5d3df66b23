//! Owns tables as both databases have them: columns with their types, checks and places in the schema. What
//! the last migration reached is remembered as such, so that the next one needs no database to be planned.
//!
//! What a thing is, is told by numbers of the lock: of a concern, of a field, of a field inside of it. So a
//! thing that is called otherwise is known again.

use std::borrow::Cow;

use rkcy_core::decimal;

use super::shape::Shape;
use super::words::Words;
use crate::model::{Digits, Number};
use crate::naming;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// SQLite
    Sqlite,
    /// PostgreSQL
    Postgres,
}

impl Dialect {
    /// Both.
    pub const ALL: [Dialect; 2] = [Dialect::Postgres, Dialect::Sqlite];

    /// The folder of its migrations.
    pub fn folder(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }
}

/// What a column holds: the variants of the runtime's `ColumnType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum ColumnType {
    Bool,
    I32,
    I64,
    U32,
    U64,
    F32,
    F64,
    Text,
    Bytes,
    Uuid,
    Timestamp,
    Duration,
    Json,
    Decimal(Digits),
}

impl ColumnType {
    const ALL: [(ColumnType, &'static str, &'static str); 13] = [
        (ColumnType::Bool, "bool", "Bool"),
        (ColumnType::I32, "i32", "I32"),
        (ColumnType::I64, "i64", "I64"),
        (ColumnType::U32, "u32", "U32"),
        (ColumnType::U64, "u64", "U64"),
        (ColumnType::F32, "f32", "F32"),
        (ColumnType::F64, "f64", "F64"),
        (ColumnType::Text, "text", "Text"),
        (ColumnType::Bytes, "bytes", "Bytes"),
        (ColumnType::Uuid, "uuid", "Uuid"),
        (ColumnType::Timestamp, "timestamp", "Timestamp"),
        (ColumnType::Duration, "duration", "Duration"),
        (ColumnType::Json, "json", "Json"),
    ];

    fn entry(self) -> (ColumnType, &'static str, &'static str) {
        let mut all = Self::ALL.into_iter();
        all.find(|(ty, ..)| *ty == self).unwrap_or(Self::ALL[12])
    }

    /// As the lock has it.
    pub(crate) fn print(self) -> String {
        match self {
            ColumnType::Decimal(digits) => {
                format!("decimal({},{})", digits.precision, digits.scale)
            }
            other => other.entry().1.to_owned(),
        }
    }

    /// The runtime's variant, with what is in it.
    pub(crate) fn variant(self) -> String {
        match self {
            ColumnType::Decimal(digits) => format!("Decimal({digits})"),
            other => other.entry().2.to_owned(),
        }
    }

    /// What `print` printed.
    pub(crate) fn read(words: &mut Words<'_>) -> Option<Self> {
        let word = words.word();
        if word == "decimal" {
            let (precision, scale) = words
                .take("(")
                .then(|| words.until(")"))??
                .split_once(',')?;
            let digits = Digits::new(precision.parse().ok()?, scale.parse().ok()?);
            return digits.map(ColumnType::Decimal);
        }
        let mut all = Self::ALL.into_iter();
        all.find(|(_, known, _)| *known == word).map(|(ty, ..)| ty)
    }

    /// The type of the column.
    pub(crate) fn sql(self, dialect: Dialect) -> Cow<'static, str> {
        use ColumnType as T;
        let name = match (self, dialect) {
            (T::Decimal(digits), Dialect::Postgres) => return format!("NUMERIC({digits})").into(),
            (T::Decimal(_), Dialect::Sqlite) => "TEXT",
            (T::Text, _) => "TEXT",
            (T::Bool, Dialect::Postgres) => "BOOLEAN",
            (T::I32, Dialect::Postgres) => "INTEGER",
            (T::U64, Dialect::Postgres) => "NUMERIC(20)",
            (T::F32, Dialect::Postgres) => "REAL",
            (T::F64, Dialect::Postgres) => "DOUBLE PRECISION",
            (T::Bytes, Dialect::Postgres) => "BYTEA",
            (T::Uuid, Dialect::Postgres) => "UUID",
            (T::Timestamp, Dialect::Postgres) => "TIMESTAMPTZ",
            (T::Json, Dialect::Postgres) => "JSONB",
            (T::I64 | T::U32 | T::Duration, Dialect::Postgres) => "BIGINT",
            (T::Json, Dialect::Sqlite) => "TEXT",
            (T::F32 | T::F64, Dialect::Sqlite) => "REAL",
            (T::Bytes | T::Uuid | T::U64, Dialect::Sqlite) => "BLOB",
            (_, Dialect::Sqlite) => "INTEGER",
        };
        name.into()
    }

    /// The smallest and the largest value, of integers.
    pub(crate) fn bounds(self) -> Option<(i128, i128)> {
        use crate::model::Scalar;
        let scalar = match self {
            ColumnType::I32 => Scalar::I32,
            ColumnType::I64 => Scalar::I64,
            ColumnType::U32 => Scalar::U32,
            ColumnType::U64 => Scalar::U64,
            _ => return None,
        };
        scalar.integer_bounds()
    }
}

/// What the schema says of the values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// Of numbers, ends included.
    Range(Option<Number>, Option<Number>),
    /// Of text in characters, of bytes, of lists in elements.
    Length(u32, Option<u32>),
    /// Of text, all of it. SQLite knows no expressions.
    Pattern(String),
    /// The values of an enum, by number.
    Values(Vec<(u32, String)>),
}

/// What rows hold in a column that they did not have.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// `true` or `false`
    Bool(bool),
    /// A number, of any of the types.
    Number(Number),
    /// Text.
    Text(String),
    /// JSON.
    Json(String),
    /// Zeroes of a type without literals; so many bytes of those that are bytes.
    Zero(u32),
    /// Something that stands where nothing is known.
    Placeholder(Box<Fill>),
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The numbers of the field, and of the fields inside of it on the way here.
    pub id: Vec<u32>,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub ty: ColumnType,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether it is absent only where the message around it is.
    pub within: bool,
    /// Its place in the primary key, from 1.
    pub key: Option<u32>,
    /// What its values are held against.
    pub checks: Vec<Check>,
    /// What stands in the JSON.
    pub shape: Option<Shape>,
    /// What is written where nothing is said; `None` where nothing can be: it has to be given.
    pub fill: Option<Fill>,
    /// The documentation; empty if there is none. PostgreSQL alone keeps it.
    pub comment: String,
}

/// An index over the columns of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The columns.
    pub columns: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The number of its concern.
    pub number: u32,
    /// Of the elements of a list: the number of the field.
    pub list: Option<u32>,
    /// Its name.
    pub name: String,
    /// The documentation; empty if there is none.
    pub comment: String,
    /// The columns of the key, then the others.
    pub columns: Vec<Column>,
    /// The indexes beside that of the key.
    pub indexes: Vec<Index>,
    /// How it is filled from the rows of others, where it is the engine's own.
    pub derived: Option<super::derived::Derived>,
}

/// The place of an element in its list, from 0: a column of the table of each list.
pub const PLACE: &str = "_rkcy_place";

/// The hidden columns of each table but those of lists: an element is as old as its instance.
pub(crate) const VERSION: [&str; 3] = ["_rkcy_generation", "_rkcy_offset", "_rkcy_index"];

/// The type of those.
pub(crate) fn version_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "INTEGER",
        Dialect::Postgres => "BIGINT",
    }
}

impl Check {
    /// What the name of the constraint ends in.
    fn word(&self) -> &'static str {
        match self {
            Check::Range(..) => "range",
            Check::Length(..) => "length",
            Check::Pattern(_) => "pattern",
            Check::Values(_) => "values",
        }
    }
}

/// A check of one column in one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraint {
    /// Its name; PostgreSQL alone has one.
    pub(crate) name: String,
    /// The condition.
    pub(crate) sql: String,
}

impl Column {
    /// A column of the engine's own bytes.
    pub(crate) fn bytes(number: u32, name: &str, key: Option<u32>) -> Self {
        Self {
            id: vec![number],
            name: name.to_owned(),
            ty: ColumnType::Bytes,
            optional: false,
            within: false,
            key,
            checks: Vec::new(),
            shape: None,
            fill: None,
            comment: String::new(),
        }
    }

    /// The place of an element, where so many are the most.
    pub(crate) fn place(key: u32, most: Option<u32>) -> Self {
        let last = most.map(|most| Number::Int(i128::from(most) - 1));
        Self {
            // No field has this number.
            id: vec![0],
            name: PLACE.to_owned(),
            ty: ColumnType::I64,
            optional: false,
            within: false,
            key: Some(key),
            checks: vec![Check::Range(Some(Number::Int(0)), last)],
            shape: None,
            fill: None,
            comment: String::new(),
        }
    }

    /// All that the database itself holds its values against: what the schema says, and what keeps the column
    /// no wider than its type.
    pub(crate) fn constraints(&self, table: &str, dialect: Dialect) -> Vec<Constraint> {
        let column = ident(&self.name);
        let mut found: Vec<(&'static str, String)> = Vec::new();
        match (self.ty, dialect) {
            (ColumnType::Bool, Dialect::Sqlite) => {
                found.push(("type", format!("{column} IN (0, 1)")))
            }
            (ColumnType::Uuid, Dialect::Sqlite) => {
                found.push(("type", format!("length({column}) = 16")));
            }
            (ColumnType::U64, Dialect::Sqlite) => {
                found.push(("type", format!("length({column}) = 8")));
            }
            (ColumnType::Decimal(digits), Dialect::Sqlite) => {
                found.push(("type", format!("{column} GLOB {}", text(&glob(digits)))));
            }
            _ => {}
        }
        found.extend(self.range(&column, dialect).map(|sql| ("range", sql)));
        for check in &self.checks {
            let sql = match check {
                Check::Range(..) => None,
                Check::Length(min, max) => self.length(&column, *min, *max, dialect),
                Check::Pattern(pattern) => (dialect == Dialect::Postgres)
                    .then(|| format!("{column} ~ {}", text(&format!("^(?:{pattern})$")))),
                Check::Values(values) => {
                    let names: Vec<String> = values.iter().map(|(_, name)| text(name)).collect();
                    Some(format!("{column} IN ({})", names.join(", ")))
                }
            };
            found.extend(sql.map(|sql| (check.word(), sql)));
        }
        let named = found.into_iter().map(|(word, sql)| Constraint {
            name: naming::sql_constraint(table, &self.name, word),
            sql,
        });
        named.collect()
    }

    /// The limits of a number, also those of a type that the column's type is wider than.
    fn range(&self, column: &str, dialect: Dialect) -> Option<String> {
        let natural = self.ty.bounds();
        let given = self.checks.iter().find_map(|check| match check {
            Check::Range(min, max) => Some((*min, *max)),
            _ => None,
        });
        let (mut min, mut max) = given.unwrap_or_default();
        if let Some((low, high)) = natural {
            min = min.filter(|min| *min != Number::Int(low));
            max = max.filter(|max| *max != Number::Int(high));
        }
        let wider = match (self.ty, dialect) {
            // The bytes of one are compared as nothing but bytes.
            (ColumnType::U64, Dialect::Sqlite) => return None,
            (ColumnType::U32 | ColumnType::U64, _) | (ColumnType::I32, Dialect::Sqlite) => natural,
            _ => None,
        };
        if let Some((low, high)) = wider {
            min = min.or(Some(Number::Int(low)));
            max = max.or(Some(Number::Int(high)));
        }
        let shown = |limit: Number| number_in(limit, self.ty, dialect);
        match (min.map(shown), max.map(shown)) {
            (None, None) => None,
            (Some(min), None) => Some(format!("{column} >= {min}")),
            (None, Some(max)) => Some(format!("{column} <= {max}")),
            (Some(min), Some(max)) => Some(format!("{column} BETWEEN {min} AND {max}")),
        }
    }

    fn length(&self, column: &str, min: u32, max: Option<u32>, dialect: Dialect) -> Option<String> {
        let shape = self.shape.as_ref().map(Shape::present);
        let is_map = matches!(shape, Some(Shape::Map(_)));
        let entries = format!("jsonb_path_query_array({column}, '$.keyvalue()')");
        let of = if is_map { &entries } else { column };
        let function = match (self.ty, dialect) {
            // It counts members of an object by a query only, and checks hold none.
            (ColumnType::Json, Dialect::Sqlite) if is_map => return None,
            (ColumnType::Json, Dialect::Sqlite) => "json_array_length",
            (ColumnType::Json, Dialect::Postgres) => "jsonb_array_length",
            (_, Dialect::Sqlite) => "length",
            (ColumnType::Bytes, Dialect::Postgres) => "octet_length",
            (_, Dialect::Postgres) => "char_length",
        };
        let length = format!("{function}({of})");
        match (min, max) {
            (0, None) => None,
            (0, Some(max)) => Some(format!("{length} <= {max}")),
            (min, Some(max)) if min == max => Some(format!("{length} = {max}")),
            (min, Some(max)) => Some(format!("{length} BETWEEN {min} AND {max}")),
            (min, None) => Some(format!("{length} >= {min}")),
        }
    }

    /// Type and checks, as `CREATE TABLE` has them.
    pub(crate) fn definition(&self, table: &str, dialect: Dialect) -> String {
        let mut definition = self.ty.sql(dialect).into_owned();
        if !self.optional {
            definition.push_str(" NOT NULL");
        }
        for Constraint { name, sql } in self.constraints(table, dialect) {
            definition.push_str(&match dialect {
                Dialect::Sqlite => format!(" CHECK ({sql})"),
                Dialect::Postgres => format!(" CONSTRAINT {} CHECK ({sql})", ident(&name)),
            });
        }
        definition
    }
}

impl Table {
    /// Whether it is that of the instances of a concern.
    pub(crate) fn is_of(&self, concern: u32) -> bool {
        self.number == concern && self.list.is_none()
    }

    /// Whether it holds what another does, before or after a change.
    pub(crate) fn is_same(&self, other: &Table) -> bool {
        (self.number, self.list) == (other.number, other.list)
    }

    /// The hidden columns.
    pub(crate) fn version(&self) -> &'static [&'static str] {
        match self.list {
            None => &VERSION,
            Some(_) => &[],
        }
    }

    /// The columns of the key, in its order.
    pub(crate) fn key(&self) -> Vec<&Column> {
        let mut keys: Vec<&Column> = self.columns.iter().filter(|it| it.key.is_some()).collect();
        keys.sort_by_key(|column| column.key);
        keys
    }

    /// The columns beside those of the key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.key.is_none())
    }

    /// The columns of the key, quoted.
    pub(crate) fn key_list(&self) -> String {
        list(self.key().into_iter().map(|column| column.name.as_str()))
    }

    /// A column by what it is.
    pub(crate) fn column(&self, id: &[u32]) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }
}

/// Names, quoted, with commas between them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// A name, quoted.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{name}\"")
}

/// Text, quoted.
pub(crate) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What all numbers of a `decimal` look like in SQLite.
fn glob(digits: Digits) -> String {
    let of = |count: u8| "[0-9]".repeat(usize::from(count));
    let point = if digits.scale == 0 { "" } else { "." };
    format!("[-0]{}{point}{}", of(digits.whole()), of(digits.scale))
}

/// A number as a column of a type has it.
pub(crate) fn number_in(number: Number, ty: ColumnType, dialect: Dialect) -> String {
    match (number, ty, dialect) {
        (Number::Decimal(units, scale), ColumnType::Decimal(digits), Dialect::Sqlite) => {
            // A limit has the digits of its type.
            let more = digits.scale.saturating_sub(scale);
            let units = units * decimal::power(more);
            text(&decimal::to_column(units, digits.precision, digits.scale))
        }
        (Number::Int(value), ColumnType::U64, Dialect::Sqlite) => format!("x'{value:016X}'"),
        (Number::Int(value), ColumnType::F32 | ColumnType::F64, _) => format!("{value}.0"),
        (other, ..) => crate::plan::number(other),
    }
}
