//! What an application has changed: to take it back, to name it in a change record, to digest it.
//!
//! Owns every setter of the state. Nothing else writes to it, so nothing can be forgotten in a change
//! record or survive an application that had to be taken back.

use super::{Due, Effect, Input, Partition};
use crate::bugs::{self, Bug};
use crate::config::{Entry, News};
use crate::id::{PartitionId, Position, TxnId};
use crate::key::RowKey;
use crate::rows::{Replaced, StoredRow};
use crate::state::{EntryKey, Giving, Held, Known, Lock, Parked, Trail, Waiting};
use crate::wire::Wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How one change is taken back.
#[derive(Debug)]
pub(super) enum Undo {
    Inbound(PartitionId, Option<u64>),
    Outbound(PartitionId, Option<u64>),
    Lock(RowKey, Option<Lock>),
    Queued(RowKey, (Position, u32)),
    /// With its place in the queue.
    Dequeued(RowKey, Box<Waiting>, usize),
    Hold(RowKey, Option<Vec<TxnId>>),
    Parked(TxnId, Option<Box<Parked>>),
    Counted(RowKey, TxnId, Option<Vec<Held>>),
    Giving(TxnId, Option<Box<Giving>>),
    Config(RowKey, Option<Entry>),
    Draining(Option<Position>),
    Trail(TxnId, Option<Trail>),
    Id(TxnId, Option<Known>),
    Row(RowKey, Option<Replaced>),
}

impl Partition {
    /// Digests one change: what it is about, and its new value.
    fn digest<V: Wire>(&mut self, tag: u8, name: &impl Wire, value: &V) {
        self.scratch.push(tag);
        name.put(&mut self.scratch);
        value.put(&mut self.scratch);
    }

    pub(super) fn set_inbound(&mut self, from: PartitionId, number: u64) {
        self.digest(0, &from, &number);
        let before = self.state.inbound.insert(from, number);
        self.undo.push(Undo::Inbound(from, before));
    }

    pub(super) fn set_outbound(&mut self, to: PartitionId, number: u64) {
        self.digest(1, &to, &number);
        let before = self.state.outbound.insert(to, number);
        self.undo.push(Undo::Outbound(to, before));
    }

    pub(super) fn set_lock(&mut self, group: &RowKey, lock: Option<Lock>) {
        self.digest(2, group, &lock);
        let before = replace(&mut self.state.locks, group.clone(), lock);
        self.undo.push(Undo::Lock(group.clone(), before));
    }

    pub(super) fn set_trail(&mut self, txn: TxnId, trail: Option<Trail>) {
        self.digest(3, &txn, &trail);
        let before = replace(&mut self.state.trails, txn, trail);
        self.undo.push(Undo::Trail(txn, before));
    }

    pub(super) fn set_hold(&mut self, row: &RowKey, holders: Option<Vec<TxnId>>) {
        self.digest(8, row, &holders);
        let before = replace(&mut self.state.holds, row.clone(), holders);
        self.undo.push(Undo::Hold(row.clone(), before));
    }

    pub(super) fn set_parked(&mut self, txn: TxnId, parked: Option<Parked>) {
        self.digest(9, &txn, &parked);
        let before = replace(&mut self.state.parked, txn, parked);
        self.undo.push(Undo::Parked(txn, before.map(Box::new)));
    }

    pub(super) fn set_counted(&mut self, group: &RowKey, txn: TxnId, held: Option<Vec<Held>>) {
        self.digest(10, &(group.clone(), txn), &held);
        let before = self.state.counted.set(group, txn, held);
        self.undo.push(Undo::Counted(group.clone(), txn, before));
    }

    pub(super) fn set_giving(&mut self, txn: TxnId, giving: Option<Giving>) {
        self.digest(11, &txn, &giving);
        let before = replace(&mut self.state.giving, txn, giving);
        self.undo.push(Undo::Giving(txn, before.map(Box::new)));
    }

    pub(super) fn set_config(&mut self, news: News) {
        let News { object, entry } = news;
        self.digest(12, &object, &entry);
        let before = self.state.configs.insert(object.clone(), entry);
        self.undo.push(Undo::Config(object, before));
    }

    pub(super) fn set_draining(&mut self, since: Option<Position>) {
        self.digest(13, &since, &true);
        let before = std::mem::replace(&mut self.state.draining, since);
        self.undo.push(Undo::Draining(before));
    }

    pub(super) fn set_id(&mut self, id: TxnId, known: Option<Known>) {
        self.digest(4, &id, &known);
        let before = self.state.ids.set(id, known);
        self.undo.push(Undo::Id(id, before));
    }

    pub(super) fn set_row(&mut self, key: RowKey, value: Option<Bytes>) {
        self.digest(5, &key, &value);
        let row = StoredRow {
            value,
            version: self.version(),
        };
        let before = self.rows.write(&key, row);
        self.undo.push(Undo::Row(key, before));
    }

    pub(super) fn enqueue(&mut self, group: &RowKey, waiting: Waiting) {
        self.digest(6, group, &waiting);
        self.undo
            .push(Undo::Queued(group.clone(), (waiting.at, waiting.nth)));
        self.due.extend(due(group, &waiting));
        self.state
            .queues
            .entry(group.clone())
            .or_default()
            .push_back(waiting);
    }

    /// Takes the visit that has waited longest for `group`.
    pub(super) fn dequeue(&mut self, group: &RowKey) -> Option<Waiting> {
        let place = match bugs::on(Bug::QueueOrderBroken) {
            true => self.state.queues.get(group)?.len().checked_sub(1)?,
            false => 0,
        };
        self.dequeue_at(group, place)
    }

