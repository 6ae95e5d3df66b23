//! Owns what differs between the tables that a migration reached and those that a schema asks for: a list of
//! changes. Things are the same if their numbers are.

use std::cmp::Ordering;

use super::convert::{Way, way};
use super::table::{Check, Column, Index, Table};
use crate::model::Number;

/// What differs.
#[derive(Debug, Clone)]
pub struct Difference<'a> {
    /// Tables that are new.
    pub(crate) added: Vec<&'a Table>,
    /// Tables that are gone.
    pub(crate) removed: Vec<&'a Table>,
    /// Tables that were there and stay, whether or not something differs.
    pub(crate) kept: Vec<Pair<'a>>,
    /// Lists that were JSON and have tables of their own now.
    pub(crate) spread: Vec<Moved<'a>>,
    /// Lists that had tables of their own and are JSON now.
    pub(crate) gathered: Vec<Moved<'a>>,
    /// All that differs.
    pub changes: Vec<Change<'a>>,
}

/// A table as it was and as it is to be.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// As it was.
    pub old: &'a Table,
    /// As it is to be.
    pub new: &'a Table,
}

/// A list that is stored in another way.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// The table of its instances.
    pub owner: Pair<'a>,
    /// Its column of JSON, as it was or is to be.
    pub json: &'a Column,
    /// Its table, as it is to be or was.
    pub table: &'a Table,
}

impl Moved<'_> {
    /// Whether this column of a table is that of the JSON.
    pub(crate) fn is(&self, pair: Pair<'_>, column: &Column) -> bool {
        self.owner.new.is_same(pair.new) && self.json.id == column.id
    }
}

