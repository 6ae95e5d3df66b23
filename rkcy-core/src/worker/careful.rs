//! A careful worker: one that takes over after others have died on the way (rule 7).
//!
//! Owns what is said before an envelope is applied, and what must be known before what came of it leaves. What a
//! handler does to its process cannot be caught, so it is written down before: where processes have ended at an
//! envelope, one after the other, it is given up.
//!
//! Where several processes share the logs, who seems to have ended may be slow, and its change record may still come. So
//! nothing of an envelope leaves before its change record counts, and who gives one up cuts the changelog first:
//!
//! ```text
//! Trying ─► durable ─► apply ─► change record ─► read back: it counts ─► effects leave
//! Cut ─► durable ─► read up to it: nothing came ─► Park ─► durable, nobody has opened since ─► apply, as above
//! ```

use super::{LookAhead, Progress, Saying, Stop, Worker};
use crate::bugs::{self, Bug};
use crate::change::{Change, Cursor};
use crate::frame::{self, Body, Envelope, Frame, Kind};
use crate::id::Position;
use crate::wire::Wire;
use bytes::Bytes;

/// How far a worker is with the envelope to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Ready,
    /// This was handed out, and is not known to be durable.
    Saying(Kind, Position),
    /// It may be applied.
    Tried(Position),
    /// A Cut was handed out; then it stands at an offset of the changelog.
    Cutting(Position),
    Cut(Position, u64),
    /// A Park stands at this offset.
    Parked(u64),
}

/// What a worker says before which envelope, and what it has read for it.
#[derive(Debug)]
pub(super) struct Care {
    /// One envelope at a time, until its own Open.
    careful: bool,
    /// Where several processes share the logs: whether what stands before its own Open was looked at.
    looked: bool,
    ahead: LookAhead,
    stage: Stage,
    /// Its changelog, as far as it was read, and where to read on.
    heard: Cursor,
    hears: u64,
    /// The last envelope that was applied with care.
    applied: Option<Position>,
    /// What came of this envelope leaves when it is known that its change record counts.
    withheld: Option<Position>,
}

impl Care {
    pub(super) fn new(ahead: LookAhead, heard: Cursor, hears: u64) -> Care {
        Care {
            careful: false,
            looked: false,
            ahead,
            stage: Stage::Ready,
            heard,
            hears,
            applied: None,
            withheld: None,
        }
    }

    /// Whether the envelope was given up.
    pub(super) fn is_parked(&self, at: Position) -> bool {
        self.ahead.is_parked(at)
    }

    /// The last envelope that was applied with care, also where the worker has ended to be careful since.
    pub(super) fn last_applied(&self) -> Option<Position> {
        self.applied
    }

    /// Whether what came of the last envelope must stay.
    pub(super) fn withholds(&self) -> bool {
        (self.withheld).is_some_and(|at| self.heard.position() < at)
    }
}

impl Worker {
    /// Offset of the record of its command log to hand in by [`Worker::look`]: of a log that several processes share,
    /// before anything is applied up to its own Open, and now and then one that it has appended itself. Of a log of one
    /// process all that there is, before it opens.
    #[must_use]
    pub fn look_offset(&self) -> Option<u64> {
        let next = self.care.ahead.next_offset();
        if self.config.atomic {
            return self.opened.is_none().then_some(next);
        }
        let until = match self.care.stage {
            Stage::Parked(offset) => Some(offset),
            _ => self.opened.filter(|_| !self.care.looked),
        };
        until.filter(|until| next <= *until).map(|_| next)
    }

    /// Takes the durable record at [`Worker::look_offset`].
    pub fn look(&mut self, record: Bytes) {
        self.care.ahead.take(record);
        let next = self.care.ahead.next_offset();
        if !self.care.looked && self.opened.is_some_and(|opened| opened < next) {
            self.looked();
        }
        if let Stage::Parked(offset) = self.care.stage
            && offset < next
        {
            self.care.stage = Stage::Ready;
        }
    }

    /// All was handed in that is to be looked at; on a log of one process its driver says so.
    pub fn looked(&mut self) {
        self.care.looked = true;
        self.care.careful |= self.care.ahead.asks_for_care();
    }

    /// Goes one envelope at a time up to its own Open, and says each before. A driver asks for it where
    /// another worker of its process is careful: else who dies beside it would be taken for guilty.
    pub fn be_careful(&mut self) {
        self.care.careful = true;
    }

    /// Whether it goes one envelope at a time.
    #[must_use]
    pub fn is_careful(&self) -> bool {
        self.care.careful
    }

    /// The envelope at which this worker would be found to have ended, were its process to end now.
    #[must_use]
    pub fn trying(&self) -> Option<Position> {
        match self.care.stage {
            Stage::Saying(Kind::Trying, at) | Stage::Tried(at) if at > Position::START => Some(at),
            _ => self.care.withheld.filter(|_| self.care.withholds()),
        }
    }

    /// What to append to the command log where the worker stops and its process does not end: the envelope that it
    /// tries has not ended it.
    pub fn withdraw(&mut self) -> Option<Bytes> {
        self.trying()?;
        Some(self.say(Kind::Trying, Position::START))
    }

