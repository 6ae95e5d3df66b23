//! Pass 5: transactions, statement by statement. What is bound is known to `Body`; steps are in
//! `step`, expressions in `expr`.

use super::Checker;
use super::attribute::On;
use super::types::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Answer, Expr, Field, ParamId, Refusals, Require, Step, StepId, Transaction, TransactionId, Type,
};
use crate::syntax::Span;
use crate::syntax::ast::{File, Ident, Item};
use crate::syntax::expr as ast;
use crate::syntax::operation::Param;
use crate::syntax::transaction::{Statement, Transaction as AstTransaction, Value};

/// Names that mean something in every transaction.
const GIVEN_NAMES: [&str; 4] = ["now", "caller", "true", "false"];

/// A transaction while it is checked.
pub(super) struct Body<'a> {
    pub(super) bindings: Vec<Binding<'a>>,
    /// The `let`s of the whole body, to tell a name that comes later from one that never comes.
    later: Vec<&'a Ident>,
    /// The names in statements that could not be read or built: nothing is said about them.
    pub(super) lost_names: Vec<&'a str>,
    pub(super) steps: Vec<Step>,
    requires: Vec<Require>,
    refusals: Refusals,
    used_refusals: Vec<bool>,
    /// Something is wrong or missing, so what is not used cannot be told.
    pub(super) blurred: bool,
}

/// A name and what it stands for.
pub(super) struct Binding<'a> {
    pub(super) name: &'a Ident,
    pub(super) value: Bound,
    pub(super) used: bool,
    /// The `let` up to its value; `None` for a parameter.
    statement: Option<Span>,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Bound {
    Param(ParamId, Type),
    Step(StepId, Type),
    Expr(Expr),
    /// It is not known, which has been reported.
    Lost,
}

/// What a value gives, besides an error that has been reported.
pub(super) enum Given {
    Expr(Expr),
    Step(StepId, Option<Type>),
    Lost,
}

impl Checker {
    pub(super) fn transactions(&mut self, files: &[File]) {
        for item in files.iter().flat_map(|file| &file.items) {
            if let Item::Transaction(transaction) = item
                && !transaction.is_saga
            {
                self.transaction(transaction);
            }
        }
    }

    fn transaction(&mut self, declared: &AstTransaction) {
        let errors = self.diagnostics.len();
        self.params_have_names(&declared.params);
        let (params, complete) = self.named_params(&declared.params);
        let result = declared
            .result
            .as_ref()
            .map(|result| self.answer(result, Place::TransactionResult));
        let refusals = self.refusals(declared.refusals.as_ref());
        let deprecated = self
            .attributes(&declared.attributes, On::Declaration)
            .deprecated;
        let mut body = Body {
            bindings: bindings(&declared.params, &params),
            later: declared.body.iter().filter_map(bound_name).collect(),
            lost_names: Vec::new(),
            steps: Vec::new(),
            requires: Vec::new(),
            used_refusals: vec![false; refusals.named().len()],
            refusals,
            blurred: !complete,
        };
        for binding in &body.bindings {
            self.hides_nothing(binding.name);
        }
        let returns = self.statements(declared, result.as_ref().map(Option::as_ref), &mut body);
        self.has_steps(declared, &body);
        self.unused(declared, &body, errors);
        let Body {
            steps,
            requires,
            refusals,
            ..
        } = body;
        self.schema.transactions.push(Transaction {
            id: TransactionId::new(self.schema.transactions.len()),
            name: declared.name.text.clone(),
            docs: declared.docs.clone(),
            params,
            result: result.flatten(),
            refusals,
            steps,
            requires,
            returns,
            deprecated,
            span: declared.name.span,
        });
    }

