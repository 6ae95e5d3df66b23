//! Owns what a transaction does in Rust: the draft of its steps, and what is computed later out of
//! results.

use std::collections::BTreeSet;

use super::Cx;
use super::expr::{Scope, When, result_type, whole_step};
use super::transaction::{Late, Planned, number};
use super::types::Imports;
use crate::model::{
    Argument, Expr, ExprKind, Payload, StepId, StepKind, Transaction, Type, ValueType,
};
use crate::naming;

/// What is being written.
pub(super) struct Body<'a> {
    pub(super) cx: &'a Cx<'a>,
    pub(super) transaction: &'a Transaction,
    pub(super) steps: &'a [Planned<'a>],
    pub(super) imports: &'a mut Imports,
    /// What is computed later; the draft finds it out.
    pub(super) late: Late,
    /// The struct of the parameters.
    pub(super) name: &'a str,
}

impl<'a> Body<'a> {
    fn scope(&mut self, when: When) -> Scope<'_> {
        Scope {
            cx: self.cx,
            transaction: self.transaction,
            when,
            imports: self.imports,
            committed: Vec::new(),
        }
    }

    /// The statements of the draft; `refusal` is the enum of the transaction's own refusals.
    pub(super) fn draft(&mut self, refusal: Option<&str>) -> Vec<String> {
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
            let here = if before == usize::MAX {
                place >= self.steps.len()
            } else {
                place == before
            };
            if !here {
                continue;
            }
            let Some(named) = transaction.refusals.named().get(require.refusal.index()) else {
                continue;
            };
            let variant = format!(
                "{}::{}",
                refusal.unwrap_or_default(),
                naming::camel(&named.name)
            );
            let shown = self.cx.show(transaction, &require.condition);
            if transaction.known_at_submission(&require.condition) {
                let failed = self
                    .scope(When::Submission)
                    .condition(&require.condition, true);
                lines.push(format!("// require {}", one_line(&shown)));
                lines.push(format!("if {failed} {{ return Err({variant}.into()); }}"));
            } else {
                let after: BTreeSet<u16> = transaction
                    .needs(&require.condition)
                    .into_iter()
                    .map(number)
                    .collect();
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
            None => format!(
                "what is committed of {}[{}]",
                step.concern.name,
                self.cx.show(self.transaction, step.key)
            ),
        };
        lines.push(format!("// Step {}: {}", step.number, one_line(&shown)));
        let own = step.step.map(|written| written.id);
        let mut derives = false;
        step.key.walk(&mut |part| {
            derives |= matches!(&part.kind, ExprKind::DerivedUuid(of) if Some(*of) == own);
        });
        if derives {
            lines.push(format!(
                "let key_{0} = draft.derived_uuid({0}, 0);",
                step.number
            ));
        }
        let mut spec = self.spec(step, &concern);
        if step.key_known {
            let (first, key) =
                self.scope(When::Submission)
                    .key(step.key, step.concern.id, step.number);
            lines.extend(first);
            spec.push_str(&format!(".on({key})"));
        } else {
            let (first, key) = self
                .scope(When::Later)
                .key(step.key, step.concern.id, step.number);
            let needs = self
                .transaction
                .needs(step.key)
                .into_iter()
                .map(number)
                .collect();
            let body = self.with_results(
                &needs,
                &format!("{} Ok(codegen::Key::of({key}))", first.unwrap_or_default()),
            );
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
        format!(
            "codegen::Spec::{word}::<{concern}>({module}::op::{})",
            naming::shouty(op)
        )
    }

    /// The payload of a step: in the draft, or later.
    fn payload(&mut self, step: &Planned<'_>, spec: &mut String, lines: &mut Vec<String>) {
        let Some(written) = step.step else { return };
        let when = if step.payload_known {
            When::Submission
        } else {
            When::Later
        };
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
        let Some((value, is_checked)) = payload else {
            return;
        };
        match when {
            When::Submission if is_checked => spec.push_str(&format!(".with(&{value})")),
            When::Submission => {
                lines.push(format!("let payload = {value};"));
                lines.push("codegen::check(&payload)?;".to_owned());
                spec.push_str(".with(&payload)");
            }
            When::Later => {
                let mut needs: BTreeSet<StepId> = written
                    .payload()
                    .flat_map(|expr| self.transaction.needs(expr))
                    .collect();
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
                let value = self
                    .scope(when)
                    .owned(expr, Type::one(ValueType::Message(*id)));
                // A path is borrowed, not copied.
                let value = if is_path {
                    value.trim_end_matches(".clone()").to_owned()
                } else {
                    value
                };
                Some((value, is_path))
            }
            (Payload::Fields(fields), Argument::Fields(values)) => {
                let name = self
                    .cx
                    .names
                    .payload(&step.concern.name, operation)
                    .to_owned();
                self.imports.insert(name.clone());
                let mut scope = self.scope(when);
                let entries = fields.iter().zip(values);
                let entries: Vec<String> = entries
                    .map(|(field, value)| {
                        format!(
                            "{}: {}",
                            naming::snake(&field.name),
                            scope.for_field(value, field)
                        )
                    })
                    .collect();
                Some((literal(&name, &entries), false))
            }
            _ => None,
        }
    }

    /// A new instance.
    fn instance(
        &mut self,
        step: &Planned<'_>,
        values: &[Expr],
        when: When,
    ) -> Option<(String, bool)> {
        let concern = step.concern;
        let mut scope = self.scope(when);
        let keys = match &step.key.kind {
            ExprKind::Key(_, parts) => parts.as_slice(),
            _ => std::slice::from_ref(step.key),
        };
        let mut entries: Vec<String> = concern
            .keys
            .iter()
            .zip(keys)
            .map(|(field, key)| {
                format!(
                    "{}: {}",
                    naming::snake(&field.name),
                    scope.owned(key, field.ty)
                )
            })
            .collect();
        for (field, value) in concern.fields.iter().zip(values) {
            entries.push(format!(
                "{}: {}",
                naming::snake(&field.name),
                scope.for_field(value, field)
            ));
        }
        Some((literal(&naming::camel(&concern.name), &entries), false))
    }

    /// Where the result of the whole comes from.
    fn answer(&mut self) -> Option<String> {
        let transaction = self.transaction;
        let (returns, result) = (transaction.returns.as_ref()?, transaction.result.as_ref()?);
        let first_read = transaction.steps.len() as u16;
        if result.constraints.is_empty() {
            if let Some(step) = whole_step(returns)
                .filter(|step| result_type(self.cx, transaction, *step) == Some(result.ty))
            {
                return Some(format!("codegen::Answer::Step({})", step.index()));
            }
            if matches!(returns.kind, ExprKind::Committed(..)) && !result.ty.is_optional() {
                return Some(format!("codegen::Answer::Step({first_read})"));
            }
        }
        let reads: Vec<u16> = self
            .steps
            .iter()
            .filter(|step| step.step.is_none())
            .map(|step| step.number)
            .collect();
        let mut needs: BTreeSet<u16> = transaction.needs(returns).into_iter().map(number).collect();
        needs.extend(&reads);
        let mut scope = self.scope(When::Later);
        scope.committed = reads.into_iter().rev().collect();
        let value = scope.owned(returns, result.ty);
        let ty = self.cx.rust_type(result.ty, self.imports);
        let (pattern, constant) = match &result.constraints.pattern {
            Some(source) => (
                format!("static PATTERN: codegen::Pattern = codegen::Pattern::new({source:?}); "),
                Some("PATTERN"),
            ),
            None => (String::new(), None),
        };
        let checks = self.cx.value_checks(
            result.ty,
            &result.constraints,
            "\"result\"",
            "result",
            constant,
            false,
        );
        let body = format!(
            "{pattern}let result: {ty} = {value}; {} Ok(codegen::encode(&result))",
            checks.join(" ")
        );
        self.late.answer = Some(self.with_results(&needs, &body));
        Some("codegen::Answer::Late".to_owned())
    }

    /// What is computed later, behind the parameters and results that it uses.
    fn with_results(&mut self, needs: &BTreeSet<u16>, body: &str) -> String {
        let mut text = String::new();
        if body.contains("params.") {
            text.push_str(&format!(
                "let params: {} = codegen::params(txn)?; ",
                self.name
            ));
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
            text.push_str(&format!(
                "let result_{step}: {ty} = codegen::result(txn, {step})?; "
            ));
        }
        text.push_str(body);
        text
    }
}

fn literal(name: &str, entries: &[String]) -> String {
    format!("{name} {{ {} }}", entries.join(", "))
}

fn list(numbers: &BTreeSet<u16>) -> String {
    numbers
        .iter()
        .map(u16::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
