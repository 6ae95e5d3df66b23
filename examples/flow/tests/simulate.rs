//! The handlers of this platform, on simulated clusters.
//!
//! `SEEDS=N cargo test --release -p flow --test simulate` runs N seeds; 100 unless told otherwise.

use rkcy_runtime::simulate::{Generic, Seeds};

#[test]
fn no_seed_breaks_a_promise() {
    println!("{:#?}", seeds(&Generic::new(flow::platform().desc)).check());
}

#[test]
fn seeds_that_have_failed_once_are_kept() {
    let generic = Generic::new(flow::platform().desc);
    // A process that stopped in good order was taken for one that was killed, and what it had applied was given up.
    seeds(&generic).check_seed(49_010);
    // A careful worker was gone before it knew that its change record counts: callers ask again for what it had to tell.
    seeds(&generic).check_seed(50_799);
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
