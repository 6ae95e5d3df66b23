//! A whole platform at its bounds: nobody waits for ever, and nothing is too large for the log.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_core::key::{RowKey, partition_of};
use rkcy_runtime::codegen::{Bytes, Key, Outcome};
use rkcy_runtime::driver::Options;
use rkcy_runtime::log::embedded;
use rkcy_runtime::store::Store;
use rkcy_runtime::store::sqlite::SqliteStore;
use std::sync::Arc;
use support::blobs::{BLOB, BREAKS, DESC, FILL, SIZE, Site, fill, fill_all, is, single};
use tokio::sync::Notify;

/// Forty thousand kilobytes out of a few commands: more than the log takes in one append.
#[test]
fn changes_that_are_too_large_for_one_append_are_written() {
    let place = Site::new();
    let running = place.start();
    let client = running.client();
    let size = 200 << 10;
    let txn = fill_all(0..200, size);
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
    let place = Site::new();
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
    let place = Site::new();
    let running = place.start();
    let client = running.client();
    let caller = client.clone();
    let called = Arc::new(Notify::new());
    let first = called.clone();
    let calls = place.runtime.spawn(async move {
        let mut answers = Vec::new();
        loop {
            let outcome = caller.outcome(single(&caller, 1, SIZE, 0)).await;
            let goes_on = matches!(outcome, Outcome::Committed(_));
            answers.push(outcome);
            first.notify_one();
            if !goes_on {
                return answers.len();
            }
        }
    });
    place.wait(called.notified());
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
    let place = Site::new();
    let running = place.start();
    let client = running.client();
    for size in [1 << 20, 64 << 20] {
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

/// Who drops a platform gets its directory back, and its callers are answered.
#[test]
fn a_platform_that_is_dropped_gives_up_its_threads_and_files() {
    let place = Site::new();
    for size in 1..20 {
        let running = place.start();
        let client = running.client();
        assert_eq!(place.outcome(&client, fill(&client, 1, size)), is(size));
        let late = client.clone();
        let waits = place.runtime.spawn(async move {
            loop {
                let outcome = late.outcome(single(&late, 1, SIZE, 0)).await;
                if !matches!(outcome, Outcome::Committed(_)) {
                    return outcome;
                }
            }
        });
        drop(running);
        assert!(matches!(place.wait(waits).unwrap(), Outcome::NotTaken(_)));
        let running = place.start();
        assert_eq!(place.size(&running.client(), 1), is(size));
        // Also where one must not block.
        place.runtime.block_on(async move { drop(running) });
    }
}

/// One worker thread is broken; what the other has done is in the database all the same.
#[test]
fn a_stop_drains_what_has_not_failed() {
    let place = Site::new();
    let options = Options {
        partitions: Some(2),
        threads: 2,
        ..place.options()
    };
    let running = place
        .try_start(&options, embedded::Options::default())
        .unwrap();
    let client = running.client();
    let key_in = |index| {
        let here = |key: &u64| partition_of(BLOB, &Key::of(key), 2).index == index;
        (0..).find(here).unwrap()
    };
    assert_eq!(place.outcome(&client, fill(&client, key_in(1), 5)), is(5));
    place.outcome(&client, fill(&client, key_in(0), BREAKS));
    assert_eq!(running.stop().unwrap_err().code, "internal_error");
    let stored = place.wait(async {
        let tables = DESC.concerns.iter().map(|concern| concern.table);
        let store = SqliteStore::open(&place.store(), tables).await.unwrap();
        let row = RowKey {
            concern: BLOB,
            key: Key::of(&key_in(1)),
        };
        let partition = partition_of(BLOB, &row.key, 2);
        store.load(partition, vec![row]).await.unwrap().rows
    });
    assert_eq!(stored[0].1.value.as_ref().map(Bytes::len), Some(5));
}
