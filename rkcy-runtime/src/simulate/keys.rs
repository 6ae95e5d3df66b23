//! Idempotency keys in the simulator: who gives one, and whether each key was answered as it must be.
//!
//! Owns the callers who repeat what they or others have asked for, and the judge of a log of keys: a second, simple
//! account of what a key may be answered with, held against what the engine did.

use super::cluster::Cluster;
use super::draw::pick;
use super::observe::Violation;
use super::workload::agree;
use crate::codegen::{Key, TxnId};
use bytes::Bytes;
use rand::RngExt;
use rand_chacha::rand_core::Rng;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::frame::{Body, Envelope, Kind};
use rkcy_core::id::PartitionId;
use rkcy_core::keyed::{Digest, KEYS, Kept, Keyed, Page, Shelf};
use rkcy_core::partition::{Effect, Partition};
use rkcy_core::rows::StoredRow;
use rkcy_core::state::State;
use rkcy_core::txn::{Mode, Outcome, Txn};
use rkcy_core::wire::Wire;
use std::collections::{BTreeMap, BTreeSet};

/// A key that callers have used, and the first who did so.
#[derive(Clone, Debug)]
pub(super) struct Used {
    keyed: Keyed,
    first: TxnId,
}

/// What the serial execution is told: a key is nothing that a transaction does.
pub(super) fn bare(txn: &Txn) -> Txn {
    let mut txn = txn.clone();
    if txn.has_key() {
        txn.visits.remove(0);
    }
    txn
}

impl Cluster<'_> {
    /// Gives what a caller asks for a key, in some runs.
    pub(super) fn may_use_key(&mut self, txn: Txn) -> Txn {
        if self.draw.keys == 0.0 || !self.rng.random_bool(self.draw.keys) {
            return txn;
        }
        let keyed = Keyed::new(digest(&mut self.rng), digest(&mut self.rng));
        let first = txn.id;
        self.used.push(Used {
            keyed: keyed.clone(),
            first,
        });
        txn.with_key(&keyed, &**self.logic())
    }

    /// What somebody asked for with a key, once more with another id; at once, or much later.
    pub(super) fn repeat(&mut self, id: TxnId) -> Option<Txn> {
        if self.used.is_empty() || !self.rng.random_bool(self.draw.repeats) {
            return None;
        }
        let used = self.any_used();
        // A body that is run again on its way would see another id than the one it was planned with: a caller who
        // repeats plans anew.
        let first = self.observer.txn(used.first).filter(|txn| !txn.late)?;
        let first = first.clone();
        self.observer.count("repeated with a key");
        Some(Txn { id, ..first })
    }

    /// Something else, with a key that was used before.
    pub(super) fn misuse(&mut self, txn: Txn) -> Txn {
        if self.used.is_empty() || !self.rng.random_bool(self.draw.repeats / 3.0) {
            return self.may_use_key(txn);
        }
        let key = self.any_used().keyed.key;
        let body = digest(&mut self.rng);
        self.observer.count("another body with a key");
        txn.with_key(&Keyed { key, body }, &**self.logic())
    }

    fn any_used(&mut self) -> Used {
        let recent = self.used.len().saturating_sub(3);
        let among = match self.rng.random_bool(0.5) {
            true => &self.used[recent..],
            false => &self.used,
        };
        pick(&mut self.rng, among).clone()
    }
}

fn digest(rng: &mut impl Rng) -> Digest {
    let mut bytes = [0; 24];
    rng.fill_bytes(&mut bytes);
    Digest(bytes)
}

/// One life of a key: from the transaction that runs with it until the time of its outcome is over.
#[derive(Debug)]
struct Life {
    first: TxnId,
    body: Digest,
    saga: bool,
    /// How it ended, and when it may be forgotten.
    ended: Option<(Outcome, u64)>,
}

/// Judges a log of keys, envelope by envelope.
#[derive(Debug, Default)]
pub(super) struct Judge {
    lives: BTreeMap<Key, Life>,
    /// The keys of those that ran.
    ran: BTreeMap<TxnId, Key>,
    /// Ids that were told what stands, or ran: what they hear from then on is theirs.
    known: BTreeSet<TxnId>,
    /// The latest that the clock of the partition has been; an accepted clock may be behind it. What had its time then may
    /// be gone, and may be there still.
    latest: u64,
}

impl Judge {
    /// An envelope that counts has been applied.
    ///
    /// # Errors
    /// What a key was answered with, and must not be.
    pub(super) fn take(
        &mut self,
        envelope: &Envelope,
        effects: &[Effect],
        state: &State,
    ) -> Result<(), Violation> {
        self.latest = self.latest.max(state.scalars.clock);
        let head = &envelope.head;
        let body = Body::decode(head.kind, envelope.body.clone());
        match (head.kind, body) {
            (Kind::Submit, Ok(Body::Txn(txn))) => match txn.keyed() {
                Some(keyed) => self.submitted(&txn, keyed, effects, state),
                None => Ok(()),
            },
            (Kind::Outcome, Ok(Body::Outcome(outcome))) => {
                self.ended(head.txn, &outcome, effects, state)
            }
            _ => Ok(()),
        }
    }

