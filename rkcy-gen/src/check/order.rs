//! Pass 5, the order of locks: a key that comes out of a result is known late, so its concern must
//! rank behind all that tells the key.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, LocalId, Mode, Step, StepId, Transaction};

impl Checker {
    /// Locks are taken in the order of ranks, and within a concern in the order of keys. A key out
    /// of a result can be in that order only if everything that the result depends on is locked
    /// before the first instance of the key's concern is. Whether the step is made at all may be known
    /// later than that: its group is locked in any case. A saga keeps no locks.
    pub(super) fn keys_come_in_order(&mut self, transaction: &Transaction) {
        if transaction.mode == Mode::Saga {
            return;
        }
        let last_behind = self.last_behind(transaction);
        self.claims_come_in_order(transaction, &last_behind);
        for step in &transaction.steps {
            let Some(target) = &step.target else {
                continue;
            };
            // Inside of a group that is known, keys are free.
            let (_, key) = transaction.group(&self.schema.concerns, target);
            let behind = transaction.needs(key).into_iter();
            let behind = behind.map(|id| transaction.step(last_behind[id.index()]));
            let late = behind.max_by_key(|step| self.lateness(step));
            let Some((late, behind)) = late.and_then(|it| Some((it, it.target.as_ref()?))) else {
                continue;
            };
            if self.schema.rank(behind.concern) < self.schema.rank(target.concern) {
                continue;
            }
            let (wanted, other) = (
                self.schema.root(target.concern),
                self.schema.root(behind.concern),
            );
            let same = wanted == other;
            let wanted = self.schema.concern(wanted).name.clone();
            let other = self.schema.concern(other).name.clone();
            let finding = Diagnostic::new(
                Code::KeyFromResult,
                target.key.span,
                format!("this key is known too late to lock `{wanted}` in order"),
            )
            .label(late.span, "it depends on this step");
            let finding = if same {
                finding.help(format!("several `{wanted}`s are locked in the order of their keys, so all keys must be known before; give this one as a parameter"))
            } else {
                finding.help(format!("locks are taken in the order of declaration: declare `{other}` before `{wanted}` (before the first release), or give the key as a parameter"))
            };
            self.report(finding);
        }
    }

    /// For each step, the one that is locked last of all that must have run before its result is there:
    /// itself, what its key, payload and conditions need, and the earlier steps in groups of the same
    /// concern, which may have changed the same instance.
    fn last_behind(&self, transaction: &Transaction) -> Vec<StepId> {
        let places = transaction.places();
        let mut last: Vec<StepId> = transaction.steps.iter().map(|step| step.id).collect();
        // What comes before in the turn before is known in the next pass.
        let mut in_loops: HashMap<(LocalId, ConcernId), StepId> = HashMap::new();
        loop {
            let mut changed = false;
            let mut so_far: HashMap<ConcernId, StepId> = HashMap::new();
            for step in &transaction.steps {
                let Some(target) = &step.target else {
                    continue;
                };
                let place = &places[step.id.index()];
                let around = place.loops.first().map(|(element, _)| *element);
                let root = self.schema.root(target.concern);
                let mut behind = transaction.step_needs(step);
                behind.extend(&place.guards);
                let mut behind: Vec<StepId> = behind.iter().map(|id| last[id.index()]).collect();
                behind.push(last[step.id.index()]);
                behind.extend(so_far.get(&root));
                behind.extend(around.and_then(|around| in_loops.get(&(around, root))));
                let latest = behind
                    .into_iter()
                    .max_by_key(|id| self.lateness(transaction.step(*id)));
                let latest = latest.unwrap_or(step.id);
                so_far.insert(root, latest);
                if let Some(around) = around {
                    in_loops.insert((around, root), latest);
                }
                changed |= std::mem::replace(&mut last[step.id.index()], latest) != latest;
            }
            if !changed {
                return last;
            }
        }
    }

    /// The order of locks, and of steps with one rank the first.
    pub(super) fn lateness(&self, step: &Step) -> (impl Ord + use<>, Reverse<StepId>) {
        let rank = step.target.as_ref();
        let rank = rank.map(|target| self.schema.rank(target.concern));
        (rank, Reverse(step.id))
    }
}
