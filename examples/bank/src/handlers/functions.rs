//! What the functions of the schema give.

use crate::generated::{Functions, Payment};
use rkcy_runtime::codegen::Timestamp;

/// Microseconds.
const DAY: i64 = 86_400_000_000;

impl Functions for super::Handlers {
    fn day_of(time: Timestamp) -> u32 {
        u32::try_from(time.as_micros().div_euclid(DAY)).unwrap_or(0)
    }

    fn sum_of(payments: &[Payment]) -> i64 {
        payments.iter().map(|payment| payment.amount).sum()
    }
}
