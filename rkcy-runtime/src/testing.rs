//! A platform in memory, for the tests of those who write handlers.
//!
//! Owns [`TestPlatform`]: the engine's own workers on logs that are queues, on the caller's thread, with a
//! clock that stands still. Nothing fails here and nothing runs at the same time: for that there is
//! [`simulate`](crate::simulate).

use crate::codegen::{
    self, Bytes, Concern, Config as ConfigType, Fault, Origin, Patch, Platform, Transaction, TxnId,
    Value, check, decode, encode,
};
use crate::driver::batch::{self, Cut};
use crate::driver::submit::nothing_to_do;
use crate::log::{StreamId, StreamKind};
use rkcy_core::config::{Entry, News};
use rkcy_core::fault::Class;
use rkcy_core::frame::{Envelope, Frame};
use rkcy_core::id::PartitionId;
use rkcy_core::key::RowKey;
use rkcy_core::logic::Logic;
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::Settings;
use rkcy_core::storage::StoredPosition;
use rkcy_core::txn::{Access, Outcome, ReplyTo, Txn};
use rkcy_core::worker::{Config, Progress, Stop, TakeOver, Worker};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Partitions of a root concern: nothing runs at the same time here, so more would do nothing.
const PARTITIONS: u16 = 1;
/// Where the clock stands at first: 2025-01-01, 00:00 UTC. Milliseconds since the Unix epoch.
const BEGIN: u64 = 1_735_689_600_000;
/// Envelopes applied before their effects are taken.
const APPLY: usize = 64;
/// Who waits for an answer.
const CALLER: ReplyTo = ReplyTo(1);

/// A platform in memory: handlers and whole transactions run at once, on this thread, with a fixed clock.
///
/// ```no_run
/// # use rkcy_runtime::codegen::{Fault, Platform, Transaction};
/// # fn test<T: Transaction>(platform: Platform, sign_up: T) -> Result<(), Fault> {
/// use rkcy_runtime::testing::TestPlatform;
///
/// let mut platform = TestPlatform::new(platform);
/// let player = platform.call(&sign_up)?;
/// # Ok(()) }
/// ```
///
/// # Panics
/// Methods panic where the engine itself stops, which is a bug of it.
pub struct TestPlatform {
    platform: Platform,
    logic: Arc<dyn Logic>,
    partitions: BTreeMap<PartitionId, Partition>,
    /// Milliseconds since the Unix epoch.
    now: u64,
    /// Transactions submitted so far: ids are made of it, so that they are the same in each run.
    submitted: u64,
    /// Edits of configuration so far.
    edited: u64,
    caller: Bytes,
}

struct Partition {
    worker: Worker,
    /// Offset of the next record of its command log.
    next: u64,
}

