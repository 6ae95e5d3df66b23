//! The handlers of this platform, on simulated clusters.
//!
//! `SEEDS=N cargo test --release -p engine --test simulate` runs N seeds; 100 unless told otherwise.

use rkcy_runtime::simulate::{self, Options, Report, Run};

#[test]
fn no_seed_breaks_a_promise() {
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut total = Report::default();
    for seed in 1..=seeds.unwrap_or(100) {
        let Run {
            violation, report, ..
        } = run(seed, false);
        if let Some(violation) = violation {
            let trace = run(seed, true).trace;
            let from = trace.len().saturating_sub(60);
            panic!("seed {seed}: {violation}\n{}", trace[from..].join("\n"));
        }
        assert_covered(seed, &report);
        total.add(&report);
    }
    // Where bounds are tight, a seed may commit little: not all of them together.
    let committed = total.counts.get("committed").copied().unwrap_or(0);
    assert!(committed > total.transactions / 2, "{total:#?}");
    println!("{total:#?}");
}

/// A seed that tests little is no seed.
fn assert_covered(seed: u64, report: &Report) {
    let count = |what: &str| report.counts.get(what).copied().unwrap_or(0);
    assert!(
        report.transactions >= 200,
        "seed {seed}: {} transactions",
        report.transactions
    );
    assert!(report.faults >= 5, "seed {seed}: {} faults", report.faults);
    assert!(count("cold reads") > 0, "seed {seed}: no cold read");
    assert!(count("take-overs") > 0, "seed {seed}: no take-over");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 2, 3] {
        let (one, other) = (run(seed, true), run(seed, true));
        assert_eq!(one.fingerprint, other.fingerprint);
        assert_eq!(one.trace, other.trace);
    }
}

fn run(seed: u64, trace: bool) -> Run {
    simulate::run(
        &engine::platform(),
        &engine::workload::Everything,
        &Options::default(),
        seed,
        trace,
    )
}
