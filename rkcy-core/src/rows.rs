//! Rows in memory: committed values with their versions.
//!
//! Owns the cache: a table of rows, absent ones among them, bounded in bytes by eviction. Which rows may
//! go is rule 4: only those that storage has, never those of the application in progress or of the
//! change record in the making. What is cached is no part of the deterministic state.

use crate::id::{Position, Version};
use crate::key::RowKey;
use bytes::Bytes;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// A committed row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The encoded instance; `None` is absent.
    pub value: Option<Bytes>,
    /// When it last changed.
    pub version: Version,
}

impl StoredRow {
    /// A row that never existed.
    pub const ABSENT: StoredRow = StoredRow {
        value: None,
        version: Version::NEVER,
    };
}

/// What a cached row costs beside its value, in bytes: table slot, queue entry, allocation.
const ROW_COST: usize = 160;

/// What a write has replaced, for [`Rows::undo`].
#[derive(Debug)]
pub struct Replaced {
    row: StoredRow,
    dirty: bool,
}

#[derive(Debug)]
struct Slot {
    row: StoredRow,
    /// Named in the change record in the making.
    dirty: bool,
    /// Used since the hand of the clock last passed.
    used: bool,
}

impl Slot {
    fn cost(&self) -> usize {
        ROW_COST + self.row.value.as_ref().map_or(0, Bytes::len)
    }
}

/// The rows of a partition that are in memory.
#[derive(Debug, Default)]
pub struct Rows {
    slots: HashMap<RowKey, Slot, foldhash::fast::FixedState>,
    /// Order of the clock's hand (second chance).
    hand: VecDeque<RowKey>,
    /// Rows changed since the last change record.
    dirty: Vec<RowKey>,
    bytes: usize,
    evicted: Position,
}

impl Rows {
    /// The row, where it is in memory.
    pub fn get(&mut self, key: &RowKey) -> Option<&StoredRow> {
        let slot = self.slots.get_mut(key)?;
        slot.used = true;
        Some(&slot.row)
    }

    /// Whether the row is in memory.
    #[must_use]
    pub fn contains(&self, key: &RowKey) -> bool {
        self.slots.contains_key(key)
    }

    /// Writes a committed row; gives back what was there.
    pub fn write(&mut self, key: &RowKey, row: StoredRow) -> Option<Replaced> {
        if let Some(slot) = self.slots.get_mut(key) {
            self.bytes -= slot.cost();
            let row = std::mem::replace(&mut slot.row, row);
            self.bytes += slot.cost();
            let dirty = std::mem::replace(&mut slot.dirty, true);
            if !dirty {
                self.dirty.push(key.clone());
            }
            return Some(Replaced { row, dirty });
        }
        self.dirty.push(key.clone());
        self.insert(key, row, true);
        None
    }

    /// Takes a write back, the last one first: the application had no effect.
    pub fn undo(&mut self, key: &RowKey, before: Option<Replaced>) {
        let was_dirty = before.as_ref().is_some_and(|before| before.dirty);
        match (before, self.slots.get_mut(key)) {
            (Some(before), Some(slot)) => {
                self.bytes -= slot.cost();
                slot.row = before.row;
                slot.dirty = before.dirty;
                self.bytes += slot.cost();
            }
            _ => self.remove(key),
        }
        if !was_dirty {
            self.dirty.pop_if(|last| last == key);
        }
    }

    /// A row out of the database; it never replaces one in memory.
    pub fn load(&mut self, key: &RowKey, row: StoredRow) {
        if !self.contains(key) {
            self.insert(key, row, false);
        }
    }

    /// A row out of a folded change record: newer than what the database has.
    pub fn restore(&mut self, key: &RowKey, row: StoredRow) {
        self.remove(key);
        self.insert(key, row, false);
    }

    /// Whether a row was changed since the last [`Rows::take_dirty`].
    #[must_use]
    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Rows changed since the last call, in order of their keys.
    pub fn take_dirty(&mut self) -> Vec<(RowKey, StoredRow)> {
        let mut changed = Vec::with_capacity(self.dirty.len());
        for key in self.dirty.drain(..) {
            // A write that was taken back may have left a name without a row.
            if let Some(slot) = self.slots.get_mut(&key).filter(|slot| slot.dirty) {
                slot.dirty = false;
                changed.push((key, slot.row.clone()));
            }
        }
        changed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        changed
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of rows in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The highest version ever evicted.
    #[must_use]
    pub fn evicted(&self) -> Position {
        self.evicted
    }

    /// Evicts rows that storage has up to `stored`, until at most `limit` bytes are in memory. Each row is
    /// looked at twice at most, so what cannot go is not turned over for ever.
    pub fn evict(&mut self, limit: usize, stored: Position) {
        for _ in 0..2 * self.hand.len() {
            if self.bytes <= limit {
                break;
            }
            let Some(key) = self.hand.pop_front() else {
                break;
            };
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            let version = slot.row.version.position;
            if slot.dirty || !is_stored(version, stored) || std::mem::take(&mut slot.used) {
                self.hand.push_back(key);
            } else {
                self.evicted = self.evicted.max(as_evicted(version));
                self.remove(&key);
            }
        }
    }

    /// Every row in memory, in order of keys: for checks, not for the hot path.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&RowKey, &StoredRow)> {
        let mut all: Vec<_> = self
            .slots
            .iter()
            .map(|(key, slot)| (key, &slot.row))
            .collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    fn insert(&mut self, key: &RowKey, row: StoredRow, dirty: bool) {
        let slot = Slot {
            row,
            dirty,
            used: true,
        };
        self.bytes += slot.cost();
        self.slots.insert(key.clone(), slot);
        self.hand.push_back(key.clone());
    }

    fn remove(&mut self, key: &RowKey) {
        if let Some(slot) = self.slots.remove(key) {
            self.bytes -= slot.cost();
        }
    }
}

/// What an eviction is remembered by.
fn as_evicted(version: Position) -> Position {
    match version.offset() {
        Some(offset) if crate::bugs::on(crate::bugs::Bug::EvictionByOffset) => {
            Position::new(offset, 0)
        }
        _ => version,
    }
}

/// Whether storage at `stored` has the row of this version.
fn is_stored(version: Position, stored: Position) -> bool {
    if crate::bugs::on(crate::bugs::Bug::EvictionByOffset) {
        return version.offset() <= stored.offset();
    }
    version <= stored
}
