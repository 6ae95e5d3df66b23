//! Owns which values can become which, and the SQL that makes them so.

use super::change::values;
use super::shape::{Member, Shape};
use super::table::{Column, ColumnType, Dialect, text};

/// How values of one type become values of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every value does, and back.
    Wider,
    /// Those that fit do; the others stop the migration.
    Narrower,
    /// Every value does, but not exactly.
    Rounded,
    /// None does.
    None,
}

/// How the values of a column become those of another; nothing, where they are the same.
pub(crate) fn way(old: &Column, new: &Column) -> Option<Way> {
    match (&old.shape, &new.shape) {
        (Some(old), Some(new)) if old.bare() == new.bare() => None,
        (Some(old), Some(new)) => Some(shape_way(old, new)),
        _ => scalar_way(old.ty, new.ty),
    }
}

fn scalar_way(old: ColumnType, new: ColumnType) -> Option<Way> {
    if old == new {
        return None;
    }
    Some(match (old.bounds(), new.bounds(), old, new) {
        (Some((low, high)), Some((least, most)), ..) => match least <= low && high <= most {
            true => Way::Wider,
            false => Way::Narrower,
        },
        (.., ColumnType::Decimal(old), ColumnType::Decimal(new)) => match new.holds(old) {
            true => Way::Wider,
            false => Way::Narrower,
        },
        (.., ColumnType::F32, ColumnType::F64) => Way::Wider,
        (.., ColumnType::F64, ColumnType::F32) => Way::Rounded,
        _ => Way::None,
    })
}

/// The worse of two ways.
fn worse(one: Way, other: Way) -> Way {
    let order = |way: &Way| match way {
        Way::Wider => 0,
        Way::Rounded => 1,
        Way::Narrower => 2,
        Way::None => 3,
    };
    [one, other].into_iter().max_by_key(order).unwrap_or(one)
}

fn shape_way(old: &Shape, new: &Shape) -> Way {
    if old.bare() == new.bare() {
        return Way::Wider;
    }
    match (old, new) {
        (Shape::Scalar(old), Shape::Scalar(new)) => scalar_way(*old, *new).unwrap_or(Way::Wider),
        (Shape::Enum(old), Shape::Enum(new)) => {
            let stays = |number: u32| new.iter().any(|it| it.0 == number);
            match old.iter().all(|it| stays(it.0)) {
                true => Way::Wider,
                false => Way::Narrower,
            }
        }
        (Shape::Optional(old), Shape::Optional(new)) => shape_way(old, new),
        (old, Shape::Optional(new)) => shape_way(old, new),
        (Shape::Optional(old), new) => worse(Way::Narrower, shape_way(old, new)),
        (Shape::List(old), Shape::List(new)) | (Shape::Map(old), Shape::Map(new)) => {
            shape_way(old, new)
        }
        (Shape::Object(old), Shape::Object(new)) => {
            let mut way = Way::Wider;
            for member in old {
                if !new.iter().any(|it| it.number == member.number) {
                    way = worse(way, Way::Rounded);
                }
            }
            for member in new {
                way = match old.iter().find(|it| it.number == member.number) {
                    Some(before) => worse(way, shape_way(before.filled(member), &member.shape)),
                    None if member.fill.is_some() => way,
                    None => worse(way, Way::Narrower),
                };
            }
            // What holds itself would have to be rewritten without end.
            match has_outer(&Shape::Object(old.clone())) || has_outer(&Shape::Object(new.clone())) {
                true => Way::None,
                false => way,
            }
        }
        _ => Way::None,
    }
}

impl Member {
    /// Its shape where what is missing is filled in.
    fn filled(&self, new: &Member) -> &Shape {
        match (&self.shape, &new.shape) {
            (Shape::Optional(_), Shape::Optional(_)) => &self.shape,
            (Shape::Optional(inner), _) if new.fill.is_some() => inner,
            _ => &self.shape,
        }
    }
}

fn has_outer(shape: &Shape) -> bool {
    match shape {
        Shape::Outer(_) => true,
        Shape::Optional(inner) | Shape::List(inner) | Shape::Map(inner) => has_outer(inner),
        Shape::Object(members) => members.iter().any(|member| has_outer(&member.shape)),
        Shape::Scalar(_) | Shape::Enum(_) => false,
    }
}

