//! Bugs on purpose.
//!
//! Owns the switches by which a build with the feature `seeded-bugs` breaks one rule of the engine, so
//! that one can see that the simulator sees. Without the feature [`on`] is the constant `false` and
//! nothing of this is compiled in.

/// A rule of the engine, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bug {
    /// A receiver takes what comes, whatever was missed before it (rule 1).
    AcceptGaps = 1,
    /// A change record is folded wherever it begins (rule 2).
    LastChangeIsCheckpoint,
    /// Recovery starts at any snapshot of the changelog, not at the one storage has recorded (rule 3).
    SnapshotNotRecorded,
    /// A change record does not carry what is not acknowledged (rule 2).
    NoOutbox,
    /// Records are applied before they are durable (rule 6).
    AppliedBeforeDurable,
    /// Rows newer than the worker's position are used (rule 4).
    NoUpperFence,
    /// Rows older than what was evicted are used (rule 4).
    NoLowerFence,
    /// Rows and their position are read in two statements (rule 4).
    TornColdRead,
    /// Groups are first touched in written order.
    FirstTouchOutOfOrder,
    /// A second visit starts from the committed value, not from the pending one.
    ReentryFromCommitted,
    /// One of the partitions that hold a lock gets no Release.
    ReleaseMissing,
    /// An id is forgotten as soon as its transaction has ended (rule 8).
    IdForgottenEarly,
    /// Memory for ids forgets the oldest without a low-water mark (rule 8).
    IdForgottenSilently,
    /// A frame of which a part was applied is dropped whole (names).
    FramePartlyDropped,
    /// What was evicted is judged by the record alone, not by the envelope in it (rule 4).
    EvictionByOffset,
    /// A send counts as acknowledged before it is durable (rule 6).
    AcknowledgedBeforeDurable,
    /// A transaction that cannot be read on its way is skipped (rule 7).
    UnreadableSkipped,
    /// A group that is only read is not locked between visits.
    SharedLockNotKept,
    /// A read does not wait for the lock.
    ReadWithoutLock,
    /// A queue is served from its end.
    QueueOrderBroken,
    /// A delta does not name the entries that went (rule 2).
    DeltaForgetsAbsence,
    /// Storage keeps its position outside the transaction of the rows (rule 3).
    PositionOutsideRows,
    /// Storage writes what the log may still lose (rule 3).
    StoredBeforeDurable,
    /// Pending values become the committed ones on an abort as well.
    AbortKeepsPending,
    /// The handler's context gives the worker's own clock.
    WallClock,
    /// On an atomic log callers are answered before the append is durable (idea 3).
    AnsweredBeforeDurable,
    /// A crash leaves a part of an append to an atomic log (rule 6).
    TornAppend,
    /// The changelog is trimmed below what storage has read, not below its snapshot (rule 3).
    TrimmedAtPosition,
    /// The command log is trimmed below a record that was applied in part (rule 3).
    PartlyAppliedTrimmed,
    /// The logs are trimmed by the newest copy of a database, not by all that may be started from (rule 3).
    TrimmedBelowCopies,
    /// An Open of another build counts without the Seal of the build before (rule 5).
    UnsealedBuild,
    /// A worker applies records past its own Seal (rule 5).
    AppliedPastSeal,
    /// A worker applies what stands before its Open, whichever build that is for (rule 5).
    ForeignRecordsApplied,
    /// A record is taken however far its stamp is ahead (rule 6).
    ClockAheadTaken,
    /// An id counts as too old after half of the window (rule 8).
    TooOldTooEarly,
    /// A queue is full at half of its bound.
    QueueBoundHalved,
    /// A queue has no bound.
    QueueUnbounded,
    /// Memory for ids has no bound (rule 8).
    IdsUnbounded,
    /// Rows in memory have no bound (rule 13).
    CacheUnbounded,
    /// A transaction that may wait for ever is refused when it has waited.
    DeadlineWithoutBudget,
    /// Rows that the application to come has asked for may be evicted before it runs (rule 4).
    PinnedEvicted,
    /// A row is deleted although a saga holds it.
    HeldRowDeleted,
    /// A transaction is cancelled by a partition that it has passed, not where it is.
    CancelWhereItPassed,
    /// A saga is resumed without the number of the parked attempt.
    ResumeWithoutAttempt,
    /// The steps of a saga are undone in the order in which they were made.
    UndoInWrittenOrder,
    /// A saga's holds are not kept until it is through.
    NoHolds,
    /// A refusal to wait by a bound is given to what undoes as well.
    BoundRefusesUndo,
    /// A Release that is parked is skipped, not applied without handlers (rule 7).
    ParkSkipsRelease,
    /// A careful worker applies an envelope before it is durable that it tries it (rule 7).
    TryingNotDurable,
    /// Who has been overtaken cannot say that it has not ended at what it tried (rule 7).
    WithdrawnByOwnersOnly,
    /// An envelope is given up when one process has ended at it (rule 7).
    ParkAfterOneTry,
    /// An envelope is given up without a Cut: its change record may still come (rule 7).
    ParkWithoutCut,
    /// A Park counts though another worker has opened before it (rule 7).
    ParkOfOthersCounts,
    /// What a careful worker does leaves before its change record counts (rule 7).
    CarefulEffectsBeforeChange,
    /// Storage takes what earlier epochs write after a Cut (rule 5).
    CutIgnoredByStorage,
    /// A take-over takes what earlier epochs write after a Cut (rule 5).
    CutIgnoredByTakeOver,
    /// A give-back frees a unique value however many claims its owner has (rule 10).
    ReleaseWithoutToken,
    /// A reference is given back at the visit, before the commit (rule 10).
    CountBeforeCommit,
    /// The caller is answered before all is taken back that the commit gives back (rule 10).
    AnswerBeforeGiveBack,
    /// A reference is held beside a lock of who deletes.
    HoldBesideDelete,
    /// How many refer is one of the pending values (rule 10).
    CountInPending,
    /// A unique value is given back beside the lock of who reserves it (rule 10).
    GiveBackIgnoresLock,
    /// A change record does not name the references that are asked for (rule 2).
    HoldLostAtTakeOver,
    /// A delete waits for the saga that holds its row.
    DeleteWaitsForSaga,
    /// A change record names an earlier position than that of the values in it (rule 2).
    ChangeOfLaterMemory,
    /// What stood still when a saga was parked is undone twice when it is resumed.
    UndoneTwice,
    // ---- configuration
    /// News of an object replaces what is known, whichever is newer (rule 11).
    OlderConfigReplacesNewer,
    /// A snapshot does not name the configuration (rule 2).
    ConfigNotInSnapshot,
    // ---- drains
    /// A partition that is draining takes something new (rule 5).
    DrainTakesSubmissions,
    /// A build goes on with what one of another schema has left in flight.
    ForeignSchemaTaken,
    /// A snapshot does not name a drain (rule 2).
    DrainNotInSnapshot,
    // ---- idempotency keys
    /// A key has had its time after half of its life (rule 8).
    KeyForgottenEarly,
    /// A repeat that comes while the first still runs is run as well (rule 8).
    KeyRunsTwice,
    /// Another body with a key is answered with what came of the first (rule 8).
    KeyForAnyBody,
    /// What a key remembers may be that the platform did not take it (rule 8).
    KeyKeepsBound,
    /// An operation is made whatever its caller expects of the instance.
    ExpectationIgnored,
    // ---- related views
    /// A push for a view that is not in memory begins an empty one (rule 4).
    ViewLostAfterEviction,
    /// A push is taken whatever its number and its version, also again after newer ones (rules 1 and 11).
    RelatedViewGoesBack,
    /// Views hear of what is pending, not of what is committed (rule 11).
    RelatedBeforeCommit,
    /// A member that refers to another target, or is deleted, stays in the view of the old one.
    MemberNotUnrelated,
}

