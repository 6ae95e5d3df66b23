//! What happens to a customer.

use crate::generated::{
    Customer, CustomerHandlers, CustomerPay, CustomerRefund, CustomerRelated, Stage,
};
use rkcy_runtime::codegen::{Context, RelatedContext, Text};

impl CustomerHandlers for super::Handlers {
    fn pay(customer: &mut Customer, payload: &CustomerPay, _cx: &Context<'_>) -> Result<(), Text> {
        let paid = customer.paid.checked_add(payload.amount);
        customer.paid = paid.ok_or_else(|| Text::from("too much for one customer"))?;
        Ok(())
    }

    fn refund(
        customer: &mut Customer,
        payload: &CustomerRefund,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        // What would be below nothing breaks the schema's `@min(0)`.
        customer.paid -= payload.amount;
        Ok(())
    }

    fn owes(_: &Customer, cx: &RelatedContext<'_, CustomerRelated>) -> i64 {
        let open = (cx.related().orders.iter()).filter(|order| order.stage == Stage::Open);
        open.map(|order| order.total).sum()
    }
}
