//! What happens to the stock of an item.

use crate::generated::{Item, Stock, StockHandlers, StockTake, StockTakeRefusal, Taken};
use rkcy_runtime::codegen::Context;

/// What is left at least after an order; else more is brought in (2.4.2.2).
const LEAST: i32 = 10;
/// How many are brought in at once.
const BROUGHT_IN: i32 = 91;

impl StockHandlers for super::Handlers {
    fn take(
        stock: &mut Stock,
        payload: &StockTake,
        cx: &Context<'_>,
    ) -> Result<Taken, StockTakeRefusal> {
        let item = cx.config::<Item>(&stock.item());
        let item = item.ok_or(StockTakeRefusal::UnknownItem)?;
        // At most ten, by the schema.
        let quantity = i32::try_from(payload.quantity).unwrap_or(i32::MAX);
        stock.quantity -= quantity;
        if stock.quantity < LEAST {
            stock.quantity += BROUGHT_IN;
        }
        stock.ytd += i64::from(payload.quantity);
        stock.order_count += 1;
        stock.remote_count += u32::from(payload.remote);
        let nth = usize::try_from(payload.district.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(Taken {
            price: item.price,
            district: stock.districts.get(nth).cloned().unwrap_or_default(),
        })
    }

    fn left(stock: &Stock, _cx: &Context<'_>) -> i32 {
        stock.quantity
    }
}
