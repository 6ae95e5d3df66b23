//! What the functions of the schema give.

use crate::generated::{Functions, Place};
use rkcy_runtime::codegen::Timestamp;

/// Microseconds for which places are held.
const HOLD: i64 = 300_000_000;

impl Functions for super::Handlers {
    fn count(places: &[Place]) -> u32 {
        u32::try_from(places.len()).unwrap_or(u32::MAX)
    }

    fn hold_until(time: Timestamp) -> Timestamp {
        Timestamp::from_micros(time.as_micros().saturating_add(HOLD))
    }
}
