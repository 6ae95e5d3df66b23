//! The embedded log where the world fails it: broken disks, killed processes, directories that are
//! taken or hold something else. What was acknowledged is always there.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, and a child that answers"
)]

mod support;

use rkcy_runtime::log::embedded::{Disk, EmbeddedLog, Options};
use rkcy_runtime::log::{Log, LogError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use support::{append, changes, commands, crash_image, payloads, scratch, submit};

/// A disk that works so many times and then no more.
struct Failing {
    left: AtomicI64,
    error: io::ErrorKind,
    /// A write that fails has written so many hundredths of its bytes.
    partial: usize,
}

impl Failing {
    fn works(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) > 0
    }
}

impl Disk for Failing {
    fn write(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        if self.works() {
            return file.write_at(bytes, position);
        }
        let written = bytes.len() * self.partial / 100;
        file.write_all_at(&bytes[..written], position)?;
        Err(self.error.into())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.works() {
            file.sync_data()
        } else {
            Err(self.error.into())
        }
    }

    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        if self.works() {
            file.set_len(length)
        } else {
            Err(self.error.into())
        }
    }
}

fn options(disk: Failing) -> Options {
    Options {
        segment_bytes: 4096,
        disk: Arc::new(disk),
        ..Options::default()
    }
}

fn reopen(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(
        dir,
        Options {
            segment_bytes: 4096,
            ..Options::default()
        },
    )
    .unwrap()
    .0
}

#[test]
fn a_disk_that_fails_at_any_moment_loses_nothing_acknowledged() {
    for (error, partial) in [
        (io::ErrorKind::StorageFull, 40),
        (io::ErrorKind::Other, 0),
        (io::ErrorKind::Other, 100),
    ] {
        for works in 0..150 {
            let dir = scratch();
            let disk = Failing {
                left: AtomicI64::new(works),
                error,
                partial,
            };
            let Ok((log, _)) = EmbeddedLog::open(dir.path(), options(disk)) else {
                assert!(works < 10, "the open itself needs few calls");
                drop(reopen(dir.path()));
                continue;
            };
            let mut acknowledged = Vec::new();
            let mut failed = None;
            for number in 0..70_u8 {
                let payload = vec![number + 1; 90];
                match append(&log, &[(commands(0), &payload), (changes(0), &payload)]) {
                    Ok(_) => {
                        assert!(failed.is_none(), "no append succeeds after one that failed");
                        acknowledged.push(payload);
                    }
                    Err(error @ LogError::Io { .. }) => assert!(failed.replace(error).is_none()),
                    Err(LogError::Poisoned { .. }) => assert!(failed.is_some()),
                    Err(other) => panic!("{other}"),
                }
            }
            let failed = failed.expect("the disk has failed");
            let expected = if error == io::ErrorKind::StorageFull {
                "log_disk_full"
            } else {
                "log_io"
            };
            assert_eq!((failed.code(), failed.exit_code()), (expected, 3));
            assert_eq!(
                payloads(&log, commands(0)),
                acknowledged,
                "memory is not ahead of the disk"
            );
            let image = crash_image(dir.path());
            drop(log);
            for dir in [dir.path(), image.path()] {
                let log = reopen(dir);
                let held = payloads(&log, commands(0));
                assert_eq!(held[..acknowledged.len()], acknowledged, "after {works}");
                assert!(held.len() <= acknowledged.len() + 1);
                assert_eq!(payloads(&log, changes(0)), held);
                append(&log, &[(commands(0), b"on")]).unwrap();
                drop(log);
                assert_eq!(payloads(&reopen(dir), commands(0)).len(), held.len() + 1);
            }
        }
    }
}

#[test]
fn all_that_is_queued_fails_with_a_failed_sync() {
    let dir = scratch();
    let disk = Arc::new(Failing {
        left: AtomicI64::new(i64::MAX),
        error: io::ErrorKind::Other,
        partial: 0,
    });
    let options = Options {
        disk: Arc::<Failing>::clone(&disk),
        ..Options::default()
    };
    let (log, _) = EmbeddedLog::open(dir.path(), options).unwrap();
    append(&log, &[(commands(0), b"fine")]).unwrap();
    // One more write, and the sync after it fails.
    disk.left.store(1, Ordering::Relaxed);
    let waiting: Vec<_> = (0..500)
        .map(|_| submit(&log, &[(commands(0), &[1; 50])]))
        .collect();
    assert!(waiting.iter().all(|answer| answer.recv().unwrap().is_err()));
    // The disk works again, but nobody knows what it holds.
    disk.left.store(i64::MAX, Ordering::Relaxed);
    let error = append(&log, &[(commands(0), b"late")]).unwrap_err();
    assert_eq!(error.code(), "log_poisoned");
    assert_eq!(log.bounds(commands(0)).unwrap(), 0..1);
}

#[test]
fn an_append_that_is_too_large_fails_alone() {
    let dir = scratch();
    let log = reopen(dir.path());
    let error = append(&log, &[(commands(0), &[0; 4000])]).unwrap_err();
    assert_eq!(
        (error.code(), error.exit_code()),
        ("log_append_too_large", 2)
    );
    assert_eq!(append(&log, &[(commands(0), b"x")]).unwrap(), [0]);
    // The largest that is allowed fits, wherever the segment stands.
    for bytes in [1000, 2000, 2031, 100, 2031, 2031] {
        append(&log, &[(commands(0), &vec![1; bytes])]).unwrap();
    }
    drop(log);
    assert_eq!(payloads(&reopen(dir.path()), commands(0)).len(), 7);
}

