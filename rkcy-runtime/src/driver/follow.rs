//! Reading a stream up to where it ended, also on a log whose reads begin with nothing.

use crate::log::{Log, LogError, Record, StreamId, Wake};
use crossbeam_channel::Receiver;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes read at a time.
const READ_BYTES: usize = 4 << 20;
/// Longest pause before one looks again, also where nobody has said that something came.
const LOOK: Duration = Duration::from_millis(50);

/// A reader of one stream.
pub(crate) struct Follow<'a> {
    log: &'a dyn Log,
    stream: StreamId,
    woken: Receiver<()>,
    /// The log watches for as long as this is there.
    _wake: Wake,
}

impl<'a> Follow<'a> {
    /// A reader of `stream`; while it is at work, nobody else may read the stream through this handle.
    pub(crate) fn new(log: &'a dyn Log, stream: StreamId) -> Follow<'a> {
        let (sender, woken) = crossbeam_channel::bounded(1);
        let wake: Wake = Arc::new(move || {
            // One that is not taken yet says the same.
            let _ = sender.try_send(());
        });
        log.watch(&[stream], Arc::clone(&wake));
        Follow {
            log,
            stream,
            woken,
            _wake: wake,
        }
    }

    /// Hands the records from `next` up to `end` to `take`; the offset after the last one. That is below
    /// `end` only where `stop` was set meanwhile.
    ///
    /// # Errors
    /// What the log or `take` says.
    pub(crate) fn up_to<E: From<LogError>>(
        &self,
        mut next: u64,
        end: u64,
        stop: &AtomicBool,
        mut take: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<u64, E> {
        while next < end && !stop.load(Ordering::Acquire) {
            let records = self.log.read(self.stream, next, READ_BYTES)?;
            if records.is_empty() {
                self.pause(LOOK);
            }
            for record in records.into_iter().take_while(|record| record.offset < end) {
                next = record.offset + 1;
                take(record)?;
            }
        }
        Ok(next)
    }

    /// Waits until something has come, at most for so long.
    pub(crate) fn pause(&self, longest: Duration) {
        // Either is a reason to look.
        let _ = self.woken.recv_timeout(longest);
    }
}
