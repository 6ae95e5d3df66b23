//! Pass 5: transactions and sagas, statement by statement. What is bound is known to `Body`; what
//! stands in braces is in `block`, statements are in `statement`, steps in `step`, expressions in
//! `expr`.

use super::Checker;
use super::attribute::On;
use super::body::{Body, Bound, BoundBy};
use super::types::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Answer, Block, Expr, Mode, Transaction, TransactionId};
use crate::syntax::Span;
use crate::syntax::ast::{File, Item};
use crate::syntax::field::Attribute;
use crate::syntax::operation::{Param, ResultType};
use crate::syntax::transaction::{Statement, Transaction as AstTransaction};

impl Checker {
    pub(super) fn transactions(&mut self, files: &[File]) {
        for item in files.iter().flat_map(|file| &file.items) {
            if let Item::Transaction(transaction) = item {
                self.transaction(transaction);
            }
        }
    }

    fn transaction(&mut self, declared: &AstTransaction) {
        let errors = self.diagnostics.len();
        self.params_have_names(&declared.params);
        let (params, complete) = self.named_params(&declared.params, On::Parameter);
        // Behind a result, what is said of the whole stands among the attributes of that.
        let (of_result, own) = split(declared);
        let result = of_result.map(|result| self.answer(&result, Place::TransactionResult));
        let refusals = self.refusals(declared.refusals.as_ref());
        let attributes = self.attributes(&own, On::Declaration, declared.span);
        let (deprecated, was) = (attributes.deprecated, attributes.was);
        let mode = if declared.is_saga {
            Mode::Saga
        } else {
            Mode::Transaction
        };
        let mut body = Body::new(declared, &params, refusals, mode);
        body.blurred = !complete;
        for binding in &body.bindings {
            self.hides_nothing(binding.name);
        }
        body.open(&declared.body);
        let value = self.statements(declared, result.as_ref().map(Option::as_ref), &mut body);
        let statements = body.close();
        self.has_steps(declared, &body);
        self.unused(declared, &body, errors);
        self.sees_caller(declared, &body);
        let Body {
            steps,
            locals,
            refusals,
            ..
        } = body;
        let id = TransactionId::new(self.schema.transactions.len());
        if !complete {
            self.schema.lost_params.insert(id);
        }
        let transaction = Transaction {
            id,
            mode,
            name: declared.name.text.clone(),
            docs: declared.docs.clone(),
            params,
            result: result.flatten(),
            refusals,
            steps,
            locals,
            body: Block { statements, value },
            deprecated,
            was,
            span: declared.name.span,
        };
        self.keys_come_in_order(&transaction);
        self.stays_in_bounds(&transaction);
        self.can_be_undone(&transaction);
        self.reads_no_views(&transaction);
        self.schema.transactions.push(transaction);
    }

    pub(super) fn params_have_names(&mut self, params: &[Param]) {
        for param in params {
            let Param::Unnamed(ty, _) = param else {
                continue;
            };
            self.report(
                Diagnostic::new(
                    Code::UnnamedParameter,
                    ty.span,
                    "this parameter has no name",
                )
                .help("write `name: type`: it is used by its name")
                .edit(ty.span.before(), "name: "),
            );
        }
    }

