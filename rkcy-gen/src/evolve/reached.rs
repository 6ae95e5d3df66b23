//! Owns the tables that the migrations reach, as lines of the lock: one for each table, column, index, derived
//! table and comment.

use std::collections::BTreeMap;

use super::derived::{Derived, id, read_id};
use super::shape::Shape;
use super::table::{Check, Column, ColumnType, Fill, Index, Table};
use super::words::{Words, quoted};
use crate::model::Number;
use crate::plan::number;

/// The words that those lines begin with.
pub(crate) const WORDS: [&str; 5] = ["column", "comment", "derived", "indexed", "table"];

/// The lines of tables, in no order.
pub(crate) fn print(tables: &[Table]) -> Vec<String> {
    let mut lines = Vec::new();
    for table in tables {
        let name = &table.name;
        lines.push(format!("table {name} {}", table.number));
        lines.extend(comment(name, &table.comment));
        lines.extend((table.derived.iter()).map(|it| format!("derived {name} {}", it.print())));
        for index in &table.indexes {
            lines.push(format!(
                "indexed {name} {} {}",
                index.name,
                index.columns.join(",")
            ));
        }
        for column in &table.columns {
            let path = format!("{name}.{}", column.name);
            lines.push(format!("column {path} {}", print_column(column)));
            lines.extend(comment(&path, &column.comment));
        }
    }
    lines
}

fn comment(path: &str, text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("comment {path} {}", quoted(text)))
}

fn print_column(column: &Column) -> String {
    let mut text = format!("{} {}", id(&column.id), column.ty.print());
    match (column.optional, column.within) {
        (true, true) => text.push('*'),
        (true, false) => text.push('?'),
        (false, _) => {}
    }
    if let Some(place) = column.key {
        text.push_str(&format!(" key{place}"));
    }
    for check in &column.checks {
        text.push(' ');
        text.push_str(&match check {
            Check::Range(min, max) => {
                let shown = |limit: &Option<Number>| limit.map(number).unwrap_or_default();
                format!("range({},{})", shown(min), shown(max))
            }
            Check::Length(min, max) => {
                let max = max.map(|max| max.to_string()).unwrap_or_default();
                format!("length({min},{max})")
            }
            Check::Pattern(pattern) => format!("pattern({})", quoted(pattern)),
            Check::Values(values) => {
                let values: Vec<String> = (values.iter())
                    .map(|(number, name)| format!("{number}:{name}"))
                    .collect();
                format!("values({})", values.join(","))
            }
        });
    }
    if let Some(shape) = &column.shape {
        text.push_str(&format!(" holds {}", shape.print()));
    }
    if let Some(fill) = &column.fill {
        text.push_str(" = ");
        text.push_str(&match fill {
            Fill::Bool(value) => value.to_string(),
            Fill::Number(value) => number(*value),
            Fill::Text(value) => quoted(value),
            Fill::Json(value) => format!("json{}", quoted(value)),
            // These are made for one migration, and no lock has them.
            Fill::Zero(_) | Fill::Placeholder(_) => String::new(),
        });
    }
    text
}

/// Puts tables together, line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    tables: BTreeMap<String, Table>,
    comments: Vec<(String, String)>,
    parts: Vec<(String, Part)>,
}

#[derive(Debug, Clone)]
enum Part {
    Column(Box<Column>),
    Index(Index),
    Derived(Derived),
}

