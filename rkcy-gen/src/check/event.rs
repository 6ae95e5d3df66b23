//! Events: what is declared (pass 3), and what is emitted (pass 5).

use super::Checker;
use super::attribute::On;
use super::body::Body;
use super::field::WireNames;
use super::naming::Namespace;
use super::schema::{Kind, Owner};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Emit, EventId, Statement};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr::{Expr as AstExpr, ExprKind as Ast};
use crate::syntax::message::Event as AstEvent;

impl Checker {
    /// Pass 3: an event. Its fields are those that a message can have.
    pub(super) fn event(&mut self, AstEvent(declared): &AstEvent, id: EventId) {
        let (names, wire) = (Namespace::default(), WireNames::default());
        let fields = self.known_fields(declared, Owner::Event(id), Vec::new(), names, wire);
        let attributes = self.attributes(&declared.attributes, On::Declaration, declared.span);
        let (deprecated, was) = (attributes.deprecated, attributes.was);
        let target = &mut self.schema.events[id.index()];
        target.docs.clone_from(&declared.docs);
        target.fields = fields;
        target.deprecated = deprecated;
        target.was = was;
    }

    /// Pass 5: `emit X { … }`.
    pub(super) fn emit<'a>(&mut self, record: &'a AstExpr, span: Span, body: &mut Body<'a>) {
        let Ast::Record(name, entries) = &record.kind else {
            body.blurred = true;
            return;
        };
        let Some(id) = self.event_named(name) else {
            for entry in entries {
                self.entry_value(entry, None, body);
            }
            body.blurred = true;
            return;
        };
        let fields = self.schema.event(id).fields.clone();
        let owner = Owner::Event(id);
        match self.record_of(owner, &fields, name, entries, record.span, body) {
            Some(fields) => body.push(Statement::Emit(Emit {
                event: id,
                fields,
                span,
            })),
            None => body.blurred = true,
        }
    }

    /// The event behind `emit`.
    fn event_named(&mut self, name: &Ident) -> Option<EventId> {
        let Some(declared) = self.schema.types.get(&name.text).copied() else {
            self.unknown_type(name);
            return None;
        };
        self.note_use(name, declared.span.file);
        let what = match declared.kind {
            Kind::Event(id) => return Some(id),
            Kind::Message(_) => "a message",
            Kind::Enum(_) => "an enum",
            Kind::Concern(_) => "a concern",
            Kind::Config(_) => "configuration",
        };
        let text = &name.text;
        let message = format!("`{text}` is {what}, and only events are emitted");
        let finding = Diagnostic::new(Code::NotAnEvent, name.span, message);
        self.report(finding.label(declared.span, "declared here").help(
            "declare what is told to those outside: `event X { … }`; it has fields as a message has",
        ));
        None
    }

    /// An event where a value or an instance is expected.
    pub(super) fn event_as_value(&mut self, name: &Ident) {
        let text = &name.text;
        let message = format!("`{text}` is an event, which is emitted and no value");
        let finding = Diagnostic::new(Code::EventAsValue, name.span, message);
        self.report(finding.help(format!(
            "declare a `message` for what is stored or passed on, and let `{text}` have a field of it; what happened is told by `emit {text} {{ … }}`"
        )));
    }
}
