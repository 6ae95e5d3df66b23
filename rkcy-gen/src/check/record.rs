//! Pass 5, records: of messages, and of the instances that `create` makes.

use std::collections::HashMap;

use super::Checker;
use super::body::Body;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Expr, ExprKind, Field, MessageId, Type, ValueType};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr::Entry;

impl Checker {
    /// `Message { … }`
    pub(super) fn record<'a>(
        &mut self,
        id: MessageId,
        name: &Ident,
        entries: &'a [Entry],
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let fields = self.schema.message(id).fields.clone();
        let value = ValueType::Message(id);
        let values = self.entries(value, Owner::Message(id), &fields, name, entries, body)?;
        let parts = values.into_iter().zip(&fields).map(|(value, field)| {
            value.unwrap_or(Expr {
                ty: field.ty,
                kind: ExprKind::Default,
                span,
            })
        });
        Some(Expr {
            ty: Type::one(value),
            kind: ExprKind::Record(id, parts.collect()),
            span,
        })
    }

    /// `create X { … }`: the parts of the key, where they are given, and the other fields.
    pub(super) fn create_entries<'a>(
        &mut self,
        id: ConcernId,
        name: &Ident,
        entries: &'a [Entry],
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<(Vec<Option<Expr>>, Vec<Expr>)> {
        let fields: Vec<Field> = self.schema.concern(id).all_fields().cloned().collect();
        let lost_key = self.schema.lost_keys.contains(&id);
        let values = self.entries(
            ValueType::Concern(id),
            Owner::Concern(id),
            &fields,
            name,
            entries,
            body,
        )?;
        if lost_key {
            return None;
        }
        let count = self.schema.concern(id).keys.len();
        let mut values = values.into_iter();
        let keys = values.by_ref().take(count).collect();
        let rest = values.zip(fields.iter().skip(count));
        let rest = rest.map(|(value, field)| {
            value.unwrap_or(Expr {
                ty: field.ty,
                kind: ExprKind::Default,
                span,
            })
        });
        Some((keys, rest.collect()))
    }

    /// One value for each field, `None` for what may be left out and is.
    fn entries<'a>(
        &mut self,
        value: ValueType,
        owner: Owner,
        fields: &[Field],
        name: &Ident,
        entries: &'a [Entry],
        body: &mut Body<'a>,
    ) -> Option<Vec<Option<Expr>>> {
        let mut values: Vec<Option<Expr>> = vec![None; fields.len()];
        let mut given: HashMap<&str, Span> = HashMap::new();
        let mut complete = true;
        for entry in entries {
            if let Some(first) = given.get(entry.name.text.as_str()) {
                self.report(
                    Diagnostic::new(
                        Code::Duplicate,
                        entry.name.span,
                        format!("`{}` is given twice", entry.name.text),
                    )
                    .label(*first, "first here")
                    .help("remove one of them"),
                );
                complete = false;
                continue;
            }
            given.insert(&entry.name.text, entry.name.span);
            let index = fields
                .iter()
                .position(|field| field.name == entry.name.text);
            let expected = index
                .and_then(|index| fields.get(index))
                .map(|field| field.ty);
            if index.is_none() {
                self.unknown_field(value, &entry.name);
                complete = false;
            }
            match (self.entry_value(entry, expected, body), index) {
                (Some(expr), Some(index)) => values[index] = Some(expr),
                _ => complete = false,
            }
        }
        self.nothing_needed_is_left_out(owner, fields, name, &given);
        let omitted_well = fields
            .iter()
            .all(|field| field.omissible || given.contains_key(field.name.as_str()));
        (complete && omitted_well).then_some(values)
    }

    fn entry_value<'a>(
        &mut self,
        entry: &'a Entry,
        expected: Option<Type>,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        match &entry.value {
            Some(value) => self.expr(value, expected, body),
            None => {
                // `{ name }` is `{ name: name }`.
                let path = [entry.name.clone()];
                let expr = self.path(&path, entry.name.span, expected, body)?;
                match expected {
                    Some(expected) if !self.fits(&expr, expected) => None,
                    _ => Some(expr),
                }
            }
        }
    }

    fn nothing_needed_is_left_out(
        &mut self,
        owner: Owner,
        fields: &[Field],
        name: &Ident,
        given: &HashMap<&str, Span>,
    ) {
        // Which parts a key has is not known where something about it is wrong.
        let lost_keys = match owner {
            Owner::Concern(id) if self.schema.lost_keys.contains(&id) => {
                self.schema.concern(id).keys.len()
            }
            _ => 0,
        };
        let missing: Vec<&Field> = fields
            .iter()
            .enumerate()
            .filter(|(index, field)| {
                !(field.omissible || *index < lost_keys || given.contains_key(field.name.as_str()))
            })
            .map(|(_, field)| field)
            .collect();
        let Some(first) = missing.first() else { return };
        let names: Vec<String> = missing.iter().map(|field| field.name.clone()).collect();
        let finding = Diagnostic::new(Code::OmittedField, name.span, format!("`{}` needs {}", name.text, super::default::list(&names)))
            .label(first.span, "declared here")
            .help("only optional fields, lists, defaults, bools, numbers that may be zero, and messages made of such fields can be left out");
        self.report(finding);
    }
}
