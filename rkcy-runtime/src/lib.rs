//! What runs a generated platform.
pub mod cli;
pub mod codegen;
pub mod driver;
pub mod edge;
mod facts;
pub mod grpc;
pub mod log;
pub mod simulate;
pub mod store;
pub mod testing;
