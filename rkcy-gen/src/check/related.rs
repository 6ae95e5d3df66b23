//! Owns which operations read what is related to their instance, and where that is worth a warning.

use super::Checker;
use super::attribute::On;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, MOST_RELATED, Mode, StepKind, Transaction};
use crate::syntax::field::Attribute;
use crate::syntax::operation::Operation;

impl Checker {
    /// Whether an operation says `@related`. Behind a result it stands among the attributes of that.
    pub(super) fn reads_related(&mut self, operation: &Operation, concern: ConcernId) -> bool {
        let of_result = operation.result.iter().flat_map(|it| &it.attributes);
        let own = of_result.filter(|attribute| is_of_operation(attribute));
        let all: Vec<Attribute> = own.chain(&operation.attributes).cloned().collect();
        let related = self.attributes(&all, On::Operation, operation.span).related;
        self.schema
            .related
            .extend(related.map(|span| (concern, span)));
        related.is_some()
    }

    /// What reads what is related finds something there, when all sides are known.
    pub(super) fn related_operations(&mut self) {
        for (id, span) in std::mem::take(&mut self.schema.related) {
            let concern = self.schema.concern(id);
            let readable = concern.sides.iter().any(|side| side.readable().is_some());
            if readable || self.schema.lost_sides.contains(&id) {
                continue;
            }
            let message = format!("`{}` has no `by` side that can be read", concern.name);
            let mut finding = Diagnostic::new(Code::NothingRelated, span, message);
            for side in &concern.sides {
                let why = match side.most {
                    None => "this one has no largest length".to_owned(),
                    Some(_) => format!("this one may have more than {MOST_RELATED} members"),
                };
                finding = finding.label(side.span, why);
            }
            self.report(finding.help(
                "give a side its largest length, `characters: [Character] by player @length(..=100)`, or leave `@related` out",
            ));
        }
    }

    /// A transaction is as if alone; what its handlers read of views is not.
    pub(super) fn reads_no_views(&mut self, transaction: &Transaction) {
        if transaction.mode == Mode::Saga {
            return;
        }
        for step in &transaction.steps {
            let Some(target) = &step.target else {
                continue;
            };
            let concern = self.schema.concern(target.concern);
            let name = match &step.kind {
                StepKind::Command(id, _) => {
                    let command = concern.command(*id);
                    command.related.then_some(&command.name)
                }
                StepKind::Query(id, _) => {
                    let query = concern.query(*id);
                    query.related.then_some(&query.name)
                }
                _ => None,
            };
            let Some(name) = name else { continue };
            let message = format!(
                "`{}.{name}` reads what is related, which may be older than what `{}` sees",
                concern.name, transaction.name
            );
            let finding = Diagnostic::new(Code::RelatedInTransaction, step.span, message);
            self.report(finding.help(
                "call it alone or in a saga; what must be exact is counted or summed up in the instance itself, by a step of this transaction",
            ));
        }
    }
}

/// Whether an attribute says something of the operation, not of its result.
pub(super) fn is_of_operation(attribute: &Attribute) -> bool {
    attribute.name.text == "related"
}
