//! The platform `tpcc`: the order entry of TPC-C.

pub mod generated;
pub mod handlers;
pub mod workload;

/// The platform with its handlers.
pub fn platform() -> rkcy_runtime::codegen::Platform {
    generated::platform::<handlers::Handlers>()
}
