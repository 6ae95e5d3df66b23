//! Owns expressions of transactions in Rust: at submission, out of parameters; later, out of
//! parameters and results.

use super::Cx;
use super::types::Imports;
use crate::model::{
    CompareOp, ConcernId, Expr, ExprKind, Field, Literal, Many, Path, Root, Scalar, StepId,
    Transaction, Type, ValueType,
};
use crate::naming;

/// When an expression is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// By the submitter: parameters are fields of `self`, derived keys are variables.
    Submission,
    /// On the way: parameters are fields of `params`, results are variables.
    Later,
}

/// The place of expressions: which transaction, when, and what the file has to import.
pub(super) struct Scope<'a> {
    pub(super) cx: &'a Cx<'a>,
    pub(super) transaction: &'a Transaction,
    pub(super) when: When,
    pub(super) imports: &'a mut Imports,
    /// Steps that give what is committed of an instance: one for each such expression, in order.
    pub(super) committed: Vec<u16>,
}

/// How Rust holds a value of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// A reference of the runtime around the key.
    reference: bool,
    many: Many,
    is_copy: bool,
}

impl Scope<'_> {
    /// A value of its own, for a field.
    pub(super) fn for_field(&mut self, expr: &Expr, field: &Field) -> String {
        match expr.kind {
            ExprKind::Default => {
                if field.ty.many == Many::One || field.default.is_some() {
                    self.import(field.ty);
                }
                self.cx.default_of(field)
            }
            _ => self.owned(expr, field.ty),
        }
    }

    /// A value of its own, of the type that is wanted.
    pub(super) fn owned(&mut self, expr: &Expr, want: Type) -> String {
        let expr = self.transaction.resolve_key(expr);
        let (value, many) = match &expr.kind {
            ExprKind::Path(path) => return self.owned_path(path, want),
            ExprKind::Literal(Literal::EmptyList) => {
                (format!("{}::new()", self.cx.names.std.vec), Many::List)
            }
            ExprKind::Literal(literal) => {
                self.import(expr.ty);
                (self.cx.rust_literal(literal, want.value), Many::One)
            }
            ExprKind::Record(id, parts) => {
                let message = self.cx.model.message(*id);
                let name = naming::camel(&message.name);
                self.imports.insert(name.clone());
                let mut record = format!("{name} {{ ");
                for (part, field) in parts.iter().zip(&message.fields) {
                    let mut value = self.for_field(part, field);
                    if self.cx.is_boxed(Some(*id), field) {
                        value = format!("{value}.map({}::new)", self.cx.names.std.boxed);
                    }
                    record.push_str(&format!("{}: {value}, ", naming::snake(&field.name)));
                }
                record.push('}');
                (record, Many::One)
            }
            ExprKind::Key(id, parts) => {
                let concern = self.cx.model.concern(*id);
                let name = self.cx.names.key(&concern.name).to_owned();
                self.imports.insert(name.clone());
                let parts = parts.iter().zip(&concern.keys).map(|(part, key)| {
                    format!("{}: {}", naming::snake(&key.name), self.owned(part, key.ty))
                });
                let parts: Vec<String> = parts.collect();
                (
                    wrap(format!("{name} {{ {} }}", parts.join(", ")), want.value),
                    Many::One,
                )
            }
            ExprKind::List(parts) => {
                let item = Type::one(want.value);
                let items: Vec<String> = parts.iter().map(|part| self.owned(part, item)).collect();
                (format!("vec![{}]", items.join(", ")), Many::List)
            }
            ExprKind::Committed(..) => {
                let step = self.committed.pop().unwrap_or_default();
                (format!("result_{step}"), Many::One)
            }
            ExprKind::DerivedUuid(step) => {
                let key = self.derived(*step);
                (wrap(key, want.value), Many::One)
            }
            ExprKind::Absent => return "None".to_owned(),
            // Only fields are left out, and those know their default.
            ExprKind::Default => (
                format!("{}::default()", self.cx.names.std.default),
                want.many,
            ),
            ExprKind::Not(_)
            | ExprKind::Compare(..)
            | ExprKind::IsPresent(_)
            | ExprKind::IsAbsent(_) => (self.condition(expr, false), Many::One),
        };
        if want.is_optional() && many == Many::One {
            format!("Some({value})")
        } else {
            value
        }
    }

    /// The key of an instance, borrowed, and what has to be computed for it first.
    pub(super) fn key(
        &mut self,
        key: &Expr,
        concern: ConcernId,
        number: u16,
    ) -> (Option<String>, String) {
        let key = self.transaction.resolve_key(key);
        match &key.kind {
            ExprKind::Path(path) => {
                let (place, held) = self.place(path);
                let borrowed = if held.reference {
                    format!("{place}.key()")
                } else {
                    format!("&{place}")
                };
                (None, borrowed)
            }
            ExprKind::DerivedUuid(step) => (None, format!("&{}", self.derived(*step))),
            _ => {
                let ty = self.cx.key_type(concern, self.imports);
                let stored = Type::one(self.cx.model.stored_as(ValueType::IdOf(concern)));
                let value = self.owned(key, stored);
                (
                    Some(format!("let key_{number}: {ty} = {value};")),
                    format!("&key_{number}"),
                )
            }
        }
    }

    /// A condition, or what it is not.
    pub(super) fn condition(&mut self, expr: &Expr, negated: bool) -> String {
        let negation = if negated { "!" } else { "" };
        match &expr.kind {
            ExprKind::Literal(Literal::Bool(value)) => (*value != negated).to_string(),
            ExprKind::Not(inner) => self.condition(inner, !negated),
            ExprKind::IsPresent(inner) => self.presence(inner, !negated),
            ExprKind::IsAbsent(inner) => self.presence(inner, negated),
            ExprKind::Compare(op, left, right) => self.comparison(*op, left, right, negated),
            ExprKind::Path(path) => format!("{negation}{}", self.place(path).0),
            _ => format!("{negation}({})", self.owned(expr, expr.ty)),
        }
    }

    fn presence(&mut self, expr: &Expr, present: bool) -> String {
        let test = if present { "is_some" } else { "is_none" };
        match &expr.kind {
            ExprKind::Path(path) => format!("{}.{test}()", self.place(path).0),
            _ => format!("({}).{test}()", self.owned(expr, expr.ty)),
        }
    }

    fn comparison(&mut self, op: CompareOp, left: &Expr, right: &Expr, negated: bool) -> String {
        let equal = match op {
            CompareOp::Eq => Some(!negated),
            CompareOp::Ne => Some(negated),
            _ => None,
        };
        // A comparison with `true` or `false` is the other side, or its negation.
        for (literal, other) in [(left, right), (right, left)] {
            if let (ExprKind::Literal(Literal::Bool(value)), Some(equal)) = (&literal.kind, equal)
                && !other.ty.is_optional()
            {
                return self.condition(other, *value != equal);
            }
        }
        let symbol = symbol(op, negated);
        let optional = left.ty.is_optional() || right.ty.is_optional();
        let equality = equal.is_some();
        let sides = [(left, right), (right, left)]
            .map(|(side, other)| self.side(side, other, optional, equality));
        format!("{} {symbol} {}", sides[0], sides[1])
    }

    /// One side of a comparison, borrowed where that is possible.
    fn side(&mut self, side: &Expr, other: &Expr, optional: bool, equality: bool) -> String {
        let side = self.transaction.resolve_key(side);
        if optional && !side.ty.is_optional() {
            return format!("Some({})", self.owned(side, plain(self.cx, side.ty)));
        }
        match &side.kind {
            ExprKind::Path(path) => {
                let (place, held) = self.place(path);
                let is_text =
                    self.cx.model.stored_as(side.ty.value) == ValueType::Scalar(Scalar::String);
                match (held.reference, held.many) {
                    // Two references compare as they are.
                    (true, Many::One) if !same_reference(side, other) => format!("*{place}.key()"),
                    (true, Many::Optional) if !same_reference(side, other) && held.is_copy => {
                        format!("{place}.map(|key| *key.key())")
                    }
                    (true, Many::Optional) if !same_reference(side, other) => {
                        format!("{place}.as_ref().map(|key| key.key().clone())")
                    }
                    (false, Many::One) if is_text && !equality => format!("{place}.as_str()"),
                    _ => place,
                }
            }
            ExprKind::Literal(Literal::String(text)) => format!("{text:?}"),
            ExprKind::Literal(literal) => {
                self.import(side.ty);
                self.cx.rust_literal(literal, other.ty.value)
            }
            _ => {
                let ty = plain(self.cx, side.ty);
                let value = self.owned(side, ty);
                if matches!(side.kind, ExprKind::Record(..)) {
                    format!("({value})")
                } else {
                    value
                }
            }
        }
    }

    fn owned_path(&mut self, path: &Path, want: Type) -> String {
        let (place, held) = self.place(path);
        let wants_reference = matches!(want.value, ValueType::Ref(_));
        let copied = if held.is_copy {
            place.clone()
        } else {
            format!("{place}.clone()")
        };
        let key = |value: &str| {
            if held.is_copy {
                format!("*{value}.key()")
            } else {
                format!("{value}.key().clone()")
            }
        };
        let value = match (held.reference, wants_reference, held.many) {
            (true, true, _) | (false, false, _) => copied,
            (false, true, Many::One) => format!("codegen::Ref::new({copied})"),
            (true, false, Many::One) => key(&place),
            (false, true, Many::Optional) => format!("{copied}.map(codegen::Ref::new)"),
            (true, false, Many::Optional) => {
                format!("{place}.as_ref().map(|item| {})", key("item"))
            }
            (false, true, Many::List) => {
                format!("{place}.iter().cloned().map(codegen::Ref::new).collect()")
            }
            (true, false, Many::List) => {
                format!("{place}.iter().map(|item| {}).collect()", key("item"))
            }
        };
        if want.is_optional() && held.many == Many::One {
            format!("Some({value})")
        } else {
            value
        }
    }

    /// Where the value of a path stands.
    fn place(&mut self, path: &Path) -> (String, Held) {
        let (mut place, mut ty) = match path.root {
            Root::Param(id) => {
                let param = self.transaction.param(id);
                let base = if self.when == When::Submission {
                    "self"
                } else {
                    "params"
                };
                (format!("{base}.{}", naming::snake(&param.name)), param.ty)
            }
            Root::Step(id) => (format!("result_{}", id.index()), self.result_type(id)),
        };
        for field in &path.fields {
            let field = self.cx.model.field(*field);
            place = format!("{place}.{}", naming::snake(&field.name));
            ty = field.ty;
        }
        let held = Held {
            reference: matches!(ty.value, ValueType::Ref(_)),
            many: ty.many,
            is_copy: self.cx.is_copy(ty),
        };
        (place, held)
    }

    /// The type of what a step gives.
    pub(super) fn result_type(&self, id: StepId) -> Type {
        result_type(self.cx, self.transaction, id)
            .unwrap_or(Type::one(ValueType::Scalar(Scalar::Bool)))
    }

    fn derived(&self, step: StepId) -> String {
        match self.when {
            When::Submission => format!("key_{}", step.index()),
            When::Later => format!("codegen::derived_uuid(txn.id, {}, 0)", step.index()),
        }
    }

    fn import(&mut self, ty: Type) {
        if let ValueType::Enum(_) | ValueType::Message(_) = ty.value {
            self.cx.value_type(ty.value, self.imports);
        }
    }
}

