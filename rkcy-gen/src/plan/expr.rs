//! Owns expressions of transactions in Rust: what is known at submission as it is, what comes out of
//! results as a `Later`.

use super::Cx;
use super::body::{Variables, entry};
use super::types::Imports;
use crate::model::{
    CompareOp, ConcernId, Expr, ExprKind, Field, FieldRef, Literal, Many, Number, Path, Root,
    Scalar, StepId, Transaction, Type, ValueType,
};
use crate::naming;

/// The place of expressions: which transaction, what is bound, and what the file has to import.
pub(super) struct Scope<'a> {
    pub(super) cx: &'a Cx<'a>,
    pub(super) transaction: &'a Transaction,
    pub(super) imports: &'a mut Imports,
    pub(super) variables: &'a Variables,
}

/// A `Later`.
pub(super) struct Later {
    text: String,
    /// Whether it is a variable, and nothing else.
    is_variable: bool,
}

impl Later {
    /// A reference to it.
    pub(super) fn borrowed(self) -> String {
        format!("&{}", self.text)
    }

    /// The value itself; a variable may be used again, unless this is the last use.
    pub(super) fn owned(self, is_last: bool) -> String {
        if self.is_variable && !is_last {
            format!("{}.clone()", self.text)
        } else {
            self.text
        }
    }
}

/// An optional, ready to be asked for what it holds.
pub(super) struct Opened {
    /// What stands behind `if let Some(x) =`.
    pub(super) matched: String,
    /// The same as an `Option`.
    pub(super) option: String,
    /// Whether what is found is a reference.
    pub(super) is_reference: bool,
}

/// How Rust holds a value of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// A reference of the runtime around the key.
    reference: bool,
    many: Many,
    is_copy: bool,
    /// In a `Box`, which ends a message that contains itself.
    is_boxed: bool,
    /// The variable is a Rust reference to the value.
    is_borrowed: bool,
}

/// What a `for` goes through.
pub(super) struct Elements {
    pub(super) source: String,
    /// What stands before the name of the element.
    pub(super) pattern: &'static str,
    /// Whether the elements are references.
    pub(super) is_reference: bool,
}

