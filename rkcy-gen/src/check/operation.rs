//! Pass 3, commands and queries; payloads, results and refusals, which transactions have too.

use super::Checker;
use super::attribute::On;
use super::field::WireNames;
use super::naming::Namespace;
use super::related::is_of_operation;
use super::types::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Answer, Command, CommandId, ConcernId, Field, Many, Payload, Query, QueryId, Refusal,
    RefusalId, Refusals, ValueType,
};
use crate::syntax::operation::{Operation, Param, Refusals as AstRefusals, ResultType};

impl Checker {
    pub(super) fn command(&mut self, operation: &Operation, concern: ConcernId) -> Option<Command> {
        let payload = self.payload(&operation.params);
        let result = operation
            .result
            .as_ref()
            .map(|result| self.answer(&own_result(result), Place::CommandResult(concern)));
        let refusals = self.refusals(operation.refusals.as_ref());
        let related = self.reads_related(operation, concern);
        let id = CommandId::new(self.schema.concern(concern).commands.len());
        Some(Command {
            id,
            name: operation.name.text.clone(),
            docs: operation.docs.clone(),
            payload: payload?,
            // A result that is not known makes the command unknown.
            result: match result {
                Some(known) => Some(known?),
                None => None,
            },
            // Told once all commands are known.
            undo: None,
            refusals,
            related,
            span: operation.name.span,
        })
    }

    pub(super) fn query(&mut self, operation: &Operation, concern: ConcernId) -> Option<Query> {
        let payload = self.payload(&operation.params);
        let result = match &operation.result {
            Some(result) => self.answer(&own_result(result), Place::QueryResult),
            None => {
                self.query_without_result(operation);
                None
            }
        };
        let refusals = self.refusals(operation.refusals.as_ref());
        let related = self.reads_related(operation, concern);
        let id = QueryId::new(self.schema.concern(concern).queries.len());
        Some(Query {
            id,
            name: operation.name.text.clone(),
            docs: operation.docs.clone(),
            payload: payload?,
            result: result?,
            refusals,
            related,
            span: operation.name.span,
        })
    }

    fn query_without_result(&mut self, operation: &Operation) {
        let name = &operation.name;
        self.report(
            Diagnostic::new(
                Code::QueryWithoutResult,
                name.span,
                format!("the query `{}` gives nothing", name.text),
            )
            .help("say what it gives, `-> T`; what changes the instance is a `command`"),
        );
    }

    pub(super) fn answer(&mut self, result: &ResultType, place: Place) -> Option<Answer> {
        let ty = self.resolve_type(&result.ty, place)?;
        let constraints = self.result_constraints(&result.attributes, ty);
        Some(Answer { ty, constraints })
    }

    /// A payload is one message, or parameters that all have names.
    pub(super) fn payload(&mut self, params: &[Param]) -> Option<Payload> {
        let unnamed = params.iter().find_map(|param| match param {
            Param::Unnamed(ty, attributes) => Some((ty, attributes)),
            Param::Named(_) => None,
        });
        let Some((ty, attributes)) = unnamed else {
            let (fields, complete) = self.named_params(params, On::Parameter);
            return match (complete, fields.is_empty()) {
                (false, _) => None,
                (true, true) => Some(Payload::Empty),
                (true, false) => Some(Payload::Fields(fields)),
            };
        };
        if params.len() > 1 {
            self.named_params(params, On::Parameter);
            self.report(
                Diagnostic::new(
                    Code::WrongPayload,
                    ty.span,
                    "a type without a name stands alone",
                )
                .help("give each parameter a name: `name: type`"),
            );
            return None;
        }
        if let Some(attribute) = attributes.first() {
            self.report(
                Diagnostic::new(Code::MisplacedAttribute, attribute.span, "an unnamed payload has no attributes")
                    .help("the fields of the message have attributes of their own; a parameter with a name can have some"),
            );
        }
        let resolved = self.resolve_type(ty, Place::Stored)?;
        match (resolved.value, resolved.many) {
            (ValueType::Message(id), Many::One) => Some(Payload::Message(id)),
            _ => {
                let shown = self.show_type(resolved);
                self.report(
                    Diagnostic::new(
                        Code::WrongPayload,
                        ty.span,
                        format!("an unnamed payload is a message, and `{shown}` is none"),
                    )
                    .help(format!("give it a name: `value: {shown}`"))
                    .edit(ty.span.before(), "value: "),
                );
                None
            }
        }
    }

    /// The parameters that have names, and whether all of these are known.
    pub(super) fn named_params(&mut self, params: &[Param], on: On) -> (Vec<Field>, bool) {
        let mut names = Namespace::default();
        let mut wire = WireNames::default();
        let mut fields = Vec::new();
        let mut complete = true;
        for param in params {
            let Param::Named(field) = param else { continue };
            if let Err(wrong) = names.add(&field.name, "parameter") {
                self.report(wrong);
                complete = false;
                continue;
            }
            match self.field(field, on, &mut wire) {
                Some(field) => fields.push(field),
                None => complete = false,
            }
        }
        (fields, complete)
    }

    pub(super) fn refusals(&mut self, refusals: Option<&AstRefusals>) -> Refusals {
        let Some(refusals) = refusals else {
            return Refusals::AnyText;
        };
        if refusals.names.is_empty() {
            return Refusals::Nothing;
        }
        let mut names = Namespace::default();
        let mut list = Vec::new();
        for name in &refusals.names {
            self.member_naming(name);
            match names.add(name, "refusal") {
                Ok(()) => list.push(Refusal {
                    id: RefusalId::new(list.len()),
                    name: name.text.clone(),
                    span: name.span,
                }),
                Err(wrong) => self.report(wrong),
            }
        }
        Refusals::Named(list)
    }
}

/// A result without what stands behind it and is said of the operation.
fn own_result(result: &ResultType) -> ResultType {
    let mut own = result.clone();
    own.attributes
        .retain(|attribute| !is_of_operation(attribute));
    own
}
