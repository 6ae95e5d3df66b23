//! The audits of partitions: how transactions have ended, in the order in which that was decided.
//!
//! Owns what a record of an audit says, and how all that is kept of one is read.

use super::faults::log_fault;
use super::follow::Follow;
use crate::log::{Log, LogError, Record, StreamId};
use rkcy_core::config::Edit;
use rkcy_core::fault::Fault;
use rkcy_core::frame::{Body, Finished, Frame};
use rkcy_core::id::{PartitionId, TxnId};
use std::sync::atomic::AtomicBool;

/// How one transaction ended, as the audit of a partition tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Number within the partition, dense from 1.
    pub number: u64,
    /// The transaction.
    pub txn: TxnId,
    /// How it ended.
    pub finished: Finished,
}

/// An edit of configuration, as the audit tells it.
#[derive(Clone, Debug)]
pub struct Edited {
    /// What was edited, and by whom.
    pub edit: Edit,
    /// When: milliseconds since the Unix epoch, by the clock of the log.
    pub at: u64,
}

/// An audit that is being read. A crash may have left something twice: it has the same number, and is told once.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// The highest number that was told.
    last: u64,
}

impl Audit {
    /// What the next record tells that none before it has.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn read(&mut self, record: Record, mut each: impl FnMut(Told)) -> Result<(), Fault> {
        let frame = Frame::decode(record.payload)?;
        let first = frame.source.map_or(0, |source| source.first);
        for (number, envelope) in (first..).zip(frame.envelopes) {
            if number <= self.last {
                continue;
            }
            self.last = number;
            if let Body::Finished(finished) = Body::decode(envelope.head.kind, envelope.body)? {
                each(Told {
                    number,
                    txn: envelope.head.txn,
                    finished,
                });
            }
        }
        Ok(())
    }
}

/// All that is kept of an audit, unless `stop` is set meanwhile; the offset behind it. Who reads on from there reads all.
///
/// # Errors
/// Where the log cannot be read, and what `each` says.
pub(super) fn read_kept(
    log: &dyn Log,
    of: PartitionId,
    stop: &AtomicBool,
    mut each: impl FnMut(Record) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let stream = StreamId::commands(of.audit());
    let kept = log.bounds(stream).map_err(log_fault)?;
    let read = Follow::new(log, stream).up_to(kept.start, kept.end, stop, |record| {
        each(record).map_err(Unread)
    });
    read.map_err(|Unread(fault)| fault)
}

/// Why an audit was not read.
struct Unread(Fault);

impl From<LogError> for Unread {
    fn from(error: LogError) -> Unread {
        Unread(log_fault(error))
    }
}
