//! What happens to a `District`.

use crate::generated::{District, DistrictEarn, DistrictHandlers, DistrictRelated};
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

    fn balance_of_fans(_: &District, cx: &codegen::RelatedContext<'_, DistrictRelated>) -> i64 {
        let balances = cx.related().fans.iter().map(|fan| fan.balance);
        balances.fold(0, i64::saturating_add)
    }
}

/// A sum, unless it is too large.
pub(super) fn add(sum: i64, amount: i64) -> Result<i64, codegen::Text> {
    sum.checked_add(amount).ok_or_else(|| "too much".into())
}
