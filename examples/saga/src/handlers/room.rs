//! What happens to a `Room`.

use crate::generated::{Room, RoomBook, RoomBookRefusal, RoomHandlers, RoomJoin, RoomRelease};
use rkcy_runtime::codegen;

/// This night is only released where a room stands alone, so that an undo can fail and be tried again.
const JOINED_NIGHT: u32 = 4;

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
        let is_joined = room.next.is_some() && payload.night == JOINED_NIGHT;
        assert!(
            !is_joined,
            "this night cannot be released while the room is joined to another"
        );
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
