//! Values: what a schema's types are in Rust, and their form on the wire.
//!
//! Owns the bridge between the types that handlers see, which hold only valid values, and the protobuf
//! messages that stand for them in the log. Leaves the types themselves to generated code.

use super::platform::Concern;
use bytes::Bytes;
use prost::Message;
use rkcy_core::fault::{Class, Fault};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A type of the schema: in Rust a type that holds only valid values, on the wire a protobuf message.
pub trait Value: Sized {
    /// The protobuf message.
    type Proto: Message + Default;

    /// Whether the message is one with the field 1 alone, as it is of scalars, lists and maps: an answer with this
    /// result is that message, where others hold theirs.
    const IS_FIELD: bool = false;

    /// The message for this value.
    fn to_proto(&self) -> Self::Proto;

    /// The value of a message.
    ///
    /// # Errors
    /// Where the message holds what the type does not: a missing field, an unknown enum number.
    fn from_proto(proto: Self::Proto) -> Result<Self, Fault>;

    /// Checks the value constraints that the schema declares.
    ///
    /// # Errors
    /// The first one that is broken, with the path of its field.
    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }
}

/// A value constraint that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field.
    pub path: String,
    /// What the schema asks for, and what the value is.
    pub message: String,
}

impl Violation {
    /// A violation at the field `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Violation {
        Violation {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same, seen from the outer field `path`.
    #[must_use]
    pub fn within(self, path: &str) -> Violation {
        let path = match self.path.as_str() {
            "" => path.to_owned(),
            inner if inner.starts_with('[') => format!("{path}{inner}"),
            inner => format!("{path}.{inner}"),
        };
        Violation { path, ..self }
    }

    /// The same, seen from the list that holds the value at `index`.
    #[must_use]
    pub fn at_index(self, index: usize) -> Violation {
        self.within(&format!("[{index}]"))
    }

    /// The same, seen from the map that holds the value under this name.
    #[must_use]
    pub fn at_key(self, name: &str) -> Violation {
        self.within(&quoted_key(name))
    }
}

/// The name of a value in a map as a part of a path.
pub(super) fn quoted_key(name: &str) -> String {
    format!("[{}]", serde_json::Value::from(name))
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Fault {
        Fault::refusal("constraint", violation.message).at(violation.path)
    }
}

/// The bytes of a value.
pub fn encode<V: Value>(value: &V) -> Bytes {
    value.to_proto().encode_to_vec().into()
}

/// The value that `bytes` hold.
///
/// # Errors
/// [`Class::Corrupt`] where they hold none.
pub fn decode<V: Value>(bytes: &Bytes) -> Result<V, Fault> {
    read::<V>(V::Proto::decode(bytes.clone()))
}

/// The value that borrowed bytes hold.
///
/// # Errors
/// [`Class::Corrupt`] where they hold none.
pub fn decode_slice<V: Value>(bytes: &[u8]) -> Result<V, Fault> {
    read::<V>(V::Proto::decode(bytes))
}

fn read<V: Value>(proto: Result<V::Proto, prost::DecodeError>) -> Result<V, Fault> {
    V::from_proto(proto.map_err(|error| {
        Fault::new(
            Class::Corrupt,
            "unreadable",
            format!("not a {}: {error}", short_name::<V>()),
        )
    })?)
}

/// Checks a value that came from outside.
///
/// # Errors
/// [`Class::Invalid`] with the path of the field.
pub fn check<V: Value>(value: &V) -> Result<(), Fault> {
    value.check().map_err(|violation| Fault {
        class: Class::Invalid,
        ..violation.into()
    })
}

fn short_name<V>() -> &'static str {
    std::any::type_name::<V>()
        .rsplit("::")
        .next()
        .unwrap_or_default()
}

macro_rules! scalar_values {
    ($($type:ty),*) => { $(
        impl Value for $type {
            type Proto = $type;
            const IS_FIELD: bool = true;
            fn to_proto(&self) -> Self::Proto {
                self.clone()
            }
            fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
                Ok(proto)
            }
        }
    )* };
}
// prost implements its `Message` for these as the well-known wrapper of each.
scalar_values!((), bool, i32, i64, u32, u64, String, Bytes);

macro_rules! float_values {
    ($($type:ty),*) => { $(
        impl Value for $type {
            type Proto = $type;
            const IS_FIELD: bool = true;
            /// There is one zero: SQLite and PostgreSQL's JSONB give back no negative one, and a row out of
            /// the database is to be the row that was in memory.
            fn to_proto(&self) -> Self::Proto {
                self + 0.0
            }
            fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
                Ok(proto)
            }
        }
    )* };
}
float_values!(f32, f64);

impl Value for uuid::Uuid {
    type Proto = Bytes;
    const IS_FIELD: bool = true;
    fn to_proto(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
    fn from_proto(proto: Bytes) -> Result<Self, Fault> {
        uuid::Uuid::from_slice(&proto)
            .map_err(|_| Fault::new(Class::Corrupt, "unreadable", "a UUID is 16 bytes"))
    }
}

/// A reference to an instance of `C`: its key.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Ref<C: Concern>(C::Key);

impl<C: Concern> Ref<C> {
    /// A reference to the instance with this key.
    pub fn new(key: C::Key) -> Ref<C> {
        Ref(key)
    }

    /// The key referred to.
    pub fn key(&self) -> &C::Key {
        &self.0
    }
}

// Derived, these would ask the same of `C`.
impl<C: Concern> Clone for Ref<C> {
    fn clone(&self) -> Self {
        Ref(self.0.clone())
    }
}
impl<C: Concern> Copy for Ref<C> where C::Key: Copy {}
impl<C: Concern> PartialEq for Ref<C> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<C: Concern> Eq for Ref<C> {}
impl<C: Concern> PartialOrd for Ref<C> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<C: Concern> Ord for Ref<C> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<C: Concern<Key: Hash>> Hash for Ref<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<C: Concern> fmt::Debug for Ref<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{:?}]", C::NAME, self.0)
    }
}

impl<C: Concern<Key: Value>> Value for Ref<C> {
    type Proto = <C::Key as Value>::Proto;
    const IS_FIELD: bool = <C::Key as Value>::IS_FIELD;
    fn to_proto(&self) -> Self::Proto {
        self.0.to_proto()
    }
    fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
        C::Key::from_proto(proto).map(Ref)
    }
    fn check(&self) -> Result<(), Violation> {
        self.0.check()
    }
}

/// A refusal in free text: of commands and queries whose schema names no refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Cow<'static, str>);

impl<T: Into<Cow<'static, str>>> From<T> for Text {
    fn from(text: T) -> Text {
        Text(text.into())
    }
}

impl From<Text> for Fault {
    fn from(text: Text) -> Fault {
        Fault::refusal("refused", text.0)
    }
}
