//! What happens to a `Stock`.

use crate::generated::{Stock, StockHandlers, StockPut, StockTake, StockTakeRefusal};
use rkcy_runtime::codegen;

impl StockHandlers for super::Handlers {
    fn take(
        stock: &mut Stock,
        payload: &StockTake,
        _: &codegen::Context<'_>,
    ) -> Result<i64, StockTakeRefusal> {
        let quantity = i64::from(payload.quantity);
        if stock.quantity < quantity {
            return Err(StockTakeRefusal::SoldOut);
        }
        stock.quantity -= quantity;
        stock.sold = stock.sold.saturating_add(quantity);
        Ok(stock.quantity)
    }

    fn put(
        stock: &mut Stock,
        payload: &StockPut,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        stock.quantity = super::district::add(stock.quantity, i64::from(payload.quantity))?;
        Ok(())
    }

    fn left(stock: &Stock, _: &codegen::Context<'_>) -> Result<i64, codegen::Text> {
        Ok(stock.quantity)
    }
}
