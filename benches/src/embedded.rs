//! A platform on the embedded log and SQLite, against its raw log and against SQLite alone.
//!
//! Callers are tasks that submit one transaction after the other. `embedded_over_raw_log` alternates
//! between the platform and the raw log, so that both see the same machine: the raw log takes the same
//! bytes in the same way, command frames first, one change record for each batch of them when they are
//! durable, and answers when that is durable; but nothing is applied.

use crate::callers::{Load, funds, gold, load, rate, runtime, sign_up, start_in, trades};
use crate::figures::{Figures, duration};
use bytes::Bytes;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rkcy_core::frame::{Envelope, Frame};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_runtime::codegen::{self, Origin, Ref};
use rkcy_runtime::driver::Client;
use rkcy_runtime::log::embedded::{self, EmbeddedLog};
use rkcy_runtime::log::{Log, StreamId, StreamKind};
use rpg::generated::txn::Fund;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Slices of a comparison: each side runs in turns.
const SLICES: u32 = 4;

pub(crate) fn run(figures: &mut Figures) {
    let runtime = runtime();
    let dir = tempfile::tempdir().expect("a directory");
    let running = start_in(dir.path(), &rpg::platform());
    let client = running.client();
    let characters = Arc::new(sign_up(&runtime, &client));

    let slice = duration() / SLICES;
    let raw = RawLog::start(dir.path());
    let (mut fund, mut raw_fund) = (Load::default(), Load::default());
    for _ in 0..SLICES {
        fund.add(funds(&runtime, &client, &characters, 1_000, slice));
        raw_fund.add(raw.load(&runtime, 1_000, slice));
    }
    figures.add(
        "embedded_over_raw_log",
        fund.rate() / raw_fund.rate(),
        "ratio",
    );
    fund.report(figures, "embedded_fund_1000_callers");
    let hottest = Arc::new(vec![characters[0]]);
    let hot = funds(&runtime, &client, &hottest, 1_000, duration());
    figures.add(
        "embedded_hot_key_over_spread",
        hot.rate() / fund.rate(),
        "ratio",
    );
    funds(&runtime, &client, &characters, 64, duration())
        .report(figures, "embedded_fund_64_callers");
    trades(
        &runtime,
        &client,
        (&characters, &characters),
        1_000,
        duration(),
    )
    .report(figures, "embedded_trade_1000_callers");
    trades(
        &runtime,
        &client,
        (&characters, &characters),
        64,
        duration(),
    )
    .report(figures, "embedded_trade_64_callers");
    figures.add(
        "embedded_raw_log_1000_callers_per_second",
        raw_fund.rate(),
        "1/s",
    );

    let alone = sqlite_alone(&runtime, dir.path(), duration() / 4);
    figures.add(
        "embedded_over_sqlite_per_call",
        fund.rate() / alone,
        "ratio",
    );
    figures.add("sqlite_one_transaction_per_call_per_second", alone, "1/s");

    drop(client);
    let start = Instant::now();
    let before = running.rows_stored();
    figures.add(
        "embedded_storage_rows_before_drain",
        rate(before, 1.0),
        "rows",
    );
    running.stop().expect("an orderly stop");
    figures.add("embedded_storage_drain", start.elapsed().as_secs_f64(), "s");
}

/// The raw log with the threads that a platform has, and nothing between them.
struct RawLog {
    submit: crossbeam_channel::Sender<oneshot::Sender<()>>,
}

/// Callers whose command frame is durable.
type Batch = Vec<oneshot::Sender<()>>;

impl RawLog {
    fn start(dir: &Path) -> RawLog {
        let (log, _) =
            EmbeddedLog::open(&dir.join("raw"), embedded::Options::default()).expect("a log");
        let log: Arc<dyn Log> = Arc::new(log);
        let (submit, submissions) = crossbeam_channel::unbounded::<oneshot::Sender<()>>();
        let (apply, applied) = crossbeam_channel::unbounded::<Batch>();
        let envelope = sample_envelope();
        let to_apply = Arc::clone(&log);
        std::thread::spawn(move || {
            let streams = streams(StreamKind::Commands);
            let mut turn = 0;
            while let Ok(first) = submissions.recv() {
                let mut batch = vec![first];
                batch.extend(submissions.try_iter().take(4_095));
                turn = (turn + 1) % streams.len();
                let frame = Frame::encode(None, vec![envelope.clone(); batch.len()].iter());
                let apply = apply.clone();
                log.append(
                    vec![(streams[turn], frame)],
                    Box::new(move |result| {
                        result.expect("a log that works");
                        let _ = apply.send(batch);
                    }),
                );
            }
        });
        std::thread::spawn(move || {
            let streams = streams(StreamKind::Changes);
            let mut turn = 0;
            while let Ok(first) = applied.recv() {
                let batch: Vec<Batch> = std::iter::once(first).chain(applied.try_iter()).collect();
                let count: usize = batch.iter().map(Vec::len).sum();
                turn = (turn + 1) % streams.len();
                let change = Bytes::from(vec![7; 150 + count * CHANGE_BYTES]);
                to_apply.append(
                    vec![(streams[turn], change)],
                    Box::new(move |result| {
                        result.expect("a log that works");
                        batch.into_iter().flatten().for_each(|caller| {
                            let _ = caller.send(());
                        });
                    }),
                );
            }
        });
        RawLog { submit }
    }

    fn load(&self, runtime: &Runtime, callers: u64, time: Duration) -> Load {
        let submit = self.submit.clone();
        load(runtime, callers, time, move |rng| {
            // What a caller draws for an id.
            rng.next_u64();
            let (sender, receiver) = oneshot::channel();
            let _ = submit.send(sender);
            async move {
                receiver.await.expect("an answer");
            }
        })
    }
}

/// Bytes of a change record per `fund`: the row, and the id with its result.
const CHANGE_BYTES: usize = 220;

fn streams(kind: StreamKind) -> Vec<StreamId> {
    let partition = |index| PartitionId {
        concern: ConcernId(1),
        index,
    };
    (0..4)
        .map(|index| StreamId {
            kind,
            partition: partition(index),
        })
        .collect()
}

/// An envelope of the size that a `fund` has.
fn sample_envelope() -> Envelope {
    let logic = (rpg::platform().logic)(4);
    let fund = Fund {
        to: Ref::new(Uuid::from_u128(1)),
        amount: gold(1_000),
    };
    let origin = Origin {
        id: Client::new_id(),
        schema: logic.schema(),
        caller: &Bytes::new(),
        logic: &*logic,
        key: None,
        expected: None,
    };
    Envelope::submit(codegen::transaction(&fund, origin).expect("a plan"))
}

/// One durable SQLite transaction per call, one caller: what SQLite serialises anyway.
fn sqlite_alone(runtime: &Runtime, dir: &Path, time: Duration) -> f64 {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
    use sqlx::{ConnectOptions, Executor};
    runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new()
            .filename(dir.join("alone.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .connect()
            .await
            .expect("a database");
        connection.execute("CREATE TABLE character (id INTEGER PRIMARY KEY, gold INTEGER NOT NULL)").await.expect("a table");
        connection
            .execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) INSERT INTO character SELECT i, 0 FROM n")
            .await
            .expect("rows");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let start = Instant::now();
        let mut done = 0;
        while start.elapsed() < time {
            sqlx::query("UPDATE character SET gold = gold + 1000 WHERE id = ?")
                .bind(rng.random_range(0..20_000_i64))
                .execute(&mut connection)
                .await
                .expect("an update");
            done += 1;
        }
        rate(done, start.elapsed().as_secs_f64())
    })
}
