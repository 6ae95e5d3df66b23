//! What happens to a customer.

use crate::generated::{Customer, CustomerBlock, CustomerCanPayRefusal, CustomerHandlers};
use rkcy_runtime::codegen::Context;

impl CustomerHandlers for super::Handlers {
    fn block(customer: &mut Customer, payload: &CustomerBlock, _cx: &Context<'_>) {
        customer.blocked = payload.blocked;
    }

    fn can_pay(customer: &Customer, _cx: &Context<'_>) -> Result<bool, CustomerCanPayRefusal> {
        match customer.blocked {
            true => Err(CustomerCanPayRefusal::Blocked),
            false => Ok(true),
        }
    }
}
