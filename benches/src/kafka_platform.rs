//! A platform on Kafka and PostgreSQL, against raw round trips by the client library through the same broker, and
//! against one transaction of the same database for each call.
//!
//! Callers, worker and storage are in this process, each with a log of its own, as in processes of their
//! own. The raw side sends every command and every answer as a record by itself, in one partition, with a linger
//! of nothing and of one millisecond, whichever does better. All take turns.

use crate::callers::{self, Load, funds, gold, rate, sign_up, trades};
use crate::figures::{Figures, duration};
use crate::round_trips::{self, Limit, Raw, Round, Side, Topics, WARM, round_trips};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rkcy_core::frame::{Envelope, Frame};
use rkcy_core::id::PartitionId;
use rkcy_runtime::codegen::{Ref, encode};
use rkcy_runtime::driver::{self, Client, LogChoice, Options, Role, Running, StoreChoice};
use rkcy_runtime::log::kafka::{Admin, Platform};
use rkcy_runtime::store::postgres::Settings as Postgres;
use rpg::generated::Character;
use rpg::generated::txn::Fund;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Each side runs in turns.
const SLICES: u32 = 4;
/// Partitions of a root concern.
const PARTITIONS: u16 = 4;
/// Connections of the database that is called for each transaction.
const CONNECTIONS: u64 = 64;
/// Bytes of an answer beside its result.
const ANSWER_COST: usize = 40;
/// Threads of the worker, by their names.
const WORKER_THREADS: &[&str] = &["process", "partitions"];

pub(crate) fn run(figures: &mut Figures) {
    let runtime = crate::callers::runtime();
    let url = std::env::var("RKCY_TEST_STORE").expect("scripts/bench starts the server");
    let (server, _) = url.rsplit_once('/').expect("postgres://…/DATABASE");
    let env = format!("bench{}", Uuid::new_v4().simple());
    let admin = format!("{server}/postgres");
    let database = format!("{server}/{env}");
    runtime.block_on(execute(&admin, &format!("CREATE DATABASE {env}")));

    let topics = Topics::new();
    let options = Options {
        log: LogChoice::Kafka(topics.settings.clone()),
        store: StoreChoice::Postgres(Postgres::new(&database).expect("an address")),
        env: env.clone(),
        partitions: Some(PARTITIONS),
        ..Options::default()
    };
    driver::create(&rpg::platform(), &options).expect("the platform is made");
    measure(figures, &runtime, &topics, &options, &database);
    remove(&options, &env);
    topics.delete();
    let drop = format!("DROP DATABASE {env} WITH (FORCE)");
    runtime.block_on(execute(&admin, &drop));
}

