//! Pass 5, bounds: a transaction can be known and costed before it runs, so how much it can do at
//! most is known too.

use std::collections::HashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Concern, ConcernId, Expr, ExprKind, Mode, Place, Statement, Step, Transaction};
use crate::syntax::Span;

/// More visits than this hold locks for too long, and make the transaction too large to travel.
const MAX_VISITS: u64 = 1_000;

/// All events of a transaction leave with its commit.
const MAX_EVENTS: u64 = 1_000;

/// Numbers of steps are 16 bits wide in the log.
const MAX_STEPS: u64 = u16::MAX as u64;

impl Checker {
    /// The worst case of visits, of steps and of events.
    pub(super) fn stays_in_bounds(&mut self, transaction: &Transaction) {
        let places = transaction.places();
        let (visits, steps) = (
            most_visits(&self.schema.concerns, transaction, &places),
            transaction.width(&transaction.body, &self.schema.concerns),
        );
        let of_steps = || {
            let steps = transaction.steps.iter();
            steps.map(|step| (step.span, places[step.id.index()].turns()))
        };
        let emitted = emitted(transaction);
        let turns = emitted.iter().map(|(_, turns)| *turns);
        let events = turns.fold(0, u64::saturating_add);
        let (does, what, count, most, parts): (_, _, _, _, Vec<(Span, u64)>) =
            if visits > MAX_VISITS {
                ("make", "visits", visits, MAX_VISITS, of_steps().collect())
            } else if steps > MAX_STEPS {
                ("make", "steps", steps, MAX_STEPS, of_steps().collect())
            } else if events > MAX_EVENTS {
                ("emit", "events", events, MAX_EVENTS, emitted)
            } else {
                return;
            };
        let word = transaction.mode.word();
        let name = &transaction.name;
        let finding = Diagnostic::new(
            Code::TooManyVisits,
            transaction.span,
            format!("the {word} `{name}` can {does} {count} {what}, and {most} are the most"),
        )
        .help("bound its lists more tightly, or do the work in several transactions");
        let costly = parts.into_iter().max_by_key(|(_, turns)| *turns);
        self.report(match costly {
            Some((span, turns)) => finding.label(span, format!("up to {turns} times")),
            None => finding,
        });
    }
}

/// Where events are emitted, and how many there are at most.
fn emitted(transaction: &Transaction) -> Vec<(Span, u64)> {
    let mut found = Vec::new();
    transaction.each_statement(&mut |statement, place| {
        if let Statement::Emit(emit) = statement {
            found.push((emit.span, place.turns()));
        }
    });
    found
}

/// How many visits there are at most. All steps on one group that need no results are one visit, and it may
/// be only for the lock; each of the others may need one of its own.
fn most_visits(concerns: &[Concern], transaction: &Transaction, places: &[Place]) -> u64 {
    let place = |step: &Step| &places[step.id.index()];
    if transaction.mode == Mode::Saga {
        let turns = transaction.steps.iter().map(|step| place(step).turns());
        return turns.fold(0, u64::saturating_add);
    }
    // Groups by what their keys are called: how many there are of each, at most.
    let mut groups: HashMap<(ConcernId, String), u64> = HashMap::new();
    let mut visits: u64 = 0;
    for step in &transaction.steps {
        let Some(target) = &step.target else {
            continue;
        };
        let (group, key) = transaction.group(concerns, target);
        let waits = !place(step).guards.is_empty() || !transaction.step_needs(step).is_empty();
        if waits {
            visits = visits.saturating_add(place(step).turns());
        }
        // A group whose key is told late is not locked before.
        if !transaction.known_at_submission(key) {
            continue;
        }
        let count = transaction.instances(key, place(step), places);
        // What has no name is told apart by its step.
        let name = name_of(key).unwrap_or_else(|| format!("{:?}", step.id));
        let most = groups.entry((group, name)).or_default();
        *most = count.max(*most);
    }
    groups.into_values().fold(visits, u64::saturating_add)
}

/// A name for the value of a key: two with one name are certainly the same.
fn name_of(key: &Expr) -> Option<String> {
    match &key.kind {
        ExprKind::Path(path) => Some(format!("{path:?}")),
        ExprKind::AutoUuid(step, field) => Some(format!("auto {step:?} {field}")),
        ExprKind::DerivedUuid(step) => Some(format!("derived {step:?}")),
        ExprKind::Literal(literal) => Some(format!("{literal:?}")),
        ExprKind::Key(concern, parts) => {
            let parts: Option<Vec<String>> = parts.iter().map(name_of).collect();
            Some(format!("{concern:?} {:?}", parts?))
        }
        _ => None,
    }
}
