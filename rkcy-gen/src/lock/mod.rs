//! Owns the lock: numbers that were given once and never move.
//!
//! It holds the rank of every concern, the protobuf number of every field and parameter, the numbers of
//! enum values, operations and transactions, and the numbers that are retired. What is new is appended;
//! what is gone is retired, and its number is never given again. Beside them stand what fields hold in records that
//! are older than they, the migrations that were
//! written, and the tables that the last one reached.

mod absent;
mod assign;
mod text;

pub use absent::Absent;
pub use text::{Damage, closed};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::evolve::Table;
use crate::model::{Concern, Unique};

/// Layout of the file. Grows when an older generator would misread it. Before the second, the columns that
/// a migration had reached stood there as the schema wrote them.
pub const LAYOUT: u32 = 2;

/// The first rank of a concern. The ones below are kept for hidden concerns that have to be locked
/// before all others.
pub const FIRST_RANK: u32 = 1024;

/// The first rank of a `@hot` concern.
pub const FIRST_HOT_RANK: u32 = 16_384;

/// The first number of an operation of the schema, as the contract with the runtime has it.
pub const FIRST_OP: u32 = 16;

/// What a number is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The rank of a concern.
    Concern,
    /// The rank of the hidden concern of a unique value.
    Index,
    /// The number of the hidden concern that counts who refers to a concern.
    Count,
    /// The number of the hidden concern that keeps what is related to a concern.
    View,
    /// The protobuf number of a field: of a concern or a message.
    Field,
    /// The number of a command or a query.
    Op,
    /// The protobuf number of a named parameter, of an operation or a transaction.
    Param,
    /// The number of a transaction.
    Transaction,
    /// The number of an enum value.
    Value,
    /// The number of a config.
    Config,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Concern,
        Kind::Index,
        Kind::Count,
        Kind::View,
        Kind::Field,
        Kind::Op,
        Kind::Param,
        Kind::Transaction,
        Kind::Value,
        Kind::Config,
    ];

    /// The word for it in the file.
    fn word(self) -> &'static str {
        match self {
            Kind::Concern => "concern",
            Kind::Index => "index",
            Kind::Count => "count",
            Kind::View => "view",
            Kind::Field => "field",
            Kind::Op => "op",
            Kind::Param => "param",
            Kind::Transaction => "transaction",
            Kind::Value => "value",
            Kind::Config => "config",
        }
    }

    /// The numbers that are given, those of the first range first. `@hot` concerns come behind all others.
    fn ranges(self, hot: bool) -> &'static [RangeInclusive<u32>] {
        match self {
            Kind::Concern if hot => &[FIRST_HOT_RANK..=24_575],
            Kind::Concern => &[FIRST_RANK..=FIRST_HOT_RANK - 1],
            // They are locked before all that is declared, so they rank before it.
            Kind::Index => &[1..=511],
            // Their rows are locked with those that they belong to, so their own rank orders nothing. The upper half
            // of 16 bits tells audits from command logs.
            Kind::Count => &[512..=767, 24_576..=28_671],
            Kind::View => &[768..=FIRST_RANK - 1, 28_672..=32_767],
            Kind::Op => &[FIRST_OP..=u16::MAX as u32],
            Kind::Config => &[1..=u16::MAX as u32],
            // Those between are protobuf's own.
            Kind::Field | Kind::Param => &[1..=18_999, 20_000..=536_870_911],
            Kind::Transaction => &[1..=u32::MAX],
            Kind::Value => &[1..=i32::MAX as u32],
        }
    }

    /// Whether a number of this kind may be given.
    fn allows(self, number: u32) -> bool {
        [false, true].iter().any(|hot| {
            let ranges = self.ranges(*hot).iter();
            ranges.clone().any(|range| range.contains(&number))
        })
    }
}

/// A unique value as the lock names it: `Device:tenant+serial`.
fn index_name(concern: &Concern, unique: &Unique) -> String {
    let fields = concern.unique_fields(unique);
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    format!("{}:{}", concern.name, names.join("+"))
}

/// The numbers of one kind in one place: the fields of a message, the ranks of all concerns.
#[derive(Debug, Clone, Default, PartialEq)]
struct Scope {
    live: BTreeMap<String, u32>,
    /// By number, since a name can be retired more than once.
    retired: BTreeMap<u32, String>,
    /// What those hold that came later, in records without them; by number, which stays when they are renamed.
    absent: BTreeMap<u32, Absent>,
}

