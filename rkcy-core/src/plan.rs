//! Steps become visits.
//!
//! Owns the order of locks: every entity group is *first* touched in the order (rank of its root
//! concern, partition, root key), in the strongest mode the transaction will ever need there. So no
//! two transactions can wait for each other in a circle. Where the steps need another order, a visit
//! that only takes the lock is put first.
//!
//! Steps on different groups without a dependency commute, so all steps on one group become one visit
//! wherever the dependencies allow it; steps on one row keep their written order. A saga keeps its written
//! order, and holds no locks between its visits.

use crate::bugs::{self, Bug};
use crate::id::ConcernId;
use crate::key::{RowKey, partition_of};
use crate::txn::{Access, Mode, Place, Rest, Step, Txn, Unplanned, Visit};
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
pub fn extend(txn: &mut Txn, partitions: &(impl Partitions + ?Sized)) {
    let mut waiting = Steps::new(std::mem::take(&mut txn.unplanned));
    if txn.mode == Mode::Saga {
        in_written_order(txn, &mut waiting, partitions);
    } else {
        in_lock_order(txn, &mut waiting, partitions);
    }
    txn.unplanned = waiting.rest;
}

/// Takes the results so far into account: `rest` is what the body of the transaction says of it now. All
/// visits that were not begun are planned anew, and the one that is being made gets what can be made there.
pub fn revise(txn: &mut Txn, rest: Rest, partitions: &(impl Partitions + ?Sized)) {
    txn.visits.truncate(usize::from(txn.next) + 1);
    txn.checks = rest.checks;
    let is_left = |step: &Unplanned| txn.done.binary_search(&step.step.number).is_err();
    let mut waiting = Steps::new(rest.steps.into_iter().filter(is_left).collect());
    if let Some(visit) = txn.visits.last_mut() {
        visit.steps = if txn.mode == Mode::Saga {
            waiting.take_first_of(&visit.group)
        } else {
            waiting.take(&visit.group)
        };
    }
    txn.unplanned = waiting.rest;
    extend(txn, partitions);
}

/// Whether there is a visit to make, or nothing left to do.
///
/// # Errors
/// [`Unplannable`] where steps are left, none of which waits for a key that a placed step will yield.
pub fn check(txn: &Txn) -> Result<(), Unplannable> {
    match txn.unplanned.first() {
        Some(stuck) if txn.visit().is_none() => Err(Unplannable {
            step: stuck.step.number,
        }),
        _ => Ok(()),
    }
}

/// Sagas: one visit for each run of steps on one group.
fn in_written_order(txn: &mut Txn, waiting: &mut Steps, partitions: &(impl Partitions + ?Sized)) {
    while let Some((group, access)) = waiting.rest.first().and_then(|first| {
        let ready = first
            .after
            .iter()
            .all(|number| !waiting.open.contains(number));
        let group = group_of(first).filter(|_| ready)?;
        // What comes after results may ask for more than what is known of the visit now.
        let here = |step: &&Unplanned| group_of(step).as_ref() == Some(&group);
        let strongest = waiting.rest.iter().filter(here).map(|step| step.access);
        let access = strongest.max().unwrap_or(first.access);
        Some((group, access))
    }) {
        let steps = waiting.take_first_of(&group);
        txn.visits.push(Visit {
            partition: partition_of(
                group.concern,
                &group.key,
                partitions.partitions(group.concern),
            )
            .index,
            group,
            access,
            steps,
        });
    }
}

