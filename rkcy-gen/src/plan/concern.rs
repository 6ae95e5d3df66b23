//! Owns concerns in Rust: the instance, its handlers, the dispatch, the description.

use askama::Template;

use super::api::LeftOut;
use super::claim::{ClaimsPlan, Hidden};
use super::field::StructField;
use super::key::KeyStruct;
use super::operation::{DescParam, OperationPlan, operations};
use super::patch::PatchStruct;
use super::related::RelatedPlan;
use super::sql::Table;
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::{Builtin, Concern, Field, Many, Scalar, Type, ValueType};
use crate::naming::{self, Std};

/// clippy takes more parameters for too many.
pub(super) const MAX_PARAMETERS: usize = 7;

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
    key: Option<KeyStruct>,
    patch: Option<PatchStruct>,
    key_type: String,
    key_value: String,
    /// The root of its group: its rank, the type of its key, and where that is in a key of this one.
    root: Root,
    has: Has,
    /// The trait of its handlers.
    handlers: String,
    operations: Vec<OperationPlan>,
    key_params: Vec<DescParam>,
    create_params: Vec<DescParam>,
    left_out: Vec<LeftOut>,
    /// Its gRPC service.
    service: String,
    update_params: Vec<DescParam>,
    claims: ClaimsPlan,
    /// Numbers of the fields that lead into views of others.
    viewed: Vec<u32>,
    related: Option<RelatedPlan>,
    hidden: Vec<Hidden>,
    table: Table,
}

/// The root of a concern's group.
#[derive(Debug, Clone)]
struct Root {
    /// Its module, where it is another.
    module: Option<String>,
    key_type: String,
    key_value: String,
}

/// The operations that it has without being asked.
#[derive(Debug, Clone)]
struct Has {
    create: bool,
    get: bool,
    delete: bool,
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
        let name = naming::camel(&concern.name);
        let shape = Shape {
            docs: docs::lines(&concern.docs, &format!("concern {}", concern.name)),
            name: &name,
            proto: &name,
            owner: Some(&concern.name),
            message: None,
            fields: concern
                .all_fields()
                .map(|field| (field, is_private(concern, field)))
                .collect(),
            omissible: false,
            key: false,
            deprecated: concern.deprecated.as_deref(),
        };
        let value = self.value_struct(shape, &mut imports);
        let key = self.key_struct(concern, &mut imports);
        let mut patch = self.patch_struct(concern, value.fields(), &mut imports);
        let operations: Vec<OperationPlan> = operations(concern)
            .iter()
            .map(|operation| self.operation(concern, operation, &mut imports))
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
        let claims = self.claims(concern, &mut imports);
        if let Some(patch) = &mut patch {
            patch.key_type.clone_from(&key_type);
            patch.claims.clone_from(&claims.of_patch);
        }
        let related = self.related(concern, &mut imports);
        let root = self.root(concern, &mut imports);
        imports.remove(&name);
        for own in [
            self.names.key(&concern.name),
            self.names.patch(&concern.name),
        ] {
            imports.remove(own);
        }
        let has = |builtin| concern.builtins.has(builtin);
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
            key,
            patch,
            root,
            has: Has {
                create: has(Builtin::Create),
                get: has(Builtin::Get),
                delete: has(Builtin::Delete),
            },
            key_type,
            handlers: self.names.handlers(&concern.name).to_owned(),
            operations,
            key_params: self.desc_params(concern.keys.iter()),
            create_params: self.desc_params(concern.all_fields()),
            left_out: self.left_out(concern),
            service: super::api::service(concern),
            update_params: self.desc_params(concern.changeable()),
            claims,
            viewed: self.viewed_fields(concern),
            related,
            hidden: self.hidden(concern),
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
            && !matches!(field.ty.value, ValueType::Ref(_) | ValueType::ConfigRef(_));
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
            Many::Map => (format!("&codegen::Map<{inner}>"), format!("&{place}")),
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
        let value = |key: &Field, reference: bool| {
            let place = format!("self.{}", naming::snake(&key.name));
            match (reference, self.is_copy(key.ty)) {
                (true, true) => format!("*{place}.key()"),
                (true, false) => format!("{place}.key().clone()"),
                (false, true) => place,
                (false, false) => format!("{place}.clone()"),
            }
        };
        match concern.single_key() {
            Some(key) => value(key, matches!(key.ty.value, ValueType::Ref(_))),
            None => {
                let parts = concern
                    .keys
                    .iter()
                    .map(|key| format!("{}: {}", naming::snake(&key.name), value(key, false)));
                let parts: Vec<String> = parts.collect();
                format!(
                    "{} {{ {} }}",
                    self.names.key(&concern.name),
                    parts.join(", ")
                )
            }
        }
    }

    fn root(&self, concern: &Concern, imports: &mut Imports) -> Root {
        let root = self.model.root(concern.id);
        let key_type = self.key_type(root, imports);
        let is_copy = self.is_copy(Type::one(ValueType::IdOf(root)));
        let mut place = "key".to_owned();
        let mut next = concern;
        while let Some(parent) = next.parent {
            place = format!("{place}.{}.key()", naming::snake(&next.keys[0].name));
            next = self.model.concern(parent);
        }
        Root {
            module: (root != concern.id).then(|| naming::module(&next.name)),
            key_type,
            key_value: match is_copy {
                true => format!("*{place}"),
                false => format!("{place}.clone()"),
            },
        }
    }
}

/// Whether handlers must not change a field: keys, `@immutable` fields, unique values and references.
pub(super) fn is_private(concern: &Concern, field: &Field) -> bool {
    concern.is_key(field)
        || field.immutable
        || concern.is_unique(field)
        || matches!(field.ty.value, ValueType::Ref(_))
}
