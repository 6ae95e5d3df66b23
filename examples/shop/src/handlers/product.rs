//! What happens to a product: to its stock.

use crate::generated::{
    Product, ProductDescribe, ProductHandlers, ProductPutBack, ProductStockUp, ProductTake,
    ProductTakeRefusal,
};
use rkcy_runtime::codegen::{Context, Map, Text};

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

    fn describe(
        product: &mut Product,
        payload: &ProductDescribe,
        _cx: &Context<'_>,
    ) -> Result<u32, Text> {
        product.traits.extend(payload.traits.clone());
        product.traits.retain(|_, text| !text.is_empty());
        if payload.sheet.is_some() {
            product.sheet = payload.sheet.clone();
        }
        u32::try_from(product.traits.len()).map_err(|_| Text::from("too many traits"))
    }

    fn look(product: &Product, _cx: &Context<'_>) -> Result<Map<String>, Text> {
        Ok(product.traits.clone())
    }
}

/// Puts so many on the shelf; more than the schema allows is refused by it.
fn more(product: &mut Product, quantity: u32) -> Result<(), Text> {
    let stock = product.stock.checked_add(quantity);
    product.stock = stock.ok_or_else(|| Text::from("too many for one shelf"))?;
    Ok(())
}
