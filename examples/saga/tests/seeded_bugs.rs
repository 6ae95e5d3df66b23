//! The simulator sees what is broken in sagas, with the workload that is made of the schema.
//!
//! `cargo test --release -p saga --features seeded-bugs --test seeded_bugs`
#![cfg(feature = "seeded-bugs")]

use rkcy_runtime::codegen::bugs::Bug;
use rkcy_runtime::simulate::{self, Generic, Options};

/// Seeds within which each must be found.
const SEEDS: u64 = 500;

const BUGS: &[Bug] = &[
    Bug::HeldRowDeleted,
    Bug::NoHolds,
    Bug::CancelWhereItPassed,
    Bug::ResumeWithoutAttempt,
    Bug::UndoInWrittenOrder,
    Bug::BoundRefusesUndo,
];

#[test]
fn every_seeded_bug_of_sagas_is_found() {
    let platform = saga::platform();
    let workload = Generic::new(platform.desc);
    let mut missed = Vec::new();
    for bug in BUGS {
        let broken = Options {
            bug: Some(*bug),
            ..Options::default()
        };
        let violation = |options: &Options, seed| {
            simulate::run(&platform, &workload, options, seed, false).violation
        };
        match (1..=SEEDS).find_map(|seed| Some((seed, violation(&broken, seed)?))) {
            Some((seed, found)) => {
                println!("{bug:?}: seed {seed}: {found}");
                let clean = violation(&Options::default(), seed);
                assert_eq!(clean, None, "seed {seed} without a bug");
            }
            None => missed.push(bug),
        }
    }
    assert!(
        missed.is_empty(),
        "not found within {SEEDS} seeds: {missed:?}"
    );
}
