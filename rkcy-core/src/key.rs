//! Canonical keys: bytes that sort as the values they stand for.
//!
//! Owns the encoding of key parts and the map from a root key to its partition. Part by part:
//! `uuid` is its 16 bytes; integers are big-endian with the sign bit flipped; a string is its UTF-8,
//! closed by a zero byte (strings with NUL are refused before they get here), so that parts can be
//! joined and the whole still sorts by `memcmp`.

use crate::id::ConcernId;
use crate::id::PartitionId;
use smallvec::SmallVec;
use std::fmt;

/// Encoded key of one instance. Up to 24 bytes stand in line.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(SmallVec<[u8; 24]>);

impl Clone for Key {
    /// In one go: what is derived copies byte after byte, and keys are copied for every step.
    fn clone(&self) -> Key {
        Key::from_canonical(&self.0)
    }
}

impl Key {
    /// Wraps bytes that are already canonical.
    #[must_use]
    pub fn from_canonical(bytes: &[u8]) -> Key {
        Key(SmallVec::from_slice(bytes))
    }

    /// The canonical bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends a key part.
    pub fn push(&mut self, part: &impl KeyPart) {
        part.encode_key(&mut self.0);
    }

    /// The key of one part.
    #[must_use]
    pub fn of(part: &impl KeyPart) -> Key {
        let mut key = Key::default();
        key.push(part);
        key
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A value that can be part of a key.
pub trait KeyPart: Sized {
    /// Appends the canonical bytes.
    fn encode_key(&self, out: &mut SmallVec<[u8; 24]>);
    /// Takes the value off the front of `bytes`; `None` where they do not hold one.
    fn decode_key(bytes: &mut &[u8]) -> Option<Self>;
}

/// Splits `count` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

impl KeyPart for uuid::Uuid {
    fn encode_key(&self, out: &mut SmallVec<[u8; 24]>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes, 16).and_then(|raw| uuid::Uuid::from_slice(raw).ok())
    }
}

impl KeyPart for String {
    fn encode_key(&self, out: &mut SmallVec<[u8; 24]>) {
        out.extend_from_slice(self.as_bytes());
        out.push(0);
    }
    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let text = take(bytes, end)?;
        *bytes = &bytes[1..];
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}

macro_rules! integer_part {
    ($($type:ty => $flip:expr),*) => { $(
        impl KeyPart for $type {
            fn encode_key(&self, out: &mut SmallVec<[u8; 24]>) {
                out.extend_from_slice(&(*self ^ $flip).to_be_bytes());
            }
            fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
                let raw = take(bytes, size_of::<$type>())?;
                Some(<$type>::from_be_bytes(raw.try_into().ok()?) ^ $flip)
            }
        }
    )* };
}
integer_part!(i32 => i32::MIN, i64 => i64::MIN, u32 => 0, u64 => 0);

/// Row of an instance: its concern and its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowKey {
    /// The concern whose table holds the row.
    pub concern: ConcernId,
    /// Key of the row; it begins with the root key.
    pub key: Key,
}

/// Partition of a root key, as Kafka's default partitioner computes it
/// (`org.apache.kafka.common.utils.Utils.murmur2`, sign bit cleared, modulo the count).
///
/// # Panics
/// When `count` is 0.
#[must_use]
pub fn partition_of(concern: ConcernId, root_key: &Key, count: u16) -> PartitionId {
    let index = (murmur2(root_key.as_bytes()) & 0x7fff_ffff) % u32::from(count);
    PartitionId {
        concern,
        index: u16::try_from(index).unwrap_or(u16::MAX),
    }
}

/// MurmurHash2, 32 bit, with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Kafka mixes in the length modulo 2^32"
    )]
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (place, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_matches_kafka() {
        for (text, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), expected, "{text}");
        }
    }

    #[test]
    fn integers_sort_by_bytes() {
        let numbers = [i64::MIN, -300, -1, 0, 1, 255, 256, i64::MAX];
        let keys: Vec<Key> = numbers.iter().map(Key::of).collect();
        assert!(keys.is_sorted());
        for (number, key) in numbers.iter().zip(&keys) {
            assert_eq!(i64::decode_key(&mut key.as_bytes()), Some(*number));
        }
    }

    /// Test vectors of the canonical encoding: a change here breaks every stored platform.
    #[test]
    fn golden_bytes() {
        let uuid = uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(
            format!("{:?}", Key::of(&uuid)),
            "0123456789abcdef0123456789abcdef"
        );
        assert_eq!(format!("{:?}", Key::of(&-1_i32)), "7fffffff");
        assert_eq!(format!("{:?}", Key::of(&1_u64)), "0000000000000001");
        assert_eq!(format!("{:?}", Key::of(&"ab".to_owned())), "616200");
        let mut joined = Key::of(&"a".to_owned());
        joined.push(&7_u32);
        assert_eq!(format!("{joined:?}"), "610000000007");
        let mut rest = joined.as_bytes();
        assert_eq!(String::decode_key(&mut rest).as_deref(), Some("a"));
        assert_eq!(u32::decode_key(&mut rest), Some(7));
    }
}