fn measure(
    figures: &mut Figures,
    runtime: &Runtime,
    topics: &Topics,
    options: &Options,
    database: &str,
) {
    let part = |roles: &[Role]| {
        let options = Options {
            roles: roles.to_vec(),
            ..options.clone()
        };
        Running::start(&rpg::platform(), &options).expect("the platform starts")
    };
    let (storage, worker) = (part(&[Role::Storage]), part(&[Role::Process]));
    let submitter = part(&[]);
    let client = submitter.client();
    let characters = Arc::new(sign_up(runtime, &client));
    let (here, elsewhere) = in_two_places(&client, &characters);

    let raw = raw_sides(topics);
    let round = fund_round(&client, characters[0]);
    for side in &raw {
        round_trips(side, round, 1_000, Limit::Count(WARM));
    }
    let postgres = Database::new(runtime, database);

    let slice = duration() / SLICES;
    let mut stored = Turns::default();
    let mut alone = Turns::default();
    let (mut trade_alone, mut raw_three) = <(Load, round_trips::Load)>::default();
    let mut per_call = Load::default();
    let three = Round { legs: 3, ..round };
    for _ in 0..SLICES {
        stored.take(&raw, round, 1_000, slice, || {
            funds(runtime, &client, &characters, 1_000, slice)
        });
        per_call.add(postgres.funds(runtime, None, slice / 2));
        alone.take(&raw, round, 1, slice / 2, || {
            funds(runtime, &client, &characters, 1, slice / 2)
        });
        let pair = (&here, &elsewhere);
        trade_alone.add(trades(runtime, &client, pair, 1, slice / 2));
        raw_three.add(round_trips(&raw[0], three, 1, Limit::Time(slice / 2)));
    }
    stored.report(figures, "kafka_fund_1000_in_flight");
    alone.report(figures, "kafka_fund_1_in_flight");
    trade_alone.report(figures, "kafka_trade_1_in_flight");
    raw_three.report(figures, "kafka_trade_1_in_flight_raw");
    figures.add("kafka_fund_over_raw", stored.over_raw(), "ratio");
    let ratio = alone.platform.p50() / alone.raw[0].p50();
    figures.add("kafka_fund_p50_over_two_legs", ratio, "ratio");
    let ratio = trade_alone.p50() / raw_three.p50();
    figures.add("kafka_trade_p50_over_three_legs", ratio, "ratio");
    figures.add("kafka_fund_worker_cpu", stored.worker_cpu(), "us");

    let cpu = thread_cpu(WORKER_THREADS);
    let trade = trades(runtime, &client, (&here, &elsewhere), 1_000, duration() / 2);
    let cpu = thread_cpu(WORKER_THREADS) - cpu;
    let each = cpu.as_secs_f64() * 1e6 / rate(trade.latency.len(), 1.0);
    figures.add("kafka_trade_worker_cpu", each, "us");
    trade.report(figures, "kafka_trade_1000_in_flight");

    per_call.report(figures, "postgres_fund_64_connections");
    let ratio = stored.platform.rate() / per_call.rate();
    figures.add("kafka_fund_over_postgres", ratio, "ratio");
    let hottest = Arc::new(vec![characters[0]]);
    let hot = funds(runtime, &client, &hottest, 1_000, duration() / 2);
    let hot_call = postgres.funds(runtime, Some(0), duration() / 4);
    hot.report(figures, "kafka_hot_fund_1000_in_flight");
    hot_call.report(figures, "postgres_hot_fund_64_connections");
    let ratio = hot.rate() / hot_call.rate();
    figures.add("kafka_hot_fund_over_postgres_hot", ratio, "ratio");

    // What the load has left is written before storage ends.
    let began = Instant::now();
    storage.stop().expect("storage ends");
    figures.add("kafka_storage_drain", began.elapsed().as_secs_f64(), "s");
    let mut without = Turns::default();
    for _ in 0..SLICES {
        without.take(&raw, round, 1_000, slice / 2, || {
            funds(runtime, &client, &characters, 1_000, slice / 2)
        });
    }
    without.report(figures, "kafka_fund_1000_in_flight_no_storage");
    figures.add(
        "kafka_fund_over_raw_no_storage",
        without.over_raw(),
        "ratio",
    );
    drop(client);
    submitter.stop().expect("the submitter ends");
    worker.stop().expect("the worker ends");
}

/// The platform and the raw sides, in turns.
#[derive(Default)]
struct Turns {
    platform: Load,
    worker: Duration,
    /// With a linger of nothing, and of a millisecond.
    raw: [round_trips::Load; 2],
}

impl Turns {
    fn take(
        &mut self,
        raw: &[Arc<dyn Side>; 2],
        round: Round,
        in_flight: usize,
        slice: Duration,
        calls: impl FnOnce() -> Load,
    ) {
        let cpu = thread_cpu(WORKER_THREADS);
        self.platform.add(calls());
        self.worker += thread_cpu(WORKER_THREADS) - cpu;
        for (side, load) in raw.iter().zip(&mut self.raw) {
            load.add(round_trips(side, round, in_flight, Limit::Time(slice / 2)));
        }
    }

    fn over_raw(&self) -> f64 {
        let [at_once, gathering] = &self.raw;
        self.platform.rate() / at_once.rate().max(gathering.rate())
    }

    /// Microseconds for each call.
    fn worker_cpu(&self) -> f64 {
        self.worker.as_secs_f64() * 1e6 / rate(self.platform.latency.len(), 1.0)
    }

    fn report(&self, figures: &mut Figures, name: &str) {
        self.platform.report(figures, name);
        self.raw[0].report(figures, &format!("{name}_raw"));
        self.raw[1].report(figures, &format!("{name}_raw_linger_1"));
    }
}

/// By hand, with a linger of nothing and of a millisecond, each with three streams of its own.
fn raw_sides(topics: &Topics) -> [Arc<dyn Side>; 2] {
    [("0", 0), ("1", 1)].map(|(linger, nth)| {
        let places = [("process", nth), ("storage", nth), ("process", nth + 2)];
        let streams = places.map(|(kind, partition)| topics.place(kind, partition));
        let side: Arc<dyn Side> =
            Arc::new(Raw::new(&topics.settings.brokers, linger, streams.into()));
        side
    })
}

