//! The embedded log after crashes and damage: a cut-short end is dropped and said, anything else
//! stops the open with file and position, and nothing is ever skipped or changed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_runtime::log::embedded::{EmbeddedLog, Fsync, Options, Recovered};
use rkcy_runtime::log::{Log, LogError};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use support::{append, changes, commands, crash_image, payloads, scratch};
use tempfile::TempDir;

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        ..Options::default()
    }
}

fn open(dir: &Path) -> Result<(EmbeddedLog, Option<Recovered>), LogError> {
    EmbeddedLog::open(dir, options())
}

/// What the log of [`write_some`] holds: for each append its record in both streams.
fn expected(count: u8) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| vec![number + 1; 40 + usize::from(number)])
        .collect()
}

fn write_some(log: &EmbeddedLog, count: u8) {
    for payload in expected(count) {
        append(log, &[(commands(0), &payload), (changes(0), &payload)]).unwrap();
    }
}

/// The segments, oldest first.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    found.sort();
    found
}

/// A log of several segments as a crash would leave it, and its used length in the last segment.
fn crashed(count: u8) -> (TempDir, usize) {
    let dir = scratch();
    let (log, _) = open(dir.path()).unwrap();
    write_some(&log, count);
    let image = crash_image(dir.path());
    let bytes = std::fs::read(segments(image.path()).last().unwrap()).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (image, used)
}

/// Opens and checks that both streams hold the same prefix of what was written; its length.
fn opened_prefix(dir: &Path, count: u8) -> Result<(usize, Option<Recovered>), LogError> {
    let (log, dropped) = open(dir)?;
    let held = payloads(&log, commands(0));
    assert_eq!(held, expected(count)[..held.len()]);
    assert_eq!(
        payloads(&log, changes(0)),
        held,
        "an append is there as a whole or not at all"
    );
    // And the log goes on.
    let next = append(&log, &[(commands(0), b"next"), (changes(0), b"next")]).unwrap();
    assert_eq!(next, [held.len() as u64; 2]);
    drop(log);
    let (log, again) = open(dir).unwrap();
    assert_eq!(again, None, "said once");
    assert_eq!(payloads(&log, commands(0)).len(), held.len() + 1);
    Ok((held.len(), dropped))
}

#[test]
fn a_file_cut_anywhere_in_its_last_blocks_keeps_what_is_whole() {
    const COUNT: u8 = 34;
    let (image, used) = crashed(COUNT);
    let mut whole = usize::from(COUNT);
    for cut in (used - 300..used).rev() {
        let copy = crash_image(image.path());
        let last = segments(copy.path()).pop().unwrap();
        OpenOptions::new()
            .write(true)
            .open(&last)
            .unwrap()
            .set_len(cut as u64)
            .unwrap();
        let (kept, dropped) = opened_prefix(copy.path(), COUNT).unwrap();
        assert!(
            kept == whole || kept + 1 == whole,
            "cut at {cut}: {kept} kept, {whole} before"
        );
        whole = kept;
        if let Some(dropped) = dropped {
            assert_eq!(dropped.file, last);
            // Zeros at the end are not counted: nobody can tell whether they were written.
            let end = dropped.position + dropped.dropped_bytes;
            assert!(end <= cut as u64 && end + 32 > cut as u64);
        }
    }
    assert!(
        whole <= usize::from(COUNT) - 2,
        "the range covers the last blocks"
    );
}

#[test]
fn zeros_from_anywhere_in_the_last_block_on_drop_only_that_block() {
    const COUNT: u8 = 34;
    let (image, used) = crashed(COUNT);
    for cut in used - 100..used {
        let copy = crash_image(image.path());
        let last = segments(copy.path()).pop().unwrap();
        let file = OpenOptions::new().write(true).open(&last).unwrap();
        file.set_len(cut as u64).unwrap();
        file.set_len(4096).unwrap();
        let (kept, dropped) = opened_prefix(copy.path(), COUNT).unwrap();
        assert_eq!(kept, usize::from(COUNT) - 1);
        assert_eq!(dropped.unwrap().file, last);
    }
}

/// Flips bytes of every file and holds what the open says against what must be there.
fn flip_every_byte(image: &Path, count: u8, may_drop: usize) {
    for path in segments(image).into_iter().chain([image.join("format")]) {
        let bytes = std::fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // Behind the end a few places stand for all.
        let places = (0..used).chain((used..bytes.len()).step_by(97));
        for place in places {
            let copy = crash_image(image);
            let file = copy.path().join(path.file_name().unwrap());
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            std::fs::write(&file, flipped).unwrap();
            match opened_prefix(copy.path(), count) {
                Ok((kept, dropped)) => {
                    let dropped =
                        dropped.unwrap_or_else(|| panic!("{}:{place} not noticed", path.display()));
                    assert_eq!(dropped.file, file);
                    assert!(
                        kept + may_drop >= usize::from(count),
                        "{place}: kept {kept}"
                    );
                    let is_behind = place >= used;
                    assert!(!is_behind || kept == usize::from(count));
                }
                Err(LogError::Damaged {
                    file: named,
                    position,
                    ..
                }) => {
                    assert_eq!(named, file, "flipped at {place}");
                    assert!(
                        position <= place as u64,
                        "flipped at {place}, said {position}"
                    );
                }
                Err(LogError::Format { .. }) => assert!(path.ends_with("format")),
                Err(other) => panic!("{}:{place}: {other}", path.display()),
            }
        }
    }
}

