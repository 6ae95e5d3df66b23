//! The pure engine: frame bytes in; effect, answer and change record bytes out.
//!
//! One thread, no log, no disk. Ids are remembered, digests computed, change records taken every
//! [`ROUND`] envelopes, as a driver does. Making the frames is not counted. Seconds are those of the
//! thread's own CPU time, so that what else the machine does counts little.

use crate::figures::{Figures, duration};
use crate::houses;
use bytes::Bytes;
use group::generated::{District, Warehouse, WarehouseEarn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refs::generated::{Note, Site, Tenant};
use rkcy_core::frame::{Envelope, Frame};
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::logic::Logic;
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::{Audit, Settings};
use rkcy_core::storage::StoredPosition;
use rkcy_core::txn::Txn;
use rkcy_core::worker::{Config, Progress, TakeOver, Worker};
use rkcy_runtime::codegen::{self, Concern, Origin, Platform, Ref, Transaction, Value, encode};
use rkcy_runtime::simulate::{self, Options};
use rpg::generated::txn::{Fund, Trade};
use rpg::generated::{Character, Currency, Offer, Player};
use saga::generated::txn::{Gift, Swap};
use saga::generated::{Money, Wallet};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Instances in memory.
const KEYS: usize = 1_000_000;
/// Envelopes of a frame.
const FRAME: usize = 64;
/// Envelopes between two change records.
const ROUND: usize = 4_096;

pub(crate) fn run(figures: &mut Figures) {
    let spread = one_visit(KEYS);
    figures.add(
        "engine_one_visit_records_per_second_per_core",
        spread,
        "1/s",
    );
    let hot = one_visit(1);
    figures.add("engine_hot_key_over_spread", hot / spread, "ratio");
    let audited = funds(KEYS, Audit::All);
    figures.add("engine_audit_all_over_off", audited / spread, "ratio");
    let trades = two_visits(KEYS);
    figures.add(
        "engine_two_visit_transactions_per_second_per_core",
        trades,
        "1/s",
    );
    let hot = two_visits(1);
    figures.add(
        "engine_two_visit_hot_key_over_spread",
        hot / trades,
        "ratio",
    );
    figures.add("saga_over_transaction", saga_over_transaction(), "ratio");
    figures.add("engine_group_over_plain", group_over_plain(), "ratio");
    figures.add("engine_order_over_plain", order_over_plain(), "ratio");
    let plain = creates(|key, _| create(&Site::new(key, String::new())));
    let unique = creates(|key, _| create(&Tenant::new(key, key.simple().to_string()[20..].into())));
    figures.add("engine_unique_create_over_create", unique / plain, "ratio");
    let popular = creates(|key, _| create(&Note::new(key, Ref::new(Uuid::nil()), String::new())));
    figures.add("engine_ref_create_over_create", popular / plain, "ratio");
    let spread = creates(|key, nth| {
        create(&Note::new(
            key,
            Ref::new(Uuid::from_u128(nth)),
            String::new(),
        ))
    });
    figures.add(
        "engine_ref_spread_create_over_create",
        spread / plain,
        "ratio",
    );
    figures.add(
        "simulator_transactions_per_second_per_core",
        simulated(),
        "1/s",
    );
}

/// The platform's own workload on simulated clusters, with faults and checks.
fn simulated() -> f64 {
    let (platform, options) = (rpg::platform(), Options::default());
    let (begun, mut seed, mut done) = (cpu_time(), 0, 0);
    while cpu_time() - begun < duration() {
        seed += 1;
        simulate::run(&platform, &rpg::economy::Economy, &options, seed, false);
        done += options.transactions;
    }
    per_second(done, cpu_time() - begun)
}

/// Partitions at work side by side on this thread.
struct Bench {
    logic: Arc<dyn Logic>,
    workers: Vec<(PartitionId, Worker, u64)>,
    keys: Vec<Uuid>,
    rng: ChaCha8Rng,
    clock: u64,
    busy: Duration,
}

impl Bench {
    /// Partitions of the root `concern`, or of all, with these instances in memory; each comes with its group.
    fn new(
        platform: &Platform,
        partitions: u16,
        concern: impl Into<Option<ConcernId>>,
        audit: Audit,
        instances: impl Iterator<Item = (RowKey, RowKey, Bytes)>,
    ) -> Bench {
        let concern = concern.into();
        let logic = (platform.logic)(partitions);
        let roots = platform.desc.roots().map(|root| root.id);
        let roots = roots.filter(|root| concern.is_none_or(|concern| concern == *root));
        let ids = roots
            .flat_map(|concern| (0..partitions).map(move |index| PartitionId { concern, index }));
        let workers = ids.map(|id| (id, worker(id, audit, Arc::clone(&logic)), 1));
        let mut bench = Bench {
            workers: workers.collect(),
            logic,
            rng: ChaCha8Rng::seed_from_u64(1),
            clock: 1_700_000_000_000,
            busy: Duration::ZERO,
            keys: Vec::new(),
        };
        for (root, row, value) in instances {
            let at = partition_of(root.concern, &root.key, partitions);
            let stored = StoredRow {
                value: Some(value),
                ..StoredRow::ABSENT
            };
            bench
                .worker(at)
                .1
                .loaded(Position::START, &[(row, stored)])
                .expect("nobody else is there");
        }
        bench
    }

    fn worker(&mut self, at: PartitionId) -> &mut (PartitionId, Worker, u64) {
        let mut workers = self.workers.iter_mut();
        workers.find(|(id, ..)| *id == at).expect("a partition")
    }

    /// [`KEYS`] characters.
    fn characters(partitions: u16, audit: Audit) -> Bench {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let keys: Vec<Uuid> = (0..KEYS).map(|_| Uuid::from_u128(rng.random())).collect();
        let instances = keys.iter().enumerate().map(|(nth, key)| {
            let player = Ref::<Player>::new(Uuid::nil());
            let mut character = Character::new(*key, player, format!("Hero number {nth}"));
            character.currency.gold = 1_000_000_000;
            instance(&character)
        });
        let bench = Bench::new(
            &rpg::platform(),
            partitions,
            Character::ID,
            audit,
            instances,
        );
        Bench { keys, ..bench }
    }

    fn key(&mut self, among: usize) -> Uuid {
        self.keys[self.rng.random_range(0..among)]
    }

    /// What the next transaction is told.
    fn origin(&mut self) -> Origin<'_> {
        static NOBODY: Bytes = Bytes::new();
        Origin {
            id: TxnId::from_parts(self.clock, self.rng.random()),
            schema: self.logic.schema(),
            caller: &NOBODY,
            logic: &*self.logic,
            key: None,
            expected: None,
        }
    }

    fn submit<T: Transaction>(&mut self, params: &T) -> Txn {
        let origin = self.origin();
        codegen::transaction(params, origin).expect("a plan")
    }

    fn command<C: Concern>(&mut self, key: &C::Key, op: u16, payload: &impl Value) -> Txn {
        let origin = self.origin();
        let (group, row) = C::group_and_row(key);
        let access = codegen::Access::Exclusive;
        codegen::single(origin, group, row, op, access, encode(payload)).expect("a plan")
    }

    /// Frames of `count` transactions, by partition.
    fn frames(
        &mut self,
        count: usize,
        mut make: impl FnMut(&mut Bench) -> Txn,
    ) -> Vec<(PartitionId, Bytes)> {
        self.clock += 5;
        let mut waiting: BTreeMap<PartitionId, Vec<Envelope>> = BTreeMap::new();
        let mut frames = Vec::new();
        for _ in 0..count {
            let txn = make(self);
            let at = txn.visits[0].at();
            let here = waiting.entry(at).or_default();
            here.push(Envelope::submit(txn));
            if here.len() == FRAME {
                frames.push((at, Frame::encode(None, here.iter())));
                here.clear();
            }
        }
        for (at, rest) in waiting {
            if !rest.is_empty() {
                frames.push((at, Frame::encode(None, rest.iter())));
            }
        }
        frames
    }

    /// Applies frames and all that comes of them; gives back how many answers there were.
    fn apply(&mut self, frames: Vec<(PartitionId, Bytes)>) -> usize {
        let start = cpu_time();
        let clock = self.clock;
        let mut answers = 0;
        let mut frames = frames;
        while !frames.is_empty() {
            for (at, frame) in std::mem::take(&mut frames) {
                let (_, worker, next) = self.worker(at);
                worker
                    .feed(*next, clock, frame, clock)
                    .expect("the next record");
                *next += 1;
            }
            for (_, worker, _) in &mut self.workers {
                loop {
                    match worker.run(ROUND).expect("no reason to stop") {
                        Progress::Idle => break,
                        // There is no database: what is not in memory never was.
                        Progress::Cold(rows) => {
                            let absent = rows.into_iter().map(|row| (row, StoredRow::ABSENT));
                            let absent: Vec<_> = absent.collect();
                            let at = worker.partition().state().position;
                            worker.loaded(at, &absent).expect("nobody else is there");
                        }
                        Progress::More | Progress::Full | Progress::Say(_) => {}
                    }
                }
                answers += worker.take_replies().len();
                // What the audit is told leaves the platform.
                let sent = worker.take_frames().into_iter();
                let sent = sent.filter(|out| !out.to.is_audit());
                frames.extend(sent.map(|out| (out.to, out.frame)));
                std::hint::black_box(worker.take_change(false));
            }
        }
        self.busy += cpu_time() - start;
        answers
    }
}

