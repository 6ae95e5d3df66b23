//! Owns which parts of the language have a model and cannot be built yet. What is planned of a model that has
//! any of them is planned without.

use crate::diagnostic::{Diagnostic, not_supported, sort};
use crate::model::{Model, Statement, StepKind};

/// What cannot be built yet, at each place that uses it. Where there is something, nothing is built.
pub fn unbuilt(model: &Model) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut add = |span, what: &str| found.push(not_supported(span, what));
    for event in model.events() {
        add(event.span, "`event`");
    }
    for effect in model.effects() {
        add(effect.span, "`effect`");
    }
    for concern in model.concerns() {
        for list in &concern.lists {
            add(list.span, "`list`");
        }
        for timer in &concern.timers {
            add(timer.span, "timers");
        }
    }
    for transaction in model.transactions() {
        let effects = transaction.steps.iter();
        for step in effects.filter(|step| matches!(step.kind, StepKind::Effect(..))) {
            add(step.span, "the call of an `effect`");
        }
        transaction.each_statement(&mut |statement, _| {
            if let Statement::Emit(emit) = statement {
                add(emit.span, "`emit`");
            }
        });
    }
    sort(&mut found);
    found
}
