//! The simulator sees: every rule of the engine that is broken on purpose is found.
//!
//! `cargo test --release -p engine --features seeded-bugs --test seeded_bugs`
#![cfg(feature = "seeded-bugs")]

use rkcy_runtime::codegen::Platform;
use rkcy_runtime::codegen::bugs::Bug;
use rkcy_runtime::simulate::{self, Generic, Options, Violation, Workload};

/// Seeds within which a bug must be found, on one of the platforms.
const SEEDS: u64 = 500;

/// Of those that have a directed scenario, since most are not met in any number of seeds that a test can run.
const SEEDS_OF_DIRECTED: u64 = 25;

/// These are met too seldom at random, or break an order that no caller can see in a result, or are about
/// sagas, of which these platforms have none or few; `cluster.rs`,
/// `directed.rs`, `careful.rs`, `careful_shared.rs`, `claims.rs`, `keyed.rs` and `drain.rs` in `rkcy-core/tests` have a scenario for each.
const DIRECTED: &[Bug] = &[
    Bug::AcceptGaps,
    Bug::ExpectationIgnored,
    Bug::EvictionByOffset,
    Bug::SnapshotNotRecorded,
    Bug::QueueOrderBroken,
    Bug::PartlyAppliedTrimmed,
    Bug::HeldRowDeleted,
    Bug::NoHolds,
    Bug::CancelWhereItPassed,
    Bug::ResumeWithoutAttempt,
    Bug::UndoneTwice,
    Bug::UndoInWrittenOrder,
    Bug::BoundRefusesUndo,
    Bug::ParkSkipsRelease,
    // `careful.rs`: careful workers die mostly when the faults have stopped, and all that is said arrives at once.
    Bug::TryingNotDurable,
    // `careful_shared.rs`: a record must come late, or another open, at just the wrong moment.
    Bug::ParkAfterOneTry,
    Bug::WithdrawnByOwnersOnly,
    Bug::ParkWithoutCut,
    Bug::ParkOfOthersCounts,
    Bug::CarefulEffectsBeforeChange,
    Bug::CutIgnoredByStorage,
    Bug::CutIgnoredByTakeOver,
    // Random schedules of few rows, in `claims.rs`, find all of these.
    Bug::ReleaseWithoutToken,
    Bug::CountBeforeCommit,
    Bug::AnswerBeforeGiveBack,
    Bug::HoldBesideDelete,
    Bug::CountInPending,
    Bug::GiveBackIgnoresLock,
    Bug::HoldLostAtTakeOver,
    Bug::DeleteWaitsForSaga,
    // `keyed.rs`: a repeat must come in the second half of the life of its key.
    Bug::KeyForgottenEarly,
    Bug::RelatedViewGoesBack,
    // `drain.rs`
    Bug::DrainTakesSubmissions,
    Bug::DrainNotInSnapshot,
    Bug::ForeignSchemaTaken,
];

#[test]
fn every_seeded_bug_is_found() {
    let sagas = Generic::new(saga::platform().desc);
    let claims = Generic::new(refs::platform().desc);
    let platforms: [(&str, Platform, &dyn Workload); 4] = [
        ("engine", engine::platform(), &engine::workload::Everything),
        ("rpg", rpg::platform(), &rpg::economy::Economy),
        ("saga", saga::platform(), &sagas),
        ("refs", refs::platform(), &claims),
    ];
    let mut missed = Vec::new();
    for (name, bug) in Bug::ALL {
        let found = platforms.iter().find_map(|(on, platform, workload)| {
            let seeds = match DIRECTED.contains(bug) {
                true => SEEDS_OF_DIRECTED,
                false => SEEDS,
            };
            let (seed, violation) = first_violation(platform, *workload, *bug, seeds)?;
            Some((on, seed, violation))
        });
        match found {
            Some((on, seed, violation)) => println!("{name}: {on}, seed {seed}: {violation}"),
            None if DIRECTED.contains(bug) => println!("{name}: by a directed scenario"),
            None => missed.push(*name),
        }
    }
    assert!(
        missed.is_empty(),
        "not found within {SEEDS} seeds: {missed:?}"
    );
}

/// The first seed that fails with the bug, and does not fail without it.
fn first_violation(
    platform: &Platform,
    workload: &dyn Workload,
    bug: Bug,
    seeds: u64,
) -> Option<(u64, Violation)> {
    let broken = Options {
        bug: Some(bug),
        ..Options::default()
    };
    let (_, found) = simulate::run_all(platform, workload, &broken, 1..seeds + 1, |_, _| ());
    if let Some((seed, _)) = &found {
        assert_eq!(
            simulate::run(platform, workload, &Options::default(), *seed, false).violation,
            None,
            "seed {seed} without a bug"
        );
    }
    found
}
