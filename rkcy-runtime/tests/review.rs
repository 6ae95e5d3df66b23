//! A whole platform at its bounds: nobody waits for ever, and nothing is too large for the log.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use rkcy_core::logic::{Call, Logic, Row};
use rkcy_runtime::codegen::{
    Access, Answer, Args, Bytes, ConcernDesc, ConcernId, Fault, Key, Migration, Outcome,
    Partitions, Platform, PlatformDesc, SqlValue, TableDesc, Txn,
};
use rkcy_runtime::driver::{Client, Options, Running};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const BLOB: ConcernId = ConcernId(1);
/// Answers with the size of the instance.
const SIZE: u16 = 16;
/// Makes the instance as many bytes as the payload says.
const FILL: u16 = 17;
/// What no instance may be; saying so breaks the engine's own thread.
const BREAKS: usize = 300 << 10;

/// Instances are bytes without a meaning.
struct Blobs;

impl Partitions for Blobs {
    fn partitions(&self, _: ConcernId) -> u16 {
        1
    }
}

impl Logic for Blobs {
    fn schema(&self) -> u64 {
        1
    }
    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        if call.op == FILL {
            let size = std::str::from_utf8(call.args).unwrap().parse().unwrap();
            row.set(Some(vec![1; size].into()));
        }
        let size = row.value().map_or(0, Bytes::len);
        Ok(size.to_string().into())
    }
    fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
        Ok(Rest::default())
    }
    fn concern_name(&self, _: ConcernId) -> &str {
        panic!("a bug in the engine, for this test")
    }
}

static DESC: PlatformDesc = PlatformDesc {
    name: "blobs",
    doc: "",
    schema: 1,
    partitions: 1,
    concerns: &[ConcernDesc {
        id: BLOB,
        name: "Blob",
        doc: "",
        ops: &[],
        key_from_text: |_| Ok(Key::default()),
        key_to_text: |_| String::new(),
        to_json: |_| Ok(().into()),
        table: &TableDesc {
            concern: BLOB,
            name: "blob",
            key_columns: &["id"],
            value_columns: &["bytes"],
            key: |bytes| Ok(vec![SqlValue::Blob(bytes.to_vec())]),
            to_columns: |bytes| Ok(vec![SqlValue::Blob(bytes.to_vec())]),
            from_columns: |columns| match columns {
                [_, SqlValue::Blob(bytes)] => Ok(bytes.clone()),
                other => panic!("{other:?}"),
            },
        },
    }],
    transactions: &[],
    sqlite: &[Migration {
        number: 1,
        name: "init",
        up: r#"CREATE TABLE "blob" ("id" BLOB NOT NULL, "bytes" BLOB NOT NULL,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL, "_rkcy_referrers" INTEGER NOT NULL DEFAULT 0,
            "_rkcy_tokens" BLOB, "_rkcy_holds" BLOB, PRIMARY KEY ("id")) STRICT, WITHOUT ROWID;"#,
        down: r#"DROP TABLE "blob";"#,
    }],
    postgres: &[],
};

struct Place {
    dir: TempDir,
    runtime: Runtime,
}

impl Place {
    fn new() -> Place {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Place {
            dir: tempfile::tempdir().unwrap(),
            runtime: runtime.worker_threads(1).enable_all().build().unwrap(),
        }
    }

    fn start(&self) -> Running {
        let options = Options {
            log: self.dir.path().join("log"),
            store: self.dir.path().join("blobs.db"),
            ..Options::default()
        };
        let logic = |_| -> Arc<dyn Logic> { Arc::new(Blobs) };
        Running::start(&Platform { desc: &DESC, logic }, &options).unwrap()
    }

    /// Waits; where that takes for ever, the test fails.
    fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let waited = async { tokio::time::timeout(Duration::from_secs(30), what).await };
        self.runtime.block_on(waited).expect("nobody answers")
    }

    fn outcome(&self, client: &Client, txn: Txn) -> Outcome {
        self.wait(client.outcome(txn))
    }

    fn size(&self, client: &Client, key: u64) -> Outcome {
        self.outcome(client, single(client, key, SIZE, 0))
    }
}

