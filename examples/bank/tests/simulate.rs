//! The handlers of this platform, on simulated clusters.
//!
//! `SEEDS=N cargo test --release -p bank --test simulate` runs N seeds; 100 unless told otherwise.

use bank::workload::Counter;
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
        platform: bank::platform(),
        workload: &Counter,
        committed: 20,
    }
}
