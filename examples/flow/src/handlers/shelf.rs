//! What happens to a `Shelf`.

use crate::generated::{
    Shelf, ShelfHandlers, ShelfHas, ShelfPut, ShelfPutRefusal, ShelfTake, ShelfTakeRefusal,
};
use rkcy_runtime::codegen;

/// The most items that the schema takes.
const MAX_STOCK: u32 = 100_000;

impl ShelfHandlers for super::Handlers {
    fn put(
        shelf: &mut Shelf,
        payload: &ShelfPut,
        _: &codegen::Context<'_>,
    ) -> Result<u32, ShelfPutRefusal> {
        let stock = shelf.stock.saturating_add(payload.count);
        if stock > MAX_STOCK {
            return Err(ShelfPutRefusal::Full);
        }
        shelf.stock = stock;
        shelf.moved += i64::from(payload.count);
        Ok(stock)
    }

    fn take(
        shelf: &mut Shelf,
        payload: &ShelfTake,
        _: &codegen::Context<'_>,
    ) -> Result<u32, ShelfTakeRefusal> {
        let stock = shelf.stock.checked_sub(payload.count);
        shelf.stock = stock.ok_or(ShelfTakeRefusal::TooFew)?;
        shelf.moved += i64::from(payload.count);
        Ok(shelf.stock)
    }

    fn has(
        shelf: &Shelf,
        payload: &ShelfHas,
        _: &codegen::Context<'_>,
    ) -> Result<bool, codegen::Text> {
        Ok(shelf.stock >= payload.count)
    }
}
