//! What happens to a show: who sits where is said by its seats, how many by itself.

use crate::generated::{Place, Show, ShowGiveBack, ShowHandlers, ShowTake, ShowTakeRefusal};
use rkcy_runtime::codegen::Context;

impl ShowHandlers for super::Handlers {
    fn take(show: &mut Show, payload: &ShowTake, _cx: &Context<'_>) -> Result<(), ShowTakeRefusal> {
        if show.closed {
            return Err(ShowTakeRefusal::Closed);
        }
        let places = &payload.places;
        if !places.iter().all(|place| is_here(show, place)) {
            return Err(ShowTakeRefusal::NoSuchPlace);
        }
        let twice = |(nth, place)| places[..nth].contains(place);
        if places.iter().enumerate().any(twice) {
            return Err(ShowTakeRefusal::SamePlaceTwice);
        }
        // At most six, by the schema.
        show.taken += u32::try_from(places.len()).unwrap_or(u32::MAX);
        Ok(())
    }

    fn give_back(show: &mut Show, payload: &ShowGiveBack, _cx: &Context<'_>) {
        show.taken = show.taken.saturating_sub(payload.count);
    }

    fn close(show: &mut Show, _cx: &Context<'_>) {
        show.closed = true;
    }

    fn left(show: &Show, _cx: &Context<'_>) -> u32 {
        (show.rows * show.seats).saturating_sub(show.taken)
    }
}

fn is_here(show: &Show, place: &Place) -> bool {
    place.row <= show.rows && place.number <= show.seats
}
