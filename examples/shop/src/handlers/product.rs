//! What happens to a product: to its stock.

use crate::generated::{
    Product, ProductHandlers, ProductPutBack, ProductStockUp, ProductTake, ProductTakeRefusal,
};
use rkcy_runtime::codegen::{Context, Text};

impl ProductHandlers for super::Handlers {
    fn stock_up(
        product: &mut Product,
        payload: &ProductStockUp,
        _cx: &Context<'_>,
    ) -> Result<u32, Text> {
        more(product, payload.quantity)?;
        Ok(product.stock)
    }

    fn take(
        product: &mut Product,
        payload: &ProductTake,
        _cx: &Context<'_>,
    ) -> Result<i64, ProductTakeRefusal> {
        let rest = product.stock.checked_sub(payload.quantity);
        product.stock = rest.ok_or(ProductTakeRefusal::SoldOut)?;
        Ok(product.price)
    }

    fn put_back(
        product: &mut Product,
        payload: &ProductPutBack,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        more(product, payload.quantity)
    }
}

/// Puts so many on the shelf; more than the schema allows is refused by it.
fn more(product: &mut Product, quantity: u32) -> Result<(), Text> {
    let stock = product.stock.checked_add(quantity);
    product.stock = stock.ok_or_else(|| Text::from("too many for one shelf"))?;
    Ok(())
}
