//! Pass 5, bounds: a transaction can be known and costed before it runs, so how much it can do at
//! most is known too.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Concern, ConcernId, Expr, ExprKind, Literal, Mode, Number, Place, Step, Transaction,
};

/// More visits than this hold locks for too long, and make the transaction too large to travel.
const MAX_VISITS: u64 = 1_000;

/// Numbers of steps are 16 bits wide in the log.
const MAX_STEPS: u64 = u16::MAX as u64;

impl Checker {
    /// The worst case of visits and of steps.
    pub(super) fn stays_in_bounds(&mut self, transaction: &Transaction) {
        let places = transaction.places();
        let (visits, steps) = (
            most_visits(&self.schema.concerns, transaction, &places),
            transaction.width(&transaction.body),
        );
        let (what, count, most) = if visits > MAX_VISITS {
            ("visits", visits, MAX_VISITS)
        } else if steps > MAX_STEPS {
            ("steps", steps, MAX_STEPS)
        } else {
            return;
        };
        let costly = transaction
            .steps
            .iter()
            .max_by_key(|step| places[step.id.index()].turns());
        let word = transaction.mode.word();
        let name = &transaction.name;
        let finding = Diagnostic::new(
            Code::TooManyVisits,
            transaction.span,
            format!("the {word} `{name}` can make {count} {what}, and {most} are the most"),
        )
        .help("bound its lists more tightly, or do the work in several transactions");
        self.report(match costly {
            Some(step) => {
                let turns = places[step.id.index()].turns();
                finding.label(step.span, format!("up to {turns} times"))
            }
            None => finding,
        });
    }
}

/// How many visits there are at most. All steps on one group that need no results are one visit; each of the
/// others may need one of its own.
fn most_visits(concerns: &[Concern], transaction: &Transaction, places: &[Place]) -> u64 {
    let place = |step: &Step| &places[step.id.index()];
    if transaction.mode == Mode::Saga {
        let turns = transaction.steps.iter().map(|step| place(step).turns());
        return turns.fold(0, u64::saturating_add);
    }
    // Groups by what their keys are called: how many there are of each, at most.
    let mut groups: Vec<(ConcernId, &Expr, u64)> = Vec::new();
    let mut visits: u64 = 0;
    for step in &transaction.steps {
        let (group, key) = transaction.group(concerns, step);
        let count = transaction.instances(key, place(step), places);
        let known = groups
            .iter_mut()
            .find(|(concern, other, _)| *concern == group && same_value(other, key));
        match known {
            Some((.., most)) => *most = count.max(*most),
            None => groups.push((group, key, count)),
        }
        let waits = !place(step).guards.is_empty() || !transaction.step_needs(step).is_empty();
        if waits {
            visits = visits.saturating_add(place(step).turns());
        }
    }
    let first = groups.iter().map(|(.., count)| *count);
    first.fold(visits, u64::saturating_add)
}

/// Whether two keys are certainly the same.
fn same_value(left: &Expr, right: &Expr) -> bool {
    match (&left.kind, &right.kind) {
        (ExprKind::Path(left), ExprKind::Path(right)) => left == right,
        (ExprKind::DerivedUuid(left), ExprKind::DerivedUuid(right)) => left == right,
        (ExprKind::Key(one, left), ExprKind::Key(other, right)) => {
            one == other
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same_value(left, right))
        }
        (
            ExprKind::Literal(Literal::Number(Number::Int(left))),
            ExprKind::Literal(Literal::Number(Number::Int(right))),
        ) => left == right,
        (ExprKind::Literal(left), ExprKind::Literal(right)) => left == right,
        _ => false,
    }
}
