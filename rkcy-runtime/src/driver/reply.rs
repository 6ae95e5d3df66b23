//! Answers that go through the response topic.
//!
//! Owns what stands in one of its records, and the thread of a submitter that follows its own partition of
//! it: no group, and no rebalance when submitters come and go. An answer may be lost, with the worker that
//! gave it or by the topic's retention; what is not answered in time is submitted again, with its id.

use super::answers::Answers;
use super::submit::Submission;
use crate::log::{Log, LogError, StreamId, Wake};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use rkcy_core::frame::Reply;
use rkcy_core::txn::ReplyTo;
use rkcy_core::wire::{Malformed, Reader, Wire, put_integer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// First byte of a record.
const LAYOUT: u8 = 1;
/// Bytes of one record, unless a single answer is larger.
const RECORD_BYTES: usize = 1 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// So often one looks for callers that were not answered.
const LOOK: Duration = Duration::from_millis(500);

/// Sorts answers into records of the response topic.
pub(crate) fn records(replies: Vec<Reply>) -> Vec<(StreamId, Bytes)> {
    let mut by_partition: BTreeMap<u16, Vec<Vec<Reply>>> = BTreeMap::new();
    let mut bytes: BTreeMap<u16, usize> = BTreeMap::new();
    for reply in replies {
        let partition = Answers::partition_of(reply.to);
        let runs = by_partition.entry(partition).or_default();
        let bytes = bytes.entry(partition).or_default();
        *bytes += cost(&reply);
        match runs.last_mut() {
            Some(run) if *bytes <= RECORD_BYTES => run.push(reply),
            _ => {
                *bytes = cost(&reply);
                runs.push(vec![reply]);
            }
        }
    }
    let of = |(partition, runs): (u16, Vec<Vec<Reply>>)| {
        let record = move |run: Vec<Reply>| (StreamId::answers(partition), encode(&run));
        runs.into_iter().map(record)
    };
    by_partition.into_iter().flat_map(of).collect()
}

fn cost(reply: &Reply) -> usize {
    use rkcy_core::txn::Outcome;
    let body = match &reply.outcome {
        Outcome::Committed(result) => result.as_ref().map_or(0, Bytes::len),
        Outcome::Refused(fault) | Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
            fault.message.len() + fault.code.len() + fault.path.len()
        }
    };
    body + 48
}

fn encode(replies: &[Reply]) -> Bytes {
    let mut out = Vec::with_capacity(replies.iter().map(cost).sum::<usize>() + 16);
    out.push(LAYOUT);
    put_integer(&mut out, replies.len() as u64);
    for reply in replies {
        reply.to.0.put(&mut out);
        reply.txn.put(&mut out);
        reply.outcome.put(&mut out);
    }
    out.into()
}

/// Reads a record of the response topic.
///
/// # Errors
/// [`Malformed`] where it is none.
pub(crate) fn decode(bytes: Bytes) -> Result<Vec<Reply>, Malformed> {
    let mut input = Reader::new(bytes);
    if input.byte()? != LAYOUT {
        return Err(input.malformed("another layout of answers"));
    }
    let replies = (0..input.count()?)
        .map(|_| {
            Ok(Reply {
                to: ReplyTo(Wire::take(&mut input)?),
                txn: Wire::take(&mut input)?,
                outcome: Wire::take(&mut input)?,
            })
        })
        .collect::<Result<_, Malformed>>()?;
    input.end()?;
    Ok(replies)
}

/// The submitter's reader of its own partition.
pub(crate) struct Mailbox {
    log: Arc<dyn Log>,
    answers: Arc<Answers>,
    again: Sender<Option<Submission>>,
    stream: StreamId,
    next: u64,
    woken: Receiver<()>,
    wake: Wake,
    stopped: Arc<AtomicBool>,
}

/// Ends a reader.
#[derive(Clone)]
pub(crate) struct Close(Arc<AtomicBool>, Wake);

impl Close {
    /// It ends, soon.
    pub(crate) fn now(&self) {
        self.0.store(true, Ordering::Release);
        (self.1)();
    }
}

