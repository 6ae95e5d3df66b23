//! What happens to a `Device`.

use crate::generated::{Device, DeviceHandlers, DeviceHear};
use rkcy_runtime::codegen;

impl DeviceHandlers for super::Handlers {
    fn hear(
        device: &mut Device,
        payload: &DeviceHear,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        device.heard = device.heard.wrapping_add(payload.times);
        Ok(())
    }
}
