//! A running platform whose machine's clock is wrong, or was.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_runtime::codegen::{Fault, Outcome, TxnId};
use rkcy_runtime::driver::{Client, Options, Running};
use rkcy_runtime::log::{Clock, embedded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::blobs::{FILL, Site, is, single_as};
use support::{append, commands, read_all};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// When a test begins.
const T: u64 = 1_700_000_000_000;

/// A clock that a test sets.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn new() -> Hand {
        Hand(Arc::new(AtomicU64::new(T)))
    }

    fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let time = self.0.clone();
        Arc::new(move || time.load(Ordering::Relaxed))
    }

    fn start(&self, place: &Site, accept_clock: bool) -> Result<Running, Fault> {
        let options = Options {
            accept_clock,
            ..place.options()
        };
        let log = embedded::Options {
            clock: self.clock(),
            ..embedded::Options::default()
        };
        place.try_start(&options, log)
    }

    /// Sets the size of the instance, with an id of now, or of another time.
    fn fill(&self, place: &Site, client: &Client, size: usize, stamp: Option<u64>) -> Outcome {
        let stamp = stamp.unwrap_or_else(|| self.0.load(Ordering::Relaxed));
        let id = TxnId::from_parts(stamp, size as u128);
        place.outcome(client, single_as(client, id, 1, FILL, size))
    }
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::NotTaken(fault) => &fault.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_log_stamps_with_the_clock_as_it_is() {
    let (dir, hand) = (support::scratch(), Hand::new());
    let options = embedded::Options {
        clock: hand.clock(),
        ..embedded::Options::default()
    };
    for round in 0..2 {
        let (log, _) = embedded::EmbeddedLog::open(dir.path(), options.clone()).unwrap();
        for step in [DAY, 0, HOUR] {
            hand.set(T + step);
            append(&log, &[(commands(0), b"x")]).unwrap();
        }
        let records = read_all(&log, commands(0), 1 << 20).unwrap();
        let stamps: Vec<u64> = records.iter().map(|record| record.stamp - T).collect();
        assert_eq!(stamps, [DAY, 0, HOUR].repeat(round + 1));
        drop(log);
    }
}

/// A step that is smaller than the window is not noticed; after a larger one callers hear at once that
/// they are not taken, and are taken again when the clock has caught up, or after an accepted clock.
#[test]
fn a_clock_that_steps_back_stops_nobody() {
    let (place, hand) = (Site::new(), Hand::new());
    hand.set(T + HOUR);
    let running = hand.start(&place, false).unwrap();
    let client = running.client();
    assert_eq!(hand.fill(&place, &client, 1, None), is(1));
    hand.set(T + HOUR - 30_000);
    assert_eq!(hand.fill(&place, &client, 2, None), is(2));
    hand.set(T);
    assert_eq!(code(&hand.fill(&place, &client, 3, None)), "too_old");
    // What had run is told as it was.
    assert_eq!(hand.fill(&place, &client, 1, Some(T + HOUR)), is(1));
    hand.set(T + HOUR + 1);
    assert_eq!(hand.fill(&place, &client, 4, None), is(4));
    assert_eq!(running.failure(), None);
    running.stop().unwrap();
}

#[test]
fn a_clock_that_was_a_day_ahead_refuses_the_start_until_it_is_accepted() {
    let (place, hand) = (Site::new(), Hand::new());
    let running = hand.start(&place, false).unwrap();
    assert_eq!(hand.fill(&place, &running.client(), 1, None), is(1));
    hand.set(T + DAY);
    assert_eq!(hand.fill(&place, &running.client(), 2, None), is(2));
    running.stop().unwrap();

    hand.set(T + 5_000);
    for _ in 0..2 {
        let fault = hand.start(&place, false).unwrap_err();
        assert_eq!(fault.code, "clock_ahead");
        for needle in [
            "partition 1/0",
            "23 h 59 min",
            "--accept-clock",
            "set it and start again",
        ] {
            assert!(fault.message.contains(needle), "{}", fault.message);
        }
    }
    let running = hand.start(&place, true).unwrap();
    let client = running.client();
    assert_eq!(code(&hand.fill(&place, &client, 1, Some(T))), "too_old");
    // It is remembered, and is not run again.
    assert_eq!(hand.fill(&place, &client, 2, Some(T + DAY)), is(2));
    hand.set(T + 6_000);
    assert_eq!(hand.fill(&place, &client, 3, None), is(3));
    running.stop().unwrap();

    let running = hand.start(&place, false).unwrap();
    assert_eq!(hand.fill(&place, &running.client(), 4, None), is(4));
    running.stop().unwrap();
}
