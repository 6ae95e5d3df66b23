//! Pass 5, conversions: whether a value can stand where a type is expected.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Expr, Many, Type, ValueType};

impl Checker {
    /// Whether an expression can stand where a type is expected; else says why not.
    pub(super) fn fits(&mut self, expr: &Expr, expected: Type) -> bool {
        let many = matches!(
            (expr.ty.many, expected.many),
            (Many::One, Many::One | Many::Optional)
                | (Many::Optional, Many::Optional)
                | (Many::List, Many::List)
                | (Many::Map, Many::Map)
        );
        if many && self.is_usable_as(expr, expected.value) {
            return true;
        }
        let (found, wanted) = (self.show_type(expr.ty), self.show_type(expected));
        let finding = Diagnostic::new(
            Code::WrongType,
            expr.span,
            format!("a `{wanted}` is expected, and this is a `{found}`"),
        );
        let finding = match (expr.ty, expected.value) {
            (ty, ValueType::Ref(concern) | ValueType::IdOf(concern))
                if ty == Type::one(ValueType::Concern(concern)) =>
            {
                self.key_of_instance(finding, expr, concern)
            }
            (ty, _) if ty.is_optional() && expected.many == Many::One => {
                finding.help("it may be absent: ask for it with `if let`")
            }
            (ty, value) if ty.many == Many::One && ty.value == value && expected.is_list() => {
                finding.help("a list of one is written `[x]`")
            }
            _ => finding.help(format!("give it a `{wanted}`")),
        };
        self.report(finding);
        false
    }

    /// How the key of an instance is written.
    pub(super) fn key_of_instance(
        &self,
        finding: Diagnostic,
        expr: &Expr,
        concern: ConcernId,
    ) -> Diagnostic {
        let declared = self.schema.concern(concern);
        match declared.single_key() {
            Some(key) => {
                let key = format!(".{}", key.name);
                finding
                    .help(format!("the key of an instance is a field of it: `{key}`"))
                    .edit(expr.span.after(), key)
            }
            None => {
                let parts: Vec<String> = declared
                    .keys
                    .iter()
                    .map(|key| format!("x.{}", key.name))
                    .collect();
                finding.help(format!(
                    "the parts of its key are fields of it: `id of {}[{}]`",
                    declared.name,
                    parts.join(", ")
                ))
            }
        }
    }

    /// Whether a value of the expression's type can be used as another, `?` and lists aside. A key
    /// can be used as what it is made of, and the other way round.
    pub(super) fn is_usable_as(&self, expr: &Expr, wanted: ValueType) -> bool {
        let found = expr.ty.value;
        if found == wanted {
            return true;
        }
        let concern = |value| match value {
            ValueType::Ref(id) | ValueType::IdOf(id) => Some(id),
            _ => None,
        };
        let reaches = |from: ConcernId, to: ValueType| match concern(to) {
            Some(to) => {
                from == to
                    || self
                        .schema
                        .key_chain(from)
                        .into_iter()
                        .any(|value| concern(value) == Some(to))
            }
            None => self.schema.key_chain(from).contains(&to),
        };
        match (concern(found), concern(wanted)) {
            (Some(found), Some(other)) => reaches(found, wanted) || reaches(other, expr.ty.value),
            (Some(found), None) => reaches(found, wanted),
            (None, Some(wanted)) => reaches(wanted, found),
            (None, None) => false,
        }
    }
}
