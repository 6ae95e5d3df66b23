//! The description of a platform: what a generated crate registers.
//!
//! Owns the typed traits that concerns and transactions implement, and the tables by which the command
//! line and other front ends reach them by name. All tables are `static` in generated code.

use super::claims::Claims;
use super::config::ConfigDesc;
use super::draft::{Draft, Origin};
use super::key::KeyText;
use super::later::Later;
use super::patch::Patch;
use super::proto::{self, LeftOut};
use super::shape::{CallerDesc, EnumDesc, MessageDesc, ParamDesc};
use super::value::Value;
use super::{json, op};
use crate::store::{Dialect, Migration, TableDesc};
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::key::{Key, KeyPart, RowKey};
use rkcy_core::logic::Logic;
use rkcy_core::txn::{Access, Mode, Txn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// An entity of the schema.
pub trait Concern: Value + Clone {
    /// Type of its key.
    type Key: KeyPart
        + KeyText
        + Clone
        + Eq
        + Ord
        + std::fmt::Debug
        + serde::Serialize
        + for<'de> serde::Deserialize<'de>
        + Send
        + Sync;
    /// Type of the key of the root of its group: its own key's, where it is in no group.
    type RootKey: KeyPart;
    /// Its rank.
    const ID: ConcernId;
    /// Rank of the root of its group: its own, where it is in no group.
    const ROOT: ConcernId = Self::ID;
    /// Its name in the schema.
    const NAME: &'static str;
    /// The most claims that an instance has: unique values, and references.
    const CLAIMS: u16 = 0;
    /// The concerns that it refers to.
    const TARGETS: &'static [ConcernId] = &[];
    /// Numbers of the fields by which an instance is in views of others.
    const VIEWED: &'static [u32] = &[];

    /// What an instance claims.
    fn claims(&self, _claims: &mut Claims) {}

    /// The root's part of a key.
    fn root_key(key: &Self::Key) -> Self::RootKey;

    /// The key of this instance.
    fn key(&self) -> Self::Key;

    /// The group that the instance with this key is in, and its row.
    fn group_and_row(key: &Self::Key) -> (RowKey, RowKey) {
        let group = RowKey {
            concern: Self::ROOT,
            key: Key::of(&Self::root_key(key)),
        };
        let row = RowKey {
            concern: Self::ID,
            key: Key::of(key),
        };
        (group, row)
    }

    /// The canonical bytes of the key.
    fn key_bytes(&self) -> Key {
        Key::of(&self.key())
    }
}

/// A transaction of the schema, with its parameters as fields.
pub trait Transaction: Value {
    /// Its result; `()` where there is none.
    type Output: Value;
    /// Its number in the lock.
    const NUMBER: u32;
    /// Its name in the schema.
    const NAME: &'static str;
    /// How it is kept apart from the others.
    const MODE: Mode;

    /// Names the steps, and tells the result: a pure function, run again whenever results have told more.
    ///
    /// # Errors
    /// A `require` that fails, or an invalid payload.
    fn body(&self, t: &mut Draft<'_>) -> Result<Later<Self::Output>, Fault>;
}

/// An operation of a concern.
#[derive(Debug)]
pub struct OpDesc {
    /// Number in the lock.
    pub number: u16,
    /// Name in the schema.
    pub name: &'static str,
    /// First paragraph of its documentation.
    pub doc: &'static str,
    /// Whether it may change the instance.
    pub access: Access,
    /// Its parameters; for an unnamed payload those are the message's fields.
    pub params: &'static [ParamDesc],
    /// Names of its refusals.
    pub refusals: &'static [&'static str],
    /// Reads its payload from a JSON object; checks it.
    pub args_from_json: fn(Json) -> Result<Bytes, Fault>,
    /// Shows its payload as JSON.
    pub args_to_json: fn(&Bytes) -> Result<Json, Fault>,
    /// Shows its result as JSON.
    pub result_to_json: fn(&Bytes) -> Result<Json, Fault>,
    /// Its method in the gRPC service of the concern.
    pub rpc: &'static str,
    /// Reads its payload from protobuf that came from outside; checks it.
    pub args_from_wire: fn(Bytes) -> Result<Bytes, Fault>,
    /// The answer with its result, as protobuf; where that is in doubt, it is held against its type.
    pub answer: fn(Bytes, doubt: bool) -> Result<Bytes, Fault>,
    /// Of `create`: what stands for fields that a request in protobuf leaves out.
    pub left_out: &'static [LeftOut],
}

impl OpDesc {
    /// What the types of payload and result say; the rest is to be filled in.
    #[must_use]
    pub const fn of<A, O>() -> OpDesc
    where
        A: Value + Serialize + DeserializeOwned,
        O: Value + Serialize,
    {
        OpDesc {
            number: op::NONE,
            name: "",
            doc: "",
            access: Access::Shared,
            params: &[],
            refusals: &[],
            args_from_json: json::args_from_json::<A>,
            args_to_json: json::to_json::<A>,
            result_to_json: json::to_json::<O>,
            rpc: "",
            args_from_wire: proto::args_from_wire::<A>,
            answer: proto::answer::<O>,
            left_out: &[],
        }
    }

    /// `create`, with the fields of the instance as parameters.
    #[must_use]
    pub const fn create<C: Concern + Serialize + DeserializeOwned>(
        params: &'static [ParamDesc],
        left_out: &'static [LeftOut],
    ) -> OpDesc {
        OpDesc {
            number: op::CREATE,
            name: "create",
            rpc: "Create",
            left_out,
            access: Access::Exclusive,
            params,
            refusals: &["already_exists"],
            ..OpDesc::of::<C, C>()
        }
    }

    /// `update`, with the fields that may change as parameters.
    #[must_use]
    pub const fn update<C, P>(params: &'static [ParamDesc]) -> OpDesc
    where
        C: Concern + Serialize,
        P: Patch<C> + Serialize + DeserializeOwned,
    {
        OpDesc {
            number: op::UPDATE,
            name: "update",
            rpc: "Update",
            access: Access::Exclusive,
            params,
            refusals: &["not_found"],
            ..OpDesc::of::<P, C>()
        }
    }

    /// `delete`.
    #[must_use]
    pub const fn delete() -> OpDesc {
        OpDesc {
            number: op::DELETE,
            name: "delete",
            rpc: "Delete",
            access: Access::Delete,
            refusals: &["not_found"],
            ..OpDesc::of::<json::Empty, ()>()
        }
    }

    /// `get`.
    #[must_use]
    pub const fn get<C: Concern + Serialize>() -> OpDesc {
        OpDesc {
            number: op::GET,
            name: "get",
            rpc: "Get",
            refusals: &["not_found"],
            ..OpDesc::of::<json::Empty, C>()
        }
    }
}

/// A concern.
#[derive(Debug)]
pub struct ConcernDesc {
    /// Its rank.
    pub id: ConcernId,
    /// Name in the schema.
    pub name: &'static str,
    /// First paragraph of its documentation.
    pub doc: &'static str,
    /// Whether it is the engine's own: nobody sees it.
    pub hidden: bool,
    /// The parts of its key.
    pub keys: &'static [ParamDesc],
    /// Operations, `create` and `get` included.
    pub ops: &'static [OpDesc],
    /// Reads a key as a person writes it.
    pub key_from_text: fn(&str) -> Result<Key, Fault>,
    /// Shows a key as a person writes it.
    pub key_to_text: fn(&Key) -> String,
    /// Reads a key as JSON has it: one of several parts is an object.
    pub key_from_json: fn(Json) -> Result<Key, Fault>,
    /// Shows a key as JSON has it.
    pub key_to_json: fn(&Key) -> Result<Json, Fault>,
    /// The root of its group: itself, where it is in no group.
    pub group: ConcernId,
    /// The group that an instance is in, by its key.
    pub root: fn(&Key) -> Option<RowKey>,
    /// Shows an encoded instance as JSON.
    pub to_json: fn(&Bytes) -> Result<Json, Fault>,
    /// Its gRPC service.
    pub service: &'static str,
    /// Reads the key in a request of that service.
    pub key_from_wire: fn(&Bytes) -> Result<Key, Fault>,
    /// The key of an encoded instance.
    pub key_of_instance: fn(&Bytes) -> Result<Key, Fault>,
    /// How it is stored.
    pub table: &'static TableDesc,
}

impl ConcernDesc {
    /// The group that an instance is in, and its row.
    ///
    /// # Errors
    /// `wrong_key` where this is no key of the concern.
    pub fn group_and_row(&self, key: Key) -> Result<(RowKey, RowKey), Fault> {
        let group = (self.root)(&key).ok_or_else(|| {
            let message = format!("this is no key of a {}", self.name);
            Fault::new(Class::Invalid, "wrong_key", message)
        })?;
        let concern = self.id;
        Ok((group, RowKey { concern, key }))
    }

    /// The key among the fields of an instance, as JSON has them.
    ///
    /// # Errors
    /// `missing_field` where a part of it is not there, or as [`ConcernDesc::key_from_json`] says.
    pub fn key_in(&self, fields: &Map<String, Json>) -> Result<Key, Fault> {
        let part = |name: &'static str| {
            let missing = || Fault::new(Class::Invalid, "missing_field", "is missing").at(name);
            fields.get(name).cloned().ok_or_else(missing)
        };
        if let [only] = self.keys {
            return (self.key_from_json)(part(only.name)?).map_err(|fault| fault.within(only.name));
        }
        let parts = self
            .keys
            .iter()
            .map(|key| Ok((key.name.to_owned(), part(key.name)?)));
        let parts: Result<Map<String, Json>, Fault> = parts.collect();
        (self.key_from_json)(Json::Object(parts?))
    }
}

/// A transaction.
#[derive(Debug)]
pub struct TransactionDesc {
    /// Number in the lock.
    pub number: u32,
    /// Name in the schema.
    pub name: &'static str,
    /// First paragraph of its documentation.
    pub doc: &'static str,
    /// Its parameters.
    pub params: &'static [ParamDesc],
    /// Names of its refusals.
    pub refusals: &'static [&'static str],
    /// The transaction with the parameters of a JSON object.
    pub from_json: fn(Json, Origin<'_>) -> Result<Txn, Fault>,
    /// Shows its result as JSON.
    pub result_to_json: fn(&Bytes) -> Result<Json, Fault>,
    /// Its method in the gRPC service of transactions.
    pub rpc: &'static str,
    /// The transaction with the parameters of a message that came from outside.
    pub from_wire: fn(Bytes, Origin<'_>) -> Result<Txn, Fault>,
    /// The answer with its result, as protobuf; where that is in doubt, it is held against its type.
    pub answer: fn(Bytes, doubt: bool) -> Result<Bytes, Fault>,
}

/// Everything that generated code says of a platform.
#[derive(Debug)]
pub struct PlatformDesc {
    /// Name in the schema.
    pub name: &'static str,
    /// First paragraph of its documentation.
    pub doc: &'static str,
    /// Hash of the schema.
    pub schema: u64,
    /// Partitions of a root concern, unless told otherwise.
    pub partitions: u16,
    /// Concerns, by rank; those in groups too.
    pub concerns: &'static [ConcernDesc],
    /// Transactions, by number.
    pub transactions: &'static [TransactionDesc],
    /// Messages.
    pub messages: &'static [MessageDesc],
    /// Enums.
    pub enums: &'static [EnumDesc],
    /// Configuration, by number.
    pub configs: &'static [ConfigDesc],
    /// Who calls, where the platform asks.
    pub caller: Option<CallerDesc>,
    /// The OpenAPI document of its interface over HTTP.
    pub openapi: &'static str,
    /// The protobuf package of its gRPC services.
    pub package: &'static str,
    /// The files that describe them, by name.
    pub protos: &'static [(&'static str, &'static str)],
    /// SQL migrations for SQLite, in order.
    pub sqlite: &'static [Migration],
    /// SQL migrations for PostgreSQL, in order.
    pub postgres: &'static [Migration],
}

/// A platform with its handlers: what a generated `main` hands over.
#[derive(Clone)]
pub struct Platform {
    /// What the schema says.
    pub desc: &'static PlatformDesc,
    /// The handlers, as the engine calls them, for a number of partitions.
    pub logic: fn(partitions: u16) -> Arc<dyn Logic>,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform")
            .field("name", &self.desc.name)
            .finish_non_exhaustive()
    }
}

impl PlatformDesc {
    /// The migrations for a database that speaks this SQL.
    #[must_use]
    pub fn migrations(&self, dialect: Dialect) -> &'static [Migration] {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }

    /// The tables of all concerns.
    pub fn tables(&self) -> impl Iterator<Item = &'static TableDesc> {
        self.concerns.iter().map(|concern| concern.table)
    }

    /// The path of a transaction's method of the gRPC service.
    #[must_use]
    pub fn transaction_path(&self, transaction: &TransactionDesc) -> String {
        format!("/{}.Transactions/{}", self.package, transaction.rpc)
    }

    /// The path of an operation's method of the gRPC service of its concern.
    #[must_use]
    pub fn op_path(&self, concern: &ConcernDesc, op: &OpDesc) -> String {
        format!("/{}.{}/{}", self.package, concern.service, op.rpc)
    }

    /// The concern with this name.
    #[must_use]
    pub fn concern(&self, name: &str) -> Option<&'static ConcernDesc> {
        self.declared().find(|concern| concern.name == name)
    }

    /// The config with this name.
    #[must_use]
    pub fn config(&self, name: &str) -> Option<&'static ConfigDesc> {
        self.configs.iter().find(|config| config.name == name)
    }

    /// The config with this number.
    #[must_use]
    pub fn config_numbered(&self, id: ConcernId) -> Option<&'static ConfigDesc> {
        self.configs.iter().find(|config| config.id == id)
    }

    /// The concerns of the schema, by rank.
    pub fn declared(&self) -> impl Iterator<Item = &'static ConcernDesc> + use<> {
        self.concerns.iter().filter(|concern| !concern.hidden)
    }

    /// The concerns that are the roots of groups: those with partitions.
    pub fn roots(&self) -> impl Iterator<Item = &'static ConcernDesc> {
        self.concerns
            .iter()
            .filter(|concern| concern.group == concern.id)
    }

    /// The concern with this rank.
    #[must_use]
    pub fn ranked(&self, id: ConcernId) -> Option<&'static ConcernDesc> {
        self.concerns.iter().find(|concern| concern.id == id)
    }

    /// The transaction with this number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<&'static TransactionDesc> {
        self.transactions.iter().find(|txn| txn.number == number)
    }

    /// The operation of a concern with this number.
    #[must_use]
    pub fn op(&self, concern: ConcernId, number: u16) -> Option<&'static OpDesc> {
        let mut ops = self.ranked(concern)?.ops.iter();
        ops.find(|op| op.number == number)
    }

    /// The group that a row is in; `None` where its key cannot be read.
    #[must_use]
    pub fn group_of(&self, row: &RowKey) -> Option<RowKey> {
        (self.ranked(row.concern)?.root)(&row.key)
    }

    /// The name of a concern, for messages.
    #[must_use]
    pub fn concern_name(&self, id: ConcernId) -> &'static str {
        self.ranked(id)
            .map_or("an unknown concern", |concern| concern.name)
    }

    /// A row as a person writes it: `Character[key]`.
    #[must_use]
    pub fn row_text(&self, row: &RowKey) -> String {
        let key = match self.ranked(row.concern) {
            Some(concern) => (concern.key_to_text)(&row.key),
            None => format!("{:?}", row.key),
        };
        format!("{}[{key}]", self.concern_name(row.concern))
    }

    /// A partition as a person writes it: `Character/0`.
    #[must_use]
    pub fn partition_text(&self, id: PartitionId) -> String {
        format!("{}/{}", self.concern_name(id.concern), id.index)
    }

    /// The transaction with this name.
    #[must_use]
    pub fn transaction(&self, name: &str) -> Option<&'static TransactionDesc> {
        self.transactions
            .iter()
            .find(|transaction| transaction.name == name)
    }
}

/// Hash of a schema out of those of its parts. Not one that resists an attack: it tells builds apart.
#[must_use]
pub const fn schema(parts: &[u64]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < parts.len() {
        hash = (hash ^ parts[index]).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 32;
        index += 1;
    }
    hash
}

/// A concern that this build does not know.
#[must_use]
pub fn unknown_concern(rank: u16) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unknown_concern",
        format!("this build has no concern {rank}"),
    )
}

/// A transaction that this build does not know.
#[must_use]
pub fn unknown_transaction(kind: u32) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unknown_transaction",
        format!("this build has no transaction {kind}"),
    )
}
