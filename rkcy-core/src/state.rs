//! The small state of a partition: everything but its rows.
//!
//! Owns channels, locks, queues, trails, holds, parked sagas, remembered ids, configuration and the few scalars, each as a typed map; and the
//! entries by which a change record names them. What is remembered of ids is `ids`'s. What
//! changes it is [`crate::partition`]; what carries it over is [`crate::change`].

mod counted;
mod ended;
mod ids;

use crate::bugs::{self, Bug};
use crate::config::Configs;
use crate::fault::Fault;
use crate::frame::Open;
use crate::id::{PartitionId, Position, TxnId};
use crate::key::RowKey;
use crate::keyed::Shelf;
use crate::settings::Settings;
use crate::txn::{Mode, Outcome, ReplyTo, Txn};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;
pub use counted::{Counted, Held};
pub use ids::{Asker, Ids, Known, Run};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A lock on an entity group, held between the visits of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Read by these transactions, sorted; nobody changes it.
    Shared(Vec<TxnId>),
    /// Held by one transaction, with the values it will commit, sorted by row.
    Exclusive {
        /// Who holds it.
        holder: TxnId,
        /// What its visits have changed so far.
        pending: Vec<(RowKey, Option<Bytes>)>,
        /// Whether it deletes in the group on any of its visits: then nothing is held beside it.
        deletes: bool,
    },
}

impl Lock {
    /// Whether `txn` is among those that hold it.
    #[must_use]
    pub fn is_held_by(&self, txn: TxnId) -> bool {
        match self {
            Lock::Shared(txns) => txns.binary_search(&txn).is_ok(),
            Lock::Exclusive { holder, .. } => *holder == txn,
        }
    }
}

/// A visit that waits for an entity group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The application that queued it.
    pub at: Position,
    /// How many-eth it was in that application.
    pub nth: u32,
    /// The partition's clock then, in milliseconds.
    pub since: u64,
    /// The transaction, at the visit to make.
    pub txn: Txn,
}

/// Where a transaction went from here, until its final Release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Groups it has locked here.
    pub groups: Vec<RowKey>,
    /// Rows that a saga holds here until it is through: they cannot be deleted by others.
    pub holds: Vec<RowKey>,
    /// The partition it went to.
    pub next: Option<PartitionId>,
}

/// A transaction that is decided: its caller hears of it when all has been taken back that it gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Giving {
    /// What has not been taken back yet.
    pub left: u32,
    /// The partition that remembers its id; `None` where that is this one.
    pub home: Option<PartitionId>,
    /// Who is told.
    pub reply: ReplyTo,
    /// How it ended.
    pub outcome: Outcome,
}

/// A saga one of whose steps could not be undone. It keeps its holds and waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// How many-eth attempt has failed, from 1. A resume names it, so that it happens once.
    pub attempt: u32,
    /// Why.
    pub fault: Fault,
    /// The encoded transaction, at the visit that failed.
    pub txn: Bytes,
    /// The first partition, where those who ask meanwhile are known; it may not be readable out of `txn`.
    pub home: Option<PartitionId>,
}

/// The scalars; they stand whole in every change record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scalars {
    /// Milliseconds since the Unix epoch; goes back only by an Open that accepts the clock.
    pub clock: u64,
    /// Stamps up to here are too old: their ids, once ended, are forgotten.
    pub floor: u64,
    /// Offset of the Open of the owner, where there was one.
    pub epoch: Option<u64>,
    /// What the owner drew.
    pub owner: u64,
    /// Build of the owner.
    pub build: u64,
    /// Offset of the Seal of that epoch.
    pub sealed: Option<u64>,
    /// Settings of that Open.
    pub settings: Settings,
    /// Rolling digest over what was applied and what came of it.
    pub digest: u64,
    /// Keys whose transactions have ended, where there ever was one.
    pub shelf: Option<Arc<Shelf>>,
}

impl Scalars {
    /// Whether an Open of another owner would count now (rule 5): it is of the owner's build, or names the
    /// last Seal, or accepts the replay.
    #[must_use]
    pub fn admits(&self, open: &Open) -> bool {
        let after_seal = self.sealed.is_some() && open.after == self.sealed;
        self.epoch.is_none()
            || open.build == self.build
            || after_seal
            || open.accept_replay
            || bugs::on(Bug::UnsealedBuild)
    }

