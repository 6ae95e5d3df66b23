//! What the tests of the engine share: a platform that is one function, and the steps on it.
#![allow(dead_code, reason = "each test target uses its part")]

use bytes::Bytes;
use rkcy_core::fault::Fault;
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::plan::{self, Partitions};
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::Settings;
use rkcy_core::txn::{Access, Args, Outcome, Place, Rest, Step, Txn, Unplanned};
use rkcy_core::worker::{Config, Progress, Worker};

/// The only concern.
pub(crate) const CONCERN: ConcernId = ConcernId(1);
/// Its first partition.
pub(crate) const PARTITION: PartitionId = PartitionId {
    concern: CONCERN,
    index: 0,
};

/// A platform with so many partitions, whose every operation is one function.
pub(crate) struct Toy(
    pub(crate) u16,
    pub(crate) fn(&Call<'_>, &mut Row) -> Result<Bytes, Fault>,
);

impl Partitions for Toy {
    fn partitions(&self, _: ConcernId) -> u16 {
        self.0
    }
}

impl Logic for Toy {
    fn schema(&self) -> u64 {
        1
    }
    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        (self.1)(call, row)
    }
    fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
        Ok(Rest::default())
    }
    fn concern_name(&self, _: ConcernId) -> &str {
        "Toy"
    }
}

/// A worker of the only build, on an atomic log, with room for everything.
pub(crate) fn config(partition: PartitionId, owner: u64) -> Config {
    Config {
        partition,
        generation: 0,
        owner,
        process: 1,
        build: 1,
        atomic: true,
        accept_clock: false,
        settings: Settings::default(),
        cache_bytes: 1 << 20,
        record_bytes: 1 << 20,
    }
}

pub(crate) fn row(key: u64) -> RowKey {
    RowKey {
        concern: CONCERN,
        key: Key::of(&key),
    }
}

/// The `nth` key of those that are in partition `index` of two.
pub(crate) fn key_at(index: u16, nth: usize) -> u64 {
    let here = |key: &u64| partition_of(CONCERN, &Key::of(key), 2).index == index;
    (0..).filter(here).nth(nth).unwrap()
}

/// An exclusive step whose result is not kept.
pub(crate) fn step(number: u16, key: Key, op: u16, args: impl Into<Bytes>) -> Unplanned {
    Unplanned {
        step: Step {
            number,
            place: Place::Root,
            op,
            args: Args::Ready(args.into()),
            keep: false,
            sure: true,
            undo: None,
            claims_for: None,
        },
        root: CONCERN,
        group: Some(key),
        access: Access::Exclusive,
        after: Vec::new(),
    }
}

/// The same, its result kept.
pub(crate) fn kept(mut step: Unplanned) -> Unplanned {
    step.step.keep = true;
    step
}

/// The transaction with its visits planned.
pub(crate) fn planned(mut txn: Txn, toy: &Toy) -> Txn {
    plan::extend(&mut txn, toy);
    txn
}

/// Applies what the command log has beyond the worker, of rows that are nowhere yet; the answers. The clock stands.
pub(crate) fn run(worker: &mut Worker, commands: &[Bytes]) -> Vec<Outcome> {
    for record in &commands[worker.next_offset() as usize..] {
        let offset = worker.next_offset();
        worker.feed(offset, 1_000, record.clone(), 1_000).unwrap();
    }
    loop {
        match worker.run(1_000).unwrap() {
            Progress::Cold(rows) => {
                let absent = |row: &RowKey| (row.clone(), StoredRow::ABSENT);
                let absent: Vec<_> = rows.iter().map(absent).collect();
                let at = worker.partition().state().position;
                worker.loaded(at, &absent).unwrap();
            }
            Progress::Idle => break,
            Progress::More | Progress::Full | Progress::Say(_) => {}
        }
    }
    let replies = worker.take_replies();
    replies.into_iter().map(|reply| reply.outcome).collect()
}

/// Runs something with one rule of the engine broken.
#[cfg(feature = "seeded-bugs")]
pub(crate) fn with<T>(bug: rkcy_core::bugs::Bug, run: impl FnOnce() -> T) -> T {
    rkcy_core::bugs::set(Some(bug));
    let result = run();
    rkcy_core::bugs::set(None);
    result
}