/// All numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// By kind and owner; the owner is empty for concerns and transactions.
    scopes: BTreeMap<(Kind, String), Scope>,
    /// What `@was` said, and was done: `field Item.title name`. Done once, it is not done again, so that
    /// two that changed their names do not change back.
    renames: BTreeSet<String>,
    /// The migrations, by number.
    migrations: BTreeMap<u32, String>,
    /// The tables that the last of them reached.
    reached: Vec<Table>,
}

impl Lock {
    /// The number of a config.
    pub fn config(&self, config: &str) -> u32 {
        self.number(Kind::Config, "", config)
    }

    /// The rank of a concern.
    pub fn rank(&self, concern: &str) -> u32 {
        self.number(Kind::Concern, "", concern)
    }

    /// The rank of the index of a unique value.
    pub fn index(&self, concern: &Concern, unique: &Unique) -> u32 {
        self.number(Kind::Index, "", &index_name(concern, unique))
    }

    /// The number of the hidden concern that counts who refers to a concern.
    pub fn count(&self, concern: &str) -> u32 {
        self.number(Kind::Count, "", concern)
    }

    /// The number of the hidden concern that keeps what is related to a concern.
    pub fn view(&self, concern: &str) -> u32 {
        self.number(Kind::View, "", concern)
    }

    /// The protobuf number of a field.
    pub fn field(&self, owner: &str, field: &str) -> u32 {
        self.number(Kind::Field, owner, field)
    }

    /// A protobuf number that no field of the owner has or had: the largest such.
    pub fn spare_field(&self, owner: &str) -> u32 {
        let scope = self.scopes.get(&(Kind::Field, owner.to_owned()));
        let is_taken = |number: &u32| scope.is_some_and(|scope| scope.owner_of(*number).is_some());
        let numbers = Kind::Field.ranges(false).iter().rev().cloned();
        let mut numbers = numbers.flat_map(Iterator::rev);
        numbers.find(|it| !is_taken(it)).unwrap_or(1)
    }

    /// The number of a command or a query.
    pub fn op(&self, concern: &str, operation: &str) -> u32 {
        self.number(Kind::Op, concern, operation)
    }

    /// The protobuf number of a parameter; the owner is `Concern.operation` or a transaction.
    pub fn param(&self, owner: &str, param: &str) -> u32 {
        self.number(Kind::Param, owner, param)
    }

    /// The number of a transaction.
    pub fn transaction(&self, name: &str) -> u32 {
        self.number(Kind::Transaction, "", name)
    }

    /// The number of an enum value.
    pub fn value(&self, owner: &str, value: &str) -> u32 {
        self.number(Kind::Value, owner, value)
    }

    /// The retired numbers of fields, values or parameters, by number.
    pub fn retired(&self, kind: Kind, owner: &str) -> impl Iterator<Item = (u32, &str)> {
        let scope = self.scopes.get(&(kind, owner.to_owned()));
        scope.into_iter().flat_map(|scope| {
            scope
                .retired
                .iter()
                .map(|(number, name)| (*number, name.as_str()))
        })
    }

    /// The migrations, with their numbers and names.
    pub fn migrations(&self) -> impl Iterator<Item = (u32, &str)> {
        let migrations = self.migrations.iter();
        migrations.map(|(number, name)| (*number, name.as_str()))
    }

    /// The number of the last migration; 0 where there is none.
    pub fn migrated(&self) -> u32 {
        self.migrations.keys().next_back().copied().unwrap_or(0)
    }

    /// The tables that the migrations reach.
    pub fn reached(&self) -> &[Table] {
        &self.reached
    }

    /// The same lock behind one more migration, which reaches these tables.
    #[must_use]
    pub fn reaching(mut self, number: u32, name: &str, tables: Vec<Table>) -> Self {
        self.migrations.insert(number, name.to_owned());
        self.reached = tables;
        self
    }

    /// The same lock as if there were no migration.
    #[must_use]
    pub fn without_migrations(mut self) -> Self {
        self.migrations.clear();
        self.reached.clear();
        self
    }

    /// 0 only before [`Lock::assign`] has seen the name.
    fn number(&self, kind: Kind, owner: &str, name: &str) -> u32 {
        let scope = self.scopes.get(&(kind, owner.to_owned()));
        scope
            .and_then(|scope| scope.live.get(name))
            .copied()
            .unwrap_or_default()
    }
}
