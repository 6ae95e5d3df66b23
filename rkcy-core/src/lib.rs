//! The pure engine of rkcy: no I/O, no threads, no clock, no async.
pub mod id;
pub mod key;
