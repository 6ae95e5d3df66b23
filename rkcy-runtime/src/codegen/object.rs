//! Structs as objects of JSON.
//!
//! Owns what serde's derive would write for them. That is more than half of the code of a generated crate when it is
//! compiled: ten functions for a struct, with all fields in each. Here what does not depend on the fields is written
//! once, and an object is taken from names alone, not from a list.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// A struct that is an object of JSON; made by the macros `object!` and `patch!`.
pub trait Object: Sized {
    /// Its name in Rust.
    const NAME: &'static str;
    /// Names of its fields in JSON.
    const FIELDS: &'static [&'static str];

    /// Reads all fields that are there.
    ///
    /// # Errors
    /// A field that is unknown, missing, there twice, or of another type.
    fn read<'de, M: MapAccess<'de>>(fields: Fields<M>) -> Result<Self, M::Error>;
}

/// The fields of an object that is being read.
#[derive(Debug)]
pub struct Fields<M> {
    map: M,
    names: &'static [&'static str],
}

impl<'de, M: MapAccess<'de>> Fields<M> {
    /// The name of the next field; its value is to be read by [`Fields::value`].
    ///
    /// # Errors
    /// The object has no field of that name.
    pub fn name(&mut self) -> Result<Option<&'static str>, M::Error> {
        self.map.next_key_seed(Names(self.names))
    }

    /// The value of the field with this name.
    ///
    /// # Errors
    /// It is of another type, or there twice.
    pub fn value<T: Deserialize<'de>>(
        &mut self,
        name: &'static str,
        into: &mut Option<T>,
    ) -> Result<(), M::Error> {
        if into.is_some() {
            return Err(M::Error::duplicate_field(name));
        }
        *into = Some(self.map.next_value()?);
        Ok(())
    }

    /// What is read of a field that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required<T>(name: &'static str, value: Option<T>) -> Result<T, M::Error> {
        value.ok_or_else(|| M::Error::missing_field(name))
    }
}

/// One of these names.
struct Names(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Names {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Names {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<&'static str, E> {
        let known = self.0.iter().find(|known| **known == name);
        known.copied().ok_or_else(|| E::unknown_field(name, self.0))
    }
}

struct Read<T>(PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for Read<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", T::NAME)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
        let names = T::FIELDS;
        T::read(Fields { map, names })
    }
}

/// Reads an object.
///
/// # Errors
/// As [`Object::read`] says, or where it is no object.
pub fn read<'de, T: Object, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_struct(T::NAME, T::FIELDS, Read(PhantomData))
}

/// An object that is being written, or what went wrong.
#[derive(Debug)]
pub struct Writer<S: Serializer>(Result<S::SerializeStruct, S::Error>);

impl<S: Serializer> Writer<S> {
    /// An object of so many fields.
    pub fn new(serializer: S, name: &'static str, fields: usize) -> Self {
        Writer(serializer.serialize_struct(name, fields))
    }

    /// Writes a field.
    #[must_use]
    pub fn field<T: Serialize>(self, name: &'static str, value: &T) -> Self {
        Writer(self.0.and_then(|mut object| {
            object.serialize_field(name, value)?;
            Ok(object)
        }))
    }

    /// Writes a field, if it is there.
    #[must_use]
    pub fn given<T: Serialize>(self, name: &'static str, value: &Option<T>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// The object has no more fields.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn end(self) -> Result<S::Ok, S::Error> {
        self.0?.end()
    }
}

/// Makes a struct an object of JSON: `object! { Point { "x": x, "y": y = 0 } }`, with the name and, where it may be left
/// out, the default of each field.
#[macro_export]
#[doc(hidden)]
macro_rules! __object {
    ($name:ident { $( $json:literal: $field:ident $(= $default:expr)? ),* $(,)? }) => {
        impl $crate::codegen::Object for $name {
            const NAME: &'static str = ::core::stringify!($name);
            const FIELDS: &'static [&'static str] = &[$( $json ),*];

            fn read<'de, M: $crate::codegen::serde::de::MapAccess<'de>>(
                #[allow(unused_mut)] mut fields: $crate::codegen::Fields<M>,
            ) -> ::core::result::Result<Self, M::Error> {
                $( let mut $field = ::core::option::Option::None; )*
                while let ::core::option::Option::Some(name) = fields.name()? {
                    let read = match name {
                        $( $json => fields.value($json, &mut $field), )*
                        _ => ::core::result::Result::Ok(()),
                    };
                    read?;
                }
                ::core::result::Result::Ok($name {
                    $( $field: $crate::codegen::object!(@value M, $json, $field $(, $default)?), )*
                })
            }
        }

        $crate::codegen::object!(@serde $name {
            fn serialize<S: $crate::codegen::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                let fields = <$name as $crate::codegen::Object>::FIELDS.len();
                $crate::codegen::Writer::new(serializer, ::core::stringify!($name), fields)
                    $( .field($json, &self.$field) )*
                    .end()
            }
        });
    };
    (@value $map:ident, $json:literal, $field:ident) => {
        $crate::codegen::Fields::<$map>::required($json, $field)?
    };
    (@value $map:ident, $json:literal, $field:ident, $default:expr) => {
        match $field {
            ::core::option::Option::Some(value) => value,
            ::core::option::Option::None => $default,
        }
    };
    (@serde $name:ident { $( $serialize:tt )* }) => {
        impl $crate::codegen::serde::Serialize for $name {
            $( $serialize )*
        }

        impl<'de> $crate::codegen::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::codegen::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::codegen::read_object(deserializer)
            }
        }
    };
}

