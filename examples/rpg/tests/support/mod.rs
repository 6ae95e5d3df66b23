//! Several processes that share one log, all of them in this one: a log in memory that fails on demand, a
//! group that moves partitions on demand, and callers whose money must add up.
#![allow(dead_code, reason = "each test target uses its part")]

pub(crate) mod faulty;
pub(crate) mod members;

use faulty::Faulty;
use members::Members;
use rkcy_runtime::codegen::{
    Concern, Key, Outcome, Ref, RowKey, TxnId, Uuid, decode, derived_uuid,
};
use rkcy_runtime::driver::{Client, Options, Parts, Role, Running, StoreChoice};
use rkcy_runtime::log::Clock;
use rkcy_runtime::store::Store;
use rkcy_runtime::store::sqlite::SqliteStore;
use rpg::generated::txn::{Fund, SignUp, Trade};
use rpg::generated::{Character, Currency, Offer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What everybody begins with.
pub(crate) const START: i64 = 100;
const PARTITIONS: u16 = 4;

pub(crate) struct World {
    pub(crate) log: Arc<Faulty>,
    pub(crate) group: Arc<Members>,
    pub(crate) dir: TempDir,
    pub(crate) runtime: Runtime,
}

fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap()
    })
}

impl World {
    /// A platform that nobody runs yet.
    pub(crate) fn new() -> World {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let desc = rpg::platform().desc;
        let roots = desc.roots().map(|root| root.id);
        let world = World {
            log: Arc::new(Faulty::new(clock())),
            group: Arc::new(Members::new(roots, PARTITIONS)),
            dir: tempfile::tempdir().unwrap(),
            runtime: runtime.worker_threads(1).enable_all().build().unwrap(),
        };
        rkcy_runtime::driver::begin(&*world.log, desc, &world.options(&[])).unwrap();
        world.runtime.block_on(async {
            let store = world.database().await;
            store.migrate_up(desc.sqlite).await.unwrap();
            store.close().await;
        });
        world
    }

    async fn database(&self) -> SqliteStore {
        let tables = rpg::platform().desc.concerns.iter();
        let tables = tables.map(|concern| concern.table);
        SqliteStore::open(&self.dir.path().join("rpg.db"), tables)
            .await
            .unwrap()
    }

    pub(crate) fn options(&self, roles: &[Role]) -> Options {
        Options {
            store: StoreChoice::Sqlite(self.dir.path().join("rpg.db")),
            partitions: Some(PARTITIONS),
            roles: roles.to_vec(),
            threads: 1,
            build: Some(1),
            ..Options::default()
        }
    }

    pub(crate) fn start(&self, roles: &[Role]) -> Running {
        self.start_as(&self.options(roles))
    }

    pub(crate) fn start_as(&self, options: &Options) -> Running {
        let parts = Parts {
            log: self.log.clone(),
            group: Some(self.group.clone()),
            clock: clock(),
        };
        Running::start_with(&rpg::platform(), options, parts).unwrap()
    }

