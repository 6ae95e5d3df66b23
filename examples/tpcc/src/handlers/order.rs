//! What happens to an order.

use crate::generated::{
    Delivered, Items, Order, OrderDeliver, OrderDeliverRefusal, OrderHandlers, Shown,
};
use rkcy_runtime::codegen::Context;

impl OrderHandlers for super::Handlers {
    fn deliver(
        order: &mut Order,
        payload: &OrderDeliver,
        _cx: &Context<'_>,
    ) -> Result<Delivered, OrderDeliverRefusal> {
        if order.delivered.is_some() {
            return Err(OrderDeliverRefusal::DeliveredAlready);
        }
        order.carrier = Some(payload.carrier);
        order.delivered = Some(payload.at);
        Ok(Delivered {
            customer: order.customer,
            amount: order.lines.iter().map(|line| line.amount).sum(),
        })
    }

    fn items(order: &Order, _cx: &Context<'_>) -> Items {
        Items {
            items: order.lines.iter().map(|line| line.item).collect(),
        }
    }

    fn shown(order: &Order, _cx: &Context<'_>) -> Shown {
        Shown {
            number: order.number(),
            entered: order.entered,
            carrier: order.carrier,
            delivered: order.delivered,
            lines: order.lines.clone(),
        }
    }
}
