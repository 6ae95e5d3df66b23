//! What happens to a `District`.

use crate::generated::{District, DistrictEarn, DistrictHandlers};
use rkcy_runtime::codegen;

impl DistrictHandlers for super::Handlers {
    fn take_number(district: &mut District, _: &codegen::Context<'_>) -> u32 {
        let number = district.next;
        district.next = number.saturating_add(1);
        number
    }

    fn earn(
        district: &mut District,
        payload: &DistrictEarn,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        district.earnings = add(district.earnings, payload.amount)?;
        Ok(())
    }
}

/// A sum, unless it is too large.
pub(super) fn add(sum: i64, amount: i64) -> Result<i64, codegen::Text> {
    sum.checked_add(amount).ok_or_else(|| "too much".into())
}
