//! What a log says of the platform that it belongs to.
//!
//! Owns the platform's own stream: its first record says whose log it is and how many partitions every root
//! concern has. It never changes.

use super::faults::log_fault;
use super::follow::Follow;
use super::options::Options;
use crate::codegen::PlatformDesc;
use crate::log::{Log, LogError, StreamId};
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError, mpsc};

/// What the platform's own stream says.
pub(crate) struct Description {
    pub(crate) partitions: u16,
    /// Drawn when the log was begun; the database beside it remembers it.
    pub(crate) log_id: String,
}

/// Reads the platform's own stream. A log of one process is begun where it is empty; one that several share is
/// made on purpose.
///
/// # Errors
/// Where the log is not this platform's, or there is no platform.
pub(crate) fn describe(
    log: &dyn Log,
    desc: &PlatformDesc,
    options: &Options,
) -> Result<Description, Fault> {
    let held = log.bounds(StreamId::PLATFORM).map_err(log_fault)?;
    if held.end == 0 {
        if !log.is_atomic() {
            let message = format!(
                "the log {} holds no platform `{}` in the environment `{}`: make it by `platform create`",
                options.log, desc.name, options.env
            );
            return Err(Fault::new(Class::Unavailable, "no_platform", message));
        }
        begin(log, desc, options)?;
    }
    read(log, desc, options)
}

/// Makes the platform's own stream, on a log that has none yet. Whoever comes second finds what the first has written.
///
/// # Errors
/// Where the log does not take it.
pub fn begin(log: &dyn Log, desc: &PlatformDesc, options: &Options) -> Result<(), Fault> {
    let record = serde_json::json!({
        "platform": desc.name,
        "env": options.env,
        "partitions": options.partitions.unwrap_or(desc.partitions).max(1),
        "log": uuid::Uuid::new_v4().to_string(),
    });
    let record = Bytes::from(record.to_string());
    append(log, vec![(StreamId::PLATFORM, record)])?;
    // The database will know this log by its id.
    persist(log)
}

fn read(log: &dyn Log, desc: &PlatformDesc, options: &Options) -> Result<Description, Fault> {
    let (mut first, stop) = (None, AtomicBool::new(false));
    let stream = StreamId::PLATFORM;
    let read = Follow::new(log, stream).up_to::<LogError>(0, 1, &stop, |record| {
        first = Some(record.payload);
        Ok(())
    });
    log.leave(&[stream]);
    read.map_err(log_fault)?;
    let first = first.unwrap_or_default();
    let foreign = |what: String| {
        let message = format!("the log {}: {what}", options.log);
        Fault::new(Class::Unavailable, "foreign_log", message)
    };
    let record: serde_json::Value = serde_json::from_slice(&first)
        .map_err(|error| foreign(format!("its description cannot be read: {error}")))?;
    for (name, own) in [("platform", desc.name), ("env", options.env.as_str())] {
        if record[name] != own {
            return Err(foreign(format!(
                "it belongs to the {name} {}, not to `{own}`",
                record[name]
            )));
        }
    }
    let partitions = record["partitions"]
        .as_u64()
        .and_then(|count| u16::try_from(count).ok());
    let partitions = partitions
        .filter(|count| *count > 0)
        .ok_or_else(|| foreign("it does not say how many partitions it has".to_owned()))?;
    match options.partitions.filter(|asked| *asked != partitions) {
        Some(asked) => Err(foreign(format!(
            "it has {partitions} partitions, not {asked}"
        ))),
        None => {
            let log_id = record["log"].as_str().map(str::to_owned);
            let log_id = log_id.ok_or_else(|| foreign("it does not say which log it is".into()))?;
            Ok(Description { partitions, log_id })
        }
    }
}

/// Appends, and waits until it is durable.
pub(crate) fn append(log: &dyn Log, batch: Vec<(StreamId, Bytes)>) -> Result<Vec<u64>, Fault> {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    log.append(
        batch,
        Box::new(move |result| {
            // This function waits for it, below.
            let _ = sender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .send(result);
        }),
    );
    match receiver.recv() {
        Ok(result) => result.map_err(log_fault),
        Err(_) => Err(Fault::new(
            Class::Unavailable,
            "log_closed",
            "the log was closed",
        )),
    }
}

/// Waits until all that can be read now survives a power loss.
pub(crate) fn persist(log: &dyn Log) -> Result<(), Fault> {
    let (sender, persisted) = mpsc::channel();
    // This function waits for it.
    log.persist(Box::new(move |result| drop(sender.send(result))));
    let result = persisted.recv().unwrap_or(Err(LogError::Closed));
    result.map_err(log_fault)
}
