//! Owns what the engine's own tables are made of: rows of other tables.

use super::change::Pair;
use super::table::{Column, Fill};

/// How the rows of a hidden table follow from those of the schema's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Derived {
    /// The owners of a unique value.
    Unique {
        /// The number of the owners' concern.
        owner: u32,
        /// The fields that are unique together: the beginning of the ids of their columns.
        fields: Vec<Vec<u32>>,
    },
    /// How many refer to each instance.
    Counts {
        /// The number of the concern that is referred to.
        target: u32,
        /// Who refers: the number of a concern and that of its field; in order.
        by: Vec<(u32, u32)>,
    },
}

impl Derived {
    /// Whether its rows can be others after a change of tables: `kept` are those that were there before.
    pub(crate) fn is_touched(&self, old: Option<&Derived>, kept: &[Pair<'_>]) -> bool {
        let is_given = |column: &Column| {
            let made = matches!(column.fill, Some(Fill::Placeholder(_)));
            column.fill.is_some() && !made
        };
        // Who was not there refers to nothing yet.
        let was_there = |concern: u32, field: &[u32]| {
            let mut pairs = kept.iter().filter(|pair| pair.new.is_of(concern));
            pairs.any(|pair| {
                let starts = |column: &&Column| column.id.starts_with(field);
                let mut columns = pair.new.columns.iter().filter(starts);
                columns.any(|it| pair.old.column(&it.id).is_some() || is_given(it))
            })
        };
        let converted = |concern: u32, field: &[u32]| {
            let mut pairs = kept.iter().filter(|pair| pair.new.is_of(concern));
            pairs.any(|pair| {
                let mut columns = pair
                    .new
                    .columns
                    .iter()
                    .filter(|it| it.id.starts_with(field));
                columns.any(|column| match pair.old.column(&column.id) {
                    Some(before) => before.ty != column.ty || before.optional && !column.optional,
                    None => false,
                })
            })
        };
        match (self, old) {
            (Derived::Unique { owner, fields }, None) => {
                fields.iter().all(|field| was_there(*owner, field))
            }
            (Derived::Unique { owner, fields }, Some(old)) => {
                self != old || fields.iter().any(|field| converted(*owner, field))
            }
            (Derived::Counts { by, .. }, old) => {
                let before = match old {
                    Some(Derived::Counts { by, .. }) => by.as_slice(),
                    _ => &[],
                };
                let gone = before.iter().any(|it| !by.contains(it));
                let new = by.iter().filter(|it| !before.contains(it));
                gone || new
                    .into_iter()
                    .any(|(concern, field)| was_there(*concern, &[*field]))
            }
        }
    }

    /// As the lock has it.
    pub(crate) fn print(&self) -> String {
        match self {
            Derived::Unique { owner, fields } => {
                let fields: Vec<String> = fields.iter().map(|it| id(it)).collect();
                format!("unique {owner} {}", fields.join(","))
            }
            Derived::Counts { target, by } => {
                let by: Vec<String> = by.iter().map(|(a, b)| format!("{a}.{b}")).collect();
                format!("counts {target} {}", by.join(","))
            }
        }
    }

    /// What `print` printed.
    pub(crate) fn read(text: &str) -> Option<Derived> {
        let mut words = text.split(' ');
        let (word, number) = (words.next()?, words.next()?.parse().ok()?);
        let list = words.next().unwrap_or_default();
        let list = list.split(',').filter(|it| !it.is_empty());
        let list: Option<Vec<Vec<u32>>> = list.map(read_id).collect();
        match word {
            "unique" => Some(Derived::Unique {
                owner: number,
                fields: list?,
            }),
            "counts" => {
                let by = list?.into_iter().map(|pair| match pair.as_slice() {
                    [concern, field] => Some((*concern, *field)),
                    _ => None,
                });
                Some(Derived::Counts {
                    target: number,
                    by: by.collect::<Option<_>>()?,
                })
            }
            _ => None,
        }
    }
}

/// Numbers with points between them.
pub(crate) fn id(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(".")
}

/// What `id` printed.
pub(crate) fn read_id(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}