fn single(client: &Client, key: u64, op: u16, size: usize) -> Txn {
    let args = Bytes::from(size.to_string());
    let (concern, key) = (BLOB, Key::of(&key));
    let row = RowKey { concern, key };
    client
        .single(Client::new_id(), row.clone(), row, op, Access::Exclusive, args)
        .unwrap()
}

fn is(size: usize) -> Outcome {
    Outcome::Committed(Some(size.to_string().into()))
}

/// Forty thousand kilobytes out of a few commands: more than the log takes in one append.
#[test]
fn changes_that_are_too_large_for_one_append_are_written() {
    let place = Place::new();
    let running = place.start();
    let client = running.client();
    let mut draft = client.draft(Client::new_id(), 0);
    let size = 200 << 10;
    for key in 0..200_u64 {
        draft.step(rkcy_runtime::codegen::Spec {
            concern: BLOB,
            key: Some(Key::of(&key)),
            op: FILL,
            access: Access::Exclusive,
            args: Args::Ready(size.to_string().into()),
            keep: false,
            after: Vec::new(),
        });
    }
    draft.answer(Answer::Empty);
    let txn = client.finish(draft).unwrap();
    assert_eq!(
        place.outcome(&client, txn),
        Outcome::Committed(Some(Bytes::new()))
    );
    running.stop().unwrap();
    let running = place.start();
    assert_eq!(place.size(&running.client(), 199), is(size));
    running.stop().unwrap();
}

/// A thread of the engine that panics ends the platform: who waits hears of it, and who comes after.
#[test]
fn after_a_failure_every_caller_is_answered() {
    let place = Place::new();
    let running = place.start();
    let client = running.client();
    for _ in 0..2 {
        let broken = place.outcome(&client, single(&client, 1, FILL, BREAKS));
        assert!(matches!(broken, Outcome::NotTaken(_)), "{broken:?}");
    }
    assert_eq!(place.wait(running.failed()).code, "internal_error");
    running.stop().unwrap_err();
    let late = place.size(&client, 1);
    assert!(matches!(late, Outcome::NotTaken(_)), "{late:?}");
}

/// Clients that outlive their platform keep nobody waiting, and do not keep its files.
#[test]
fn who_calls_while_it_stops_is_answered() {
    let place = Place::new();
    let running = place.start();
    let client = running.client();
    let caller = client.clone();
    let calls = place.runtime.spawn(async move {
        let mut answers = Vec::new();
        loop {
            let outcome = caller.outcome(single(&caller, 1, SIZE, 0)).await;
            let goes_on = matches!(outcome, Outcome::Committed(_));
            answers.push(outcome);
            if !goes_on {
                return answers.len();
            }
        }
    });
    std::thread::sleep(Duration::from_millis(200));
    running.stop().unwrap();
    let answered = place.wait(calls).unwrap();
    assert!(answered > 1);
    let late = place.size(&client, 1);
    assert!(matches!(late, Outcome::NotTaken(_)), "{late:?}");
    let running = place.start();
    assert_eq!(place.size(&running.client(), 1), is(0));
    running.stop().unwrap();
}

/// What does not fit the log at all was not written, and the caller hears just that.
#[test]
fn a_submission_that_no_log_takes_is_not_taken() {
    let place = Place::new();
    let running = place.start();
    let client = running.client();
    for size in [1 << 20, 40 << 20] {
        let mut txn = single(&client, 1, SIZE, 0);
        txn.params = vec![0; size].into();
        let Outcome::NotTaken(fault) = place.outcome(&client, txn) else {
            panic!("it was taken");
        };
        assert_eq!(fault.code, "transaction_too_large");
    }
    assert_eq!(place.size(&client, 1), is(0));
    running.stop().unwrap();
}