impl Scope<'_> {
    /// A value as a `Later`.
    pub(super) fn later(&mut self, expr: &Expr, want: Type) -> Later {
        let resolved = self.transaction.resolve_key(expr);
        let names = atoms(self.transaction, &[resolved], self.variables);
        if names.is_empty() {
            let value = self.owned(resolved, want);
            return Later {
                text: format!("codegen::Later::known({value})"),
                is_variable: false,
            };
        }
        if let ExprKind::Path(path) = &resolved.kind
            && path.fields.is_empty()
        {
            let (place, held) = self.place(path);
            let is_same =
                held.many == want.many && held.reference == matches!(want.value, ValueType::Ref(_));
            if is_same {
                return Later {
                    text: place,
                    is_variable: true,
                };
            }
        }
        let (names, value) = (names.join(", "), self.owned(resolved, want));
        Later {
            text: format!("codegen::later!(|{names}| {value})"),
            is_variable: false,
        }
    }

    /// A reference to a value of the type that is wanted.
    pub(super) fn borrowed(&mut self, expr: &Expr, want: Type) -> String {
        match &expr.kind {
            ExprKind::Path(path) => {
                let (place, held) = self.place(path);
                borrow(place, held)
            }
            _ => format!("&{}", self.owned(expr, want)),
        }
    }

    /// An optional that is known, ready to be asked.
    pub(super) fn opened(&mut self, optional: &Expr) -> Opened {
        let ExprKind::Path(path) = &optional.kind else {
            let ty = self.cx.value_type(optional.ty.value, self.imports);
            let value = format!("None::<{ty}>");
            return Opened {
                matched: value.clone(),
                option: value,
                is_reference: false,
            };
        };
        let (place, held) = self.place(path);
        match (held.is_copy, held.is_boxed) {
            (true, _) => {
                let value = if held.is_borrowed {
                    format!("*{place}")
                } else {
                    place.clone()
                };
                Opened {
                    matched: value,
                    option: place,
                    is_reference: false,
                }
            }
            (false, true) => Opened {
                matched: format!("{place}.as_deref()"),
                option: format!("{place}.as_deref()"),
                is_reference: true,
            },
            (false, false) => Opened {
                option: format!("{place}.as_ref()"),
                matched: borrow(place, held),
                is_reference: true,
            },
        }
    }

    /// What a `for` goes through; a list that is written out gets a variable first.
    pub(super) fn elements(&mut self, list: &Expr, lines: &mut Vec<String>) -> Elements {
        let element = Type::one(list.ty.value);
        let owned = |source: String| Elements {
            source,
            pattern: "",
            is_reference: false,
        };
        match &list.kind {
            ExprKind::Path(path) => {
                let (place, held) = self.place(path);
                let is_copy = self.cx.is_copy(element);
                Elements {
                    source: borrow(place, held),
                    pattern: if is_copy { "&" } else { "" },
                    is_reference: !is_copy,
                }
            }
            ExprKind::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| self.owned(item, element)).collect();
                lines.push(format!("let list = [{}];", items.join(", ")));
                owned("list".to_owned())
            }
            _ => {
                let ty = self.cx.value_type(element.value, self.imports);
                owned(format!("{}::<{ty}>::new()", self.cx.names.std.vec))
            }
        }
    }

    /// An argument of a function, as [`Cx::argument_type`] says its type.
    pub(super) fn argument(&mut self, expr: &Expr, want: Type) -> String {
        if self.cx.is_copy(want) {
            return self.owned(expr, want);
        }
        let is_text = self.cx.is_text(want.value);
        let wants_reference = matches!(want.value, ValueType::Ref(_));
        let path = match &expr.kind {
            ExprKind::Path(path) => Some(self.place(path)),
            _ => None,
        };
        let path = path.filter(|(_, held)| held.reference == wants_reference);
        match (path, want.many) {
            (Some((place, held)), Many::Optional) => match (held.many, is_text || held.is_boxed) {
                (Many::Optional, true) => format!("{place}.as_deref()"),
                (Many::Optional, false) => format!("{place}.as_ref()"),
                (_, true) if is_text => format!("Some({place}.as_str())"),
                _ => format!("Some({})", borrow(place, held)),
            },
            (Some((place, held)), _) => borrow(place, held),
            (None, Many::List) => match &expr.kind {
                ExprKind::List(items) => {
                    if let [item] = items.as_slice()
                        && matches!(item.kind, ExprKind::Path(_))
                        && !self.cx.is_copy(Type::one(want.value))
                    {
                        let item = self.argument(item, Type::one(want.value));
                        return format!("::std::slice::from_ref({item})");
                    }
                    let item = Type::one(want.value);
                    let items: Vec<String> =
                        items.iter().map(|part| self.owned(part, item)).collect();
                    format!("&[{}]", items.join(", "))
                }
                ExprKind::Literal(_) => "&[]".to_owned(),
                _ => format!("&{}", self.owned(expr, want)),
            },
            (None, many) => {
                let value = match &expr.kind {
                    ExprKind::Absent => return "None".to_owned(),
                    ExprKind::Literal(Literal::String(text)) => format!("{text:?}"),
                    _ if expr.ty.is_optional() => {
                        return format!("{}.as_ref()", self.owned(expr, want));
                    }
                    _ => format!("&{}", self.owned(expr, want.present())),
                };
                match many {
                    Many::Optional => format!("Some({value})"),
                    _ => value,
                }
            }
        }
    }

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
                    record.push_str(&entry(&naming::snake(&field.name), value));
                    record.push_str(", ");
                }
                record.push('}');
                (record, Many::One)
            }
            ExprKind::Key(id, parts) => {
                let concern = self.cx.model.concern(*id);
                let name = self.cx.names.key(&concern.name).to_owned();
                self.imports.insert(name.clone());
                let parts = parts
                    .iter()
                    .zip(&concern.keys)
                    .map(|(part, key)| entry(&naming::snake(&key.name), self.owned(part, key.ty)));
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
            ExprKind::DerivedUuid(step) => {
                let key = self.derived(*step);
                (wrap(key, want.value), Many::One)
            }
            ExprKind::AutoUuid(step, field) => {
                let autos = &self.variables.autos;
                let variable = autos.get(&(*step, *field)).cloned().unwrap_or_default();
                (variable, Many::One)
            }
            ExprKind::Absent => return "None".to_owned(),
            // Only fields are left out, and those know their default. Calls and what is committed are
            // variables.
            ExprKind::Default | ExprKind::Call(..) | ExprKind::Committed(..) => (
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

    /// The key of an instance that is known, borrowed.
    pub(super) fn key(&mut self, key: &Expr, concern: ConcernId) -> String {
        let key = self.transaction.resolve_key(key);
        match &key.kind {
            ExprKind::Path(path) => {
                let (place, held) = self.place(path);
                if held.reference {
                    format!("{place}.key()")
                } else {
                    borrow(place, held)
                }
            }
            ExprKind::DerivedUuid(step) => format!("&{}", self.derived(*step)),
            _ => {
                let stored = Type::one(self.cx.model.stored_as(ValueType::IdOf(concern)));
                format!("&{}", self.owned(key, stored))
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
            ExprKind::Path(path) => {
                let (place, held) = self.place(path);
                let deref = if held.is_borrowed { "*" } else { "" };
                format!("{negation}{deref}{place}")
            }
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
        if let Some(text) = self.extreme(op, left, right, negated) {
            return text;
        }
        let symbol = symbol(op, negated);
        let optional = left.ty.is_optional() || right.ty.is_optional();
        let equality = equal.is_some();
        let sides = [(left, right), (right, left)]
            .map(|(side, other)| self.side(side, other, optional, equality));
        format!("{} {symbol} {}", sides[0], sides[1])
    }

    /// Comparisons that clippy wants to be said in another way: with empty text, and with the smallest
    /// or largest value of an integer.
    fn extreme(
        &mut self,
        op: CompareOp,
        left: &Expr,
        right: &Expr,
        negated: bool,
    ) -> Option<String> {
        let (op, value, literal) = match (&left.kind, &right.kind) {
            (_, ExprKind::Literal(literal)) => (op, left, literal),
            (ExprKind::Literal(literal), _) => (flipped(op), right, literal),
            _ => return None,
        };
        let negation = |denies: bool| if denies != negated { "!" } else { "" };
        let is_plain = value.ty.many == Many::One && matches!(value.kind, ExprKind::Path(_));
        let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
        match literal {
            Literal::String(text) if text.is_empty() && equality && is_plain => {
                let place = self.text(value)?;
                let negation = negation(op == CompareOp::Ne);
                Some(format!("{negation}{place}.is_empty()"))
            }
            Literal::Number(Number::Int(number)) => {
                let ValueType::Scalar(scalar) = value.ty.value else {
                    return None;
                };
                let (low, high) = scalar.integer_bounds()?;
                let is_low = *number == low;
                if !(is_low || *number == high) || equality || !is_plain {
                    return None;
                }
                let side = self.side(value, value, false, true);
                let (always, denies) = match (op, is_low) {
                    (CompareOp::Ge, true) | (CompareOp::Le, false) => (true, false),
                    (CompareOp::Lt, true) | (CompareOp::Gt, false) => (true, true),
                    (CompareOp::Le, true) | (CompareOp::Ge, false) => (false, false),
                    _ => (false, true),
                };
                let range = if is_low {
                    format!("({number}..)")
                } else {
                    format!("(..={number})")
                };
                let borrowed = match side.strip_prefix('*') {
                    Some(reference) => reference.to_owned(),
                    None => format!("&{side}"),
                };
                Some(match always {
                    true => format!("{}{range}.contains({borrowed})", negation(denies)),
                    false if denies != negated => format!("{side} != {number}"),
                    false => format!("{side} == {number}"),
                })
            }
            _ => None,
        }
    }

    /// The place of a text, or of the text that is a key.
    fn text(&mut self, value: &Expr) -> Option<String> {
        let ExprKind::Path(path) = &self.transaction.resolve_key(value).kind else {
            return None;
        };
        let (place, held) = self.place(path);
        Some(if held.reference {
            format!("{place}.key()")
        } else {
            place
        })
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
                    _ if held.is_borrowed => format!("*{place}"),
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
        let copied = match (held.is_copy, held.is_borrowed) {
            (true, true) => format!("*{place}"),
            (true, false) => place.clone(),
            _ if held.is_boxed => format!("{place}.as_deref().cloned()"),
            _ => format!("{place}.clone()"),
        };
        let is_copy = self.cx.is_copy(Type::one(want.value));
        let key = |value: &str| {
            if is_copy {
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
            (false, true, Many::Map) => format!(
                "{copied}.into_iter().map(|(name, item)| (name, codegen::Ref::new(item))).collect()"
            ),
            (true, false, Many::Map) => format!(
                "{place}.iter().map(|(name, item)| (name.clone(), {})).collect()",
                key("item")
            ),
        };
        if want.is_optional() && held.many == Many::One {
            format!("Some({value})")
        } else {
            value
        }
    }

    /// Where the value of a path stands.
    fn place(&mut self, path: &Path) -> (String, Held) {
        let mut is_borrowed = false;
        let (mut place, mut ty) = match path.root {
            Root::Param(id) => {
                let param = self.transaction.param(id);
                (format!("self.{}", naming::snake(&param.name)), param.ty)
            }
            Root::Step(id) => {
                is_borrowed = true;
                let name = self.variables.results.get(&id).cloned();
                let ty = self.transaction.step(id).gives;
                // Steps that give nothing are bound to nothing.
                let ty = ty.unwrap_or(Type::one(ValueType::Scalar(Scalar::Bool)));
                (name.unwrap_or_default(), ty)
            }
            Root::Local(id) => {
                let local = self.transaction.local(id);
                let variable = self.variables.locals.get(&id).cloned().unwrap_or_default();
                is_borrowed = variable.is_reference || !local.needs.is_empty();
                (variable.name, local.ty)
            }
            Root::Now => (
                "now".to_owned(),
                Type::one(ValueType::Scalar(Scalar::Timestamp)),
            ),
            Root::Caller => {
                let message = self.cx.model.platform().caller;
                let ty = message.map_or(ValueType::Scalar(Scalar::Bool), ValueType::Message);
                ("caller".to_owned(), Type::one(ty))
            }
        };
        let mut is_boxed = false;
        for field in &path.fields {
            let message = match field {
                FieldRef::Message(message, _) => Some(*message),
                _ => None,
            };
            let field = self.cx.model.field(*field);
            place = format!("{place}.{}", naming::snake(&field.name));
            ty = field.ty;
            is_boxed = self.cx.is_boxed(message, field);
            is_borrowed = false;
        }
        let held = Held {
            reference: matches!(ty.value, ValueType::Ref(_)),
            many: ty.many,
            is_copy: self.cx.is_copy(ty),
            is_boxed,
            is_borrowed,
        };
        (place, held)
    }

    fn derived(&self, step: StepId) -> String {
        self.variables.keys.get(&step).cloned().unwrap_or_default()
    }

    fn import(&mut self, ty: Type) {
        if let ValueType::Enum(_) | ValueType::Message(_) = ty.value {
            self.cx.value_type(ty.value, self.imports);
        }
    }
}

/// The variables that the values come out of and that are `Later`, in the order in which they appear.
pub(super) fn atoms(
    transaction: &Transaction,
    values: &[&Expr],
    variables: &Variables,
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for value in values {
        value.walk(&mut |part| {
            let resolved = transaction.resolve_key(part);
            let name = match &resolved.kind {
                ExprKind::Path(path) => match path.root {
                    Root::Step(id) => variables.results.get(&id).cloned(),
                    Root::Local(id) if !transaction.local(id).needs.is_empty() => {
                        variables.locals.get(&id).map(|it| it.name.clone())
                    }
                    _ => None,
                },
                _ if !std::ptr::eq(resolved, part) => {
                    names.extend(atoms(transaction, &[resolved], variables));
                    None
                }
                _ => None,
            };
            names.extend(name);
        });
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// A reference to a place.
fn borrow(place: String, held: Held) -> String {
    if held.is_borrowed {
        place
    } else {
        format!("&{place}")
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

/// The comparison with its sides exchanged.
fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
        same => same,
    }
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
