//! The handlers of this platform, on simulated clusters.
//!
//! `SEEDS=N cargo test --release -p rpg --test simulate` runs N seeds; 100 unless told otherwise.

use rkcy_runtime::simulate::Seeds;

#[test]
fn no_seed_breaks_a_promise() {
    println!("{:#?}", seeds().check());
}

#[test]
fn the_same_seed_is_the_same_run() {
    seeds().check_repeatable();
}

fn seeds() -> Seeds<'static> {
    Seeds {
        platform: rpg::platform(),
        workload: &rpg::economy::Economy,
        committed: 40,
    }
}

/// A hundred callers waited for the end of one transaction, by a key, and the checker did not know that bound.
#[test]
fn seeds_that_have_failed_once_are_kept() {
    seeds().check_seed(7802);
}
