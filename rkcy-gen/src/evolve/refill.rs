//! Owns filling the engine's own tables from rows that are there: the bytes of keys, of reservations and of
//! counts, as SQL makes them. As `rkcy-core/src/key.rs` and `rkcy-core/src/claim.rs` have them.

use super::change::values;
use super::derived::Derived;
use super::table::{Column, ColumnType, Dialect, Table, VERSION, ident, list};

/// The statements that fill a hidden table anew. `tables` are all tables as they are then.
pub(crate) fn refill(table: &Table, tables: &[&Table], dialect: Dialect) -> String {
    let number = |number: u32| tables.iter().find(|it| it.is_of(number)).copied();
    let select = match &table.derived {
        None => return String::new(),
        Some(Derived::Unique { owner, fields }) => match number(*owner) {
            Some(owner) => unique(owner, fields, dialect),
            None => return String::new(),
        },
        Some(Derived::Counts { by, .. }) => {
            let by = by.iter().filter_map(|(concern, field)| {
                let table = number(*concern)?;
                Some((table, *concern, *field))
            });
            let by: Vec<(&Table, u32, u32)> = by.collect();
            match by.is_empty() {
                true => return String::new(),
                false => counts(&by, dialect),
            }
        }
    };
    let columns = list(["key", "value"].into_iter().chain(VERSION));
    format!(
        "INSERT INTO {} ({columns})\n{select};\n",
        ident(&table.name)
    )
}

/// The columns of a field.
fn columns<'a>(table: &'a Table, field: &[u32]) -> Vec<&'a Column> {
    let columns = table.columns.iter();
    columns
        .filter(|column| column.id.starts_with(field))
        .collect()
}

fn unique(owner: &Table, fields: &[Vec<u32>], dialect: Dialect) -> String {
    let columns: Vec<&Column> = fields.iter().flat_map(|it| columns(owner, it)).collect();
    let value = Bytes::of(&columns, dialect);
    let key = Bytes::of(&owner.key(), dialect);
    let reservation = Bytes(
        [
            integer(u64::from(owner.number)),
            key.length(dialect),
            key.0,
            // It has it once.
            integer(1),
        ]
        .concat(),
    );
    format!(
        "SELECT {}, {}, 0, 0, 0 FROM {}{}",
        value.sql(dialect),
        reservation.sql(dialect),
        ident(&owner.name),
        present(&columns)
    )
}

/// Rows in which all of these are present.
fn present(columns: &[&Column]) -> String {
    let optional = columns.iter().filter(|column| column.optional);
    let present: Vec<String> = optional
        .map(|column| format!("{} IS NOT NULL", ident(&column.name)))
        .collect();
    match present.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", present.join(" AND ")),
    }
}

fn counts(by: &[(&Table, u32, u32)], dialect: Dialect) -> String {
    let each = by
        .iter()
        .enumerate()
        .map(|(place, (table, concern, field))| {
            let columns = columns(table, &[*field]);
            let key = Bytes::of(&columns, dialect);
            let referrer = [integer(u64::from(*concern)), integer(u64::from(*field))].concat();
            let entry = Bytes([referrer, vec![Part::Count]].concat());
            format!(
                "SELECT {} AS k, {place} AS o, {} AS e FROM {}{} GROUP BY {}",
                key.sql(dialect),
                entry.hex_or_bytes(dialect),
                ident(&table.name),
                present(&columns),
                list(columns.iter().map(|column| column.name.as_str())),
            )
        });
    let each: Vec<String> = each.collect();
    let all = each.join("\nUNION ALL ");
    // There are as many entries as referrers of one target: fewer than 128.
    match dialect {
        Dialect::Postgres => format!(
            "SELECT k, set_byte('\\x00'::bytea, 0, count(*)::int) || string_agg(e, ''::bytea ORDER BY o), 0, 0, 0 \
             FROM (\n{all}\n) AS all_of_them GROUP BY k"
        ),
        Dialect::Sqlite => format!(
            "SELECT k, unhex(printf('%02X', count(*)) || group_concat(e, '' ORDER BY o)), 0, 0, 0 \
             FROM (\n{all}\n) GROUP BY k"
        ),
    }
}

/// A part of bytes that SQL makes.
#[derive(Debug, Clone)]
enum Part {
    /// These.
    Known(Vec<u8>),
    /// Those of an expression: of type `bytea` in PostgreSQL, digits in SQLite, which cannot join bytes.
    /// So many, if that is known.
    Made(String, Option<u64>),
    /// The count of rows, as a signed integer of variable length.
    Count,
}

/// Bytes that SQL makes.
#[derive(Debug, Clone)]
struct Bytes(Vec<Part>);

impl Bytes {
    /// The bytes of a key of these columns.
    fn of(columns: &[&Column], dialect: Dialect) -> Self {
        let parts = columns.iter().flat_map(|column| key_part(column, dialect));
        Bytes(parts.collect())
    }

