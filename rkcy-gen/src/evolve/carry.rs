//! Owns where the values of a column come from when a table changes.

use super::change::Pair;
use super::convert::{Way, convert, from_json, json_object, members, to_json, way};
use super::shape::Member;
use super::table::{Column, ColumnType, Dialect, Fill, ident, number_in, text};

/// Where the values of a column come from.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    /// From this one, as they are or converted.
    Column(&'a Column),
    /// From this value.
    Fill(Fill),
    /// From this value where the message around it is there, by this column; where there is no value, the
    /// migration stops at such a row.
    Within(&'a Column, Option<Fill>),
    /// It may be absent, and is.
    Absent,
    /// From nowhere: where there are rows, the migration stops.
    Missing,
    /// From columns of its own, as JSON.
    Fold(Vec<&'a Column>),
    /// From a member of this one of JSON.
    Unfold(&'a Column),
    /// From rows of a table of its own, by this expression.
    Gathered(String),
}

impl<'a> Source<'a> {
    /// Where the values of a column come from.
    pub(crate) fn of(pair: Pair<'a>, column: &Column) -> Source<'a> {
        if let Some(before) = pair.old.column(&column.id) {
            return Source::Column(before);
        }
        let folded = pair.old.folded(column);
        if !folded.is_empty() {
            return Source::Fold(folded);
        }
        let outer = (pair.old.columns.iter())
            .find(|it| it.shape.is_some() && column.id.starts_with(&it.id));
        if let Some(json) = outer.filter(|_| column.id.len() > 1) {
            return Source::Unfold(json);
        }
        // A message that could not be absent was always there.
        let is_presence = column.id.len() > 1 && column.id.ends_with(&[0]);
        let was_there = |it: &&Column| it.id.len() > 1 && it.id[0] == column.id[0];
        if is_presence && pair.old.columns.iter().any(|it| was_there(&it)) {
            return Source::Fill(Fill::Bool(true));
        }
        let fill = column.fill.clone();
        let given = |fill: Option<Fill>| fill.map_or(Source::Missing, Source::Fill);
        if column.within {
            let presence = [&column.id[..1], &[0]].concat();
            return match pair.old.column(&presence) {
                Some(presence) => Source::Within(presence, fill),
                None if pair.old.columns.iter().any(|it| was_there(&it)) => given(fill),
                None => Source::Absent,
            };
        }
        match fill {
            None if column.optional => Source::Absent,
            fill => given(fill),
        }
    }

    /// The expression of those values, in a query of the old table.
    pub(crate) fn sql(&self, pair: Pair<'_>, column: &Column, dialect: Dialect) -> String {
        match self {
            Source::Column(before) => {
                let value = convert(before, column, &ident(&before.name), dialect);
                if column.within && before.optional && !before.within {
                    let presence = pair.old.column(&[&column.id[..1], &[0]].concat());
                    return match presence {
                        Some(presence) => within(presence, &value, column, dialect),
                        None => value,
                    };
                }
                match (before.optional && !column.optional, &column.fill) {
                    (true, Some(fill)) => {
                        format!("coalesce({value}, {})", literal(fill, column.ty, dialect))
                    }
                    _ => value,
                }
            }
            Source::Fill(fill) => literal(fill, column.ty, dialect),
            Source::Within(presence, fill) => {
                let present = ident(&presence.name);
                let value = match fill {
                    Some(fill) => literal(fill, column.ty, dialect),
                    None => missing(presence, column.ty, dialect),
                };
                format!("CASE WHEN {present} THEN {value} END")
            }
            Source::Absent | Source::Missing => "NULL".to_owned(),
            Source::Fold(columns) => fold(columns, column, dialect).unwrap_or_default(),
            Source::Unfold(json) => unfold(json, column, dialect).unwrap_or_default(),
            Source::Gathered(sql) => sql.clone(),
        }
    }

    /// Whether the values cannot be brought over at all.
    pub(crate) fn is_impossible(&self, column: &Column) -> bool {
        let fails = |dialect| match self {
            Source::Column(before) => way(before, column) == Some(Way::None),
            Source::Fold(columns) => fold(columns, column, dialect).is_none(),
            Source::Unfold(json) => unfold(json, column, dialect).is_none(),
            _ => false,
        };
        Dialect::ALL.into_iter().any(fails)
    }
}

/// A value as SQL writes it.
pub(crate) fn literal(fill: &Fill, ty: ColumnType, dialect: Dialect) -> String {
    match (fill, dialect) {
        (Fill::Bool(value), Dialect::Postgres) => value.to_string(),
        (Fill::Bool(value), Dialect::Sqlite) => u8::from(*value).to_string(),
        (Fill::Number(value), _) => number_in(*value, ty, dialect),
        (Fill::Text(value), _) => text(value),
        (Fill::Json(value), _) => text(value),
        (Fill::Zero(length), _) => zero(ty, *length, dialect),
        (Fill::Placeholder(fill), _) => literal(fill, ty, dialect),
    }
}

/// A value of a column that may be absent no more where the message around it is there.
fn within(presence: &Column, value: &str, column: &Column, dialect: Dialect) -> String {
    let filled = match &column.fill {
        Some(fill) => literal(fill, column.ty, dialect),
        None => missing(presence, column.ty, dialect),
    };
    let present = ident(&presence.name);
    format!("CASE WHEN {present} AND {value} IS NULL THEN {filled} ELSE {value} END")
}

/// What stops a migration at a row that has no value.
fn missing(presence: &Column, ty: ColumnType, dialect: Dialect) -> String {
    let stop = super::convert::stop("a value is missing", &ident(&presence.name), dialect);
    match dialect {
        Dialect::Postgres => format!("({stop})::text::{}", ty.sql(dialect)),
        Dialect::Sqlite => stop,
    }
}

/// Zeroes of a type that has no literals.
fn zero(ty: ColumnType, length: u32, dialect: Dialect) -> String {
    let digits = "00".repeat(length as usize);
    match (ty, dialect) {
        (ColumnType::Uuid, Dialect::Postgres) => {
            "'00000000-0000-0000-0000-000000000000'".to_owned()
        }
        (ColumnType::Timestamp, Dialect::Postgres) => "'epoch'".to_owned(),
        (ColumnType::Timestamp, Dialect::Sqlite) => "0".to_owned(),
        (_, Dialect::Postgres) => format!("'\\x{digits}'"),
        (_, Dialect::Sqlite) => format!("x'{digits}'"),
    }
}

/// The JSON of a message out of its columns.
pub(crate) fn fold(columns: &[&Column], json: &Column, dialect: Dialect) -> Option<String> {
    let shape = json.shape.as_ref()?;
    let (inner, optional) = members(shape)?;
    let mut parts = Vec::new();
    for member in inner {
        let id = [json.id.as_slice(), &[member.number]].concat();
        let value = match columns.iter().find(|column| column.id == id) {
            Some(column) => to_json(column, member, &ident(&column.name), dialect)?,
            // A key of several parts, or a message that has columns of its own.
            None if columns.iter().any(|column| column.id.starts_with(&id)) => {
                let inner = Column {
                    id: id.clone(),
                    ty: ColumnType::Json,
                    shape: Some(member.shape.clone()),
                    ..json.clone()
                };
                let columns = columns.iter().filter(|column| column.id.starts_with(&id));
                fold(&columns.copied().collect::<Vec<_>>(), &inner, dialect)?
            }
            None => match (dialect, member.fill.as_ref()?) {
                (Dialect::Postgres, fill) => format!("{}::jsonb", text(fill)),
                (Dialect::Sqlite, fill) => format!("json({})", text(fill)),
            },
        };
        parts.push(format!("{}, {value}", text(&member.name)));
    }
    let object = json_object(parts, dialect);
    let presence = [json.id.as_slice(), &[0]].concat();
    let presence = columns.iter().find(|column| column.id == presence);
    let Some(presence) = presence else {
        return Some(object);
    };
    let absent = match (optional, &json.fill) {
        (true, _) => super::convert::literal("null", dialect),
        // It may be absent no more.
        (false, fill) => {
            let filled = match fill {
                Some(fill) => literal(fill, json.ty, dialect),
                None => missing(presence, json.ty, dialect),
            };
            match dialect {
                Dialect::Postgres => format!("({filled})::jsonb"),
                Dialect::Sqlite => filled,
            }
        }
    };
    let presence = ident(&presence.name);
    Some(format!(
        "CASE WHEN {presence} THEN {object} ELSE {absent} END"
    ))
}

/// A column of a message out of its JSON.
fn unfold(json: &Column, column: &Column, dialect: Dialect) -> Option<String> {
    let (inner, _) = members(json.shape.as_ref()?)?;
    let [number] = column.id.strip_prefix(json.id.as_slice())? else {
        return None;
    };
    unfold_member(inner, &ident(&json.name), *number, column, dialect)
}

/// A column out of the member with a number, of a message with these members whose JSON is `value`; 0 is whether it
/// is there.
pub(crate) fn unfold_member(
    inner: &[Member],
    value: &str,
    number: u32,
    column: &Column,
    dialect: Dialect,
) -> Option<String> {
    if number == 0 {
        return Some(match dialect {
            Dialect::Postgres => format!("({value} <> 'null'::jsonb)"),
            Dialect::Sqlite => format!("({value} <> 'null')"),
        });
    }
    match inner.iter().find(|member| member.number == number) {
        Some(member) => from_json(column, member, value, dialect),
        None => match &column.fill {
            Some(fill) if column.within => {
                let null = match dialect {
                    Dialect::Postgres => "'null'::jsonb",
                    Dialect::Sqlite => "'null'",
                };
                let fill = literal(fill, column.ty, dialect);
                Some(format!("CASE WHEN {value} <> {null} THEN {fill} END"))
            }
            Some(fill) => Some(literal(fill, column.ty, dialect)),
            None if column.within => None,
            None => column.optional.then(|| "NULL".to_owned()),
        },
    }
}
