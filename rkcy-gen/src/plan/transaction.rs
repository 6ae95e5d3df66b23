//! Owns transactions in Rust: the struct of the parameters, the draft of the steps, and what is
//! computed later out of results.

use std::collections::BTreeSet;

use askama::Template;

use super::expr::{Scope, When, committed, result_type, whole_step};
use super::operation::{DescParam, RefusalEnum};
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::{
    Argument, Concern, Expr, ExprKind, Payload, Step, StepId, StepKind, Transaction, Type, ValueType,
};
use crate::naming::{self, Claims, Std};

/// The file of a transaction.
#[derive(Debug, Clone, Template)]
#[template(path = "transaction.jinja", escape = "none")]
pub(super) struct TransactionFile {
    header: String,
    std: Std,
    schema: String,
    /// Name in the schema.
    declared: String,
    doc: String,
    name: String,
    number: u32,
    imports: Imports,
    value: ValueStruct,
    refusal: Option<RefusalEnum>,
    output: String,
    /// Statements of the draft.
    draft: Vec<String>,
    pub(super) late: Late,
    params: Vec<DescParam>,
    refusals: Vec<String>,
}

/// What is computed later: for each step or `require` the body of its arm.
#[derive(Debug, Clone, Default)]
pub(super) struct Late {
    pub(super) args: Vec<(u16, String)>,
    pub(super) keys: Vec<(u16, String)>,
    pub(super) checks: Vec<(u16, String)>,
    pub(super) answer: Option<String>,
}

impl Late {
    fn bodies(&self) -> impl Iterator<Item = &String> {
        let numbered = self.args.iter().chain(&self.keys).chain(&self.checks);
        numbered.map(|(_, body)| body).chain(&self.answer)
    }
}

/// A step of the plan: one of the schema, or the reading of what is committed.
#[derive(Debug, Clone)]
pub(super) struct Planned<'a> {
    pub(super) number: u16,
    pub(super) concern: &'a Concern,
    pub(super) key: &'a Expr,
    /// The step of the schema; `None` reads what is committed.
    pub(super) step: Option<&'a Step>,
    /// Whether the key is known at submission.
    pub(super) key_known: bool,
    /// Whether the payload is.
    pub(super) payload_known: bool,
    /// The steps whose results it uses.
    pub(super) after: BTreeSet<u16>,
    /// Whether its result is used.
    pub(super) kept: bool,
}

