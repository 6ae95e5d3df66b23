//! What happens to a `Customer`.

use crate::generated::{
    Customer, CustomerBlock, CustomerHandlers, CustomerLike, CustomerOrder, CustomerOrderRefusal,
    CustomerSpend,
};
use rkcy_runtime::codegen;

/// The most orders that the schema takes.
const MAX_ORDERS: usize = 8;

impl CustomerHandlers for super::Handlers {
    fn block(customer: &mut Customer, payload: &CustomerBlock, _: &codegen::Context<'_>) {
        customer.blocked = payload.blocked;
    }

    fn order(
        customer: &mut Customer,
        payload: &CustomerOrder,
        _: &codegen::Context<'_>,
    ) -> Result<(), CustomerOrderRefusal> {
        if customer.orders.len() >= MAX_ORDERS {
            return Err(CustomerOrderRefusal::TooMany);
        }
        customer.orders.push(payload.order);
        Ok(())
    }

    fn spend(
        customer: &mut Customer,
        payload: &CustomerSpend,
        _: &codegen::Context<'_>,
    ) -> Result<i64, codegen::Text> {
        let spent = customer.spent.checked_add(payload.amount);
        customer.spent = spent.ok_or("nobody can spend that much")?;
        Ok(customer.spent)
    }

    fn like(customer: &mut Customer, payload: &CustomerLike, _: &codegen::Context<'_>) {
        customer.favorite = payload.shelf;
    }
}