/// Transactions: every group is first touched in the order of locks.
fn in_lock_order(txn: &mut Txn, waiting: &mut Steps, partitions: &(impl Partitions + ?Sized)) {
    // Groups of this rank and above wait until the keys of that concern are known.
    let limit = (waiting.rest.iter())
        .filter(|waiting| waiting.group.is_none())
        .map(|waiting| waiting.root)
        .min();
    let mut fresh: Vec<(RowKey, u16, Access)> = Vec::new();
    for step in &waiting.rest {
        if limit.is_some_and(|limit| step.root >= limit)
            || txn.visits.iter().any(|visit| is_of(step, &visit.group))
        {
            continue;
        }
        match fresh.iter_mut().find(|(known, ..)| is_of(step, known)) {
            Some((.., access)) => *access = (*access).max(step.access),
            None => {
                let Some(group) = group_of(step) else {
                    continue;
                };
                let count = partitions.partitions(group.concern);
                let partition = partition_of(group.concern, &group.key, count).index;
                fresh.push((group, partition, step.access));
            }
        }
    }
    if !bugs::on(Bug::FirstTouchOutOfOrder) {
        fresh.sort_by(|a, b| (a.0.concern, a.1, &a.0.key).cmp(&(b.0.concern, b.1, &b.0.key)));
    }
    for (group, partition, access) in fresh {
        let steps = waiting.take(&group);
        txn.visits.push(Visit {
            group,
            partition,
            access,
            steps,
        });
    }
    // Every group is locked: what is left runs in any order, as soon as its inputs are there.
    // What its rank holds back still is passed over.
    while let Some(held) = (waiting.rest.iter())
        .filter_map(group_of)
        .filter(|group| waiting.has_ready(group))
        .find_map(|group| txn.visits.iter().find(|visit| visit.group == group))
    {
        let held = Visit {
            steps: Vec::new(),
            ..held.clone()
        };
        let steps = waiting.take(&held.group);
        txn.visits.push(Visit { steps, ..held });
    }
}

/// The group of a step whose root key is known.
fn group_of(waiting: &Unplanned) -> Option<RowKey> {
    waiting.group.clone().map(|key| RowKey {
        concern: waiting.root,
        key,
    })
}

/// Whether the root key of a step is known, and it is of `group`.
fn is_of(waiting: &Unplanned, group: &RowKey) -> bool {
    waiting.root == group.concern && waiting.group.as_ref() == Some(&group.key)
}

/// Steps that are in no visit yet.
struct Steps {
    rest: Vec<Unplanned>,
    /// Their numbers.
    open: BTreeSet<u16>,
}

impl Steps {
    fn new(rest: Vec<Unplanned>) -> Steps {
        let open = rest.iter().map(|waiting| waiting.step.number).collect();
        Steps { rest, open }
    }

    /// Whether a step of `group` can be made now.
    fn has_ready(&self, group: &RowKey) -> bool {
        let mut blocked = Blocked::default();
        (self.rest.iter())
            .filter(|waiting| is_of(waiting, group))
            .any(|waiting| blocked.lets(waiting, &self.open))
    }

    /// Takes the steps of `group` that can run now; those on one row in written order.
    fn take(&mut self, group: &RowKey) -> Vec<Step> {
        let mut blocked = Blocked::default();
        let open = &mut self.open;
        let ready = |waiting: &mut Unplanned| {
            let takes = is_of(waiting, group) && blocked.lets(waiting, open);
            takes && open.remove(&waiting.step.number)
        };
        (self.rest.extract_if(.., ready).map(|waiting| waiting.step)).collect()
    }

    /// Takes the steps of `group` that stand first, as far as they can run now.
    fn take_first_of(&mut self, group: &RowKey) -> Vec<Step> {
        let open = &mut self.open;
        let count = (self.rest.iter())
            .take_while(|waiting| {
                let takes = is_of(waiting, group)
                    && waiting.after.iter().all(|number| !open.contains(number));
                takes && open.remove(&waiting.step.number)
            })
            .count();
        self.rest
            .drain(..count)
            .map(|waiting| waiting.step)
            .collect()
    }
}

/// Rows of a group on which an earlier step has to wait.
#[derive(Default)]
struct Blocked {
    rows: Vec<Place>,
    /// A step on a row that is not known yet has to wait: it may be any.
    all: bool,
}

