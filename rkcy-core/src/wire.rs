//! Reading and writing the engine's own bytes.
//!
//! Owns the primitive forms (LEB128 integers, length-prefixed bytes) that frames, transactions and
//! change records are made of. Leaves values of instances to protobuf. The same value always has the
//! same bytes: writers are handed sorted collections.

use crate::id::{ConcernId, PartitionId, Position, TxnId, Version};
use crate::key::{Key, RowKey};
use bytes::Bytes;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    /// What was expected or broken.
    pub what: &'static str,
    /// How far the reader had come.
    pub at: usize,
}

/// Something that has a form on the wire.
pub trait Wire: Sized {
    /// Appends the bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes the value off the reader.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes do not hold one.
    fn take(input: &mut Reader) -> Result<Self, Malformed>;

    /// The bytes of this value alone.
    fn to_wire(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// The value that fills `bytes` exactly.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes do not hold one, or more than one.
    fn from_wire(bytes: Bytes) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let value = Self::take(&mut input)?;
        input.end()?;
        Ok(value)
    }
}

/// A cursor over one buffer; what it hands out shares that buffer.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at this place.
    #[must_use]
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    /// The next `count` bytes, borrowed.
    ///
    /// # Errors
    /// [`Malformed`] at the end of the buffer.
    pub fn slice(&mut self, count: usize) -> Result<&[u8], Malformed> {
        if self.remaining() < count {
            return Err(self.malformed("the bytes end too early"));
        }
        self.at += count;
        Ok(&self.bytes[self.at - count..self.at])
    }

    /// The next `count` bytes, sharing the buffer.
    ///
    /// # Errors
    /// [`Malformed`] at the end of the buffer.
    pub fn share(&mut self, count: usize) -> Result<Bytes, Malformed> {
        self.slice(count)?;
        Ok(self.bytes.slice(self.at - count..self.at))
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end of the buffer.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.slice(1).map(|one| one[0])
    }

    /// A LEB128 integer in its shortest form.
    ///
    /// # Errors
    /// [`Malformed`] where it is cut off, too large, or longer than need be.
    pub fn integer(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && low > 1) || (shift > 0 && byte == 0) {
                return Err(self.malformed("an integer out of its form"));
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(value)
    }

    /// An integer that fits the type asked for.
    ///
    /// # Errors
    /// [`Malformed`] where it does not.
    pub fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        let value = self.integer()?;
        T::try_from(value).map_err(|_| self.malformed("an integer out of range"))
    }

    /// A count of things of at least one byte each.
    ///
    /// # Errors
    /// [`Malformed`] where that many cannot follow: no allocation is made on a lie.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let count: usize = self.narrow()?;
        if count > self.remaining() {
            return Err(self.malformed("a count beyond the end"));
        }
        Ok(count)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Malformed`] where something is.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.remaining() == 0 {
            Ok(())
        } else {
            Err(self.malformed("bytes after the end"))
        }
    }
}

/// Appends a LEB128 integer.
pub fn put_integer(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low seven bits are what is wanted"
        )]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_integer(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

impl Wire for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        put_integer(out, *self);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        input.integer()
    }
}

macro_rules! narrow_integers {
    ($($type:ty),*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_integer(out, u64::from(*self));
            }
            fn take(input: &mut Reader) -> Result<Self, Malformed> {
                input.narrow()
            }
        }
    )* };
}
narrow_integers!(u8, u16, u32);

impl Wire for i64 {
    /// Zigzag, so that small negative numbers are short.
    fn put(&self, out: &mut Vec<u8>) {
        put_integer(out, ((self << 1) ^ (self >> 63)).cast_unsigned());
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let raw = input.integer()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(input.malformed("neither true nor false")),
        }
    }
}

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let length = input.narrow()?;
        input.share(length)
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.as_bytes());
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let length = input.narrow()?;
        let text = std::str::from_utf8(input.slice(length)?).map(str::to_owned);
        text.map_err(|_| input.malformed("text that is not UTF-8"))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        bool::take(input)?.then(|| T::take(input)).transpose()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_integer(out, self.len() as u64);
        self.iter().for_each(|item| item.put(out));
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let count = input.count()?;
        // Items may be larger in memory than on the wire: grow with what is really there.
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(T::take(input)?);
        }
        Ok(items)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok((A::take(input)?, B::take(input)?))
    }
}

impl Wire for TxnId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let mut id = [0; 16];
        id.copy_from_slice(input.slice(16)?);
        Ok(TxnId(id))
    }
}

impl Wire for Key {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.as_bytes());
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let length = input.narrow()?;
        input.slice(length).map(Key::from_canonical)
    }
}

impl Wire for ConcernId {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        input.narrow().map(ConcernId)
    }
}

impl Wire for RowKey {
    fn put(&self, out: &mut Vec<u8>) {
        self.concern.put(out);
        self.key.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(RowKey {
            concern: Wire::take(input)?,
            key: Wire::take(input)?,
        })
    }
}

impl Wire for PartitionId {
    fn put(&self, out: &mut Vec<u8>) {
        self.concern.put(out);
        self.index.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(PartitionId {
            concern: Wire::take(input)?,
            index: Wire::take(input)?,
        })
    }
}

impl Wire for Position {
    fn put(&self, out: &mut Vec<u8>) {
        let (next, index) = self.to_raw();
        next.put(out);
        index.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Position::from_raw(input.integer()?, input.narrow()?))
    }
}

impl Wire for Version {
    fn put(&self, out: &mut Vec<u8>) {
        self.generation.put(out);
        self.position.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Version {
            generation: Wire::take(input)?,
            position: Wire::take(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(u64::from_wire(value.to_wire().into()), Ok(value));
        }
        for broken in [&[0x80, 0x00][..], &[0x80], &[0xff; 11]] {
            assert!(
                u64::from_wire(Bytes::copy_from_slice(broken)).is_err(),
                "{broken:?}"
            );
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(i64::from_wire(value.to_wire().into()), Ok(value));
        }
    }

    #[test]
    fn a_count_beyond_the_end_is_refused() {
        let mut lie = Vec::new();
        put_integer(&mut lie, u64::MAX);
        assert!(Vec::<Bytes>::from_wire(lie.into()).is_err());
    }
}
