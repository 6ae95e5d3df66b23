//! The handlers of this platform, on simulated clusters.

use rkcy_runtime::simulate::{self, Options};

#[test]
fn no_seed_breaks_a_promise() {
    let platform = engine::platform();
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100);
    let mut total = simulate::Report::default();
    for seed in 1..=seeds {
        let run = simulate::run(
            &platform,
            &engine::workload::Everything,
            &Options::default(),
            seed,
            false,
        );
        total.add(&run.report);
        if let Some(violation) = run.violation {
            let run = simulate::run(
                &platform,
                &engine::workload::Everything,
                &Options::default(),
                seed,
                true,
            );
            let from = run.trace.len().saturating_sub(60);
            panic!("seed {seed}: {violation}\n{}", run.trace[from..].join("\n"));
        }
    }
    println!("{total:#?}");
}
