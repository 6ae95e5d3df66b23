//! Where transactions are, for those who ask.
//!
//! Owns the question and its answer. A question goes through the log, as every read does: a worker's
//! memory is never asked.

use crate::fault::Fault;
use crate::id::{PartitionId, TxnId};
use crate::key::RowKey;
use crate::state::Known;
use crate::state::State;
use crate::txn::Outcome;
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;

/// What is asked of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// All that it knows of one transaction.
    One(TxnId),
    /// The transactions that run and began here, those that wait or hold something here; so many at most.
    Running(u32),
    /// Parked sagas; so many at most.
    Parked(u32),
    /// What is in flight, in numbers: answered by [`InFlight`](crate::drain::InFlight).
    InFlight,
}

/// What a partition knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The transaction.
    pub txn: TxnId,
    /// What it does here.
    pub fact: Fact,
}

/// One thing that a partition knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It began here and runs.
    Runs,
    /// It began here and has ended.
    Ended(Outcome),
    /// It waits here for a group.
    Waits {
        /// The group.
        group: RowKey,
        /// Visits in front of it.
        ahead: u32,
        /// Milliseconds that it has waited, by the partition's clock.
        since: u64,
        /// The encoded transaction.
        txn: Bytes,
    },
    /// It was here and went on.
    Passed {
        /// Groups that it has locked here.
        groups: Vec<RowKey>,
        /// Rows that it holds here.
        holds: Vec<RowKey>,
        /// Where it went; `None` where it stayed in this partition.
        next: Option<PartitionId>,
    },
    /// It is parked here.
    Parked {
        /// Number of the attempt that failed.
        attempt: u32,
        /// Why.
        fault: Fault,
        /// The encoded transaction.
        txn: Bytes,
    },
}

/// What `state` knows.
#[must_use]
pub fn answer(state: &State, ask: Ask) -> Vec<Status> {
    let limit = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    match ask {
        Ask::One(id) => one(state, id),
        Ask::Running(most) => {
            let mut ids: Vec<TxnId> = (state.ids.running_ids())
                .chain(state.trails.keys().copied())
                .chain(
                    state
                        .queues
                        .values()
                        .flatten()
                        .map(|waiting| waiting.txn.id),
                )
                .collect();
            ids.sort_unstable();
            ids.dedup();
            (ids.into_iter().take(limit(most)))
                .flat_map(|id| one(state, id))
                .collect()
        }
        Ask::Parked(most) => (state.parked.keys().take(limit(most)))
            .flat_map(|id| one(state, *id))
            .collect(),
        // It is told in another form.
        Ask::InFlight => Vec::new(),
    }
}

fn one(state: &State, id: TxnId) -> Vec<Status> {
    let mut facts = Vec::new();
    match state.ids.get(id) {
        Some(Known::Running(_)) => facts.push(Fact::Runs),
        Some(Known::Ended(outcome)) => facts.push(Fact::Ended(outcome)),
        None => {}
    }
    if let Some(trail) = state.trails.get(&id) {
        facts.push(Fact::Passed {
            groups: trail.groups.clone(),
            holds: trail.holds.clone(),
            next: trail.next,
        });
    }
    if let Some((group, place)) = state.waiting(id) {
        let waiting = &state.queues[group][place];
        facts.push(Fact::Waits {
            group: group.clone(),
            ahead: u32::try_from(place).unwrap_or(u32::MAX),
            since: state.scalars.clock.saturating_sub(waiting.since),
            txn: waiting.txn.to_wire().into(),
        });
    }
    if let Some(parked) = state.parked.get(&id) {
        facts.push(Fact::Parked {
            attempt: parked.attempt,
            fault: parked.fault.clone(),
            txn: parked.txn.clone(),
        });
    }
    facts
        .into_iter()
        .map(|fact| Status { txn: id, fact })
        .collect()
}

impl Wire for Ask {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Ask::One(id) => {
                out.push(0);
                id.put(out);
            }
            Ask::Running(most) => {
                out.push(1);
                most.put(out);
            }
            Ask::Parked(most) => {
                out.push(2);
                most.put(out);
            }
            Ask::InFlight => out.push(3),
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Ask::One(Wire::take(input)?)),
            1 => Ok(Ask::Running(Wire::take(input)?)),
            2 => Ok(Ask::Parked(Wire::take(input)?)),
            3 => Ok(Ask::InFlight),
            _ => Err(input.malformed("an unknown question")),
        }
    }
}

impl Wire for Status {
    fn put(&self, out: &mut Vec<u8>) {
        self.txn.put(out);
        match &self.fact {
            Fact::Runs => out.push(0),
            Fact::Ended(outcome) => {
                out.push(1);
                outcome.put(out);
            }
            Fact::Waits {
                group,
                ahead,
                since,
                txn,
            } => {
                out.push(2);
                group.put(out);
                ahead.put(out);
                since.put(out);
                txn.put(out);
            }
            Fact::Passed {
                groups,
                holds,
                next,
            } => {
                out.push(3);
                groups.put(out);
                holds.put(out);
                next.put(out);
            }
            Fact::Parked {
                attempt,
                fault,
                txn,
            } => {
                out.push(4);
                attempt.put(out);
                fault.put(out);
                txn.put(out);
            }
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let txn = Wire::take(input)?;
        let fact = match input.byte()? {
            0 => Fact::Runs,
            1 => Fact::Ended(Wire::take(input)?),
            2 => Fact::Waits {
                group: Wire::take(input)?,
                ahead: Wire::take(input)?,
                since: Wire::take(input)?,
                txn: Wire::take(input)?,
            },
            3 => Fact::Passed {
                groups: Wire::take(input)?,
                holds: Wire::take(input)?,
                next: Wire::take(input)?,
            },
            4 => Fact::Parked {
                attempt: Wire::take(input)?,
                fault: Wire::take(input)?,
                txn: Wire::take(input)?,
            },
            _ => return Err(input.malformed("an unknown fact")),
        };
        Ok(Status { txn, fact })
    }
}
