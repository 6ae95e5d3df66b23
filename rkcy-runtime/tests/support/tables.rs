//! Tables for the tests of stores: one of a key and a few columns, one of a key alone, one of every type.

use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, PartitionId, Position, Version};
use rkcy_core::key::{Key, KeyPart, RowKey};
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use rkcy_runtime::codegen::{
    Blob, Columns, Decimal, Duration, Timestamp, Uuid, sql, sql_json, sql_optional,
};
use rkcy_runtime::store::{ColumnType, Dialect, Migration, SqlValue, TableDesc};
use std::sync::Arc;

pub(crate) const PARTITION: PartitionId = PartitionId {
    concern: ConcernId(1),
    index: 0,
};

/// A concern with one key column; a value is `name`, a zero byte, `gold` in eight bytes.
pub(crate) static PLAYER: TableDesc = TableDesc {
    concern: ConcernId(1),
    name: "player",
    key_columns: &[ColumnType::Bytes.column("id")],
    value_columns: &[
        ColumnType::Text.column("name"),
        ColumnType::I64.column("gold"),
        ColumnType::F64.column("ratio"),
        ColumnType::Text.column("note"),
        ColumnType::Bool.column("flag"),
    ],
    key: |bytes| Ok(vec![SqlValue::Blob(bytes.to_vec())]),
    to_columns: |bytes| {
        let split = bytes
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(unreadable)?;
        let gold = i64::from_be_bytes(bytes[split + 1..].try_into().map_err(|_| unreadable())?);
        let name = String::from_utf8(bytes[..split].to_vec()).map_err(|_| unreadable())?;
        Ok(vec![
            SqlValue::Text(name),
            SqlValue::I64(gold),
            SqlValue::F64(0.5),
            SqlValue::Null,
            SqlValue::Bool(gold > 10),
        ])
    },
    from_columns: |columns| match columns {
        [
            SqlValue::Blob(_),
            SqlValue::Text(name),
            SqlValue::I64(gold),
            SqlValue::F64(_),
            SqlValue::Null,
            SqlValue::I64(_) | SqlValue::Bool(_),
        ] => Ok([name.as_bytes(), &[0], &gold.to_be_bytes()].concat()),
        _ => Err(unreadable()),
    },
};

/// A concern with a key of two columns and nothing else.
pub(crate) static MEMBER: TableDesc = TableDesc {
    concern: ConcernId(2),
    name: "member",
    key_columns: &[
        ColumnType::Text.column("guild"),
        ColumnType::U32.column("number"),
    ],
    value_columns: &[],
    key: |mut bytes| {
        let guild = String::decode_key(&mut bytes).ok_or_else(unreadable)?;
        let number = u32::decode_key(&mut bytes).ok_or_else(unreadable)?;
        Ok(vec![
            SqlValue::Text(guild),
            SqlValue::I64(i64::from(number)),
        ])
    },
    to_columns: |_| Ok(vec![]),
    from_columns: |_| Ok(b"member".to_vec()),
};

fn unreadable() -> Fault {
    Fault::new(Class::Corrupt, "unreadable", "")
}

/// What is in a row of [`EVERYTHING`]: a value of every type of a schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Everything {
    pub(crate) a_bool: Option<bool>,
    pub(crate) a_i32: Option<i32>,
    pub(crate) a_i64: Option<i64>,
    pub(crate) a_u32: Option<u32>,
    pub(crate) a_u64: Option<u64>,
    pub(crate) a_f32: Option<f32>,
    pub(crate) a_f64: Option<f64>,
    pub(crate) a_text: Option<String>,
    pub(crate) a_bytes: Option<Blob>,
    pub(crate) a_uuid: Option<Uuid>,
    pub(crate) a_timestamp: Option<Timestamp>,
    pub(crate) a_duration: Option<Duration>,
    pub(crate) a_decimal: Option<Decimal<38, 7>>,
    pub(crate) a_fraction: Option<Decimal<38, 38>>,
    pub(crate) a_list: Vec<(String, f64, u64)>,
    /// An optional message of two fields, of which the second is optional.
    pub(crate) inner: Option<(i64, Option<String>)>,
}

