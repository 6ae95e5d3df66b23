//! What stands ahead in the command log when a partition is taken over.
//!
//! Owns how workers that died in a handler are told from others, and which envelopes are given up
//! (rule 7). Both are functions of the logs alone.

use crate::frame::{Body, Frame, Kind};
use crate::id::Position;
use bytes::Bytes;
use std::collections::BTreeSet;

/// After so many take-overs without progress a worker is careful.
const PATIENCE: u32 = 2;

/// Reads the command log from a position to its end, before anything of it is applied.
#[derive(Clone, Debug)]
pub struct LookAhead {
    from: Position,
    next: u64,
    /// Offset of the Open of the last worker that has written a change record.
    progress: Option<u64>,
    /// Owner of the last Open.
    owner: Option<u64>,
    lost: u32,
    tried: Option<Position>,
    parked: BTreeSet<Position>,
}

impl LookAhead {
    /// Looks ahead from the position up to which a state was folded; `progress` is the epoch of the last
    /// change record folded.
    #[must_use]
    pub fn new(from: Position, progress: Option<u64>) -> LookAhead {
        LookAhead {
            from,
            next: from.offset().unwrap_or(0),
            progress,
            owner: None,
            lost: 0,
            tried: None,
            parked: BTreeSet::new(),
        }
    }

    /// Offset of the record to hand in next; hand in all that there are.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Takes the durable record at [`LookAhead::next_offset`]. One that cannot be read is judged when it is
    /// its turn.
    pub fn take(&mut self, record: Bytes) {
        let offset = self.next;
        self.next += 1;
        let Ok(frame) = Frame::decode(record) else {
            return;
        };
        if frame.source.is_some() || frame.damaged {
            return;
        }
        for envelope in frame.envelopes {
            let kind = envelope.head.kind;
            if !matches!(kind, Kind::Open | Kind::Trying | Kind::Park) {
                continue;
            }
            // A control record tells of what stands before it.
            let is_told = |at: Position| at > self.from && at.offset() < Some(offset);
            match Body::decode(kind, envelope.body) {
                Ok(Body::Open(open)) if Some(offset) > self.from.offset() => {
                    let again = self.owner.replace(open.owner) == Some(open.owner);
                    self.lost += u32::from(!again && Some(offset) > self.progress);
                }
                Ok(Body::Trying(at)) if is_told(at) => self.tried = Some(at),
                Ok(Body::Park(at)) if is_told(at) => {
                    self.parked.insert(at);
                }
                _ => {}
            }
        }
    }

    /// Whether a [`Kind::Park`] names the envelope.
    #[must_use]
    pub fn is_parked(&self, at: Position) -> bool {
        self.parked.contains(&at)
    }

    /// Take-overs that have come to nothing.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.lost
    }

    /// The envelopes that are given up.
    pub(super) fn into_parked(self) -> BTreeSet<Position> {
        self.parked
    }

    /// The envelope that a careful worker was about to apply, and that nothing came of.
    pub(super) fn tried(&self) -> Option<Position> {
        self.tried.filter(|at| !self.parked.contains(at))
    }

    /// Whether who takes over now is to be careful.
    pub(super) fn asks_for_care(&self) -> bool {
        self.lost >= PATIENCE || self.tried.is_some()
    }
}
