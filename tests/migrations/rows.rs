//! Rows to begin with, and whether those at the end are what the schema asks for.

use std::collections::BTreeMap;

use bytes::Bytes;
use rkcy_core::claim::{Counts, Reservation};
use rkcy_core::decimal;
use rkcy_core::wire::Wire as _;
use rkcy_gen::evolve::{Check, Column, ColumnType, Derived, Dialect, PLACE, Shape, Table};
use rkcy_gen::model::Digits;
use serde_json::{Value, json};

use super::database::Database;

/// So many rows each table begins with.
const ROWS: usize = 5;

/// Statements that fill the tables that are no others' business.
pub(crate) fn insert(tables: &[Table], dialect: Dialect) -> String {
    let mut sql = String::new();
    for table in tables.iter().filter(|it| it.derived.is_none()) {
        // Of a list, some instances have no element, others several.
        let places = |row: usize| match table.list {
            Some(_) => 0..row % 3,
            None => 0..1,
        };
        for (key, place) in (0..ROWS).flat_map(|row| places(row).map(move |place| (row, place))) {
            let row = key + place;
            let (mut names, mut values) = (Vec::new(), Vec::new());
            // All columns of an optional message are there or none.
            let absent = |column: &Column| {
                let presence = [&column.id[..1], &[0]].concat();
                let in_optional = table.columns.iter().any(|it| it.id == presence);
                in_optional && row % 2 == 1
            };
            for column in &table.columns {
                names.push(format!("\"{}\"", column.name));
                let is_presence = column.id.len() > 1 && column.id.ends_with(&[0]);
                if column.key.is_some() {
                    values.push(match column.name == PLACE {
                        true => place.to_string(),
                        false => value(column, key, dialect),
                    });
                    continue;
                }
                values.push(match (is_presence, absent(column)) {
                    (true, absent) => value(column, usize::from(!absent), dialect),
                    (false, true) => "NULL".to_owned(),
                    _ if column.optional
                        && row % 3 == 2
                        && column.id.len() == 1
                        && column.shape.is_none() =>
                    {
                        "NULL".to_owned()
                    }
                    _ => value(column, row, dialect),
                });
            }
            let version = [
                ("_rkcy_generation", 1),
                ("_rkcy_offset", row),
                ("_rkcy_index", 0),
            ];
            for (name, number) in version.into_iter().filter(|_| table.list.is_none()) {
                names.push(format!("\"{name}\""));
                values.push(number.to_string());
            }
            sql.push_str(&format!(
                "INSERT INTO \"{}\" ({}) VALUES ({});\n",
                table.name,
                names.join(", "),
                values.join(", ")
            ));
        }
    }
    sql
}

/// A value that differs from row to row, where the type has so many.
fn value(column: &Column, row: usize, dialect: Dialect) -> String {
    let postgres = dialect == Dialect::Postgres;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let values = column.checks.iter().find_map(|it| match it {
        Check::Values(values) => Some(values),
        _ => None,
    });
    if let Some(values) = values {
        return quoted(&values[row % values.len()].1);
    }
    match column.ty {
        ColumnType::Bool if postgres => (row % 2 == 1).to_string(),
        ColumnType::Bool => (row % 2).to_string(),
        ColumnType::U64 if !postgres => format!("x'{row:016X}'"),
        ColumnType::I32 | ColumnType::I64 | ColumnType::U32 | ColumnType::U64 => row.to_string(),
        ColumnType::F32 | ColumnType::F64 => format!("{row}.5"),
        ColumnType::Text => quoted(&format!("t'{row}")),
        ColumnType::Uuid if postgres => format!("'00000000-0000-0000-0000-{row:012x}'"),
        ColumnType::Uuid => format!("x'{row:032x}'"),
        ColumnType::Bytes if postgres => format!("'\\x{row:02x}'"),
        ColumnType::Bytes => format!("x'{row:02x}'"),
        ColumnType::Timestamp if postgres => format!("'2024-01-0{}T00:00:00Z'", row + 1),
        ColumnType::Timestamp | ColumnType::Duration => (row * 1_000_000).to_string(),
        ColumnType::Decimal(digits) => {
            let units = units(digits, row);
            match postgres {
                true => decimal::show(units, digits.scale),
                false => quoted(&decimal::to_column(units, digits.precision, digits.scale)),
            }
        }
        ColumnType::Json => match of_shape(column.shape.as_ref().unwrap(), row) {
            // As the runtime writes it.
            Value::Null => "NULL".to_owned(),
            json => quoted(&json.to_string()),
        },
    }
}

/// A number of few digits, in every other row below zero.
fn units(digits: Digits, row: usize) -> i128 {
    let units = decimal::power(digits.scale) * row as i128 / 2;
    if row.is_multiple_of(2) { units } else { -units }
}

fn of_shape(shape: &Shape, row: usize) -> Value {
    match shape {
        Shape::Scalar(ColumnType::Bool) => json!(row % 2 == 1),
        Shape::Scalar(ColumnType::F32 | ColumnType::F64) => json!(row as f64 + 0.5),
        Shape::Scalar(ColumnType::Text) => json!(format!("t'\"{row}")),
        Shape::Scalar(ColumnType::Uuid) => json!(format!("00000000-0000-0000-0000-{row:012x}")),
        Shape::Scalar(ColumnType::Json) => match row % 3 {
            0 => json!({ "b": [row, null], "a": 1.5 }),
            1 => json!("t'\""),
            _ => json!([]),
        },
        Shape::Scalar(ColumnType::Decimal(digits)) => {
            json!(decimal::show(units(*digits, row), digits.scale))
        }
        Shape::Scalar(_) => json!(row),
        Shape::Enum(values) => json!(values[row % values.len()].1),
        Shape::Optional(_) if row % 2 == 1 => Value::Null,
        Shape::Optional(inner) => of_shape(inner, row),
        Shape::List(inner) => (0..row % 3).map(|at| of_shape(inner, row + at)).collect(),
        Shape::Map(inner) => {
            let named = (0..row % 3).map(|at| (format!("n'\"{at}"), of_shape(inner, row + at)));
            Value::Object(named.collect())
        }
        Shape::Object(members) => {
            let members = members.iter();
            members
                .map(|it| (it.name.clone(), of_shape(&it.shape, row)))
                .collect()
        }
        Shape::Outer(_) => Value::Null,
    }
}

