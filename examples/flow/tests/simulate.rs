//! The handlers of this platform, on simulated clusters.
//!
//! `SEEDS=N cargo test --release -p flow --test simulate` runs N seeds; 100 unless told otherwise.

use rkcy_runtime::simulate::{Generic, Seeds};

#[test]
fn no_seed_breaks_a_promise() {
    println!("{:#?}", seeds(&Generic::new(flow::platform().desc)).check());
}

/// A process that stopped in good order was taken for one that was killed, and an envelope that it had applied was given up.
#[test]
fn a_seed_that_has_failed_once_is_kept() {
    seeds(&Generic::new(flow::platform().desc)).check_seed(49_010);
}

#[test]
fn the_same_seed_is_the_same_run() {
    seeds(&Generic::new(flow::platform().desc)).check_repeatable();
}

fn seeds(workload: &Generic) -> Seeds<'_> {
    Seeds {
        platform: flow::platform(),
        workload,
        committed: 20,
    }
}
