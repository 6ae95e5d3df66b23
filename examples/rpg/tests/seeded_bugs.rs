//! The simulator sees: a rule of the engine that is broken on purpose is found.
#![cfg(feature = "seeded-bugs")]

use rkcy_runtime::codegen::bugs::Bug;
use rkcy_runtime::simulate::{self, Options};

/// Seeds within which a bug must be found.
const SEEDS: u64 = 500;

#[test]
fn every_seeded_bug_is_found() {
    let platform = rpg::platform();
    let mut missed = Vec::new();
    for (name, bug) in Bug::ALL {
        let options = Options {
            bug: Some(*bug),
            ..Options::default()
        };
        let found = (1..=SEEDS).find_map(|seed| {
            let run = simulate::run(&platform, &rpg::economy::Economy, &options, seed, false);
            run.violation.map(|violation| (seed, violation))
        });
        match found {
            Some((seed, violation)) => println!("{name}: seed {seed}: {violation}"),
            None => missed.push(*name),
        }
    }
    assert!(
        missed.is_empty(),
        "not found within {SEEDS} seeds: {missed:?}"
    );
}
