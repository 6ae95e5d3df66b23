//! Callers of a platform: tasks that submit one transaction after the other, and what they see.

use crate::figures::Figures;
use hdrhistogram::Histogram;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rkcy_runtime::codegen::{self, Platform, Ref};
use rkcy_runtime::driver::{Client, LogChoice, Options, Running, StoreChoice};
use rpg::generated::txn::{Fund, SignUp, Trade};
use rpg::generated::{Currency, Offer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// A runtime for callers.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A platform on the embedded log and SQLite, in an empty directory.
pub(crate) fn start_in(dir: &Path, platform: &Platform) -> Running {
    let options = Options {
        log: LogChoice::Embedded(dir.join("log")),
        store: StoreChoice::Sqlite(dir.join("rows.db")),
        ..Options::default()
    };
    Running::start(platform, &options).expect("the platform starts")
}

/// Characters that are funded and trade.
const CHARACTERS: usize = 20_000;

/// What callers saw.
pub(crate) struct Load {
    pub(crate) latency: Histogram<u64>,
    pub(crate) busy: Duration,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            latency: Histogram::new(3).expect("three digits"),
            busy: Duration::ZERO,
        }
    }
}

impl Load {
    pub(crate) fn add(&mut self, other: Load) {
        self.latency.add(other.latency).expect("the same digits");
        self.busy += other.busy;
    }

    pub(crate) fn rate(&self) -> f64 {
        rate(self.latency.len(), self.busy.as_secs_f64())
    }

    /// Milliseconds.
    pub(crate) fn p50(&self) -> f64 {
        rate(self.latency.value_at_quantile(0.5), 1_000.0)
    }

    pub(crate) fn report(&self, figures: &mut Figures, name: &str) {
        figures.add(format!("{name}_per_second"), self.rate(), "1/s");
        for (part, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let micros = self.latency.value_at_quantile(quantile);
            figures.add(format!("{name}_{part}"), rate(micros, 1_000.0), "ms");
        }
    }
}

/// Adds a value; the histogram grows with it.
pub(crate) fn record(latency: &mut Histogram<u64>, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    latency.record(micros).expect("a histogram that grows");
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// Runs `callers` tasks that call `one` over and over for `time`.
pub(crate) fn load<F, Fut>(runtime: &Runtime, callers: u64, time: Duration, one: F) -> Load
where
    F: Fn(&mut ChaCha8Rng) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let tasks = (0..callers).map(|caller| {
        let one = one.clone();
        runtime.spawn(async move {
            let mut rng = ChaCha8Rng::seed_from_u64(caller);
            let mut latency = Histogram::<u64>::new(3).expect("three digits");
            while start.elapsed() < time {
                let began = Instant::now();
                one(&mut rng).await;
                record(&mut latency, began.elapsed());
            }
            latency
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut total = Load::default();
    for task in tasks {
        total
            .latency
            .add(runtime.block_on(task).expect("a caller"))
            .expect("the same digits");
    }
    total.busy = start.elapsed();
    total
}

pub(crate) fn funds(
    runtime: &Runtime,
    client: &Client,
    characters: &Arc<Vec<Uuid>>,
    callers: u64,
    time: Duration,
) -> Load {
    let (client, characters) = (client.clone(), Arc::clone(characters));
    load(runtime, callers, time, move |rng| {
        let to = Ref::new(characters[rng.random_range(0..characters.len())]);
        let client = client.clone();
        async move {
            client
                .call(&Fund {
                    to,
                    amount: gold(1_000),
                })
                .await
                .expect("a fund");
        }
    })
}

/// Trades between one of these and another of those.
pub(crate) fn trades(
    runtime: &Runtime,
    client: &Client,
    (these, those): (&Arc<Vec<Uuid>>, &Arc<Vec<Uuid>>),
    callers: u64,
    time: Duration,
) -> Load {
    let (client, these, those) = (client.clone(), Arc::clone(these), Arc::clone(those));
    load(runtime, callers, time, move |rng| {
        let one = these[rng.random_range(0..these.len())];
        let mut nth = rng.random_range(0..those.len());
        if those[nth] == one {
            nth = (nth + 1) % those.len();
        }
        let offer = |character| Offer {
            character: Ref::new(character),
            currency: gold(1),
        };
        let trade = Trade {
            lhs: offer(one),
            rhs: offer(those[nth]),
        };
        let client = client.clone();
        async move {
            client
                .call(&trade)
                .await
                .expect("a trade of those who have enough");
        }
    })
}

pub(crate) fn sign_up(runtime: &Runtime, client: &Client) -> Vec<Uuid> {
    let mut tasks = Vec::new();
    for nth in 0..CHARACTERS {
        let client = client.clone();
        tasks.push(runtime.spawn(async move {
            let params = SignUp {
                username: format!("player-{nth}"),
                fullname: format!("Hero {nth}"),
            };
            let id = Client::new_id();
            client.call_as(id, &params).await.expect("a sign-up");
            // The character is made by the third step.
            let character = codegen::derived_uuid(id, 3, 0);
            client
                .call(&Fund {
                    to: Ref::new(character),
                    amount: gold(1_000_000),
                })
                .await
                .expect("a fund");
            character
        }));
    }
    tasks
        .into_iter()
        .map(|task| runtime.block_on(task).expect("a caller"))
        .collect()
}

pub(crate) fn gold(gold: i64) -> Currency {
    Currency {
        gold,
        ..Currency::default()
    }
}