/// The value of a column out of that of another, of another type.
pub(crate) fn convert(old: &Column, new: &Column, value: &str, dialect: Dialect) -> String {
    if let (Some(before), Some(after)) = (&old.shape, &new.shape) {
        return rewrite(value, before, after, dialect).unwrap_or_else(|| value.to_owned());
    }
    let value = match (values(old), values(new)) {
        (Some(before), Some(after)) => renamed(value, before, after),
        _ => value.to_owned(),
    };
    if old.ty == new.ty {
        return value;
    }
    match (dialect, old.ty, new.ty) {
        (_, ColumnType::Decimal(before), ColumnType::Decimal(after)) => {
            super::decimal::convert(&value, before, after, dialect)
        }
        (Dialect::Postgres, _, ty) => format!("{value}::{}", ty.sql(dialect)),
        (Dialect::Sqlite, ColumnType::U64, _) => from_u64(&value),
        (Dialect::Sqlite, _, ColumnType::U64) => to_u64(&value),
        (Dialect::Sqlite, ..) => value,
    }
}

/// A number as 8 bytes; what is below zero becomes none, which no column of them takes.
fn to_u64(value: &str) -> String {
    format!("CASE WHEN {value} >= 0 THEN unhex(printf('%016X', {value})) END")
}

/// 8 bytes as a number; what is too large becomes text, which no column of numbers takes.
fn from_u64(value: &str) -> String {
    let digit = |at: u32| {
        let shift = 60 - 4 * (at - 1);
        format!("(instr('0123456789ABCDEF', substr(hex({value}), {at}, 1)) - 1 << {shift})")
    };
    let digits: Vec<String> = (1..=16).map(digit).collect();
    format!(
        "CASE WHEN {value} IS NULL THEN NULL WHEN {value} >= x'8000000000000000' THEN 'too large' ELSE {} END",
        digits.join(" | ")
    )
}

/// Values of an enum under their new names.
fn renamed(value: &str, old: &[(u32, String)], new: &[(u32, String)]) -> String {
    let pairs = old.iter().filter_map(|(number, before)| {
        let after = new.iter().find(|it| it.0 == *number).map(|it| &it.1)?;
        (after != before).then(|| format!(" WHEN {} THEN {}", text(before), text(after)))
    });
    let cases: String = pairs.collect();
    match cases.is_empty() {
        true => value.to_owned(),
        false => format!("CASE {value}{cases} ELSE {value} END"),
    }
}

/// JSON of another shape; nothing, where it stays as it is.
fn rewrite(value: &str, old: &Shape, new: &Shape, dialect: Dialect) -> Option<String> {
    if old.bare() == new.bare() {
        return None;
    }
    match (old, new) {
        (Shape::Enum(old), Shape::Enum(new)) => Some(rewrite_enum(value, old, new, dialect)),
        (Shape::Optional(old), Shape::Optional(new)) => {
            let inner = rewrite(value, old, new, dialect)?;
            Some(format!(
                "CASE WHEN {} THEN {value} ELSE {inner} END",
                is_null(value, dialect)
            ))
        }
        (old, Shape::Optional(new)) => rewrite(value, old, new, dialect),
        (Shape::Optional(old), new) => {
            let inner = rewrite(value, old, new, dialect).unwrap_or_else(|| value.to_owned());
            let stop = stop("a value is missing", value, dialect);
            Some(format!(
                "CASE WHEN {} THEN {stop} ELSE {inner} END",
                is_null(value, dialect)
            ))
        }
        (Shape::List(before), Shape::List(after)) | (Shape::Map(before), Shape::Map(after)) => {
            let depth = value.matches("SELECT").count();
            let each = format!("e{depth}");
            let inner = match dialect {
                Dialect::Postgres => rewrite(&format!("{each}.value"), before, after, dialect)?,
                Dialect::Sqlite => rewrite(&element(&each), before, after, dialect)?,
            };
            Some(match (dialect, matches!(new, Shape::Map(_))) {
                (Dialect::Postgres, true) => format!(
                    "(SELECT coalesce(jsonb_object_agg({each}.key, {inner}), '{{}}'::jsonb) \
                     FROM jsonb_each({value}) AS {each})"
                ),
                (Dialect::Sqlite, true) => format!(
                    "(SELECT json_group_object({each}.key, json({inner})) FROM json_each({value}) AS {each})"
                ),
                (Dialect::Postgres, false) => format!(
                    "(SELECT coalesce(jsonb_agg({inner} ORDER BY {each}.ordinality), '[]'::jsonb) \
                     FROM jsonb_array_elements({value}) WITH ORDINALITY AS {each})"
                ),
                (Dialect::Sqlite, false) => format!(
                    "(SELECT json_group_array(json({inner}) ORDER BY {each}.key) FROM json_each({value}) AS {each})"
                ),
            })
        }
        (Shape::Object(old), Shape::Object(new)) => Some(rewrite_object(value, old, new, dialect)),
        // Numbers are written alike.
        _ => None,
    }
}

