//! What happens to a `Trip`.

use crate::generated::{
    Trip, TripCloseRefusal, TripExtend, TripExtendRefusal, TripHandlers, TripShorten,
};
use rkcy_runtime::codegen;

/// Longer trips are refused.
const MAX_NIGHTS: usize = 16;

impl TripHandlers for super::Handlers {
    fn close(trip: &mut Trip, _: &codegen::Context<'_>) -> Result<(), TripCloseRefusal> {
        if !trip.open {
            return Err(TripCloseRefusal::ClosedAlready);
        }
        trip.open = false;
        Ok(())
    }

    fn extend(
        trip: &mut Trip,
        payload: &TripExtend,
        _: &codegen::Context<'_>,
    ) -> Result<(), TripExtendRefusal> {
        if trip.nights.len() + payload.nights.len() > MAX_NIGHTS {
            return Err(TripExtendRefusal::TooLong);
        }
        trip.nights.extend(&payload.nights);
        Ok(())
    }

    fn shorten(trip: &mut Trip, payload: &TripShorten, _: &codegen::Context<'_>) {
        let left = trip.nights.len().saturating_sub(payload.nights.len());
        trip.nights.truncate(left);
    }
}