/// One thing that differs.
#[derive(Debug, Clone)]
pub enum Change<'a> {
    /// A table that is new.
    TableAdded(&'a Table),
    /// A table that is gone, with its rows.
    TableRemoved(&'a Table),
    /// A table that is called otherwise.
    TableRenamed(Pair<'a>),
    /// A table whose key is another.
    KeyChanged(Pair<'a>),
    /// A column that is new.
    ColumnAdded(Pair<'a>, &'a Column),
    /// A column that is gone, with its values.
    ColumnRemoved(Pair<'a>, &'a Column),
    /// A column that is called otherwise.
    ColumnRenamed(Pair<'a>, &'a Column, &'a Column),
    /// A column that holds another type: which way the values go.
    TypeChanged(Pair<'a>, &'a Column, &'a Column, Way),
    /// A column that may be absent now.
    BecameOptional(Pair<'a>, &'a Column),
    /// A column that may not be absent any more.
    BecameRequired(Pair<'a>, &'a Column),
    /// Values of an enum that are called otherwise.
    ValuesRenamed(Pair<'a>, &'a Column, Vec<(String, String)>),
    /// Values of an enum that are gone.
    ValuesRemoved(Pair<'a>, &'a Column, Vec<String>),
    /// Values of an enum that are new.
    ValuesAdded(Pair<'a>, &'a Column, Vec<String>),
    /// Checks that take fewer values than before.
    Narrowed(Pair<'a>, &'a Column),
    /// Checks that take more values than before.
    Widened(Pair<'a>, &'a Column),
    /// A message that had columns of its own and is JSON now.
    Folded(Pair<'a>, &'a Column),
    /// A message that was JSON and has columns of its own now.
    Unfolded(Pair<'a>, &'a Column),
    /// A list that was JSON and has a table of its own now.
    Spread(Moved<'a>),
    /// A list that had a table of its own and is JSON now.
    Gathered(Moved<'a>),
    /// JSON that holds something else.
    JsonChanged(Pair<'a>, &'a Column, &'a Column, Way),
    /// An index that is new.
    IndexAdded(Pair<'a>, &'a Index),
    /// An index that is gone.
    IndexRemoved(Pair<'a>, &'a Index),
    /// A hidden table that follows from other rows than before, and is filled anew.
    Refilled(Pair<'a>),
    /// A hidden table that is new and filled from rows that are there.
    Filled(&'a Table),
    /// Documentation.
    Said(Pair<'a>),
}

impl Change<'_> {
    /// Whether no row is touched, and no statement is needed but for documentation.
    pub fn is_only_said(&self) -> bool {
        matches!(self, Change::Said(_))
    }
}

impl Difference<'_> {
    /// Whether nothing differs but documentation.
    pub fn is_only_said(&self) -> bool {
        self.changes.iter().all(Change::is_only_said)
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What differs between the tables that are there and those that are to be.
pub fn difference<'a>(old: &'a [Table], new: &'a [Table]) -> Difference<'a> {
    let was = |table: &Table| old.iter().find(|it| it.is_same(table));
    let stays = |table: &Table| new.iter().any(|it| it.is_same(table));
    let mut found = Difference {
        added: new.iter().filter(|it| was(it).is_none()).collect(),
        removed: old.iter().filter(|it| !stays(it)).collect(),
        kept: Vec::new(),
        spread: Vec::new(),
        gathered: Vec::new(),
        changes: Vec::new(),
    };
    for new in new {
        if let Some(old) = was(new) {
            found.kept.push(Pair { old, new });
        }
    }
    moves(&mut found);
    for table in &found.removed {
        found.changes.push(Change::TableRemoved(table));
    }
    found
        .changes
        .extend(found.spread.iter().map(|moved| Change::Spread(*moved)));
    found
        .changes
        .extend(found.gathered.iter().map(|moved| Change::Gathered(*moved)));
    for pair in &found.kept {
        let moved = found.spread.iter().chain(&found.gathered);
        let moved: Vec<&Moved<'_>> = moved.collect();
        of_table(*pair, &moved, &mut found.changes);
    }
    for table in &found.added {
        found.changes.push(Change::TableAdded(table));
    }
    refills(&mut found);
    found
}

/// Takes lists that are stored in another way from among the tables that are new, and those that are gone.
fn moves(found: &mut Difference<'_>) {
    found.spread = take_moved(&mut found.added, &found.kept, |owner| owner.old);
    found.gathered = take_moved(&mut found.removed, &found.kept, |owner| owner.new);
}

/// Takes the tables of lists that are JSON in the table of their instances, as that was or is to be.
fn take_moved<'a>(
    tables: &mut Vec<&'a Table>,
    kept: &[Pair<'a>],
    side: fn(&Pair<'a>) -> &'a Table,
) -> Vec<Moved<'a>> {
    let mut taken = Vec::new();
    tables.retain(|table| {
        let owner = kept.iter().find(|pair| pair.new.is_of(table.number));
        let moved = owner.zip(table.list).and_then(|(owner, list)| {
            let json = side(owner).column(&[list])?;
            json.shape.is_some().then_some(Moved {
                owner: *owner,
                json,
                table,
            })
        });
        taken.extend(moved);
        moved.is_none()
    });
    taken
}

/// Hidden tables follow from the rows of others.
fn refills(found: &mut Difference<'_>) {
    for table in &found.added {
        let derived = table.derived.as_ref();
        if derived.is_some_and(|it| it.is_touched(None, &found.kept)) {
            found.changes.push(Change::Filled(table));
        }
    }
    for pair in &found.kept {
        let derived = pair.new.derived.as_ref();
        if derived.is_some_and(|it| it.is_touched(pair.old.derived.as_ref(), &found.kept)) {
            found.changes.push(Change::Refilled(*pair));
        }
    }
}

/// What differs in a table, but for the columns that are moved.
fn of_table<'a>(pair: Pair<'a>, moved: &[&Moved<'_>], changes: &mut Vec<Change<'a>>) {
    let is_moved = |column: &Column| moved.iter().any(|it| it.is(pair, column));
    let Pair { old, new } = pair;
    if old.name != new.name {
        changes.push(Change::TableRenamed(pair));
    }
    let key = |table: &'a Table| -> Vec<(&'a [u32], super::ColumnType)> {
        let key = table.key().into_iter();
        key.map(|column| (column.id.as_slice(), column.ty))
            .collect()
    };
    if key(old) != key(new) {
        changes.push(Change::KeyChanged(pair));
        return;
    }
    for column in old.columns.iter().filter(|it| !is_moved(it)) {
        if new.column(&column.id).is_none() && new.unfolded(column).is_none() {
            let folds = new.column(&column.id[..1]).is_some() && column.id.len() > 1;
            if !folds {
                changes.push(Change::ColumnRemoved(pair, column));
            }
        }
    }
    for column in new.columns.iter().filter(|it| !is_moved(it)) {
        match old.column(&column.id) {
            Some(before) => of_column(pair, before, column, changes),
            None if !old.folded(column).is_empty() => changes.push(Change::Folded(pair, column)),
            None if old.column(&column.id[..1]).is_some() => {
                let folded = old.column(&column.id[..1]);
                let first = new.columns.iter().find(|it| it.id[0] == column.id[0]);
                if first.is_some_and(|first| first.id == column.id) && folded.is_some() {
                    changes.push(Change::Unfolded(pair, column));
                }
            }
            None => changes.push(Change::ColumnAdded(pair, column)),
        }
    }
    for index in &new.indexes {
        if !has_index(pair, old, new, index) {
            changes.push(Change::IndexAdded(pair, index));
        }
    }
    for index in &old.indexes {
        if !has_index(pair, new, old, index) {
            changes.push(Change::IndexRemoved(pair, index));
        }
    }
    let said = |table: &'a Table| -> Vec<(&'a [u32], &'a str)> {
        let columns = table.columns.iter();
        let mut all: Vec<_> = columns
            .map(|it| (it.id.as_slice(), it.comment.as_str()))
            .collect();
        all.sort_unstable();
        all
    };
    let columns_stay = said(old)
        .iter()
        .map(|it| it.0)
        .eq(said(new).iter().map(|it| it.0));
    if old.comment != new.comment || (columns_stay && said(old) != said(new)) {
        changes.push(Change::Said(pair));
    }
}

/// Whether a table has an index of the other one: of this name, over these columns.
pub(crate) fn has_index(_: Pair<'_>, table: &Table, other: &Table, index: &Index) -> bool {
    let ids = |table: &Table, index: &Index| -> Vec<Vec<u32>> {
        let columns = index.columns.iter();
        let ids = columns.filter_map(|name| {
            let column = table.columns.iter().find(|it| it.name == *name);
            column.map(|column| column.id.clone())
        });
        ids.collect()
    };
    let wanted = ids(other, index);
    let mut all = table.indexes.iter();
    all.any(|it| it.name == index.name && ids(table, it) == wanted)
}

fn of_column<'a>(pair: Pair<'a>, old: &'a Column, new: &'a Column, changes: &mut Vec<Change<'a>>) {
    if old.name != new.name {
        changes.push(Change::ColumnRenamed(pair, old, new));
    }
    if let Some(way) = way(old, new) {
        match old.shape.is_some() && new.shape.is_some() {
            true => changes.push(Change::JsonChanged(pair, old, new, way)),
            false => changes.push(Change::TypeChanged(pair, old, new, way)),
        }
        // What else is different does not matter then.
        if way == Way::None {
            return;
        }
    }
    match (old.optional, new.optional) {
        (false, true) => changes.push(Change::BecameOptional(pair, new)),
        (true, false) => changes.push(Change::BecameRequired(pair, new)),
        // Where the message around it is there.
        (true, true) if new.within && !old.within => {
            changes.push(Change::BecameRequired(pair, new));
        }
        _ => {}
    }
    of_checks(pair, old, new, changes);
}

fn of_checks<'a>(pair: Pair<'a>, old: &'a Column, new: &'a Column, changes: &mut Vec<Change<'a>>) {
    let (before, after) = (values(old), values(new));
    if let (Some(before), Some(after)) = (before, after) {
        let name = |all: &[(u32, String)], number: u32| {
            let found = all.iter().find(|it| it.0 == number);
            found.map(|it| it.1.clone())
        };
        let renamed = before.iter().filter_map(|(number, old)| {
            let new = name(after, *number)?;
            (new != *old).then(|| (old.clone(), new))
        });
        let renamed: Vec<_> = renamed.collect();
        let gone = |all: &[(u32, String)], others: &[(u32, String)]| -> Vec<String> {
            let gone = all.iter().filter(|it| name(others, it.0).is_none());
            gone.map(|it| it.1.clone()).collect()
        };
        let (removed, added) = (gone(before, after), gone(after, before));
        if !renamed.is_empty() {
            changes.push(Change::ValuesRenamed(pair, new, renamed));
        }
        if !removed.is_empty() {
            changes.push(Change::ValuesRemoved(pair, new, removed));
        }
        if !added.is_empty() {
            changes.push(Change::ValuesAdded(pair, new, added));
        }
    }
    let others = |column: &Column| -> Vec<Check> {
        let both = before.is_some() && after.is_some();
        let kept = column.checks.iter();
        kept.filter(|it| !(both && matches!(it, Check::Values(_))))
            .cloned()
            .collect()
    };
    let (was, is) = (others(old), others(new));
    if was == is {
        return;
    }
    match is.iter().all(|check| takes_all(check, &was)) {
        true => changes.push(Change::Widened(pair, new)),
        false => changes.push(Change::Narrowed(pair, new)),
    }
}

/// The values of an enum.
pub(crate) fn values(column: &Column) -> Option<&[(u32, String)]> {
    column.checks.iter().find_map(|check| match check {
        Check::Values(values) => Some(values.as_slice()),
        _ => None,
    })
}

/// Whether a check takes all that other checks have taken.
fn takes_all(check: &Check, others: &[Check]) -> bool {
    let at_most = |a: Number, b: Number| a.compare(b).is_some_and(Ordering::is_le);
    others.iter().any(|other| match (check, other) {
        (Check::Range(min, max), Check::Range(low, high)) => {
            let below = min.is_none_or(|min| low.is_some_and(|low| at_most(min, low)));
            below && max.is_none_or(|max| high.is_some_and(|high| at_most(high, max)))
        }
        (Check::Length(min, max), Check::Length(low, high)) => {
            min <= low && max.is_none_or(|max| high.is_some_and(|high| high <= max))
        }
        (one, other) => one == other,
    })
}

impl Table {
    /// The columns that become this one of JSON.
    pub(crate) fn folded(&self, json: &Column) -> Vec<&Column> {
        if json.shape.is_none() {
            return Vec::new();
        }
        let inner = self.columns.iter();
        inner
            .filter(|column| column.id.len() > 1 && column.id.starts_with(&json.id))
            .collect()
    }

    /// The columns that this one of JSON becomes, if any.
    pub(crate) fn unfolded(&self, json: &Column) -> Option<&Column> {
        self.folded(json).first().copied()
    }
}
