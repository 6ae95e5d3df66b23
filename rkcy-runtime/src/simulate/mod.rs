//! The simulator: whole clusters on one thread, from a seed.
//!
//! Runs a platform's own handlers on workers that crash, stall, repeat and reorder, and checks after
//! each run: one outcome per transaction; every application of one envelope did the same; the log
//! replayed in one go gives the same state and the same database; the committed state is that of a
//! serial execution in the order of commit; nothing of a refused transaction is visible; no lock, queue
//! or trail is left; every caller is answered; and the platform's own invariants hold.
//!
//! ```text
//! seed ─► Cluster ─ steps: callers, Members (the engine's Worker), logs, database, faults
//!             │            └► Observer: checks on the way
//!             └► settle ─► verify: checks at the end
//! ```

mod cluster;
mod configs;
mod deadly;
mod draw;
mod faults;
mod generic;
pub mod history;
mod inject;
mod keys;
mod logs;
mod member;
mod observe;
mod operate;
mod overheard;
mod parts;
mod related;
mod rules;
mod schedule;
mod seeds;
mod serial;
mod settle;
mod shrink;
mod values;
mod verify;
mod words;
mod workload;

pub use faults::Fault;
pub(crate) use generic::Checked;
pub use generic::{Generic, Invariant};
pub use observe::Violation;
pub use seeds::{Seeds, run_all};
pub use shrink::shrink;
pub use workload::{Call, Request, Workload, World, payload};

use crate::codegen::Platform;
use cluster::{Cluster, Plan};
use rkcy_core::fault::panic_text;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// Transactions of a run.
    pub transactions: usize,
    /// Partitions of every root concern.
    pub partitions: u16,
    /// Faults that may happen, and how likely each is once it is drawn; each run draws a subset.
    pub faults: BTreeMap<Fault, f64>,
    /// The rule of the engine that is broken.
    #[cfg(feature = "seeded-bugs")]
    pub bug: Option<rkcy_core::bugs::Bug>,
}

/// Switches a bug on for as long as it lives.
#[cfg(feature = "seeded-bugs")]
struct BugGuard;

#[cfg(feature = "seeded-bugs")]
impl BugGuard {
    fn set(bug: Option<rkcy_core::bugs::Bug>) -> BugGuard {
        rkcy_core::bugs::set(bug);
        BugGuard
    }
}

#[cfg(feature = "seeded-bugs")]
impl Drop for BugGuard {
    fn drop(&mut self) {
        rkcy_core::bugs::set(None);
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            transactions: 200,
            partitions: 3,
            faults: Fault::all(),
            #[cfg(feature = "seeded-bugs")]
            bug: None,
        }
    }
}

/// What a run, or many, came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Runs made.
    pub runs: u64,
    /// Transactions submitted.
    pub transactions: u64,
    /// Faults injected.
    pub faults: u64,
    /// Checks made.
    pub checks: u64,
    /// Percent of the rounds allowed for coming to rest that a run needed at most.
    pub rounds: u64,
    /// What happened how often.
    pub counts: BTreeMap<Cow<'static, str>, u64>,
}

impl Report {
    /// Adds another report to this one.
    pub fn add(&mut self, other: &Report) {
        self.runs += other.runs;
        self.transactions += other.transactions;
        self.faults += other.faults;
        self.checks += other.checks;
        self.rounds = self.rounds.max(other.rounds);
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was broken, where something was.
    pub violation: Option<Violation>,
    /// What the run came to.
    pub report: Report,
    /// A number that is the same whenever this seed is run.
    pub fingerprint: u64,
    /// The trace, where one was asked for.
    pub trace: Vec<String>,
}

/// Runs one seed. A panic of the engine is a broken promise like another.
pub fn run(
    platform: &Platform,
    workload: &dyn Workload,
    options: &Options,
    seed: u64,
    trace: bool,
) -> Run {
    #[cfg(feature = "seeded-bugs")]
    let _bug = BugGuard::set(options.bug);
    let plan = Plan {
        seed,
        transactions: options.transactions,
        partitions: options.partitions,
        faults: options.faults.clone(),
        trace,
    };
    let logic = workload::logic_of(platform, options.partitions);
    let mut cluster = Cluster::new(&plan, platform.desc, logic, workload);
    // After a panic only what was observed is looked at: counters and the trace.
    let ended = catch_unwind(AssertUnwindSafe(|| cluster.run()));
    let violation = match ended {
        Ok(ended) => ended.err(),
        Err(panic) => {
            let text = panic_text(&*panic).unwrap_or_default();
            Some(Violation(format!("panic: {text}")))
        }
    };
    let observer = &mut cluster.observer;
    Run {
        violation,
        fingerprint: observer.fingerprint(),
        trace: observer.take_trace(),
        report: Report {
            runs: 1,
            transactions: observer.transactions(),
            faults: observer.faults(),
            checks: observer.checks,
            rounds: observer.rounds,
            counts: observer.counts.clone(),
        },
    }
}