impl Cx<'_> {
    /// The steps of a transaction with those that read what is committed.
    pub(super) fn planned<'t>(&'t self, transaction: &'t Transaction) -> Vec<Planned<'t>> {
        let mut steps: Vec<Planned<'t>> = Vec::new();
        for step in &transaction.steps {
            let (key, payload) = transaction.step_needs(step);
            let is_create = matches!(step.kind, StepKind::Create(_));
            let key_known = transaction.known_at_submission(&step.key);
            let payload_known = step.payload().all(|expr| transaction.known_at_submission(expr));
            steps.push(Planned {
                number: number(step.id),
                concern: self.model.concern(step.concern),
                key: &step.key,
                step: Some(step),
                key_known,
                // An instance holds its key.
                payload_known: payload_known && (key_known || !is_create),
                after: key.union(&payload).map(|id| number(*id)).collect(),
                kept: false,
            });
        }
        for (concern, key) in transaction.returns.iter().flat_map(committed) {
            steps.push(Planned {
                number: steps.len() as u16,
                concern: self.model.concern(concern),
                key,
                step: None,
                key_known: transaction.known_at_submission(key),
                payload_known: true,
                after: transaction.needs(key).into_iter().map(number).collect(),
                kept: true,
            });
        }
        let mut used: BTreeSet<u16> = steps.iter().flat_map(|step| step.after.clone()).collect();
        for require in &transaction.requires {
            used.extend(transaction.needs(&require.condition).into_iter().map(number));
        }
        if let Some(returns) = &transaction.returns {
            used.extend(transaction.needs(returns).into_iter().map(number));
        }
        for step in &mut steps {
            step.kept |= used.contains(&step.number);
        }
        steps
    }

    pub(super) fn transaction_file(&self, transaction: &Transaction) -> TransactionFile {
        let mut imports = Imports::new();
        let name = self.names.transaction(&transaction.name).to_owned();
        let refusal = self.refusal_enum("", &transaction.name, &transaction.refusals);
        let shape = Shape {
            docs: docs::lines(&transaction.docs, &format!("transaction {}", transaction.name)),
            name: &name,
            proto: &name,
            message: None,
            fields: transaction.params.iter().map(|param| (param, false)).collect(),
            omissible: false,
            deprecated: transaction.deprecated.as_deref(),
        };
        let value = self.value_struct(shape, &mut imports, &mut Claims::default());
        let output =
            transaction.result.as_ref().map_or_else(|| "()".to_owned(), |result| self.rust_type(result.ty, &mut imports));
        let steps = self.planned(transaction);
        let mut body = Body { cx: self, transaction, steps: &steps, imports: &mut imports, late: Late::default(), name: &name };
        let draft = body.draft(refusal.as_ref().map(|refusal| refusal.name.as_str()));
        let late = body.late;
        let mut facts = self.field_facts(&transaction.name, transaction.params.iter());
        facts.push(format!("transaction {}{}", transaction.name, self.result_signature(transaction.result.as_ref())));
        facts.extend(draft.clone());
        facts.extend(late.args.iter().chain(&late.keys).chain(&late.checks).map(|(number, body)| format!("{number} {body}")));
        facts.extend(late.answer.clone());
        TransactionFile {
            header: self.header.clone(),
            std: self.names.std.clone(),
            schema: super::hash(facts),
            declared: transaction.name.clone(),
            doc: format!("{:?}", docs::first_paragraph(&transaction.docs)),
            number: self.lock.transaction(&transaction.name),
            params: self.desc_params(transaction.params.iter()),
            refusals: self.all_refusals(transaction),
            imports,
            value,
            refusal,
            output,
            draft,
            late,
            name,
        }
    }
}

/// What is being written.
struct Body<'a> {
    cx: &'a Cx<'a>,
    transaction: &'a Transaction,
    steps: &'a [Planned<'a>],
    imports: &'a mut Imports,
    late: Late,
    name: &'a str,
}