/// Values at the ends of their types, all of them absent, and what is between.
pub(crate) fn cases() -> Vec<Everything> {
    let absent = Everything {
        a_bool: None,
        a_i32: None,
        a_i64: None,
        a_u32: None,
        a_u64: None,
        a_f32: None,
        a_f64: None,
        a_text: None,
        a_bytes: None,
        a_uuid: None,
        a_timestamp: None,
        a_duration: None,
        a_decimal: None,
        a_fraction: None,
        a_list: vec![],
        inner: None,
    };
    // The first and the last microsecond of the years 1 to 9999.
    let (first, last) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
    let least = Everything {
        a_bool: Some(false),
        a_i32: Some(i32::MIN),
        a_i64: Some(i64::MIN),
        a_u32: Some(0),
        a_u64: Some(0),
        a_f32: Some(f32::MIN),
        a_f64: Some(f64::MIN),
        a_text: Some(String::new()),
        a_bytes: Some(Blob(Bytes::new())),
        a_uuid: Some(Uuid::nil()),
        a_timestamp: Some(Timestamp::from_micros(first)),
        a_duration: Some(Duration::from_micros(i64::MIN)),
        a_decimal: Some(Decimal::MIN),
        a_fraction: Some(Decimal::MIN),
        a_list: vec![(String::new(), f64::MIN, 0)],
        inner: Some((0, None)),
    };
    let most = Everything {
        a_bool: Some(true),
        a_i32: Some(i32::MAX),
        a_i64: Some(i64::MAX),
        a_u32: Some(u32::MAX),
        a_u64: Some(u64::MAX),
        a_f32: Some(f32::MAX),
        a_f64: Some(f64::MAX),
        a_text: Some("ß'\"\\{},NULL\t\r\n\u{1}\u{10ffff}".repeat(10_000)),
        a_bytes: Some(Blob((0..=255).cycle().take(100_000).collect())),
        a_uuid: Some(Uuid::max()),
        a_timestamp: Some(Timestamp::from_micros(last)),
        a_duration: Some(Duration::from_micros(i64::MAX)),
        a_decimal: Some(Decimal::MAX),
        a_fraction: Some(Decimal::MAX),
        a_list: vec![("\u{1}\"\\\u{10ffff}".to_owned(), f64::MAX, u64::MAX); 500],
        inner: Some((i64::MIN, Some(String::new()))),
    };
    let small = Everything {
        a_u64: Some(10_000),
        a_f32: Some(f32::from_bits(1)),
        a_f64: Some(f64::from_bits(1)),
        a_timestamp: Some(Timestamp::from_micros(-1)),
        a_decimal: Some(-Decimal::literal("10000.0001")),
        a_fraction: Decimal::from_units(-1),
        a_list: vec![
            ("least".to_owned(), f64::from_bits(1), 1 << 53),
            ("third".to_owned(), 1.0 / 3.0, (1 << 53) + 1),
            ("large".to_owned(), 1e300, 10_000),
            ("zero".to_owned(), 0.0, 0),
        ],
        inner: Some((-1, Some("null".to_owned()))),
        ..absent.clone()
    };
    let numbers = [
        1,
        9_999,
        10_001,
        99_999_999,
        100_000_000,
        1 << 63,
        u64::MAX - 1,
    ];
    let numbers = numbers.map(|number| Everything {
        a_u64: Some(number),
        a_decimal: Decimal::from_units(number.into()),
        a_fraction: Decimal::from_units(number.into()),
        ..absent.clone()
    });
    [absent, least, most, small]
        .into_iter()
        .chain(numbers)
        .collect()
}