/// An element of a list as JSON text, of any type.
fn element(each: &str) -> String {
    format!(
        "CASE {each}.type WHEN 'object' THEN {each}.value WHEN 'array' THEN {each}.value WHEN 'true' THEN 'true' \
         WHEN 'false' THEN 'false' WHEN 'null' THEN 'null' ELSE json_quote({each}.value) END"
    )
}

fn rewrite_enum(
    value: &str,
    old: &[(u32, String)],
    new: &[(u32, String)],
    dialect: Dialect,
) -> String {
    let json = |name: &str| {
        let quoted = text(&serde_json::Value::from(name).to_string());
        match dialect {
            Dialect::Postgres => format!("{quoted}::jsonb"),
            Dialect::Sqlite => quoted,
        }
    };
    let cases = old.iter().map(|(number, before)| {
        let after = new.iter().find(|it| it.0 == *number);
        let then = match after {
            Some((_, after)) => json(after),
            None => stop("a value of an enum is gone", value, dialect),
        };
        format!(" WHEN {} THEN {then}", json(before))
    });
    format!("CASE {value}{} ELSE {value} END", cases.collect::<String>())
}

fn rewrite_object(value: &str, old: &[Member], new: &[Member], dialect: Dialect) -> String {
    let members = new.iter().map(|member| {
        let before = old.iter().find(|it| it.number == member.number);
        let inner = match before {
            Some(before) => {
                let was = member_json(before, value, dialect);
                let filled = before.filled(member);
                let value = rewrite(&was, filled, &member.shape, dialect);
                let value = value.unwrap_or_else(|| was.clone());
                match (&member.fill, *filled == before.shape) {
                    (Some(fill), false) => format!(
                        "CASE WHEN {} THEN {} ELSE {value} END",
                        is_null(&was, dialect),
                        literal(fill, dialect)
                    ),
                    _ => value,
                }
            }
            None => match &member.fill {
                Some(json) => literal(json, dialect),
                None => stop("a value is missing", value, dialect),
            },
        };
        let inner = match dialect {
            Dialect::Postgres => inner,
            Dialect::Sqlite => format!("json({inner})"),
        };
        format!("{}, {inner}", text(&member.name))
    });
    object(members.collect(), dialect)
}

/// An object of members; a function takes no more than a hundred arguments.
fn object(members: Vec<String>, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!("json_object({})", members.join(", ")),
        Dialect::Postgres => {
            let chunks = members.chunks(40);
            let parts: Vec<String> = chunks
                .map(|chunk| format!("jsonb_build_object({})", chunk.join(", ")))
                .collect();
            match parts.is_empty() {
                true => "'{}'::jsonb".to_owned(),
                false => parts.join(" || "),
            }
        }
    }
}

fn is_null(value: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("{value} = 'null'::jsonb"),
        Dialect::Sqlite => format!("{value} = 'null'"),
    }
}

pub(super) fn literal(json: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("{}::jsonb", text(json)),
        Dialect::Sqlite => text(json),
    }
}

/// What stops a migration where it comes to it, and names the value. It is no constant: those are looked at
/// before it is known that nobody comes to them.
pub(crate) fn stop(why: &str, value: &str, dialect: Dialect) -> String {
    let why = text(&format!("{why}: "));
    match dialect {
        Dialect::Postgres => format!("({why} || {value}::text)::jsonb"),
        Dialect::Sqlite => format!("json({why} || {value})"),
    }
}

/// A column as a value inside of JSON; `None` where the database has no way to write it as the runtime does.
pub(crate) fn to_json(
    column: &Column,
    member: &Member,
    value: &str,
    dialect: Dialect,
) -> Option<String> {
    let inner = match (column.ty, member.shape.present(), dialect) {
        (_, Shape::Enum(names), _) => {
            let names = names_in_json(column, names)?;
            let cases =
                names.map(|(name, json)| format!(" WHEN {} THEN {}", text(name), text(json)));
            let name = format!("CASE {value}{} END", cases.collect::<String>());
            match dialect {
                Dialect::Postgres => format!("to_jsonb({name})"),
                Dialect::Sqlite => name,
            }
        }
        (ColumnType::Json, shape, dialect) => {
            let same = column.shape.as_ref()?.present().bare() == shape.bare();
            same.then_some(match dialect {
                Dialect::Postgres => format!("coalesce({value}, 'null'::jsonb)"),
                Dialect::Sqlite => format!("json(coalesce({value}, 'null'))"),
            })?
        }
        (ColumnType::Bool, _, Dialect::Sqlite) => {
            format!("json(CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)")
        }
        (ColumnType::Uuid, _, Dialect::Sqlite) => {
            let part =
                |from: u32, length: u32| format!("substr(lower(hex({value})), {from}, {length})");
            let parts = [
                part(1, 8),
                part(9, 4),
                part(13, 4),
                part(17, 4),
                part(21, 12),
            ];
            format!("nullif({}, '----')", parts.join(" || '-' || "))
        }
        (ColumnType::Decimal(_), ..) => super::decimal::to_json(value, dialect),
        (
            ColumnType::Bool
            | ColumnType::I32
            | ColumnType::I64
            | ColumnType::U32
            | ColumnType::U64
            | ColumnType::F32
            | ColumnType::F64
            | ColumnType::Text
            | ColumnType::Uuid,
            _,
            Dialect::Postgres,
        ) => format!("to_jsonb({value})"),
        (
            ColumnType::I32
            | ColumnType::I64
            | ColumnType::U32
            | ColumnType::F32
            | ColumnType::F64
            | ColumnType::Text,
            _,
            Dialect::Sqlite,
        ) => value.to_owned(),
        _ => return None,
    };
    Some(inner)
}

