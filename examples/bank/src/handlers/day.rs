//! What has left an account in a day, and what still may.

use crate::generated::{Day, DayHandlers, DaySpend, DaySpendRefusal};
use rkcy_runtime::codegen::Context;

impl DayHandlers for super::Handlers {
    fn spend(day: &mut Day, payload: &DaySpend, _cx: &Context<'_>) -> Result<(), DaySpendRefusal> {
        let spent = day.spent.checked_add(payload.amount);
        let spent = spent.filter(|spent| *spent <= payload.most);
        day.spent = spent.ok_or(DaySpendRefusal::OverLimit)?;
        Ok(())
    }
}