impl Reader {
    /// Takes a line that begins with one of the words.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), String> {
        self.read(line)
            .ok_or_else(|| format!("`{line}` is no line of a lock"))
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let mut words = Words::new(line);
        let word = words.piece();
        let path = words.piece().to_owned();
        match word {
            "table" => {
                let table = Table {
                    number: words.piece().parse().ok()?,
                    name: path.clone(),
                    comment: String::new(),
                    columns: Vec::new(),
                    indexes: Vec::new(),
                    derived: None,
                };
                self.tables.insert(path, table);
            }
            "comment" => self.comments.push((path, words.quoted()?)),
            "derived" => {
                let text = line.splitn(3, ' ').nth(2)?;
                self.parts.push((path, Part::Derived(Derived::read(text)?)));
                return Some(());
            }
            "indexed" => {
                let name = words.piece().to_owned();
                let columns = words.piece().split(',').map(str::to_owned).collect();
                self.parts
                    .push((path, Part::Index(Index { name, columns })));
            }
            "column" => {
                let (table, name) = path.split_once('.')?;
                let column = read_column(name, &mut words)?;
                self.parts
                    .push((table.to_owned(), Part::Column(Box::new(column))));
            }
            _ => return None,
        }
        words.is_empty().then_some(())
    }

    /// The tables, in order of their numbers.
    ///
    /// # Errors
    /// A line about a table or a column that there is no line for.
    pub(crate) fn finish(mut self) -> Result<Vec<Table>, String> {
        let missing = |name: &str| format!("the line of `{name}` is missing");
        for (table, part) in self.parts {
            let table = (self.tables.get_mut(&table)).ok_or_else(|| missing(&table))?;
            match part {
                Part::Column(column) => table.columns.push(*column),
                Part::Index(index) => table.indexes.push(index),
                Part::Derived(derived) => table.derived = Some(derived),
            }
        }
        for (path, text) in self.comments {
            match path.split_once('.') {
                None => {
                    let table = self.tables.get_mut(&path);
                    table.ok_or_else(|| missing(&path))?.comment = text;
                }
                Some((table, name)) => {
                    let columns = self.tables.get_mut(table).map(|it| &mut it.columns);
                    let mut columns = columns.into_iter().flatten();
                    let column = columns.find(|it| it.name == name);
                    column.ok_or_else(|| missing(&path))?.comment = text;
                }
            }
        }
        let mut tables: Vec<Table> = self.tables.into_values().collect();
        for table in &mut tables {
            // As they were declared, as far as numbers tell.
            let order = |column: &Column| (column.key.unwrap_or(u32::MAX), column.id.clone());
            table.columns.sort_by_key(order);
        }
        tables.sort_by_key(|table| table.number);
        Ok(tables)
    }
}

fn read_column(name: &str, words: &mut Words<'_>) -> Option<Column> {
    let (id, ty) = (read_id(words.piece())?, ColumnType::read(words)?);
    let within = words.take("*");
    let mut column = Column {
        id,
        name: name.to_owned(),
        ty,
        optional: within || words.take("?"),
        within,
        key: None,
        checks: Vec::new(),
        shape: None,
        fill: None,
        comment: String::new(),
    };
    while words.take(" ") {
        if words.take("= ") {
            column.fill = Some(read_fill(words, ty)?);
        } else if words.take("holds ") {
            column.shape = Some(Shape::read(words)?);
        } else if words.take("pattern(") {
            column.checks.push(Check::Pattern(words.quoted()?));
            words.take(")").then_some(())?;
        } else if words.take("key") {
            column.key = Some(words.number()?);
        } else {
            let check = words.word();
            words.take("(").then_some(())?;
            let inside = words.until(")")?;
            column.checks.push(read_check(check, inside, ty)?);
        }
    }
    Some(column)
}

fn read_check(word: &str, inside: &str, ty: ColumnType) -> Option<Check> {
    match word {
        "range" => {
            let (min, max) = inside.split_once(',')?;
            let read = |text: &str| match text.is_empty() {
                true => Some(None),
                false => read_number(text, ty).map(Some),
            };
            Some(Check::Range(read(min)?, read(max)?))
        }
        "length" => {
            let (min, max) = inside.split_once(',')?;
            let max = match max.is_empty() {
                true => None,
                false => Some(max.parse().ok()?),
            };
            Some(Check::Length(min.parse().ok()?, max))
        }
        "values" => {
            let values = inside.split(',').map(|value| {
                let (number, name) = value.split_once(':')?;
                Some((number.parse().ok()?, name.to_owned()))
            });
            Some(Check::Values(values.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn read_number(text: &str, ty: ColumnType) -> Option<Number> {
    match (ty, text.contains('.')) {
        (ColumnType::Decimal(digits), _) => Number::decimal(text, digits),
        (_, true) => text.parse().ok().map(Number::Float),
        (_, false) => text.parse().ok().map(Number::Int),
    }
}

fn read_fill(words: &mut Words<'_>, ty: ColumnType) -> Option<Fill> {
    if words.take("json") {
        return words.quoted().map(Fill::Json);
    }
    if let Some(text) = words.quoted() {
        return Some(Fill::Text(text));
    }
    match words.piece() {
        "true" => Some(Fill::Bool(true)),
        "false" => Some(Fill::Bool(false)),
        text => read_number(text, ty).map(Fill::Number),
    }
}
