//! Owns related views, in Rust: what handlers see of those that refer to an instance, which fields lead into a view,
//! and the hidden concern that keeps it.

use super::claim::Hidden;
use super::types::Imports;
use super::{Cx, docs, operations};
use crate::model::{Concern, Side};
use crate::naming::{self, Claims};

/// What handlers of a concern see of those that refer to an instance.
#[derive(Debug, Clone)]
pub(super) struct RelatedPlan {
    pub(super) name: String,
    pub(super) sides: Vec<RelatedSide>,
    /// Constants of the operations that read it.
    pub(super) readers: Vec<String>,
}

/// One side of it.
#[derive(Debug, Clone)]
pub(super) struct RelatedSide {
    pub(super) docs: Vec<String>,
    pub(super) name: String,
    /// The concern that refers, in Rust, and the number of the field.
    pub(super) ty: String,
    pub(super) field: u32,
    pub(super) most: u32,
}

impl Cx<'_> {
    /// What operations of a concern read that is related; `None` where none does.
    pub(super) fn related(&self, concern: &Concern, imports: &mut Imports) -> Option<RelatedPlan> {
        let mut names = Claims::default();
        let sides: Vec<RelatedSide> = (concern.viewed())
            .map(|(side, most)| {
                let referrer = self.model.concern(side.concern);
                let ty = naming::camel(&referrer.name);
                imports.insert(ty.clone());
                RelatedSide {
                    docs: docs::lines(&side.docs, &self.side_signature(side)),
                    name: names.claim(naming::snake(&side.name)),
                    ty,
                    field: self.lock.field(&referrer.name, self.field_of(side)),
                    most,
                }
            })
            .collect();
        let readers = operations(concern).into_iter();
        let readers = readers.filter(|operation| operation.related);
        (!sides.is_empty()).then(|| RelatedPlan {
            name: self.names.related(&concern.name).to_owned(),
            sides,
            readers: readers.map(|it| naming::shouty(it.name)).collect(),
        })
    }

    fn field_of(&self, side: &Side) -> &str {
        &self.model.concern(side.concern).fields[side.field].name
    }

    /// A side as a schema writes it.
    fn side_signature(&self, side: &Side) -> String {
        let referrer = &self.model.concern(side.concern).name;
        let most = side.most.map(|most| format!(" @length(..={most})"));
        let by = self.field_of(side);
        format!(
            "{}: [{referrer}] by {by}{}",
            side.name,
            most.unwrap_or_default()
        )
    }

    /// The numbers of the fields that lead into views of others.
    pub(super) fn viewed_fields(&self, concern: &Concern) -> Vec<u32> {
        let fields = concern.references().filter(|(index, _, target)| {
            let mut views = self.model.concern(*target).viewed();
            views.any(|(side, _)| side.concern == concern.id && side.field == *index)
        });
        let numbers = fields.map(|(_, field, _)| self.lock.field(&concern.name, &field.name));
        numbers.collect()
    }

    /// The hidden concern that keeps the views of a concern.
    pub(super) fn view_of(&self, concern: &Concern) -> Option<Hidden> {
        concern.viewed().next()?;
        let name = naming::camel(&concern.name);
        Some(Hidden {
            doc: format!(
                "Who refers to each `{}`, as they were told last.",
                concern.name
            ),
            constant: "RELATED".to_owned(),
            number: self.lock.view(&concern.name),
            name: format!("related to {}", concern.name),
            group: format!("<{name} as codegen::Concern>::ROOT"),
            root: format!("codegen::view_root::<{name}>"),
            shows: "codegen::view_to_json",
            table: naming::sql_hidden(&["related", &concern.name]),
            derived: None,
        })
    }

    /// What the hash of a schema has to cover of them.
    pub(super) fn related_facts(&self, concern: &Concern) -> Vec<String> {
        let fields = self.viewed_fields(concern).into_iter();
        let mut facts: Vec<String> = fields
            .map(|field| format!("in a view by {field}"))
            .collect();
        for (side, most) in concern.viewed() {
            let number = self.lock.view(&concern.name);
            facts.push(format!(
                "views {number} {} {most}",
                self.side_signature(side)
            ));
        }
        facts
    }
}
