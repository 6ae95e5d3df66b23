//! Owns transactions in Rust: the struct of the parameters, the draft of the steps, and what is
//! computed later out of results.

use std::collections::BTreeSet;

use askama::Template;

use super::draft::Body;
use super::expr::committed;
use super::operation::{DescParam, RefusalEnum};
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::{Concern, Expr, Step, StepId, StepKind, Transaction};
use crate::naming::{Claims, Std};

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
    /// Everything that is computed later.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &String> {
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
            let payload_known = step
                .payload()
                .all(|expr| transaction.known_at_submission(expr));
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
            used.extend(
                transaction
                    .needs(&require.condition)
                    .into_iter()
                    .map(number),
            );
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
            docs: docs::lines(
                &transaction.docs,
                &format!("transaction {}", transaction.name),
            ),
            name: &name,
            proto: &name,
            message: None,
            fields: transaction
                .params
                .iter()
                .map(|param| (param, false))
                .collect(),
            omissible: false,
            key: false,
            deprecated: transaction.deprecated.as_deref(),
        };
        let value = self.value_struct(shape, &mut imports, &mut Claims::default());
        let output = transaction.result.as_ref().map_or_else(
            || "()".to_owned(),
            |result| self.rust_type(result.ty, &mut imports),
        );
        let steps = self.planned(transaction);
        let mut body = Body {
            cx: self,
            transaction,
            steps: &steps,
            imports: &mut imports,
            late: Late::default(),
            name: &name,
        };
        let draft = body.draft(refusal.as_ref().map(|refusal| refusal.name.as_str()));
        let late = body.late;
        let mut facts = self.field_facts(&transaction.name, transaction.params.iter());
        facts.push(format!(
            "transaction {}{}",
            transaction.name,
            self.result_signature(transaction.result.as_ref())
        ));
        facts.extend(self.transaction_facts(transaction));
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

impl Cx<'_> {
    /// What the hash of a schema has to cover of what a transaction does.
    fn transaction_facts(&self, transaction: &Transaction) -> Vec<String> {
        let show = |expr| self.show(transaction, expr);
        let mut facts = Vec::new();
        for step in &transaction.steps {
            facts.push(self.show_step(transaction, step));
            facts.extend(step.payload().map(show));
        }
        for require in &transaction.requires {
            let (after, refusal) = (require.after_steps, require.refusal.index());
            facts.push(format!("{after} {refusal} {}", show(&require.condition)));
        }
        facts.extend(transaction.returns.as_ref().map(show));
        facts
    }
}

/// The number of a step, as it travels.
pub(super) fn number(id: StepId) -> u16 {
    id.index() as u16
}
