//! What happens to a `Tenant`.

use crate::generated::{Tenant, TenantHandlers, TenantRelated, TenantTallyRefusal};
use rkcy_runtime::codegen;

impl TenantHandlers for super::Handlers {
    fn tally(
        tenant: &mut Tenant,
        cx: &codegen::RelatedContext<'_, TenantRelated>,
    ) -> Result<u64, TenantTallyRefusal> {
        let devices = &cx.related().devices;
        if devices.is_empty() {
            return Err(TenantTallyRefusal::Silent);
        }
        tenant.tallied = devices.iter().map(|device| u64::from(device.heard)).sum();
        Ok(tenant.tallied)
    }

    fn forget(tenant: &mut Tenant, _: &codegen::Context<'_>) {
        tenant.tallied = 0;
    }

    fn serials(
        _: &Tenant,
        cx: &codegen::RelatedContext<'_, TenantRelated>,
    ) -> Result<Vec<u32>, codegen::Text> {
        let devices = cx.related().devices.iter();
        Ok(devices.map(|device| device.serial()).collect())
    }
}