    /// Takes the Open at an offset, but for what it says of the clock; whether it counts. That of the owner
    /// changes nothing.
    pub fn take_open(&mut self, open: &Open, offset: u64) -> bool {
        let again = self.epoch.is_some() && open.owner == self.owner;
        if again || !self.admits(open) {
            return false;
        }
        self.epoch = Some(offset);
        self.owner = open.owner;
        self.build = open.build;
        self.sealed = None;
        self.settings = open.settings.clone();
        true
    }

    /// Takes the Seal at an offset: it counts where it is the first of the current epoch.
    pub fn take_seal(&mut self, epoch: u64, offset: u64) {
        if self.epoch == Some(epoch) && self.sealed.is_none() {
            self.sealed = Some(offset);
        }
    }
}

impl Wire for Scalars {
    fn put(&self, out: &mut Vec<u8>) {
        self.clock.put(out);
        self.floor.put(out);
        self.epoch.put(out);
        self.owner.put(out);
        self.build.put(out);
        self.sealed.put(out);
        self.settings.put(out);
        self.digest.put(out);
        self.shelf.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Scalars {
            clock: Wire::take(input)?,
            floor: Wire::take(input)?,
            epoch: Wire::take(input)?,
            owner: Wire::take(input)?,
            build: Wire::take(input)?,
            sealed: Wire::take(input)?,
            settings: Wire::take(input)?,
            digest: Wire::take(input)?,
            shelf: Wire::take(input)?,
        })
    }
}

/// Name of an entry of the small state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKey {
    /// Number of the last envelope applied from a partition.
    Inbound(PartitionId),
    /// Number of the last envelope sent to a partition.
    Outbound(PartitionId),
    /// Lock of a group.
    Lock(RowKey),
    /// A waiting visit: its group, the application that queued it, how many-eth in that.
    Waiting(RowKey, Position, u32),
    /// Trail of a transaction.
    Trail(TxnId),
    /// What is known of an id.
    Id(TxnId),
    /// The sagas that hold a row.
    Hold(RowKey),
    /// A parked saga.
    Parked(TxnId),
    /// References that a transaction asks for in a group.
    Counted(RowKey, TxnId),
    /// A transaction that waits until all is taken back that it gives back.
    Giving(TxnId),
    /// An object of configuration.
    Config(RowKey),
    /// That nothing new begins.
    Draining,
}

/// The small state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last envelope applied.
    pub position: Position,
    /// The scalars.
    pub scalars: Scalars,
    /// Number of the last envelope applied, by source.
    pub inbound: BTreeMap<PartitionId, u64>,
    /// Number of the last envelope sent, by target.
    pub outbound: BTreeMap<PartitionId, u64>,
    /// Locks, by group.
    pub locks: BTreeMap<RowKey, Lock>,
    /// Waiting visits, by group, first come first.
    pub queues: BTreeMap<RowKey, VecDeque<Waiting>>,
    /// Trails, by transaction.
    pub trails: BTreeMap<TxnId, Trail>,
    /// The sagas that hold a row, sorted.
    pub holds: BTreeMap<RowKey, Vec<TxnId>>,
    /// Parked sagas.
    pub parked: BTreeMap<TxnId, Parked>,
    /// References asked for by transactions that are not decided.
    pub counted: Counted,
    /// Transactions that are decided and give something back.
    pub giving: BTreeMap<TxnId, Giving>,
    /// Remembered ids.
    pub ids: Ids,
    /// Configuration, as far as this partition has heard of it.
    pub configs: Configs,
    /// The envelope since which nothing new begins.
    pub draining: Option<Position>,
}

impl Default for Position {
    fn default() -> Self {
        Position::START
    }
}

impl State {
    /// Where a transaction waits: the group, and its place in the queue.
    #[must_use]
    pub fn waiting(&self, id: TxnId) -> Option<(&RowKey, usize)> {
        self.queues.iter().find_map(|(group, queue)| {
            let is_it = |waiting: &Waiting| {
                waiting.txn.id == id && !matches!(waiting.txn.mode, Mode::GiveBack(_))
            };
            let place = queue.iter().position(is_it)?;
            Some((group, place))
        })
    }

