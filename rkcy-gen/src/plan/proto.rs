//! Owns the `.proto`: every value of the schema as a message, with the numbers of the lock.

use askama::Template;

use super::{Cx, docs, operations};
use crate::lock::{Absent, Kind};
use crate::model::{Builtin, Concern, Field, Many, Payload, Scalar, Type, ValueType};
use crate::naming::{self, Claims};

/// The file.
#[derive(Debug, Clone, Template)]
#[template(path = "proto.jinja", escape = "none")]
pub(super) struct ProtoFile {
    header: String,
    package: String,
    enums: Vec<ProtoEnum>,
    messages: Vec<ProtoMessage>,
}

#[derive(Debug, Clone)]
struct ProtoEnum {
    docs: Vec<String>,
    name: String,
    unspecified: String,
    values: Vec<ProtoValue>,
    reserved: Vec<u32>,
}

#[derive(Debug, Clone)]
struct ProtoValue {
    docs: Vec<String>,
    name: String,
    number: u32,
}

/// A message, of this file or that of the services.
#[derive(Debug, Clone, Default)]
pub(super) struct ProtoMessage {
    pub(super) docs: Vec<String>,
    pub(super) name: String,
    pub(super) fields: Vec<ProtoField>,
    pub(super) reserved: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ProtoField {
    pub(super) docs: Vec<String>,
    pub(super) ty: String,
    pub(super) name: String,
    pub(super) number: u32,
    /// What it is in the schema, where protobuf cannot tell.
    pub(super) note: String,
}

impl Cx<'_> {
    pub(super) fn proto_file(&self) -> ProtoFile {
        let mut messages = Vec::new();
        for message in self.model.messages() {
            let name = naming::camel(&message.name);
            messages.push(self.proto_message(
                docs::lines(&message.docs, ""),
                &name,
                Kind::Field,
                &message.name,
                message.fields.iter(),
            ));
        }
        for concern in self.model.concerns() {
            let name = naming::camel(&concern.name);
            messages.push(self.proto_message(
                docs::lines(&concern.docs, ""),
                &name,
                Kind::Field,
                &concern.name,
                concern.all_fields(),
            ));
            if concern.single_key().is_none() {
                messages.push(self.proto_message(
                    vec![format!("The key of a {}.", concern.name)],
                    self.names.key(&concern.name),
                    Kind::Field,
                    &concern.name,
                    concern.keys.iter(),
                ));
            }
            messages.extend(self.proto_patch(concern));
            for operation in operations(concern) {
                if let Payload::Fields(fields) = operation.payload {
                    let owner = format!("{}.{}", concern.name, operation.name);
                    let doc = vec![format!("The payload of {owner}.")];
                    let name = self.names.payload(&concern.name, operation.name);
                    messages.push(self.proto_message(
                        doc,
                        name,
                        Kind::Param,
                        &owner,
                        fields.iter(),
                    ));
                }
            }
        }
        for transaction in self.model.transactions() {
            let doc = vec![format!("The parameters of {}.", transaction.name)];
            let name = self.names.transaction(&transaction.name);
            messages.push(self.proto_message(
                doc,
                name,
                Kind::Param,
                &transaction.name,
                transaction.params.iter(),
            ));
        }
        ProtoFile {
            header: self.header.clone(),
            package: self.package(),
            enums: self.proto_enums(),
            messages,
        }
    }

    /// The package of the `.proto`.
    pub(super) fn package(&self) -> String {
        format!("rkcy.{}", naming::plain_snake(&self.model.platform().name))
    }

    fn proto_enums(&self) -> Vec<ProtoEnum> {
        // Names of values are those of the package.
        let mut claims = Claims::default();
        let enums = self.model.enums().iter().map(|declared| {
            let prefix = naming::shouty(&declared.name);
            let unspecified = claims.claim(format!("{prefix}_UNSPECIFIED"));
            let values = declared.values.iter().map(|value| ProtoValue {
                docs: docs::lines(&value.docs, ""),
                name: claims.claim(format!("{prefix}_{}", naming::shouty(&value.name))),
                number: self.lock.value(&declared.name, &value.name),
            });
            ProtoEnum {
                docs: docs::lines(&declared.docs, ""),
                name: naming::camel(&declared.name),
                values: values.collect(),
                unspecified,
                reserved: self
                    .lock
                    .retired(Kind::Value, &declared.name)
                    .map(|(number, _)| number)
                    .collect(),
            }
        });
        enums.collect()
    }

