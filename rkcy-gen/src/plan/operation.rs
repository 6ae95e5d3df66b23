//! Owns commands and queries: functions of the handler trait, arms of the dispatch, rows of the
//! description; and the enums of refusals.

use askama::Template;

use super::signature::number;
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::{Answer, Auto, Concern, Constraints, Field, Number, Payload, Refusals};
use crate::naming::{self, Std};

/// A command or a query, whichever.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// The name as written.
    pub name: &'a String,
    /// Documentation.
    pub docs: &'a str,
    /// What it is given.
    pub payload: &'a Payload,
    /// What it answers.
    pub result: Option<&'a Answer>,
    /// The command that undoes it.
    pub undo: Option<&'a String>,
    /// How it may refuse.
    pub refusals: &'a Refusals,
    /// Whether it reads those that refer to its instance.
    pub related: bool,
    /// Whether it only reads.
    pub is_query: bool,
}

/// The commands of a concern, then its queries.
pub fn operations(concern: &Concern) -> Vec<Operation<'_>> {
    let commands = concern.commands.iter().map(|command| Operation {
        name: &command.name,
        docs: &command.docs,
        payload: &command.payload,
        result: command.result.as_ref(),
        undo: command.undo.map(|undo| &concern.command(undo).name),
        refusals: &command.refusals,
        related: command.related,
        is_query: false,
    });
    let queries = concern.queries.iter().map(|query| Operation {
        name: &query.name,
        docs: &query.docs,
        payload: &query.payload,
        result: Some(&query.result),
        undo: None,
        refusals: &query.refusals,
        related: query.related,
        is_query: true,
    });
    commands.chain(queries).collect()
}

/// An operation, ready to be printed.
#[derive(Debug, Clone)]
pub(super) struct OperationPlan {
    pub(super) number: u32,
    pub(super) constant: String,
    /// Name in the schema.
    pub(super) name: String,
    pub(super) doc: String,
    /// Lines of documentation of the handler.
    pub(super) docs: Vec<String>,
    /// Name of the handler.
    pub(super) function: String,
    /// Parameters of the handler, in full.
    pub(super) params: String,
    /// Its result, with the arrow; empty for none.
    pub(super) returns: String,
    /// The type of what it reads that is related; empty where it reads nothing.
    pub(super) related: String,
    /// The call that runs it: `command::<Character, Currency, _>`.
    pub(super) runner: String,
    /// What is called within it.
    pub(super) call: String,
    pub(super) is_query: bool,
    /// Its method of the gRPC service.
    pub(super) rpc: String,
    /// Rust type of the payload, for the description.
    pub(super) args: String,
    /// Rust type of the result, for the description.
    pub(super) output: String,
    /// The module of the message that is the payload, where there is one.
    pub(super) params_of: Option<String>,
    /// Else the named parameters.
    pub(super) desc_params: Vec<DescParam>,
    pub(super) refusals: Vec<String>,
    /// Where the payload has named parameters.
    pub(super) payload: Option<ValueStruct>,
    pub(super) refusal: Option<RefusalEnum>,
    /// The constraint of a result that has a pattern: its constant and its source.
    pub(super) pattern: Option<(String, String)>,
}

/// A parameter in a description.
#[derive(Debug, Clone)]
pub(super) struct DescParam {
    pub(super) name: String,
    pub(super) ty: String,
    /// Calls that say which values it takes.
    pub(super) limits: String,
    /// What a `create` that leaves it out gives it.
    pub(super) auto: Option<&'static str>,
}

/// What `@auto` gives, in Rust.
pub(super) fn auto_name(auto: Auto) -> &'static str {
    match auto {
        Auto::Uuid => "Uuid",
        Auto::Now => "Now",
    }
}

/// An enum of refusals.
#[derive(Debug, Clone, Template)]
#[template(path = "refusal.jinja", escape = "none")]
pub(super) struct RefusalEnum {
    std: Std,
    pub(super) name: String,
    doc: String,
    of: String,
    values: Vec<(String, String)>,
}