/// An instance as it is put into memory.
fn instance<C: Concern>(instance: &C) -> (RowKey, RowKey, Bytes) {
    let (group, row) = C::group_and_row(&instance.key());
    (group, row, encode(instance))
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

fn worker(partition: PartitionId, audit: Audit, logic: Arc<dyn Logic>) -> Worker {
    let config = Config {
        partition,
        generation: 0,
        owner: 1,
        process: 1,
        build: 1,
        atomic: true,
        accept_clock: false,
        settings: Settings {
            audit,
            ..Settings::default()
        },
        cache_bytes: usize::MAX / 2,
        record_bytes: 4 << 20,
    };
    let take_over = TakeOver::new(config, StoredPosition::default());
    let mut worker = take_over.finish(logic).expect("an empty changelog");
    let open = worker.open();
    worker.opened(0);
    worker.feed(0, 0, open, 0).expect("the first record");
    worker.run(1).expect("no reason to stop");
    worker
}

/// Records per second: `fund`, keys out of the first `among`.
fn one_visit(among: usize) -> f64 {
    funds(among, Audit::Off)
}

/// The same, with an audit.
fn funds(among: usize, audit: Audit) -> f64 {
    let mut bench = Bench::characters(1, audit);
    let mut done = 0;
    while bench.busy < duration() {
        let frames = bench.frames(ROUND, |bench| {
            let fund = Fund {
                to: Ref::new(bench.key(among)),
                amount: gold(1),
            };
            bench.submit(&fund)
        });
        done += bench.apply(frames);
    }
    per_second(done, bench.busy)
}

/// Transactions per second: `trade` between two partitions, one side out of the first `among`.
fn two_visits(among: usize) -> f64 {
    let mut bench = Bench::characters(2, Audit::Off);
    let mut done = 0;
    while bench.busy < duration() {
        let frames = bench.frames(ROUND, |bench| {
            let trade = loop {
                let (one, other) = (bench.key(among), bench.key(KEYS));
                let at = |key: &Uuid| partition_of(ConcernId(0), &Key::of(key), 2).index;
                if at(&one) != at(&other) {
                    break Trade {
                        lhs: offer(one),
                        rhs: offer(other),
                    };
                }
            };
            bench.submit(&trade)
        });
        done += bench.apply(frames);
    }
    per_second(done, bench.busy)
}

/// Instances of what is compared with something smaller.
const SOME: usize = 10_000;

/// A saga of two steps in two partitions, over the same as a transaction.
fn saga_over_transaction() -> f64 {
    let rate = |as_saga: bool| {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let keys: Vec<Uuid> = (0..SOME).map(|_| Uuid::from_u128(rng.random())).collect();
        let wallets = keys.iter().map(|key| {
            let mut wallet = Wallet::new(*key);
            wallet.cents = 1_000_000_000;
            instance(&wallet)
        });
        let bench = Bench::new(&saga::platform(), 2, Wallet::ID, Audit::Off, wallets);
        let mut bench = Bench { keys, ..bench };
        let mut done = 0;
        while bench.busy < duration() {
            let frames = bench.frames(ROUND, |bench| {
                let at = |key: &Uuid| partition_of(Wallet::ID, &Key::of(key), 2).index;
                let (giver, taker) = loop {
                    let (one, other) = (bench.key(SOME), bench.key(SOME));
                    if at(&one) != at(&other) {
                        break (Ref::new(one), Ref::new(other));
                    }
                };
                let amount = Money { cents: 1 };
                match as_saga {
                    true => bench.submit(&Gift {
                        giver,
                        taker,
                        amount,
                    }),
                    false => bench.submit(&Swap {
                        a: giver,
                        b: taker,
                        amount,
                    }),
                }
            });
            done += bench.apply(frames);
        }
        per_second(done, bench.busy)
    };
    rate(true) / rate(false)
}

/// A transaction of 14 steps on 14 rows of one group, over the same transaction with one.
fn group_over_plain() -> f64 {
    let rate = |lines: u32| {
        in_houses(|bench, warehouse| {
            let pick = houses::pick(&mut bench.rng, warehouse, lines);
            bench.submit(&pick)
        })
    };
    let plain = rate(1);
    rate(14) / plain
}

/// An order of ten lines, which is 13 steps in one group, two of them with a key out of a result, a row that
/// never was, and an answer, over a single command there.
fn order_over_plain() -> f64 {
    let desc = group::platform().desc.concern(Warehouse::NAME);
    let earn = desc.and_then(|desc| desc.ops.iter().find(|op| op.name == "earn"));
    let earn_op = earn.expect("a command of the schema").number;
    let order = in_houses(|bench, warehouse| {
        let order = houses::order(&mut bench.rng, warehouse);
        bench.submit(&order)
    });
    let plain = in_houses(|bench, warehouse| {
        bench.command::<Warehouse>(&warehouse, earn_op, &WarehouseEarn { amount: 1 })
    });
    order / plain
}

/// Transactions per second, each on a warehouse that is drawn.
fn in_houses(make: impl Fn(&mut Bench, String) -> Txn) -> f64 {
    let rooms = houses::codes().flat_map(|code| {
        let house = Warehouse::new(code.clone(), String::new());
        let stocks = houses::stocks(&code).map(|stock| instance(&stock));
        let district = District::new(Ref::new(code.clone()), 1);
        [instance(&house), instance(&district)]
            .into_iter()
            .chain(stocks)
            .collect::<Vec<_>>()
    });
    let mut bench = Bench::new(&group::platform(), 1, Warehouse::ID, Audit::Off, rooms);
    let mut done = 0;
    while bench.busy < duration() {
        let frames = bench.frames(ROUND, |bench| {
            let warehouse = houses::any(&mut bench.rng);
            make(bench, warehouse)
        });
        done += bench.apply(frames);
    }
    per_second(done, bench.busy)
}

/// Instances that are created a second, of a concern without claims or with one; `make` is given a new key and the
/// number of a tenant.
fn creates(make: impl Fn(Uuid, u128) -> (RowKey, RowKey, Bytes)) -> f64 {
    let tenants = (0..SOME as u128).map(|nth| {
        let key = Uuid::from_u128(nth);
        instance(&Tenant::new(key, format!("t{nth}")))
    });
    let mut bench = Bench::new(&refs::platform(), 2, None, Audit::Off, tenants);
    let mut done = 0;
    while bench.busy < duration() {
        let frames = bench.frames(ROUND, |bench| {
            let key = Uuid::from_u128(bench.rng.random());
            let (group, row, payload) = make(key, bench.rng.random_range(0..SOME as u128));
            let op = codegen::op::CREATE;
            let (origin, access) = (bench.origin(), codegen::Access::Exclusive);
            codegen::single(origin, group, row, op, access, payload).expect("a plan")
        });
        done += bench.apply(frames);
    }
    per_second(done, bench.busy)
}

fn create<C: Concern>(made: &C) -> (RowKey, RowKey, Bytes) {
    instance(made)
}

fn offer(character: Uuid) -> Offer {
    Offer {
        character: Ref::new(character),
        currency: gold(1),
    }
}

fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn per_second(count: usize, busy: Duration) -> f64 {
    count as f64 / busy.as_secs_f64()
}
