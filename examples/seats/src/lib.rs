//! The platform `seats`: seats of shows.

pub mod generated;
pub mod handlers;
pub mod workload;

/// The platform with its handlers.
pub fn platform() -> rkcy_runtime::codegen::Platform {
    generated::platform::<handlers::Handlers>()
}