/// The values of an enum, as a column and as JSON has them.
fn names_in_json<'a>(
    column: &'a Column,
    names: &'a [(u32, String)],
) -> Option<impl Iterator<Item = (&'a str, &'a str)>> {
    Some(values(column)?.iter().map(|(number, name)| {
        let json = names.iter().find(|it| it.0 == *number);
        (name.as_str(), json.map_or(name, |it| &it.1).as_str())
    }))
}

/// A member of JSON as the value of a column; `None` where there is no way.
pub(crate) fn from_json(
    column: &Column,
    member: &Member,
    value: &str,
    dialect: Dialect,
) -> Option<String> {
    let inner = at(member, value, "->>", dialect);
    Some(match (column.ty, member.shape.present(), dialect) {
        (_, Shape::Enum(names), _) => {
            let names = names_in_json(column, names)?;
            let cases =
                names.map(|(name, json)| format!(" WHEN {} THEN {}", text(json), text(name)));
            format!("CASE {inner}{} ELSE {inner} END", cases.collect::<String>())
        }
        (ColumnType::Json, shape, dialect) => {
            let same = column.shape.as_ref()?.present().bare() == shape.bare();
            let json = member_json(member, value, dialect);
            // What is absent is NULL in a column; the document `null` is one.
            let is_document = *shape == Shape::Scalar(ColumnType::Json) && *shape == member.shape;
            same.then(|| match is_document {
                true => json,
                false => format!("nullif({json}, {})", literal("null", dialect)),
            })?
        }
        (ColumnType::Decimal(digits), ..) => super::decimal::from_json(&inner, digits, dialect),
        (ColumnType::Uuid, _, Dialect::Sqlite) => format!("unhex({inner}, '-')"),
        (ColumnType::Text, ..) => inner,
        (
            ColumnType::Bool
            | ColumnType::I32
            | ColumnType::I64
            | ColumnType::U32
            | ColumnType::U64
            | ColumnType::F32
            | ColumnType::F64
            | ColumnType::Uuid,
            _,
            Dialect::Postgres,
        ) => format!("{inner}::{}", column.ty.sql(dialect)),
        (
            ColumnType::Bool | ColumnType::I32 | ColumnType::I64 | ColumnType::U32,
            _,
            Dialect::Sqlite,
        ) => inner,
        (ColumnType::F32 | ColumnType::F64, _, Dialect::Sqlite) => {
            format!("CAST({inner} AS REAL)")
        }
        _ => return None,
    })
}

/// A member of JSON, as JSON.
pub(crate) fn member_json(member: &Member, value: &str, dialect: Dialect) -> String {
    at(member, value, "->", dialect)
}

fn at(member: &Member, value: &str, operator: &str, dialect: Dialect) -> String {
    let place = match dialect {
        Dialect::Postgres => member.name.clone(),
        Dialect::Sqlite => format!("$.{}", serde_json::Value::from(member.name.as_str())),
    };
    format!("({value} {operator} {})", text(&place))
}

/// The members of a message in JSON, and whether it may be absent.
pub(crate) fn members(shape: &Shape) -> Option<(&[Member], bool)> {
    match shape {
        Shape::Object(members) => Some((members, false)),
        Shape::Optional(inner) => match &**inner {
            Shape::Object(members) => Some((members, true)),
            _ => None,
        },
        _ => None,
    }
}

/// JSON of an object out of its members.
pub(crate) fn json_object(members: Vec<String>, dialect: Dialect) -> String {
    object(members, dialect)
}
