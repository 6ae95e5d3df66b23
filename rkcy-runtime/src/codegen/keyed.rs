//! Idempotency keys: from what a caller gives to what the engine compares.
//!
//! Owns [`IdempotencyKey`], its bounds and its hashes, and the hidden concern that every platform has for keys.

use super::platform::ConcernDesc;
use super::{ColumnType, hidden_from_columns, hidden_key, hidden_to_columns, index_root};
use crate::store::TableDesc;
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::keyed::{Digest, Kept, Keyed, Page};
use rkcy_core::wire::Wire;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Names a request: who repeats it with the key gets the first answer, and nothing is done twice.
///
/// A key belongs to its caller, and to one request: the same transaction with the same parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    caller: String,
    /// Who asks, where a verified token tells; or empty.
    subject: Bytes,
    key: String,
}

impl IdempotencyKey {
    /// The longest key, and the longest name of a caller. Bytes.
    pub const MOST: usize = 256;

    /// A key of nobody in particular.
    ///
    /// # Errors
    /// `wrong_idempotency_key` where it is empty or longer than [`IdempotencyKey::MOST`].
    pub fn new(key: impl Into<String>) -> Result<IdempotencyKey, Fault> {
        let key = key.into();
        if key.is_empty() {
            return Err(wrong("an idempotency key has at least one byte".to_owned()));
        }
        is_short("an idempotency key", &key)?;
        let caller = String::new();
        Ok(IdempotencyKey {
            caller,
            subject: Bytes::new(),
            key,
        })
    }

    /// The same, of a caller: others may use the key for something else.
    ///
    /// # Errors
    /// `wrong_idempotency_key` where the name is longer than [`IdempotencyKey::MOST`].
    pub fn of(self, caller: impl Into<String>) -> Result<IdempotencyKey, Fault> {
        let caller = caller.into();
        is_short("the caller of an idempotency key", &caller)?;
        Ok(IdempotencyKey { caller, ..self })
    }

    /// The same, of one whom a verified token names: no other reaches it, whatever caller the other says it is.
    #[must_use]
    pub(crate) fn by(self, subject: Bytes) -> IdempotencyKey {
        IdempotencyKey { subject, ..self }
    }

    /// A key for an instance that is created with it: the same whenever it is repeated.
    #[must_use]
    pub fn derived_uuid(&self) -> Uuid {
        let mut name = vec![self.caller.as_bytes(), self.key.as_bytes()];
        name.extend(self.subject());
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &digest(&name).0)
    }

    fn subject(&self) -> Option<&[u8]> {
        Some(&*self.subject).filter(|subject| !subject.is_empty())
    }

    /// As the engine compares it: used by `verified`, the encoded `caller` message or empty, to ask for `body`.
    pub(super) fn keyed(&self, verified: &Bytes, body: &[&[u8]]) -> Keyed {
        let mut key = vec![self.caller.as_bytes(), verified, self.key.as_bytes()];
        key.extend(self.subject());
        Keyed::new(digest(&key), digest(body))
    }
}

fn is_short(what: &str, text: &str) -> Result<(), Fault> {
    let (most, length) = (IdempotencyKey::MOST, text.len());
    match length <= most {
        true => Ok(()),
        false => Err(wrong(format!(
            "{what} has at most {most} bytes; this one has {length}"
        ))),
    }
}

fn wrong(message: String) -> Fault {
    Fault::new(Class::Invalid, "wrong_idempotency_key", message)
}

/// The hash of several parts, each with its length, so that none can pass for another.
fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let whole = hash.finalize();
    let mut first = [0; 24];
    first.copy_from_slice(&whole[..24]);
    Digest(first)
}

/// The hidden concern of the keys. Its table is one of the store's own.
pub const KEYS: ConcernDesc = ConcernDesc::hidden(
    rkcy_core::keyed::KEYS,
    "idempotency key",
    rkcy_core::keyed::KEYS,
    index_root::<{ rkcy_core::keyed::KEYS.0 }>,
    shown,
    &TableDesc {
        concern: rkcy_core::keyed::KEYS,
        name: "_rkcy_key",
        key_columns: &[ColumnType::Bytes.column("key")],
        value_columns: &[ColumnType::Bytes.column("value")],
        lists: &[],
        key: hidden_key,
        to_columns: hidden_to_columns,
        from_columns: hidden_from_columns,
    },
);

/// What is kept of a key, or a page of keys, as JSON.
fn shown(bytes: &Bytes) -> Result<Json, Fault> {
    let Ok(kept) = Kept::from_wire(bytes.clone()) else {
        let page = Page::from_wire(bytes.clone())?;
        let keys = page.iter().map(
            |(key, until)| json!({ "key": super::claims::hex(key.as_bytes()), "until": until }),
        );
        return Ok(Json::Array(keys.collect()));
    };
    Ok(json!({
        "txn": kept.txn.to_string(),
        "until": kept.until,
        "outcome": match kept.outcome.fault() {
            None => "committed",
            Some(fault) => fault.code.as_ref(),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors: who changes them forgets every key of every platform.
    #[test]
    fn golden_hashes() {
        let key = IdempotencyKey::new("order-1").unwrap();
        let keyed = key.keyed(&Bytes::new(), &[b"body"]);
        let key = "d6a6a22dfd6f047b32f97a851b2832c89379fee4d7dad75e";
        assert_eq!(format!("{:?}", keyed.key), key);
        assert_eq!(keyed.body.0[..4], [0x81, 0x05, 0x19, 0x90]);
    }

    #[test]
    fn parts_are_kept_apart() {
        let key = |caller: &str, key: &str| {
            let key = IdempotencyKey::new(key).unwrap().of(caller).unwrap();
            key.keyed(&Bytes::new(), &[]).key
        };
        assert_ne!(key("ab", "c"), key("a", "bc"));
        assert_ne!(key("", "c"), key("c", "c"));
        let one = IdempotencyKey::new("c").unwrap();
        let verified = one.keyed(&Bytes::from_static(b"anna"), &[]);
        assert_ne!(verified.key, one.keyed(&Bytes::new(), &[]).key);
        let bodies = [&[b"ab".as_slice(), b"c"][..], &[b"a", b"bc"]];
        let bodies = bodies.map(|body| one.keyed(&Bytes::new(), body).body);
        assert_ne!(bodies[0], bodies[1]);
    }

    #[test]
    fn a_key_of_one_subject_is_out_of_reach_of_others() {
        let key = |caller: &str, subject: &'static [u8]| {
            let key = IdempotencyKey::new("c").unwrap().of(caller).unwrap();
            key.by(Bytes::from_static(subject))
        };
        let all = [
            key("", b""),
            key("", b"anna"),
            key("", b"bert"),
            key("anna", b""),
        ];
        for (nth, one) in all.iter().enumerate() {
            for other in &all[nth + 1..] {
                let [keyed, others] = [one, other].map(|it| it.keyed(&Bytes::new(), &[]).key);
                assert_ne!(keyed, others);
                assert_ne!(one.derived_uuid(), other.derived_uuid());
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = "k".repeat(10 << 20);
        let fault = IdempotencyKey::new(long.clone()).unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_ref()),
            (Class::Invalid, "wrong_idempotency_key")
        );
        assert!(fault.message.len() < 200, "{fault}");
        assert!(IdempotencyKey::new("").is_err());
        assert!(
            IdempotencyKey::new("k".repeat(256))
                .unwrap()
                .of(long)
                .is_err()
        );
    }
}