    /// Names of all entries.
    pub fn entries(&self) -> impl Iterator<Item = EntryKey> {
        let waiting = self.queues.iter().flat_map(|(group, queue)| {
            queue
                .iter()
                .map(|item| EntryKey::Waiting(group.clone(), item.at, item.nth))
        });
        (self.inbound.keys().map(|from| EntryKey::Inbound(*from)))
            .chain(self.outbound.keys().map(|to| EntryKey::Outbound(*to)))
            .chain(self.locks.keys().map(|group| EntryKey::Lock(group.clone())))
            .chain(waiting)
            .chain(self.trails.keys().map(|txn| EntryKey::Trail(*txn)))
            .chain(self.ids.keys().map(EntryKey::Id))
            .chain(self.holds.keys().map(|row| EntryKey::Hold(row.clone())))
            .chain(self.parked.keys().map(|txn| EntryKey::Parked(*txn)))
            .chain((self.counted.keys()).map(|(group, txn)| EntryKey::Counted(group.clone(), txn)))
            .chain(self.giving.keys().map(|txn| EntryKey::Giving(*txn)))
            .chain(
                (self.configs.keys())
                    .filter(|_| !bugs::on(Bug::ConfigNotInSnapshot))
                    .map(|object| EntryKey::Config(object.clone())),
            )
            .chain(
                (self.draining.filter(|_| !bugs::on(Bug::DrainNotInSnapshot)))
                    .map(|_| EntryKey::Draining),
            )
    }

    /// Appends the value of an entry; `false`, and nothing, where there is none.
    pub fn put_entry(&self, key: &EntryKey, out: &mut Vec<u8>) -> bool {
        fn present<T: Wire>(value: Option<&T>, out: &mut Vec<u8>) -> bool {
            value.map(|value| value.put(out)).is_some()
        }
        match key {
            EntryKey::Inbound(from) => present(self.inbound.get(from), out),
            EntryKey::Outbound(to) => present(self.outbound.get(to), out),
            EntryKey::Lock(group) => present(self.locks.get(group), out),
            EntryKey::Trail(txn) => present(self.trails.get(txn), out),
            EntryKey::Hold(row) => present(self.holds.get(row), out),
            EntryKey::Parked(txn) => present(self.parked.get(txn), out),
            EntryKey::Counted(..) if bugs::on(Bug::HoldLostAtTakeOver) => false,
            EntryKey::Counted(group, txn) => present(self.counted.get(group, *txn), out),
            EntryKey::Giving(txn) => present(self.giving.get(txn), out),
            EntryKey::Config(object) => present(self.configs.get(object), out),
            EntryKey::Draining => present(self.draining.as_ref(), out),
            EntryKey::Id(txn) => self.ids.put(*txn, out),
            EntryKey::Waiting(group, at, nth) => {
                let queue = self.queues.get(group);
                present(
                    queue.and_then(|queue| queue.iter().find(|w| (w.at, w.nth) == (*at, *nth))),
                    out,
                )
            }
        }
    }

    /// Sets an entry to the value that [`State::put_entry`] wrote, or removes it.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes are not a value of that entry.
    pub fn set_entry(&mut self, key: EntryKey, value: Option<Bytes>) -> Result<(), Malformed> {
        fn put<K: Ord, V: Wire>(
            map: &mut BTreeMap<K, V>,
            key: K,
            value: Option<Bytes>,
        ) -> Result<(), Malformed> {
            match value {
                None => drop(map.remove(&key)),
                Some(bytes) => drop(map.insert(key, V::from_wire(bytes)?)),
            }
            Ok(())
        }
        match key {
            EntryKey::Inbound(from) => put(&mut self.inbound, from, value),
            EntryKey::Outbound(to) => put(&mut self.outbound, to, value),
            EntryKey::Lock(group) => put(&mut self.locks, group, value),
            EntryKey::Trail(txn) => put(&mut self.trails, txn, value),
            EntryKey::Hold(row) => put(&mut self.holds, row, value),
            EntryKey::Parked(txn) => put(&mut self.parked, txn, value),
            EntryKey::Counted(group, txn) => {
                let held = value.map(Vec::from_wire).transpose()?;
                self.counted.set(&group, txn, held);
                Ok(())
            }
            EntryKey::Giving(txn) => put(&mut self.giving, txn, value),
            EntryKey::Config(object) => put(&mut self.configs, object, value),
            EntryKey::Draining => {
                self.draining = value.map(Position::from_wire).transpose()?;
                Ok(())
            }
            EntryKey::Id(txn) => {
                let known = value.map(Known::from_wire).transpose()?;
                self.ids.set(txn, known);
                Ok(())
            }
            EntryKey::Waiting(group, at, nth) => {
                let queue = self.queues.entry(group.clone()).or_default();
                let place = queue
                    .iter()
                    .position(|item| (item.at, item.nth) >= (at, nth));
                let place = place.unwrap_or(queue.len());
                if queue
                    .get(place)
                    .is_some_and(|item| (item.at, item.nth) == (at, nth))
                {
                    queue.remove(place);
                }
                if let Some(bytes) = value {
                    queue.insert(place, Waiting::from_wire(bytes)?);
                }
                if queue.is_empty() {
                    self.queues.remove(&group);
                }
                Ok(())
            }
        }
    }
}

