//! A platform that is being drained: what is still in flight, and when that is nothing.
//!
//! Owns what a partition tells of itself, and the judgement over all of them. That nothing new begins is the
//! partition's (`partition/drain.rs`).

use crate::id::{PartitionId, Position};
use crate::state::State;
use crate::wire::{Malformed, Reader, Wire};

/// What is in flight in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// The envelope by which it takes nothing new; `None` where it does.
    pub draining: Option<Position>,
    /// Transactions that began here and have not ended.
    pub running: u64,
    /// Visits that wait for a group.
    pub waiting: u64,
    /// Groups that are locked or held, by transactions that went on.
    pub locked: u64,
    /// Sagas that wait for an operator.
    pub parked: u64,
    /// Transactions that are decided and give something back.
    pub giving: u64,
    /// Number of the last envelope sent to each partition,
    pub sent: Vec<(PartitionId, u64)>,
    /// and taken from each.
    pub taken: Vec<(PartitionId, u64)>,
}

impl InFlight {
    /// What is in flight in a partition with this state.
    #[must_use]
    pub fn of(state: &State) -> InFlight {
        let count = |count: usize| count as u64;
        InFlight {
            draining: state.draining,
            running: count(state.ids.running()),
            waiting: count(
                state
                    .queues
                    .values()
                    .map(std::collections::VecDeque::len)
                    .sum(),
            ),
            locked: count(state.locks.len() + state.holds.len() + state.counted.keys().count()),
            parked: count(state.parked.len()),
            giving: count(state.giving.len()),
            sent: state
                .outbound
                .iter()
                .map(|(to, number)| (*to, *number))
                .collect(),
            taken: state
                .inbound
                .iter()
                .map(|(from, number)| (*from, *number))
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        let counts = [
            self.running,
            self.waiting,
            self.locked,
            self.parked,
            self.giving,
        ];
        self.draining.is_some() && counts == [0; 5]
    }
}

/// Envelopes that a partition has sent and another has not taken, by what both have told. They tell it at different
/// times, so a number that is taken may be ahead.
#[must_use]
pub fn on_the_way(told: &[(PartitionId, InFlight)]) -> u64 {
    let taken = |by: PartitionId, from: PartitionId| {
        let by = told.iter().find(|(partition, _)| *partition == by);
        let taken = by.and_then(|(_, it)| it.taken.iter().find(|it| it.0 == from));
        taken.map_or(0, |it| it.1)
    };
    let sent = (told.iter()).flat_map(|(from, it)| it.sent.iter().map(move |sent| (*from, *sent)));
    sent.map(|(from, (to, number))| number.saturating_sub(taken(to, from)))
        .sum()
}

/// Whether nothing is in flight in the whole platform, by what all partitions have told twice, one time after the
/// other. One time alone says nothing, since each tells of another moment. But numbers only grow: where both times
/// are the same, nothing has been sent or taken between the end of the first and the beginning of the second, so at
/// that moment all of it held at once. Then nothing is there that could begin anything.
#[must_use]
pub fn is_over(first: &[(PartitionId, InFlight)], second: &[(PartitionId, InFlight)]) -> bool {
    first == second && second.iter().all(|(_, it)| it.is_empty()) && on_the_way(second) == 0
}

impl Wire for InFlight {
    fn put(&self, out: &mut Vec<u8>) {
        self.draining.put(out);
        self.running.put(out);
        self.waiting.put(out);
        self.locked.put(out);
        self.parked.put(out);
        self.giving.put(out);
        self.sent.put(out);
        self.taken.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(InFlight {
            draining: Wire::take(input)?,
            running: Wire::take(input)?,
            waiting: Wire::take(input)?,
            locked: Wire::take(input)?,
            parked: Wire::take(input)?,
            giving: Wire::take(input)?,
            sent: Wire::take(input)?,
            taken: Wire::take(input)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::id::ConcernId;

    fn partition(index: u16) -> PartitionId {
        PartitionId {
            concern: ConcernId(1),
            index,
        }
    }

    fn told(sent: u64, taken: u64) -> Vec<(PartitionId, InFlight)> {
        let drained = InFlight {
            draining: Some(Position::new(7, 0)),
            ..InFlight::default()
        };
        let first = InFlight {
            sent: vec![(partition(1), sent)],
            ..drained.clone()
        };
        let second = InFlight {
            taken: vec![(partition(0), taken)],
            ..drained
        };
        vec![(partition(0), first), (partition(1), second)]
    }

    #[test]
    fn it_is_over_when_twice_the_same_is_told_and_nothing_is_there() {
        assert!(is_over(&told(3, 3), &told(3, 3)));
        assert!(!is_over(&told(3, 2), &told(3, 2)), "one is on the way");
        assert!(!is_over(&told(2, 2), &told(3, 3)), "something has moved");
        let mut parked = told(3, 3);
        parked[1].1.parked = 1;
        assert!(!is_over(&parked, &parked));
        let mut open = told(3, 3);
        open[0].1.draining = None;
        assert!(!is_over(&open, &open), "one takes what is new");
        let bytes = InFlight::to_wire(&parked[1].1);
        assert_eq!(InFlight::from_wire(bytes.into()).unwrap(), parked[1].1);
    }
}
