//! Pass 5, conditions: comparisons, `is`, and `bool`s.

use super::Checker;
use super::body::Body;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{CompareOp, Expr, ExprKind, Many, Scalar, Type, ValueType};
use crate::syntax::Span;
use crate::syntax::expr::{Expr as AstExpr, ExprKind as Ast};

impl Checker {
    /// A condition: a comparison, `is`, or a `bool`.
    pub(super) fn condition<'a>(&mut self, expr: &'a AstExpr, body: &mut Body<'a>) -> Option<Expr> {
        let bool_type = Type::one(ValueType::Scalar(Scalar::Bool));
        let span = expr.span;
        match &expr.kind {
            Ast::Compare(operator, left, right) => {
                let (left, right) = self.operands(left, right, body)?;
                let operator = compare_op(operator)?;
                self.is_comparable(&left, &right, operator, span)?;
                Some(Expr {
                    ty: bool_type,
                    kind: ExprKind::Compare(operator, Box::new(left), Box::new(right)),
                    span,
                })
            }
            Ast::Is(inner, present) => {
                let inner = self.expr(inner, None, body)?;
                if !self.may_be_absent(&inner) {
                    return None;
                }
                let inner = Box::new(inner);
                let kind = if *present {
                    ExprKind::IsPresent(inner)
                } else {
                    ExprKind::IsAbsent(inner)
                };
                Some(Expr {
                    ty: bool_type,
                    kind,
                    span,
                })
            }
            _ => {
                let condition = self.expr(expr, None, body)?;
                if condition.ty == bool_type {
                    return Some(condition);
                }
                let shown = self.show_type(condition.ty);
                let finding = Diagnostic::new(
                    Code::NotACondition,
                    condition.span,
                    format!("a condition is a `bool`, and this is a `{shown}`"),
                );
                self.report(if condition.ty.is_optional() {
                    finding.help("ask whether it is there: `is present` or `is absent`")
                } else {
                    finding.help("compare it with something: `==`, `!=`, `<`, `<=`, `>` or `>=`")
                });
                None
            }
        }
    }

    /// Whether it can be asked of a value if it is there; else says why not.
    pub(super) fn may_be_absent(&mut self, value: &Expr) -> bool {
        if value.ty.is_optional() {
            return true;
        }
        let shown = self.show_type(value.ty);
        self.report(
            Diagnostic::new(
                Code::NeverAbsent,
                value.span,
                format!("a `{shown}` is never absent"),
            )
            .help("`is present`, `is absent` and `if let` ask about values of a type with `?`"),
        );
        false
    }

    /// Both sides; a literal or an enum's value is read with the type of the other side.
    fn operands<'a>(
        &mut self,
        left: &'a AstExpr,
        right: &'a AstExpr,
        body: &mut Body<'a>,
    ) -> Option<(Expr, Expr)> {
        let plain_name = |expr: &AstExpr| match &expr.kind {
            Ast::Path(path) if path.len() == 1 => path.first().map(|name| name.text.clone()),
            _ => None,
        };
        let is_bound = |name: String, body: &Body<'_>| body.position(&name).is_some();
        let left_needs_type = matches!(left.kind, Ast::Number(_))
            || plain_name(left).is_some_and(|name| !is_bound(name, body));
        if left_needs_type {
            let right = self.expr_alone(right, None, body)?;
            let left = self.expr_alone(left, Some(right.ty), body)?;
            Some((left, right))
        } else {
            let left = self.expr_alone(left, None, body);
            let right = self.expr_alone(right, left.as_ref().map(|left| left.ty), body);
            Some((left?, right?))
        }
    }

    fn is_comparable(
        &mut self,
        left: &Expr,
        right: &Expr,
        operator: CompareOp,
        span: Span,
    ) -> Option<()> {
        let shown = (self.show_type(left.ty), self.show_type(right.ty));
        if let Some(optional) = [left, right].into_iter().find(|side| side.ty.is_optional()) {
            self.report(
                Diagnostic::new(
                    Code::NotComparable,
                    optional.span,
                    format!(
                        "a `{}` may be absent, and what is absent cannot be compared",
                        self.show_type(optional.ty)
                    ),
                )
                .help("ask whether it is there: `is present` or `is absent`"),
            );
            return None;
        }
        let simple = |ty: Type| {
            ty.many == Many::One
                && !matches!(ty.value, ValueType::Message(_) | ValueType::Concern(_))
        };
        let ordered = |ty: Type| match ty.value {
            ValueType::Scalar(scalar) => {
                scalar.is_number()
                    || matches!(
                        scalar,
                        Scalar::String | Scalar::Timestamp | Scalar::Duration
                    )
            }
            _ => false,
        };
        let needs_order = !matches!(operator, CompareOp::Eq | CompareOp::Ne);
        let is_document = |ty: Type| ty.value == ValueType::Scalar(Scalar::Json);
        let (why, help) = if is_document(left.ty) || is_document(right.ty) {
            (
                "a `json` cannot be compared".to_owned(),
                "let a `function` look into it",
            )
        } else if !simple(left.ty) || !simple(right.ty) {
            (
                format!("a `{}` cannot be compared with a `{}`", shown.0, shown.1),
                "compare fields of them",
            )
        } else if !self.is_usable_as(left, right.ty.value)
            && !self.is_usable_as(right, left.ty.value)
        {
            (
                format!("a `{}` cannot be compared with a `{}`", shown.0, shown.1),
                "both sides have one type",
            )
        } else if needs_order && !(ordered(left.ty) && ordered(right.ty)) {
            (
                format!("values of `{}` have no order", shown.0),
                "compare them with `==` or `!=`",
            )
        } else {
            return Some(());
        };
        self.report(Diagnostic::new(Code::NotComparable, span, why).help(help));
        None
    }
}

fn compare_op(text: &str) -> Option<CompareOp> {
    Some(match text {
        "==" => CompareOp::Eq,
        "!=" => CompareOp::Ne,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::Le,
        ">" => CompareOp::Gt,
        ">=" => CompareOp::Ge,
        _ => return None,
    })
}
