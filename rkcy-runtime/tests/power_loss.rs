//! A power loss where the log was told not to sync each append: what was not synced is gone, and the
//! database, which syncs, is not ahead of what is left.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_runtime::codegen::Outcome;
use rkcy_runtime::driver::Options;
use rkcy_runtime::log::Log;
use rkcy_runtime::log::embedded::{self, Fsync};
use std::sync::Arc;
use std::time::Duration;
use support::blobs::{Site, fill, is};
use support::power::Power;

/// No sync comes by itself in the time of a test.
const NEVER: Duration = Duration::from_secs(3_600);

fn on(disk: &Arc<Power>) -> embedded::Options {
    embedded::Options {
        disk: disk.clone(),
        ..embedded::Options::default()
    }
}

/// Each size is written after the one before, so what is left says how far one had come.
#[test]
fn the_database_is_not_ahead_of_the_log() {
    for fsync in [Fsync::Interval(NEVER), Fsync::Os] {
        let place = Site::new();
        let disk = Arc::<Power>::default();
        let options = Options {
            fsync,
            ..place.options()
        };
        let running = place.try_start(&options, on(&disk)).unwrap();
        disk.watch(place.dir.path());
        let client = running.client();
        let (mut size, begun) = (0, disk.syncs());
        // Storage and what follows it have the log synced again and again.
        while disk.syncs() < begun + 8 {
            size += 1;
            let outcome = place.outcome(&client, fill(&client, 1, size));
            assert_eq!(outcome, is(size));
        }
        let images = disk.images();
        running.stop().unwrap();
        assert!(images.len() >= 8);
        let mut most = 0;
        for image in images {
            let place = Site::at(image);
            let options = Options {
                fsync,
                ..place.options()
            };
            let running = place.try_start(&options, embedded::Options::default());
            let running = running.unwrap();
            let client = running.client();
            let Outcome::Committed(Some(left)) = place.size(&client, 1) else {
                panic!("it cannot be read");
            };
            let left = std::str::from_utf8(&left).unwrap().parse().unwrap();
            assert!((most..=size).contains(&left), "{left} after {most}");
            most = left;
            running.stop().unwrap();
        }
        assert!(most > 0);
    }
}

/// One sync for a round of all partitions, none where each append is synced anyway.
#[test]
fn who_asks_together_shares_a_sync() {
    for (fsync, most) in [(Fsync::Always, 0), (Fsync::Os, 2)] {
        let dir = support::scratch();
        let disk = Arc::<Power>::default();
        let options = embedded::Options { fsync, ..on(&disk) };
        let (log, _) = embedded::EmbeddedLog::open(dir.path(), options).unwrap();
        support::append(&log, &[(support::commands(0), b"a")]).unwrap();
        let (before, (sender, receiver)) = (disk.syncs(), std::sync::mpsc::channel());
        for _ in 0..100 {
            let sender = sender.clone();
            log.persist(Box::new(move |result| sender.send(result).unwrap()));
        }
        for _ in 0..100 {
            receiver.recv().unwrap().unwrap();
        }
        assert!(disk.syncs() - before <= most);
    }
}
