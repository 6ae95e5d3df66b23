//! Owns what stands in a column of JSON, as far as a change of the schema can change it: members by number
//! and name, values of enums, and how deep it goes.

use super::table::ColumnType;
use super::words::{Words, quoted};

/// A value in JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A scalar, or a key of one part.
    Scalar(ColumnType),
    /// A value of an enum: by number, the name that it has in JSON.
    Enum(Vec<(u32, String)>),
    /// `null`, or the inner one.
    Optional(Box<Shape>),
    /// A list.
    List(Box<Shape>),
    /// An object of any names.
    Map(Box<Shape>),
    /// A message.
    Object(Vec<Member>),
    /// A message that is so many messages further out: it holds itself.
    Outer(u32),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its number.
    pub number: u32,
    /// Its name in JSON.
    pub name: String,
    /// What it holds.
    pub shape: Shape,
    /// The JSON that is written where nothing is said; `None` where it has to be given.
    pub fill: Option<String>,
}

impl Shape {
    /// As the lock has it.
    pub(crate) fn print(&self) -> String {
        match self {
            Shape::Scalar(ty) => ty.print(),
            Shape::Enum(values) => {
                let values = values.iter();
                let values: Vec<String> = values
                    .map(|(number, name)| format!("{number}:{}", quoted(name)))
                    .collect();
                format!("({})", values.join(","))
            }
            Shape::Optional(inner) => format!("{}?", inner.print()),
            Shape::List(inner) => format!("[{}]", inner.print()),
            Shape::Map(inner) => format!("<{}>", inner.print()),
            Shape::Outer(depth) => format!("^{depth}"),
            Shape::Object(members) => {
                let members = members.iter().map(|it| {
                    let fill = it.fill.as_deref().map(|json| format!("={}", quoted(json)));
                    format!(
                        "{}:{} {}{}",
                        it.number,
                        quoted(&it.name),
                        it.shape.print(),
                        fill.unwrap_or_default()
                    )
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// What `print` printed.
    pub(crate) fn read(words: &mut Words<'_>) -> Option<Shape> {
        let mut shape = if words.take("(") {
            let mut values = Vec::new();
            while !words.take(")") {
                let number = words.number()?;
                words.take(":").then_some(())?;
                values.push((number, words.quoted()?));
                words.take(",");
            }
            Shape::Enum(values)
        } else if words.take("[") {
            let inner = Shape::read(words)?;
            words.take("]").then_some(())?;
            Shape::List(Box::new(inner))
        } else if words.take("<") {
            let inner = Shape::read(words)?;
            words.take(">").then_some(())?;
            Shape::Map(Box::new(inner))
        } else if words.take("^") {
            Shape::Outer(words.number()?)
        } else if words.take("{") {
            let mut members = Vec::new();
            while !words.take("}") {
                let number = words.number()?;
                words.take(":").then_some(())?;
                let name = words.quoted()?;
                words.take(" ").then_some(())?;
                let shape = Shape::read(words)?;
                let fill = match words.take("=") {
                    true => Some(words.quoted()?),
                    false => None,
                };
                members.push(Member {
                    number,
                    name,
                    shape,
                    fill,
                });
                words.take(",");
            }
            Shape::Object(members)
        } else {
            Shape::Scalar(ColumnType::read(words)?)
        };
        while words.take("?") {
            shape = Shape::Optional(Box::new(shape));
        }
        Some(shape)
    }

    /// The same without what is filled in, which no row shows.
    pub(crate) fn bare(&self) -> Shape {
        match self {
            Shape::Optional(inner) => Shape::Optional(Box::new(inner.bare())),
            Shape::List(inner) => Shape::List(Box::new(inner.bare())),
            Shape::Map(inner) => Shape::Map(Box::new(inner.bare())),
            Shape::Object(members) => {
                let members = members.iter().map(|member| Member {
                    fill: None,
                    shape: member.shape.bare(),
                    ..member.clone()
                });
                let mut members: Vec<Member> = members.collect();
                members.sort_by_key(|member| member.number);
                Shape::Object(members)
            }
            other => other.clone(),
        }
    }

    /// The same without its `?`.
    pub(crate) fn present(&self) -> &Shape {
        match self {
            Shape::Optional(inner) => inner,
            other => other,
        }
    }
}
