//! Pass 5, the order of locks: a key that comes out of a result is known late, so its concern must
//! rank behind all that tells the key, and whether the step is made at all.

use std::collections::BTreeSet;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Mode, Place, StepId, Transaction};

impl Checker {
    /// Locks are taken in the order of ranks, and within a concern in the order of keys. A key out
    /// of a result can be in that order only if everything that the result depends on is locked
    /// before the first instance of the key's concern is. A saga keeps no locks.
    pub(super) fn keys_come_in_order(&mut self, transaction: &Transaction) {
        if transaction.mode == Mode::Saga {
            return;
        }
        let places = transaction.places();
        for step in &transaction.steps {
            // Inside of a group that is known, keys are free.
            let (_, key) = transaction.group(&self.schema.concerns, step);
            let mut from = transaction.needs(key);
            if from.is_empty() {
                continue;
            }
            from.extend(&places[step.id.index()].guards);
            let behind = everything_behind(from, transaction, &places);
            let mut late = behind.iter().map(|id| transaction.step(*id));
            let Some(late) = late.find(|earlier| {
                self.schema.rank(earlier.concern) >= self.schema.rank(step.concern)
            }) else {
                continue;
            };
            let (wanted, other) = (
                self.schema.root(step.concern),
                self.schema.root(late.concern),
            );
            let same = wanted == other;
            let wanted = self.schema.concern(wanted).name.clone();
            let other = self.schema.concern(other).name.clone();
            let finding = Diagnostic::new(
                Code::KeyFromResult,
                step.key.span,
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
}

/// All steps that must have run before the results are there: those that their keys, payloads and
/// conditions need, and the earlier steps on the same concern, which may have changed the same
/// instance.
fn everything_behind(
    results: BTreeSet<StepId>,
    transaction: &Transaction,
    places: &[Place],
) -> BTreeSet<StepId> {
    let ends = ends_of_loops(places);
    let mut behind = BTreeSet::new();
    let mut pending: Vec<StepId> = results.into_iter().collect();
    while let Some(id) = pending.pop() {
        if !behind.insert(id) {
            continue;
        }
        let step = transaction.step(id);
        pending.extend(transaction.step_needs(step));
        pending.extend(&places[id.index()].guards);
        let earlier = transaction.steps.iter().take(ends[id.index()]);
        let earlier = earlier.filter(|earlier| earlier.concern == step.concern);
        pending.extend(
            earlier
                .map(|earlier| earlier.id)
                .filter(|it| !behind.contains(it)),
        );
    }
    behind
}

/// For each step, how many steps come before it in some turn: all of the loop that it stands in have
/// been made in the turn before.
fn ends_of_loops(places: &[Place]) -> Vec<usize> {
    let outermost = |place: &Place| place.loops.first().map(|(element, _)| *element);
    let ends = places.iter().enumerate().map(|(index, place)| {
        let after = places.get(index..).unwrap_or_default();
        match outermost(place) {
            None => index,
            Some(own) => {
                let same = after
                    .iter()
                    .take_while(|other| outermost(other) == Some(own));
                index + same.count()
            }
        }
    });
    ends.collect()
}
