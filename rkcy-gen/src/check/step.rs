//! Pass 5, steps: what is done to which instance, and with what.

use super::Checker;
use super::body::{Body, Given};
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic, closest};
use crate::model::{
    Argument, Builtin, ConcernId, Expr, ExprKind, Field, Many, Payload, Statement, Step, StepId,
    StepKind, Target as Instance, Type, ValueType,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr::{Access, Entry, Expr as AstExpr, ExprKind as Ast, Target};

impl Checker {
    /// Checks a step and appends it.
    pub(super) fn step<'a>(&mut self, expr: &'a AstExpr, body: &mut Body<'a>) -> Given {
        let span = expr.span;
        match &expr.kind {
            Ast::Create(concern, entries) => match self.concern_named(concern) {
                Some(id) => {
                    self.is_there(id, Builtin::Create, span);
                    self.create(id, concern, entries, span, StepKind::Create, body)
                }
                None => self.lost(body),
            },
            Ast::Ensure(concern, entries) => match self.concern_named(concern) {
                Some(id) => {
                    self.is_there(id, Builtin::Create, span);
                    self.create(id, concern, entries, span, StepKind::Ensure, body)
                }
                None => self.lost(body),
            },
            Ast::Get(target) => self.whole(target, StepKind::Get, span, body),
            Ast::Find(target) => self.whole(target, StepKind::Find, span, body),
            Ast::Delete(target) => self.whole(target, StepKind::Delete, span, body),
            Ast::Update(target, entries) => self.update(target, entries, span, body),
            Ast::Call(name, arguments) => self.effect_step(name, arguments, span, body),
            Ast::Chain(base, accesses) => self.chain(base, accesses, span, body),
            Ast::Path(_) | Ast::Target(_) => {
                body.blurred = true;
                self.report(
                    Diagnostic::new(Code::Unexpected, span, "this is a value, and nothing is done with it")
                        .help("a step is `create`, `get` and the like, or a command or query: `Concern[key].command(…)`"),
                );
                Given::Lost
            }
            _ => self.lost(body),
        }
    }

    pub(super) fn lost(&mut self, body: &mut Body<'_>) -> Given {
        body.blurred = true;
        Given::Lost
    }

    /// `get X[k]` and the like: steps on an instance as a whole.
    fn whole<'a>(
        &mut self,
        target: &'a Target,
        kind: StepKind,
        span: Span,
        body: &mut Body<'a>,
    ) -> Given {
        if matches!(kind, StepKind::Get | StepKind::Find)
            && target.keys.iter().any(|key| key.name.is_some())
        {
            return self.whole_by_unique(target, &kind, span, body);
        }
        let Some((concern, key)) = self.target(target, body) else {
            return self.lost(body);
        };
        let builtin = match kind {
            StepKind::Delete => Builtin::Delete,
            _ => Builtin::Get,
        };
        self.is_there(concern, builtin, span);
        let ty = Type::one(ValueType::Concern(concern));
        let gives = match kind {
            StepKind::Delete => None,
            StepKind::Find => Some(Type {
                many: Many::Optional,
                ..ty
            }),
            _ => Some(ty),
        };
        Given::Step(self.append(concern, key, kind, gives, span, body), gives)
    }

    /// `get X[a: e, b: f]` and `find`: by what is unique.
    fn whole_by_unique<'a>(
        &mut self,
        target: &'a Target,
        kind: &StepKind,
        span: Span,
        body: &mut Body<'a>,
    ) -> Given {
        let Some((concern, unique, values)) = self.unique_target(target, body) else {
            return self.lost(body);
        };
        self.is_there(concern, Builtin::Get, span);
        let ty = Type::one(ValueType::Concern(concern));
        let (kind, gives) = match kind {
            StepKind::Find => {
                let many = Many::Optional;
                (StepKind::FindBy(unique, values), Type { many, ..ty })
            }
            _ => (StepKind::GetBy(unique, values), ty),
        };
        // The index tells it.
        let key = Expr {
            ty: Type::one(ValueType::IdOf(concern)),
            kind: ExprKind::Default,
            span: target.span,
        };
        let gives = Some(gives);
        Given::Step(self.append(concern, key, kind, gives, span, body), gives)
    }

    fn update<'a>(
        &mut self,
        target: &'a Target,
        entries: &'a [Entry],
        span: Span,
        body: &mut Body<'a>,
    ) -> Given {
        let found = self.target(target, body);
        let Some((concern, key)) = found else {
            for entry in entries {
                self.entry_value(entry, None, body);
            }
            return self.lost(body);
        };
        self.is_there(concern, Builtin::Update, span);
        match self.update_entries(concern, &target.concern, entries, body) {
            Some(values) => {
                let gives = Some(Type::one(ValueType::Concern(concern)));
                let kind = StepKind::Update(values);
                Given::Step(self.append(concern, key, kind, gives, span, body), gives)
            }
            None => self.lost(body),
        }
    }

    /// `X[k].operation(…)`, and what is written like it.
    fn chain<'a>(
        &mut self,
        base: &'a AstExpr,
        accesses: &'a [Access],
        span: Span,
        body: &mut Body<'a>,
    ) -> Given {
        match (&base.kind, accesses) {
            (
                Ast::Target(target),
                [
                    Access {
                        name,
                        arguments: Some(arguments),
                    },
                ],
            ) => self.operation_step(target, name, arguments, span, body),
            (
                Ast::Target(_),
                [
                    Access {
                        name,
                        arguments: None,
                    },
                    ..,
                ],
            ) => {
                self.committed_field(base, name, span);
                self.lost(body)
            }
            (Ast::Target(_), [_, next, ..]) => {
                self.report(
                    Diagnostic::new(Code::NestedStep, next.name.span, "nothing follows a step")
                        .help("bind its result: `let x = …`, and go on with `x`"),
                );
                self.lost(body)
            }
            (Ast::Path(path), _) => {
                let operation = accesses.iter().find(|access| access.arguments.is_some());
                let operation = operation.map_or("command", |access| access.name.text.as_str());
                let shown: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
                self.report(
                    Diagnostic::new(Code::StepOnBinding, span, "a step names its concern and the key of the instance")
                        .help(format!("write `Concern[key].{operation}(…)`; the key of a bound instance is a field of it: `{}.id`", shown.join("."))),
                );
                self.lost(body)
            }
            _ => {
                self.report(
                    Diagnostic::new(Code::NoFields, span, "nothing follows a call")
                        .help("bind its result: `let x = …`, and go on with `x`"),
                );
                self.lost(body)
            }
        }
    }

    fn operation_step<'a>(
        &mut self,
        target: &'a Target,
        name: &Ident,
        arguments: &'a [AstExpr],
        span: Span,
        body: &mut Body<'a>,
    ) -> Given {
        let Some((concern, key)) = self.target(target, body) else {
            // The arguments are looked at all the same: what is wrong in them is not an echo.
            for argument in arguments {
                self.expr(argument, None, body);
            }
            return self.lost(body);
        };
        let declared = self.schema.concern(concern);
        let command = declared
            .commands
            .iter()
            .find(|command| command.name == name.text);
        let query = declared
            .queries
            .iter()
            .find(|query| query.name == name.text);
        let (payload, result) = match (command, query) {
            (Some(command), _) => (
                command.payload.clone(),
                command.result.as_ref().map(|answer| answer.ty),
            ),
            (None, Some(query)) => (query.payload.clone(), Some(query.result.ty)),
            (None, None) => {
                self.unknown_operation(concern, name, target);
                return self.lost(body);
            }
        };
        let (command, query) = (
            command.map(|command| command.id),
            query.map(|query| query.id),
        );
        let Some(argument) = self.argument(&payload, name, arguments, span, body) else {
            return self.lost(body);
        };
        let kind = match (command, query) {
            (Some(id), _) => StepKind::Command(id, argument),
            (None, Some(id)) => StepKind::Query(id, argument),
            (None, None) => return self.lost(body),
        };
        Given::Step(self.append(concern, key, kind, result, span, body), result)
    }

    fn unknown_operation(&mut self, concern: ConcernId, name: &Ident, target: &Target) {
        if self.schema.is_lost(Owner::Concern(concern), &name.text)
            || self.is_list_of(concern, name)
        {
            return;
        }
        let declared = self.schema.concern(concern);
        let text = &name.text;
        let known: Vec<&str> = declared
            .commands
            .iter()
            .map(|command| command.name.as_str())
            .chain(declared.queries.iter().map(|query| query.name.as_str()))
            .collect();
        let finding = Diagnostic::new(
            Code::UnknownOperation,
            name.span,
            format!("`{}` has no command or query `{text}`", declared.name),
        );
        let finding = if Builtin::from_word(text).is_some() {
            finding.help(match text.as_str() {
                "create" => format!("write `create {} {{ … }}`", target.concern.text),
                "update" => format!("write `update {}[…] {{ … }}`", target.concern.text),
                word => format!("write `{word} {}[…]`", target.concern.text),
            })
        } else {
            let finding = match closest(text, known.iter().copied()) {
                Some(_) => finding,
                None => finding.help(format!("declare it in the concern: `command {text}(…)`")),
            };
            finding.did_you_mean(name.span, text, known)
        };
        self.report(finding);
    }

    /// The arguments in the shape of the payload.
    pub(super) fn argument<'a>(
        &mut self,
        payload: &Payload,
        name: &Ident,
        arguments: &'a [AstExpr],
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Argument> {
        let expected: Vec<Type> = match payload {
            Payload::Empty => Vec::new(),
            Payload::Message(id) => vec![Type::one(ValueType::Message(*id))],
            Payload::Fields(fields) => fields.iter().map(|field| field.ty).collect(),
        };
        let wanted = match payload {
            Payload::Empty => "it takes none".to_owned(),
            Payload::Message(id) => {
                format!("it takes one: `{}`", self.schema.message(*id).name)
            }
            Payload::Fields(fields) => takes(fields),
        };
        let mut values = self.arguments(&expected, &wanted, name, arguments, span, body)?;
        Some(match payload {
            Payload::Empty => Argument::Empty,
            Payload::Message(_) => Argument::Message(values.pop()?),
            Payload::Fields(_) => Argument::Fields(values),
        })
    }

    /// As many arguments as are expected, of these types.
    pub(super) fn arguments<'a>(
        &mut self,
        expected: &[Type],
        wanted: &str,
        name: &Ident,
        arguments: &'a [AstExpr],
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Vec<Expr>> {
        let mut values = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            values.push(self.expr(argument, expected.get(index).copied(), body));
        }
        if expected.len() == arguments.len() {
            return values.into_iter().collect();
        }
        let count = match arguments.len() {
            0 => "no argument".to_owned(),
            1 => "1 argument".to_owned(),
            n => format!("{n} arguments"),
        };
        let message = format!("`{}` is given {count}", name.text);
        self.report(Diagnostic::new(Code::WrongArguments, span, message).help(wanted));
        None
    }

    fn create<'a>(
        &mut self,
        concern: ConcernId,
        name: &Ident,
        entries: &'a [Entry],
        span: Span,
        kind: fn(Vec<Expr>) -> StepKind,
        body: &mut Body<'a>,
    ) -> Given {
        let step = StepId::new(body.steps.len());
        let values = self.create_entries(concern, name, entries, (step, span), body);
        let Some((keys, fields)) = values else {
            return self.lost(body);
        };
        let key = self.new_key(concern, keys, step, span);
        let gives = Some(Type::one(ValueType::Concern(concern)));
        let id = self.append(concern, key, kind(fields), gives, span, body);
        Given::Step(id, gives)
    }

    /// The key of a new instance; a uuid that is left out is derived.
    fn new_key(
        &self,
        concern: ConcernId,
        keys: Vec<Option<Expr>>,
        step: StepId,
        span: Span,
    ) -> Expr {
        let declared = self.schema.concern(concern);
        let whole = Type::one(ValueType::IdOf(concern));
        let single = declared.single_key().is_some();
        let parts = keys.into_iter().zip(&declared.keys).map(|(given, part)| {
            given.unwrap_or(Expr {
                ty: if single { whole } else { part.ty },
                kind: ExprKind::DerivedUuid(step),
                span,
            })
        });
        let mut parts: Vec<Expr> = parts.collect();
        match parts.pop() {
            Some(key) if single => key,
            last => Expr {
                ty: whole,
                kind: ExprKind::Key(concern, parts.into_iter().chain(last).collect()),
                span,
            },
        }
    }

    /// Appends a step on an instance to the innermost block.
    pub(super) fn append(
        &mut self,
        concern: ConcernId,
        key: Expr,
        kind: StepKind,
        gives: Option<Type>,
        span: Span,
        body: &mut Body<'_>,
    ) -> StepId {
        self.append_step(Some(Instance { concern, key }), kind, gives, span, body)
    }

    /// Appends a step to the innermost block; an effect is on no instance.
    pub(super) fn append_step(
        &mut self,
        target: Option<Instance>,
        kind: StepKind,
        gives: Option<Type>,
        span: Span,
        body: &mut Body<'_>,
    ) -> StepId {
        let id = StepId::new(body.steps.len());
        body.steps.push(Step {
            id,
            target,
            kind,
            gives,
            binding: None,
            span,
        });
        body.push(Statement::Step(id));
        id
    }
}

/// What an operation or a function takes.
pub(super) fn takes(params: &[Field]) -> String {
    let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
    format!("it takes {}", super::default::list(&names))
}