impl Cx<'_> {
    pub(super) fn operation(
        &self,
        concern: &Concern,
        operation: &Operation<'_>,
        imports: &mut Imports,
    ) -> OperationPlan {
        let owner = naming::camel(&concern.name);
        let signature = self.operation_signature(operation);
        let std = &self.names.std;
        let payload_name = self.payload_name(concern, operation);
        if let (Payload::Message(_), Some(name)) = (operation.payload, &payload_name) {
            imports.insert(name.clone());
        }
        let payload = match operation.payload {
            Payload::Fields(fields) => Some(self.payload(concern, operation, fields, imports)),
            Payload::Empty | Payload::Message(_) => None,
        };
        let output = operation.result.map_or_else(
            || "()".to_owned(),
            |answer| self.rust_type(answer.ty, imports),
        );
        let refusal = self.refusal_enum(&concern.name, operation.name, operation.refusals);
        let can_refuse = !matches!(operation.refusals, Refusals::Nothing);
        let error = refusal
            .as_ref()
            .map_or("codegen::Text", |refusal| &refusal.name);
        let returns = match (can_refuse, output.as_str()) {
            (true, _) => format!(" -> {}<{output}, {error}>", std.result),
            (false, "()") => String::new(),
            (false, _) => format!(" -> {output}"),
        };
        let function = naming::method(operation.name);
        let (result_checks, pattern) = self.result_checks(concern, operation);
        let related = match operation.related {
            true => self.names.related(&concern.name).to_owned(),
            false => String::new(),
        };
        let number = self.lock.op(&concern.name, operation.name);
        let mut doc_lines = docs::lines(operation.docs, &signature);
        if can_refuse {
            let which = refusal
                .as_ref()
                .map_or("With a text of its own.", |_| "With one of its refusals.");
            doc_lines.extend([String::new(), "# Errors".to_owned(), which.to_owned()]);
        }
        OperationPlan {
            number,
            constant: naming::shouty(operation.name),
            name: operation.name.clone(),
            doc: format!("{:?}", docs::first_paragraph(operation.docs)),
            docs: doc_lines,
            params: handler_params(
                &concern.name,
                &owner,
                operation.is_query,
                payload_name.as_deref(),
                &related,
            ),
            returns,

            runner: runner(&owner, operation.is_query, payload_name.as_deref()),
            call: handler_call(
                &function,
                payload_name.is_some(),
                &related,
                can_refuse,
                &result_checks,
                operation.result.is_some(),
            ),
            function,
            related,
            is_query: operation.is_query,
            rpc: (self.names.rpc(&concern.name, operation.name)).to_owned(),
            args: payload_name.unwrap_or_else(|| "codegen::Empty".to_owned()),
            output,
            params_of: match operation.payload {
                Payload::Message(id) => Some(naming::module(&self.model.message(*id).name)),
                Payload::Empty | Payload::Fields(_) => None,
            },
            desc_params: match operation.payload {
                Payload::Fields(fields) => self.desc_params(fields.iter()),
                Payload::Empty | Payload::Message(_) => Vec::new(),
            },
            refusals: operation
                .refusals
                .named()
                .iter()
                .map(|refusal| refusal.name.clone())
                .collect(),
            payload,
            refusal,
            pattern,
        }
    }

    /// The type of what an operation is given, in Rust and in protobuf.
    pub(super) fn payload_name(
        &self,
        concern: &Concern,
        operation: &Operation<'_>,
    ) -> Option<String> {
        match operation.payload {
            Payload::Empty => None,
            Payload::Message(id) => Some(naming::camel(&self.model.message(*id).name)),
            Payload::Fields(_) => {
                Some(self.names.payload(&concern.name, operation.name).to_owned())
            }
        }
    }

    fn payload(
        &self,
        concern: &Concern,
        operation: &Operation<'_>,
        fields: &[Field],
        imports: &mut Imports,
    ) -> ValueStruct {
        let name = self.names.payload(&concern.name, operation.name);
        let shape = Shape {
            docs: vec![format!(
                "The payload of `{}.{}`.",
                concern.name, operation.name
            )],
            name,
            proto: name,
            owner: None,
            message: None,
            fields: fields.iter().map(|field| (field, false)).collect(),
            omissible: false,
            key: false,
            deprecated: None,
        };
        self.value_struct(shape, imports)
    }

    /// Statements that check a constrained result, and its pattern.
    fn result_checks(
        &self,
        concern: &Concern,
        operation: &Operation<'_>,
    ) -> (Vec<String>, Option<(String, String)>) {
        let Some(answer) = operation
            .result
            .filter(|answer| !answer.constraints.is_empty())
        else {
            return (Vec::new(), None);
        };
        let pattern = answer.constraints.pattern.as_ref().map(|source| {
            let constant = naming::shouty(&format!(
                "{}_{}_result_pattern",
                concern.name, operation.name
            ));
            (constant, format!("{source:?}"))
        });
        let constant = pattern.as_ref().map(|(constant, _)| constant.as_str());
        let checks = self.value_checks(
            answer.ty,
            &answer.constraints,
            "\"result\"",
            "result",
            constant,
            false,
        );
        (checks, pattern)
    }

    /// The refusals of an operation or, with an empty concern, of a transaction.
    pub(super) fn refusal_enum(
        &self,
        concern: &str,
        operation: &str,
        refusals: &Refusals,
    ) -> Option<RefusalEnum> {
        let named = refusals.named();
        if named.is_empty() {
            return None;
        }
        let of = if concern.is_empty() {
            operation.to_owned()
        } else {
            format!("{concern}.{operation}")
        };
        let doc = match concern {
            "" => format!("Refusals of `{of}` itself; those of its steps come on top."),
            _ => format!("Refusals of `{of}`."),
        };
        Some(RefusalEnum {
            std: self.names.std.clone(),
            name: self.names.refusal(concern, operation).to_owned(),
            doc,
            of,
            values: named
                .iter()
                .map(|refusal| (naming::camel(&refusal.name), refusal.name.clone()))
                .collect(),
        })
    }

    pub(super) fn desc_params<'f>(
        &self,
        fields: impl Iterator<Item = &'f Field>,
    ) -> Vec<DescParam> {
        fields
            .map(|field| DescParam {
                name: field.json_name().to_owned(),
                ty: self.schema_type(field.ty),
                limits: limits(&field.constraints),
                auto: field.auto.map(auto_name),
            })
            .collect()
    }
}