/// Whether generated code would read it: no member too many, none missing.
fn fits(value: &Value, shape: &Shape) -> bool {
    match shape {
        Shape::Scalar(ColumnType::Bool) => value.is_boolean(),
        Shape::Scalar(ColumnType::Json) => true,
        Shape::Scalar(ColumnType::Decimal(digits)) => {
            let number = |text| decimal::parse_canonical(text, digits.precision, digits.scale);
            value.as_str().and_then(number).is_some()
        }
        Shape::Scalar(ColumnType::Text | ColumnType::Uuid) => value.is_string(),
        Shape::Scalar(_) => value.is_number(),
        Shape::Enum(values) => values.iter().any(|it| value == it.1.as_str()),
        Shape::Optional(inner) => value.is_null() || fits(value, inner),
        Shape::List(inner) => value
            .as_array()
            .is_some_and(|it| it.iter().all(|it| fits(it, inner))),
        Shape::Map(inner) => value
            .as_object()
            .is_some_and(|it| it.values().all(|it| fits(it, inner))),
        Shape::Object(members) => value.as_object().is_some_and(|object| {
            object.len() == members.len()
                && members.iter().all(|it| {
                    object
                        .get(&it.name)
                        .is_some_and(|value| fits(value, &it.shape))
                })
        }),
        Shape::Outer(_) => true,
    }
}

fn unhex(text: &str) -> Bytes {
    let bytes =
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap());
    bytes.collect::<Vec<u8>>().into()
}

/// JSON has the shape that generated code reads, and the engine's own tables hold what the rows say.
pub(crate) async fn are_readable(name: &str, tables: &[Table], database: &Database) {
    let postgres = matches!(database, Database::Postgres(..));
    for table in tables {
        for column in table.columns.iter().filter(|it| it.shape.is_some()) {
            let cast = if postgres { "::text" } else { "" };
            let value = format!("coalesce(\"{}\"{cast}, 'null')", column.name);
            let sql = format!("SELECT {value} FROM \"{}\"", table.name);
            for text in database.texts(&sql).await {
                let value: Value = serde_json::from_str(&text).unwrap();
                let shape = column.shape.as_ref().unwrap();
                assert!(
                    fits(&value, shape),
                    "{name}: {}.{}: {text} is no {shape:?}",
                    table.name,
                    column.name
                );
            }
        }
        let Some(derived) = &table.derived else {
            continue;
        };
        let pair = match postgres {
            true => "encode(\"key\", 'hex') || ' ' || encode(\"value\", 'hex')",
            false => "hex(\"key\") || ' ' || hex(\"value\")",
        };
        let rows = database
            .texts(&format!("SELECT {pair} FROM \"{}\"", table.name))
            .await;
        let rows: BTreeMap<Bytes, Bytes> = (rows.iter())
            .map(|row| row.split_once(' ').unwrap())
            .map(|(key, value)| (unhex(key), unhex(value)))
            .collect();
        let columns_of = |number: u32, field: &[u32]| {
            let is_it = |it: &&Table| it.number == number && it.list.is_none();
            let table = tables.iter().find(is_it).unwrap();
            let columns = table.columns.iter().filter(|it| it.id.starts_with(field));
            let present: Vec<String> = columns
                .map(|it| format!("\"{}\" IS NOT NULL", it.name))
                .collect();
            (table.name.clone(), present.join(" AND "))
        };
        let count = async |table: &str, present: &str| -> usize {
            let sql = format!("SELECT 'x' FROM \"{table}\" WHERE {present}");
            database.texts(&sql).await.len()
        };
        match derived {
            Derived::Unique { owner, fields } => {
                let all: Vec<(String, String)> =
                    fields.iter().map(|it| columns_of(*owner, it)).collect();
                let present: Vec<String> = all.iter().map(|it| it.1.clone()).collect();
                let wanted = count(&all[0].0, &present.join(" AND ")).await;
                assert_eq!(rows.len(), wanted, "{name}: {}", table.name);
                for value in rows.values() {
                    let reservation = Reservation::from_wire(value.clone()).unwrap();
                    assert_eq!(u32::from(reservation.owner.concern.0), *owner, "{name}");
                    assert_eq!(reservation.owner.key.as_bytes().len(), 16, "{name}");
                    assert_eq!(reservation.claims, 1, "{name}");
                }
            }
            Derived::Counts { by, .. } => {
                for (concern, field) in by {
                    let (referrer, present) = columns_of(*concern, &[*field]);
                    let wanted = count(&referrer, &present).await;
                    let mut found = 0;
                    for value in rows.values() {
                        let counts = Counts::read(Some(value)).unwrap();
                        let own = counts.iter().filter(|(it, _)| {
                            u32::from(it.concern.0) == *concern && it.field == *field
                        });
                        found += own.map(|it| it.1 as usize).sum::<usize>();
                    }
                    assert_eq!(found, wanted, "{name}: {} by {referrer}", table.name);
                }
            }
        }
    }
}
