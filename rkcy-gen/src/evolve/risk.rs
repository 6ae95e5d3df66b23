//! Owns what a migration does to rows, and to those who want to read and write them meanwhile: findings by
//! code, each at the element of the schema that it comes from.

use super::carry::Source;
use super::change::{Change, Difference, Pair};
use super::convert::Way;
use super::derived::Derived;
use super::table::{Column, ColumnType, Dialect, Table};
use crate::diagnostic::{Code, Diagnostic};
use crate::lock::Lock;
use crate::model::{Concern, Model, Side};
use crate::syntax::Span;

/// Where things stand in the schema.
struct Places<'a> {
    model: &'a Model,
    lock: &'a Lock,
}

impl Places<'_> {
    fn concern(&self, number: u32) -> Option<&Concern> {
        let mut concerns = self.model.concerns().iter();
        concerns.find(|concern| self.lock.rank(&concern.name) == number)
    }

    /// The concern of a table; of a hidden one, that of its rows.
    fn table(&self, table: &Table) -> Span {
        let number = match &table.derived {
            Some(Derived::Unique { owner, .. }) => *owner,
            Some(Derived::Counts { target, .. }) => *target,
            None => table.number,
        };
        let concern = self.concern(number);
        concern.map_or(self.model.platform().span, |concern| concern.span)
    }

    /// The field of a column; where that is gone, the concern.
    fn column(&self, table: &Table, column: &Column) -> Span {
        let field = self.concern(table.number).and_then(|concern| {
            let mut fields = concern.all_fields();
            let is_it = |name: &str| self.lock.field(&concern.name, name) == column.id[0];
            fields.find(|field| is_it(&field.name))
        });
        field.map_or_else(|| self.table(table), |field| field.span)
    }
}

/// What is to be known before a migration is applied; errors are what has no migration.
pub fn findings(found: &Difference<'_>, model: &Model, lock: &Lock) -> Vec<Diagnostic> {
    let places = Places { model, lock };
    let mut all: Vec<Diagnostic> = (found.changes.iter())
        .flat_map(|change| of_change(change, &places))
        .collect();
    for change in &found.changes {
        if let Change::TableAdded(table) = change {
            all.extend(of_view(table, &found.kept, &places));
        }
    }
    for pair in &found.kept {
        for column in &pair.new.columns {
            let source = Source::of(*pair, column);
            if matches!(source, Source::Fold(_) | Source::Unfold(_)) && source.is_impossible(column)
            {
                all.push(no_way(*pair, column, &places));
            }
        }
    }
    all
}

