//! Owns the JSON Schema of values: what each type of the language is as JSON.

use rkcy_core::decimal;
use serde_json::{Map, Value as Json, json};

use super::super::Cx;
use crate::model::{Constraints, Digits, EnumValue, Field, Many, Number, Scalar, Type, ValueType};
use crate::naming;

/// Name of the schema of a problem document (RFC 9457). No type of a platform has a dot in its name.
pub(super) const PROBLEM: &str = "rkcy.Problem";

/// Refers to a schema by name.
pub(super) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

impl Cx<'_> {
    /// The schemas of all types that have a name.
    pub(super) fn schemas(&self) -> Json {
        let mut schemas = Map::new();
        for declared in self.model.enums() {
            let values = declared.values.iter();
            let values: Vec<&str> = values.map(EnumValue::json_name).collect();
            let mut schema = json!({ "type": "string", "enum": values });
            describe(&mut schema, &declared.docs, declared.deprecated.as_deref());
            schemas.insert(self.component(&declared.name), schema);
        }
        for message in self.model.messages() {
            let mut schema = self.object(&message.docs, message.fields.iter(), |_| true);
            describe(&mut schema, "", message.deprecated.as_deref());
            schemas.insert(self.component(&message.name), schema);
        }
        for concern in self.model.concerns() {
            let mut schema = self.object(&concern.docs, concern.all_fields(), |_| true);
            describe(&mut schema, "", concern.deprecated.as_deref());
            schemas.insert(self.component(&concern.name), schema);
        }
        schemas.insert(PROBLEM.to_owned(), problem());
        Json::Object(schemas)
    }

    /// The name of the schema of a type of the platform.
    pub(super) fn component(&self, name: &str) -> String {
        naming::plain_camel(name)
    }

    /// An object with these fields. Those that must be there are the ones that `given` says so of and that cannot be
    /// left out; a key is never left out where it is `given`.
    pub(super) fn object<'f>(
        &self,
        docs: &str,
        fields: impl Iterator<Item = &'f Field>,
        given: impl Fn(&Field) -> bool,
    ) -> Json {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in fields {
            let is_key = (self.model.concerns().iter()).any(|concern| concern.is_key(field));
            if given(field) && (is_key || !field.omissible) {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), self.field_schema(field));
        }
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        describe(&mut schema, docs, None);
        schema
    }

    /// The schema of a field, with what is said of it.
    pub(super) fn field_schema(&self, field: &Field) -> Json {
        let mut schema = self.type_schema(field.ty, &field.constraints);
        describe(&mut schema, &field.docs, field.deprecated.as_deref());
        if field.default.is_some() {
            let default = self.fill_json(field).unwrap_or_default();
            bound(
                &mut schema,
                "default",
                serde_json::from_str::<Json>(&default).ok(),
            );
        }
        schema
    }

    /// The schema of a type whose values fulfil constraints.
    pub(super) fn type_schema(&self, ty: Type, constraints: &Constraints) -> Json {
        if ty.is_collection() {
            let one = self.value_schema(ty.value);
            let (mut all, least, most) = match ty.is_map() {
                true => (
                    json!({ "type": "object", "additionalProperties": one }),
                    "minProperties",
                    "maxProperties",
                ),
                false => (
                    json!({ "type": "array", "items": one }),
                    "minItems",
                    "maxItems",
                ),
            };
            if let Some(length) = constraints.length {
                bound(&mut all, least, Some(length.min).filter(|min| *min > 0));
                bound(&mut all, most, length.max);
            }
            return all;
        }
        let mut value = self.value_schema(ty.value);
        for (name, limit) in [("minimum", constraints.min), ("maximum", constraints.max)] {
            match limit {
                Some(Number::Int(limit)) => bound(&mut value, name, whole(limit)),
                Some(Number::Float(limit)) => bound(&mut value, name, Some(limit)),
                // Of a text JSON Schema compares nothing.
                Some(Number::Decimal(units, scale)) => {
                    let limit = format!("The {name} is {}.", decimal::show(units, scale));
                    describe(&mut value, &limit, None);
                }
                None => {}
            }
        }
        // Of bytes it is not the length of their text.
        if let Some(length) = constraints.length
            && ty.value == ValueType::Scalar(Scalar::String)
        {
            bound(
                &mut value,
                "minLength",
                Some(length.min).filter(|min| *min > 0),
            );
            bound(&mut value, "maxLength", length.max);
        }
        if let Some(pattern) = &constraints.pattern {
            value["pattern"] = format!("^(?:{pattern})$").into();
        }
        match ty.many {
            Many::Optional => json!({ "anyOf": [value, { "type": "null" }] }),
            _ => value,
        }
    }

    fn value_schema(&self, value: ValueType) -> Json {
        match self.model.stored_as(value) {
            ValueType::Scalar(scalar) => scalar_schema(scalar),
            ValueType::Enum(id) => reference(&self.component(&self.model.enumeration(id).name)),
            ValueType::Message(id) | ValueType::ConfigRef(id) => {
                reference(&self.component(&self.model.message(id).name))
            }
            ValueType::Concern(id) => reference(&self.component(&self.model.concern(id).name)),
            // A key of several parts.
            ValueType::Ref(id) | ValueType::IdOf(id) => {
                let parts = self.model.concern(id).keys.iter();
                self.object("", parts, |_| true)
            }
        }
    }
}

