//! What happens to a `Device`.

use crate::generated::{Device, DeviceHandlers, DeviceHear, DeviceHearRefusal, DeviceRelated};
use rkcy_runtime::codegen;

impl DeviceHandlers for super::Handlers {
    fn hear(
        device: &mut Device,
        payload: &DeviceHear,
        cx: &codegen::Context<'_>,
    ) -> Result<u32, DeviceHearRefusal> {
        let policy = device.policy.and_then(|policy| policy.read(cx));
        if policy.as_ref().is_some_and(|policy| policy.mute) {
            return Err(DeviceHearRefusal::Muted);
        }
        let most = policy.map_or(u32::MAX, |policy| policy.most);
        let heard = device.heard.saturating_add(payload.times).min(most);
        // A policy may have become narrower since.
        device.heard = heard.max(device.heard);
        Ok(device.heard)
    }

    fn partners_heard(_: &Device, cx: &codegen::RelatedContext<'_, DeviceRelated>) -> u64 {
        let partners = cx.related().partners.iter();
        partners.map(|partner| u64::from(partner.heard)).sum()
    }
}