    fn params_have_names(&mut self, params: &[Param]) {
        for param in params {
            let Param::Unnamed(ty, _) = param else {
                continue;
            };
            self.report(
                Diagnostic::new(
                    Code::UnnamedParameter,
                    ty.span,
                    "a parameter of a transaction has a name",
                )
                .help("write `name: type`, so that the steps can use it")
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
                Statement::Let(name, value, span) => self.let_statement(name, value, *span, body),
                Statement::Step(expr) => {
                    self.step(expr, body);
                }
                Statement::Require(condition, refusal, span) => {
                    self.require(condition, refusal, *span, body)
                }
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
                Statement::Emit(_, span) => self.unbuilt(*span, "`emit`", body),
                Statement::For(looped) => {
                    self.unbuilt(looped.span.first(3), "`for`", body);
                }
                Statement::If(condition) => self.unbuilt(condition.span.first(2), "`if`", body),
                Statement::Yield(_, span) => {
                    body.blurred = true;
                    self.report(
                        Diagnostic::new(
                            Code::YieldOutsideFor,
                            *span,
                            "`yield` gives an element of a `for`, and there is none here",
                        )
                        .help("a transaction gives its result with `return`"),
                    );
                }
                Statement::Broken(broken) => {
                    body.blurred = true;
                    body.lost_names
                        .extend(broken.names.iter().map(String::as_str));
                }
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

    /// Reports a statement or value that cannot be built yet.
    pub(super) fn unbuilt(&mut self, span: Span, what: &str, body: &mut Body<'_>) {
        body.blurred = true;
        self.not_supported(span, what);
    }

    fn let_statement<'a>(
        &mut self,
        name: &'a Ident,
        value: &'a Value,
        span: Span,
        body: &mut Body<'a>,
    ) {
        self.member_naming(name);
        self.hides_nothing(name);
        let given = self.value(value, body);
        let bound = match given {
            Given::Expr(expr) => Bound::Expr(expr),
            Given::Step(id, Some(ty)) => {
                if let Some(step) = body.steps.get_mut(id.index()) {
                    step.binding = Some(name.text.clone());
                }
                Bound::Step(id, ty)
            }
            Given::Step(id, None) => {
                let step = body.steps.get(id.index()).map_or(span, |step| step.span);
                self.report(
                    Diagnostic::new(
                        Code::NoResult,
                        step,
                        "this step gives nothing that could be bound",
                    )
                    .help(format!(
                        "remove `let {} =`, or let the command give something: `-> T`",
                        name.text
                    ))
                    .edit(
                        Span {
                            end: step.start,
                            ..span
                        },
                        "",
                    ),
                );
                Bound::Lost
            }
            Given::Lost => Bound::Lost,
        };
        if let Some(first) = body
            .bindings
            .iter()
            .find(|binding| binding.name.text == name.text)
        {
            let finding = Diagnostic::new(
                Code::BoundTwice,
                name.span,
                format!("`{}` is bound already", name.text),
            )
            .label(first.name.span, "here")
            .help("a name is bound once and hides no other: choose another one");
            self.report(finding);
            return;
        }
        let value_start = body_value_start(value);
        body.bindings.push(Binding {
            name,
            value: bound,
            used: false,
            statement: Some(Span {
                end: value_start,
                ..span
            }),
        });
    }

    fn hides_nothing(&mut self, name: &Ident) {
        if GIVEN_NAMES.contains(&name.text.as_str()) {
            self.report(
                Diagnostic::new(
                    Code::BoundTwice,
                    name.span,
                    format!("`{}` means something in every transaction", name.text),
                )
                .help("choose another name"),
            );
        }
    }

    /// What stands after `let x =` and `return`.
    fn value<'a>(&mut self, value: &'a Value, body: &mut Body<'a>) -> Given {
        match value {
            Value::Expr(expr) if is_step(expr) => self.step(expr, body),
            Value::Expr(expr) => match self.expr(expr, None, body) {
                Some(expr) => Given::Expr(expr),
                None => Given::Lost,
            },
            Value::For(looped) => {
                self.unbuilt(looped.span.first(3), "`for`", body);
                Given::Lost
            }
            Value::If(condition) => {
                self.unbuilt(condition.span.first(2), "`if`", body);
                Given::Lost
            }
        }
    }

    fn require<'a>(
        &mut self,
        condition: &'a ast::Expr,
        refusal: &Ident,
        span: Span,
        body: &mut Body<'a>,
    ) {
        let condition = self.condition(condition, body);
        let Some(id) = self.declared_refusal(refusal, body) else {
            return;
        };
        let Some(condition) = condition else { return };
        let after_steps = body.steps.len() as u32;
        body.requires.push(Require {
            condition,
            refusal: id,
            after_steps,
            span,
        });
    }

    fn declared_refusal(
        &mut self,
        name: &Ident,
        body: &mut Body<'_>,
    ) -> Option<crate::model::RefusalId> {
        let declared = body.refusals.named();
        if let Some(found) = declared.iter().find(|refusal| refusal.name == name.text) {
            if let Some(used) = body.used_refusals.get_mut(found.id.index()) {
                *used = true;
            }
            return Some(found.id);
        }
        let finding = Diagnostic::new(
            Code::UnknownRefusal,
            name.span,
            format!("the refusal `{}` is not declared", name.text),
        )
        .help(format!(
            "add it behind the parameters: `refuses {}`",
            name.text
        ));
        let finding = finding.did_you_mean(
            name.span,
            &name.text,
            declared.iter().map(|refusal| refusal.name.as_str()),
        );
        self.report(finding);
        // Which of the declared ones is not used cannot be told now.
        body.used_refusals.iter_mut().for_each(|used| *used = true);
        None
    }