    /// Takes a visit out of the queue of `group`.
    pub(super) fn dequeue_at(&mut self, group: &RowKey, place: usize) -> Option<Waiting> {
        let queue = self.state.queues.get_mut(group)?;
        let waiting = queue.remove(place)?;
        if queue.is_empty() {
            self.state.queues.remove(group);
        }
        if let Some(due) = due(group, &waiting) {
            self.due.remove(&due);
        }
        self.digest(7, group, &(waiting.at, u64::from(waiting.nth)));
        let taken = Box::new(waiting.clone());
        self.undo.push(Undo::Dequeued(group.clone(), taken, place));
        Some(waiting)
    }

    /// Takes back all that the application in progress has changed.
    pub(super) fn roll_back(&mut self) {
        self.effects.clear();
        self.scratch.clear();
        self.released.clear();
        self.gifts.clear();
        self.pushes.clear();
        self.halt = None;
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Inbound(from, before) => drop(replace(&mut self.state.inbound, from, before)),
                Undo::Outbound(to, before) => drop(replace(&mut self.state.outbound, to, before)),
                Undo::Lock(group, before) => drop(replace(&mut self.state.locks, group, before)),
                Undo::Trail(txn, before) => drop(replace(&mut self.state.trails, txn, before)),
                Undo::Id(id, before) => drop(self.state.ids.set(id, before)),
                Undo::Row(key, before) => self.rows.undo(&key, before),
                Undo::Hold(row, before) => drop(replace(&mut self.state.holds, row, before)),
                Undo::Parked(txn, before) => {
                    drop(replace(&mut self.state.parked, txn, before.map(|it| *it)));
                }
                Undo::Counted(group, txn, before) => {
                    drop(self.state.counted.set(&group, txn, before));
                }
                Undo::Giving(txn, before) => {
                    drop(replace(&mut self.state.giving, txn, before.map(|it| *it)));
                }
                Undo::Config(object, before) => {
                    drop(replace(&mut self.state.configs, object, before));
                }
                Undo::Draining(before) => self.state.draining = before,
                Undo::Queued(group, _) => {
                    if let Some(queue) = self.state.queues.get_mut(&group) {
                        if let Some(due) = queue.pop_back().and_then(|last| due(&group, &last)) {
                            self.due.remove(&due);
                        }
                        if queue.is_empty() {
                            self.state.queues.remove(&group);
                        }
                    }
                }
                Undo::Dequeued(group, waiting, place) => {
                    self.due.extend(due(&group, &waiting));
                    let queue = self.state.queues.entry(group).or_default();
                    queue.insert(place, *waiting);
                }
            }
        }
    }

    /// Digests what the application did, and notes what it touched for the next change record.
    pub(super) fn finish_application(&mut self, input: Input<'_>) {
        let scratch = &mut self.scratch;
        input.at.put(scratch);
        scratch.extend_from_slice(&input.envelope.body);
        for effect in &self.effects {
            match effect {
                Effect::Send {
                    to,
                    number,
                    envelope,
                } => {
                    to.put(scratch);
                    number.put(scratch);
                    envelope.put(scratch);
                }
                Effect::Saga(..) => {}
                Effect::Answer(reply) => {
                    reply.to.0.put(scratch);
                    reply.txn.put(scratch);
                    reply.outcome.put(scratch);
                }
            }
        }
        let scalars = &mut self.state.scalars;
        scalars.digest = xxh3_64_with_seed(scratch, scalars.digest);
        // Who only reads leaves nothing to write.
        if !self.undo.is_empty() {
            self.changed_bytes += scratch.len();
        }
        scratch.clear();
        for undo in self.undo.drain(..) {
            let key = match undo {
                // Rows know themselves whether they have changed.
                Undo::Row(..) => continue,
                Undo::Id(id, _) => {
                    self.touched_ids.push(id);
                    continue;
                }
                Undo::Inbound(from, _) => EntryKey::Inbound(from),
                Undo::Outbound(to, _) => EntryKey::Outbound(to),
                Undo::Lock(group, _) => EntryKey::Lock(group),
                Undo::Trail(txn, _) => EntryKey::Trail(txn),
                Undo::Queued(group, (at, nth)) => EntryKey::Waiting(group, at, nth),
                Undo::Dequeued(group, waiting, _) => {
                    EntryKey::Waiting(group, waiting.at, waiting.nth)
                }
                Undo::Hold(row, _) => EntryKey::Hold(row),
                Undo::Parked(txn, _) => EntryKey::Parked(txn),
                Undo::Counted(group, txn, _) => EntryKey::Counted(group, txn),
                Undo::Giving(txn, _) => EntryKey::Giving(txn),
                Undo::Config(object, _) => EntryKey::Config(object),
                Undo::Draining(_) => EntryKey::Draining,
            };
            self.touched.insert(key);
        }
        self.state.ids.forget_through(scalars.floor);
    }
}

/// When a waiting visit has waited for as long as its caller allows. What undoes waits for ever.
pub(super) fn due(group: &RowKey, waiting: &Waiting) -> Option<Due> {
    let bounded = waiting.txn.budget != 0 && waiting.txn.may_be_refused();
    bounded.then(|| Due {
        at: waiting.since.saturating_add(u64::from(waiting.txn.budget)),
        group: group.clone(),
        queued: (waiting.at, waiting.nth),
    })
}

/// Sets or removes; gives back what was there.
fn replace<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}
