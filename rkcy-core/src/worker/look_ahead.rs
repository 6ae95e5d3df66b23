//! What stands ahead in the command log when a partition is taken over.
//!
//! Owns how workers that died in a handler are told from others, and which envelopes are given up
//! (rule 7). Both are functions of the logs alone.

use crate::bugs::{self, Bug};
use crate::frame::{Body, Care, Frame, Kind};
use crate::id::Position;
use crate::state::Scalars;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// After so many take-overs without progress a worker is careful.
const PATIENCE: u32 = 2;
/// An envelope is given up when so many processes have ended at it that were careful: one alone may have been
/// killed from outside.
const TRIES: usize = 2;

/// Reads the command log from a position on, before anything of it is applied: up to its end, or up to the reader's own
/// Open.
#[derive(Clone, Debug, Default)]
pub struct LookAhead {
    from: Position,
    next: u64,
    /// Who owns the partition there.
    scalars: Scalars,
    /// Offset of the Open of the last worker that has written a change record.
    progress: Option<u64>,
    /// Who reads: its owner, and its process.
    own: Option<(u64, u64)>,
    /// Owner of the last Open.
    owner: Option<u64>,
    lost: u32,
    /// What each process has tried last, and under which epoch.
    tries: BTreeMap<u64, (u64, Position)>,
    parked: BTreeSet<Position>,
}

impl LookAhead {
    /// Looks ahead from the position up to which a state was folded; `progress` is the epoch of the last
    /// change record folded. Who reads is told by its owner and its process.
    #[must_use]
    pub fn new(
        from: Position,
        scalars: Scalars,
        progress: Option<u64>,
        own: (u64, u64),
    ) -> LookAhead {
        LookAhead {
            from,
            next: from.offset().unwrap_or(0),
            scalars,
            progress,
            own: Some(own),
            ..LookAhead::default()
        }
    }

    /// Offset of the record to hand in next.
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
        // What the state has already is told by it.
        if frame.source.is_some() || frame.damaged || Some(offset) <= self.from.offset() {
            return;
        }
        for envelope in frame.envelopes {
            let kind = envelope.head.kind;
            if !matches!(kind, Kind::Open | Kind::Seal | Kind::Trying | Kind::Park) {
                continue;
            }
            match Body::decode(kind, envelope.body) {
                Ok(Body::Open(open)) => {
                    let again = self.owner.replace(open.owner) == Some(open.owner);
                    let own = self.own.is_some_and(|(owner, _)| owner == open.owner);
                    self.lost += u32::from(!again && !own && Some(offset) > self.progress);
                    self.scalars.take_open(&open, offset);
                }
                Ok(Body::Seal(epoch)) => self.scalars.take_seal(epoch, offset),
                Ok(Body::Trying(care)) if self.counts(care, offset) => {
                    self.tries.insert(care.process, (care.epoch, care.at));
                }
                Ok(Body::Trying(care)) => self.withdraw(care),
                Ok(Body::Park(care)) if self.counts(care, offset) => self.park(care.at),
                _ => {}
            }
        }
    }

    /// Whether the author of what stands at an offset owned the partition there: nobody who has opened since has
    /// missed it, and nobody who opens later will.
    fn counts(&self, care: Care, offset: u64) -> bool {
        let owned = self.scalars.epoch == Some(care.epoch) || bugs::on(Bug::ParkOfOthersCounts);
        // It tells of what stands before it.
        owned && care.at.offset() < Some(offset)
    }

    /// A process has not ended at what it tried. It may say so when it does not own the partition any more: nobody gives
    /// up anything because of that, only less.
    fn withdraw(&mut self, care: Care) {
        if let Some((epoch, tried)) = self.tries.get_mut(&care.process)
            && (*epoch, care.at) == (care.epoch, Position::START)
            && !bugs::on(Bug::WithdrawnByOwnersOnly)
        {
            *tried = Position::START;
        }
    }

    /// The envelope is given up.
    pub(super) fn park(&mut self, at: Position) {
        self.parked.insert(at);
    }

    /// Whether a [`Kind::Park`] names the envelope.
    #[must_use]
    pub fn is_parked(&self, at: Position) -> bool {
        self.parked.contains(&at)
    }

    /// The envelopes that are given up.
    #[must_use]
    pub fn parked(&self) -> &BTreeSet<Position> {
        &self.parked
    }

    /// Take-overs that have come to nothing.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.lost
    }

    /// Epoch of the owner at the end of what was handed in.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.scalars.epoch
    }

    /// Whether the envelope is to be given up: so many other processes have ended at it.
    pub(super) fn is_deadly(&self, at: Position) -> bool {
        let tries = match bugs::on(Bug::ParkAfterOneTry) {
            true => 1,
            false => TRIES,
        };
        let own = self.own.map(|(_, process)| process);
        let others = self
            .tries
            .iter()
            .filter(|(process, _)| own != Some(**process));
        others.filter(|(_, (_, tried))| *tried == at).count() >= tries
    }

    /// Whether who takes over now is to be careful.
    pub(super) fn asks_for_care(&self) -> bool {
        let open = |(_, at): &(u64, Position)| *at > self.from && !self.parked.contains(at);
        self.lost >= PATIENCE || self.tries.values().any(open)
    }
}
