//! What happens to a `Room`.

use crate::generated::{Room, RoomBook, RoomBookRefusal, RoomHandlers, RoomJoin, RoomRelease};
use rkcy_runtime::codegen;

impl RoomHandlers for super::Handlers {
    fn book(
        room: &mut Room,
        payload: &RoomBook,
        _: &codegen::Context<'_>,
    ) -> Result<u32, RoomBookRefusal> {
        if room.free <= 0 {
            return Err(RoomBookRefusal::FullyBooked);
        }
        room.free -= 1;
        room.taken.push(payload.night);
        Ok(payload.night)
    }

    fn release(room: &mut Room, payload: &RoomRelease, _: &codegen::Context<'_>) {
        // A night may be released that nobody has booked.
        let place = room.taken.iter().rposition(|night| *night == payload.night);
        if let Some(place) = place {
            room.taken.remove(place);
            room.free = room.free.saturating_add(1);
        }
    }

    fn join(room: &mut Room, payload: &RoomJoin, _: &codegen::Context<'_>) {
        room.next = payload.next;
    }
}