impl Bug {
    /// Every switch, with its name on the command line.
    pub const ALL: &[(&str, Bug)] = &[
        ("accept-gaps", Bug::AcceptGaps),
        ("last-change-is-checkpoint", Bug::LastChangeIsCheckpoint),
        ("snapshot-not-recorded", Bug::SnapshotNotRecorded),
        ("no-outbox", Bug::NoOutbox),
        ("applied-before-durable", Bug::AppliedBeforeDurable),
        ("no-upper-fence", Bug::NoUpperFence),
        ("no-lower-fence", Bug::NoLowerFence),
        ("torn-cold-read", Bug::TornColdRead),
        ("first-touch-out-of-order", Bug::FirstTouchOutOfOrder),
        ("reentry-from-committed", Bug::ReentryFromCommitted),
        ("release-missing", Bug::ReleaseMissing),
        ("id-forgotten-early", Bug::IdForgottenEarly),
        ("id-forgotten-silently", Bug::IdForgottenSilently),
        ("frame-partly-dropped", Bug::FramePartlyDropped),
        ("eviction-by-offset", Bug::EvictionByOffset),
        (
            "acknowledged-before-durable",
            Bug::AcknowledgedBeforeDurable,
        ),
        ("unreadable-skipped", Bug::UnreadableSkipped),
        ("shared-lock-not-kept", Bug::SharedLockNotKept),
        ("read-without-lock", Bug::ReadWithoutLock),
        ("queue-order-broken", Bug::QueueOrderBroken),
        ("delta-forgets-absence", Bug::DeltaForgetsAbsence),
        ("position-outside-rows", Bug::PositionOutsideRows),
        ("stored-before-durable", Bug::StoredBeforeDurable),
        ("abort-keeps-pending", Bug::AbortKeepsPending),
        ("wall-clock", Bug::WallClock),
        ("answered-before-durable", Bug::AnsweredBeforeDurable),
        ("torn-append", Bug::TornAppend),
        ("trimmed-at-position", Bug::TrimmedAtPosition),
        ("partly-applied-trimmed", Bug::PartlyAppliedTrimmed),
        ("trimmed-below-copies", Bug::TrimmedBelowCopies),
        ("unsealed-build", Bug::UnsealedBuild),
        ("applied-past-seal", Bug::AppliedPastSeal),
        ("foreign-records-applied", Bug::ForeignRecordsApplied),
        ("clock-ahead-taken", Bug::ClockAheadTaken),
        ("too-old-too-early", Bug::TooOldTooEarly),
        ("queue-bound-halved", Bug::QueueBoundHalved),
        ("queue-unbounded", Bug::QueueUnbounded),
        ("ids-unbounded", Bug::IdsUnbounded),
        ("cache-unbounded", Bug::CacheUnbounded),
        ("deadline-without-budget", Bug::DeadlineWithoutBudget),
        ("pinned-evicted", Bug::PinnedEvicted),
        ("held-row-deleted", Bug::HeldRowDeleted),
        ("cancel-where-it-passed", Bug::CancelWhereItPassed),
        ("resume-without-attempt", Bug::ResumeWithoutAttempt),
        ("undo-in-written-order", Bug::UndoInWrittenOrder),
        ("no-holds", Bug::NoHolds),
        ("bound-refuses-undo", Bug::BoundRefusesUndo),
        ("park-skips-release", Bug::ParkSkipsRelease),
        ("trying-not-durable", Bug::TryingNotDurable),
        ("withdrawn-by-owners-only", Bug::WithdrawnByOwnersOnly),
        ("park-after-one-try", Bug::ParkAfterOneTry),
        ("park-without-cut", Bug::ParkWithoutCut),
        ("park-of-others-counts", Bug::ParkOfOthersCounts),
        (
            "careful-effects-before-change",
            Bug::CarefulEffectsBeforeChange,
        ),
        ("cut-ignored-by-storage", Bug::CutIgnoredByStorage),
        ("cut-ignored-by-take-over", Bug::CutIgnoredByTakeOver),
        ("release-without-token", Bug::ReleaseWithoutToken),
        ("count-before-commit", Bug::CountBeforeCommit),
        ("answer-before-give-back", Bug::AnswerBeforeGiveBack),
        ("hold-beside-delete", Bug::HoldBesideDelete),
        ("count-in-pending", Bug::CountInPending),
        ("give-back-ignores-lock", Bug::GiveBackIgnoresLock),
        ("hold-lost-at-take-over", Bug::HoldLostAtTakeOver),
        ("delete-waits-for-saga", Bug::DeleteWaitsForSaga),
        ("change-of-later-memory", Bug::ChangeOfLaterMemory),
        ("undone-twice", Bug::UndoneTwice),
        // ---- configuration
        ("older-config-replaces-newer", Bug::OlderConfigReplacesNewer),
        ("config-not-in-snapshot", Bug::ConfigNotInSnapshot),
        // ---- drains
        ("drain-takes-submissions", Bug::DrainTakesSubmissions),
        ("foreign-schema-taken", Bug::ForeignSchemaTaken),
        ("drain-not-in-snapshot", Bug::DrainNotInSnapshot),
        // ---- idempotency keys
        ("key-forgotten-early", Bug::KeyForgottenEarly),
        ("key-runs-twice", Bug::KeyRunsTwice),
        ("key-for-any-body", Bug::KeyForAnyBody),
        ("key-keeps-bound", Bug::KeyKeepsBound),
        // ---- expectations
        ("expectation-ignored", Bug::ExpectationIgnored),
        // ---- related views
        ("view-lost-after-eviction", Bug::ViewLostAfterEviction),
        ("related-view-goes-back", Bug::RelatedViewGoesBack),
        ("related-before-commit", Bug::RelatedBeforeCommit),
        ("member-not-unrelated", Bug::MemberNotUnrelated),
    ];
}

#[cfg(feature = "seeded-bugs")]
mod switch {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether `bug` is switched on for this thread.
    #[must_use]
    pub fn on(bug: Bug) -> bool {
        ACTIVE.get() == Some(bug)
    }

    /// Switches one bug on for this thread, or all off.
    pub fn set(bug: Option<Bug>) {
        ACTIVE.set(bug);
    }
}
#[cfg(feature = "seeded-bugs")]
pub use switch::{on, set};

/// Whether `bug` is switched on: never, in a build without the feature `seeded-bugs`.
#[cfg(not(feature = "seeded-bugs"))]
#[must_use]
pub const fn on(_: Bug) -> bool {
    false
}
