//! What happens to a `Customer`.

use crate::generated::{Customer, CustomerHandlers, CustomerPay};
use rkcy_runtime::codegen;

impl CustomerHandlers for super::Handlers {
    fn pay(
        customer: &mut Customer,
        payload: &CustomerPay,
        _: &codegen::Context<'_>,
    ) -> Result<i64, codegen::Text> {
        customer.balance = super::district::add(customer.balance, -payload.amount)?;
        Ok(customer.balance)
    }
}
