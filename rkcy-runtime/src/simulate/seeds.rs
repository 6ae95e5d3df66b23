//! Many seeds, and a test over them: what `tests/simulate.rs` of a platform calls.

use super::{Options, Report, Run, Violation, Workload, run};
use crate::codegen::Platform;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs seeds on all cores, and stops at the lowest one that breaks something: what all of them came to, and
/// that one. `after` is told of each seed, from any thread and in any order.
pub fn run_all(
    platform: &Platform,
    workload: &dyn Workload,
    options: &Options,
    seeds: Range<u64>,
    after: impl Fn(u64, &Run) + Sync,
) -> (Report, Option<(u64, Violation)>) {
    let (next, lowest) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
    let total = Mutex::new((Report::default(), None));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || seed > lowest.load(Ordering::Relaxed) {
                return;
            }
            let run = run(platform, workload, options, seed, false);
            after(seed, &run);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.0.add(&run.report);
            if let Some(violation) = run.violation
                && lowest.fetch_min(seed, Ordering::Relaxed) > seed
            {
                total.1 = Some((seed, violation));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Seeds of a platform.
pub struct Seeds<'a> {
    /// The platform.
    pub platform: Platform,
    /// What callers do.
    pub workload: &'a dyn Workload,
    /// Percent of the transactions that must have been committed, of all seeds together: where bounds are
    /// tight, one may commit little.
    pub committed: u64,
}

impl std::fmt::Debug for Seeds<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seeds")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl Seeds<'_> {
    /// Runs as many seeds as the environment's `SEEDS` says, 100 unless told otherwise; gives what they came
    /// to.
    ///
    /// # Panics
    /// Where a promise is broken, with the end of the trace; where a seed tests too little.
    #[must_use]
    pub fn check(&self) -> Report {
        let seeds = std::env::var("SEEDS")
            .ok()
            .and_then(|text| text.parse().ok());
        let options = Options::default();
        let range = 1..seeds.unwrap_or(100) + 1;
        let (total, broken) = run_all(
            &self.platform,
            self.workload,
            &options,
            range,
            |seed, run| {
                if run.violation.is_none() {
                    assert_covered(seed, &run.report);
                }
            },
        );
        if let Some((seed, violation)) = broken {
            self.tell(seed, &violation);
        }
        let committed = total.counts.get("committed").copied().unwrap_or(0);
        let least = total.transactions * self.committed / 100;
        assert!(committed > least, "{total:#?}");
        total
    }

    /// Runs one seed: one that has failed before.
    ///
    /// # Panics
    /// Where a promise is broken, with the end of the trace.
    pub fn check_seed(&self, seed: u64) {
        if let Some(violation) = self.run(seed, false).violation {
            self.tell(seed, &violation);
        }
    }

    fn tell(&self, seed: u64, violation: &Violation) -> ! {
        let trace = self.run(seed, true).trace;
        let from = trace.len().saturating_sub(60);
        panic!("seed {seed}: {violation}\n{}", trace[from..].join("\n"));
    }

    /// Runs a few seeds twice.
    ///
    /// # Panics
    /// Where a seed is not the same run each time.
    pub fn check_repeatable(&self) {
        for seed in [1, 2, 3] {
            let (one, other) = (self.run(seed, true), self.run(seed, true));
            assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
            assert_eq!(one.trace, other.trace, "seed {seed}");
        }
    }

    fn run(&self, seed: u64, trace: bool) -> Run {
        let options = Options::default();
        run(&self.platform, self.workload, &options, seed, trace)
    }
}

/// A seed that tests little is no seed.
fn assert_covered(seed: u64, report: &Report) {
    let count = |what: &str| report.counts.get(what).copied().unwrap_or(0);
    let transactions = report.transactions;
    assert!(transactions >= 200, "seed {seed}: {transactions} only");
    assert!(report.faults >= 5, "seed {seed}: {} faults", report.faults);
    assert!(count("cold reads") > 0, "seed {seed}: no cold read");
    assert!(count("take-overs") > 0, "seed {seed}: no take-over");
}
