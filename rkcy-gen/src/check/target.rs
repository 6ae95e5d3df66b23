//! Pass 5, targets: which instance is meant, by its concern and key.

use super::Checker;
use super::body::Body;
use super::schema::Kind;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Expr, ExprKind, Many, Type, ValueType};
use crate::syntax::ast::Ident;
use crate::syntax::expr::{Expr as AstExpr, ExprKind as Ast, KeyValue, Target};

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
            Some(Kind::Event(_)) => {
                self.event_as_value(name);
                return None;
            }
            Some(Kind::Config(_)) => {
                self.config_in_transaction(name);
                return None;
            }
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
            for key in &target.keys {
                self.expr(&key.value, None, body);
            }
            let finding = Diagnostic::new(
                Code::UnknownUnique,
                named.span,
                "only `get` and `find` read by what is unique",
            );
            self.report(finding.help(format!(
                "what is found by a unique value is read: `let x = get {}[{}: …]`; to change an instance, give its key",
                target.concern.text, named.text
            )));
            return None;
        }
        if self.schema.lost_keys.contains(&concern) {
            for key in &target.keys {
                self.expr(&key.value, None, body);
            }
            return None;
        }
        let mut given = Given {
            rest: target.keys.iter(),
            next: None,
        };
        let key = self.target_part(ValueType::IdOf(concern), &mut given, target, body);
        let left = given.rest.len();
        for key in given.rest {
            self.expr(&key.value, None, body);
        }
        let key = key?;
        if left > 0 {
            self.wrong_count(concern, target);
            return None;
        }
        Some((concern, key))
    }

    /// A key, or a part of one: a value for it, or else one value for each of its own parts.
    fn target_part<'a>(
        &mut self,
        wanted: ValueType,
        given: &mut Given<'a>,
        target: &'a Target,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        if given.next.is_none() {
            let value = given.rest.next().map(|key| &key.value);
            given.next = match value {
                Some(value) => Some(self.key_value(wanted, value, body)?),
                None => {
                    let concern = self.concern_named(&target.concern)?;
                    self.wrong_count(concern, target);
                    return None;
                }
            };
        }
        let fits = given
            .next
            .as_ref()
            .is_some_and(|expr| expr.ty.many == Many::One && self.is_usable_as(expr, wanted));
        if fits {
            return given.next.take();
        }
        let id = match self.stored_key(wanted) {
            Some(ValueType::IdOf(id)) => id,
            _ => {
                let expr = given.next.take()?;
                self.wrong_key(wanted, &expr);
                return None;
            }
        };
        let parts: Vec<ValueType> = self
            .schema
            .concern(id)
            .keys
            .iter()
            .map(|part| part.ty.value)
            .collect();
        let mut values = Vec::new();
        for part in parts {
            values.push(self.target_part(part, given, target, body)?);
        }
        Some(Expr {
            ty: Type::one(ValueType::IdOf(id)),
            kind: ExprKind::Key(id, values),
            span: target.span,
        })
    }

    /// What a key or a part of one is stored as, as far as it is known.
    fn stored_key(&self, value: ValueType) -> Option<ValueType> {
        let (ValueType::Ref(id) | ValueType::IdOf(id)) = value else {
            return Some(value);
        };
        match self.schema.key_chain(id).last().copied() {
            None => Some(ValueType::IdOf(id)),
            Some(ValueType::Ref(id) | ValueType::IdOf(id)) => Some(ValueType::IdOf(id)),
            other => other,
        }
    }

    fn wrong_count(&mut self, concern: ConcernId, target: &Target) {
        let name = &target.concern.text;
        let names: Vec<String> = self
            .schema
            .concern(concern)
            .keys
            .iter()
            .map(|part| part.name.clone())
            .collect();
        let parts = match names.len() {
            1 => "one part".to_owned(),
            count => format!("{count} parts"),
        };
        let shown = match names.as_slice() {
            [_] => "key".to_owned(),
            names => names.join(", "),
        };
        let count = target.keys.len();
        let given = match count {
            1 => "1 is given".to_owned(),
            count => format!("{count} are given"),
        };
        self.report(
            Diagnostic::new(
                Code::WrongArguments,
                target.span,
                format!("the key of `{name}` has {parts}, and {given}"),
            )
            .help(format!("write `{name}[{shown}]`")),
        );
    }

    /// A value that is given for a key or a part of one.
    fn key_value<'a>(
        &mut self,
        wanted: ValueType,
        value: &'a AstExpr,
        body: &mut Body<'a>,
    ) -> Option<Expr> {
        // A literal is read as what is stored; everything else is compared with the concern.
        let mut stored = self.stored_key(wanted);
        while let Some(ValueType::IdOf(id)) = stored {
            stored = self.stored_key(self.schema.concern(id).keys[0].ty.value);
        }
        let expected = stored.map(Type::one).filter(|stored| match value.kind {
            Ast::Number(_) => {
                matches!(stored.value, ValueType::Scalar(scalar) if scalar.is_number())
            }
            Ast::Path(_) => matches!(stored.value, ValueType::Enum(_)),
            _ => false,
        });
        self.expr_alone(value, expected, body)
    }

    fn wrong_key(&mut self, wanted: ValueType, expr: &Expr) {
        let found = self.show_type(expr.ty);
        let (what, would_do) = match wanted {
            ValueType::Ref(id) | ValueType::IdOf(id) => {
                let declared = self.schema.concern(id);
                let name = &declared.name;
                let would_do = match declared.single_key() {
                    Some(key) => format!(
                        "a `ref {name}`, an `id of {name}` or a `{}` would do",
                        self.show_type(key.ty)
                    ),
                    None => format!("a `ref {name}` or an `id of {name}` would do"),
                };
                (format!("a key of `{name}`"), would_do)
            }
            part => {
                let shown = self.show_type(Type::one(part));
                (
                    format!("a `{shown}`"),
                    format!("this part of the key is a `{shown}`"),
                )
            }
        };
        let finding = Diagnostic::new(
            Code::WrongKey,
            expr.span,
            format!("{what} is wanted, and this is a `{found}`"),
        );
        let finding = match expr.ty.value {
            _ if expr.ty.is_optional() => {
                finding.help("it may be absent: ask for it with `if let`")
            }
            ValueType::Concern(other) => self.key_of_instance(finding, expr, other),
            _ => finding.help(would_do),
        };
        self.report(finding);
    }
}

/// The values that are given for a key, as far as they are used.
struct Given<'a> {
    rest: std::slice::Iter<'a, KeyValue>,
    /// One that has been looked at, and is not used yet.
    next: Option<Expr>,
}