    /// Checks the statements; gives the value of `return`.
    fn statements<'a>(
        &mut self,
        declared: &'a AstTransaction,
        result: Option<Option<&Answer>>,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let mut returns: Option<(Span, Option<Expr>)> = None;
        // Several at the end are one mistake, that of the second.
        let last = declared
            .body
            .iter()
            .rposition(|statement| !matches!(statement, Statement::Return(..)));
        let last = last.map_or(0, |index| index + 1);
        for (index, statement) in declared.body.iter().enumerate() {
            match statement {
                Statement::Return(value, span) => {
                    self.return_is_last(
                        *span,
                        index >= last,
                        returns.as_ref().map(|(first, _)| *first),
                    );
                    let value = self.return_statement(value, *span, result, body);
                    if returns.is_none() {
                        returns = Some((*span, value));
                    }
                }
                _ => self.statement(statement, body),
            }
        }
        if let (Some(_), None, false) = (result, &returns, body.blurred) {
            let span = declared
                .result
                .as_ref()
                .map_or(declared.name.span, |result| result.span);
            self.report(
                Diagnostic::new(
                    Code::MissingReturn,
                    span,
                    format!(
                        "`{}` says that it returns something, and does not",
                        declared.name.text
                    ),
                )
                .help("end it with `return …`, or remove the result type"),
            );
        }
        returns.and_then(|(_, value)| value)
    }

    /// Where a platform says who calls, a transaction that does not look is open to all.
    fn sees_caller(&mut self, declared: &AstTransaction, body: &Body<'_>) {
        if !matches!(self.schema.caller, Some(Some(_))) || body.sees_caller || body.blurred {
            return;
        }
        let name = &declared.name;
        let message = format!("`{}` does not look at who calls", name.text);
        let finding = Diagnostic::new(Code::CallerUnseen, name.span, message);
        self.report(finding.help(
            "check it, `require caller.… else …`; or say why everybody may call it: `@allow(RKCY0158, \"…\")`",
        ));
    }

    fn has_steps(&mut self, declared: &AstTransaction, body: &Body<'_>) {
        if body.steps.is_empty() && !body.blurred {
            let name = &declared.name;
            self.report(
                Diagnostic::new(
                    Code::NoSteps,
                    name.span,
                    format!("`{}` has no step, so it does nothing", name.text),
                )
                .help(
                    "a step is `create`, `get` and the like, or a command or query: `Concern[key].command(…)`",
                ),
            );
        }
    }

    /// Warns about what is not used, unless an error in the transaction hides its uses.
    fn unused(&mut self, declared: &AstTransaction, body: &Body<'_>, errors_before: usize) {
        let failed = self.diagnostics[errors_before.min(self.diagnostics.len())..]
            .iter()
            .any(Diagnostic::is_error);
        if body.blurred || failed {
            return;
        }
        for binding in body.bindings.iter().filter(|binding| !binding.used) {
            let (name, span) = (&binding.name.text, binding.name.span);
            let finding =
                Diagnostic::new(Code::UnusedBinding, span, format!("`{name}` is not used"));
            let finding = match (binding.place, &binding.value) {
                (BoundBy::For, _) => continue,
                (BoundBy::Parameter, _) => Diagnostic::new(
                    Code::UnusedParameter,
                    span,
                    format!("the parameter `{name}` is not used"),
                )
                .help("remove it"),
                (BoundBy::IfLet, _) => finding.help("ask with `is present`, which binds nothing"),
                (BoundBy::Let(statement), Bound::Step(..)) => finding
                    .help(format!("remove `let {name} =`; the step stays"))
                    .edit(statement, ""),
                (BoundBy::Let(_), _) => finding.help("remove it"),
            };
            self.report(finding);
        }
        let unused = body
            .refusals
            .named()
            .iter()
            .zip(&body.used_refusals)
            .filter(|(_, used)| !**used);
        for (refusal, _) in unused {
            let finding = Diagnostic::new(Code::UnusedRefusal, refusal.span, format!("`{}` never refuses with `{}`", declared.name.text, refusal.name))
                .help("remove it, or use it: `require … else`; the refusals of its steps come by themselves");
            self.report(finding);
        }
    }
}

/// The result of a transaction, and what is said of the whole.
fn split(declared: &AstTransaction) -> (Option<ResultType>, Vec<Attribute>) {
    let mut own = Vec::new();
    let result = declared.result.clone().map(|mut result| {
        let is_own =
            |it: &mut Attribute| matches!(it.name.text.as_str(), "allow" | "deprecated" | "was");
        own.extend(result.attributes.extract_if(.., is_own));
        result
    });
    own.extend(declared.attributes.iter().cloned());
    (result, own)
}