    /// Waits; where that takes for ever, the test fails.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let waited = async { tokio::time::timeout(Duration::from_secs(60), what).await };
        self.runtime.block_on(waited).expect("nobody answers")
    }

    /// Characters with some gold.
    pub(crate) fn characters(&self, client: &Client, count: usize) -> Vec<Uuid> {
        let all = async {
            let mut calls = tokio::task::JoinSet::new();
            for nth in 0..count {
                let client = client.clone();
                calls.spawn(async move {
                    let id = Client::new_id();
                    let params = SignUp {
                        username: format!("player-{nth}"),
                        fullname: "Somebody".to_owned(),
                    };
                    let made = || client.plan(id, &params).unwrap();
                    assert!(matches!(known(&client, made).await, Outcome::Committed(_)));
                    let character = derived_uuid(id, 3, 0);
                    let (to, amount) = (Ref::new(character), gold(START));
                    let (fund, id) = (Fund { to, amount }, Client::new_id());
                    let made = || client.plan(id, &fund).unwrap();
                    assert!(matches!(known(&client, made).await, Outcome::Committed(_)));
                    character
                });
            }
            calls.join_all().await
        };
        self.wait(all)
    }

    /// Callers that trade until they are told to stop; each transaction comes to a known end.
    pub(crate) fn trade(&self, client: &Client, characters: &[Uuid], callers: u64) -> Load {
        let (stop, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<AtomicU64>::default(),
        );
        let calls = (0..callers).map(|nth| {
            let (client, characters) = (client.clone(), characters.to_vec());
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            self.runtime.spawn(async move {
                let mut drawn = nth;
                while !stop.load(Ordering::Relaxed) {
                    drawn = drawn
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(nth | 1);
                    let pick = |shift: u32| (drawn >> shift) as usize % characters.len();
                    let (one, mut other) = (pick(33), pick(20));
                    if one == other {
                        other = (one + 1) % characters.len();
                    }
                    let trade = Trade {
                        lhs: offer(characters[one], i64::try_from(drawn >> 60).unwrap()),
                        rhs: offer(characters[other], 1),
                    };
                    let id = Client::new_id();
                    known(&client, || client.plan(id, &trade).unwrap()).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Load {
            calls: calls.collect(),
            stop,
            done,
        }
    }

    /// Waits until so many more transactions have come to their end.
    pub(crate) fn progress(&self, load: &Load, more: u64) {
        let from = load.done.load(Ordering::Relaxed);
        self.wait(async {
            while load.done.load(Ordering::Relaxed) < from + more {
                assert!(load.calls.iter().all(|call| !call.is_finished()));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    /// Ends the callers, each at the end of its transaction.
    pub(crate) fn finish(&self, load: Load) -> u64 {
        load.stop.store(true, Ordering::Relaxed);
        self.wait(async {
            for call in load.calls {
                call.await.unwrap();
            }
        });
        load.done.load(Ordering::Relaxed)
    }

    /// All characters, as the platform has them; nothing was lost or made.
    pub(crate) fn audited(&self, client: &Client, characters: &[Uuid]) -> Vec<Character> {
        let all = self.wait(async {
            let mut found = Vec::new();
            for key in characters {
                found.push(client.get::<Character>(key).await.unwrap());
            }
            found
        });
        let sum: i64 = all.iter().map(|one| one.currency.gold).sum();
        assert_eq!(sum, START * i64::try_from(all.len()).unwrap());
        all
    }

    /// All characters as the database has them; to be asked once everything has stopped.
    pub(crate) fn stored(&self, characters: &[Uuid]) -> Vec<Character> {
        self.wait(async {
            let store = self.database().await;
            let desc = rpg::platform().desc;
            let concern = desc.concern(Character::NAME).unwrap().id;
            let keys = characters.iter().map(|key| RowKey {
                concern,
                key: Key::of(key),
            });
            let any = self.group.all()[0];
            let loaded = store.load(any, keys.collect()).await.unwrap();
            store.close().await;
            let rows = loaded.rows.into_iter();
            rows.map(|(_, row)| decode(&row.value.unwrap()).unwrap())
                .collect()
        })
    }
}

/// Submits until the end is known: the same id, as often as it takes.
async fn known(client: &Client, made: impl Fn() -> rkcy_runtime::codegen::Txn) -> Outcome {
    loop {
        match client.outcome(made()).await {
            Outcome::NotTaken(fault) => {
                assert_ne!(fault.code, "too_old", "{fault}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            known => return known,
        }
    }
}

/// Callers at work.
pub(crate) struct Load {
    calls: Vec<tokio::task::JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

pub(crate) fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}

fn offer(character: Uuid, amount: i64) -> Offer {
    Offer {
        character: Ref::new(character),
        currency: gold(amount),
    }
}

/// The id of a transaction that was submitted in an earlier process.
pub(crate) fn fund(client: &Client, id: TxnId, to: Uuid) -> rkcy_runtime::codegen::Txn {
    let (to, amount) = (Ref::new(to), gold(5));
    client.plan(id, &Fund { to, amount }).unwrap()
}
