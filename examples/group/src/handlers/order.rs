//! What happens to an `Order`.

use crate::generated::{Order, OrderDeliver, OrderDeliverRefusal, OrderHandlers};
use rkcy_runtime::codegen;

impl OrderHandlers for super::Handlers {
    fn deliver(
        order: &mut Order,
        payload: &OrderDeliver,
        _: &codegen::Context<'_>,
    ) -> Result<(), OrderDeliverRefusal> {
        if order.carrier.is_some() {
            return Err(OrderDeliverRefusal::Delivered);
        }
        order.carrier = Some(payload.carrier.clone());
        Ok(())
    }
}