    /// How many they are, as an integer of variable length.
    fn length(&self, dialect: Dialect) -> Vec<Part> {
        let known: Option<u64> = (self.0.iter())
            .map(|part| match part {
                Part::Known(bytes) => Some(bytes.len() as u64),
                Part::Made(_, length) => *length,
                Part::Count => None,
            })
            .sum();
        if let Some(known) = known {
            return integer(known);
        }
        let length = match dialect {
            Dialect::Postgres => format!("octet_length({})", self.hex_or_bytes(dialect)),
            Dialect::Sqlite => format!("(length({}) / 2)", self.hex_or_bytes(dialect)),
        };
        vec![Part::Made(variable(&length, dialect), None)]
    }

    /// The expression before its digits are made bytes, where they are digits.
    fn hex_or_bytes(&self, dialect: Dialect) -> String {
        let parts = self.0.iter().map(|part| match (part, dialect) {
            (Part::Known(bytes), Dialect::Postgres) => format!("'\\x{}'::bytea", hex(bytes)),
            (Part::Known(bytes), Dialect::Sqlite) => format!("'{}'", hex(bytes)),
            (Part::Made(sql, _), _) => sql.clone(),
            (Part::Count, _) => variable("(count(*) * 2)", dialect),
        });
        parts.collect::<Vec<_>>().join(" || ")
    }

    fn sql(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Postgres => self.hex_or_bytes(dialect),
            Dialect::Sqlite => format!("unhex({})", self.hex_or_bytes(dialect)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An integer of variable length: seven bits a byte, the low ones first.
fn integer(mut value: u64) -> Vec<Part> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        match value {
            0 => {
                bytes.push(low);
                return vec![Part::Known(bytes)];
            }
            _ => bytes.push(low | 0x80),
        }
    }
}

/// The same of an expression: up to four bytes, which is more than a row may have.
fn variable(value: &str, dialect: Dialect) -> String {
    let byte = |shift: u32, more: bool| {
        let low = match shift {
            0 => format!("{value} & 127"),
            shift => format!("({value} >> {shift}) & 127"),
        };
        let low = if more { format!("({low}) | 128") } else { low };
        match dialect {
            Dialect::Postgres => format!("set_byte('\\x00'::bytea, 0, ({low})::int)"),
            Dialect::Sqlite => format!("printf('%02X', {low})"),
        }
    };
    let of = |count: u32| {
        let bytes: Vec<String> = (0..count).map(|at| byte(7 * at, at + 1 < count)).collect();
        bytes.join(" || ")
    };
    format!(
        "CASE WHEN {value} < 128 THEN {} WHEN {value} < 16384 THEN {} WHEN {value} < 2097152 THEN {} ELSE {} END",
        of(1),
        of(2),
        of(3),
        of(4)
    )
}

/// The bytes of a column in a key.
fn key_part(column: &Column, dialect: Dialect) -> Vec<Part> {
    let value = ident(&column.name);
    if let Some(values) = values(column) {
        let numbers = values
            .iter()
            .map(|(number, name)| format!(" WHEN {} THEN {number}", super::table::text(name)));
        let number = format!("CASE {value}{} END", numbers.collect::<String>());
        return vec![Part::Made(signed_32(&number, dialect), Some(4))];
    }
    let made = |sql: String, length: u64| vec![Part::Made(sql, Some(length))];
    match (column.ty, dialect) {
        (ColumnType::Uuid, Dialect::Postgres) => made(format!("uuid_send({value})"), 16),
        (ColumnType::Uuid, Dialect::Sqlite) => made(format!("hex({value})"), 16),
        (ColumnType::I32, _) => made(signed_32(&value, dialect), 4),
        (ColumnType::U32, Dialect::Postgres) => {
            made(format!("substring(int8send({value}) FROM 5 FOR 4)"), 4)
        }
        (ColumnType::U32, Dialect::Sqlite) => made(format!("printf('%08X', {value})"), 4),
        (ColumnType::U64, Dialect::Postgres) => made(
            format!(
                "int8send(({value} - 9223372036854775808)::bigint # '-9223372036854775808'::bigint)"
            ),
            8,
        ),
        (ColumnType::U64, Dialect::Sqlite) => made(format!("hex({value})"), 8),
        (ColumnType::I64, Dialect::Postgres) => made(
            format!("int8send({value} # '-9223372036854775808'::bigint)"),
            8,
        ),
        (ColumnType::I64, Dialect::Sqlite) => made(
            format!(
                "printf('%016X', ({value} | -9223372036854775808) - ({value} & -9223372036854775808))"
            ),
            8,
        ),
        // Others are no part of a key, and text is closed by a zero byte.
        (_, Dialect::Postgres) => vec![
            Part::Made(format!("convert_to({value}, 'UTF8')"), None),
            Part::Known(vec![0]),
        ],
        (_, Dialect::Sqlite) => vec![
            Part::Made(format!("hex({value})"), None),
            Part::Known(vec![0]),
        ],
    }
}

fn signed_32(value: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("int4send(({value}) # '-2147483648'::int)"),
        Dialect::Sqlite => format!("printf('%08X', ({value}) + 2147483648)"),
    }
}
