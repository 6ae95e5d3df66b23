//! Owns what stands in a column on the way back, where nothing is known: what was removed is gone. Something that
//! its constraints take is better than a way back that ends.

use super::shape::{Member, Shape};
use super::table::{Check, Column, ColumnType, Fill, Table};
use crate::model::Number;

/// The same tables with something for each column that has to be given.
pub(crate) fn with_placeholders(tables: &[Table]) -> Vec<Table> {
    let column = |column: &Column| {
        let has_to_be = !column.optional || column.within;
        let made = || placeholder(column).map(|fill| Fill::Placeholder(Box::new(fill)));
        Column {
            fill: match &column.fill {
                None if has_to_be => made(),
                fill => fill.clone(),
            },
            shape: column.shape.as_ref().map(filled),
            ..column.clone()
        }
    };
    let table = |table: &Table| Table {
        columns: table.columns.iter().map(column).collect(),
        ..table.clone()
    };
    tables.iter().map(table).collect()
}

/// The same of members in JSON.
fn filled(shape: &Shape) -> Shape {
    match shape {
        Shape::Optional(inner) => Shape::Optional(Box::new(filled(inner))),
        Shape::List(inner) => Shape::List(Box::new(filled(inner))),
        Shape::Map(inner) => Shape::Map(Box::new(filled(inner))),
        Shape::Object(members) => {
            let members = members.iter().map(|member| Member {
                fill: member.fill.clone().or_else(|| zero_json(&member.shape, 0)),
                shape: filled(&member.shape),
                ..member.clone()
            });
            Shape::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// Something that a column takes, where nothing is known. An expression that all of a text matches cannot be
/// told.
fn placeholder(column: &Column) -> Option<Fill> {
    let length = column.checks.iter().find_map(|check| match check {
        Check::Length(min, _) => Some(*min),
        _ => None,
    });
    let length = length.unwrap_or_default();
    let has_pattern = |check: &Check| matches!(check, Check::Pattern(_));
    if let Some(values) = super::change::values(column) {
        return values.first().map(|(_, name)| Fill::Text(name.clone()));
    }
    Some(match column.ty {
        ColumnType::Text if column.checks.iter().any(has_pattern) => return None,
        ColumnType::Text => Fill::Text("?".repeat(length as usize)),
        ColumnType::Bool => Fill::Bool(false),
        ColumnType::I32
        | ColumnType::I64
        | ColumnType::U32
        | ColumnType::U64
        | ColumnType::F32
        | ColumnType::F64
        | ColumnType::Duration
        | ColumnType::Decimal(_) => Fill::Number(nearest_to_zero(column)),
        ColumnType::Json => Fill::Json(zero_json(column.shape.as_ref()?, length as usize)?),
        ColumnType::Uuid => Fill::Zero(16),
        ColumnType::Bytes => Fill::Zero(length),
        ColumnType::Timestamp => Fill::Zero(0),
    })
}

fn nearest_to_zero(column: &Column) -> Number {
    let range = column.checks.iter().find_map(|check| match check {
        Check::Range(min, max) => Some((*min, *max)),
        _ => None,
    });
    let (min, max) = range.unwrap_or_default();
    let is_over = |limit: Number| match limit {
        Number::Int(value) | Number::Decimal(value, _) => value > 0,
        Number::Float(value) => value > 0.0,
    };
    let is_under = |limit: Number| match limit {
        Number::Int(value) | Number::Decimal(value, _) => value < 0,
        Number::Float(value) => value < 0.0,
    };
    let zero = match column.ty {
        ColumnType::Decimal(digits) => Number::Decimal(0, digits.scale),
        _ => Number::Int(0),
    };
    let number = min.filter(|it| is_over(*it));
    number.or(max.filter(|it| is_under(*it))).unwrap_or(zero)
}

/// JSON of a shape, as empty as it can be; a list or a map has so many elements.
fn zero_json(shape: &Shape, length: usize) -> Option<String> {
    Some(match shape {
        Shape::Scalar(ColumnType::Bool) => "false".to_owned(),
        Shape::Scalar(ColumnType::Text | ColumnType::Bytes) => "\"\"".to_owned(),
        Shape::Scalar(ColumnType::Uuid) => "\"00000000-0000-0000-0000-000000000000\"".to_owned(),
        Shape::Scalar(ColumnType::Timestamp) => "\"1970-01-01T00:00:00Z\"".to_owned(),
        Shape::Scalar(ColumnType::Duration) => "\"0s\"".to_owned(),
        Shape::Scalar(ColumnType::Json) => "null".to_owned(),
        Shape::Scalar(ColumnType::Decimal(_)) => "\"0\"".to_owned(),
        Shape::Scalar(_) => "0".to_owned(),
        Shape::Enum(values) => serde_json::Value::from(values.first()?.1.as_str()).to_string(),
        Shape::Optional(_) => "null".to_owned(),
        Shape::List(inner) => {
            let element = zero_json(inner, 0)?;
            format!("[{}]", vec![element; length].join(","))
        }
        Shape::Map(inner) => {
            let element = zero_json(inner, 0)?;
            let entries: Vec<String> = (0..length)
                .map(|nth| format!("\"{nth}\":{element}"))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Shape::Object(members) => {
            let members = members.iter().map(|member| {
                let json = match &member.fill {
                    Some(fill) => fill.clone(),
                    None => zero_json(&member.shape, 0)?,
                };
                let name = serde_json::Value::from(member.name.as_str());
                Some(format!("{name}:{json}"))
            });
            let members: Option<Vec<String>> = members.collect();
            format!("{{{}}}", members?.join(","))
        }
        Shape::Outer(_) => return None,
    })
}
