//! Owns concerns in Rust: the instance, its handlers, the dispatch, the description.

use askama::Template;

use super::field::StructField;
use super::operation::{DescParam, OperationPlan, operations};
use super::sql::Table;
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::{Concern, Field, Many, Scalar, ValueType};
use crate::naming::{self, Claims, Std};

/// clippy takes more parameters for too many.
const MAX_PARAMETERS: usize = 7;

/// The file of a concern.
#[derive(Debug, Clone, Template)]
#[template(path = "concern.jinja", escape = "none")]
pub(super) struct ConcernFile {
    header: String,
    std: Std,
    schema: String,
    /// Name in the schema.
    declared: String,
    doc: String,
    name: String,
    rank: u32,
    imports: Imports,
    value: ValueStruct,
    new_params: Vec<(String, String)>,
    new_fields: Vec<(String, Option<String>)>,
    many_params: bool,
    getters: Vec<Getter>,
    key_type: String,
    key_value: String,
    root_key: &'static str,
    /// The trait of its handlers.
    handlers: String,
    operations: Vec<OperationPlan>,
    create_params: Vec<DescParam>,
    table: Table,
}

#[derive(Debug, Clone)]
struct Getter {
    docs: Vec<String>,
    name: String,
    ty: String,
    value: String,
}

impl Cx<'_> {
    pub(super) fn concern_file(&self, concern: &Concern) -> ConcernFile {
        let mut imports = Imports::new();
        let mut functions = Claims::default();
        // Functions of the file itself.
        for taken in ["run", "to_columns", "from_columns"] {
            functions.claim(taken.to_owned());
        }
        let name = naming::camel(&concern.name);
        let shape = Shape {
            docs: docs::lines(&concern.docs, &format!("concern {}", concern.name)),
            name: &name,
            proto: &name,
            message: None,
            fields: concern
                .all_fields()
                .map(|field| (field, is_private(concern, field)))
                .collect(),
            omissible: false,
            deprecated: concern.deprecated.as_deref(),
        };
        let value = self.value_struct(shape, &mut imports, &mut functions);
        let operations: Vec<OperationPlan> = operations(concern)
            .iter()
            .map(|operation| self.operation(concern, operation, &mut imports, &mut functions))
            .collect();
        // What handlers cannot set later has to be given.
        let is_given =
            |field: &Field, plan: &StructField| !plan.omissible || is_private(concern, field);
        let pairs: Vec<(&Field, &StructField)> = concern.all_fields().zip(value.fields()).collect();
        let new_params: Vec<(String, String)> = pairs
            .iter()
            .filter(|(field, plan)| is_given(field, plan))
            .map(|(_, plan)| (plan.name.clone(), plan.ty.clone()))
            .collect();
        let new_fields = pairs
            .iter()
            .map(|(field, plan)| {
                (
                    plan.name.clone(),
                    (!is_given(field, plan)).then(|| plan.default.clone()),
                )
            })
            .collect();
        let getters = pairs
            .iter()
            .filter(|(field, _)| is_private(concern, field))
            .map(|(field, plan)| self.getter(field, plan, &mut imports))
            .collect();
        let key_type = self.key_type(concern.id, &mut imports);
        let table = self.table(concern, &mut imports);
        imports.remove(&name);
        let mut facts = self.field_facts(&concern.name, concern.all_fields());
        facts.extend(self.operation_facts(concern));
        ConcernFile {
            header: self.header.clone(),
            std: self.names.std.clone(),
            schema: super::hash(facts),
            declared: concern.name.clone(),
            doc: format!("{:?}", docs::first_paragraph(&concern.docs)),
            rank: self.lock.rank(&concern.name),
            many_params: new_params.len() > MAX_PARAMETERS,
            new_params,
            new_fields,
            getters,
            key_value: self.key_value(concern),
            root_key: if self.is_copy(concern.key.ty) {
                "*key"
            } else {
                "key.clone()"
            },
            key_type,
            handlers: self.names.handlers(&concern.name).to_owned(),
            operations,
            create_params: self.desc_params(concern.all_fields()),
            table,
            imports,
            value,
            name,
        }
    }

    fn getter(&self, field: &Field, plan: &StructField, imports: &mut Imports) -> Getter {
        let std = &self.names.std;
        let place = format!("self.{}", plan.name);
        let is_string = self.model.stored_as(field.ty.value) == ValueType::Scalar(Scalar::String)
            && !matches!(field.ty.value, ValueType::Ref(_));
        let inner = self.value_type(field.ty.value, imports);
        let (ty, value) = match field.ty.many {
            _ if self.is_copy(field.ty) => (plan.ty.clone(), place),
            Many::One if is_string => ("&str".to_owned(), format!("&{place}")),
            Many::Optional if is_string => (
                format!("{}<&str>", std.option),
                format!("{place}.as_deref()"),
            ),
            Many::One => (format!("&{inner}"), format!("&{place}")),
            Many::Optional => (
                format!("{}<&{inner}>", std.option),
                format!("{place}.as_ref()"),
            ),
            Many::List => (format!("&[{inner}]"), format!("&{place}")),
        };
        Getter {
            docs: docs::lines(&field.docs, &self.field_signature(field)),
            name: naming::method(&field.name),
            ty,
            value,
        }
    }

    /// The key of `self`.
    fn key_value(&self, concern: &Concern) -> String {
        let place = format!("self.{}", naming::snake(&concern.key.name));
        let is_copy = self.is_copy(concern.key.ty);
        match (concern.key.ty.value, is_copy) {
            (ValueType::Ref(_), true) => format!("*{place}.key()"),
            (ValueType::Ref(_), false) => format!("{place}.key().clone()"),
            (_, true) => place,
            (_, false) => format!("{place}.clone()"),
        }
    }
}

/// Whether handlers must not change a field: keys, `@immutable` fields and references.
pub(super) fn is_private(concern: &Concern, field: &Field) -> bool {
    std::ptr::eq(field, &concern.key)
        || field.immutable
        || matches!(field.ty.value, ValueType::Ref(_))
}
