//! What leaves a worker on an atomic log: effects and change record, in one append.
//!
//! Owns which records stand in it, and which answers wait for it. The process thread appends it to a real
//! log, the simulator to a simulated one.

use crate::log::StreamId;
use bytes::Bytes;
use rkcy_core::bugs::{self, Bug};
use rkcy_core::frame::Reply;
use rkcy_core::worker::Worker;

/// Records of several streams that become durable together.
pub(crate) type Append = Vec<(StreamId, Bytes)>;

/// What one round of a worker asks its driver to do.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Answers that may be given at once.
    pub(crate) answers: Vec<Reply>,
    /// Appends, one after the other; more than one only where it is too large for one.
    pub(crate) appends: Vec<Append>,
    /// Answers that wait until the last append is durable.
    pub(crate) waiting: Vec<Reply>,
    /// Bytes of the change record.
    pub(crate) change_bytes: usize,
}

/// When a worker writes which change record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// No append of this worker is on its way to the disk.
    pub(crate) quiet: bool,
    /// The worker stops behind this one: it is written, as a snapshot, also where nothing has changed.
    pub(crate) last: bool,
    /// The change record is a snapshot.
    pub(crate) snapshot: bool,
    /// Bytes of one append, unless a single record is larger.
    pub(crate) limit: usize,
    /// Bytes of an append with all frames of the batch: what the log takes at once.
    pub(crate) most: usize,
}

/// Takes what the worker has to say.
pub(crate) fn cut(worker: &mut Worker, cut: Cut) -> Batch {
    let replies = worker.take_replies();
    let frames = worker.take_frames();
    let heard = cut.quiet || replies.is_empty();
    if frames.is_empty() && !cut.last && !worker.has_changes() && heard {
        // Reads of what is durable already.
        return Batch {
            answers: replies,
            ..Batch::default()
        };
    }
    let changes = worker.take_change(cut.snapshot || cut.last);
    let change_bytes = changes.iter().map(Bytes::len).sum();
    let own = StreamId::changes(worker.partition().id());
    let frames = frames.into_iter();
    let frames = frames.map(|frame| (StreamId::commands(frame.to), frame.frame));
    let changes = changes.into_iter().map(|change| (own, change));
    let appends = split(frames.collect(), changes.collect(), cut);
    let (answers, waiting) = match appends.is_empty() || bugs::on(Bug::AnsweredBeforeDurable) {
        true => (replies, Vec::new()),
        false => (Vec::new(), replies),
    };
    Batch {
        answers,
        appends,
        waiting,
        change_bytes,
    }
}

/// Cuts a batch that is too large for one append. The change record counts with its last chunk, which comes last:
/// until that is durable nothing has happened. Nothing is sent before that either, since an envelope that is tried
/// once more may be given up, and then comes out otherwise. Only where the frames alone are more than the log takes
/// at once they go first; they are sent again under the same numbers.
fn split(frames: Append, changes: Append, cut: Cut) -> Vec<Append> {
    let len = |records: &[(StreamId, Bytes)]| records.iter().map(|it| it.1.len()).sum::<usize>();
    let mut units: Vec<Append> = changes.into_iter().map(|record| vec![record]).collect();
    if len(&frames) > cut.most {
        units.splice(0..0, frames.into_iter().map(|record| vec![record]));
    } else if let Some(last) = units.last_mut() {
        last.splice(0..0, frames);
    } else if !frames.is_empty() {
        units.push(frames);
    }
    let mut appends = Vec::<Append>::new();
    for unit in units {
        match appends.last_mut() {
            Some(append) if len(append) + len(&unit) <= cut.limit => append.extend(unit),
            _ => appends.push(unit),
        }
    }
    appends
}
