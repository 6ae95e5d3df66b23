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

#[test]
fn seeds_that_have_failed_once_are_kept() {
    // A hundred callers waited for the end of one transaction, by a key, and the checker did not know that bound.
    seeds().check_seed(7802);
    // A worker that was overtaken, and stopped, was taken for one that a handler had ended.
    seeds().check_seed(39_474);
    // Deadly envelopes one after the other, on one log: it came to rest, and later than the checker allowed.
    seeds().check_seed(56_232);
}