/// The type of what a step gives; none for a command without a result.
pub(super) fn result_type(cx: &Cx<'_>, transaction: &Transaction, id: StepId) -> Option<Type> {
    use crate::model::StepKind;
    let step = transaction.step(id);
    let concern = cx.model.concern(step.concern);
    match &step.kind {
        StepKind::Create(_) | StepKind::Get => Some(Type::one(ValueType::Concern(step.concern))),
        StepKind::Command(command, _) => concern
            .command(*command)
            .result
            .as_ref()
            .map(|result| result.ty),
        StepKind::Query(query, _) => Some(concern.query(*query).result.ty),
    }
}

/// The expressions of what is committed, outermost first.
pub(super) fn committed(expr: &Expr) -> Vec<(ConcernId, &Expr)> {
    let mut found = Vec::new();
    expr.walk(&mut |part| {
        if let ExprKind::Committed(concern, key) = &part.kind {
            found.push((*concern, key.as_ref()));
        }
    });
    found
}

/// The fields of a path, if the expression is one.
pub(super) fn whole_step(expr: &Expr) -> Option<StepId> {
    match &expr.kind {
        ExprKind::Path(Path {
            root: Root::Step(id),
            fields,
            ..
        }) if fields.is_empty() => Some(*id),
        _ => None,
    }
}

