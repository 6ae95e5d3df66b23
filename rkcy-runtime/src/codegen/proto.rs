//! Requests and answers as protobuf messages: what the gRPC services of a platform take and give.
//!
//! Owns their layout, which the generated `proto/PLATFORM_api.proto` describes. It is made so that values go through as they
//! are encoded in the log:
//!
//! ```text
//! transaction   request: its parameters
//! create        request: the instance, of which fields may be left out
//! other         request: 1 the key, 2 the payload
//! any           answer:  1 the result
//! ```

use super::draft::{Origin, transaction};
use super::made::Auto;
use super::platform::{Concern, Transaction};
use super::value::{Value, check, decode, encode};
use bytes::{Buf, Bytes, BytesMut};
use prost::Message;
use prost::encoding::bytes::encoded_len;
use prost::encoding::{WireType, decode_key, decode_varint};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::key::Key;
use rkcy_core::txn::Txn;

/// The field that says on which instance something is done.
pub(super) const KEY: u32 = 1;
/// The field with what it is done with.
pub(super) const PAYLOAD: u32 = 2;
/// The field of an answer with the result.
pub(super) const RESULT: u32 = 1;

/// A field that a `create` may leave out, where what stands for it then is more than nothing.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// Its number.
    pub number: u32,
    /// What stands for it.
    pub made: Made,
}