impl Mailbox {
    /// Reads from now on, for the callers in `answers`; what must be asked for again goes to `again`.
    ///
    /// # Errors
    /// Where the log is not to be had.
    pub(crate) fn open(
        log: Arc<dyn Log>,
        partition: u16,
        answers: Arc<Answers>,
        again: Sender<Option<Submission>>,
    ) -> Result<Mailbox, LogError> {
        let stream = StreamId::answers(partition);
        let (sender, woken) = crossbeam_channel::bounded(1);
        let wake: Wake = Arc::new(move || {
            // One that is not taken yet says the same.
            let _ = sender.try_send(());
        });
        log.watch(&[stream], Arc::clone(&wake));
        let next = log.bounds(stream)?.end;
        // The first read may only begin to follow.
        log.read(stream, next, READ_BYTES)?;
        Ok(Mailbox {
            log,
            answers,
            again,
            stream,
            next,
            woken,
            wake,
            stopped: Arc::default(),
        })
    }

    /// By which it is ended.
    pub(crate) fn close(&self) -> Close {
        Close(Arc::clone(&self.stopped), Arc::clone(&self.wake))
    }

    /// Reads until told to end.
    pub(crate) fn run(mut self) {
        let mut look = Instant::now() + LOOK;
        let mut said = false;
        while !self.stopped.load(Ordering::Acquire) {
            match self.read() {
                Ok(true) => said = false,
                Ok(false) => self.pause(look),
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        eprintln!("warning: reading answers: {error}; trying again");
                    }
                    std::thread::sleep(LOOK);
                }
            }
            let now = Instant::now();
            if now >= look {
                look = now + LOOK;
                for submission in self.answers.overdue(now) {
                    // A submitter that has ended submits nothing.
                    let _ = self.again.send(Some(submission));
                }
            }
        }
        self.log.leave(&[self.stream]);
    }

    /// Waits until something has come, or for as long.
    fn pause(&self, until: Instant) {
        let pause = until.saturating_duration_since(Instant::now());
        let _ = self.woken.recv_timeout(pause);
    }
    /// Gives the answers that have come; `false` where none have.
    fn read(&mut self) -> Result<bool, LogError> {
        let records = match self.log.read(self.stream, self.next, READ_BYTES) {
            Err(LogError::OutOfRange { held, .. }) => {
                // Not read for longer than answers are kept.
                self.next = held.start.max(self.next.min(held.end));
                return Ok(self.next < held.end);
            }
            records => records?,
        };
        let progress = !records.is_empty();
        for record in records {
            self.next = record.offset + 1;
            match decode(record.payload) {
                // Those of others go to nobody here.
                Ok(replies) => replies
                    .into_iter()
                    .for_each(|it| drop(self.answers.give(it))),
                Err(error) => eprintln!(
                    "warning: {} holds no answers at offset {}: {error}",
                    self.stream, record.offset
                ),
            }
        }
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkcy_core::fault::Fault;
    use rkcy_core::id::TxnId;
    use rkcy_core::txn::Outcome;

    fn reply(partition: u64, number: u64, size: usize) -> Reply {
        Reply {
            to: ReplyTo(partition << 48 | number),
            txn: TxnId([3; 16]),
            outcome: Outcome::Committed(Some(vec![7; size].into())),
        }
    }

    #[test]
    fn answers_come_back_as_they_were_by_partition() {
        let mut replies = vec![reply(2, 1, 3), reply(0, 2, 0), reply(2, 3, 5)];
        replies.push(Reply {
            outcome: Outcome::Refused(Fault::refusal("no", "not today")),
            ..reply(2, 4, 0)
        });
        let records = records(replies.clone());
        let streams: Vec<StreamId> = records.iter().map(|(stream, _)| *stream).collect();
        assert_eq!(streams, [StreamId::answers(0), StreamId::answers(2)]);
        assert_eq!(decode(records[0].1.clone()).unwrap(), [replies.remove(1)]);
        assert_eq!(decode(records[1].1.clone()).unwrap(), replies);
    }

    #[test]
    fn a_record_is_bounded_and_order_kept() {
        let replies: Vec<Reply> = (0..5).map(|nth| reply(1, nth, RECORD_BYTES / 2)).collect();
        let records = records(replies.clone());
        assert_eq!(records.len(), 5);
        let all = records
            .into_iter()
            .flat_map(|(_, bytes)| decode(bytes).unwrap());
        assert_eq!(all.collect::<Vec<_>>(), replies);
    }

    #[test]
    fn what_is_no_record_of_answers_is_said() {
        for bytes in [&b""[..], b"\x02\x00", b"\x01\x05", b"\x01\x00\x00"] {
            assert!(decode(Bytes::from_static(bytes)).is_err(), "{bytes:?}");
        }
    }
}
