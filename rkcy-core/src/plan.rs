//! Steps become visits.
//!
//! Owns the order of locks: every entity group is *first* touched in the order (rank of its root
//! concern, partition, root key), in the strongest mode the transaction will ever need there. So no
//! two transactions can wait for each other in a circle. Where the steps need another order, a visit
//! that only takes the lock is put first.
//!
//! Steps on different groups without a dependency commute, so all steps on one group become one visit
//! wherever the dependencies allow it; steps on one group keep their written order.

use crate::bugs::{self, Bug};
use crate::id::ConcernId;
use crate::key::{RowKey, partition_of};
use crate::txn::{Access, Step, Txn, Unplanned, Visit};
use std::collections::BTreeSet;

/// Number of partitions of each root concern.
pub trait Partitions {
    /// Partitions of `concern`, at least 1.
    fn partitions(&self, concern: ConcernId) -> u16;
}

/// Why steps could not be made into visits. The checker of the schema excludes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {step} can never run: what it needs comes after it in the order of locks")]
pub struct Unplannable {
    /// Number of the first step that is stuck.
    pub step: u16,
}

/// Moves every step that can be placed now out of `txn.unplanned` into visits behind those there are.
///
/// Called at submission, and again by the partition whose visit has yielded the last missing key.
/// `done` are the numbers of the steps that were run.
///
/// # Errors
/// [`Unplannable`] where steps are left, none of which waits for a key that a placed step will yield.
pub fn extend(txn: &mut Txn, partitions: &(impl Partitions + ?Sized)) -> Result<(), Unplannable> {
    let mut rest = std::mem::take(&mut txn.unplanned);
    let mut open: BTreeSet<u16> = rest.iter().map(|waiting| waiting.step.number).collect();
    // Groups of this rank and above wait until the keys of that concern are known.
    let limit = rest
        .iter()
        .filter(|waiting| waiting.key.is_none())
        .map(|waiting| waiting.concern)
        .min();

    let mut fresh: Vec<(RowKey, u16, Access)> = Vec::new();
    for waiting in &rest {
        let Some(group) = group_of(waiting) else {
            continue;
        };
        if limit.is_some_and(|limit| group.concern >= limit)
            || txn.visits.iter().any(|v| v.group == group)
        {
            continue;
        }
        match fresh.iter_mut().find(|(known, ..)| *known == group) {
            Some((.., access)) => *access = (*access).max(waiting.access),
            None => {
                let count = partitions.partitions(group.concern);
                let partition = partition_of(group.concern, &group.key, count).index;
                fresh.push((group, partition, waiting.access));
            }
        }
    }
    if !bugs::on(Bug::FirstTouchOutOfOrder) {
        fresh.sort_by(|a, b| (a.0.concern, a.1, &a.0.key).cmp(&(b.0.concern, b.1, &b.0.key)));
    }
    for (group, partition, access) in fresh {
        let steps = place(&mut rest, &mut open, &group);
        txn.visits.push(Visit {
            group,
            partition,
            access,
            steps,
        });
    }
    // Every group is locked: what is left runs in any order, as soon as its inputs are there.
    // What its rank holds back still is passed over.
    while let Some(held) = rest
        .iter()
        .filter(|waiting| is_ready(waiting, &open, &rest))
        .filter_map(group_of)
        .find_map(|group| txn.visits.iter().find(|visit| visit.group == group))
    {
        let held = Visit {
            steps: Vec::new(),
            ..held.clone()
        };
        let steps = place(&mut rest, &mut open, &held.group);
        txn.visits.push(Visit { steps, ..held });
    }

    let stuck = rest.first().map(|waiting| waiting.step.number);
    txn.unplanned = rest;
    match stuck {
        Some(step) if txn.visit().is_none() => Err(Unplannable { step }),
        _ => Ok(()),
    }
}

/// The group of a step whose key is known.
fn group_of(waiting: &Unplanned) -> Option<RowKey> {
    waiting.key.clone().map(|key| RowKey {
        concern: waiting.concern,
        key,
    })
}

/// Whether all that a step uses has been placed before it.
fn is_ready(waiting: &Unplanned, open: &BTreeSet<u16>, rest: &[Unplanned]) -> bool {
    let Some(group) = group_of(waiting) else {
        return false;
    };
    let first_of_group = rest
        .iter()
        .find(|other| group_of(other).as_ref() == Some(&group));
    first_of_group.is_some_and(|first| first.step.number == waiting.step.number)
        && waiting.after.iter().all(|number| !open.contains(number))
}

