//! Owns fields and parameters: what another type, name or constraint breaks.

use std::cmp::Ordering;

use super::{Comparison, Owner};
use crate::diagnostic::Code;
use crate::lock::{Kind, Lock};
use crate::model::{Constraints, Field, Literal, Many, Model, Number, Scalar, Type, ValueType};
use crate::plan::is_zero;
use crate::syntax::Span;

/// How a value stands on the wire. Those of one kind are read as each other, as far as they fit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wire {
    /// `int32`, `int64`, `uint32`, `uint64`, `bool`, enums.
    Varint,
    /// `sint64`
    Zigzag,
    /// `string`
    Text,
    /// `string` that is a number.
    Decimal,
    /// `string` that is a JSON document.
    Document,
    /// `bytes`
    Bytes,
    /// `sfixed64`
    Fixed64,
    /// `float`
    Float,
    /// `double`
    Double,
    /// A message: of this name in the new schema.
    Message(String),
}

/// How it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Json {
    Number,
    Bool,
    /// Text of a form of its own: of an enum, a uuid, an instant.
    Text(String),
    Object(String),
}

/// The fields of an owner: the kind of their numbers, its name, and they.
type Old<'a, 'i> = (Kind, &'i str, &'i mut dyn Iterator<Item = &'a Field>);
/// The same now, and where the owner stands.
type New<'a, 'i> = (&'i str, &'i mut dyn Iterator<Item = &'a Field>, Span);

impl<'a> Comparison<'a> {
    /// Holds the fields of one owner against each other.
    pub(super) fn fields(&mut self, old: Old<'a, '_>, new: New<'a, '_>, owner: Owner) {
        let (kind, old_name, old_fields) = old;
        let (new_name, new_fields, span) = new;
        let number = |lock: &Lock, owner: &str, name: &str| match kind {
            Kind::Param => lock.param(owner, name),
            _ => lock.field(owner, name),
        };
        let old_fields: Vec<&Field> = old_fields.collect();
        let new_fields: Vec<&Field> = new_fields.collect();
        let (old_lock, new_lock) = (self.old.lock, self.new.lock);
        for field in &old_fields {
            let wanted = number(old_lock, old_name, &field.name);
            let is_it = |it: &&&Field| number(new_lock, new_name, &it.name) == wanted;
            match new_fields.iter().find(is_it) {
                Some(now) => {
                    let is_younger =
                        kind == Kind::Field && old_lock.absent(old_name, &field.name).is_some();
                    if let Some(reading) = reads_otherwise(self.old.model, field, now, is_younger) {
                        self.cardinality(
                            now,
                            reading,
                            "leave the form as it is, or add a field for the other",
                        );
                    }
                    self.field(field, now, owner);
                }
                None => {
                    let is_reserved = (new_lock.retired(kind, new_name)).any(|it| it.0 == wanted);
                    self.gone(field, new_name, wanted, is_reserved, span);
                }
            }
        }
        for field in new_fields {
            let wanted = number(new_lock, new_name, &field.name);
            let is_it = |it: &&&Field| number(old_lock, old_name, &it.name) == wanted;
            let is_new = !old_fields.iter().any(|it| is_it(&it));
            if is_new && !can_be_missing(field) {
                self.needed(field, owner);
            }
        }
    }

    fn gone(&mut self, field: &Field, owner: &str, number: u32, is_reserved: bool, span: Span) {
        let name = &field.name;
        if !is_reserved {
            self.report(
                Code::NumberFree,
                span,
                format!("`{name}` is gone from `{owner}`, and its number {number} is not reserved"),
                "let one lock go with the schema from version to version: it reserves the number",
            );
        }
        self.report(
            Code::FieldGone,
            span,
            format!("`{name}` is gone from `{owner}`: who sends it in JSON is refused, and who reads it finds nothing"),
            "keep it, and mark it `@deprecated`; where it was renamed, say so with `@was`",
        );
    }

    fn needed(&mut self, field: &Field, owner: Owner) {
        let name = &field.name;
        match owner {
            Owner::Concern => self.report(
                Code::RowNeedsValue,
                field.span,
                format!("no record that was written before holds `{name}`"),
                "give it a default, or make it `?`",
            ),
            Owner::Message | Owner::Params => self.report(
                Code::RequestNeedsMore,
                field.span,
                format!("a request without `{name}` is refused now, and so is a record that was written before"),
                "give it a default, or make it `?`",
            ),
        }
    }

    fn cardinality(&mut self, new: &Field, is_now: &str, help: &str) {
        let message = format!("`{}` {is_now}", new.name);
        self.report(Code::Cardinality, new.span, message, help);
    }

    fn field(&mut self, old: &Field, new: &Field, owner: Owner) {
        let name = &new.name;
        let (before, after) = (old.json_name(), new.json_name());
        if before != after {
            self.report(
                Code::FieldNameInJson,
                new.span,
                format!("`{before}` is called `{after}` in JSON now"),
                &format!("keep its name there: `@json(\"{before}\")`"),
            );
        }
        let form = |ty: Type| match ty.many {
            Many::One | Many::Optional => "one value",
            Many::List => "a list",
            Many::Map => "a map",
        };
        let (was, is) = (form(old.ty), form(new.ty));
        if was != is {
            let is_now = format!("was {was} and is {is}");
            self.cardinality(new, &is_now, "add a field for the other form");
            return;
        }
        let (was, is) = (
            self.wire(old.ty.value, true),
            self.wire(new.ty.value, false),
        );
        let is_readable = was == is
            || (was == Wire::Text && is == Wire::Bytes)
            || (matches!(was, Wire::Decimal | Wire::Document)
                && matches!(is, Wire::Text | Wire::Bytes));
        if !is_readable {
            self.report(
                Code::WireType,
                new.span,
                format!("`{name}` has another form on the wire: records and requests that hold it cannot be read"),
                "add a field of the new type, fill it, and remove the old one later",
            );
            return;
        }
        if self.json(old.ty.value, true) != self.json(new.ty.value, false) {
            self.report(
                Code::JsonType,
                new.span,
                format!("`{name}` has another form in JSON, though not on the wire"),
                "add a field of the new type, fill it, and remove the old one later",
            );
        }
        self.reference(old, new);
        if old.ty.many == Many::Optional && new.ty.many == Many::One && !can_be_missing(new) {
            match owner {
                Owner::Concern => self.report(
                    Code::RowNeedsValue,
                    new.span,
                    format!("a record without `{name}` cannot be read any more"),
                    "give it a default, or leave the `?`",
                ),
                Owner::Message | Owner::Params => self.report(
                    Code::RequestNeedsMore,
                    new.span,
                    format!("a request without `{name}` is refused now"),
                    "give it a default, or leave the `?`",
                ),
            }
        }
        let was_made = old.default.is_some() || old.auto.is_some();
        if was_made && old.ty.many == Many::One && new.ty.many == Many::One && !new.omissible {
            self.report(
                Code::RequestNeedsMore,
                new.span,
                format!("a request without `{name}` is refused now"),
                "leave it what it was given where it was left out",
            );
        }
        if narrows(old, new) {
            match owner {
                Owner::Concern => self.report(
                    Code::RowsOutside,
                    new.span,
                    format!("instances whose `{name}` breaks its new constraint can neither be changed nor read back"),
                    "look for such instances before, or leave the constraint to handlers",
                ),
                Owner::Message | Owner::Params => self.report(
                    Code::RequestOutside,
                    new.span,
                    format!("values of `{name}` are refused that were taken before"),
                    "leave the constraint as it was, or add a field beside this one",
                ),
            }
        }
    }

    /// What is claimed by a reference.
    fn reference(&mut self, old: &Field, new: &Field) {
        let target = |value: ValueType, is_old: bool| match value {
            ValueType::Ref(id) if is_old => {
                let now = self.new_concern(self.old.model.concern(id));
                Some(now.map_or(String::new(), |it| it.name.clone()))
            }
            ValueType::Ref(id) => Some(self.new.model.concern(id).name.clone()),
            _ => None,
        };
        if target(old.ty.value, true) != target(new.ty.value, false) {
            self.report(
                Code::ClaimsChanged,
                new.span,
                format!(
                    "`{}` refers to something else, or holds it in another way than before",
                    new.name
                ),
                "let what is under way end, and apply the migration before the new build starts",
            );
        }
    }

    fn wire(&self, value: ValueType, is_old: bool) -> Wire {
        let model = if is_old {
            self.old.model
        } else {
            self.new.model
        };
        match model.stored_as(value) {
            ValueType::Enum(_) => Wire::Varint,
            ValueType::Scalar(scalar) => match scalar {
                Scalar::Bool | Scalar::I32 | Scalar::I64 | Scalar::U32 | Scalar::U64 => {
                    Wire::Varint
                }
                Scalar::F32 => Wire::Float,
                Scalar::F64 => Wire::Double,
                Scalar::String => Wire::Text,
                Scalar::Bytes | Scalar::Uuid => Wire::Bytes,
                Scalar::Timestamp => Wire::Fixed64,
                Scalar::Duration => Wire::Zigzag,
                Scalar::Decimal(_) => Wire::Decimal,
                Scalar::Json => Wire::Document,
            },
            other => Wire::Message(self.name_of(other, is_old)),
        }
    }

    fn json(&self, value: ValueType, is_old: bool) -> Json {
        let model = if is_old {
            self.old.model
        } else {
            self.new.model
        };
        match model.stored_as(value) {
            ValueType::Scalar(Scalar::Bool) => Json::Bool,
            ValueType::Scalar(scalar) if scalar.is_number() && scalar.digits().is_none() => {
                Json::Number
            }
            ValueType::Scalar(scalar) => Json::Text(scalar.word().to_owned()),
            enumeration @ ValueType::Enum(_) => Json::Text(self.name_of(enumeration, is_old)),
            other => Json::Object(self.name_of(other, is_old)),
        }
    }

    /// The name of a declared type in the new schema.
    fn name_of(&self, value: ValueType, is_old: bool) -> String {
        let (old, new) = (self.old.model, self.new.model);
        let name = match (value, is_old) {
            (ValueType::Enum(id), true) => self.new_enum(old.enumeration(id)).map(|it| &it.name),
            (ValueType::Enum(id), false) => Some(&new.enumeration(id).name),
            (ValueType::Message(id) | ValueType::ConfigRef(id), true) => {
                self.new_message(old.message(id)).map(|it| &it.name)
            }
            (ValueType::Message(id) | ValueType::ConfigRef(id), false) => {
                Some(&new.message(id).name)
            }
            (ValueType::Ref(id) | ValueType::IdOf(id) | ValueType::Concern(id), true) => {
                self.new_concern(old.concern(id)).map(|it| &it.name)
            }
            (ValueType::Ref(id) | ValueType::IdOf(id) | ValueType::Concern(id), false) => {
                Some(&new.concern(id).name)
            }
            (ValueType::Scalar(_), _) => None,
        };
        name.cloned().unwrap_or_default()
    }

    /// A type by the names of the new schema.
    pub(super) fn type_name(&self, ty: crate::model::Type, is_old: bool) -> String {
        let value = match ty.value {
            ValueType::Scalar(scalar) => scalar.to_string(),
            other => self.name_of(other, is_old),
        };
        format!("{value} {:?}", ty.many)
    }
}

/// Whether a record or a request may be without it. What `@auto` makes is made before it is written.
fn can_be_missing(field: &Field) -> bool {
    let is_empty = field.omissible && field.auto.is_none();
    field.ty.many != Many::One || is_empty || field.default.is_some()
}

/// What an old record is taken for, where that is not what it was: protobuf writes neither the zero of a field that is
/// always there, nor one that is absent. `is_younger`: there are records that are older than the field.
fn reads_otherwise(
    model: &Model,
    old: &Field,
    new: &Field,
    is_younger: bool,
) -> Option<&'static str> {
    match (old.ty.many, new.ty.many) {
        (Many::One, Many::Optional) if is_younger => {
            Some("is absent now in records that are older than it, and was its first default there")
        }
        (Many::One, Many::Optional) if takes_zero(model, old) => {
            Some("is absent now in records where it was zero, or empty")
        }
        (Many::Optional, Many::One) => match (&new.default, new.ty.value) {
            (Some(Literal::Enum(..)), _) => Some("has no value now in records where it was absent"),
            (Some(default), _) if !is_zero(default) => {
                Some("is zero now, or empty, in records where it was absent: not its default")
            }
            (None, ValueType::Message(_)) if new.omissible => {
                Some("is made of defaults now in records where it was absent: those of each build")
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a field can hold what protobuf does not write.
fn takes_zero(model: &Model, field: &Field) -> bool {
    match field.ty.value {
        ValueType::Ref(id) | ValueType::IdOf(id) => {
            // It is written as the key; one of several parts is a message.
            let key = model.concern(id).single_key();
            key.is_some_and(|key| takes_zero(model, key))
        }
        ValueType::ConfigRef(id) => takes_zero(model, &model.message(id).fields[0]),
        ValueType::Scalar(Scalar::String | Scalar::Bytes) => {
            let length = field.constraints.length;
            length.is_none_or(|length| length.min == 0)
        }
        ValueType::Scalar(Scalar::Uuid | Scalar::Json) => false,
        ValueType::Scalar(scalar) => field.constraints.take_zero(scalar),
        // They are always written.
        ValueType::Enum(_) | ValueType::Message(_) | ValueType::Concern(_) => false,
    }
}

/// Whether a field takes fewer values than before.
fn narrows(old: &Field, new: &Field) -> bool {
    let scalar = |field: &Field| match field.ty.value {
        ValueType::Scalar(scalar) => Some(scalar),
        _ => None,
    };
    let limits = |field: &Field| {
        let natural = scalar(field).and_then(Scalar::limits);
        let Constraints { min, max, .. } = field.constraints;
        let (low, high) = (natural.map(|it| it.0), natural.map(|it| it.1));
        (min.or(low), max.or(high))
    };
    let is_number = |field: &Field| scalar(field).is_some_and(Scalar::is_number);
    let digits = |field: &Field| scalar(field).and_then(Scalar::digits);
    let coarser = match (digits(old), digits(new)) {
        (Some(old), Some(new)) => new.scale < old.scale,
        _ => false,
    };
    let ((low, high), (min, max)) = match is_number(old) && is_number(new) {
        true => (limits(old), limits(new)),
        false => Default::default(),
    };
    let is_less = |one: Number, other: Number| one.compare(other) == Some(Ordering::Less);
    let above = min.is_some_and(|min| low.is_none_or(|low| is_less(low, min)));
    let below = max.is_some_and(|max| high.is_none_or(|high| is_less(max, high)));
    let lengths = |field: &Field| {
        let length = field.constraints.length;
        let max = length.and_then(|it| it.max).unwrap_or(u32::MAX);
        (length.map_or(0, |it| it.min), max)
    };
    let ((shortest, longest), (least, most)) = (lengths(old), lengths(new));
    let pattern = &new.constraints.pattern;
    let other_pattern = pattern.is_some() && *pattern != old.constraints.pattern;
    coarser || above || below || shortest < least || longest > most || other_pattern
}
