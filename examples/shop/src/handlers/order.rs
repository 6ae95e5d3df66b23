//! What happens to an order.

use crate::generated::{
    Order, OrderCancelRefusal, OrderHandlers, OrderPayRefusal, OrderSendRefusal, Stage,
};
use rkcy_runtime::codegen::Context;

impl OrderHandlers for super::Handlers {
    fn pay(order: &mut Order, _cx: &Context<'_>) -> Result<i64, OrderPayRefusal> {
        if order.stage != Stage::Open {
            return Err(OrderPayRefusal::NotOpen);
        }
        order.stage = Stage::Paid;
        Ok(order.total)
    }

    fn send(order: &mut Order, _cx: &Context<'_>) -> Result<(), OrderSendRefusal> {
        if order.stage != Stage::Paid {
            return Err(OrderSendRefusal::NotPaid);
        }
        order.stage = Stage::Sent;
        Ok(())
    }

    fn cancel(order: &mut Order, _cx: &Context<'_>) -> Result<i64, OrderCancelRefusal> {
        let back = match order.stage {
            Stage::Open => 0,
            Stage::Paid => order.total,
            Stage::Sent | Stage::Cancelled => return Err(OrderCancelRefusal::TooLate),
        };
        order.stage = Stage::Cancelled;
        Ok(back)
    }
}
