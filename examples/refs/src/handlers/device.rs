//! What happens to a `Device`.

use crate::generated::{Device, DeviceHandlers, DeviceHear};
use rkcy_runtime::codegen;

impl DeviceHandlers for super::Handlers {
    fn hear(
        device: &mut Device,
        payload: &DeviceHear,
        cx: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        let _ = (device, payload, cx);
        todo!("hear")
    }
}
