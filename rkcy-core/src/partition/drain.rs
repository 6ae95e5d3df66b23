//! A drain: from its envelope on nothing new begins here, and what has begun goes on to its end.
//!
//! It is part of the small state, so it outlives whoever works; it ends by another envelope, or when another
//! build opens the partition: that is what it was for.

use super::Partition;
use crate::bugs::{self, Bug};
use crate::drain::InFlight;
use crate::fault::{Class, Fault};
use crate::id::TxnId;
use crate::txn::{Outcome, ReplyTo};
use crate::wire::Wire;

impl Partition {
    /// Begins a drain, or ends one; says what is in flight. Begun again, it has a later position: who waits
    /// until the database has that knows that it has all before.
    pub(super) fn drain(&mut self, begin: bool, about: TxnId, reply: ReplyTo) {
        self.set_draining(begin.then_some(self.state.position));
        self.tell_in_flight(about, reply);
    }

    /// Says what is in flight.
    pub(super) fn tell_in_flight(&mut self, about: TxnId, reply: ReplyTo) {
        let told = InFlight::of(&self.state).to_wire();
        self.answer(reply, about, Outcome::Committed(Some(told.into())));
    }

    /// Whether something new may begin.
    pub(super) fn is_not_draining(&self) -> Result<(), Fault> {
        if self.state.draining.is_none() || bugs::on(Bug::DrainTakesSubmissions) {
            return Ok(());
        }
        let message = "the platform is draining, before another build starts: nothing was done, ask again in some seconds";
        Err(Fault::new(Class::Bound, "draining", message))
    }
}
