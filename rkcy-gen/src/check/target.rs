//! Pass 5, targets: which instance is meant, by its concern and key.

use super::Checker;
use super::body::Body;
use super::schema::Kind;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Expr, Type, ValueType};
use crate::syntax::ast::Ident;
use crate::syntax::expr::{Expr as AstExpr, ExprKind as Ast, Target};

impl Checker {
    /// The concern with a name in front of `[` or behind `create`.
    pub(super) fn concern_named(&mut self, name: &Ident) -> Option<ConcernId> {
        let declared = self.schema.types.get(&name.text).copied();
        let what = match declared.map(|declared| declared.kind) {
            Some(Kind::Concern(id)) => {
                if let Some(declared) =
                    declared.filter(|declared| declared.span.file != name.span.file)
                {
                    self.schema.uses.insert(declared.span.file);
                }
                return Some(id);
            }
            Some(Kind::Unbuilt) => return None,
            Some(Kind::Message(_)) => "a message",
            Some(Kind::Enum(_)) => "an enum",
            None => {
                self.unknown_type(name);
                return None;
            }
        };
        self.report(
            Diagnostic::new(
                Code::WrongKindOfType,
                name.span,
                format!(
                    "`{}` is {what}, and only concerns have instances",
                    name.text
                ),
            )
            .help("steps and keys name a concern"),
        );
        None
    }

    /// `X[k]`: the concern and the key.
    pub(super) fn target<'a>(
        &mut self,
        target: &'a Target,
        body: &mut Body<'a>,
    ) -> Option<(ConcernId, Expr)> {
        let concern = self.concern_named(&target.concern);
        let Some(concern) = concern else {
            for key in &target.keys {
                self.expr(&key.value, None, body);
            }
            return None;
        };
        if let Some(named) = target.keys.iter().find_map(|key| key.name.as_ref()) {
            self.unbuilt(named.span, "reading by a `unique`", body);
            return None;
        }
        let [key] = target.keys.as_slice() else {
            if !self.schema.lost_keys.contains(&concern) {
                let name = &target.concern.text;
                self.report(
                    Diagnostic::new(
                        Code::WrongArguments,
                        target.span,
                        format!(
                            "the key of `{name}` has one part, and {} are given",
                            target.keys.len()
                        ),
                    )
                    .help(format!("write `{name}[key]`")),
                );
            }
            return None;
        };
        let value = self.key_value(concern, &key.value, body)?;
        Some((concern, value))
    }

    fn key_value<'a>(
        &mut self,
        concern: ConcernId,
        value: &'a AstExpr,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        if self.schema.lost_keys.contains(&concern) {
            self.expr(value, None, body);
            return None;
        }
        let key = self.schema.concern(concern).key.ty;
        // A literal is read as what is stored; everything else is compared with the concern.
        let stored = self
            .schema
            .key_chain(concern)
            .last()
            .copied()
            .map_or(key, Type::one);
        let is_number = matches!(stored.value, ValueType::Scalar(scalar) if scalar.is_number());
        let is_enum = matches!(stored.value, ValueType::Enum(_));
        let expected = match value.kind {
            Ast::Number(_) if is_number => Some(stored),
            Ast::Path(_) if is_enum => Some(stored),
            _ => None,
        };
        let expr = self.expr_alone(value, expected, body)?;
        if self.is_key_of(&expr, concern) {
            return Some(expr);
        }
        let name = self.schema.concern(concern).name.clone();
        let finding = Diagnostic::new(
            Code::WrongKey,
            expr.span,
            format!(
                "a key of `{name}` is wanted, and this is a `{}`",
                self.show_type(expr.ty)
            ),
        );
        let finding = match expr.ty.value {
            _ if expr.ty.is_optional() => {
                finding.help("it may be absent: ask for it with `if let`")
            }
            ValueType::Concern(other) => {
                let key = &self.schema.concern(other).key.name;
                let text = format!(".{key}");
                finding
                    .help(format!("the key of an instance is a field of it: `{text}`"))
                    .edit(expr.span.after(), text)
            }
            _ => finding.help(format!(
                "a `ref {name}`, an `id of {name}` or a `{}` would do",
                self.show_type(key)
            )),
        };
        self.report(finding);
        None
    }
}
