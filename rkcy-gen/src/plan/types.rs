//! Owns what each type of the schema is in Rust.

use std::collections::BTreeSet;

use super::Cx;
use crate::model::{ConcernId, Field, Many, MessageId, Scalar, Type, ValueType};
use crate::naming;

/// The types of the schema that a file names, to be imported there.
pub(super) type Imports = BTreeSet<String>;

impl Cx<'_> {
    /// One value, as Rust writes its type.
    pub(super) fn value_type(&self, value: ValueType, imports: &mut Imports) -> String {
        let mut import = |name: &str| {
            let name = naming::camel(name);
            imports.insert(name.clone());
            name
        };
        match value {
            ValueType::Scalar(scalar) => self.scalar_type(scalar),
            ValueType::Enum(id) => import(&self.model.enumeration(id).name),
            ValueType::Message(id) => import(&self.model.message(id).name),
            ValueType::Concern(id) => import(&self.model.concern(id).name),
            ValueType::Ref(id) => format!("codegen::Ref<{}>", import(&self.model.concern(id).name)),
            ValueType::ConfigRef(id) => {
                format!(
                    "codegen::ConfigRef<{}>",
                    import(&self.model.message(id).name)
                )
            }
            ValueType::IdOf(_) => match self.model.key_parts(value) {
                Some((concern, _)) => {
                    let name = self.names.key(&concern.name).to_owned();
                    imports.insert(name.clone());
                    name
                }
                None => self.value_type(self.model.stored_as(value), imports),
            },
        }
    }

    fn scalar_type(&self, scalar: Scalar) -> String {
        let name = match scalar {
            Scalar::Decimal(digits) => return format!("codegen::Decimal<{digits}>"),
            Scalar::Bool => "bool",
            Scalar::I32 => "i32",
            Scalar::I64 => "i64",
            Scalar::U32 => "u32",
            Scalar::U64 => "u64",
            Scalar::F32 => "f32",
            Scalar::F64 => "f64",
            Scalar::String => self.names.std.string,
            Scalar::Bytes => "codegen::Blob",
            Scalar::Uuid => "codegen::Uuid",
            Scalar::Timestamp => "codegen::Timestamp",
            Scalar::Duration => "codegen::Duration",
            Scalar::Json => "codegen::Json",
        };
        name.to_owned()
    }

    /// A type, as Rust writes it.
    pub(super) fn rust_type(&self, ty: Type, imports: &mut Imports) -> String {
        let value = self.value_type(ty.value, imports);
        match ty.many {
            Many::One => value,
            Many::Optional => format!("{}<{value}>", self.names.std.option),
            Many::List => format!("{}<{value}>", self.names.std.vec),
            Many::Map => format!("codegen::Map<{value}>"),
        }
    }

    /// A type as a parameter of a function: by value where that is a copy, else by reference.
    pub(super) fn argument_type(&self, ty: Type, imports: &mut Imports) -> String {
        if self.is_copy(ty) {
            return self.rust_type(ty, imports);
        }
        let value = self.value_type(ty.value, imports);
        let borrowed = if self.is_text(ty.value) {
            "str"
        } else {
            &value
        };
        match ty.many {
            Many::One => format!("&{borrowed}"),
            Many::Optional => format!("{}<&{borrowed}>", self.names.std.option),
            Many::List => format!("&[{value}]"),
            Many::Map => format!("&codegen::Map<{value}>"),
        }
    }

    /// Whether a value is a `String` in Rust.
    pub(super) fn is_text(&self, value: ValueType) -> bool {
        !matches!(value, ValueType::Ref(_) | ValueType::ConfigRef(_))
            && self.model.stored_as(value) == ValueType::Scalar(Scalar::String)
    }

    /// The type of a concern's key.
    pub(super) fn key_type(&self, concern: ConcernId, imports: &mut Imports) -> String {
        self.value_type(self.model.stored_as(ValueType::IdOf(concern)), imports)
    }

    /// Whether a value is copied by using it.
    pub(super) fn is_copy(&self, ty: Type) -> bool {
        if ty.is_collection() {
            return false;
        }
        match self.model.stored_as(ty.value) {
            ValueType::Scalar(scalar) => {
                !matches!(scalar, Scalar::String | Scalar::Bytes | Scalar::Json)
            }
            ValueType::Enum(_) => true,
            ValueType::IdOf(id) => {
                let keys = &self.model.concern(id).keys;
                keys.iter().all(|part| self.is_copy(part.ty))
            }
            _ => false,
        }
    }

    /// Whether values of a type can be compared in full: those that hold floats cannot.
    pub(super) fn is_eq(&self, ty: Type) -> bool {
        let mut seen = BTreeSet::new();
        !self.holds_float(ty.value, &mut seen)
    }

    fn holds_float(&self, value: ValueType, seen: &mut BTreeSet<MessageId>) -> bool {
        match value {
            ValueType::Scalar(scalar) => scalar.is_float(),
            ValueType::Message(id) => {
                seen.insert(id)
                    && self
                        .model
                        .message(id)
                        .fields
                        .iter()
                        .any(|field| self.holds_float(field.ty.value, seen))
            }
            _ => false,
        }
    }

    /// Whether a field of a message holds that message again, and so stands in a box. (As `prost`
    /// decides it: lists and maps end the search.)
    pub(super) fn is_boxed(&self, owner: Option<MessageId>, field: &Field) -> bool {
        match (owner, field.ty.value, field.ty.many) {
            (Some(owner), ValueType::Message(inner), Many::Optional) => {
                inner == owner || self.reaches(inner, owner, &mut BTreeSet::new())
            }
            _ => false,
        }
    }

    fn reaches(&self, from: MessageId, to: MessageId, seen: &mut BTreeSet<MessageId>) -> bool {
        seen.insert(from)
            && self.model.message(from).fields.iter().any(|field| {
                match (field.ty.value, field.ty.many) {
                    (ValueType::Message(_), Many::List | Many::Map) => false,
                    (ValueType::Message(next), _) => next == to || self.reaches(next, to, seen),
                    _ => false,
                }
            })
    }

    /// Whether the protobuf field holds a message, which may be missing.
    pub(super) fn is_message(&self, value: ValueType) -> bool {
        matches!(value, ValueType::Message(_)) || self.model.key_parts(value).is_some()
    }

    /// Whether the protobuf field holds the value as it is.
    pub(super) fn is_plain(&self, value: ValueType) -> bool {
        match value {
            ValueType::IdOf(_) if self.is_message(value) => false,
            ValueType::IdOf(_) => self.is_plain(self.model.stored_as(value)),
            ValueType::Scalar(scalar) => !matches!(
                scalar,
                Scalar::Bytes
                    | Scalar::Uuid
                    | Scalar::Timestamp
                    | Scalar::Duration
                    | Scalar::Decimal(_)
                    | Scalar::Json
            ),
            _ => false,
        }
    }
}