/// What a description says of constraints.
fn limits(constraints: &Constraints) -> String {
    let mut calls = String::new();
    for (word, limit) in [("min", constraints.min), ("max", constraints.max)] {
        let Some(limit) = limit else {
            continue;
        };
        let limit = match limit {
            Number::Int(_) => format!("Int({})", number(limit)),
            Number::Float(_) => format!("Float({})", number(limit)),
            Number::Decimal(units, _) => format!("Units({units})"),
        };
        calls.push_str(&format!(".{word}(codegen::Number::{limit})"));
    }
    if let Some(length) = constraints.length {
        calls.push_str(&format!(".length({}, {:?})", length.min, length.max));
    }
    if let Some(pattern) = &constraints.pattern {
        calls.push_str(&format!(".pattern({pattern:?})"));
    }
    calls
}

/// The concern as a parameter of its handlers.
pub(super) fn instance_name(concern: &str) -> String {
    let name = naming::snake(concern);
    match name.as_str() {
        "cx" | "payload" => "instance".to_owned(),
        _ => name,
    }
}

fn handler_params(
    concern: &str,
    owner: &str,
    is_query: bool,
    payload: Option<&str>,
    related: &str,
) -> String {
    let instance = instance_name(concern);
    let reference = if is_query { "&" } else { "&mut " };
    let payload = payload.map_or_else(String::new, |payload| format!("payload: &{payload}, "));
    let context = match related {
        "" => "codegen::Context<'_>".to_owned(),
        related => format!("codegen::RelatedContext<'_, {related}>"),
    };
    format!("{instance}: {reference}{owner}, {payload}cx: &{context}")
}

fn runner(owner: &str, is_query: bool, payload: Option<&str>) -> String {
    let word = if is_query { "query" } else { "command" };
    match payload {
        Some(payload) => format!("codegen::{word}::<{owner}, {payload}, _>"),
        None => format!("codegen::{word}_without_payload::<{owner}, _>"),
    }
}

/// The closure that a runner is given.
fn handler_call(
    function: &str,
    payload: bool,
    related: &str,
    can_refuse: bool,
    checks: &[String],
    has_result: bool,
) -> String {
    let params = if payload {
        "instance, payload, cx"
    } else {
        "instance, cx"
    };
    let call = match related {
        "" => format!("H::{function}({params})"),
        _ => format!(
            "H::{function}({})",
            params.replace("cx", "&codegen::RelatedContext::of(cx)?")
        ),
    };
    let body = match (checks.is_empty(), can_refuse) {
        (true, true) => format!("{call}.map_err(codegen::Fault::from)"),
        (true, false) if has_result => format!("Ok({call})"),
        (true, false) => return format!("|{params}| {{ {call}; Ok(()) }}"),
        (false, refuses) => {
            let call = if refuses {
                format!("{call}.map_err(codegen::Fault::from)?")
            } else {
                call
            };
            let checks = checks.join(" ");
            return format!("|{params}| {{ let result = {call}; {checks} Ok(result) }}");
        }
    };
    format!("|{params}| {{ {body} }}")
}
