//! Keys as people write them.
//!
//! Owns the text of a key: of one part, that part as it is; of several, the parts joined by `,`. In those, a
//! `,` or `\` that belongs to a part has a `\` before it, so that every key has one text, and every text is
//! one key at most. The bytes of keys are core's.

use super::platform::Concern;
use super::value::Ref;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::key::{Key, KeyPart};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// The parts of a key as people write them, in order.
pub struct KeyParts(VecDeque<String>);

impl KeyParts {
    /// Adds a part that is a single value.
    pub fn write(&mut self, part: &impl Serialize) {
        self.0.push_back(match serde_json::to_value(part) {
            Ok(Json::String(text)) => text,
            Ok(other) => other.to_string(),
            // Single values of a schema always have a text.
            Err(_) => String::new(),
        });
    }

    /// Takes the next part, a single value; `None` where it is none, or missing.
    pub fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let text = self.0.pop_front()?;
        // Numbers are written as they are, all else is text.
        serde_json::from_value(Json::String(text.clone()))
            .or_else(|_| serde_json::from_str(&text))
            .ok()
    }

    fn split(text: &str) -> Option<KeyParts> {
        let mut parts = VecDeque::from([String::new()]);
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match char {
                ',' => parts.push_back(String::new()),
                '\\' => match chars.next()? {
                    escaped @ (',' | '\\') => parts.back_mut()?.push(escaped),
                    _ => return None,
                },
                other => parts.back_mut()?.push(other),
            }
        }
        Some(KeyParts(parts))
    }

    fn join(&self) -> String {
        let parts = self
            .0
            .iter()
            .map(|part| part.replace('\\', "\\\\").replace(',', "\\,"));
        parts.collect::<Vec<_>>().join(",")
    }
}

/// A key or a part of one, as people write it.
pub trait KeyText: Sized {
    /// How many single values it is made of.
    const PARTS: usize = 1;
    /// Adds its parts.
    fn write_parts(&self, parts: &mut KeyParts);
    /// Takes its parts off the front; `None` where they are not there.
    fn read_parts(parts: &mut KeyParts) -> Option<Self>;
}

macro_rules! single_parts {
    ($($type:ty),*) => { $(
        impl KeyText for $type {
            fn write_parts(&self, parts: &mut KeyParts) {
                parts.write(self);
            }
            fn read_parts(parts: &mut KeyParts) -> Option<Self> {
                parts.read()
            }
        }
    )* };
}
single_parts!(uuid::Uuid, String, i32, i64, u32, u64);

impl<C: Concern> KeyText for Ref<C> {
    const PARTS: usize = C::Key::PARTS;
    fn write_parts(&self, parts: &mut KeyParts) {
        self.key().write_parts(parts);
    }
    fn read_parts(parts: &mut KeyParts) -> Option<Self> {
        C::Key::read_parts(parts).map(Ref::new)
    }
}

impl<C: Concern> KeyPart for Ref<C> {
    fn encode_key(&self, out: &mut SmallVec<[u8; 24]>) {
        self.key().encode_key(out);
    }
    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        C::Key::decode_key(bytes).map(Ref::new)
    }
}

/// A key as a person writes it.
#[must_use]
pub fn key_text<K: KeyText>(key: &K) -> String {
    let mut parts = KeyParts(VecDeque::new());
    key.write_parts(&mut parts);
    match parts.0.len() {
        1 => parts.0.pop_front().unwrap_or_default(),
        _ => parts.join(),
    }
}

/// The key that a person wrote; `what` it is a key of.
///
/// # Errors
/// [`Class::Invalid`] where it is none.
pub fn key_of_text<K: KeyText>(text: &str, what: &str) -> Result<K, Fault> {
    let parts = match K::PARTS {
        1 => Some(KeyParts(VecDeque::from([text.to_owned()]))),
        _ => KeyParts::split(text),
    };
    let key = parts
        .filter(|parts| parts.0.len() == K::PARTS)
        .and_then(|mut parts| K::read_parts(&mut parts));
    key.ok_or_else(|| {
        let message = match K::PARTS {
            1 => format!("`{text}` is no key of {what}"),
            count => {
                format!("`{text}` is no key of {what}, which has {count} parts, joined by `,`")
            }
        };
        Fault::new(Class::Invalid, "wrong_key", message)
    })
}

/// Reads a key as a person writes it.
///
/// # Errors
/// [`Class::Invalid`] where it is none.
pub fn key_from_text<C: Concern>(text: &str) -> Result<Key, Fault> {
    key_of_text::<C::Key>(text, C::NAME).map(|key| Key::of(&key))
}

/// Shows a key as a person writes it; one that cannot be read is shown as bytes.
#[must_use]
pub fn key_to_text<C: Concern>(key: &Key) -> String {
    match decode_key::<C>(key.as_bytes()) {
        Ok(key) => key_text(&key),
        Err(_) => format!("{key:?}"),
    }
}

/// The key that canonical bytes hold.
///
/// # Errors
/// [`Class::Corrupt`] where they hold none.
pub fn decode_key<C: Concern>(key: &[u8]) -> Result<C::Key, Fault> {
    decode_key_of(key, C::NAME)
}

/// The key of `what` that canonical bytes hold.
pub(super) fn decode_key_of<K: KeyPart>(key: &[u8], what: &str) -> Result<K, Fault> {
    let mut rest = key;
    match K::decode_key(&mut rest) {
        Some(key) if rest.is_empty() => Ok(key),
        _ => Err(Fault::new(
            Class::Corrupt,
            "unreadable",
            format!("bytes that are no key of {what}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Pair(String, u32);

    impl KeyText for Pair {
        const PARTS: usize = 2;
        fn write_parts(&self, parts: &mut KeyParts) {
            self.0.write_parts(parts);
            self.1.write_parts(parts);
        }
        fn read_parts(parts: &mut KeyParts) -> Option<Self> {
            Some(Pair(parts.read()?, parts.read()?))
        }
    }

    #[test]
    fn every_key_has_one_text() {
        for (text, key) in [
            ("a,7", Pair("a".to_owned(), 7)),
            (",7", Pair(String::new(), 7)),
            ("a\\,b\\\\,0", Pair("a,b\\".to_owned(), 0)),
            ("7,7", Pair("7".to_owned(), 7)),
        ] {
            assert_eq!(key_text(&key), text);
            assert_eq!(key_of_text(text, "Pair"), Ok(key));
        }
        for wrong in ["a", "a,b", "a,b,7", "a\\x,7", "a,7\\", "a\\,7"] {
            assert!(key_of_text::<Pair>(wrong, "Pair").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_one_part_is_written_as_it_is() {
        for text in ["a,b", "\\", "7"] {
            let key: String = key_of_text(text, "Name").unwrap();
            assert_eq!(key, text);
            assert_eq!(key_text(&key), text);
        }
        assert_eq!(key_of_text::<i64>("-7", "Number"), Ok(-7));
        assert!(key_of_text::<u32>("-7", "Number").is_err());
    }
}
