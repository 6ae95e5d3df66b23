//! Pass 5, records: of messages, and of the instances that `create` makes.

use std::collections::HashMap;

use super::Checker;
use super::body::Body;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Auto, ConcernId, Expr, ExprKind, Field, MessageId, Path, Root, StepId, Type, ValueType,
};
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
        let values = self.record_of(Owner::Message(id), &fields, name, entries, span, body)?;
        Some(Expr {
            ty: Type::one(ValueType::Message(id)),
            kind: ExprKind::Record(id, values),
            span,
        })
    }

    /// One value for each field of a message or an event.
    pub(super) fn record_of<'a>(
        &mut self,
        owner: Owner,
        fields: &[Field],
        name: &Ident,
        entries: &'a [Entry],
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Vec<Expr>> {
        let values = self.entries(owner, fields, name, entries, body)?;
        let parts = values.into_iter().zip(fields).map(|(value, field)| {
            value.unwrap_or(Expr {
                ty: field.ty,
                kind: ExprKind::Default,
                span,
            })
        });
        Some(parts.collect())
    }

    /// `create X { … }`: the parts of the key, where they are given, and the other fields.
    pub(super) fn create_entries<'a>(
        &mut self,
        id: ConcernId,
        name: &Ident,
        entries: &'a [Entry],
        (step, span): (StepId, Span),
        body: &mut Body<'a>,
    ) -> Option<(Vec<Option<Expr>>, Vec<Expr>)> {
        let fields: Vec<Field> = self.schema.concern(id).all_fields().cloned().collect();
        let lost_key = self.schema.lost_keys.contains(&id);
        let values = self.entries(Owner::Concern(id), &fields, name, entries, body)?;
        if lost_key {
            return None;
        }
        let count = self.schema.concern(id).keys.len();
        let mut values = values.into_iter();
        let keys = values.by_ref().take(count).collect();
        let rest = (0..).zip(values.zip(fields.iter().skip(count)));
        let rest = rest.map(|(index, (value, field))| {
            value.unwrap_or(Expr {
                ty: field.ty,
                kind: match field.auto {
                    Some(Auto::Now) => ExprKind::Path(Path {
                        root: Root::Now,
                        fields: Vec::new(),
                    }),
                    Some(Auto::Uuid) => ExprKind::AutoUuid(step, index),
                    None => ExprKind::Default,
                },
                span,
            })
        });
        Some((keys, rest.collect()))
    }

    /// `update X[k] { … }`: the fields that are given.
    pub(super) fn update_entries<'a>(
        &mut self,
        id: ConcernId,
        name: &Ident,
        entries: &'a [Entry],
        body: &mut Body<'a>,
    ) -> Option<Vec<Option<Expr>>> {
        let fields: Vec<Field> = self.schema.concern(id).all_fields().cloned().collect();
        for entry in entries {
            let field = fields.iter().find(|field| field.name == entry.name.text);
            if let Some(field) = field.filter(|field| field.immutable) {
                self.never_changes(name, entry, field, body);
            }
        }
        let owner = Owner::Concern(id);
        let (values, _, complete) = self.given_entries(owner, &fields, entries, body);
        let keys = self.schema.concern(id).keys.len();
        complete.then(|| values.into_iter().skip(keys).collect())
    }

    fn never_changes(
        &mut self,
        concern: &Ident,
        entry: &Entry,
        field: &Field,
        body: &mut Body<'_>,
    ) {
        body.blurred = true;
        let name = &entry.name;
        let message = format!("`{}` of `{}` never changes", name.text, concern.text);
        self.report(
            Diagnostic::new(Code::UpdateOfImmutable, name.span, message)
                .label(field.span, "declared here")
                .help("only `create` sets a key or an `@immutable` field"),
        );
    }

    /// One value for each field, `None` for what may be left out and is.
    fn entries<'a>(
        &mut self,
        owner: Owner,
        fields: &[Field],
        name: &Ident,
        entries: &'a [Entry],
        body: &mut Body<'a>,
    ) -> Option<Vec<Option<Expr>>> {
        let (values, given, complete) = self.given_entries(owner, fields, entries, body);
        self.nothing_needed_is_left_out(owner, fields, name, &given);
        let omitted_well = fields
            .iter()
            .all(|field| field.omissible || given.contains_key(field.name.as_str()));
        (complete && omitted_well).then_some(values)
    }

    /// One value for each field that is given, where each is given, and whether all are known.
    fn given_entries<'a>(
        &mut self,
        owner: Owner,
        fields: &[Field],
        entries: &'a [Entry],
        body: &mut Body<'a>,
    ) -> (Vec<Option<Expr>>, HashMap<&'a str, Span>, bool) {
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
                self.unknown_field(owner, &entry.name);
                complete = false;
            }
            match (self.entry_value(entry, expected, body), index) {
                (Some(expr), Some(index)) => values[index] = Some(expr),
                _ => complete = false,
            }
        }
        (values, given, complete)
    }

    pub(super) fn entry_value<'a>(
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
