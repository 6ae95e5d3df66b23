//! What happens to a warehouse.

use crate::generated::{Warehouse, WarehouseHandlers, WarehousePay};
use rkcy_runtime::codegen::{Context, Text};

impl WarehouseHandlers for super::Handlers {
    fn pay(
        warehouse: &mut Warehouse,
        payload: &WarehousePay,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        let ytd = warehouse.ytd.checked_add(payload.amount);
        warehouse.ytd = ytd.ok_or_else(|| Text::from("overflow"))?;
        Ok(())
    }
}