/// The type of a value whose key is not wrapped.
fn plain(cx: &Cx<'_>, ty: Type) -> Type {
    Type {
        value: cx.model.stored_as(ty.value),
        many: Many::One,
    }
}

fn wrap(key: String, want: ValueType) -> String {
    match want {
        ValueType::Ref(_) => format!("codegen::Ref::new({key})"),
        _ => key,
    }
}

/// Whether both are paths to references to one concern, and as optional as each other.
fn same_reference(side: &Expr, other: &Expr) -> bool {
    let is_path = |expr: &Expr| matches!(expr.kind, ExprKind::Path(_));
    is_path(side)
        && is_path(other)
        && matches!(side.ty.value, ValueType::Ref(_))
        && side.ty == other.ty
}

fn symbol(op: CompareOp, negated: bool) -> &'static str {
    match (op, negated) {
        (CompareOp::Eq, false) | (CompareOp::Ne, true) => "==",
        (CompareOp::Ne, false) | (CompareOp::Eq, true) => "!=",
        (CompareOp::Lt, false) | (CompareOp::Ge, true) => "<",
        (CompareOp::Le, false) | (CompareOp::Gt, true) => "<=",
        (CompareOp::Gt, false) | (CompareOp::Le, true) => ">",
        (CompareOp::Ge, false) | (CompareOp::Lt, true) => ">=",
    }
}
