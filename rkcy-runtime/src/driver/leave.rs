//! How what a worker has to say leaves it.
//!
//! Owns the one thing in which logs differ for a worker. On an atomic log effects and change record are one
//! append, and answers wait for it: nothing whose outcome anybody has heard is ever applied again. On others
//! each target is written on its own: effects at once and in order, answers at once too, since what is
//! applied is durable; change records now and then, off the way of everything else, with what was sent and
//! not acknowledged in them. Of what a careful worker applies the change record comes first, at once.

use super::answers::Answers;
use super::batch::{self, Cut};
use super::process::Event;
use super::reply;
use super::slot::{OnTheWay, Slot, Tenure};
use crate::log::{Done, Log, LogError, StreamId};
use bytes::Bytes;
use crossbeam_channel::Sender;
use rkcy_core::frame::Reply;
use rkcy_core::id::PartitionId;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batches of a partition that may be on their way to the disk, on an atomic log.
const BATCHES: usize = 4;
/// Bytes of a partition that may be on their way, on others.
const BYTES_ON_THE_WAY: usize = 8 << 20;
/// Bytes of one append, unless a single record is larger; far below what the log takes at once.
const APPEND_BYTES: usize = 8 << 20;
/// Bytes of an append with all that a batch sends; the log takes a little more.
const FRAMES_AT_ONCE: usize = 30 << 20;
/// Where change records do not go with the effects, one is written after this,
const CHECKPOINT: Duration = Duration::from_millis(150);
/// or once it is about this many bytes.
const CHECKPOINT_BYTES: usize = 1 << 20;

/// Envelopes of a worker that are durable.
pub(super) struct Acknowledged {
    pub(super) tenure: Tenure,
    pub(super) frames: Vec<(PartitionId, RangeInclusive<u64>)>,
}

/// The way out of a worker thread.
pub(super) struct Outlet {
    pub(super) log: Arc<dyn Log>,
    pub(super) answers: Arc<Answers>,
    /// To the thread.
    pub(super) events: Sender<Event>,
    /// To the thread, without waking it.
    pub(super) acknowledged: Sender<Acknowledged>,
}

impl Outlet {
    /// Whether a worker may apply more, or must wait for what is on its way.
    pub(super) fn has_room(&self, slot: &Slot) -> bool {
        if self.log.is_atomic() {
            // What a careful worker has applied is to be durable before it goes on.
            let batches = if slot.worker.is_careful() { 1 } else { BATCHES };
            return slot.on_the_way.appends() < batches;
        }
        if slot.on_the_way.bytes() < BYTES_ON_THE_WAY {
            return true;
        }
        slot.on_the_way.wait();
        slot.on_the_way.bytes() < BYTES_ON_THE_WAY
    }

    /// Hands over what the worker has to say.
    pub(super) fn leave(&self, slot: &mut Slot) {
        if self.log.is_atomic() {
            self.together(slot);
        } else {
            self.apart(slot);
        }
    }

    /// When a change record is to be written, on logs that are not atomic.
    pub(super) fn change_due(slot: &Slot) -> Option<Instant> {
        slot.changed.map(|since| since + CHECKPOINT)
    }

    /// For an append that nobody waits for: only its failure matters.
    pub(super) fn or_report(&self, tenure: Tenure) -> Done {
        let sender = self.events.clone();
        Box::new(move |result| {
            if let Err(error) = result {
                let _ = sender.send(Event::Failed(tenure, error));
            }
        })
    }

    // ---- an atomic log

    /// Appends effects and change record in one, and answers when they are durable.
    fn together(&self, slot: &mut Slot) {
        let cut = Cut {
            quiet: slot.on_the_way.appends() == 0,
            last: slot.finished,
            snapshot: slot.wants_snapshot(),
            limit: APPEND_BYTES,
            most: FRAMES_AT_ONCE,
        };
        let mut batch = batch::cut(&mut slot.worker, cut);
        for reply in batch.answers {
            // Who has stopped waiting is not answered.
            let _ = self.answers.give(reply);
        }
        let Some(last) = batch.appends.pop() else {
            return;
        };
        slot.wrote(batch.change_bytes, cut.snapshot || cut.last);
        slot.on_the_way.begin(0);
        let done = Durable {
            tenure: slot.tenure,
            on_the_way: Arc::clone(&slot.on_the_way),
            answers: Arc::clone(&self.answers),
            replies: batch.waiting,
            sender: self.events.clone(),
        };
        for part in batch.appends {
            self.log.append(part, self.or_report(slot.tenure));
        }
        self.log
            .append(last, Box::new(move |result| done.call(result)));
    }

    // ---- independent logs

    fn apart(&self, slot: &mut Slot) {
        self.answer(slot);
        self.send(slot);
        if slot.changed.is_none() && slot.worker.has_changes() {
            slot.changed = Some(Instant::now());
        }
        if slot.finished || slot.worker.wants_change() {
            self.checkpoint(slot);
        }
    }

