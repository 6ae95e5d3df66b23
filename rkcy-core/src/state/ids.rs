//! What a partition remembers of transactions that began in it.
//!
//! Owns the memory for ids, bounded in bytes, with its one expiry rule; in it who asks for the end of a transaction
//! that runs, and with which key it was submitted. How those that ended are packed is [`super::ended`]'s.

use super::ended::Ended;
use crate::id::TxnId;
use crate::key::Key;
use crate::keyed::Keyed;
use crate::settings::Settings;
use crate::txn::{Outcome, ReplyTo};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What the first partition knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It runs.
    Running(Run),
    /// It has ended so.
    Ended(Outcome),
}

/// A transaction that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Who asked again meanwhile.
    pub asked: Vec<Asker>,
    /// The key that it was submitted with.
    pub keyed: Option<Box<Keyed>>,
}

/// Somebody who asks for the end of a transaction that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who is answered.
    pub reply: ReplyTo,
    /// The id that was asked with: another one, where the same was asked for with the same key.
    pub txn: TxnId,
}

/// What is known of transactions, by id, and so by stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    running: BTreeMap<TxnId, Run>,
    /// Those of them that have a key, by that: told by the others.
    by_key: BTreeMap<Key, TxnId>,
    ended: Ended,
    bytes: u64,
}

impl Ids {
    /// What is known of `id`.
    #[must_use]
    pub fn get(&self, id: TxnId) -> Option<Known> {
        match self.running.get(&id) {
            Some(run) => Some(Known::Running(run.clone())),
            None => self.ended.get(id).and_then(unpacked),
        }
    }

    /// What is known of `id` while it runs.
    #[must_use]
    pub fn run(&self, id: TxnId) -> Option<&Run> {
        self.running.get(&id)
    }

    /// The transaction that runs with this key.
    #[must_use]
    pub fn with_key(&self, key: &Key) -> Option<(TxnId, &Run)> {
        let id = self.by_key.get(key)?;
        Some((*id, self.running.get(id)?))
    }

    /// Replaces what is known of `id`; gives back what was.
    pub fn set(&mut self, id: TxnId, known: Option<Known>) -> Option<Known> {
        // Few run at a time, so this table is small and looked at first.
        let before = match self.running.remove(&id) {
            Some(run) => {
                self.bytes -= running_cost(&run);
                if let Some(keyed) = &run.keyed {
                    self.by_key.remove(&keyed.key);
                }
                Some(Known::Running(run))
            }
            None => self.ended.get(id).and_then(unpacked),
        };
        if let Some(Known::Ended(_)) = &before {
            self.forget(id);
        }
        match known {
            Some(Known::Ended(outcome)) => {
                let packed = outcome.to_wire();
                self.bytes += ended_cost(&packed);
                self.ended.insert(id, &packed);
            }
            Some(Known::Running(run)) => {
                self.bytes += running_cost(&run);
                if let Some(keyed) = &run.keyed {
                    self.by_key.insert(keyed.key.clone(), id);
                }
                self.running.insert(id, run);
            }
            None => {}
        }
        before
    }

    /// Forgets an ended id.
    fn forget(&mut self, id: TxnId) {
        if let Some(packed) = self.ended.get(id) {
            self.bytes -= ended_cost(packed);
            self.ended.remove(id);
        }
    }

    /// The ended id with the lowest stamp.
    #[must_use]
    pub fn oldest_ended(&self) -> Option<TxnId> {
        self.ended.first().map(|(id, _)| id)
    }

    /// Bytes counted against [`Settings::id_bytes`].
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Transactions that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// The transactions that run, by stamp.
    pub fn running_ids(&self) -> impl Iterator<Item = TxnId> {
        self.running.keys().copied()
    }

    /// Forgets every ended id with a stamp of `floor` or before. What a fold does as well: absences of
    /// forgotten ids need no entries.
    pub fn forget_through(&mut self, floor: u64) {
        while let Some(oldest) = self.oldest_ended().filter(|id| id.stamp() <= floor) {
            self.forget(oldest);
        }
    }

    /// The ids that are known.
    pub(super) fn keys(&self) -> impl Iterator<Item = TxnId> {
        self.running.keys().copied().chain(self.ended.keys())
    }

    /// Appends what is known of `id`; `false`, and nothing, where that is nothing.
    pub(super) fn put(&self, id: TxnId, out: &mut Vec<u8>) -> bool {
        match (self.running.get(&id), self.ended.get(id)) {
            (Some(run), _) => put_running(run, out),
            (None, Some(packed)) => put_ended(packed, out),
            (None, None) => return false,
        }
        true
    }
}

fn running_cost(run: &Run) -> u64 {
    let key = u64::from(run.keyed.is_some()) * Settings::KEY_COST;
    Settings::ID_COST + Settings::REPLY_COST * run.asked.len() as u64 + key
}

fn ended_cost(packed: &[u8]) -> u64 {
    Settings::ID_COST + packed.len() as u64
}

/// An outcome as it was packed here; it can be read, then.
fn unpacked(packed: &[u8]) -> Option<Known> {
    let outcome = Outcome::from_wire(Bytes::copy_from_slice(packed));
    outcome.ok().map(Known::Ended)
}

// ---- the wire

fn put_running(run: &Run, out: &mut Vec<u8>) {
    out.push(0);
    run.asked.put(out);
    run.keyed.as_deref().cloned().put(out);
}

fn put_ended(packed: &[u8], out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(packed);
}

impl Wire for Known {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Known::Running(run) => put_running(run, out),
            Known::Ended(outcome) => put_ended(&outcome.to_wire(), out),
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(match bool::take(input)? {
            false => Known::Running(Run {
                asked: Wire::take(input)?,
                keyed: <Option<Keyed> as Wire>::take(input)?.map(Box::new),
            }),
            true => Known::Ended(Wire::take(input)?),
        })
    }
}

impl Wire for Asker {
    fn put(&self, out: &mut Vec<u8>) {
        self.reply.0.put(out);
        self.txn.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Asker {
            reply: ReplyTo(Wire::take(input)?),
            txn: Wire::take(input)?,
        })
    }
}
