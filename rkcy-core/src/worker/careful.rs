//! A careful worker: one that takes over after others have died on the way (rule 7).
//!
//! Owns what is said before an envelope is applied. What a handler does to its process cannot be caught,
//! so it is written down before: whoever finds it so, and nothing behind it, gives the envelope up.

use super::LookAhead;
use crate::frame::{Body, Envelope, Frame, Kind};
use crate::id::Position;
use bytes::Bytes;
use std::collections::BTreeSet;

/// What a worker says before which envelope.
#[derive(Debug, Default)]
pub(super) struct Care {
    /// One envelope at a time, until its own Open.
    careful: bool,
    /// The one that a worker before was about to apply.
    tried: Option<Position>,
    parked: BTreeSet<Position>,
    /// Handed out, and not known to be durable.
    saying: Option<(Kind, Position)>,
    /// Known to be durable.
    said: Option<Position>,
}

impl Care {
    /// What follows from what stands ahead.
    pub(super) fn after(ahead: LookAhead) -> Care {
        Care {
            careful: ahead.asks_for_care(),
            tried: ahead.tried(),
            parked: ahead.into_parked(),
            ..Care::default()
        }
    }

    pub(super) fn begin(&mut self) {
        self.careful = true;
    }

    pub(super) fn is_careful(&self) -> bool {
        self.careful
    }

    /// Whether the envelope was given up.
    pub(super) fn is_parked(&self, at: Position) -> bool {
        self.parked.contains(&at)
    }

    /// What must be durable before the envelope is applied, if anything.
    pub(super) fn before(&mut self, at: Position) -> Option<Bytes> {
        if !self.careful || self.said == Some(at) || self.parked.contains(&at) {
            return None;
        }
        let (kind, body) = match self.tried == Some(at) {
            true => (Kind::Park, Body::Park(at)),
            false => (Kind::Trying, Body::Trying(at)),
        };
        self.saying = Some((kind, at));
        let envelope = Envelope::control(kind, &body);
        Some(Frame::encode(None, [envelope].iter()))
    }

    /// It is durable.
    pub(super) fn said(&mut self) {
        match self.saying.take() {
            Some((Kind::Park, at)) => drop(self.parked.insert(at)),
            Some((_, at)) => self.said = Some(at),
            None => {}
        }
    }

    /// An envelope was applied, by a worker whose own Open is at `opened`.
    pub(super) fn applied(&mut self, at: Position, opened: Option<u64>) {
        if !self.parked.is_empty() {
            self.parked.remove(&at);
        }
        if opened.is_some() && at.offset() >= opened {
            self.careful = false;
        }
    }
}