fn fund(to: Uuid) -> Fund {
    Fund {
        to: Ref::new(to),
        amount: gold(1_000),
    }
}

/// Records of the size that a `fund` and its answer have.
fn fund_round(client: &Client, character: Uuid) -> Round {
    let planned = client.plan(Client::new_id(), &fund(character));
    let envelope = Envelope::submit(planned.expect("a plan"));
    let result = Character::new(character, Ref::new(character), "Hero 12345".to_owned());
    let answer = encode(&result).len() + ANSWER_COST;
    Round {
        legs: 2,
        command: Frame::encode(None, [envelope].iter()).len().max(answer),
        answer,
    }
}

/// The characters of one partition, and those of the others.
fn in_two_places(client: &Client, characters: &[Uuid]) -> (Arc<Vec<Uuid>>, Arc<Vec<Uuid>>) {
    let mut homes: BTreeMap<PartitionId, Vec<Uuid>> = BTreeMap::new();
    for character in characters {
        let planned = client.plan(Client::new_id(), &fund(*character));
        let home = planned.expect("a plan").home().expect("it has a step");
        homes.entry(home).or_default().push(*character);
    }
    let (_, here) = homes.pop_first().expect("a partition with characters");
    let elsewhere = homes.into_values().flatten().collect();
    (Arc::new(here), Arc::new(elsewhere))
}

/// Processor time of this process' threads with one of these names, since the process began.
fn thread_cpu(names: &[&str]) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.filter_map(|task| {
        // One may end meanwhile.
        let path = task.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let spent = std::fs::read_to_string(path.join("schedstat")).ok()?;
        let nanos: u64 = spent.split_whitespace().next()?.parse().ok()?;
        names.contains(&name.trim()).then_some(nanos)
    });
    Duration::from_nanos(nanos.sum())
}

/// The database by hand: each call a transaction of its own.
struct Database {
    url: String,
}

impl Database {
    /// Makes the table.
    fn new(runtime: &Runtime, url: &str) -> Database {
        let table = "CREATE TABLE alone (id bigint PRIMARY KEY, gold bigint NOT NULL);
            INSERT INTO alone SELECT id, 0 FROM generate_series(0, 19999) id";
        runtime.block_on(execute(url, table));
        Database {
            url: url.to_owned(),
        }
    }

    /// All connections fund for so long: anybody, or the one character.
    fn funds(&self, runtime: &Runtime, one: Option<i64>, time: Duration) -> Load {
        let connected: Vec<PgConnection> = runtime.block_on(async {
            let mut all = Vec::new();
            for _ in 0..CONNECTIONS {
                all.push(PgConnection::connect(&self.url).await.expect("the server"));
            }
            all
        });
        let began = Instant::now();
        let tasks = (0..).zip(connected).map(|(nth, mut connection)| {
            runtime.spawn(async move {
                let mut rng = ChaCha8Rng::seed_from_u64(nth);
                let mut load = Load::default();
                while began.elapsed() < time {
                    let id = one.unwrap_or_else(|| rng.random_range(0..20_000));
                    let called = Instant::now();
                    let update = "UPDATE alone SET gold = gold + 1000 WHERE id = $1 RETURNING gold";
                    sqlx::query(update)
                        .bind(id)
                        .fetch_one(&mut connection)
                        .await
                        .expect("an update");
                    callers::record(&mut load.latency, called.elapsed());
                }
                load
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut total = Load::default();
        for task in tasks {
            total.add(runtime.block_on(task).expect("a caller"));
        }
        total.busy = began.elapsed();
        total
    }
}

/// Deletes the topics of the platform.
fn remove(options: &Options, env: &str) {
    let LogChoice::Kafka(settings) = &options.log else {
        return;
    };
    let desc = rpg::platform().desc;
    let topics = Platform {
        name: desc.name.to_owned(),
        env: env.to_owned(),
        generation: 1,
        concerns: (desc.roots())
            .map(|root| (root.id, root.name.to_owned()))
            .collect(),
        partitions: PARTITIONS,
        answers: settings.answers,
    };
    let admin = Admin::connect(settings).expect("the broker answers");
    admin.delete(&topics).expect("topics go");
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server");
    let run = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection);
    run.await.expect("a statement");
}
