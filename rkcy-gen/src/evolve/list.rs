//! Owns lists that move: out of a column of JSON into rows of a table of their own, and back.

use super::carry::{fold, unfold_member};
use super::change::Moved;
use super::convert::{member_json, members};
use super::create::create_bare;
use super::shape::Shape;
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
    values.extend(
        table
            .values()
            .map(|column| of_element(json, column, dialect).unwrap_or_default()),
    );
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
    let columns = table.key().into_iter().chain(table.values());
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
    let own: Vec<&Column> = moved.table.values().collect();
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
    let fails = |dialect: Dialect| match owner.old.column(&json.id).is_some() {
        true => (table.values()).any(|column| of_element(json, column, dialect).is_none()),
        false => {
            let keys = owner.old.key();
            gathered(moved, "", ("", &keys), dialect).is_none()
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
    match column.id.as_slice() {
        [number] => unfold_member(inner, &value, *number, column, dialect),
        // Of a message that has columns of its own.
        [number, part] => {
            let member = inner.iter().find(|member| member.number == *number)?;
            let (parts, _) = members(&member.shape)?;
            let is_there = *part == 0 || parts.iter().any(|member| member.number == *part);
            let value = member_json(member, &value, dialect);
            is_there.then(|| unfold_member(parts, &value, *part, column, dialect))?
        }
        _ => None,
    }
}
