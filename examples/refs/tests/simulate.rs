//! References, unique values and deletes on simulated clusters, under every fault.
//!
//! `SEEDS=N cargo test --release -p refs --test simulate` runs N seeds; 100 unless told otherwise.

use rkcy_runtime::simulate::{Generic, Seeds};

#[test]
fn no_seed_breaks_a_promise() {
    println!("{:#?}", seeds(&Generic::new(refs::platform().desc)).check());
}

#[test]
fn the_same_seed_is_the_same_run() {
    seeds(&Generic::new(refs::platform().desc)).check_repeatable();
}

fn seeds(workload: &Generic) -> Seeds<'_> {
    Seeds {
        platform: refs::platform(),
        workload,
        committed: 20,
    }
}