/// Makes a struct of changes an object of JSON: `patch! { PointPatch { "x": x, "y": y } }`. Each field is an `Option`,
/// and `None` where it is left out.
#[macro_export]
#[doc(hidden)]
macro_rules! __patch {
    ($name:ident { $( $json:literal: $field:ident ),* $(,)? }) => {
        impl $crate::codegen::Object for $name {
            const NAME: &'static str = ::core::stringify!($name);
            const FIELDS: &'static [&'static str] = &[$( $json ),*];

            fn read<'de, M: $crate::codegen::serde::de::MapAccess<'de>>(
                mut fields: $crate::codegen::Fields<M>,
            ) -> ::core::result::Result<Self, M::Error> {
                #[allow(unused_mut)]
                let mut patch = <$name as ::core::default::Default>::default();
                while let ::core::option::Option::Some(name) = fields.name()? {
                    let read = match name {
                        $( $json => fields.value($json, &mut patch.$field), )*
                        _ => ::core::result::Result::Ok(()),
                    };
                    read?;
                }
                ::core::result::Result::Ok(patch)
            }
        }

        $crate::codegen::object!(@serde $name {
            fn serialize<S: $crate::codegen::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                let fields: &[bool] = &[$( self.$field.is_some() ),*];
                let fields = fields.iter().filter(|is_given| **is_given).count();
                $crate::codegen::Writer::new(serializer, ::core::stringify!($name), fields)
                    $( .given($json, &self.$field) )*
                    .end()
            }
        });
    };
}

#[cfg(test)]
mod tests {
    use crate::codegen::{object, patch};
    use serde_json::json;

    #[derive(Debug, Default, PartialEq)]
    struct Thing {
        name: String,
        r#type: Option<u32>,
        size: u32,
    }
    object! { Thing { "name": name, "type": r#type = None, "size": size = 7 } }

    #[derive(Debug, Default, PartialEq)]
    struct ThingPatch {
        name: Option<String>,
        r#type: Option<Option<u32>>,
    }
    patch! { ThingPatch { "name": name, "type": r#type } }

    #[derive(Debug, PartialEq)]
    struct Nothing {}
    object! { Nothing {} }

    fn thing(json: serde_json::Value) -> Result<Thing, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_are_read_in_any_order_and_what_is_left_out_is_the_default() {
        let all = json!({ "size": 1, "type": 2, "name": "a" });
        let read = thing(all.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), all);
        let read = thing(json!({ "name": "a" })).unwrap();
        assert_eq!((read.r#type, read.size), (None, 7));
        // In the order in which they are declared.
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(text, r#"{"name":"a","type":null,"size":7}"#);
        let nothing: Nothing = serde_json::from_str("{}").unwrap();
        assert_eq!(serde_json::to_string(&nothing).unwrap(), "{}");
    }

    #[test]
    fn what_is_wrong_is_told_as_serde_does() {
        let told = |json| thing(json).unwrap_err();
        assert_eq!(told(json!({})), "missing field `name`");
        let unknown = told(json!({ "nme": "a" }));
        assert_eq!(
            unknown,
            "unknown field `nme`, expected one of `name`, `type`, `size`"
        );
        let wrong = told(json!({ "name": 1 }));
        assert_eq!(wrong, "invalid type: integer `1`, expected a string");
        assert_eq!(
            told(json!([])),
            "invalid type: sequence, expected struct Thing"
        );
        let twice = serde_json::from_str::<Thing>(r#"{ "name": "a", "name": "b" }"#);
        let twice = twice.unwrap_err().to_string();
        assert!(twice.starts_with("duplicate field `name`"), "{twice}");
    }

    #[test]
    fn null_clears_what_may_be_absent_and_nothing_else() {
        let read = |json| serde_json::from_value::<ThingPatch>(json);
        let cleared = read(json!({ "type": null })).unwrap();
        assert_eq!((cleared.name.as_ref(), cleared.r#type), (None, Some(None)));
        let text = serde_json::to_string(&cleared).unwrap();
        assert_eq!(text, r#"{"type":null}"#);
        assert_eq!(serde_json::to_string(&ThingPatch::default()).unwrap(), "{}");
        assert!(read(json!({ "name": null })).is_err());
        assert!(read(json!({ "name": "a", "size": 1 })).is_err());
    }
}
