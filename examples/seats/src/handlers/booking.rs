//! What happens to a booking.

use crate::generated::{
    Booking, BookingConfirm, BookingConfirmRefusal, BookingHandlers, BookingMoveTo, Stage,
};
use rkcy_runtime::codegen::{Context, Text};

impl BookingHandlers for super::Handlers {
    fn confirm(
        booking: &mut Booking,
        payload: &BookingConfirm,
        _cx: &Context<'_>,
    ) -> Result<(), BookingConfirmRefusal> {
        if booking.stage == Stage::Booked {
            return Err(BookingConfirmRefusal::BookedAlready);
        }
        if booking.until < payload.at {
            return Err(BookingConfirmRefusal::TooLate);
        }
        booking.stage = Stage::Booked;
        Ok(())
    }

    fn move_to(
        booking: &mut Booking,
        payload: &BookingMoveTo,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        booking.places.clone_from(&payload.places);
        Ok(())
    }
}
