//! What the tests of logs share: streams, and appends that one waits for.
#![allow(dead_code, reason = "each test target uses its part")]

pub(crate) mod blobs;
pub(crate) mod postgres;
pub(crate) mod power;
pub(crate) mod servers;
pub(crate) mod tables;

use bytes::Bytes;
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_runtime::log::{Log, LogError, Record, StreamId, StreamKind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The command log of partition `index` of concern 1.
pub(crate) fn commands(index: u16) -> StreamId {
    stream(StreamKind::Commands, index)
}

/// The changelog of partition `index` of concern 1.
pub(crate) fn changes(index: u16) -> StreamId {
    stream(StreamKind::Changes, index)
}

fn stream(kind: StreamKind, index: u16) -> StreamId {
    StreamId {
        kind,
        partition: PartitionId {
            concern: ConcernId(1),
            index,
        },
    }
}

/// Appends and waits until it is durable.
pub(crate) fn append(log: &dyn Log, batch: &[(StreamId, &[u8])]) -> Result<Vec<u64>, LogError> {
    submit(log, batch)
        .recv()
        .expect("the log answers every append")
}

/// Appends; the answer comes through the channel.
pub(crate) fn submit(
    log: &dyn Log,
    batch: &[(StreamId, &[u8])],
) -> mpsc::Receiver<Result<Vec<u64>, LogError>> {
    let (sender, receiver) = mpsc::channel();
    let batch = batch
        .iter()
        .map(|(id, payload)| (*id, Bytes::copy_from_slice(payload)))
        .collect();
    log.append(batch, Box::new(move |result| drop(sender.send(result))));
    receiver
}

/// Records from `from` on: some, unless that is the end. Waits for those that have still to be fetched.
pub(crate) fn read(
    log: &dyn Log,
    stream: StreamId,
    from: u64,
    max_bytes: usize,
) -> Result<Vec<Record>, LogError> {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let wake: Arc<dyn Fn() + Send + Sync> =
        Arc::new(move || sender.lock().unwrap().send(()).unwrap_or_default());
    log.watch(&[stream], Arc::clone(&wake));
    loop {
        let records = log.read(stream, from, max_bytes)?;
        if !records.is_empty() || log.bounds(stream)?.end <= from {
            return Ok(records);
        }
        receiver
            .recv_timeout(Duration::from_secs(30))
            .expect("a wake when there is something");
    }
}

/// All kept records of a stream, read in steps of `step` bytes.
pub(crate) fn read_all(
    log: &dyn Log,
    stream: StreamId,
    step: usize,
) -> Result<Vec<Record>, LogError> {
    let mut records = Vec::new();
    let mut next = log.bounds(stream)?.start;
    loop {
        let more = read(log, stream, next, step)?;
        let Some(last) = more.last() else {
            return Ok(records);
        };
        next = last.offset + 1;
        records.extend(more);
    }
}

/// Payloads of all kept records of a stream.
pub(crate) fn payloads(log: &dyn Log, stream: StreamId) -> Vec<Vec<u8>> {
    let records = read_all(log, stream, 1 << 20).expect("the stream can be read");
    records
        .iter()
        .map(|record| record.payload.to_vec())
        .collect()
}

/// Waits until all that can be read now survives a power loss.
pub(crate) fn persist(log: &dyn Log) -> Result<(), LogError> {
    let (sender, receiver) = mpsc::channel();
    log.persist(Box::new(move |result| drop(sender.send(result))));
    receiver.recv().expect("the log answers")
}

/// A directory for many small files: in memory where the system has such a place.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary directory")
}

/// What a crash at this moment would leave: a copy of all files of an open log.
pub(crate) fn crash_image(of: &std::path::Path) -> tempfile::TempDir {
    let image = scratch();
    for entry in std::fs::read_dir(of).expect("the directory of the log") {
        let entry = entry.expect("an entry");
        // A file that its owner removes meanwhile is not in the image.
        let _ = std::fs::copy(entry.path(), image.path().join(entry.file_name()));
    }
    image
}