/// A related view is filled by what its members push. Those that are there have nothing to push until they change.
fn of_view(table: &Table, kept: &[Pair<'_>], places: &Places<'_>) -> Option<Diagnostic> {
    let is_of = |concern: &&Concern| places.lock.view(&concern.name) == table.number;
    let target = places.model.concerns().iter().find(is_of)?;
    let there = |(side, _): &(&Side, u32)| {
        let members = places.lock.rank(&places.model.concern(side.concern).name);
        kept.iter().any(|pair| pair.new.number == members)
    };
    let (side, _) = target.viewed().find(there)?;
    let members = &places.model.concern(side.concern).name;
    let message = format!(
        "instances of `{members}` that are there are not in the views of `{}` yet",
        target.name
    );
    let finding = Diagnostic::new(Code::ViewBeginsEmpty, side.span, message);
    Some(finding.help(
        "each comes in when it is changed the next time: let a command change all of them once",
    ))
}

fn no_way(pair: Pair<'_>, column: &Column, places: &Places<'_>) -> Diagnostic {
    let message = format!(
        "no value of `{}` can become one of its new type",
        path(pair, column)
    );
    Diagnostic::new(Code::NoConversion, places.column(pair.new, column), message).help(
        "leave the field as it is, add another, and let a command fill it; remove the old one when all is there",
    )
}

fn path(pair: Pair<'_>, column: &Column) -> String {
    format!("{}.{}", pair.new.name, column.name)
}

fn of_change(change: &Change<'_>, places: &Places<'_>) -> Vec<Diagnostic> {
    let finding = |code: Code, span: Span, message: String, help: &str| {
        vec![Diagnostic::new(code, span, message).help(help)]
    };
    let at = |pair: &Pair<'_>, column: &Column| places.column(pair.new, column);
    match change {
        Change::KeyChanged(pair) => finding(
            Code::KeyMoved,
            places.table(pair.new),
            format!(
                "the key of `{}` is another, and with it the place of every instance",
                pair.new.name
            ),
            "declare a concern beside this one, and let a transaction create its instances out of those",
        ),
        Change::TypeChanged(pair, old, new, way) => match way {
            Way::None => vec![no_way(*pair, new, places)],
            way => of_type(pair, old, new, *way, at(pair, new)),
        },
        Change::JsonChanged(pair, _, new, way) => match way {
            Way::None => vec![no_way(*pair, new, places)],
            way => {
                let mut all = finding(
                    Code::RewritesRows,
                    at(pair, new),
                    format!(
                        "every row of `{}` is written anew: its `{}` is JSON",
                        pair.new.name, new.name
                    ),
                    "apply it when there is time: rows are locked until it is through",
                );
                if *way == Way::Rounded {
                    all.extend(finding(
                        Code::DropsColumn,
                        at(pair, new),
                        format!(
                            "members of the JSON in `{}` are removed with their values",
                            path(*pair, new)
                        ),
                        "the way back cannot bring them back",
                    ));
                }
                if *way == Way::Narrower {
                    all.extend(finding(
                        Code::NarrowsColumn,
                        at(pair, new),
                        format!(
                            "the migration stops at a `{}` that does not fit",
                            path(*pair, new)
                        ),
                        "look for such rows before",
                    ));
                }
                all
            }
        },
        Change::TableRemoved(table) if table.derived.is_none() => finding(
            Code::DropsTable,
            places.table(table),
            format!("all rows of `{}` are removed", table.name),
            "the way back makes the table, and not its rows",
        ),
        Change::ColumnRemoved(pair, column) => finding(
            Code::DropsColumn,
            at(pair, column),
            format!("`{}` is removed with its values", path(*pair, column)),
            "the way back cannot bring them back; where it was only renamed, say so with `@was`",
        ),
        Change::ColumnAdded(pair, column) => match Source::of(*pair, column) {
            Source::Missing | Source::Within(_, None) => finding(
                Code::NeedsValue,
                at(pair, column),
                format!(
                    "no row of `{}` has a value for `{}`: the migration stops where there are rows",
                    pair.new.name, column.name
                ),
                "give it a default, or make it `?` and fill it by a command",
            ),
            _ => Vec::new(),
        },
        Change::BecameRequired(pair, column) if column.fill.is_none() => finding(
            Code::BecameRequired,
            at(pair, column),
            format!(
                "the migration stops at a row without `{}`",
                path(*pair, column)
            ),
            "give it a default, or fill it before",
        ),
        Change::ValuesRemoved(pair, column, names) => finding(
            Code::RemovesValue,
            at(pair, column),
            format!(
                "the migration stops at a row whose `{}` is `{}`",
                path(*pair, column),
                names.join("` or `")
            ),
            "give those rows another value before; where it was only renamed, say so with `@was`",
        ),
        Change::ValuesRenamed(pair, column, names) => finding(
            Code::RewritesRows,
            at(pair, column),
            format!(
                "rows of `{}` are written anew: {}",
                pair.new.name,
                names
                    .iter()
                    .map(|(old, new)| format!("`{old}` becomes `{new}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "apply it when there is time: those rows are locked until it is through",
        ),
        Change::Narrowed(pair, column) => finding(
            Code::NarrowsColumn,
            at(pair, column),
            format!(
                "the migration stops at a `{}` that its new constraint does not take",
                path(*pair, column)
            ),
            "look for such rows before",
        ),
        Change::Folded(pair, column) | Change::Unfolded(pair, column) => finding(
            Code::RewritesRows,
            at(pair, column),
            format!(
                "every row of `{}` is written anew: `{}` is stored in another way",
                pair.new.name, column.name
            ),
            "apply it when there is time: rows are locked until it is through",
        ),
        Change::Filled(table) => of_derived(table, places),
        Change::Refilled(pair) => of_derived(pair.new, places),
        _ => Vec::new(),
    }
}

fn of_type(pair: &Pair<'_>, old: &Column, new: &Column, way: Way, span: Span) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let path = path(*pair, new);
    if way == Way::Narrower {
        let message = format!(
            "the migration stops at a `{path}` that is no `{}`",
            new.ty.print()
        );
        let finding = Diagnostic::new(Code::NarrowsColumn, span, message);
        all.push(finding.help("look for such rows before"));
    }
    if way == Way::Rounded {
        let message = format!("values of `{path}` are rounded to a `{}`", new.ty.print());
        let finding = Diagnostic::new(Code::RoundsColumn, span, message);
        all.push(finding.help("the way back brings back the rounded ones"));
    }
    // PostgreSQL keeps a number as it is where only more digits may stand before the point.
    let keeps_rows = match (old.ty, new.ty) {
        (ColumnType::Decimal(old), ColumnType::Decimal(new)) => {
            new.scale == old.scale && new.holds(old)
        }
        (old, new) => old.sql(Dialect::Postgres) == new.sql(Dialect::Postgres),
    };
    if !keeps_rows {
        let message = format!(
            "PostgreSQL writes all of `{}` anew and locks it meanwhile",
            pair.new.name
        );
        let finding = Diagnostic::new(Code::RewritesTable, span, message);
        all.push(finding.help(
            "apply it when nobody needs the table; or add another field beside this one, and let a command fill it",
        ));
    }
    all
}

fn of_derived(table: &Table, places: &Places<'_>) -> Vec<Diagnostic> {
    let span = places.table(table);
    let fills = Diagnostic::new(
        Code::FillsFromRows,
        span,
        format!("`{}` is filled from all rows that are there", table.name),
    )
    .help("let what is under way end, and storage write all of it, before it is applied");
    match &table.derived {
        Some(Derived::Unique { .. }) => {
            let message = "the migration stops where two rows have the same value".to_owned();
            let twice = Diagnostic::new(Code::NotUniqueYet, span, message);
            vec![twice.help("look for such rows before"), fills]
        }
        _ => vec![fills],
    }
}