/// A concern of every type; its value is the place in [`cases`], so that nothing but the columns tells what
/// is in it.
pub(crate) static EVERYTHING: TableDesc = TableDesc {
    concern: ConcernId(3),
    name: "every thing",
    key_columns: &[
        ColumnType::I32.column("select"),
        ColumnType::U64.column("key"),
    ],
    value_columns: &[
        ColumnType::Bool.column("a_bool"),
        ColumnType::I32.column("a_i32"),
        ColumnType::I64.column("a_i64"),
        ColumnType::U32.column("a_u32"),
        ColumnType::U64.column("a_u64"),
        ColumnType::F32.column("a_f32"),
        ColumnType::F64.column("a_f64"),
        ColumnType::Text.column("a_text"),
        ColumnType::Bytes.column("a_bytes"),
        ColumnType::Uuid.column("a_uuid"),
        ColumnType::Timestamp.column("a_timestamp"),
        ColumnType::Duration.column("a_duration"),
        ColumnType::Decimal(38, 7).column("a_decimal"),
        ColumnType::Decimal(38, 38).column("a_fraction"),
        ColumnType::Json.column("a_list"),
        ColumnType::Bool.column("inner_present"),
        ColumnType::I64.column("inner_first"),
        ColumnType::Text.column("inner_second"),
    ],
    key: |mut bytes| {
        let first = i32::decode_key(&mut bytes).ok_or_else(unreadable)?;
        let second = u64::decode_key(&mut bytes).ok_or_else(unreadable)?;
        Ok(vec![sql(&first), sql(&second)])
    },
    to_columns: |bytes| {
        let cases = cases();
        let it = cases.get(usize::from(bytes[0])).ok_or_else(unreadable)?;
        Ok(vec![
            sql(&it.a_bool),
            sql(&it.a_i32),
            sql(&it.a_i64),
            sql(&it.a_u32),
            sql(&it.a_u64),
            sql(&it.a_f32),
            sql(&it.a_f64),
            sql(&it.a_text),
            sql(&it.a_bytes),
            sql(&it.a_uuid),
            sql(&it.a_timestamp),
            sql(&it.a_duration),
            sql(&it.a_decimal),
            sql(&it.a_fraction),
            sql_json(&it.a_list)?,
            sql(&it.inner.is_some()),
            sql_optional(it.inner.as_ref().map(|(first, _)| first)),
            sql_optional(it.inner.as_ref().and_then(|(_, second)| second.as_ref())),
        ])
    },
    from_columns: |values| {
        let mut columns = Columns::new("Everything", values);
        columns.take::<i32>("select")?;
        columns.take::<u64>("key")?;
        let found = Everything {
            a_bool: columns.take("a_bool")?,
            a_i32: columns.take("a_i32")?,
            a_i64: columns.take("a_i64")?,
            a_u32: columns.take("a_u32")?,
            a_u64: columns.take("a_u64")?,
            a_f32: columns.take("a_f32")?,
            a_f64: columns.take("a_f64")?,
            a_text: columns.take("a_text")?,
            a_bytes: columns.take("a_bytes")?,
            a_uuid: columns.take("a_uuid")?,
            a_timestamp: columns.take("a_timestamp")?,
            a_duration: columns.take("a_duration")?,
            a_decimal: columns.take("a_decimal")?,
            a_fraction: columns.take("a_fraction")?,
            a_list: columns.json("a_list")?,
            inner: match columns.present("inner_present", 2)? {
                true => Some((columns.take("inner_first")?, columns.take("inner_second")?)),
                false => None,
            },
        };
        let place = cases().iter().position(|case| *case == found);
        let place = place.ok_or_else(|| {
            let found: String = format!("{found:?}").chars().take(2_000).collect();
            Fault::new(Class::Corrupt, "unreadable", found)
        })?;
        Ok(vec![u8::try_from(place).map_err(|_| unreadable())?])
    },
};

/// The first part of the key is the same for all.
pub(crate) fn everything(number: u64) -> RowKey {
    let mut key = Key::of(&i32::MIN);
    key.push(&number);
    RowKey {
        concern: EVERYTHING.concern,
        key,
    }
}

/// The migrations for a database.
pub(crate) fn migrations(dialect: Dialect) -> &'static [Migration] {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

static SQLITE: [Migration; 3] = [
    Migration {
        number: 1,
        name: "init",
        up: r#"CREATE TABLE "player" (
            "id" BLOB NOT NULL, "name" TEXT NOT NULL, "gold" INTEGER NOT NULL CHECK ("gold" >= 0),
            "ratio" REAL, "note" TEXT, "flag" INTEGER NOT NULL,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL, PRIMARY KEY ("id")) STRICT, WITHOUT ROWID;"#,
        down: r#"DROP TABLE "player";"#,
    },
    Migration {
        number: 2,
        name: "members",
        up: r#"CREATE TABLE "member" (
            "guild" TEXT NOT NULL, "number" INTEGER NOT NULL,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL,
            PRIMARY KEY ("guild", "number")) STRICT, WITHOUT ROWID;
            CREATE INDEX "member_number" ON "member" ("number");"#,
        down: r#"DROP INDEX "member_number"; DROP TABLE "member";"#,
    },
    Migration {
        number: 3,
        name: "everything",
        up: r#"CREATE TABLE "every thing" (
            "select" INTEGER NOT NULL, "key" BLOB NOT NULL,
            "a_bool" INTEGER, "a_i32" INTEGER, "a_i64" INTEGER, "a_u32" INTEGER, "a_u64" BLOB,
            "a_f32" REAL, "a_f64" REAL, "a_text" TEXT, "a_bytes" BLOB, "a_uuid" BLOB,
            "a_timestamp" INTEGER, "a_duration" INTEGER, "a_decimal" TEXT, "a_fraction" TEXT,
            "a_list" TEXT NOT NULL,
            "inner_present" INTEGER NOT NULL, "inner_first" INTEGER, "inner_second" TEXT,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL,
            PRIMARY KEY ("select", "key")) STRICT, WITHOUT ROWID;"#,
        down: r#"DROP TABLE "every thing";"#,
    },
];

