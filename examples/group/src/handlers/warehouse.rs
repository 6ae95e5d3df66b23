//! What happens to a `Warehouse`.

use crate::generated::{Warehouse, WarehouseEarn, WarehouseHandlers};
use rkcy_runtime::codegen;

impl WarehouseHandlers for super::Handlers {
    fn earn(
        warehouse: &mut Warehouse,
        payload: &WarehouseEarn,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        warehouse.earnings = super::district::add(warehouse.earnings, payload.amount)?;
        Ok(())
    }
}
