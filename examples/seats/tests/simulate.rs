//! The handlers of this platform, on simulated clusters.
//!
//! `SEEDS=N cargo test --release -p seats --test simulate` runs N seeds; 100 unless told otherwise.

use rkcy_runtime::simulate::Seeds;
use seats::workload::BoxOffice;

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
        platform: seats::platform(),
        workload: &BoxOffice,
        committed: 20,
    }
}