    /// Writes a change record where one is due: before more is applied, so that most of what was sent is
    /// acknowledged and not in it.
    pub(super) fn before(&self, slot: &mut Slot) {
        if slot.worker.partition().changed_bytes() >= CHECKPOINT_BYTES
            || Outlet::change_due(slot).is_some_and(|due| due <= Instant::now())
        {
            self.checkpoint(slot);
        }
    }

    /// Answers go out at once; one that is lost is asked for again by its caller.
    fn answer(&self, slot: &mut Slot) {
        let here = Some(self.answers.at());
        let replies = slot.worker.take_replies().into_iter();
        let elsewhere: Vec<Reply> = replies
            .filter_map(|reply| {
                let at = Some(Answers::partition_of(reply.to));
                if here == Some(at) {
                    self.answers.give(reply)
                } else {
                    Some(reply)
                }
            })
            .collect();
        if elsewhere.is_empty() {
            return;
        }
        let records = reply::records(elsewhere);
        let bytes = records.iter().map(|(_, record)| record.len()).sum();
        slot.on_the_way.begin(bytes);
        let (on_the_way, events) = (Arc::clone(&slot.on_the_way), self.events.clone());
        let done = move |_: Result<Vec<u64>, LogError>| ended(&on_the_way, bytes, &events);
        self.log.append(records, Box::new(done));
    }

    /// Effects, in the order of their channels.
    fn send(&self, slot: &mut Slot) {
        let frames = slot.worker.take_frames();
        if frames.is_empty() {
            return;
        }
        let (mut records, mut numbers) = (Vec::new(), Vec::new());
        for frame in frames {
            records.push((StreamId::commands(frame.to), frame.frame));
            numbers.push((frame.to, frame.numbers));
        }
        let bytes = records.iter().map(|(_, record)| record.len()).sum();
        let acknowledged = self.acknowledged.clone();
        let (tenure, frames) = (slot.tenure, numbers);
        self.append(slot, records, bytes, move || {
            // A thread that has ended hears nothing.
            let _ = acknowledged.send(Acknowledged { tenure, frames });
        });
    }

    /// A change record of all since the last one.
    fn checkpoint(&self, slot: &mut Slot) {
        let snapshot = slot.finished || slot.wants_snapshot();
        let stream = StreamId::changes(slot.id());
        let chunks = slot.worker.take_change(snapshot);
        slot.changed = None;
        let bytes = chunks.iter().map(Bytes::len).sum();
        if chunks.is_empty() {
            return;
        }
        slot.wrote(bytes, snapshot);
        slot.unstored.get_or_insert_with(Instant::now);
        let records = chunks.into_iter().map(|chunk| (stream, chunk)).collect();
        self.append(slot, records, bytes, || {});
    }

    /// Appends; a failure, or not knowing, ends the tenure.
    fn append(
        &self,
        slot: &Slot,
        records: Vec<(StreamId, Bytes)>,
        bytes: usize,
        durable: impl FnOnce() + Send + 'static,
    ) {
        slot.on_the_way.begin(bytes);
        let (on_the_way, events) = (Arc::clone(&slot.on_the_way), self.events.clone());
        let tenure = slot.tenure;
        let done = move |result: Result<Vec<u64>, LogError>| match result {
            Ok(_) => {
                durable();
                ended(&on_the_way, bytes, &events);
            }
            // It stays on its way for ever: the partition does not end in good order.
            Err(error) => drop(events.send(Event::Failed(tenure, error))),
        };
        self.log.append(records, Box::new(done));
    }
}

/// An append is through.
fn ended(on_the_way: &OnTheWay, bytes: usize, events: &Sender<Event>) {
    on_the_way.end(bytes);
    if on_the_way.take_awaited() {
        // A thread that has ended needs no waking.
        let _ = events.send(Event::Wake);
    }
}

/// What follows when a batch is durable, on an atomic log.
struct Durable {
    tenure: Tenure,
    on_the_way: Arc<OnTheWay>,
    answers: Arc<Answers>,
    replies: Vec<Reply>,
    sender: Sender<Event>,
}

impl Durable {
    fn call(self, result: Result<Vec<u64>, LogError>) {
        match result {
            Ok(_) => {
                let before = self.on_the_way.end(0);
                for reply in self.replies {
                    let _ = self.answers.give(reply);
                }
                if before >= BATCHES || before == 1 {
                    let _ = self.sender.send(Event::Wake);
                }
            }
            // The callers hear of it when the thread gives everybody up. The batch still counts as under
            // way, so that the thread does not end in good order without hearing of it.
            Err(error) => {
                let _ = self.sender.send(Event::Failed(self.tenure, error));
            }
        }
    }
}