/// What stands for a field that is left out.
#[derive(Clone, Copy, Debug)]
pub enum Made {
    /// Its default, encoded as a field.
    Default(&'static [u8]),
    /// What `@auto` says, and the name of the field.
    Auto(Auto, &'static str),
    /// A uuid, which is derived from the request: it is the key.
    Key,
    /// Nothing: the field with this name has to be given, though records that are older than it may be without.
    Nothing(&'static str),
}

/// Reads a value that came from outside.
///
/// # Errors
/// [`Class::Invalid`] with the path of the field.
pub(super) fn from_wire<V: Value>(bytes: Bytes) -> Result<V, Fault> {
    let proto = V::Proto::decode(bytes).map_err(|error| malformed(error.to_string()))?;
    V::from_proto(proto).map_err(|fault| Fault {
        class: Class::Invalid,
        code: "wrong_type".into(),
        ..fault
    })
}

/// Reads the payload of an operation, checks it, and encodes it as it stands in the log.
///
/// # Errors
/// [`Class::Invalid`] with the path of the field.
pub fn args_from_wire<V: Value>(bytes: Bytes) -> Result<Bytes, Fault> {
    let value: V = from_wire(bytes)?;
    check(&value)?;
    Ok(encode(&value))
}

/// Reads the parameters of a transaction, checks them and plans its visits.
///
/// # Errors
/// [`Class::Invalid`] with the path of the parameter, or a `require` that fails.
pub fn transaction_from_wire<T: Transaction>(
    bytes: Bytes,
    origin: Origin<'_>,
) -> Result<Txn, Fault> {
    transaction(&from_wire::<T>(bytes)?, origin)
}

/// The key in a request about one instance.
///
/// # Errors
/// [`Class::Invalid`] where there is none.
pub fn key_from_wire<C: Concern<Key: Value>>(request: &Bytes) -> Result<Key, Fault> {
    let key = match C::Key::IS_FIELD {
        true => from_wire::<C::Key>(request.clone()),
        false => from_wire::<C::Key>(within(request, KEY)?),
    };
    let key = key.map_err(|fault| fault.within("key"))?;
    check(&key).map_err(|fault| fault.within("key"))?;
    Ok(Key::of(&key))
}

/// The key of an encoded instance.
///
/// # Errors
/// [`Class::Corrupt`] where the bytes hold none.
pub fn key_of_instance<C: Concern>(bytes: &Bytes) -> Result<Key, Fault> {
    decode::<C>(bytes).map(|instance| instance.key_bytes())
}

/// The answer with this result. Where it is in `doubt`, it is held against the type and its constraints first: with an id
/// that was given for something else before, it is the result of that.
///
/// # Errors
/// Where it is none of this type.
pub fn answer<V: Value>(result: Bytes, doubt: bool) -> Result<Bytes, Fault> {
    if doubt {
        check(&decode::<V>(&result)?)?;
    }
    Ok(match V::IS_FIELD {
        true => result,
        false => field(RESULT, &result),
    })
}

/// The result in an answer.
///
/// # Errors
/// [`Class::Corrupt`] where it holds none of this type.
pub fn result_in<V: Value>(answer: Bytes) -> Result<V, Fault> {
    match V::IS_FIELD {
        true => decode(&answer),
        false => decode(&within(&answer, RESULT)?),
    }
}

/// A request about the instance with this key.
pub fn request<K: Value>(key: &K, payload: &Bytes) -> Bytes {
    let encoded = encode(key);
    let key = match K::IS_FIELD {
        true => encoded,
        false => field(KEY, &encoded),
    };
    [key, field(PAYLOAD, payload)].concat().into()
}

/// Bytes as a field of a message.
pub(super) fn field(number: u32, value: &Bytes) -> Bytes {
    let mut bytes = BytesMut::with_capacity(encoded_len(number, value));
    prost::encoding::bytes::encode(number, value, &mut bytes);
    bytes.freeze()
}

/// What a field with a message or bytes holds: all that stands there under its number, one behind the other, as protobuf
/// merges it; nothing where it is not there.
///
/// # Errors
/// [`Class::Invalid`] where this is no message, or the field holds something else.
pub(super) fn within(message: &Bytes, number: u32) -> Result<Bytes, Fault> {
    let mut found: Vec<Bytes> = Vec::new();
    each(message, |at, wire, value| {
        if at != number {
            return Ok(());
        }
        if wire != WireType::LengthDelimited {
            return Err(malformed(format!("field {number} is no message")));
        }
        found.push(value);
        Ok(())
    })?;
    Ok(match found.as_slice() {
        [one] => one.clone(),
        all => all.concat().into(),
    })
}

/// The numbers of the fields that a message has.
///
/// # Errors
/// [`Class::Invalid`] where this is no message.
pub(super) fn numbers(message: &Bytes) -> Result<Vec<u32>, Fault> {
    let mut numbers = Vec::new();
    each(message, |number, _, _| {
        numbers.push(number);
        Ok(())
    })?;
    Ok(numbers)
}

/// Goes through the fields of a message: number, how it is written, and the bytes of its value.
fn each(
    message: &Bytes,
    mut field: impl FnMut(u32, WireType, Bytes) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut rest = message.clone();
    while rest.has_remaining() {
        let (number, wire) = decode_key(&mut rest).map_err(|it| malformed(it.to_string()))?;
        let varint = |rest: &mut Bytes| decode_varint(rest).map_err(|it| malformed(it.to_string()));
        let length = match wire {
            WireType::Varint => {
                let value = rest.clone();
                varint(&mut rest)?;
                let value = value.slice(..value.len() - rest.len());
                field(number, wire, value)?;
                continue;
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => varint(&mut rest)?,
            WireType::StartGroup | WireType::EndGroup => {
                return Err(malformed("groups are not taken".to_owned()));
            }
        };
        let length = usize::try_from(length).ok().filter(|it| *it <= rest.len());
        let length = length.ok_or_else(|| malformed("it ends within a field".to_owned()))?;
        field(number, wire, rest.split_to(length))?;
    }
    Ok(())
}

fn malformed(why: String) -> Fault {
    let message = format!("this is not the message that was expected: {why}");
    Fault::new(Class::Invalid, "malformed_message", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_request_holds_its_key_and_its_payload() {
        let id = Uuid::from_u128(7);
        let bytes = request(&id, &"payload".into());
        assert_eq!(from_wire::<Uuid>(bytes.clone()).unwrap(), id);
        assert_eq!(within(&bytes, PAYLOAD).unwrap(), "payload");
        assert_eq!(numbers(&bytes).unwrap(), [KEY, PAYLOAD]);
    }

    #[test]
    fn a_field_that_comes_twice_is_merged() {
        let twice = [(2, "ab"), (3, "-"), (2, "c")]
            .map(|(number, text)| field(number, &text.into()))
            .concat();
        assert_eq!(within(&twice.into(), 2).unwrap(), "abc");
        // Each byte is looked at once.
        let many: Bytes = b"\x12\x01\x00".repeat(300_000).into();
        assert_eq!(within(&many, 2).unwrap().len(), 300_000);
        assert_eq!(within(&Bytes::new(), 2).unwrap(), "");
    }

    #[test]
    fn results_of_all_kinds_come_back() {
        fn comes_back<V: Value + PartialEq + std::fmt::Debug>(value: V) {
            let given = answer::<V>(encode(&value), true).unwrap();
            assert_eq!(result_in::<V>(given).unwrap(), value);
        }
        comes_back(());
        comes_back(0_i64);
        comes_back(-3_i64);
        comes_back("text".to_owned());
        comes_back(Uuid::from_u128(9));
        comes_back(vec![1_u32, 0, 3]);
        comes_back(Some(0_u32));
        comes_back(None::<u32>);
    }

    #[test]
    fn what_is_no_message_is_told() {
        for wrong in [
            &[0xff][..],
            &[0x08],
            &[0x12, 5, 1],
            &[0x0b],
            &[
                0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
            &[0x00, 0],
        ] {
            let fault = within(&Bytes::copy_from_slice(wrong), 2).unwrap_err();
            assert_eq!(fault.code, "malformed_message", "{wrong:?}");
        }
        let fault = from_wire::<Uuid>(field(1, &"short".into())).unwrap_err();
        assert_eq!((fault.class, &*fault.code), (Class::Invalid, "wrong_type"));
    }
}
