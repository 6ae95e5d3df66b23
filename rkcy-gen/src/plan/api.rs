//! Owns `proto/PLATFORM_api.proto`: the gRPC services of a platform, whose messages hold those of the schema as they are
//! encoded in the log.
//!
//! How a request and an answer are laid out is the contract with the runtime (`codegen::proto` there).

use std::collections::BTreeSet;

use askama::Template;

use super::operation::{Operation, operations};
use super::proto::{ProtoField, ProtoMessage, scalar_type};
use super::{Cx, docs};
use crate::model::{Builtin, Concern, Field, Many, Scalar, Transaction, Type, ValueType};
use crate::naming::{self, Claims};

/// The file.
#[derive(Debug, Clone, Template)]
#[template(path = "api.jinja", escape = "none")]
pub(super) struct ApiFile {
    header: String,
    package: String,
    /// What files of the whole platform are called.
    stem: String,
    /// Files of others that are used.
    imports: BTreeSet<&'static str>,
    services: Vec<Service>,
    messages: Vec<ProtoMessage>,
}

#[derive(Debug, Clone)]
struct Service {
    docs: Vec<String>,
    name: String,
    methods: Vec<Method>,
}

#[derive(Debug, Clone)]
struct Method {
    docs: Vec<String>,
    name: String,
    request: String,
    response: String,
    deprecated: bool,
}

/// A field that a `create` may leave out, for the description: its number, and what stands for it, in Rust.
#[derive(Debug, Clone)]
pub(super) struct LeftOut {
    pub(super) number: u32,
    pub(super) made: String,
}

/// The gRPC service of a concern.
pub(super) fn service(concern: &Concern) -> String {
    format!("{}Service", naming::plain_camel(&concern.name))
}

/// What is collected on the way.
#[derive(Default)]
struct Parts {
    names: Claims,
    imports: BTreeSet<&'static str>,
    messages: Vec<ProtoMessage>,
    /// Enums that stand in an answer by themselves, behind the messages that hold one each.
    wrapped: Vec<(String, String)>,
}