/// Takes the steps of `group` that can run now, in written order.
fn place(rest: &mut Vec<Unplanned>, open: &mut BTreeSet<u16>, group: &RowKey) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut blocked = false;
    rest.retain(|waiting| {
        if group_of(waiting).as_ref() != Some(group) {
            return true;
        }
        blocked |= waiting.after.iter().any(|number| open.contains(number));
        if !blocked {
            open.remove(&waiting.step.number);
            steps.push(waiting.step.clone());
        }
        blocked
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TxnId;
    use crate::key::Key;
    use crate::txn::{Answer, Args, Mode, ReplyTo};

    struct Three;
    impl Partitions for Three {
        fn partitions(&self, _: ConcernId) -> u16 {
            3
        }
    }

    fn step(
        number: u16,
        concern: u16,
        key: Option<u64>,
        access: Access,
        after: &[u16],
    ) -> Unplanned {
        Unplanned {
            step: Step {
                number,
                op: 0,
                args: Args::Late,
                keep: true,
            },
            concern: ConcernId(concern),
            key: key.map(|key| Key::of(&key)),
            access,
            after: after.to_vec(),
        }
    }

    fn plan(steps: Vec<Unplanned>) -> Txn {
        let mut txn = Txn {
            id: TxnId([0; 16]),
            kind: 1,
            schema: 0,
            mode: Mode::Transaction,
            budget: 0,
            reply: ReplyTo(0),
            trace: Default::default(),
            caller: Default::default(),
            params: Default::default(),
            visits: Vec::new(),
            next: 0,
            unplanned: steps,
            checks: Vec::new(),
            results: Vec::new(),
            answer: Answer::Empty,
        };
        extend(&mut txn, &Three).unwrap();
        txn
    }

    fn shape(txn: &Txn) -> Vec<(u16, Vec<u16>)> {
        let numbers = |visit: &Visit| visit.steps.iter().map(|step| step.number).collect();
        txn.visits
            .iter()
            .map(|visit| (visit.group.concern.0, numbers(visit)))
            .collect()
    }

    use Access::{Exclusive, Shared};

    #[test]
    fn a_trade_is_two_visits() {
        let txn = plan(vec![
            step(0, 1, Some(10), Exclusive, &[]),
            step(1, 1, Some(20), Exclusive, &[]),
            step(2, 1, Some(10), Exclusive, &[]),
            step(3, 1, Some(20), Exclusive, &[]),
        ]);
        let mut visits = shape(&txn);
        visits.sort();
        assert_eq!(visits, [(1, vec![0, 2]), (1, vec![1, 3])]);
    }

    #[test]
    fn a_b_a_comes_back_and_keeps_the_strongest_access() {
        let txn = plan(vec![
            step(0, 1, Some(1), Shared, &[]),
            step(1, 2, Some(1), Exclusive, &[0]),
            step(2, 1, Some(1), Exclusive, &[1]),
        ]);
        assert_eq!(shape(&txn), [(1, vec![0]), (2, vec![1]), (1, vec![2])]);
        assert_eq!(txn.visits[0].access, Exclusive);
    }

    #[test]
    fn a_group_needed_later_but_ranked_first_is_only_locked() {
        let txn = plan(vec![
            step(0, 2, Some(1), Exclusive, &[]),
            step(1, 1, Some(1), Exclusive, &[0]),
        ]);
        assert_eq!(shape(&txn), [(1, vec![]), (2, vec![0]), (1, vec![1])]);
    }

    #[test]
    fn a_key_out_of_a_result_holds_its_rank_back() {
        let steps = vec![
            step(0, 1, Some(1), Shared, &[]),
            step(1, 2, None, Exclusive, &[0]),
            step(2, 3, Some(1), Exclusive, &[]),
        ];
        let mut txn = plan(steps);
        assert_eq!(shape(&txn), [(1, vec![0])]);
        txn.next = 1;
        txn.unplanned[0].key = Some(Key::of(&7_u64));
        extend(&mut txn, &Three).unwrap();
        assert_eq!(shape(&txn), [(1, vec![0]), (2, vec![1]), (3, vec![2])]);
    }
}