impl Blocked {
    /// Whether a step may go; else those on the same row behind it may not either.
    fn lets(&mut self, waiting: &Unplanned, open: &BTreeSet<u16>) -> bool {
        let place = &waiting.step.place;
        let is_late = matches!(place, Place::Late(_));
        let before = self.all || self.rows.contains(place) || (is_late && !self.rows.is_empty());
        let lets = !before && waiting.after.iter().all(|number| !open.contains(number));
        if !lets {
            self.all |= is_late;
            self.rows.push(place.clone());
        }
        lets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TxnId;
    use crate::key::Key;
    use crate::txn::Args;

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
                place: Place::Root,
                op: 0,
                args: Args::Late,
                keep: true,
                sure: true,
                undo: None,
                claims_for: None,
            },
            root: ConcernId(concern),
            group: key.map(|key| Key::of(&key)),
            access,
            after: after.to_vec(),
        }
    }

    fn plan(steps: Vec<Unplanned>) -> Txn {
        plan_as(Mode::Transaction, steps)
    }

    fn plan_as(mode: Mode, steps: Vec<Unplanned>) -> Txn {
        let mut txn = Txn {
            mode,
            unplanned: steps,
            ..Txn::new(TxnId([0; 16]), 1, 0)
        };
        extend(&mut txn, &Three);
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
        let mut txn = plan(steps.clone());
        assert_eq!(shape(&txn), [(1, vec![0])]);
        let rest = told(&mut txn, 0, steps, |steps| {
            steps[1].group = Some(Key::of(&7_u64))
        });
        revise(&mut txn, rest, &Three);
        assert_eq!(shape(&txn), [(1, vec![]), (2, vec![1]), (3, vec![2])]);
    }

    /// The step `number` was made, and its result tells what `learn` sets.
    fn told(
        txn: &mut Txn,
        number: u16,
        mut steps: Vec<Unplanned>,
        learn: impl FnOnce(&mut Vec<Unplanned>),
    ) -> Rest {
        txn.note_done(number);
        learn(&mut steps);
        Rest {
            steps,
            ..Rest::default()
        }
    }

    #[test]
    fn a_visit_that_is_not_needed_is_passed_over() {
        let mut steps = vec![
            step(0, 1, Some(1), Shared, &[]),
            step(1, 2, Some(1), Exclusive, &[0]),
            step(2, 3, Some(1), Exclusive, &[]),
        ];
        steps[1].step.sure = false;
        let mut txn = plan(steps.clone());
        assert_eq!(shape(&txn), [(1, vec![0]), (2, vec![1]), (3, vec![2])]);
        let rest = told(&mut txn, 0, steps, |steps| drop(steps.remove(1)));
        revise(&mut txn, rest, &Three);
        assert_eq!(shape(&txn), [(1, vec![]), (3, vec![2])]);
    }

    #[test]
    fn a_list_out_of_a_result_is_unrolled_in_the_visit_that_yields_it() {
        let row = |key: u64| {
            Place::Member(RowKey {
                concern: ConcernId(9),
                key: Key::of(&key),
            })
        };
        let get = step(0, 1, Some(1), Exclusive, &[]);
        let mut turn = step(1, 1, Some(1), Exclusive, &[0]);
        turn.step.place = Place::Late(ConcernId(9));
        turn.step.sure = false;
        let mut txn = plan(vec![get.clone(), turn.clone()]);
        assert_eq!(shape(&txn), [(1, vec![0, 1])]);
        let rest = told(&mut txn, 0, vec![get, turn], |steps| {
            steps[1].step.sure = true;
            steps[1].step.place = row(5);
            let mut second = steps[1].clone();
            (second.step.number, second.step.place) = (2, row(6));
            steps.push(second);
        });
        revise(&mut txn, rest, &Three);
        assert_eq!(shape(&txn), [(1, vec![1, 2])]);
    }

    #[test]
    fn a_saga_keeps_its_written_order() {
        let txn = plan_as(
            Mode::Saga,
            vec![
                step(0, 2, Some(1), Exclusive, &[]),
                step(1, 1, Some(1), Exclusive, &[]),
                step(2, 1, Some(1), Exclusive, &[1]),
                step(3, 2, Some(1), Exclusive, &[]),
            ],
        );
        assert_eq!(shape(&txn), [(2, vec![0]), (1, vec![1, 2]), (2, vec![3])]);
    }
}