/// A whole number, where JSON here has it.
fn whole(number: i128) -> Option<Json> {
    let unsigned = u64::try_from(number).map(Json::from);
    unsigned
        .or_else(|_| i64::try_from(number).map(Json::from))
        .ok()
}

fn bound(schema: &mut Json, name: &str, limit: Option<impl Into<Json>>) {
    if let Some(limit) = limit {
        schema[name] = limit.into();
    }
}

fn describe(schema: &mut Json, docs: &str, deprecated: Option<&str>) {
    let docs = docs.trim();
    let why = deprecated.map(|why| format!("Deprecated: {why}"));
    let all: Vec<&str> = (Some(docs).filter(|docs| !docs.is_empty()).into_iter())
        .chain(why.as_deref())
        .collect();
    if !all.is_empty() {
        let before = schema.get("description").and_then(Json::as_str);
        let text = before
            .into_iter()
            .chain(all)
            .collect::<Vec<_>>()
            .join("\n\n");
        schema["description"] = text.into();
    }
    if deprecated.is_some() {
        schema["deprecated"] = true.into();
    }
}

fn scalar_schema(scalar: Scalar) -> Json {
    match scalar {
        Scalar::Bool => json!({ "type": "boolean" }),
        Scalar::I32 => {
            json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
        }
        Scalar::I64 => {
            json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
        }
        Scalar::U32 => {
            json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX })
        }
        Scalar::U64 => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        Scalar::F32 => json!({ "type": "number", "format": "float" }),
        Scalar::F64 => json!({ "type": "number", "format": "double" }),
        Scalar::String => json!({ "type": "string" }),
        Scalar::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Scalar::Uuid => json!({ "type": "string", "format": "uuid" }),
        Scalar::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Scalar::Duration => json!({
            "type": "string",
            "pattern": "^-?[0-9]+(\\.[0-9]{1,6})?s$",
            "description": "Seconds: `1.5s`.",
        }),
        Scalar::Decimal(digits) => decimal_schema(digits),
        Scalar::Json => json!({ "description": "Any JSON document, without NUL in it." }),
    }
}

/// A number as text: what is written is read, and so are zeros more.
fn decimal_schema(digits: Digits) -> Json {
    let (precision, whole, scale) = (digits.precision, digits.whole(), digits.scale);
    let fraction = match scale {
        0 => "(\\.0+)?".to_owned(),
        scale => format!("(\\.[0-9]{{1,{scale}}}0*)?"),
    };
    json!({
        "type": "string",
        "pattern": match whole {
            0 => format!("^-?0+{fraction}$"),
            whole => format!("^-?0*[0-9]{{1,{whole}}}{fraction}$"),
        },
        "description": format!(
            "A number, exact: up to {precision} digits, {scale} of them behind the point."
        ),
    })
}

/// The id of a transaction: a UUID of version 7.
pub(super) fn txn_id() -> Json {
    json!({
        "type": "string",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    })
}

/// A problem document, as RFC 9457 has it.
fn problem() -> Json {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "description": "Stable name of what is wrong: of a refusal, its name in the schema." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string", "description": "Where to ask for the transaction." },
            "id": txn_id(),
            "errors": {
                "type": "array",
                "description": "Fields that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["path", "code", "detail"],
                    "properties": {
                        "path": { "type": "string" },
                        "code": { "type": "string" },
                        "detail": { "type": "string" },
                    },
                },
            },
        },
    })
}
