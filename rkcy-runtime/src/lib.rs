//! What runs a generated platform.
pub mod log;
