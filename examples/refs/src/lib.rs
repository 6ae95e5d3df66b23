//! The platform `refs`.

pub mod generated;
pub mod handlers;

/// The platform with its handlers.
pub fn platform() -> rkcy_runtime::codegen::Platform {
    generated::platform::<handlers::Handlers>()
}
