//! How a partition is taken over.
//!
//! Owns the reading that comes before a worker opens: the position in the database, the changelog from there,
//! and on an atomic log what stands ahead in the command log. On others that is read when the log has its Open.

use super::faults::{log_fault, stop_fault};
use super::follow::Follow;
use super::process::Ground;
use crate::log::{Log, LogError, StreamId};
use rkcy_core::fault::Fault;
use rkcy_core::logic::Logic;
use rkcy_core::storage::StoredPosition;
use rkcy_core::worker::{Config, Stop, TakeOver, Worker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause between two looks at a partition that another build has.
const WAIT_FOR_SEAL: Duration = Duration::from_millis(500);

/// Why a partition was not taken over.
#[derive(Debug)]
pub(crate) enum Untaken {
    /// It is not this process's any more.
    NotWanted,
    /// It may be taken over later.
    Later(Fault),
    /// People must look first.
    Never(Fault),
}

impl From<LogError> for Untaken {
    fn from(error: LogError) -> Untaken {
        Untaken::Later(log_fault(error))
    }
}

impl From<Stop> for Untaken {
    fn from(stop: Stop) -> Untaken {
        match stop {
            // Trimmed meanwhile, or not yet told by a broker that has just become the leader.
            Stop::LogGap { .. } | Stop::ForeignSchema { passes: true, .. } => {
                Untaken::Later(stop_fault(stop))
            }
            _ => Untaken::Never(stop_fault(stop)),
        }
    }
}

/// Folds the changelog of a partition, and looks ahead in its command log: on an atomic log, where nobody
/// else appends.
///
/// # Errors
/// A fault: the platform does not start.
pub(crate) fn at_start(
    log: &dyn Log,
    config: Config,
    stored: StoredPosition,
    logic: Arc<dyn Logic>,
) -> Result<Worker, Fault> {
    let stop = AtomicBool::new(false);
    let partition = config.partition;
    let worker = fold(log, config, stored, logic, &stop, &mut |_| {});
    let mut worker = worker.map_err(|untaken| match untaken {
        Untaken::NotWanted => log_fault(LogError::Closed),
        Untaken::Later(fault) | Untaken::Never(fault) => fault,
    })?;
    let stream = StreamId::commands(partition);
    let end = log.bounds(stream).map_err(log_fault)?.end;
    let from = worker.look_offset().unwrap_or(end);
    Follow::new(log, stream)
        .up_to::<LogError>(from, end, &stop, |record| {
            worker.look(record.payload);
            Ok(())
        })
        .map_err(log_fault)?;
    worker.looked();
    Ok(worker)
}

/// Takes over a partition of a log that several processes share, as far as it can be done before the worker
/// opens. Waits while another build has it; `waits` hears which, once.
///
/// # Errors
/// [`Untaken`].
pub(crate) fn while_running(
    ground: &Ground,
    config: Config,
    logic: Arc<dyn Logic>,
    stop: &AtomicBool,
    waits: &mut dyn FnMut(u64),
) -> Result<Worker, Untaken> {
    let stored = ground.store.position(config.partition);
    let stored = ground.tokio.block_on(stored).map_err(|error| {
        let later = error.may_pass();
        let fault = Fault::from(error);
        if later {
            Untaken::Later(fault)
        } else {
            Untaken::Never(fault)
        }
    })?;
    let changes = StreamId::changes(config.partition);
    let worker = fold(&*ground.log, config, stored, logic, stop, waits);
    ground.log.leave(&[changes]);
    worker
}

fn fold(
    log: &dyn Log,
    config: Config,
    stored: StoredPosition,
    logic: Arc<dyn Logic>,
    stop: &AtomicBool,
    waits: &mut dyn FnMut(u64),
) -> Result<Worker, Untaken> {
    let partition = config.partition;
    let stream = StreamId::changes(partition);
    let changes = Follow::new(log, stream);
    let mut take_over = TakeOver::new(config, stored);
    let mut said = false;
    loop {
        let held = log.bounds(stream)?;
        let asked = take_over.next_offset();
        if asked > held.end {
            return Err(LogError::OutOfRange {
                stream,
                asked,
                held,
            }
            .into());
        }
        changes.up_to::<Untaken>(asked, held.end, stop, |record| {
            take_over.fold(record.payload)?;
            Ok(())
        })?;
        if stop.load(Ordering::Acquire) {
            return Err(Untaken::NotWanted);
        }
        let Some(owner) = take_over.foreign_owner() else {
            break;
        };
        if !std::mem::replace(&mut said, true) {
            waits(owner);
        }
        changes.pause(WAIT_FOR_SEAL);
    }
    let worker = take_over.finish(logic)?;
    let held = log.bounds(StreamId::commands(partition))?;
    let needed = worker.next_offset();
    if needed < held.start || needed > held.end {
        let held = format!("offsets {}..{}", held.start, held.end);
        return Err(Stop::LogGap {
            partition,
            needed,
            held,
        }
        .into());
    }
    Ok(worker)
}
