//! Lists, maps and optional values as results.
//!
//! Owns their form on the wire: a message with one repeated field. As fields of a message they need none
//! of this, since protobuf has lists, maps and optional fields of its own.

use super::field::{Map, put_map, take_map};
use super::value::{Value, Violation};
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, btree_map, message, skip_field, string};
use prost::{DecodeError, Message};
use rkcy_core::fault::{Class, Fault};

/// A message with the repeated field 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Many<P>(Vec<P>);

impl<P> Default for Many<P> {
    fn default() -> Self {
        Many(Vec::new())
    }
}

impl<P: Message + Default> Message for Many<P> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        message::encode_repeated(1, &self.0, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag == 1 {
            message::merge_repeated(wire_type, &mut self.0, buf, context)
        } else {
            skip_field(wire_type, tag, buf, context)
        }
    }

    fn encoded_len(&self) -> usize {
        message::encoded_len_repeated(1, &self.0)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A message with a map as its field 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<P>(Map<P>);

impl<P> Default for Entries<P> {
    fn default() -> Self {
        Entries(Map::new())
    }
}

impl<P: Message + Default + PartialEq> Message for Entries<P> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        btree_map::encode(
            string::encode,
            string::encoded_len,
            message::encode,
            message::encoded_len,
            1,
            &self.0,
            buf,
        );
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != 1 {
            return skip_field(wire_type, tag, buf, context);
        }
        btree_map::merge(string::merge, message::merge, &mut self.0, buf, context)
    }

    fn encoded_len(&self) -> usize {
        btree_map::encoded_len(string::encoded_len, message::encoded_len, 1, &self.0)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl<V: Value> Value for Map<V>
where
    V::Proto: PartialEq,
{
    type Proto = Entries<V::Proto>;
    const IS_FIELD: bool = true;

    fn to_proto(&self) -> Self::Proto {
        Entries(put_map(self))
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
        take_map("", proto.0)
    }

    fn check(&self) -> Result<(), Violation> {
        super::constraint::entries("", self, Value::check)
    }
}

impl<V: Value> Value for Vec<V> {
    type Proto = Many<V::Proto>;
    const IS_FIELD: bool = true;

    fn to_proto(&self) -> Self::Proto {
        Many(super::field::put_list(self))
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
        super::field::take_list("", proto.0)
    }

    fn check(&self) -> Result<(), Violation> {
        super::constraint::each("", self, Value::check)
    }
}

impl<V: Value> Value for Option<V> {
    type Proto = Many<V::Proto>;
    const IS_FIELD: bool = true;

    fn to_proto(&self) -> Self::Proto {
        Many(self.iter().map(Value::to_proto).collect())
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Fault> {
        let mut values = proto.0.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => V::from_proto(value).map(Some),
            (Some(_), Some(_)) => Err(Fault::new(
                Class::Corrupt,
                "unreadable",
                "an optional value is there more than once",
            )),
        }
    }

    fn check(&self) -> Result<(), Violation> {
        self.as_ref().map_or(Ok(()), Value::check)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Map, decode, encode};

    #[test]
    fn lists_maps_and_optional_values_come_back() {
        for list in [vec![], vec![0_i64, 1, -1]] {
            assert_eq!(decode::<Vec<i64>>(&encode(&list)), Ok(list));
        }
        let named = |values: &[(&str, i64)]| -> Map<i64> {
            let named = |(name, value): &(&str, i64)| ((*name).to_owned(), *value);
            values.iter().map(named).collect()
        };
        for map in [named(&[]), named(&[("", 0), ("b", 1), ("a", -1)])] {
            assert_eq!(decode::<Map<i64>>(&encode(&map)), Ok(map));
        }
        for optional in [None, Some(String::new()), Some("a".to_owned())] {
            assert_eq!(decode::<Option<String>>(&encode(&optional)), Ok(optional));
        }
        assert!(decode::<Option<i64>>(&encode(&vec![1_i64, 2])).is_err());
    }
}
