//! The contract with generated code.
//!
//! Owns everything that a generated crate may import: the traits of values and concerns, the helpers
//! that run one operation, the draft of a transaction, and the description of a platform. It has a
//! version of its own: a generated crate states the one it was made for, and does not compile against
//! another.

mod blob;
mod called;
mod claims;
mod config;
pub mod constraint;
mod decimal;
mod document;
mod draft;
mod field;
mod json;
mod key;
mod keyed;
mod later;
mod made;
mod many;
mod object;
mod patch;
mod platform;
mod proto;
mod related;
mod run;
mod shape;
mod sql;
mod time;
mod value;

/// Version of this contract. Generated code asserts it at compile time.
pub const CONTRACT: u32 = 9;

pub use crate::{__later as later, __object as object, __patch as patch};
pub use blob::Blob;
pub use called::CallerContext;
pub(crate) use claims::hex;
pub use claims::{
    Claims, Target, claims_of, claims_of_new, claims_to_json, half_of_unique, hidden_from_columns,
    hidden_key, hidden_to_columns, index_root, index_within,
};
pub use config::{Config, ConfigDesc, ConfigRef};
pub use constraint::Pattern;
pub use decimal::{Decimal, DecimalError};
pub use document::{Json, JsonError};
pub use draft::{Draft, Origin, Spec, Turns, derived_uuid, resume, root_of, single, transaction};
pub use field::{
    Map, put, put_list, put_map, put_optional, take, take_list, take_map, take_optional,
    take_or_default, take_or_older, take_required, unknown_number,
};
pub use json::{Empty, args_from_json, from_json, to_json, transaction_from_json};
pub use key::{KeyParts, KeyText, decode_key, key_from_text, key_of_text, key_text, key_to_text};
pub use keyed::{IdempotencyKey, KEYS};
pub use later::Later;
#[doc(hidden)]
pub use later::Union;
pub(crate) use made::operation_from_wire;
pub use made::{Auto, auto_uuid, operation};
pub use many::{Entries, Many};
pub use object::{Fields, Object, Writer, read as read_object};
pub use patch::{Patch, cleared, put_change, take_change, take_list_change, take_map_change};
pub use platform::{
    Concern, ConcernDesc, OpDesc, Platform, PlatformDesc, Transaction, TransactionDesc, schema,
    unknown_concern, unknown_transaction,
};
pub use proto::{
    LeftOut, Made, answer, args_from_wire, key_from_wire, key_of_instance, request, result_in,
    transaction_from_wire,
};
pub use related::{Related, RelatedContext, members, relations_of, side, view_root, view_to_json};
pub use run::{
    command, command_without_payload, create, delete, ensure, find, get, query,
    query_without_payload, unknown_op, update,
};
pub use shape::{
    CallerDesc, EnumDesc, Kind, MessageDesc, Number, ParamDesc, Shape, Times, key_from_json,
    key_to_json,
};
pub use sql::{Column, Columns, sql, sql_json, sql_optional};
pub use time::{Duration, Timestamp};
pub use value::{Ref, Text, Value, Violation, check, decode, decode_slice, encode};

pub use crate::store::{ColumnDesc, ColumnType, ListDesc, Migration, SqlValue, TableDesc};
pub use bytes::Bytes;
pub use prost;
#[cfg(feature = "seeded-bugs")]
pub use rkcy_core::bugs;
pub use rkcy_core::claim::Asked;
pub use rkcy_core::config::ConfigObject;
pub use rkcy_core::expect::{Expected, Tag};
pub use rkcy_core::fault::{Class, Fault};
pub use rkcy_core::id::{ConcernId, TxnId};
pub use rkcy_core::key::{Key, KeyPart, RowKey};
pub use rkcy_core::logic::{Call, Context, Logic, Row};
pub use rkcy_core::plan::Partitions;
pub use rkcy_core::related::{Relation, Side, Views};
pub use rkcy_core::txn::{Access, Args, Mode, Outcome, Rest, Step, Txn};
pub use serde;
pub use serde_json;
pub use uuid::Uuid;

/// Where a key's canonical bytes are put: what a key part that is an enum writes to.
pub type KeyBytes = smallvec::SmallVec<[u8; 24]>;

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
    /// `ensure`: creates, unless there is one.
    pub const ENSURE: u16 = 5;
    /// `find`: reads, also that there is none.
    pub const FIND: u16 = 6;
    /// First number of the commands and queries of the schema.
    pub const FIRST_OWN: u16 = 16;
}