    fn return_is_last(&mut self, span: Span, last: bool, first: Option<Span>) {
        let finding = match first {
            Some(first) => {
                Diagnostic::new(Code::ReturnNotLast, span, "there is a `return` already")
                    .label(first, "here")
            }
            None if !last => {
                Diagnostic::new(Code::ReturnNotLast, span, "`return` is the last statement")
                    .help("move it to the end: it says what the transaction has committed")
            }
            None => return,
        };
        self.report(finding);
    }

    fn return_statement<'a>(
        &mut self,
        value: &'a Value,
        span: Span,
        result: Option<Option<&Answer>>,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let Some(answer) = result else {
            self.report(
                Diagnostic::new(
                    Code::MissingReturn,
                    span,
                    "this transaction has no result type",
                )
                .help("say what it returns behind the parameters: `-> T`"),
            );
            body.blurred = true;
            return None;
        };
        let expected = answer.map(|answer| answer.ty);
        if let Value::Expr(expr) = value
            && !is_step(expr)
        {
            // With the type that is expected, names of enum values are known.
            return self.expr(expr, expected, body);
        }
        match self.value(value, body) {
            Given::Step(id, Some(ty)) => {
                let span = body.steps.get(id.index()).map_or(span, |step| step.span);
                let expr = super::path::of_step(id, ty, span);
                let expected = expected?;
                self.fits(&expr, expected).then_some(expr)
            }
            Given::Step(_, None) => {
                self.report(
                    Diagnostic::new(
                        Code::NoResult,
                        span,
                        "this step gives nothing that could be returned",
                    )
                    .help("return something else, or let the command give something: `-> T`"),
                );
                None
            }
            Given::Expr(expr) => Some(expr),
            Given::Lost => None,
        }
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
                    "a step is `create`, `get`, or a command or query: `Concern[key].command(…)`",
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
            let finding = match binding.statement {
                None => Diagnostic::new(
                    Code::UnusedParameter,
                    span,
                    format!("the parameter `{name}` is not used"),
                )
                .help("remove it"),
                Some(statement) => {
                    let finding =
                        Diagnostic::new(Code::UnusedBinding, span, format!("`{name}` is not used"));
                    match binding.value {
                        Bound::Step(..) => finding
                            .help(format!("remove `let {name} =`; the step stays"))
                            .edit(statement, ""),
                        _ => finding.help("remove it"),
                    }
                }
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

impl<'a> Body<'a> {
    /// What a name stands for; it counts as used then.
    pub(super) fn find(&mut self, name: &str) -> Option<Bound> {
        let binding = self
            .bindings
            .iter_mut()
            .find(|binding| binding.name.text == name)?;
        binding.used = true;
        Some(binding.value.clone())
    }

    /// The `let` that binds the name later on.
    pub(super) fn bound_later(&self, name: &str) -> Option<&'a Ident> {
        self.later.iter().copied().find(|later| later.text == name)
    }
}

fn bindings<'a>(declared: &'a [Param], known: &[Field]) -> Vec<Binding<'a>> {
    let named = declared.iter().filter_map(|param| match param {
        Param::Named(field) => Some(&field.name),
        Param::Unnamed(..) => None,
    });
    let mut bindings: Vec<Binding<'a>> = Vec::new();
    for name in named {
        if bindings
            .iter()
            .any(|earlier| earlier.name.text == name.text)
        {
            continue;
        }
        let index = known.iter().position(|field| field.span == name.span);
        let value = match index.and_then(|index| Some((index, known.get(index)?))) {
            Some((index, field)) => Bound::Param(ParamId::new(index), field.ty),
            None => Bound::Lost,
        };
        bindings.push(Binding {
            name,
            value,
            used: false,
            statement: None,
        });
    }
    bindings
}

fn bound_name(statement: &Statement) -> Option<&Ident> {
    match statement {
        Statement::Let(name, ..) => Some(name),
        _ => None,
    }
}

fn body_value_start(value: &Value) -> u32 {
    match value {
        Value::Expr(expr) => expr.span.start,
        Value::For(looped) => looped.span.start,
        Value::If(condition) => condition.span.start,
    }
}

/// Whether an expression is written as a step.
pub(super) fn is_step(expr: &ast::Expr) -> bool {
    use ast::ExprKind as Kind;
    match &expr.kind {
        Kind::Create(..)
        | Kind::Ensure(..)
        | Kind::Update(..)
        | Kind::Get(_)
        | Kind::Find(_)
        | Kind::Delete(_) => true,
        Kind::Chain(_, accesses) => accesses.iter().any(|access| access.arguments.is_some()),
        _ => false,
    }
}
