//! Serial equivalence, judged out of what callers heard alone: on transactions, and that the judge sees what
//! sagas allow.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use engine::generated::txn::Make;
use engine::workload::{Everything, lists};
use rkcy_runtime::codegen::{Fault, Txn};
use rkcy_runtime::simulate::history::{self, Class, Op};
use rkcy_runtime::simulate::{self, Options, Request, Workload, World};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The control: what `lists` does with transactions, done with sagas.
#[derive(Default)]
struct Loosely {
    seen: Mutex<Vec<Class>>,
}

impl Workload for Loosely {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        // As many as are used, and some that may not be made.
        match nth {
            0..6 => request.transaction(&Make { n: 0 }),
            _ => lists::next_loosely(nth, request),
        }
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        let history = lists::history(world)?;
        let anomalies = history::check(&history);
        let classes = anomalies.iter().map(|anomaly| anomaly.class);
        self.seen.lock().unwrap().extend(classes);
        Ok(())
    }
}

#[test]
fn the_anomalies_of_sagas_are_seen_within_few_seeds() {
    let control = Loosely::default();
    for seed in 1..=30 {
        let run = simulate::run(
            &engine::platform(),
            &control,
            &Options::default(),
            seed,
            false,
        );
        assert_eq!(run.violation, None, "seed {seed}");
    }
    let seen = control.seen.into_inner().unwrap();
    // A saga that is read half done, and one that was undone after it was read.
    for class in [Class::GSingle, Class::G1a] {
        assert!(seen.contains(&class), "{class:?} is not among {seen:?}");
    }
}

/// Counts what the judge has to go by.
#[derive(Default)]
struct Counted {
    reads: AtomicUsize,
    unheard: AtomicUsize,
}

impl Workload for Counted {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        Everything.next(nth, request)
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        for attempt in lists::history(world)? {
            for op in &attempt.ops {
                if let Op::Read { entries, .. } = op {
                    match entries {
                        Some(entries) if !entries.is_empty() => &self.reads,
                        Some(_) => continue,
                        None => &self.unheard,
                    }
                    .fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Everything.invariant(world)
    }
}

#[test]
fn transactions_read_enough_for_the_judge() {
    let counted = Counted::default();
    for seed in 1..=20 {
        let run = simulate::run(
            &engine::platform(),
            &counted,
            &Options::default(),
            seed,
            false,
        );
        assert_eq!(run.violation, None, "seed {seed}");
    }
    let reads = counted.reads.into_inner();
    let unheard = counted.unheard.into_inner();
    assert!(reads > 20 * 20, "{reads} reads of a log, {unheard} unheard");
}
