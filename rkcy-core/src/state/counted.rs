//! References asked for by transactions that are not decided.
//!
//! Owns them by group and transaction, each an entry of its own: where thousands refer to one target at once, a
//! change costs what it changes. Beside them stand their sums, which are a function of the entries.

use crate::claim::Referrer;
use crate::id::TxnId;
use crate::key::RowKey;
use crate::wire::{Malformed, Reader, Wire};
use std::collections::BTreeMap;

/// References to one row that a transaction asks for; they count once it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The target, in the group.
    pub row: RowKey,
    /// Who refers.
    pub referrer: Referrer,
    /// How often.
    pub count: u32,
}

/// References asked for, by group and transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted(BTreeMap<RowKey, Group>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    by_txn: BTreeMap<TxnId, Vec<Held>>,
    /// How often all of them ask for a row.
    sums: BTreeMap<(RowKey, Referrer), i64>,
}

impl Counted {
    /// The entry of a transaction in a group.
    #[must_use]
    pub fn get(&self, group: &RowKey, txn: TxnId) -> Option<&Vec<Held>> {
        self.0.get(group)?.by_txn.get(&txn)
    }

    /// What a transaction asks for in a group.
    #[must_use]
    pub fn of(&self, group: &RowKey, txn: TxnId) -> &[Held] {
        self.get(group, txn).map_or(&[], Vec::as_slice)
    }

    /// Whether anybody asks for anything in a group.
    #[must_use]
    pub fn is_asked(&self, group: &RowKey) -> bool {
        self.0.contains_key(group)
    }

    /// Whether others than the transaction ask for anything in a group.
    #[must_use]
    pub fn is_asked_by_others(&self, group: &RowKey, txn: TxnId) -> bool {
        (self.0.get(group)).is_some_and(|group| group.by_txn.keys().any(|other| *other != txn))
    }

    /// How often all together ask for a row by this field.
    #[must_use]
    pub fn sum(&self, group: &RowKey, row: &RowKey, referrer: Referrer) -> i64 {
        let sums = self.0.get(group).map(|group| &group.sums);
        let sum = sums.and_then(|sums| sums.get(&(row.clone(), referrer)));
        sum.copied().unwrap_or(0)
    }

    /// Sets what a transaction asks for in a group; gives what it asked for before.
    pub fn set(
        &mut self,
        group: &RowKey,
        txn: TxnId,
        held: Option<Vec<Held>>,
    ) -> Option<Vec<Held>> {
        let place = self.0.entry(group.clone()).or_default();
        for held in held.iter().flatten() {
            place.add(held, i64::from(held.count));
        }
        let before = match held {
            Some(held) => place.by_txn.insert(txn, held),
            None => place.by_txn.remove(&txn),
        };
        for held in before.iter().flatten() {
            place.add(held, -i64::from(held.count));
        }
        if place.by_txn.is_empty() {
            self.0.remove(group);
        }
        before
    }

    /// Names of all entries.
    pub fn keys(&self) -> impl Iterator<Item = (&RowKey, TxnId)> {
        (self.0.iter()).flat_map(|(group, of)| of.by_txn.keys().map(move |txn| (group, *txn)))
    }
}

impl Group {
    fn add(&mut self, held: &Held, by: i64) {
        let name = (held.row.clone(), held.referrer);
        let sum = self.sums.entry(name.clone()).or_default();
        *sum += by;
        if *sum == 0 {
            self.sums.remove(&name);
        }
    }
}

impl Wire for Held {
    fn put(&self, out: &mut Vec<u8>) {
        self.row.put(out);
        self.referrer.put(out);
        self.count.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Held {
            row: Wire::take(input)?,
            referrer: Wire::take(input)?,
            count: Wire::take(input)?,
        })
    }
}
