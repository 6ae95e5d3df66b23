//! The pure engine of rkcy: no I/O, no threads, no clock, no async.
pub mod bugs;
pub mod fault;
pub mod frame;
pub mod id;
pub mod key;
pub mod logic;
pub mod plan;
pub mod settings;
pub mod txn;
pub mod wire;