#[test]
fn an_append_from_a_callback_does_not_wait() {
    let dir = scratch();
    let tiny = Options {
        queue_bytes: 1,
        ..Options::default()
    };
    let log = Arc::new(EmbeddedLog::open(dir.path(), tiny).unwrap().0);
    let (sender, receiver) = std::sync::mpsc::channel();
    let again = Arc::clone(&log);
    let first = vec![(commands(0), bytes::Bytes::from_static(b"first"))];
    log.append(
        first.clone(),
        Box::new(move |_| {
            for _ in 0..3 {
                let sender = sender.clone();
                again.append(
                    first.clone(),
                    Box::new(move |result| drop(sender.send(result))),
                );
            }
        }),
    );
    let offsets: Vec<_> = receiver.iter().map(|result| result.unwrap()[0]).collect();
    assert_eq!(offsets, [1, 2, 3]);
}

#[test]
fn a_second_opener_hears_who_has_the_log() {
    let dir = scratch();
    let first = reopen(dir.path());
    match EmbeddedLog::open(dir.path(), Options::default()) {
        Err(error @ LogError::Locked { pid: Some(pid), .. }) => {
            assert_eq!(pid, std::process::id());
            assert!(error.remedy().contains(&pid.to_string()));
            assert_eq!((error.code(), error.exit_code()), ("log_in_use", 3));
        }
        other => panic!("{other:?}"),
    }
    // Removing the file that names the process does not let a second one in.
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let error = EmbeddedLog::open(dir.path(), Options::default()).unwrap_err();
    assert_eq!(error.code(), "log_in_use");
    drop(first);
    drop(reopen(dir.path()));
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_alone() {
    let dir = scratch();
    std::fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let error = EmbeddedLog::open(dir.path(), Options::default()).unwrap_err();
    assert_eq!(
        (error.code(), error.exit_code()),
        ("log_foreign_directory", 2)
    );
    assert!(error.to_string().contains("thesis.tex"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let file = dir.path().join("thesis.tex");
    let error = EmbeddedLog::open(&file, Options::default()).unwrap_err();
    assert!(error.to_string().contains("thesis.tex"), "{error}");
}

#[test]
fn a_log_of_another_format_is_refused() {
    let dir = scratch();
    drop(reopen(dir.path()));
    let path = dir.path().join("format");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("format 1", "format 2")).unwrap();
    match EmbeddedLog::open(dir.path(), Options::default()) {
        Err(LogError::Format {
            file,
            found: 2,
            known: 1,
        }) => assert_eq!(file, path),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_an_error() {
    let error = EmbeddedLog::open(Path::new("/proc/rkcy-log"), Options::default()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("/proc/rkcy-log"), "{error}");
}

/// What the process does that the next test kills.
fn append_for_ever(dir: &str) {
    let log = Arc::new(reopen(Path::new(dir)));
    let round: u8 = std::env::var("RKCY_TEST_ROUND").unwrap().parse().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u16 {
            let log = &log;
            scope.spawn(move || {
                loop {
                    let mut waiting = Vec::new();
                    for _ in 0..8 {
                        waiting.push(submit(
                            &**log,
                            &[
                                (commands(thread), &[round; 60]),
                                (changes(thread), &[round; 20]),
                            ],
                        ));
                    }
                    for answer in waiting {
                        let offset = answer.recv().unwrap().unwrap()[0];
                        println!("acknowledged {thread} {offset}");
                        io::stdout().flush().unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    // This program runs itself as the process to kill.
    if let Ok(dir) = std::env::var("RKCY_TEST_DIRECTORY") {
        return append_for_ever(&dir);
    }
    let dir = scratch();
    let mut ends = [0_u64; 4];
    for round in 1..=12_u8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_killed_process_loses_nothing_acknowledged",
                "--nocapture",
            ])
            .env("RKCY_TEST_DIRECTORY", dir.path())
            .env("RKCY_TEST_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines {
            let line = line.unwrap();
            let mut words = line
                .split_whitespace()
                .skip_while(|word| *word != "acknowledged")
                .skip(1);
            // The last line may be cut short by the kill.
            let (Some(thread), Some(offset)) = (words.next(), words.next()) else {
                continue;
            };
            let (thread, offset): (usize, u64) = (thread.parse().unwrap(), offset.parse().unwrap());
            ends[thread] = ends[thread].max(offset + 1);
            heard += 1;
            if heard == 100 * usize::from(round) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= 100, "the child worked");
        let log = reopen(dir.path());
        for (thread, end) in (0..).zip(&mut ends) {
            let held = log.bounds(commands(thread)).unwrap();
            assert!(
                held.end >= *end,
                "round {round}: {held:?}, {end} acknowledged"
            );
            assert_eq!(log.bounds(changes(thread)).unwrap(), held, "both or none");
            assert_eq!(payloads(&log, commands(thread)).len() as u64, held.end);
            *end = held.end;
        }
    }
}
