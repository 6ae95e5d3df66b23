//! Pass 5, expressions: their types, and whether they are what is wanted where they stand.

use super::Checker;
use super::body::Body;
use super::number::{bounds, number};
use super::schema::Kind;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Expr, ExprKind, Literal, Many, Scalar, Type, ValueType};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::expr::{Expr as AstExpr, ExprKind as Ast};

impl Checker {
    /// An expression. With an expected type, it has been held against that.
    pub(super) fn expr<'a>(
        &mut self,
        expr: &'a AstExpr,
        expected: Option<Type>,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let found = self.expr_alone(expr, expected, body)?;
        match expected {
            Some(expected) if !self.fits(&found, expected) => None,
            _ => Some(found),
        }
    }

    /// An expression; an expected type tells what a literal or a name means, and nothing more.
    pub(super) fn expr_alone<'a>(
        &mut self,
        expr: &'a AstExpr,
        expected: Option<Type>,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let span = expr.span;
        let scalar = |scalar| Type::one(ValueType::Scalar(scalar));
        match &expr.kind {
            Ast::Number(text) => self.number_literal(text, expected, span),
            Ast::String(text) => {
                let kind = ExprKind::Literal(Literal::String(text.clone()));
                Some(Expr {
                    ty: scalar(Scalar::String),
                    kind,
                    span,
                })
            }
            Ast::Path(path) => self.path(path, span, expected, body),
            Ast::List(elements) => self.list(elements, expected, span, body),
            Ast::Record(name, entries) => {
                let id = self.record_type(name)?;
                self.record(id, name, entries, span, body)
            }
            Ast::Target(target) => {
                let (concern, key) = self.target(target, body)?;
                Some(Expr {
                    ty: Type::one(ValueType::Concern(concern)),
                    kind: ExprKind::Committed(concern, Box::new(key)),
                    span,
                })
            }
            Ast::IdOf(target) => {
                let (concern, key) = self.target(target, body)?;
                Some(Expr {
                    ty: Type::one(ValueType::IdOf(concern)),
                    kind: key.kind,
                    span,
                })
            }
            Ast::Not(count, inner) => {
                let inner = self.expr(inner, None, body)?;
                if inner.ty != scalar(Scalar::Bool) {
                    let shown = self.show_type(inner.ty);
                    self.report(
                        Diagnostic::new(
                            Code::NotACondition,
                            inner.span,
                            format!("`!` denies a `bool`, and this is a `{shown}`"),
                        )
                        .help("compare it with something"),
                    );
                    return None;
                }
                // Two denials are none.
                let kind = if count % 2 == 1 {
                    ExprKind::Not(Box::new(inner))
                } else {
                    inner.kind
                };
                Some(Expr {
                    ty: scalar(Scalar::Bool),
                    kind,
                    span,
                })
            }
            Ast::Call(name, arguments) => self.call(name, arguments, span, body),
            Ast::Chain(base, accesses) => {
                match (&base.kind, accesses.first()) {
                    (Ast::Target(_), Some(first)) if first.arguments.is_none() => {
                        self.committed_field(base, &first.name, span)
                    }
                    _ => self.nested_step(span),
                }
                None
            }
            Ast::Create(..)
            | Ast::Ensure(..)
            | Ast::Update(..)
            | Ast::Get(_)
            | Ast::Find(_)
            | Ast::Delete(_) => {
                self.nested_step(span);
                None
            }
            Ast::Compare(..) | Ast::Is(..) => self.condition(expr, body),
        }
    }

    fn nested_step(&mut self, span: Span) {
        self.report(
            Diagnostic::new(
                Code::NestedStep,
                span,
                "a step is not part of an expression",
            )
            .help("bind its result first: `let x = …`, and use `x` here"),
        );
    }

    /// `X[k].field`
    pub(super) fn committed_field(&mut self, base: &AstExpr, field: &Ident, span: Span) {
        let concern = match &base.kind {
            Ast::Target(target) => target.concern.text.as_str(),
            _ => "X",
        };
        let field = &field.text;
        self.report(
            Diagnostic::new(Code::CommittedField, span, format!("`{concern}[…]` is what the transaction commits, so its `{field}` is not known here"))
                .help(format!("read it as it is at this point: `let x = get {concern}[…]`, then `x.{field}`")),
        );
    }

    /// The same, where a `let` stands between.
    pub(super) fn committed_without_binding(&mut self, span: Span) {
        self.report(
            Diagnostic::new(
                Code::CommittedField,
                span,
                "this is what the transaction commits, so its fields are not known here",
            )
            .help("read the instance as it is at this point: `let x = get X[…]`"),
        );
    }

    fn number_literal(&mut self, text: &str, expected: Option<Type>, span: Span) -> Option<Expr> {
        let wanted = match expected.map(|ty| ty.value) {
            Some(ValueType::Scalar(scalar)) if scalar.is_number() => scalar,
            _ if text.contains('.') => Scalar::F64,
            _ => Scalar::I64,
        };
        match number(text, wanted) {
            Ok(value) => Some(Expr {
                ty: Type::one(ValueType::Scalar(wanted)),
                kind: ExprKind::Literal(Literal::Number(value)),
                span,
            }),
            Err(_) => {
                self.report(
                    Diagnostic::new(Code::WrongType, span, format!("{text} is not a `{wanted}`"))
                        .help(bounds(wanted)),
                );
                None
            }
        }
    }

    fn list<'a>(
        &mut self,
        elements: &'a [AstExpr],
        expected: Option<Type>,
        span: Span,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        let mut element = expected
            .filter(|ty| ty.is_list())
            .map(|ty| Type::one(ty.value));
        let mut values = Vec::new();
        let mut complete = true;
        for expr in elements {
            match self.expr(expr, element, body) {
                Some(value) => {
                    element.get_or_insert(value.ty);
                    values.push(value);
                }
                None => complete = false,
            }
        }
        if !complete {
            return None;
        }
        let Some(element) = element else {
            self.report(
                Diagnostic::new(
                    Code::WrongType,
                    span,
                    "nothing tells what this list is a list of",
                )
                .help("an empty list stands where a list is expected"),
            );
            return None;
        };
        let first = values.first().filter(|_| element.many != Many::One);
        if first.is_some_and(|first| !self.is_element(first)) {
            return None;
        }
        let ty = Type {
            value: element.value,
            many: Many::List,
        };
        let kind = if values.is_empty() {
            ExprKind::Literal(Literal::EmptyList)
        } else {
            ExprKind::List(values)
        };
        Some(Expr { ty, kind, span })
    }

    /// The message with a name.
    pub(super) fn record_type(&mut self, name: &Ident) -> Option<crate::model::MessageId> {
        let declared = self.schema.types.get(&name.text).copied();
        let finding = match declared.map(|declared| declared.kind) {
            Some(Kind::Message(id)) => {
                if let Some(declared) =
                    declared.filter(|declared| declared.span.file != name.span.file)
                {
                    self.schema.uses.insert(declared.span.file);
                }
                return Some(id);
            }
            Some(Kind::Unbuilt) => return None,
            Some(Kind::Config(_)) => {
                self.config_in_transaction(name);
                return None;
            }
            Some(Kind::Concern(_)) => Diagnostic::new(
                Code::WrongKindOfType,
                name.span,
                format!(
                    "`{}` is a concern, and its instances are made by a step",
                    name.text
                ),
            )
            .help(format!("write `let x = create {} {{ … }}`", name.text)),
            Some(Kind::Enum(_)) => Diagnostic::new(
                Code::WrongKindOfType,
                name.span,
                format!("`{}` is an enum, which has no fields", name.text),
            )
            .help("write the name of one of its values"),
            None => {
                self.unknown_type(name);
                return None;
            }
        };
        self.report(finding);
        None
    }
}

/// Whether part of a value is an instance as it is committed.
pub(super) fn committed(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part.kind, ExprKind::Committed(..)));
    found
}
