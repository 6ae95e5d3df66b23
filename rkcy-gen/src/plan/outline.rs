//! Owns how steps and expressions are shown to people: as the schema writes them.

use super::{Cx, operations};
use crate::model::{Argument, CompareOp, Expr, ExprKind, Path, Root, Step, StepKind, Transaction};

impl Cx<'_> {
    /// A step as the schema writes it.
    pub(super) fn show_step(&self, transaction: &Transaction, step: &Step) -> String {
        let concern = self.model.concern(step.concern);
        let target = format!("{}[{}]", concern.name, self.show(transaction, &step.key));
        match &step.kind {
            StepKind::Create(_) => format!("create {} {{ … }}", concern.name),
            StepKind::Get => format!("get {target}"),
            StepKind::Command(id, argument) => {
                format!(
                    "{target}.{}({})",
                    concern.command(*id).name,
                    self.show_argument(transaction, argument)
                )
            }
            StepKind::Query(id, argument) => {
                format!(
                    "{target}.{}({})",
                    concern.query(*id).name,
                    self.show_argument(transaction, argument)
                )
            }
        }
    }

    fn show_argument(&self, transaction: &Transaction, argument: &Argument) -> String {
        match argument {
            Argument::Empty => String::new(),
            Argument::Message(expr) => self.show(transaction, expr),
            Argument::Fields(list) => self.show_list(transaction, list),
        }
    }

    fn show_list(&self, transaction: &Transaction, list: &[Expr]) -> String {
        list.iter()
            .map(|expr| self.show(transaction, expr))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// An expression as the schema writes it.
    pub(super) fn show(&self, transaction: &Transaction, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Path(path) => self.show_path(transaction, path),
            ExprKind::Record(id, parts) => {
                let message = self.model.message(*id);
                let entries = parts
                    .iter()
                    .zip(&message.fields)
                    .filter(|(part, _)| !matches!(part.kind, ExprKind::Default));
                let entries: Vec<String> = entries
                    .map(|(part, field)| {
                        format!("{}: {}", field.name, self.show(transaction, part))
                    })
                    .collect();
                format!("{} {{ {} }}", message.name, entries.join(", "))
            }
            ExprKind::Key(_, parts) => self.show_list(transaction, parts),
            ExprKind::List(parts) => format!("[{}]", self.show_list(transaction, parts)),
            ExprKind::Committed(concern, key) => {
                format!(
                    "{}[{}]",
                    self.model.concern(*concern).name,
                    self.show(transaction, key)
                )
            }
            ExprKind::Absent => "absent".to_owned(),
            ExprKind::Default => "default".to_owned(),
            ExprKind::DerivedUuid(step) => format!("uuid({})", step.index()),
            ExprKind::Not(inner) => format!("!{}", self.show(transaction, inner)),
            ExprKind::Compare(op, left, right) => {
                let symbol = match op {
                    CompareOp::Eq => "==",
                    CompareOp::Ne => "!=",
                    CompareOp::Lt => "<",
                    CompareOp::Le => "<=",
                    CompareOp::Gt => ">",
                    CompareOp::Ge => ">=",
                };
                format!(
                    "{} {symbol} {}",
                    self.show(transaction, left),
                    self.show(transaction, right)
                )
            }
            ExprKind::IsPresent(inner) => format!("{} is present", self.show(transaction, inner)),
            ExprKind::IsAbsent(inner) => format!("{} is absent", self.show(transaction, inner)),
        }
    }

    fn show_path(&self, transaction: &Transaction, path: &Path) -> String {
        let mut text = match path.root {
            Root::Param(id) => transaction.param(id).name.clone(),
            Root::Step(id) => {
                let step = transaction.step(id);
                step.binding
                    .clone()
                    .unwrap_or_else(|| format!("step_{}", id.index()))
            }
        };
        for field in &path.fields {
            text.push('.');
            text.push_str(&self.model.field(*field).name);
        }
        text
    }

    /// The refusals that a caller of a transaction may hear: its own, then those of its steps.
    pub(super) fn all_refusals(&self, transaction: &Transaction) -> Vec<String> {
        let own = transaction
            .refusals
            .named()
            .iter()
            .map(|refusal| refusal.name.clone());
        let mut names: Vec<String> = own.collect();
        for step in &transaction.steps {
            let concern = self.model.concern(step.concern);
            let name = match &step.kind {
                StepKind::Command(id, _) => &concern.command(*id).name,
                StepKind::Query(id, _) => &concern.query(*id).name,
                StepKind::Create(_) | StepKind::Get => continue,
            };
            for operation in operations(concern)
                .iter()
                .filter(|operation| operation.name == name)
            {
                for refusal in operation.refusals.named() {
                    if !names.contains(&refusal.name) {
                        names.push(refusal.name.clone());
                    }
                }
            }
        }
        names
    }
}
