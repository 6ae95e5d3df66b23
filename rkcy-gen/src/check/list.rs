//! Pass 3, lists: in which orders the instances of a concern can be read.

use std::collections::HashMap;

use super::Checker;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Field, List, ListPart, Scalar, ValueType};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::concern as ast;

impl Checker {
    /// The lists of a concern, once all of its fields are known.
    pub(super) fn lists(&mut self, id: ConcernId, written: &[&ast::List]) {
        if written.is_empty() {
            return;
        }
        let concern = self.schema.concern(id);
        let keys = concern.keys.len();
        let fields: Vec<Field> = concern.all_fields().cloned().collect();
        for list in written {
            let Some(by) = self.list_parts(id, &fields, &list.parts) else {
                self.schema.lose(Owner::Concern(id), &list.name.text);
                continue;
            };
            let rest = (0..keys).filter(|key| by.iter().all(|part| part.field != *key));
            let then = rest.map(|field| ListPart {
                field,
                descending: false,
            });
            let known = List {
                name: list.name.text.clone(),
                docs: list.docs.clone(),
                then: then.collect(),
                by,
                span: list.name.span,
            };
            self.schema.concerns[id.index()].lists.push(known);
        }
    }

    /// What a list is ordered by, if all of it is right.
    fn list_parts(
        &mut self,
        id: ConcernId,
        fields: &[Field],
        written: &[ast::ListPart],
    ) -> Option<Vec<ListPart>> {
        let places = fields.iter().enumerate();
        let places: HashMap<&str, usize> = places.map(|(at, it)| (it.name.as_str(), at)).collect();
        let mut parts: Vec<ListPart> = Vec::new();
        let mut seen: HashMap<usize, Span> = HashMap::new();
        for part in written {
            let name = &part.name;
            let Some(at) = places.get(name.text.as_str()).copied() else {
                self.unknown_field(Owner::Concern(id), name);
                continue;
            };
            if let Some(first) = seen.insert(at, name.span) {
                let message = format!("`{}` stands here twice", name.text);
                let finding = Diagnostic::new(Code::WrongList, name.span, message);
                self.report(
                    finding.label(first, "first here").help(
                        "remove one of them: among equal values there is nothing left to order",
                    ),
                );
                continue;
            }
            if self.has_order(&fields[at], name) {
                parts.push(ListPart {
                    field: at,
                    descending: part.descending,
                });
            }
        }
        (parts.len() == written.len()).then_some(parts)
    }

    /// Whether instances can be ordered by a field; else says why not.
    fn has_order(&mut self, field: &Field, name: &Ident) -> bool {
        let is_single = !field.ty.is_collection();
        let is_ordered = match field.ty.value {
            ValueType::Scalar(Scalar::String | Scalar::Bytes) => {
                if is_single {
                    self.text_has_a_bound(
                        &field.constraints,
                        name.span,
                        "what a list is ordered by",
                    );
                }
                true
            }
            ValueType::Scalar(
                Scalar::Bool
                | Scalar::I32
                | Scalar::I64
                | Scalar::U32
                | Scalar::U64
                | Scalar::F32
                | Scalar::F64
                | Scalar::Decimal(_)
                | Scalar::Uuid
                | Scalar::Timestamp
                | Scalar::Duration,
            )
            | ValueType::Enum(_)
            | ValueType::Ref(_)
            | ValueType::IdOf(_)
            | ValueType::ConfigRef(_) => true,
            ValueType::Scalar(Scalar::Json) | ValueType::Message(_) | ValueType::Concern(_) => {
                false
            }
        };
        if is_single && is_ordered {
            return true;
        }
        let shown = self.show_type(field.ty);
        let message = format!("`{}` is a `{shown}`, which has no order", name.text);
        let finding = Diagnostic::new(Code::WrongList, name.span, message);
        self.report(finding.label(field.span, "declared here").help(
            "a list is ordered by single values: numbers, text, times, enums, references; keep what it needs of this in a field of its own",
        ));
        false
    }

    /// A list where a command or a query is expected. Whether it is one.
    pub(super) fn is_list_of(&mut self, id: ConcernId, name: &Ident) -> bool {
        let lists = &self.schema.concern(id).lists;
        let Some(list) = lists.iter().find(|list| list.name == name.text) else {
            return false;
        };
        let message = format!("`{}` is a list, which no transaction reads", name.text);
        self.report(
            Diagnostic::new(Code::ListInTransaction, name.span, message)
                .label(list.span, "declared here")
                .help("a list is a page of the database, which may be behind: read it first, and give the transaction the keys"),
        );
        true
    }
}