    /// What `update` is given: fields that are there change. The numbers of those that become absent
    /// or empty stand in a list.
    fn proto_patch(&self, concern: &Concern) -> Option<ProtoMessage> {
        if !concern.builtins.has(Builtin::Update) {
            return None;
        }
        let doc = vec![format!("What `update` changes in a {}.", concern.name)];
        let name = self.names.patch(&concern.name);
        let fields = concern.changeable();
        let mut message = self.proto_message(doc, name, Kind::Field, &concern.name, fields);
        for (field, proto) in concern.changeable().zip(&mut message.fields) {
            if field.ty.many == Many::One {
                proto.ty = format!("optional {}", self.proto_type(field, ""));
            }
        }
        message
            .fields
            .extend(self.cleared(concern).map(|name| ProtoField {
                docs: Vec::new(),
                ty: "repeated uint32".to_owned(),
                name,
                number: self.lock.spare_field(&concern.name),
                note: "numbers of fields that become absent or empty".to_owned(),
            }));
        Some(message)
    }

    fn proto_message<'f>(
        &self,
        docs: Vec<String>,
        name: &str,
        kind: Kind,
        owner: &str,
        fields: impl Iterator<Item = &'f Field>,
    ) -> ProtoMessage {
        let fields = fields.map(|field| ProtoField {
            docs: docs::lines(&field.docs, ""),
            ty: match self.lock.explicit(owner, &field.name) {
                Some(absent) if kind == Kind::Field && !matches!(absent, Absent::Message(_)) => {
                    format!("optional {}", self.proto_type(field, ""))
                }
                _ => self.proto_type(field, ""),
            },
            name: naming::plain_snake(&field.name),
            number: match kind {
                Kind::Param => self.lock.param(owner, &field.name),
                _ => self.lock.field(owner, &field.name),
            },
            note: self.note_of(field.ty),
        });
        ProtoMessage {
            docs,
            name: name.to_owned(),
            fields: fields.collect(),
            reserved: self
                .lock
                .retired(kind, owner)
                .map(|(number, _)| number)
                .collect(),
        }
    }

    /// The type of a field; names of the schema have this in front.
    pub(super) fn proto_type(&self, field: &Field, package: &str) -> String {
        let value = self.proto_value(field.ty.value, package);
        match field.ty.many {
            Many::One => value,
            Many::Optional => format!("optional {value}"),
            Many::List => format!("repeated {value}"),
            Many::Map => format!("map<string, {value}>"),
        }
    }

    /// The type of one value.
    pub(super) fn proto_value(&self, value: ValueType, package: &str) -> String {
        let name = match self.model.stored_as(value) {
            ValueType::Scalar(scalar) => return scalar_type(scalar).to_owned(),
            ValueType::Enum(id) => naming::camel(&self.model.enumeration(id).name),
            ValueType::Message(id) => naming::camel(&self.model.message(id).name),
            ValueType::Concern(id) => naming::camel(&self.model.concern(id).name),
            // It is stored as its key.
            ValueType::ConfigRef(id) => naming::camel(&self.model.message(id).name),
            ValueType::Ref(id) | ValueType::IdOf(id) => {
                self.names.key(&self.model.concern(id).name).to_owned()
            }
        };
        format!("{package}{name}")
    }

    /// What a type is in the schema, where protobuf cannot tell.
    pub(super) fn note_of(&self, ty: Type) -> String {
        let tells = matches!(
            ty.value,
            ValueType::Scalar(
                Scalar::Uuid
                    | Scalar::Timestamp
                    | Scalar::Duration
                    | Scalar::Decimal(_)
                    | Scalar::Json
            ) | ValueType::Ref(_)
                | ValueType::IdOf(_)
                | ValueType::ConfigRef(_)
        );
        if tells {
            self.schema_type(ty.present())
        } else {
            String::new()
        }
    }
}

pub(super) fn scalar_type(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "bool",
        Scalar::I32 => "int32",
        Scalar::I64 => "int64",
        Scalar::U32 => "uint32",
        Scalar::U64 => "uint64",
        Scalar::F32 => "float",
        Scalar::F64 => "double",
        // A decimal and a document are their canonical text; zero is the empty one.
        Scalar::String | Scalar::Decimal(_) | Scalar::Json => "string",
        Scalar::Bytes | Scalar::Uuid => "bytes",
        // Microseconds; today's instants have their high bits set, so that a fixed width is shorter.
        Scalar::Timestamp => "sfixed64",
        Scalar::Duration => "sint64",
    }
}
