//! What happens to an `Order`.

use crate::generated::{Order, OrderFinishRefusal, OrderHandlers, OrderHurry};
use rkcy_runtime::codegen;

impl OrderHandlers for super::Handlers {
    fn finish(order: &mut Order, _: &codegen::Context<'_>) -> Result<i64, OrderFinishRefusal> {
        if order.done {
            return Err(OrderFinishRefusal::DoneAlready);
        }
        order.done = true;
        Ok(items(order))
    }

    fn hurry(
        order: &mut Order,
        payload: &OrderHurry,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        order.speed = payload.speed;
        Ok(())
    }

    fn size(order: &Order, _: &codegen::Context<'_>) -> Result<i64, codegen::Text> {
        Ok(items(order))
    }

    fn shelves(
        order: &Order,
        _: &codegen::Context<'_>,
    ) -> Result<Vec<codegen::Uuid>, codegen::Text> {
        Ok(order.lines.iter().map(|line| *line.shelf.key()).collect())
    }
}

fn items(order: &Order) -> i64 {
    order.lines.iter().map(|line| i64::from(line.count)).sum()
}
