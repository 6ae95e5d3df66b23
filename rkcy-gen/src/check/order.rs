//! Pass 5, the order of locks: a key that comes out of a result is known late, so its concern must
//! rank behind all that the result depends on.

use std::collections::{BTreeSet, HashMap};

use super::Checker;
use super::body::Body;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::transaction::needed_results;
use crate::model::{ConcernId, Step, StepId};

impl Checker {
    /// Locks are taken in the order of ranks, and within a concern in the order of keys. A key out
    /// of a result can be in that order only if everything that the result depends on is locked
    /// before the first instance of the key's concern is.
    pub(super) fn key_comes_in_order(&mut self, step: &Step, body: &mut Body<'_>) {
        let from = needed_results(&body.steps, &step.key);
        if from.is_empty() {
            return;
        }
        let steps = everything_behind(&from, &body.steps);
        let Some(late) = steps
            .iter()
            .filter_map(|id| body.steps.get(id.index()))
            .find(|earlier| earlier.concern >= step.concern)
        else {
            return;
        };
        let wanted = self.schema.concern(step.concern).name.clone();
        let other = self.schema.concern(late.concern).name.clone();
        let finding = Diagnostic::new(
            Code::KeyFromResult,
            step.key.span,
            format!("this key is known too late to lock `{wanted}` in order"),
        )
        .label(late.span, "it depends on this step");
        let finding = if step.concern == late.concern {
            finding.help(format!("several `{wanted}`s are locked in the order of their keys, so all keys must be known before; give this one as a parameter"))
        } else {
            finding.help(format!("locks are taken in the order of declaration: declare `{other}` before `{wanted}` (before the first release), or give the key as a parameter"))
        };
        self.report(finding);
    }
}

/// All steps that must have run before the results are there: those that their keys and payloads
/// need, and the earlier steps on the same concern, which may have changed the same instance.
fn everything_behind(results: &BTreeSet<StepId>, steps: &[Step]) -> BTreeSet<StepId> {
    let mut behind = BTreeSet::new();
    // The last step of each concern whose earlier steps are in already.
    let mut covered: HashMap<ConcernId, StepId> = HashMap::new();
    let mut pending: Vec<StepId> = results.iter().copied().collect();
    while let Some(id) = pending.pop() {
        if !behind.insert(id) {
            continue;
        }
        let Some(step) = steps.get(id.index()) else {
            continue;
        };
        pending.extend(needed_results(steps, &step.key));
        pending.extend(step.payload().flat_map(|expr| needed_results(steps, expr)));
        if covered.get(&step.concern).is_none_or(|last| *last < id) {
            covered.insert(step.concern, id);
            let before = steps
                .iter()
                .filter(|earlier| earlier.id < id && earlier.concern == step.concern);
            pending.extend(before.map(|earlier| earlier.id));
        }
    }
    behind
}
