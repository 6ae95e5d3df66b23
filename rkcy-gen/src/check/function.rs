//! Functions: what is declared (pass 3), and their calls (pass 5).

use super::Checker;
use super::attribute::On;
use super::body::Body;
use super::step::takes;
use super::types::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Expr, ExprKind, Function, FunctionId, LocalKind, Statement, Type};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr as ast;
use crate::syntax::operation::Function as AstFunction;

impl Checker {
    /// Pass 3: a function. What is wrong with one makes its name mean nothing.
    pub(super) fn function(&mut self, AstFunction(declared): &AstFunction) {
        let errors = self.diagnostics.len();
        self.params_have_names(&declared.params);
        let (params, complete) = self.named_params(&declared.params, On::FunctionParameter);
        let result = match &declared.result {
            Some(result) => self.answer(result, Place::Stored),
            None => {
                let name = &declared.name;
                let message = format!("`{}` gives nothing", name.text);
                let finding = Diagnostic::new(Code::FunctionGivesNothing, name.span, message);
                self.report(finding.help(
                    "a function changes nothing either: say what it gives, as in `function f(a: T) -> U`",
                ));
                None
            }
        };
        let failed = self.diagnostics[errors..].iter().any(Diagnostic::is_error);
        match result.filter(|_| complete && !failed) {
            Some(result) => {
                let id = FunctionId::new(self.schema.functions.len());
                self.schema.functions.push(Function {
                    id,
                    name: declared.name.text.clone(),
                    docs: declared.docs.clone(),
                    params,
                    result,
                    span: declared.name.span,
                });
            }
            None => {
                self.schema.lost_calls.insert(declared.name.text.clone());
            }
        }
    }

    /// Pass 5: `f(a, b)`. It is called where it stands, and once.
    pub(super) fn call<'a>(
        &mut self,
        name: &Ident,
        arguments: &'a [ast::Expr],
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let Some(function) = self.schema.function_named(&name.text) else {
            body.blurred = true;
            for argument in arguments {
                self.expr(argument, None, body);
            }
            if self.schema.effect_named(&name.text).is_none() {
                self.unknown_function(name);
            } else if self.stands_in_saga(name, body) {
                self.nested_step(span);
            }
            return None;
        };
        let (id, ty) = (function.id, function.result.ty);
        let expected: Vec<Type> = function.params.iter().map(|param| param.ty).collect();
        let wanted = takes(&function.params);
        let arguments = self.arguments(&expected, &wanted, name, arguments, span, body)?;
        let call = Expr {
            ty,
            kind: ExprKind::Call(id, arguments),
            span,
        };
        let needs = body.needs(&call);
        let (id, value) = body.local(None, ty, LocalKind::Call(call), needs, span);
        body.push(Statement::Call(id));
        Some(value)
    }

    fn unknown_function(&mut self, name: &Ident) {
        let text = &name.text;
        if self.schema.is_known_call(text) {
            return;
        }
        let finding = Diagnostic::new(
            Code::UnknownName,
            name.span,
            format!("there is no function `{text}`"),
        )
        .help(format!(
            "declare it: `function {text}(…) -> T`; a command names its instance: `Concern[key].command(…)`"
        ));
        let functions = self.schema.functions.iter().map(|it| it.name.as_str());
        let effects = self.schema.effects.iter().map(|it| it.name.as_str());
        let finding = finding.did_you_mean(name.span, text, functions.chain(effects));
        self.report(finding);
    }
}
