//! Configuration in generated code: typed objects, references to them, and how front ends reach them.

use super::json;
use super::key::{KeyText, decode_key_of, key_of_text, key_text};
use super::shape::ParamDesc;
use super::sql::Column;
use super::value::{Value, Violation, check, decode, encode};
use crate::store::SqlValue;
use bytes::Bytes;
use rkcy_core::config::ConfigObject;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::ConcernId;
use rkcy_core::key::{Key, RowKey};
use rkcy_core::logic::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::fmt;
use std::hash::{Hash, Hasher};

/// An object of configuration.
pub trait Config:
    ConfigObject<
        Key: KeyText + Clone + Eq + Ord + fmt::Debug + Serialize + DeserializeOwned + Send + Sync,
    > + Value
{
    /// Its key.
    fn key(&self) -> Self::Key;
}

/// A reference to an object of configuration: its key. It promises nothing and holds nothing.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct ConfigRef<C: Config>(C::Key);

impl<C: Config> ConfigRef<C> {
    /// A reference to the object with this key.
    pub fn new(key: C::Key) -> ConfigRef<C> {
        ConfigRef(key)
    }

    /// The key referred to.
    pub fn key(&self) -> &C::Key {
        &self.0
    }

    /// The object, as the partition knows it where the handler runs; `None` where there is none.
    pub fn read(&self, cx: &Context<'_>) -> Option<C> {
        cx.config(&self.0)
    }
}

// Derived, these would ask the same of `C`.
impl<C: Config> Clone for ConfigRef<C> {
    fn clone(&self) -> Self {
        ConfigRef(self.0.clone())
    }
}
impl<C: Config<Key: Copy>> Copy for ConfigRef<C> {}
impl<C: Config> PartialEq for ConfigRef<C> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<C: Config> Eq for ConfigRef<C> {}
impl<C: Config> PartialOrd for ConfigRef<C> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<C: Config> Ord for ConfigRef<C> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<C: Config<Key: Hash>> Hash for ConfigRef<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<C: Config> fmt::Debug for ConfigRef<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{:?}]", C::NAME, self.0)
    }
}

impl<C: Config<Key: Value>> Value for ConfigRef<C> {
    type Proto = <C::Key as Value>::Proto;
    const IS_FIELD: bool = <C::Key as Value>::IS_FIELD;
    fn to_proto(&self) -> Self::Proto {
        self.0.to_proto()
    }
    fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
        C::Key::from_proto(proto).map(ConfigRef)
    }
    fn check(&self) -> Result<(), Violation> {
        self.0.check()
    }
}

impl<C: Config<Key: Column>> Column for ConfigRef<C> {
    fn to_sql(&self) -> SqlValue {
        self.0.to_sql()
    }
    fn from_sql(value: &SqlValue) -> Option<Self> {
        C::Key::from_sql(value).map(ConfigRef)
    }
}

/// A config, as front ends reach it.
#[derive(Debug)]
pub struct ConfigDesc {
    /// Its number.
    pub id: ConcernId,
    /// Name in the schema.
    pub name: &'static str,
    /// First paragraph of its documentation.
    pub doc: &'static str,
    /// Its fields; the first one is the key.
    pub fields: &'static [ParamDesc],
    /// Whether its objects cannot be removed: something that is kept refers to them, and not by a `?`.
    pub required: bool,
    /// Reads a key as a person writes it.
    pub key_from_text: fn(&str) -> Result<Key, Fault>,
    /// Shows a key as a person writes it.
    pub key_to_text: fn(&Key) -> String,
    /// Shows a key as JSON has it.
    pub key_to_json: fn(&Key) -> Result<Json, Fault>,
    /// Reads an object from JSON, and checks it; its key comes with it.
    pub from_json: fn(Json) -> Result<(Key, Bytes), Fault>,
    /// Shows an encoded object as JSON.
    pub to_json: fn(&Bytes) -> Result<Json, Fault>,
    /// Whether an encoded object is as the schema wants it now: it may have been written for an earlier one.
    pub check: fn(&Bytes) -> Result<(), Fault>,
}

impl ConfigDesc {
    /// What the type says, and what it does not.
    #[must_use]
    pub const fn of<C: Config + Serialize + DeserializeOwned>(
        doc: &'static str,
        fields: &'static [ParamDesc],
        required: bool,
    ) -> ConfigDesc {
        ConfigDesc {
            id: C::ID,
            name: C::NAME,
            doc,
            fields,
            required,
            key_from_text: |text| key_of_text::<C::Key>(text, C::NAME).map(|key| Key::of(&key)),
            key_to_text: |key| match decode_key_of::<C::Key>(key.as_bytes(), C::NAME) {
                Ok(key) => key_text(&key),
                Err(_) => format!("{key:?}"),
            },
            key_to_json: |key| {
                let key: C::Key = decode_key_of(key.as_bytes(), C::NAME)?;
                serde_json::to_value(key)
                    .map_err(|error| Fault::new(Class::Corrupt, "unreadable", error.to_string()))
            },
            from_json: |json| {
                let object: C = json::from_json(json)?;
                check(&object)?;
                Ok((Key::of(&object.key()), encode(&object)))
            },
            to_json: json::to_json::<C>,
            check: |bytes| check(&decode::<C>(bytes)?),
        }
    }

    /// The object with this key.
    #[must_use]
    pub fn object(&self, key: Key) -> RowKey {
        RowKey {
            concern: self.id,
            key,
        }
    }

    /// An object as a person writes it: `Limits[key]`.
    #[must_use]
    pub fn object_text(&self, object: &RowKey) -> String {
        format!("{}[{}]", self.name, (self.key_to_text)(&object.key))
    }
}
