//! Owns transactions in Rust: the struct of the parameters, and the file around the body.

use askama::Template;

use super::body::Body;
use super::operation::{DescParam, RefusalEnum};
use super::types::Imports;
use super::value::{Shape, ValueStruct};
use super::{Cx, docs};
use crate::model::{Mode, Refusal, Statement, Step, StepKind, Text, Transaction};
use crate::naming::Std;

/// The file of a transaction.
#[derive(Debug, Clone, Template)]
#[template(path = "transaction.jinja", escape = "none")]
pub(super) struct TransactionFile {
    header: String,
    std: Std,
    schema: String,
    /// The word for it in a schema.
    word: &'static str,
    /// Name in the schema.
    declared: String,
    doc: String,
    name: String,
    number: u32,
    /// Its method of the gRPC service.
    rpc: String,
    mode: &'static str,
    imports: Imports,
    value: ValueStruct,
    refusal: Option<RefusalEnum>,
    output: String,
    /// Statements of the body.
    body: Vec<String>,
    /// Whether they speak to the draft.
    uses_draft: bool,
    params: Vec<DescParam>,
    refusals: Vec<String>,
}

impl Cx<'_> {
    pub(super) fn transaction_file(&self, transaction: &Transaction) -> TransactionFile {
        let mut imports = Imports::new();
        let name = self.names.transaction(&transaction.name).to_owned();
        let refusal = self.refusal_enum("", &transaction.name, &transaction.refusals);
        let word = transaction.mode.word();
        let shape = Shape {
            docs: docs::lines(&transaction.docs, &format!("{word} {}", transaction.name)),
            name: &name,
            proto: &name,
            owner: None,
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
        let value = self.value_struct(shape, &mut imports);
        let output = transaction.result.as_ref().map_or_else(
            || "()".to_owned(),
            |result| self.rust_type(result.ty, &mut imports),
        );
        let refusal_name = refusal.as_ref().map(|refusal| refusal.name.as_str());
        let body = Body::new(self, transaction, &mut imports, refusal_name).write();
        let mut facts = self.field_facts(&transaction.name, transaction.params.iter());
        facts.push(format!(
            "{word} {}{}",
            transaction.name,
            self.result_signature(transaction.result.as_ref())
        ));
        facts.extend(self.transaction_facts(transaction));
        TransactionFile {
            header: self.header.clone(),
            std: self.names.std.clone(),
            schema: super::hash(facts),
            word,
            declared: transaction.name.clone(),
            doc: format!("{:?}", docs::first_paragraph(&transaction.docs)),
            number: self.lock.transaction(&transaction.name),
            rpc: self.names.rpc("", &transaction.name).to_owned(),
            mode: match transaction.mode {
                Mode::Transaction => "Transaction",
                Mode::Saga => "Saga",
            },
            params: self.desc_params(transaction.params.iter()),
            refusals: self.all_refusals(transaction),
            imports,
            value,
            refusal,
            output,
            uses_draft: !transaction.steps.is_empty(),
            body,
            name,
        }
    }

    /// What the hash of a schema has to cover of what a transaction does.
    fn transaction_facts(&self, transaction: &Transaction) -> Vec<String> {
        let text = Text::new(self.model, transaction);
        let mut facts = Vec::new();
        transaction.each_statement(&mut |statement, place| {
            let depth = (place.loops.len(), place.guards.len());
            facts.push(format!("{depth:?} {}", text.statement(statement)));
            if let Statement::Step(id) = statement {
                facts.extend(
                    transaction
                        .step(*id)
                        .payload()
                        .map(|value| text.expr(value)),
                );
            }
        });
        transaction.each_expr(&mut |value| facts.push(text.expr(value)));
        facts
    }

    /// The refusals that a caller of a transaction may hear: its own, then those of its steps.
    pub(super) fn all_refusals(&self, transaction: &Transaction) -> Vec<String> {
        let own = transaction.refusals.named().iter();
        let mut names: Vec<String> = own.map(|refusal| refusal.name.clone()).collect();
        for step in &transaction.steps {
            for refusal in self.step_refusals(step) {
                if !names.contains(&refusal.name) {
                    names.push(refusal.name.clone());
                }
            }
        }
        names
    }

    /// The refusals that an operation or an effect declares.
    fn step_refusals(&self, step: &Step) -> &[Refusal] {
        let concern = step.target.as_ref();
        let concern = concern.map(|target| self.model.concern(target.concern));
        match (&step.kind, concern) {
            (StepKind::Command(id, _), Some(concern)) => concern.command(*id).refusals.named(),
            (StepKind::Query(id, _), Some(concern)) => concern.query(*id).refusals.named(),
            (StepKind::Effect(id, _), _) => self.model.effect(*id).refusals.named(),
            _ => &[],
        }
    }
}