static POSTGRES: [Migration; 3] = [
    Migration {
        number: 1,
        name: "init",
        up: r#"CREATE TABLE "player" (
            "id" BYTEA NOT NULL, "name" TEXT NOT NULL, "gold" BIGINT NOT NULL CHECK ("gold" >= 0),
            "ratio" DOUBLE PRECISION, "note" TEXT, "flag" BOOLEAN NOT NULL,
            "_rkcy_generation" BIGINT NOT NULL, "_rkcy_offset" BIGINT NOT NULL,
            "_rkcy_index" BIGINT NOT NULL, PRIMARY KEY ("id"));"#,
        down: r#"DROP TABLE "player";"#,
    },
    Migration {
        number: 2,
        name: "members",
        up: r#"CREATE TABLE "member" (
            "guild" TEXT NOT NULL, "number" BIGINT NOT NULL,
            "_rkcy_generation" BIGINT NOT NULL, "_rkcy_offset" BIGINT NOT NULL,
            "_rkcy_index" BIGINT NOT NULL,
            PRIMARY KEY ("guild", "number"));
            CREATE INDEX "member_number" ON "member" ("number");"#,
        down: r#"DROP INDEX "member_number"; DROP TABLE "member";"#,
    },
    Migration {
        number: 3,
        name: "everything",
        up: r#"CREATE TABLE "every thing" (
            "select" INTEGER NOT NULL, "key" NUMERIC(20) NOT NULL,
            "a_bool" BOOLEAN, "a_i32" INTEGER, "a_i64" BIGINT, "a_u32" BIGINT, "a_u64" NUMERIC(20),
            "a_f32" REAL, "a_f64" DOUBLE PRECISION, "a_text" TEXT, "a_bytes" BYTEA, "a_uuid" UUID,
            "a_timestamp" TIMESTAMPTZ, "a_duration" BIGINT, "a_decimal" NUMERIC(38, 7),
            "a_fraction" NUMERIC(38, 38), "a_list" JSONB NOT NULL,
            "inner_present" BOOLEAN NOT NULL, "inner_first" BIGINT, "inner_second" TEXT,
            "_rkcy_generation" BIGINT NOT NULL, "_rkcy_offset" BIGINT NOT NULL,
            "_rkcy_index" BIGINT NOT NULL,
            PRIMARY KEY ("select", "key"));"#,
        down: r#"DROP TABLE "every thing";"#,
    },
];

pub(crate) fn player(number: u32) -> RowKey {
    RowKey {
        concern: PLAYER.concern,
        key: Key::of(&number),
    }
}

pub(crate) fn member(guild: &str, number: u32) -> RowKey {
    let mut key = Key::of(&guild.to_owned());
    key.push(&number);
    RowKey {
        concern: MEMBER.concern,
        key,
    }
}

pub(crate) fn row(name: &str, gold: i64, offset: u64) -> StoredRow {
    let value = [name.as_bytes(), &[0], &gold.to_be_bytes()].concat();
    let version = Version {
        generation: 3,
        position: Position::new(offset, 7),
    };
    StoredRow {
        value: Some(value.into()),
        version,
    }
}

pub(crate) fn gone(offset: u64) -> StoredRow {
    StoredRow {
        value: None,
        ..row("", 0, offset)
    }
}

pub(crate) fn at(offset: u64) -> StoredPosition {
    StoredPosition {
        position: Position::new(offset, 2),
        changelog: offset + 10,
        snapshot: (offset > 5).then_some(offset + 1),
    }
}

pub(crate) fn batch(
    expected: StoredPosition,
    new: StoredPosition,
    rows: Vec<(RowKey, StoredRow)>,
) -> Arc<Batch> {
    Arc::new(Batch {
        expected,
        new,
        rows: rows.into_iter().collect(),
    })
}

/// All of them.
pub(crate) fn tables() -> [&'static TableDesc; 3] {
    [&PLAYER, &MEMBER, &EVERYTHING]
}