impl<'a> Body<'a> {
    fn scope(&mut self, when: When) -> Scope<'_> {
        Scope { cx: self.cx, transaction: self.transaction, when, imports: self.imports, committed: Vec::new() }
    }

    fn draft(&mut self, refusal: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        let steps = self.steps;
        for step in steps {
            self.requires(usize::from(step.number), refusal, &mut lines);
            self.step(step, &mut lines);
        }
        self.requires(usize::MAX, refusal, &mut lines);
        if let Some(answer) = self.answer() {
            lines.push(format!("draft.answer({answer});"));
        }
        if self.late.bodies().any(|body| body.contains("params.")) {
            lines.push("draft.carry(self);".to_owned());
        }
        lines
    }

    /// The `require`s that stand right before a step, or behind the last.
    fn requires(&mut self, before: usize, refusal: Option<&str>, lines: &mut Vec<String>) {
        let transaction = self.transaction;
        for (index, require) in transaction.requires.iter().enumerate() {
            let place = require.after_steps as usize;
            let here = if before == usize::MAX { place >= self.steps.len() } else { place == before };
            if !here {
                continue;
            }
            let Some(named) = transaction.refusals.named().get(require.refusal.index()) else { continue };
            let variant = format!("{}::{}", refusal.unwrap_or_default(), naming::camel(&named.name));
            let shown = self.cx.show(transaction, &require.condition);
            if transaction.known_at_submission(&require.condition) {
                let failed = self.scope(When::Submission).condition(&require.condition, true);
                lines.push(format!("// require {}", one_line(&shown)));
                lines.push(format!("if {failed} {{ return Err({variant}.into()); }}"));
            } else {
                let after: BTreeSet<u16> = transaction.needs(&require.condition).into_iter().map(number).collect();
                let failed = self.scope(When::Later).condition(&require.condition, true);
                let body = format!("if {failed} {{ return Err({variant}.into()); }} Ok(())");
                let body = self.with_results(&after, &body);
                self.late.checks.push((index as u16, body));
                lines.push(format!("// require {}", one_line(&shown)));
                lines.push(format!("draft.check({index}, vec![{}]);", list(&after)));
            }
        }
    }

    fn step(&mut self, step: &Planned<'_>, lines: &mut Vec<String>) {
        let concern = naming::camel(&step.concern.name);
        self.imports.insert(concern.clone());
        let shown = match step.step {
            Some(written) => self.cx.show_step(self.transaction, written),
            None => format!("what is committed of {}[{}]", step.concern.name, self.cx.show(self.transaction, step.key)),
        };
        lines.push(format!("// Step {}: {}", step.number, one_line(&shown)));
        if let ExprKind::DerivedUuid(of) = &step.key.kind
            && step.step.is_some_and(|written| written.id == *of)
        {
            lines.push(format!("let key_{0} = draft.derived_uuid({0}, 0);", step.number));
        }
        let mut spec = self.spec(step, &concern);
        if step.key_known {
            let (first, key) = self.scope(When::Submission).key(step.key, step.concern.id, step.number);
            lines.extend(first);
            spec.push_str(&format!(".on({key})"));
        } else {
            let (first, key) = self.scope(When::Later).key(step.key, step.concern.id, step.number);
            let needs = self.transaction.needs(step.key).into_iter().map(number).collect();
            let body = self.with_results(&needs, &format!("{} Ok(codegen::Key::of({key}))", first.unwrap_or_default()));
            self.late.keys.push((step.number, body));
        }
        self.payload(step, &mut spec, lines);
        if !step.after.is_empty() {
            spec.push_str(&format!(".after(&[{}])", list(&step.after)));
        }
        if step.kept {
            spec.push_str(".kept()");
        }
        lines.push(format!("draft.step({spec});"));
    }

    fn spec(&mut self, step: &Planned<'_>, concern: &str) -> String {
        let module = naming::module(&step.concern.name);
        let (word, op) = match step.step.map(|step| &step.kind) {
            None | Some(StepKind::Get) => return format!("codegen::Spec::get::<{concern}>()"),
            Some(StepKind::Create(_)) => return format!("codegen::Spec::create::<{concern}>()"),
            Some(StepKind::Command(id, _)) => ("command", &step.concern.command(*id).name),
            Some(StepKind::Query(id, _)) => ("query", &step.concern.query(*id).name),
        };
        self.imports.insert(module.clone());
        format!("codegen::Spec::{word}::<{concern}>({module}::op::{})", naming::shouty(op))
    }

    /// The payload of a step: in the draft, or later.
    fn payload(&mut self, step: &Planned<'_>, spec: &mut String, lines: &mut Vec<String>) {
        let Some(written) = step.step else { return };
        let when = if step.payload_known { When::Submission } else { When::Later };
        let payload = match &written.kind {
            StepKind::Get => return,
            StepKind::Create(values) => self.instance(step, values, when),
            StepKind::Command(id, argument) => {
                let command = step.concern.command(*id);
                self.argument(step, &command.name, &command.payload, argument, when)
            }
            StepKind::Query(id, argument) => {
                let query = step.concern.query(*id);
                self.argument(step, &query.name, &query.payload, argument, when)
            }
        };
        let Some((value, is_checked)) = payload else { return };
        match when {
            When::Submission if is_checked => spec.push_str(&format!(".with(&{value})")),
            When::Submission => {
                lines.push(format!("let payload = {value};"));
                lines.push("codegen::check(&payload)?;".to_owned());
                spec.push_str(".with(&payload)");
            }
            When::Later => {
                let mut needs: BTreeSet<StepId> = written.payload().flat_map(|expr| self.transaction.needs(expr)).collect();
                if matches!(written.kind, StepKind::Create(_)) {
                    needs.extend(self.transaction.needs(step.key));
                }
                let needs = needs.into_iter().map(number).collect();
                let body = self.with_results(&needs, &format!("Ok(codegen::encode(&{value}))"));
                self.late.args.push((step.number, body));
                spec.push_str(".with_late_payload()");
            }
        }
    }

    /// The payload of an operation, and whether it was checked with the parameters.
    fn argument(
        &mut self,
        step: &Planned<'_>,
        operation: &str,
        payload: &Payload,
        argument: &Argument,
        when: When,
    ) -> Option<(String, bool)> {
        match (payload, argument) {
            (Payload::Message(id), Argument::Message(expr)) => {
                let is_path = matches!(expr.kind, ExprKind::Path(_));
                let value = self.scope(when).owned(expr, Type::one(ValueType::Message(*id)));
                // A path is borrowed, not copied.
                let value = if is_path { value.trim_end_matches(".clone()").to_owned() } else { value };
                Some((value, is_path))
            }
            (Payload::Fields(fields), Argument::Fields(values)) => {
                let name = self.cx.names.payload(&step.concern.name, operation).to_owned();
                self.imports.insert(name.clone());
                let mut scope = self.scope(when);
                let entries = fields.iter().zip(values);
                let entries: Vec<String> = entries
                    .map(|(field, value)| format!("{}: {}", naming::snake(&field.name), scope.for_field(value, field)))
                    .collect();
                Some((literal(&name, &entries), false))
            }
            _ => None,
        }
    }

    /// A new instance.
    fn instance(&mut self, step: &Planned<'_>, values: &[Expr], when: When) -> Option<(String, bool)> {
        let concern = step.concern;
        let mut scope = self.scope(when);
        let mut entries = vec![format!("{}: {}", naming::snake(&concern.key.name), scope.owned(step.key, concern.key.ty))];
        for (field, value) in concern.fields.iter().zip(values) {
            entries.push(format!("{}: {}", naming::snake(&field.name), scope.for_field(value, field)));
        }
        Some((literal(&naming::camel(&concern.name), &entries), false))
    }

    /// Where the result of the whole comes from.
    fn answer(&mut self) -> Option<String> {
        let transaction = self.transaction;
        let (returns, result) = (transaction.returns.as_ref()?, transaction.result.as_ref()?);
        let first_read = transaction.steps.len() as u16;
        if result.constraints.is_empty() {
            if let Some(step) = whole_step(returns).filter(|step| result_type(self.cx, transaction, *step) == Some(result.ty)) {
                return Some(format!("codegen::Answer::Step({})", step.index()));
            }
            if matches!(returns.kind, ExprKind::Committed(..)) && !result.ty.is_optional() {
                return Some(format!("codegen::Answer::Step({first_read})"));
            }
        }
        let reads: Vec<u16> = self.steps.iter().filter(|step| step.step.is_none()).map(|step| step.number).collect();
        let mut needs: BTreeSet<u16> = transaction.needs(returns).into_iter().map(number).collect();
        needs.extend(&reads);
        let mut scope = self.scope(When::Later);
        scope.committed = reads.into_iter().rev().collect();
        let value = scope.owned(returns, result.ty);
        let ty = self.cx.rust_type(result.ty, self.imports);
        let checks = self.cx.value_checks(result.ty, &result.constraints, "\"result\"", "result", None, false);
        let body = if checks.is_empty() {
            format!("let result: {ty} = {value}; Ok(codegen::encode(&result))")
        } else {
            format!("let result: {ty} = {value}; {} Ok(codegen::encode(&result))", checks.join(" "))
        };
        self.late.answer = Some(self.with_results(&needs, &body));
        Some("codegen::Answer::Late".to_owned())
    }

    /// What is computed later, behind the parameters and results that it uses.
    fn with_results(&mut self, needs: &BTreeSet<u16>, body: &str) -> String {
        let mut text = String::new();
        if body.contains("params.") {
            text.push_str(&format!("let params: {} = codegen::params(txn)?; ", self.name));
        }
        for step in needs {
            if !body.contains(&format!("result_{step}")) {
                continue;
            }
            let planned = &self.steps[usize::from(*step)];
            let ty = match planned.step {
                None => Type::one(ValueType::Concern(planned.concern.id)),
                Some(written) => match result_type(self.cx, self.transaction, written.id) {
                    Some(ty) => ty,
                    None => continue,
                },
            };
            let ty = self.cx.rust_type(ty, self.imports);
            text.push_str(&format!("let result_{step}: {ty} = codegen::result(txn, {step})?; "));
        }
        text.push_str(body);
        text
    }
}

fn literal(name: &str, entries: &[String]) -> String {
    format!("{name} {{ {} }}", entries.join(", "))
}

fn number(id: StepId) -> u16 {
    id.index() as u16
}

fn list(numbers: &BTreeSet<u16>) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
