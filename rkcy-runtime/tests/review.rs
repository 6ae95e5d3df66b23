//! A whole platform at its bounds: nobody waits for ever, and nothing is too large for the log.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_runtime::codegen::{Access, Answer, Args, Bytes, Key, Outcome};
use rkcy_runtime::driver::Client;
use std::time::Duration;
use support::blobs::{BLOB, BREAKS, FILL, Place, SIZE, is, single};

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
