//! What the functions of the schema give.

use crate::generated::Functions;

/// Nobody says what this night costs.
const UNKNOWN_NIGHT: u32 = 13;

impl Functions for super::Handlers {
    fn price(night: u32) -> i64 {
        assert!(night != UNKNOWN_NIGHT, "this night has no price");
        i64::from(night % 100) * 10
    }
}
