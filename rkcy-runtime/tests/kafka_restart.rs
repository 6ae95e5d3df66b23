//! A broker that is killed and comes back: who reads from it goes on. The broker is this test's own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_core::id::ConcernId;
use rkcy_runtime::log::kafka::{Admin, KafkaLog, Platform, Settings};
use rkcy_runtime::log::{Log, StreamId};
use std::time::{Duration, Instant};
use support::servers::Own;
use support::{changes, commands, submit};

/// So many clients of the platform, since each has its luck with what the broker says first.
const LOGS: usize = 10;

/// A broker that was stopped for so long is not counted as alive at first when it goes on.
const FENCED: Duration = Duration::from_secs(5);

/// A broker that has just begun, or was away for longer than its session, may say for a moment that there are topics
/// without leaders, and no brokers at all: also to who asks for the first time then.
#[test]
fn who_reads_and_writes_goes_on_once_the_broker_is_back() {
    let own = Own::start("kafka");
    let platform = Platform {
        name: "restart".to_owned(),
        env: "test".to_owned(),
        generation: 1,
        concerns: vec![(ConcernId(1), "thing".to_owned())],
        partitions: 4,
        answers: 2,
    };
    let settings = Settings::new(own.variable("RKCY_LOG").strip_prefix("kafka:").unwrap());
    Admin::connect(&settings)
        .unwrap()
        .create(&platform)
        .unwrap();
    let logs: Vec<KafkaLog> = (0..LOGS)
        .map(|_| KafkaLog::open(&settings, &platform).unwrap())
        .collect();
    for round in 0..4 {
        if round % 2 == 0 {
            own.signal("kafka-1", "KILL");
        } else {
            own.signal("kafka-1", "STOP");
            std::thread::sleep(FENCED);
            own.signal("kafka-1", "CONT");
        }
        let until = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            for (nth, log) in logs.iter().enumerate() {
                // Asked while it comes back, as by workers that look after their partitions.
                scope.spawn(move || {
                    for index in 0..4 {
                        learn(
                            log,
                            changes(index),
                            until,
                            &format!("round {round}, log {nth}"),
                        );
                    }
                    let batch = [(commands(0), b"on".as_slice())];
                    let done = submit(log, &batch).recv_timeout(Duration::from_secs(60));
                    assert!(
                        matches!(done, Ok(Ok(_))),
                        "round {round}, log {nth}: {done:?}"
                    );
                });
            }
            own.start_again("kafka");
        });
    }
}

fn learn(log: &KafkaLog, stream: StreamId, until: Instant, who: &str) {
    loop {
        match log.bounds(stream) {
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < until, "{who}: {stream}: {error}"),
        }
    }
}