impl fmt::Debug for TestPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPlatform")
            .field("platform", &self.platform.desc.name)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl TestPlatform {
    /// A platform without instances.
    #[must_use]
    pub fn new(platform: Platform) -> TestPlatform {
        let logic = (platform.logic)(PARTITIONS);
        let mut test = TestPlatform {
            partitions: BTreeMap::new(),
            now: BEGIN,
            submitted: 0,
            edited: 0,
            caller: Bytes::new(),
            logic: Arc::clone(&logic),
            platform,
        };
        for concern in test.platform.desc.roots() {
            let id = PartitionId {
                concern: concern.id,
                index: 0,
            };
            let config = Config {
                partition: id,
                generation: 0,
                owner: 1,
                process: 1,
                build: logic.schema(),
                atomic: true,
                accept_clock: false,
                settings: Settings {
                    // The clock may stand still for as long as the test runs.
                    id_bytes: u64::MAX,
                    ..Settings::default()
                },
                cache_bytes: usize::MAX / 2,
                record_bytes: 4 << 20,
            };
            let take_over = TakeOver::new(config, StoredPosition::default());
            let mut worker = never_stops(take_over.finish(Arc::clone(&logic)));
            let open = worker.open();
            worker.opened(0);
            test.partitions.insert(id, Partition { worker, next: 0 });
            test.deliver(id, open);
        }
        test
    }

    /// The instant that handlers and `now` see. Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.now = self.now.saturating_add(milliseconds);
    }

    /// Who calls from here on, for a platform that names a `caller`.
    pub fn set_caller(&mut self, caller: &impl Value) {
        self.caller = encode(caller);
    }

    /// The id of the next transaction. Keys that a `create` omits are derived from it:
    /// [`derived_uuid`](codegen::derived_uuid).
    #[must_use]
    pub fn next_id(&self) -> TxnId {
        TxnId::from_parts(self.now, u128::from(self.submitted + 1))
    }

    /// Runs a transaction or a saga to its end.
    ///
    /// # Errors
    /// Its refusal, or an invalid parameter.
    pub fn call<T: Transaction>(&mut self, params: &T) -> Result<T::Output, Fault> {
        let caller = self.caller.clone();
        let txn = codegen::transaction(params, self.origin(&caller))?;
        decode(&self.submit(txn)?)
    }

    /// The instance with this key.
    ///
    /// # Errors
    /// `not_found`.
    pub fn get<C: Concern>(&mut self, key: &C::Key) -> Result<C, Fault> {
        let get = codegen::op::GET;
        decode(&self.operate::<C>(key, get, Access::Shared, Bytes::new())?)
    }

    /// Makes a new instance.
    ///
    /// # Errors
    /// `already_exists`, or a broken constraint.
    pub fn create<C: Concern>(&mut self, instance: &C) -> Result<C, Fault> {
        check(instance)?;
        let (key, create) = (instance.key(), codegen::op::CREATE);
        decode(&self.operate::<C>(&key, create, Access::Exclusive, encode(instance))?)
    }

    /// Changes what the patch holds; gives the instance after it.
    ///
    /// # Errors
    /// `not_found`, or a broken constraint.
    pub fn update<C: Concern>(&mut self, key: &C::Key, patch: &impl Patch<C>) -> Result<C, Fault> {
        check(patch)?;
        let update = codegen::op::UPDATE;
        decode(&self.operate::<C>(key, update, Access::Exclusive, encode(patch))?)
    }

    /// Removes an instance.
    ///
    /// # Errors
    /// `not_found`.
    pub fn delete<C: Concern>(&mut self, key: &C::Key) -> Result<(), Fault> {
        let delete = codegen::op::DELETE;
        self.operate::<C>(key, delete, Access::Delete, Bytes::new())
            .map(drop)
    }

    /// Runs one command or query, by its name in the schema. A payload of named parameters is the struct that is
    /// made for them; without one it is `codegen::Empty {}`.
    ///
    /// # Errors
    /// `not_found`, its refusal, or a broken constraint.
    ///
    /// # Panics
    /// Where the concern has no such operation.
    pub fn run<C: Concern, O: Value>(
        &mut self,
        key: &C::Key,
        operation: &str,
        payload: &impl Value,
    ) -> Result<O, Fault> {
        let concern = self.platform.desc.concern(C::NAME);
        let op = concern.and_then(|concern| concern.ops.iter().find(|op| op.name == operation));
        let Some(op) = op else {
            panic!("{} has no operation `{operation}`", C::NAME);
        };
        check(payload)?;
        decode(&self.operate::<C>(key, op.number, op.access, encode(payload))?)
    }

    /// Sets an object of configuration; every handler sees it from here on.
    ///
    /// # Errors
    /// A broken constraint.
    pub fn configure<C: ConfigType>(&mut self, object: &C) -> Result<(), Fault> {
        check(object)?;
        self.edit_config::<C>(&object.key(), Some(encode(object)));
        Ok(())
    }

    /// Removes an object of configuration.
    pub fn remove_config<C: ConfigType>(&mut self, key: &C::Key) {
        self.edit_config::<C>(key, None);
    }

    fn edit_config<C: ConfigType>(&mut self, key: &C::Key, value: Option<Bytes>) {
        self.edited += 1;
        let news = News {
            object: C::object(key),
            entry: Entry {
                version: self.edited,
                value,
            },
        };
        let partitions: Vec<PartitionId> = self.partitions.keys().copied().collect();
        for id in partitions {
            self.deliver(id, news.frame());
        }
    }

    /// All instances of a concern, in order of their keys: what invariants are written over.
    #[must_use]
    pub fn all<C: Concern>(&self) -> Vec<C> {
        let partitions = self.partitions.values();
        partitions
            .flat_map(|partition| partition.worker.partition().rows().sorted())
            .filter(|(row, _)| row.concern == C::ID)
            .filter_map(|(_, row)| row.value.as_ref())
            .map(|value| match decode(value) {
                Ok(instance) => instance,
                Err(fault) => panic!("an instance of {} cannot be read: {fault}", C::NAME),
            })
            .collect()
    }

    fn origin<'a>(&'a self, caller: &'a Bytes) -> Origin<'a> {
        Origin {
            id: self.next_id(),
            schema: self.logic.schema(),
            caller,
            logic: &*self.logic,
            key: None,
            expected: None,
        }
    }

    /// One operation on one instance.
    fn operate<C: Concern>(
        &mut self,
        key: &C::Key,
        op: u16,
        access: Access,
        args: Bytes,
    ) -> Result<Bytes, Fault> {
        let (group, row) = C::group_and_row(key);
        let caller = self.caller.clone();
        let txn = codegen::single(self.origin(&caller), group, row, op, access, args)?;
        self.submit(txn)
    }

    fn submit(&mut self, mut txn: Txn) -> Result<Bytes, Fault> {
        self.submitted += 1;
        let Some(home) = txn.home() else {
            return ended(nothing_to_do(&*self.logic, &txn));
        };
        txn.reply = CALLER;
        let frame = Frame::encode(None, [Envelope::submit(txn)].iter());
        match self.deliver(home, frame) {
            Some(outcome) => ended(outcome),
            None => Err(Fault::new(
                Class::Unavailable,
                "no_answer",
                "nothing is under way, and nobody has answered",
            )),
        }
    }

    /// Appends a record, and applies it and all that comes of it. Gives what the caller hears.
    fn deliver(&mut self, to: PartitionId, record: Bytes) -> Option<Outcome> {
        let mut answer = None;
        let mut records = VecDeque::from([(to, record)]);
        while let Some((to, record)) = records.pop_front() {
            let Some(partition) = self.partitions.get_mut(&to) else {
                continue;
            };
            let (worker, offset) = (&mut partition.worker, partition.next);
            partition.next += 1;
            never_stops(worker.feed(offset, self.now, record, self.now));
            loop {
                let progress = never_stops(worker.run(APPLY));
                let cut = Cut {
                    quiet: true,
                    last: false,
                    snapshot: false,
                    limit: usize::MAX,
                    most: usize::MAX,
                };
                let batch = batch::cut(worker, cut);
                let commands = |(stream, record): (StreamId, Bytes)| {
                    let is_command = stream.kind == StreamKind::Commands;
                    is_command.then_some((stream.partition, record))
                };
                records.extend(batch.appends.into_iter().flatten().filter_map(commands));
                let replies = batch.answers.into_iter().chain(batch.waiting);
                answer = replies.map(|reply| reply.outcome).last().or(answer);
                match progress {
                    Progress::Cold(rows) => absent(worker, rows),
                    Progress::More => {}
                    Progress::Idle => break,
                    stuck @ (Progress::Full | Progress::Say(_)) => panic!("{to}: {stuck:?}"),
                }
            }
        }
        answer
    }
}

fn ended(outcome: Outcome) -> Result<Bytes, Fault> {
    outcome.into_result().map(Option::unwrap_or_default)
}

/// There is no database: a row that is not in memory has never been.
fn absent(worker: &mut Worker, rows: Vec<RowKey>) {
    let position = worker.partition().state().position;
    let absent = |row| (row, StoredRow::ABSENT);
    let rows: Vec<(RowKey, StoredRow)> = rows.into_iter().map(absent).collect();
    never_stops(worker.loaded(position, &rows));
}

fn never_stops<T>(result: Result<T, Stop>) -> T {
    match result {
        Ok(value) => value,
        Err(stop) => panic!("the engine has stopped: {stop}"),
    }
}