impl Wire for Lock {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Lock::Shared(txns) => {
                out.push(0);
                txns.put(out);
            }
            Lock::Exclusive {
                holder,
                pending,
                deletes,
            } => {
                out.push(1);
                holder.put(out);
                pending.put(out);
                deletes.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(match bool::take(input)? {
            false => Lock::Shared(Wire::take(input)?),
            true => Lock::Exclusive {
                holder: Wire::take(input)?,
                pending: Wire::take(input)?,
                deletes: Wire::take(input)?,
            },
        })
    }
}

impl Wire for Waiting {
    fn put(&self, out: &mut Vec<u8>) {
        self.at.put(out);
        self.nth.put(out);
        self.since.put(out);
        self.txn.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Waiting {
            at: Wire::take(input)?,
            nth: Wire::take(input)?,
            since: Wire::take(input)?,
            txn: Wire::take(input)?,
        })
    }
}

impl Wire for Giving {
    fn put(&self, out: &mut Vec<u8>) {
        self.left.put(out);
        self.home.put(out);
        self.reply.0.put(out);
        self.outcome.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Giving {
            left: Wire::take(input)?,
            home: Wire::take(input)?,
            reply: ReplyTo(Wire::take(input)?),
            outcome: Wire::take(input)?,
        })
    }
}

impl Wire for Parked {
    fn put(&self, out: &mut Vec<u8>) {
        self.attempt.put(out);
        self.fault.put(out);
        self.txn.put(out);
        self.home.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Parked {
            attempt: Wire::take(input)?,
            fault: Wire::take(input)?,
            txn: Wire::take(input)?,
            home: Wire::take(input)?,
        })
    }
}

impl Wire for Trail {
    fn put(&self, out: &mut Vec<u8>) {
        self.groups.put(out);
        self.holds.put(out);
        self.next.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Trail {
            groups: Wire::take(input)?,
            holds: Wire::take(input)?,
            next: Wire::take(input)?,
        })
    }
}

impl Wire for EntryKey {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            EntryKey::Inbound(from) => {
                out.push(0);
                from.put(out);
            }
            EntryKey::Outbound(to) => {
                out.push(1);
                to.put(out);
            }
            EntryKey::Lock(group) => {
                out.push(2);
                group.put(out);
            }
            EntryKey::Waiting(group, at, nth) => {
                out.push(3);
                group.put(out);
                at.put(out);
                nth.put(out);
            }
            EntryKey::Trail(txn) => {
                out.push(4);
                txn.put(out);
            }
            EntryKey::Id(txn) => {
                out.push(5);
                txn.put(out);
            }
            EntryKey::Hold(row) => {
                out.push(6);
                row.put(out);
            }
            EntryKey::Parked(txn) => {
                out.push(7);
                txn.put(out);
            }
            EntryKey::Counted(group, txn) => {
                out.push(8);
                group.put(out);
                txn.put(out);
            }
            EntryKey::Giving(txn) => {
                out.push(9);
                txn.put(out);
            }
            EntryKey::Config(object) => {
                out.push(10);
                object.put(out);
            }
            EntryKey::Draining => out.push(11),
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(match input.byte()? {
            0 => EntryKey::Inbound(Wire::take(input)?),
            1 => EntryKey::Outbound(Wire::take(input)?),
            2 => EntryKey::Lock(Wire::take(input)?),
            3 => EntryKey::Waiting(Wire::take(input)?, Wire::take(input)?, Wire::take(input)?),
            4 => EntryKey::Trail(Wire::take(input)?),
            5 => EntryKey::Id(Wire::take(input)?),
            6 => EntryKey::Hold(Wire::take(input)?),
            7 => EntryKey::Parked(Wire::take(input)?),
            8 => EntryKey::Counted(Wire::take(input)?, Wire::take(input)?),
            9 => EntryKey::Giving(Wire::take(input)?),
            10 => EntryKey::Config(Wire::take(input)?),
            11 => EntryKey::Draining,
            _ => return Err(input.malformed("an unknown kind of entry")),
        })
    }
}
