//! What happens to a customer.

use crate::generated::{
    Credit, Customer, CustomerDelivered, CustomerHandlers, CustomerOrdered, CustomerPay,
};
use rkcy_runtime::codegen::{Context, Text};

/// Characters of what is known of a customer with bad credit.
const DATA: usize = 500;

impl CustomerHandlers for super::Handlers {
    fn pay(customer: &mut Customer, payload: &CustomerPay, _cx: &Context<'_>) -> Result<i64, Text> {
        let amount = payload.amount;
        customer.balance = sum(customer.balance, -amount)?;
        customer.ytd_payment = sum(customer.ytd_payment, amount)?;
        customer.payment_count += 1;
        if customer.credit == Credit::Bad {
            // 2.5.2.2: the payment goes before what was known, which is cut.
            let known = format!("{} {amount}|{}", customer.number(), customer.data);
            customer.data = known.chars().take(DATA).collect();
        }
        Ok(customer.balance)
    }

    fn ordered(customer: &mut Customer, payload: &CustomerOrdered, _cx: &Context<'_>) -> u32 {
        customer.last_order = Some(payload.number);
        customer.discount
    }

    fn delivered(
        customer: &mut Customer,
        payload: &CustomerDelivered,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        customer.balance = sum(customer.balance, payload.amount)?;
        customer.delivery_count += 1;
        Ok(())
    }
}

fn sum(a: i64, b: i64) -> Result<i64, Text> {
    a.checked_add(b).ok_or_else(|| Text::from("overflow"))
}
