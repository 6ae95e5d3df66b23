//! What happens to a district.

use crate::generated::{District, DistrictHandlers, DistrictPay, Numbered};
use rkcy_runtime::codegen::{Context, Text};

impl DistrictHandlers for super::Handlers {
    fn pay(district: &mut District, payload: &DistrictPay, _cx: &Context<'_>) -> Result<(), Text> {
        let ytd = district.ytd.checked_add(payload.amount);
        district.ytd = ytd.ok_or_else(|| Text::from("overflow"))?;
        Ok(())
    }

    fn take_number(district: &mut District, _cx: &Context<'_>) -> Numbered {
        let number = district.next_order;
        district.next_order += 1;
        Numbered {
            number,
            tax: district.tax,
        }
    }

    fn deliver_next(district: &mut District, _cx: &Context<'_>) -> Option<u32> {
        let number = district.next_delivery;
        (number < district.next_order).then(|| {
            district.next_delivery += 1;
            number
        })
    }
}
