//! Owns lists that move: out of a column of JSON into rows of a table of their own, and back.

use super::carry::fold;
use super::change::Moved;
use super::convert::{from_json, member_json, members};
use super::create::create_bare;
use super::shape::{Member, Shape};
use super::table::{Column, ColumnType, Dialect, PLACE, ident, list};

/// What an element is called on its way out of JSON.
const ELEMENT: &str = "_rkcy_element";

/// Makes the table of a list under a name, with the elements that stand in JSON. `owner` is the table of the
/// instances, whose columns have the names that they had.
pub(crate) fn spread(moved: &Moved<'_>, name: &str, owner: &str, dialect: Dialect) -> String {
    let Moved {
        owner: pair,
        json,
        table,
    } = moved;
    let keys = pair.old.key().into_iter();
    let mut values: Vec<String> = keys.map(|column| ident(&column.name)).collect();
    values.push(ident(PLACE));
    let own = table.columns.iter().filter(|column| column.key.is_none());
    values.extend(own.map(|column| of_element(json, column, dialect).unwrap_or_default()));
    let (owner, json) = (ident(owner), ident(&json.name));
    let (element, place) = (ident(ELEMENT), ident(PLACE));
    let elements = match dialect {
        Dialect::Postgres => format!(
            "(SELECT t.*, e.value AS {element}, e.place - 1 AS {place} FROM {owner} AS t \
             CROSS JOIN LATERAL jsonb_array_elements(t.{json}) WITH ORDINALITY AS e(value, place)) AS elements"
        ),
        Dialect::Sqlite => format!(
            "(SELECT t.*, e.value AS {element}, e.key AS {place} FROM {owner} AS t, json_each(t.{json}) AS e)"
        ),
    };
    let columns = table
        .key()
        .into_iter()
        .chain(table.columns.iter().filter(|column| column.key.is_none()));
    format!(
        "{}INSERT INTO {} ({})\nSELECT {}\nFROM {elements};\n",
        create_bare(table, name, dialect),
        ident(name),
        list(columns.map(|column| column.name.as_str())),
        values.join(", "),
    )
}

/// The JSON of a list out of the rows of its table, which goes by a name: an expression beside the columns of
/// the instance's key, in a table of this name and these columns.
pub(crate) fn gathered(
    moved: &Moved<'_>,
    name: &str,
    (owner, keys): (&str, &[&Column]),
    dialect: Dialect,
) -> Option<String> {
    let element = Column {
        id: Vec::new(),
        ty: ColumnType::Json,
        shape: Some(element(moved.json)?.clone()),
        fill: None,
        ..moved.json.clone()
    };
    let own: Vec<&Column> = (moved.table.columns.iter())
        .filter(|column| column.key.is_none())
        .collect();
    let object = fold(&own, &element, dialect)?;
    let (name, place) = (ident(name), ident(PLACE));
    let all = match dialect {
        Dialect::Postgres => format!("coalesce(jsonb_agg({object} ORDER BY {place}), '[]'::jsonb)"),
        Dialect::Sqlite => format!("json_group_array(json({object}) ORDER BY {place})"),
    };
    let own_keys = moved.table.key().into_iter();
    let same = own_keys.zip(keys).map(|(own, key)| {
        let (own, key) = (ident(&own.name), ident(&key.name));
        format!("{name}.{own} = {}.{key}", ident(owner))
    });
    let same: Vec<String> = same.collect();
    Some(format!(
        "(SELECT {all} FROM {name} WHERE {})",
        same.join(" AND ")
    ))
}

/// Whether the elements cannot be brought over.
pub(crate) fn is_impossible(moved: &Moved<'_>) -> bool {
    let Moved { owner, json, table } = moved;
    let fails = |dialect: Dialect| {
        let own = || table.columns.iter().filter(|column| column.key.is_none());
        match owner.old.column(&json.id).is_some() {
            true => own().any(|column| of_element(json, column, dialect).is_none()),
            false => {
                let keys = owner.old.key();
                gathered(moved, "", ("", &keys), dialect).is_none()
            }
        }
    };
    Dialect::ALL.into_iter().any(fails)
}

/// What an element of a list is.
fn element(json: &Column) -> Option<&Shape> {
    match json.shape.as_ref()? {
        Shape::List(element) => Some(element),
        _ => None,
    }
}

/// A column out of an element.
fn of_element(json: &Column, column: &Column, dialect: Dialect) -> Option<String> {
    let (inner, _) = members(element(json)?)?;
    let value = ident(ELEMENT);
    let by_number = |all: &'_ [Member], number: u32| -> Option<usize> {
        all.iter().position(|member| member.number == number)
    };
    let own = |number: u32| by_number(inner, number).map(|at| &inner[at]);
    match column.id.as_slice() {
        [number] => match own(*number) {
            Some(member) => from_json(column, member, &value, dialect),
            None => given(column, dialect),
        },
        // Of a message that has columns of its own.
        [number, part] => {
            let member = own(*number)?;
            let (parts, _) = members(&member.shape)?;
            let value = member_json(member, &value, dialect);
            match (*part, by_number(parts, *part)) {
                (0, _) => Some(match dialect {
                    Dialect::Postgres => format!("({value} <> 'null'::jsonb)"),
                    Dialect::Sqlite => format!("({value} <> 'null')"),
                }),
                (_, Some(at)) => from_json(column, &parts[at], &value, dialect),
                (_, None) => None,
            }
        }
        _ => None,
    }
}

/// What stands in a column that no element has.
fn given(column: &Column, dialect: Dialect) -> Option<String> {
    match &column.fill {
        Some(fill) => Some(super::carry::literal(fill, column.ty, dialect)),
        None => column.optional.then(|| "NULL".to_owned()),
    }
}