    /// What [`Progress::Say`] gave is durable, at this offset.
    pub fn said(&mut self, offset: u64) {
        self.care.stage = match self.care.stage {
            Stage::Saying(Kind::Trying, at) if at > Position::START => Stage::Tried(at),
            Stage::Tried(at) if bugs::on(Bug::TryingNotDurable) => Stage::Tried(at),
            Stage::Saying(Kind::Park, at) if self.config.atomic => {
                self.care.ahead.park(at);
                Stage::Ready
            }
            Stage::Saying(Kind::Park, _) => Stage::Parked(offset),
            Stage::Cutting(at) => Stage::Cut(at, offset),
            _ => Stage::Ready,
        };
    }

    /// Whether it waits until it knows that its last change record counts; nothing leaves before.
    #[must_use]
    pub fn withholds(&self) -> bool {
        self.care.withholds()
    }

    /// Whether a change record of what was applied is to be written now: what came of it leaves when that is
    /// known to count.
    #[must_use]
    pub fn wants_change(&self) -> bool {
        let cut = self.partition.cut_position();
        (self.care.withheld).is_some_and(|at| self.care.withholds() && cut < at)
    }

    /// Offset of the record of its changelog to hand in by [`Worker::hear`], where it waits for one.
    #[must_use]
    pub fn hear_offset(&self) -> Option<u64> {
        let waits = match self.care.stage {
            Stage::Cut(_, offset) => self.care.hears <= offset,
            _ => self.care.withholds(),
        };
        waits.then_some(self.care.hears)
    }

    /// Takes the durable record at [`Worker::hear_offset`].
    ///
    /// # Errors
    /// [`Stop`] where it says that another has taken over, where it cannot be read, or contradicts another.
    pub fn hear(&mut self, record: Bytes) -> Result<(), Stop> {
        let (offset, partition) = (self.care.hears, self.config.partition);
        let change = Change::from_wire(record).map_err(|error| Stop::Unreadable {
            partition,
            place: format!("changelog offset {offset}"),
            fault: error.into(),
        })?;
        self.care.hears += 1;
        let heard = self.care.heard.take(offset, change);
        heard.map_err(|source| Stop::Diverged { partition, source })?;
        if Some(self.care.heard.epoch()) > self.opened {
            return Err(self.overtaken());
        }
        Ok(())
    }

    /// Whether nothing is applied before something has come that was asked for, or is to be looked at.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let says = matches!(
            self.care.stage,
            Stage::Saying(..) | Stage::Cutting(_) | Stage::Parked(_)
        );
        says || self.care.withholds()
            || self.hear_offset().is_some()
            || (!self.config.atomic && !self.care.looked)
    }

    fn overtaken(&self) -> Stop {
        Stop::Overtaken {
            partition: self.config.partition,
            at: self.partition.state().position,
        }
    }

    /// What must be durable before the envelope is applied, if anything.
    pub(super) fn before(&mut self, at: Position) -> Result<Option<Progress>, Stop> {
        if !self.care.careful || self.care.is_parked(at) || self.care.stage == Stage::Tried(at) {
            return Ok(None);
        }
        let is_cut = matches!(self.care.stage, Stage::Cut(of, _) if of == at);
        if !self.care.ahead.is_deadly(at) {
            let trying = said(self.say(Kind::Trying, at));
            if bugs::on(Bug::TryingNotDurable) {
                self.care.stage = Stage::Tried(at);
            }
            return Ok(Some(trying));
        }
        if self.config.atomic {
            return Ok(Some(said(self.say(Kind::Park, at))));
        }
        // Who has opened since knows nothing of this; and what is there was not deadly.
        if self.care.ahead.epoch() != self.opened || self.care.heard.position() >= at {
            return Err(self.overtaken());
        }
        if is_cut || bugs::on(Bug::ParkWithoutCut) {
            return Ok(Some(said(self.say(Kind::Park, at))));
        }
        self.care.stage = Stage::Cutting(at);
        let cut = Change::cut(self.opened.unwrap_or(0));
        Ok(Some(Progress::Say(Saying::Change(cut.to_wire().into()))))
    }

    /// The envelope that is tried must wait for rows, which has nothing to do with it.
    pub(super) fn before_waiting(&mut self) -> Option<Progress> {
        matches!(self.care.stage, Stage::Tried(_))
            .then(|| said(self.say(Kind::Trying, Position::START)))
    }

    fn say(&mut self, kind: Kind, at: Position) -> Bytes {
        self.care.stage = Stage::Saying(kind, at);
        let care = frame::Care {
            epoch: self.opened.unwrap_or(0),
            process: self.config.process,
            at,
        };
        let body = match kind {
            Kind::Park => Body::Park(care),
            _ => Body::Trying(care),
        };
        Frame::encode(None, [Envelope::control(kind, &body)].iter())
    }

    /// An envelope was applied; whether it may have run handlers.
    pub(super) fn applied(&mut self, at: Position, ran: bool) {
        self.care.stage = Stage::Ready;
        if !self.care.careful {
            return;
        }
        self.care.applied = Some(at);
        if ran && !self.config.atomic && !bugs::on(Bug::CarefulEffectsBeforeChange) {
            self.care.withheld = Some(at);
        }
        if self.opened.is_some() && at.offset() >= self.opened {
            self.care.careful = false;
        }
    }
}

fn said(frame: Bytes) -> Progress {
    Progress::Say(Saying::Command(frame))
}
