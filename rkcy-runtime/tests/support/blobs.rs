//! A platform whose instances are bytes without a meaning, with its data in a directory of its own.
#![allow(dead_code, reason = "each test target uses its part")]

use rkcy_core::logic::{Call, Logic, Row};
use rkcy_core::plan;
use rkcy_core::txn::{Args, Place, Step, Unplanned};
use rkcy_runtime::codegen::{
    Access, Bytes, ColumnType, ConcernDesc, ConcernId, Fault, Key, Migration, Outcome, Partitions,
    Platform, PlatformDesc, Rest, RowKey, SqlValue, TableDesc, Txn, TxnId,
};
use rkcy_runtime::driver::{Client, LogChoice, Options, Running, StoreChoice};
use rkcy_runtime::log::embedded;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const BLOB: ConcernId = ConcernId(1);
/// Answers with the size of the instance.
pub(crate) const SIZE: u16 = 16;
/// Makes the instance as many bytes as the payload says.
pub(crate) const FILL: u16 = 17;
/// What no instance may be; saying so breaks the engine's own thread.
pub(crate) const BREAKS: usize = 300 << 10;

/// Instances are bytes without a meaning, in so many partitions.
struct Blobs(u16);

impl Partitions for Blobs {
    fn partitions(&self, _: ConcernId) -> u16 {
        self.0
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

pub(crate) static DESC: PlatformDesc = PlatformDesc {
    name: "blobs",
    doc: "",
    schema: 1,
    partitions: 1,
    concerns: &[ConcernDesc {
        hidden: false,
        id: BLOB,
        name: "Blob",
        doc: "",
        keys: &[],
        ops: &[],
        key_from_text: |_| Ok(Key::default()),
        key_to_text: |_| String::new(),
        key_from_json: |_| Ok(Key::default()),
        key_to_json: |_| Ok(().into()),
        group: BLOB,
        root: |key| {
            let (concern, key) = (BLOB, key.clone());
            Some(RowKey { concern, key })
        },
        to_json: |_| Ok(().into()),
        service: "BlobService",
        key_from_wire: |_| Ok(Key::default()),
        key_of_instance: |_| Ok(Key::default()),
        table: &TableDesc {
            concern: BLOB,
            name: "blob",
            key_columns: &[ColumnType::Bytes.column("id")],
            value_columns: &[ColumnType::Bytes.column("bytes")],
            lists: &[],
            key: |bytes| Ok(vec![SqlValue::Blob(bytes.to_vec())]),
            to_columns: |bytes| Ok(vec![SqlValue::Blob(bytes.to_vec())]),
            from_columns: |columns| match columns {
                [_, SqlValue::Blob(bytes)] => Ok(bytes.clone()),
                other => panic!("{other:?}"),
            },
        },
    }],
    transactions: &[],
    messages: &[],
    enums: &[],
    configs: &[],
    caller: None,
    openapi: "{}",
    package: "blobs",
    protos: &[],
    sqlite: &[Migration {
        number: 1,
        name: "init",
        up: r#"CREATE TABLE "blob" ("id" BLOB NOT NULL, "bytes" BLOB NOT NULL,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL, PRIMARY KEY ("id")) STRICT, WITHOUT ROWID;"#,
        down: r#"DROP TABLE "blob";"#,
    }],
    postgres: &[],
};

pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) runtime: Runtime,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site::at(tempfile::tempdir().unwrap())
    }

    /// A place whose data is there already.
    pub(crate) fn at(dir: TempDir) -> Site {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Site {
            dir,
            runtime: runtime.worker_threads(1).enable_all().build().unwrap(),
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            log: LogChoice::Embedded(self.log()),
            store: StoreChoice::Sqlite(self.store()),
            ..Options::default()
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("blobs.db")
    }

    pub(crate) fn start(&self) -> Running {
        self.try_start(&self.options(), embedded::Options::default())
            .unwrap()
    }

    pub(crate) fn try_start(
        &self,
        options: &Options,
        log: embedded::Options,
    ) -> Result<Running, Fault> {
        let logic = |partitions| -> Arc<dyn Logic> { Arc::new(Blobs(partitions)) };
        Running::start_on(&Platform { desc: &DESC, logic }, options, log)
    }

    /// Waits; where that takes for ever, the test fails.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let waited = async { tokio::time::timeout(Duration::from_secs(30), what).await };
        self.runtime.block_on(waited).expect("nobody answers")
    }

    pub(crate) fn outcome(&self, client: &Client, txn: Txn) -> Outcome {
        self.wait(client.outcome(txn))
    }

    pub(crate) fn size(&self, client: &Client, key: u64) -> Outcome {
        self.outcome(client, single(client, key, SIZE, 0))
    }
}

pub(crate) fn single(client: &Client, key: u64, op: u16, size: usize) -> Txn {
    single_as(client, Client::new_id(), key, op, size)
}

pub(crate) fn single_as(client: &Client, id: TxnId, key: u64, op: u16, size: usize) -> Txn {
    let args = Bytes::from(size.to_string());
    let (concern, key) = (BLOB, Key::of(&key));
    let row = RowKey { concern, key };
    client
        .single(id, row.clone(), row, op, Access::Exclusive, args)
        .unwrap()
}

/// Sets the size of many instances, in one transaction, where there is one partition.
pub(crate) fn fill_all(keys: std::ops::Range<u64>, size: usize) -> Txn {
    let unplanned = (0..).zip(keys).map(|(number, key)| Unplanned {
        step: Step {
            number,
            place: Place::Root,
            op: FILL,
            args: Args::Ready(size.to_string().into()),
            keep: false,
            sure: true,
            undo: None,
            claims_for: None,
        },
        root: BLOB,
        group: Some(Key::of(&key)),
        access: Access::Exclusive,
        after: Vec::new(),
    });
    let mut txn = Txn {
        unplanned: unplanned.collect(),
        ..Txn::new(Client::new_id(), 0, 1)
    };
    plan::extend(&mut txn, &Blobs(1));
    txn
}

/// Sets the size of an instance.
pub(crate) fn fill(client: &Client, key: u64, size: usize) -> Txn {
    single(client, key, FILL, size)
}

pub(crate) fn is(size: usize) -> Outcome {
    Outcome::Committed(Some(size.to_string().into()))
}
