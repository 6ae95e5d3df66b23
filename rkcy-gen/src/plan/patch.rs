//! Owns what `update` is given, in Rust and in protobuf: for each field that may change, whether it does
//! and to what.

use askama::Template;

use super::Cx;
use super::field::StructField;
use super::types::Imports;
use crate::model::{Builtin, Concern, Field, Many, Type};
use crate::naming::{self, Claims, Std};

/// The changes of an `update`.
#[derive(Debug, Clone, Template)]
#[template(path = "patch.jinja", escape = "none")]
pub(super) struct PatchStruct {
    std: Std,
    pub(super) name: String,
    /// The concern, as it is written and in Rust.
    declared: String,
    of: String,
    is_eq: bool,
    has_checks: bool,
    fields: Vec<PatchField>,
    /// Type of the key, and the statements that tell what is claimed.
    pub(super) key_type: String,
    pub(super) claims: Vec<String>,
    /// The field of the message that tells what becomes absent or empty, where anything may.
    pub(super) cleared: Option<String>,
}

#[derive(Debug, Clone)]
struct PatchField {
    docs: Vec<String>,
    name: String,
    /// Type of the field of the instance.
    ty: String,
    /// Its name in JSON, as a literal.
    json: String,
    to_proto: String,
    from_proto: String,
    checks: Vec<String>,
    /// Number and condition of what becomes absent or empty.
    clears: Option<(u32, String)>,
}

impl PatchStruct {
    /// Whether what is claimed has to do with the key: unique values have.
    fn uses_key(&self) -> bool {
        self.claims.iter().any(|claim| claim.contains("unique"))
    }
}

impl Cx<'_> {
    /// The patch of a concern that has `update`; `plans` are all its fields as they are printed.
    pub(super) fn patch_struct(
        &self,
        concern: &Concern,
        plans: &[StructField],
        imports: &mut Imports,
    ) -> Option<PatchStruct> {
        if !concern.builtins.has(Builtin::Update) {
            return None;
        }
        let cleared = self.cleared(concern);
        let changes = concern.all_fields().zip(plans);
        let changes = changes.filter(|(field, _)| !field.immutable);
        let fields: Vec<PatchField> = changes
            .map(|(field, plan)| {
                self.patch_field(concern, field, plan, cleared.as_deref(), imports)
            })
            .collect();
        Some(PatchStruct {
            std: self.names.std.clone(),
            name: self.names.patch(&concern.name).to_owned(),
            declared: concern.name.clone(),
            of: naming::camel(&concern.name),
            is_eq: concern.changeable().all(|field| self.is_eq(field.ty)),
            has_checks: fields.iter().any(|field| !field.checks.is_empty()),
            fields,
            key_type: String::new(),
            claims: Vec::new(),
            cleared,
        })
    }

    /// The name of the field, in Rust and in protobuf, that tells what becomes absent or empty; none
    /// where nothing may.
    pub(super) fn cleared(&self, concern: &Concern) -> Option<String> {
        let mut names = Claims::default();
        for field in concern.changeable() {
            names.claim(naming::plain_snake(&field.name));
        }
        concern
            .changeable()
            .any(|field| field.ty.many != Many::One)
            .then(|| names.claim("cleared".to_owned()))
    }

    fn patch_field(
        &self,
        concern: &Concern,
        field: &Field,
        plan: &StructField,
        cleared: Option<&str>,
        imports: &mut Imports,
    ) -> PatchField {
        let name = &plan.name;
        let number = self.lock.field(&concern.name, &field.name);
        let path = &field.name;
        let (value, taken) = (format!("self.{name}"), format!("proto.{name}"));
        let is_cleared = format!("proto.{}.contains(&{number})", cleared.unwrap_or_default());
        let (to_proto, from_proto, clears) = match field.ty.many {
            Many::One => (
                format!("codegen::put_optional({value}.as_ref())"),
                format!("codegen::take_optional({path:?}, {taken})?"),
                None,
            ),
            Many::Optional => (
                format!("codegen::put_change({value}.as_ref())"),
                format!("codegen::take_change({path:?}, {taken}, {is_cleared})?"),
                Some((number, format!("matches!({value}, Some(None))"))),
            ),
            Many::List => (
                format!("codegen::put_list({value}.as_deref().unwrap_or_default())"),
                format!("codegen::take_list_change({path:?}, {taken}, {is_cleared})?"),
                Some((
                    number,
                    format!("{value}.as_ref().is_some_and(|list| list.is_empty())"),
                )),
            ),
            Many::Map => (
                format!("{value}.as_ref().map(codegen::put_map).unwrap_or_default()"),
                format!("codegen::take_map_change({path:?}, {taken}, {is_cleared})?"),
                Some((
                    number,
                    format!("{value}.as_ref().is_some_and(|map| map.is_empty())"),
                )),
            ),
        };
        PatchField {
            docs: plan.docs.clone(),
            ty: self.rust_type(field.ty, imports),
            json: plan.json.clone(),
            checks: self.patch_checks(field, &value, plan),
            name: name.clone(),
            to_proto,
            from_proto,
            clears,
        }
    }

    fn patch_checks(&self, field: &Field, value: &str, plan: &StructField) -> Vec<String> {
        let path = format!("{:?}", field.json_name());
        let pattern = plan.pattern.as_ref().map(|(constant, _)| constant.as_str());
        let constraints = &field.constraints;
        let by_value = self.is_copy(Type::one(field.ty.value));
        let (bound, checks) = match field.ty.many {
            Many::List | Many::Map => (
                "Some(value)",
                self.collection_checks(field.ty, constraints, &path, "value", "value"),
            ),
            many => {
                let ty = field.ty.value;
                let (bound, checks) = match many == Many::One {
                    true => (
                        "Some(value)",
                        self.one(ty, constraints, &path, "value", !by_value, pattern),
                    ),
                    false => (
                        "Some(Some(value))",
                        self.present(ty, constraints, &path, !by_value, pattern),
                    ),
                };
                let checks = checks.into_iter().map(|check| format!("{check}?;"));
                (bound, checks.collect())
            }
        };
        if checks.is_empty() {
            return checks;
        }
        let borrow = if by_value && !field.ty.is_collection() {
            ""
        } else {
            "&"
        };
        vec![format!(
            "if let {bound} = {borrow}{value} {{ {} }}",
            checks.join(" ")
        )]
    }
}