#[test]
fn a_flipped_byte_is_always_noticed_after_a_crash() {
    let (image, _) = crashed(24);
    assert!(segments(image.path()).len() >= 2);
    flip_every_byte(image.path(), 24, 1);
}

#[test]
fn a_flipped_byte_is_always_noticed_after_an_orderly_close() {
    let dir = scratch();
    let (log, _) = open(dir.path()).unwrap();
    write_some(&log, 24);
    drop(log);
    flip_every_byte(dir.path(), 24, 0);
}

#[test]
fn a_missing_segment_is_noticed() {
    let (image, _) = crashed(60);
    let files = segments(image.path());
    assert!(files.len() >= 3);
    for gone in &files {
        let copy = crash_image(image.path());
        let path = copy.path().join(gone.file_name().unwrap());
        std::fs::remove_file(&path).unwrap();
        match open(copy.path()) {
            Err(LogError::Missing { file, .. }) => assert_eq!(file, path),
            other => panic!("{other:?}"),
        }
    }
    for gone in segments(image.path()) {
        std::fs::remove_file(gone).unwrap();
    }
    assert!(matches!(open(image.path()), Err(LogError::Missing { .. })));
}

#[test]
fn a_segment_of_another_log_is_noticed() {
    let (image, _) = crashed(24);
    let (other, _) = crashed(24);
    let name = segments(image.path())[0].file_name().unwrap().to_owned();
    std::fs::copy(other.path().join(&name), image.path().join(&name)).unwrap();
    assert!(matches!(
        open(image.path()),
        Err(LogError::Damaged { position: 0, .. })
    ));
}

/// Three blocks of two sectors and more in one segment; the second has a sector that never reached
/// the disk, as after a power loss.
fn with_a_hole(fsync: Fsync) -> (TempDir, PathBuf) {
    let dir = scratch();
    let options = Options {
        fsync,
        segment_bytes: 1 << 16,
        ..Options::default()
    };
    let (log, _) = EmbeddedLog::open(dir.path(), options).unwrap();
    for number in 1..=3 {
        append(&log, &[(commands(0), &[number; 3000])]).unwrap();
    }
    let image = crash_image(dir.path());
    let path = segments(image.path()).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes
        .windows(100)
        .position(|window| window == [2; 100])
        .unwrap();
    let sector = second.next_multiple_of(512);
    bytes[sector..sector + 512].fill(0);
    std::fs::write(&path, bytes).unwrap();
    (image, path)
}

#[test]
fn a_hole_in_what_was_never_synced_ends_the_log_there() {
    let (image, path) = with_a_hole(Fsync::Os);
    let (log, dropped) = EmbeddedLog::open(image.path(), Options::default()).unwrap();
    assert_eq!(payloads(&log, commands(0)), [vec![1; 3000]]);
    let dropped = dropped.unwrap();
    assert_eq!(dropped.file, path);
    assert!(dropped.dropped_bytes > 6000, "the hole and what follows");
}

#[test]
fn a_hole_in_what_was_synced_is_damage() {
    let (image, path) = with_a_hole(Fsync::Always);
    let error = EmbeddedLog::open(image.path(), Options::default()).unwrap_err();
    assert_eq!(error.code(), "log_damaged");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
}

#[test]
fn damage_that_comes_after_the_start_is_noticed_by_a_cold_read() {
    let dir = scratch();
    let (log, _) = EmbeddedLog::open(
        dir.path(),
        Options {
            memory_bytes: 0,
            ..options()
        },
    )
    .unwrap();
    write_some(&log, 60);
    let first = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[1000] ^= 4;
    std::fs::write(&first, bytes).unwrap();
    match log.read(commands(0), 0, usize::MAX) {
        Err(LogError::Damaged { file, position, .. }) => {
            assert_eq!(file, first);
            assert!((900..=1000).contains(&position));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn segments_that_nothing_needs_are_removed() {
    let dir = scratch();
    let (log, _) = open(dir.path()).unwrap();
    append(&log, &[(commands(7), b"idle, and needed for ever")]).unwrap();
    write_some(&log, 100);
    let before = segments(dir.path());
    assert!(before.len() > 4);
    log.trim(commands(0), 90).unwrap();
    append(&log, &[(commands(1), b"x")]).unwrap();
    assert_eq!(
        segments(dir.path()).len(),
        before.len(),
        "the changelog still needs them"
    );
    log.trim(changes(0), 95).unwrap();
    append(&log, &[(commands(1), b"x")]).unwrap();
    // The segments are removed behind the acknowledgement: closing waits for it.
    drop(log);
    let after = segments(dir.path());
    assert!(after.len() < before.len() / 2, "{after:?}");
    assert_eq!(after[0], before[0], "it holds the idle partition's record");
    for round in 0..2 {
        let (log, dropped) = open(dir.path()).unwrap();
        assert_eq!(dropped, None);
        assert_eq!(log.bounds(commands(0)).unwrap(), 90..100);
        assert_eq!(payloads(&log, commands(0)), expected(100)[90..]);
        assert_eq!(payloads(&log, changes(0)), expected(100)[95..]);
        assert_eq!(payloads(&log, commands(7)).len(), 1);
        append(&log, &[(commands(1), b"x")]).unwrap();
        assert_eq!(log.bounds(commands(1)).unwrap().end, 3 + round);
    }
    std::fs::remove_file(&after[0]).unwrap();
    assert!(matches!(open(dir.path()), Err(LogError::Missing { .. })));
}
