//! The contract with generated code.
//!
//! Owns everything that a generated crate may import: the traits of values and concerns, the helpers
//! that run one operation, the draft of a transaction, and the description of a platform. It has a
//! version of its own: a generated crate states the one it was made for, and does not compile against
//! another.

mod draft;
mod platform;
mod run;
mod value;

/// Version of this contract. Generated code asserts it at compile time.
pub const CONTRACT: u32 = 1;

pub use draft::{Draft, Spec};
pub use platform::{
    Concern, ConcernDesc, OpDesc, ParamDesc, Platform, PlatformDesc, Transaction, TransactionDesc,
};
pub use run::{
    command, command_without_payload, create, get, query, query_without_payload, unknown_op,
};
pub use value::{Ref, Text, Value, Violation, check, decode, encode};

pub use bytes::Bytes;
pub use prost;
pub use rkcy_core::fault::{Class, Fault};
pub use rkcy_core::id::{ConcernId, TxnId};
pub use rkcy_core::key::{Key, KeyPart, RowKey};
pub use rkcy_core::logic::{Call, Context, Logic, Row};
pub use rkcy_core::plan::Partitions;
pub use rkcy_core::txn::{Access, Answer, Args, Txn};
pub use serde;
pub use serde_json;
pub use uuid::Uuid;

/// Numbers of the operations that every concern has; those of the schema begin at [`op::FIRST_OWN`].
pub mod op {
    /// Takes no step: only for the reader of a log.
    pub const NONE: u16 = 0;
    /// `create`.
    pub const CREATE: u16 = 1;
    /// `get`.
    pub const GET: u16 = 2;
    /// `update`.
    pub const UPDATE: u16 = 3;
    /// `delete`.
    pub const DELETE: u16 = 4;
    /// First number of the commands and queries of the schema.
    pub const FIRST_OWN: u16 = 16;
}