impl Cx<'_> {
    /// The package of the gRPC services.
    pub(super) fn api_package(&self) -> String {
        format!("{}.api", self.package())
    }

    pub(super) fn api_file(&self) -> ApiFile {
        let mut parts = Parts::default();
        let mut services = Vec::new();
        let transactions = self.model.transactions();
        if !transactions.is_empty() {
            parts.names.claim("Transactions".to_owned());
        }
        for concern in self.model.concerns() {
            parts.names.claim(service(concern));
        }
        if !transactions.is_empty() {
            let methods = transactions.iter();
            services.push(Service {
                docs: vec!["The transactions and sagas.".to_owned()],
                name: "Transactions".to_owned(),
                methods: methods
                    .map(|it| self.transaction_method(it, &mut parts))
                    .collect(),
            });
        }
        for concern in self.model.concerns() {
            let methods = self.concern_methods(concern, &mut parts);
            if !methods.is_empty() {
                services.push(Service {
                    docs: vec![format!(
                        "What may be done to instances of {}.",
                        concern.name
                    )],
                    name: service(concern),
                    methods,
                });
            }
        }
        let wrapped = parts.wrapped.iter().map(|(ty, name)| ProtoMessage {
            name: name.clone(),
            fields: vec![field(ty.clone(), "value", 1)],
            ..ProtoMessage::default()
        });
        parts.messages.extend(wrapped.collect::<Vec<_>>());
        ApiFile {
            header: self.header.clone(),
            package: self.api_package(),
            stem: naming::plain_snake(&self.model.platform().name),
            imports: parts.imports,
            services,
            messages: parts.messages,
        }
    }

    fn transaction_method(&self, transaction: &Transaction, parts: &mut Parts) -> Method {
        let params = self.names.transaction(&transaction.name);
        let base = self.names.rpc("", &transaction.name).to_owned();
        Method {
            docs: told(&transaction.docs, &self.all_refusals(transaction)),
            request: self.of_schema(params),
            response: self.response(&base, transaction.result.as_ref().map(|it| it.ty), parts),
            deprecated: transaction.deprecated.is_some(),
            name: base,
        }
    }

    fn concern_methods(&self, concern: &Concern, parts: &mut Parts) -> Vec<Method> {
        let mut methods = Vec::new();
        let owner = naming::plain_camel(&concern.name);
        let has = |builtin| concern.builtins.has(builtin);
        let instance = Type::one(ValueType::Concern(concern.id));
        let mut builtin =
            |name: &str, doc: String, request: Vec<ProtoField>, result: Option<Type>| {
                let base = format!("{owner}{name}");
                let request = parts.message(&format!("{base}Request"), request);
                let response = self.response(&base, result, parts);
                methods.push(Method {
                    docs: vec![doc],
                    name: name.to_owned(),
                    request,
                    response,
                    deprecated: concern.deprecated.is_some(),
                });
            };
        let key = || self.key_field(concern);
        if has(Builtin::Create) {
            let doc = format!(
                "A new {}. What is `optional` may be left out.",
                concern.name
            );
            builtin("Create", doc, self.create_fields(concern), Some(instance));
        }
        if has(Builtin::Get) {
            let doc = format!("The {} as it is.", concern.name);
            builtin("Get", doc, vec![key()], Some(instance));
        }
        if has(Builtin::Update) {
            let doc = "Other values in some fields; what is left out stays.".to_owned();
            let patch = self.of_schema(self.names.patch(&concern.name));
            let request = vec![key(), field(patch, "patch", 2)];
            builtin("Update", doc, request, Some(instance));
        }
        if has(Builtin::Delete) {
            let doc = format!("No {} any more.", concern.name);
            builtin("Delete", doc, vec![key()], None);
        }
        for operation in operations(concern) {
            methods.push(self.operation_method(concern, &operation, parts));
        }
        methods
    }

    fn operation_method(
        &self,
        concern: &Concern,
        operation: &Operation<'_>,
        parts: &mut Parts,
    ) -> Method {
        let name = self.names.rpc(&concern.name, operation.name).to_owned();
        let base = format!("{}{name}", naming::plain_camel(&concern.name));
        let payload = self.payload_name(concern, operation);
        let payload = payload.map(|it| field(self.of_schema(&it), "payload", 2));
        let fields = [self.key_field(concern)].into_iter().chain(payload);
        let request = parts.message(&format!("{base}Request"), fields.collect());
        let refusals = operation.refusals.named().iter();
        let refusals: Vec<String> = refusals.map(|it| it.name.clone()).collect();
        Method {
            docs: told(operation.docs, &refusals),
            name,
            request,
            response: self.response(&base, operation.result.map(|it| it.ty), parts),
            deprecated: concern.deprecated.is_some(),
        }
    }

    fn response(&self, base: &str, result: Option<Type>, parts: &mut Parts) -> String {
        let result = result.map(|ty| self.result_field(ty, parts));
        parts.message(&format!("{base}Response"), result.into_iter().collect())
    }

    /// Which instance a request is about.
    fn key_field(&self, concern: &Concern) -> ProtoField {
        let ty = Type::one(ValueType::IdOf(concern.id));
        ProtoField {
            note: self.note_of(ty),
            ..field(self.alone(ty.value), "key", 1)
        }
    }

    fn result_field(&self, ty: Type, parts: &mut Parts) -> ProtoField {
        let text = match ty.many {
            Many::One => self.alone(ty.value),
            Many::Optional => format!("optional {}", self.boxed(ty.value, parts)),
            Many::List => format!("repeated {}", self.boxed(ty.value, parts)),
            Many::Map => format!("map<string, {}>", self.boxed(ty.value, parts)),
        };
        ProtoField {
            note: self.note_of(ty),
            ..field(text, "result", 1)
        }
    }

    /// The fields of an instance in a request for a new one.
    fn create_fields(&self, concern: &Concern) -> Vec<ProtoField> {
        let left: Vec<u32> = self.left_out(concern).iter().map(|it| it.number).collect();
        let fields = concern.all_fields().map(|given| {
            let number = self.lock.field(&concern.name, &given.name);
            let ty = self.proto_type(given, &format!(".{}.", self.package()));
            let is_plain = given.ty.many == Many::One && !self.is_message(given.ty.value);
            let ty = match is_plain && left.contains(&number) {
                true => format!("optional {ty}"),
                false => ty,
            };
            ProtoField {
                docs: docs::lines(&given.docs, ""),
                note: self.note_of(given.ty),
                ..field(ty, &naming::plain_snake(&given.name), number)
            }
        });
        fields.collect()
    }

    /// The fields that a `create` may leave out, where what stands for one then is more than what protobuf has for a field
    /// that is not there.
    pub(super) fn left_out(&self, concern: &Concern) -> Vec<LeftOut> {
        let made = |field: &Field| {
            let number = self.lock.field(&concern.name, &field.name);
            if let Some(auto) = field.auto {
                let word = super::operation::auto_name(auto);
                return Some(format!(
                    "codegen::Made::Auto(codegen::Auto::{word}, {:?})",
                    field.json_name()
                ));
            }
            if concern.is_key(field) {
                return field.omissible.then(|| "codegen::Made::Key".to_owned());
            }
            let is_older = self.lock.explicit(&concern.name, &field.name).is_some();
            if !field.omissible {
                // What is not there would be read as what it was born with.
                let name = field.json_name();
                return is_older.then(|| format!("codegen::Made::Nothing({name:?})"));
            }
            let absent = self.lock.left_out(self.model, field)?;
            let is_needed = match field.ty.many {
                Many::Optional => true,
                _ if self.is_message(field.ty.value) => is_older,
                _ => is_older || !absent.is_zero(),
            };
            let bytes = absent.as_field(self.model, self.lock, number, field.ty.value);
            let text = bytes.escape_ascii();
            is_needed.then(|| format!("codegen::Made::Default(b\"{text}\")"))
        };
        let fields = concern.all_fields().filter_map(|field| {
            Some(LeftOut {
                number: self.lock.field(&concern.name, &field.name),
                made: made(field)?,
            })
        });
        fields.collect()
    }

    /// A message of the schema, from another package.
    fn of_schema(&self, name: &str) -> String {
        format!(".{}.{name}", self.package())
    }

    /// The type of a value that is the one field of a message.
    fn alone(&self, value: ValueType) -> String {
        match self.model.stored_as(value) {
            ValueType::Scalar(scalar) => match scalar {
                // Alone they are written as the integers that they are.
                Scalar::Timestamp | Scalar::Duration => "int64".to_owned(),
                scalar => scalar_type(scalar).to_owned(),
            },
            _ => self.proto_value(value, &format!(".{}.", self.package())),
        }
    }

    /// The message that holds one value: of a scalar, the wrapper that protobuf has for it.
    fn boxed(&self, value: ValueType, parts: &mut Parts) -> String {
        let wrapper = match self.model.stored_as(value) {
            ValueType::Scalar(scalar) => match scalar {
                Scalar::Bool => "Bool",
                Scalar::I32 => "Int32",
                Scalar::I64 | Scalar::Timestamp | Scalar::Duration => "Int64",
                Scalar::U32 => "UInt32",
                Scalar::U64 => "UInt64",
                Scalar::F32 => "Float",
                Scalar::F64 => "Double",
                Scalar::String | Scalar::Decimal(_) | Scalar::Json => "String",
                Scalar::Bytes | Scalar::Uuid => "Bytes",
            },
            ValueType::Enum(id) => {
                let ty = self.alone(value);
                if let Some((_, name)) = parts.wrapped.iter().find(|(known, _)| *known == ty) {
                    return name.clone();
                }
                let name = naming::plain_camel(&self.model.enumeration(id).name);
                let name = parts.names.claim(format!("{name}Value"));
                parts.wrapped.push((ty, name.clone()));
                return name;
            }
            _ => return self.alone(value),
        };
        parts.imports.insert("google/protobuf/wrappers.proto");
        format!(".google.protobuf.{wrapper}Value")
    }
}

impl Parts {
    /// A message of the file; its name.
    fn message(&mut self, name: &str, fields: Vec<ProtoField>) -> String {
        let name = self.names.claim(name.to_owned());
        self.messages.push(ProtoMessage {
            name: name.clone(),
            fields,
            ..ProtoMessage::default()
        });
        name
    }
}

fn field(ty: String, name: &str, number: u32) -> ProtoField {
    ProtoField {
        ty,
        name: name.to_owned(),
        number,
        ..ProtoField::default()
    }
}

/// Documentation with what may be refused.
fn told(text: &str, refusals: &[String]) -> Vec<String> {
    let mut lines = docs::lines(text, "");
    if !refusals.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("Refuses: {}.", refusals.join(", ")));
    }
    lines
}
