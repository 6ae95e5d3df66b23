//! Pass 5, blocks: the statements of a transaction or inside of braces, and what they give.

use super::Checker;
use super::body::{Body, Bound, BoundBy, rooted};
use super::expr::committed;
use super::types::collection;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Block, Builtin, Expr, ExprKind, For, Head, If, Local, LocalKind, Many, Root, Statement,
    StepKind, Type,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::transaction as ast;

/// A chain of `else if` has no brackets around it, and yet each is inside of the one before.
const MAX_DEPTH: usize = 64;

/// What is expected of a block in braces.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    /// Nothing: it is not used as a value.
    Nothing,
    /// A value, of this type where it is known.
    Value(Option<Type>),
}

impl Gives {
    fn map(self, change: impl FnOnce(Type) -> Option<Type>) -> Self {
        match self {
            Gives::Nothing => Gives::Nothing,
            Gives::Value(expected) => Gives::Value(expected.and_then(change)),
        }
    }
}

impl Checker {
    /// A statement that is neither `return` nor `yield`.
    pub(super) fn statement<'a>(&mut self, statement: &'a ast::Statement, body: &mut Body<'a>) {
        match statement {
            ast::Statement::Let(name, value, span) => {
                self.let_statement(name, value, *span, body);
            }
            ast::Statement::Step(expr) => {
                self.step(expr, body);
            }
            ast::Statement::Require(condition, refusal, span) => {
                self.require(condition, refusal, *span, body);
            }
            ast::Statement::Emit(record, span) => self.emit(record, *span, body),
            ast::Statement::For(turns) => {
                self.turns(turns, Gives::Nothing, body);
            }
            ast::Statement::If(branch) => {
                self.branch(branch, Gives::Nothing, body);
            }
            ast::Statement::Broken(broken) => {
                body.blurred = true;
                body.lost_names
                    .extend(broken.names.iter().map(String::as_str));
            }
            ast::Statement::Return(_, span) => {
                body.blurred = true;
                self.report(
                    Diagnostic::new(
                        Code::ReturnNotLast,
                        *span,
                        "`return` is the last statement of a transaction",
                    )
                    .help("a value out of braces is given by `yield`: `return if … { yield a } else { yield b }`"),
                );
            }
            ast::Statement::Yield(_, span) => {
                body.blurred = true;
                self.report(
                    Diagnostic::new(
                        Code::YieldOutsideFor,
                        *span,
                        "`yield` gives the value of a `for` or an `if`, and here is none that is used as one",
                    )
                    .help("bind the value: `let x = for …`; a transaction gives its result with `return`"),
                );
            }
        }
    }

    /// The statements inside of braces. The block has been opened, and is closed here.
    fn block<'a>(
        &mut self,
        statements: &'a [ast::Statement],
        gives: Gives,
        head: Span,
        body: &mut Body<'a>,
    ) -> Block {
        let mut given: Option<(Span, Option<Expr>)> = None;
        for (index, statement) in statements.iter().enumerate() {
            match (statement, gives) {
                (ast::Statement::Yield(value, span), Gives::Value(expected)) => {
                    let value = self.value_given(value, expected, *span, body);
                    let is_last = index + 1 == statements.len();
                    match given {
                        Some((first, _)) => self.yield_not_last(*span, Some(first)),
                        None if !is_last => self.yield_not_last(*span, None),
                        None => {}
                    }
                    given.get_or_insert((*span, value));
                }
                _ => self.statement(statement, body),
            }
        }
        let is_broken = |statement: &ast::Statement| matches!(statement, ast::Statement::Broken(_));
        let is_read = !statements.iter().any(is_broken);
        if matches!(gives, Gives::Value(_)) && given.is_none() && is_read {
            self.report(
                Diagnostic::new(
                    Code::MissingYield,
                    head,
                    "this is used as a value, and does not say which",
                )
                .help("end its statements with `yield …`"),
            );
        }
        Block {
            statements: body.close(),
            value: given.and_then(|(_, value)| value),
        }
    }

    fn yield_not_last(&mut self, span: Span, first: Option<Span>) {
        let finding = match first {
            Some(first) => Diagnostic::new(Code::YieldNotLast, span, "there is a `yield` already")
                .label(first, "here")
                .help("a turn gives one value: put both into a `message`"),
            None => Diagnostic::new(
                Code::YieldNotLast,
                span,
                "`yield` is the last statement in its braces",
            )
            .help("move it to the end"),
        };
        self.report(finding);
    }

    /// `if … { … } else { … }`; gives its value, if it has one.
    pub(super) fn branch<'a>(
        &mut self,
        branch: &'a ast::If,
        gives: Gives,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let otherwise = branch.otherwise.as_deref();
        self.branches(&branch.branches, otherwise, gives, branch.span, body)
    }

    fn branches<'a>(
        &mut self,
        branches: &'a [(ast::Head, Vec<ast::Statement>)],
        otherwise: Option<&'a [ast::Statement]>,
        gives: Gives,
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let ((head, statements), rest) = branches.split_first()?;
        let head_span = span.first(2);
        if body.depth() > MAX_DEPTH {
            body.blurred = true;
            self.report(
                Diagnostic::new(
                    Code::TooDeep,
                    head_span,
                    format!("conditions are nested more than {MAX_DEPTH} deep"),
                )
                .help("each `else if` is one inside of the one before: let a function or a command decide"),
            );
            return None;
        }
        // Without `else` the value may be absent, which the branches need not say.
        let within = match otherwise {
            Some(_) => gives,
            None => gives.map(|ty| Some(ty.present())),
        };
        let (head, present) = self.head(head, body);
        body.open(statements);
        if let Some((name, value)) = present {
            self.bind_new(name, value, BoundBy::IfLet, body);
        }
        let then = self.block(statements, within, head_span, body);
        let within = match (within, &then.value) {
            (Gives::Value(None), Some(value)) => Gives::Value(Some(value.ty)),
            _ => within,
        };
        let otherwise_block = match (rest, otherwise) {
            ([_, ..], _) => {
                body.open(&[]);
                let value = self.branches(rest, otherwise, within, span, body);
                Some(Block {
                    statements: body.close(),
                    value,
                })
            }
            ([], Some(statements)) => {
                body.open(statements);
                Some(self.block(statements, within, head_span, body))
            }
            ([], None) => None,
        };
        let Some(head) = head else {
            body.blurred = true;
            return None;
        };
        let result = match within {
            Gives::Nothing => None,
            Gives::Value(ty) => {
                let (Some(ty), Some(then_value)) = (ty, &then.value) else {
                    body.blurred = true;
                    return None;
                };
                let else_value = otherwise_block.as_ref().map(|block| &block.value);
                if let Some(None) = else_value {
                    body.blurred = true;
                    return None;
                }
                let ty = match otherwise {
                    Some(_) => ty,
                    None => self.or_absent(ty, head_span)?,
                };
                let values = [Some(then_value), else_value.and_then(Option::as_ref)];
                let values = values.into_iter().flatten();
                let mut needs = body.needs(head.expr());
                let mut longest = Some(0);
                for value in values {
                    needs.extend(body.needs(value));
                    longest = longest
                        .max(self.longest(value, body))
                        .filter(|_| longest.is_some());
                }
                let local = body.local(None, ty, LocalKind::Branch, needs, span);
                if let Some(longest) = longest {
                    body.lengths.insert(local.0, longest);
                }
                Some(local)
            }
        };
        body.push(Statement::If(If {
            head,
            then,
            otherwise: otherwise_block,
            result: result.as_ref().map(|(id, _)| *id),
            span,
        }));
        result.map(|(_, value)| value)
    }

    /// The type of an `if` without `else`.
    fn or_absent(&mut self, ty: Type, span: Span) -> Option<Type> {
        if ty.is_collection() {
            let what = collection(ty);
            self.report(
                Diagnostic::new(
                    Code::WrongType,
                    span,
                    format!("{what} is never absent, so this `if` needs an `else`"),
                )
                .help("add `else { yield … }`"),
            );
            return None;
        }
        Some(Type {
            many: Many::Optional,
            ..ty
        })
    }

    /// What an `if` asks, and the name that it binds.
    fn head<'a>(
        &mut self,
        head: &'a ast::Head,
        body: &mut Body<'a>,
    ) -> (Option<Head>, Option<(&'a Ident, Bound)>) {
        match head {
            ast::Head::Condition(condition) => {
                let condition = self.condition(condition, body);
                (condition.map(Head::Condition), None)
            }
            ast::Head::Let(name, optional) => {
                let Some(optional) = self.expr(optional, None, body) else {
                    return (None, Some((name, Bound::Lost)));
                };
                if !self.may_be_absent(&optional) {
                    return (None, Some((name, Bound::Lost)));
                }
                let (ty, needs) = (optional.ty.present(), body.needs(&optional));
                let kind = LocalKind::Present(optional.clone());
                let (id, _) = body.local(Some(name), ty, kind, needs, name.span);
                let head = Head::Present(id, optional);
                (Some(head), Some((name, Bound::Local(id, ty))))
            }
        }
    }

    /// `for element in list { … }`; gives the list of what the turns yield, if they do.
    pub(super) fn turns<'a>(
        &mut self,
        turns: &'a ast::For,
        gives: Gives,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let list = self.expr(&turns.list, None, body);
        let list = list.filter(|list| self.is_list(list) && self.nothing_committed(list, body));
        let bound = list.as_ref().and_then(|list| self.bounded(list, body));
        let element = list.as_ref().map(|list| {
            let ty = Type::one(list.ty.value);
            let (name, needs) = (&turns.variable, body.needs(list));
            let (id, _) = body.local(Some(name), ty, LocalKind::Element, needs, name.span);
            (id, ty)
        });
        let value = element.map_or(Bound::Lost, |(id, ty)| Bound::Local(id, ty));
        body.open(&turns.body);
        self.bind_new(&turns.variable, value, BoundBy::For, body);
        let within = gives.map(|ty| ty.is_list().then_some(Type::one(ty.value)));
        let tail = std::mem::replace(&mut body.is_tail, false);
        let block = self.block(&turns.body, within, turns.span.first(3), body);
        body.is_tail = tail;
        let (Some(list), Some((element, _)), Some(bound)) = (list, element, bound) else {
            body.blurred = true;
            return None;
        };
        let result = match gives {
            Gives::Nothing => None,
            Gives::Value(_) => {
                let Some(value) = &block.value else {
                    body.blurred = true;
                    return None;
                };
                if !self.is_element(value) {
                    return None;
                }
                let ty = Type {
                    value: value.ty.value,
                    many: Many::List,
                };
                let mut needs = body.needs(&list);
                needs.extend(body.needs(value));
                let local = body.local(None, ty, LocalKind::Turns, needs, turns.span);
                body.lengths.insert(local.0, bound);
                Some(local)
            }
        };
        body.push(Statement::For(For {
            element,
            list,
            bound,
            body: block,
            result: result.as_ref().map(|(id, _)| *id),
            span: turns.span,
        }));
        result.map(|(_, value)| value)
    }

    fn is_list(&mut self, list: &Expr) -> bool {
        if list.ty.is_list() {
            return true;
        }
        let shown = self.show_type(list.ty);
        self.report(
            Diagnostic::new(
                Code::WrongType,
                list.span,
                format!("`for` goes through a list, and this is a `{shown}`"),
            )
            .help(match list.ty.is_map() {
                true => "let a `function` make a list of the map",
                false => "what may be absent is asked for by `if let`",
            }),
        );
        false
    }

    /// How many elements the list has at most; else says that nobody does.
    fn bounded(&mut self, list: &Expr, body: &Body<'_>) -> Option<u32> {
        let longest = self.longest(list, body);
        if longest.is_none() {
            self.report(
                Diagnostic::new(
                    Code::UnboundedList,
                    list.span,
                    "nothing says how long this list may be",
                )
                .help("bound it where it is declared: `@length(..=100)`, on a parameter, a field or a result type"),
            );
        }
        longest
    }

    /// How many elements a list has at most, if that is said.
    fn longest(&self, list: &Expr, body: &Body<'_>) -> Option<u32> {
        let path = match &list.kind {
            ExprKind::List(elements) => return u32::try_from(elements.len()).ok(),
            ExprKind::Literal(_) => return Some(0),
            ExprKind::Path(path) => path,
            _ => return None,
        };
        let constraints = match (path.fields.last(), path.root) {
            (Some(field), _) => Some(&self.field_behind(*field).constraints),
            (None, Root::Param(id)) => body.params.get(id.index()).map(|param| &param.constraints),
            (None, Root::Step(id)) => body.steps.get(id.index()).and_then(|step| {
                let answer = match (&step.kind, &step.target) {
                    (StepKind::Effect(id, _), _) => self.schema.effect(*id).result.as_ref(),
                    (kind, Some(target)) => self.schema.concern(target.concern).answer(kind),
                    (_, None) => None,
                };
                answer.map(|answer| &answer.constraints)
            }),
            (None, Root::Local(id)) => {
                let call = body.locals.get(id.index()).and_then(Local::call);
                match call.map(|call| &call.kind) {
                    Some(ExprKind::Call(function, _)) => {
                        Some(&self.schema.function(*function).result.constraints)
                    }
                    _ => return body.lengths.get(&id).copied(),
                }
            }
            (None, Root::Now | Root::Caller) => None,
        };
        constraints?.length?.max
    }

    /// Whether the value can be an element of a list.
    pub(super) fn is_element(&mut self, value: &Expr) -> bool {
        if value.ty.many == Many::One {
            return true;
        }
        self.report(
            Diagnostic::new(
                Code::WrongType,
                value.span,
                "a list holds no lists and nothing that may be absent",
            )
            .help("put the inner one into a `message`"),
        );
        false
    }

    /// The value of `return` or `yield`, in which instances may be read as they are committed.
    pub(super) fn read_committed(&mut self, value: Expr, body: &mut Body<'_>) -> Option<Expr> {
        match value.kind {
            ExprKind::Committed(concern, key) => {
                self.is_there(concern, Builtin::Get, value.span);
                let ty = value.ty;
                let id = self.append(
                    concern,
                    *key,
                    StepKind::Committed,
                    Some(ty),
                    value.span,
                    body,
                );
                Some(rooted(Root::Step(id), ty, value.span))
            }
            ExprKind::List(parts) => {
                let parts = parts
                    .into_iter()
                    .map(|part| self.read_committed(part, body))
                    .collect::<Option<_>>()?;
                Some(Expr {
                    kind: ExprKind::List(parts),
                    ..value
                })
            }
            _ => Some(value),
        }
    }

    /// Whether no part of the value is an instance as it is committed, which is known at the end only.
    pub(super) fn nothing_committed(&mut self, value: &Expr, body: &mut Body<'_>) -> bool {
        if !committed(value) {
            return true;
        }
        body.blurred = true;
        self.committed_without_binding(value.span);
        false
    }
}