    fn submitted(
        &mut self,
        txn: &Txn,
        keyed: Keyed,
        effects: &[Effect],
        state: &State,
    ) -> Result<(), Violation> {
        let (id, clock) = (txn.id, state.scalars.clock);
        let broken = |what: &str| Err(Violation(format!("key of {id}: {what}")));
        let runs = effects.iter().any(|effect| {
            matches!(effect, Effect::Send { envelope, .. }
                if envelope.head.kind == Kind::Visit && envelope.head.txn == id)
        });
        let is_over = |life: &Life| (life.ended.as_ref()).is_some_and(|(_, until)| clock >= *until);
        let life = self.lives.get(&keyed.key).filter(|life| !is_over(life));
        if runs {
            match life {
                Some(Life { ended: None, .. }) => return broken("runs while the first still runs"),
                Some(Life {
                    ended: Some((_, until)),
                    ..
                }) if self.latest < *until => {
                    return broken("was forgotten early: the same runs once more");
                }
                _ => {}
            }
            let life = Life {
                first: id,
                body: keyed.body,
                saga: txn.mode == Mode::Saga,
                ended: None,
            };
            self.lives.insert(keyed.key.clone(), life);
            self.ran.insert(id, keyed.key);
            self.known.insert(id);
            return Ok(());
        }
        let Some(told) = answer(effects, id) else {
            return Ok(());
        };
        if matches!(told, Outcome::NotTaken(_)) || !self.known.insert(id) {
            return Ok(());
        }
        let reused = told.fault().is_some_and(|fault| fault.code == "key_reused");
        match life {
            Some(life) if life.body != keyed.body && !reused => {
                broken("another body was told what came of the first")
            }
            Some(life) if life.body == keyed.body && reused => {
                broken("the same body was refused as another")
            }
            Some(life) if life.body == keyed.body => match &life.ended {
                Some((outcome, _)) if agree(outcome, told) => Ok(()),
                Some(_) => broken("a repeat was told something else than the first"),
                None => broken("a repeat was told how it ended while it runs"),
            },
            _ => Ok(()),
        }
    }

    fn ended(
        &mut self,
        id: TxnId,
        outcome: &Outcome,
        effects: &[Effect],
        state: &State,
    ) -> Result<(), Violation> {
        let Some(key) = self.ran.get(&id) else {
            return Ok(());
        };
        let Some(life) = self.lives.get_mut(key).filter(|life| life.first == id) else {
            return Ok(());
        };
        let broken = |what: &str| Err(Violation(format!("key of {id}: {what}")));
        for effect in effects {
            let Effect::Answer(reply) = effect else {
                continue;
            };
            if !agree(outcome, &reply.outcome) {
                return broken("who has waited was told something else than the first");
            }
            if !matches!(reply.outcome, Outcome::NotTaken(_) | Outcome::Parked(_)) {
                self.known.insert(reply.txn);
            }
        }
        match outcome {
            Outcome::Parked(_) => {}
            Outcome::NotTaken(_) => drop(self.lives.remove(key)),
            Outcome::Refused(Fault { class, .. })
                if !life.saga && !matches!(class, Class::Refusal | Class::Invalid) =>
            {
                return broken("it remembers that the platform did not take it");
            }
            kept => {
                let until = state
                    .scalars
                    .clock
                    .saturating_add(state.scalars.settings.key_life);
                life.ended = Some((kept.clone(), until));
            }
        }
        Ok(())
    }
}

fn answer(effects: &[Effect], id: TxnId) -> Option<&Outcome> {
    effects.iter().find_map(|effect| match effect {
        Effect::Answer(reply) if reply.txn == id => Some(&reply.outcome),
        _ => None,
    })
}

/// Every row of a key can be found when it has had its time, and there is nothing else.
///
/// # Errors
/// What would stay for ever.
pub(super) fn check_shelf(id: PartitionId, golden: &Partition) -> Result<(), Violation> {
    let broken = |what: String| Err(Violation(format!("{id}: {what}")));
    let value = |row: &StoredRow| row.value.clone();
    let rows = golden.rows().sorted().into_iter();
    let rows: BTreeMap<_, Bytes> = rows
        .filter_map(|(row, stored)| Some((row.clone(), value(stored)?)))
        .collect();
    let shelf = golden.state().scalars.shelf.clone().unwrap_or_default();
    let mut named: BTreeSet<(Key, u64)> = shelf.last.iter().cloned().collect();
    let pages = (shelf.first..shelf.next).map(|page| Shelf::row(id, page));
    let pages: BTreeSet<_> = pages.collect();
    for page in &pages {
        let page = rows.get(page).cloned().map(Page::from_wire);
        match page {
            Some(Ok(page)) => named.extend(page),
            _ => return broken("a page of keys is missing".to_owned()),
        }
    }
    for (row, value) in rows.iter().filter(|(row, _)| !pages.contains(row)) {
        let until = match Kept::from_wire(value.clone()) {
            Ok(kept) if row.concern == KEYS => kept.until,
            _ => return broken(format!("{row:?} is kept, which is no key")),
        };
        if !named.contains(&(row.key.clone(), until)) {
            return broken(format!("the key {:?} is on no page", row.key));
        }
    }
    Ok(())
}
