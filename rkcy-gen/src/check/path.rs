//! Pass 5, paths: names, and fields of what they stand for.

use super::Checker;
use super::body::{Body, Bound, rooted};
use super::schema::Owner;
use super::types::collection;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Expr, ExprKind, Field, FieldRef, Literal, Many, Number, Root, Scalar, Type, ValueType,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;

impl Checker {
    pub(super) fn path(
        &mut self,
        path: &[Ident],
        span: Span,
        expected: Option<Type>,
        body: &mut Body<'_>,
    ) -> Option<Expr> {
        let (first, rest) = path.split_first()?;
        let root = self.root(first, rest.is_empty(), expected, body)?;
        let mut expr = Expr {
            span: first.span,
            ..root
        };
        for name in rest {
            expr = self.field_of(expr, name, body)?;
        }
        Some(Expr { span, ..expr })
    }

    /// What the first name of a path stands for.
    fn root(
        &mut self,
        name: &Ident,
        alone: bool,
        expected: Option<Type>,
        body: &mut Body<'_>,
    ) -> Option<Expr> {
        let text = name.text.as_str();
        let span = name.span;
        let enum_value = expected
            .filter(|_| alone)
            .and_then(|ty| self.enum_value(ty, text, span));
        if let Some(bound) = body.find(text) {
            if enum_value.is_some() {
                self.report(
                    Diagnostic::new(
                        Code::Ambiguous,
                        span,
                        format!(
                            "`{text}` is bound here, and it is a value of the enum that is expected"
                        ),
                    )
                    .help("rename what is bound"),
                );
                return None;
            }
            return match bound {
                Bound::Param(id, ty) => Some(rooted(Root::Param(id), ty, span)),
                Bound::Step(id, ty) => Some(rooted(Root::Step(id), ty, span)),
                Bound::Local(id, ty) => Some(rooted(Root::Local(id), ty, span)),
                Bound::Expr(expr, _) => Some(expr),
                Bound::Lost => None,
                Bound::TooLarge => {
                    self.too_large(span, body);
                    None
                }
            };
        }
        if enum_value.is_some() {
            return enum_value;
        }
        match text {
            "true" | "false" => {
                let ty = Type::one(ValueType::Scalar(Scalar::Bool));
                return Some(Expr {
                    ty,
                    kind: ExprKind::Literal(Literal::Bool(text == "true")),
                    span,
                });
            }
            "now" => {
                let ty = Type::one(ValueType::Scalar(Scalar::Timestamp));
                return Some(rooted(Root::Now, ty, span));
            }
            "caller" => return self.caller(span, body),
            _ => {}
        }
        self.unknown_name(name, alone.then_some(expected).flatten(), body);
        None
    }

    /// Who called, as the platform says it.
    fn caller(&mut self, span: Span, body: &mut Body<'_>) -> Option<Expr> {
        body.sees_caller = true;
        match self.schema.caller {
            Some(Some(message)) => {
                let ty = Type::one(ValueType::Message(message));
                return Some(rooted(Root::Caller, ty, span));
            }
            Some(None) => {}
            None => self.report(
                Diagnostic::new(
                    Code::UnknownName,
                    span,
                    "the platform does not say what `caller` is",
                )
                .help(
                    "name the message that the edge fills in: `platform NAME { caller Session }`",
                ),
            ),
        }
        body.blurred = true;
        None
    }

    /// Reports, once for each transaction, that its expressions have grown too large.
    fn too_large(&mut self, span: Span, body: &mut Body<'_>) {
        if !std::mem::replace(&mut body.too_large, true) {
            self.report(
                Diagnostic::new(
                    Code::TooLarge,
                    span,
                    "the values of this transaction are too large",
                )
                .saying("with all that this name stands for")
                .help("take a part as a parameter, or let a command make it"),
            );
        }
    }

    fn unknown_name(&mut self, name: &Ident, expected: Option<Type>, body: &mut Body<'_>) {
        let text = name.text.as_str();
        if body.lost_names.contains(&text) {
            return;
        }
        if let Some(later) = body.bound_later(text) {
            self.report(
                Diagnostic::new(
                    Code::UsedTooEarly,
                    name.span,
                    format!("`{text}` is used before it exists"),
                )
                .label(later.span, "bound here")
                .help("move the `let` up"),
            );
            return;
        }
        if let Some(inside) = body.bound_inside(text) {
            self.report(
                Diagnostic::new(
                    Code::UsedOutside,
                    name.span,
                    format!("`{text}` is known only inside the braces in which it is bound"),
                )
                .label(inside, "bound here")
                .help("give it out of them: `let x = if … { yield … } else { yield … }`, or `for`"),
            );
            return;
        }
        let mut known = body.known_names();
        let mut finding = Diagnostic::new(
            Code::UnknownName,
            name.span,
            format!("`{text}` is not known here"),
        );
        if let Some(ValueType::Enum(id)) = expected.map(|ty| ty.value) {
            if self.schema.is_lost(Owner::Enum(id), text) {
                return;
            }
            let declared = self.schema.enumeration(id);
            let values: Vec<String> = declared
                .values
                .iter()
                .map(|value| value.name.clone())
                .collect();
            finding = finding.help(format!(
                "the values of `{}` are {}",
                declared.name,
                super::default::list(&values)
            ));
            known.extend(values);
        } else if self.schema.types.contains_key(text) {
            finding = finding.help(format!("`{text}` is a type; an instance is written `{text}[key]`, a record `{text} {{ … }}`"));
            self.report(finding);
            return;
        } else {
            finding = finding.help("a name is a parameter, or bound by a `let` above");
        }
        self.report(finding.did_you_mean(name.span, text, known.iter().map(String::as_str)));
    }

    fn enum_value(&self, ty: Type, name: &str, span: Span) -> Option<Expr> {
        let ValueType::Enum(id) = ty.value else {
            return None;
        };
        let index = self
            .schema
            .enumeration(id)
            .values
            .iter()
            .position(|value| value.name == name)?;
        let ty = Type::one(ValueType::Enum(id));
        Some(Expr {
            ty,
            kind: ExprKind::Literal(Literal::Enum(id, index as u32)),
            span,
        })
    }

    /// A field of a value.
    fn field_of(&mut self, base: Expr, name: &Ident, body: &mut Body<'_>) -> Option<Expr> {
        let text = name.text.as_str();
        let span = base.span.to_end(name.span);
        let whole = self.show_type(base.ty);
        match base.ty.many {
            Many::One => {}
            Many::Optional => {
                self.report(
                    Diagnostic::new(
                        Code::FieldOfOptional,
                        span,
                        format!("this is a `{whole}`, so it may be absent and have no `{text}`"),
                    )
                    .help("ask for it: `if let x = … { … }`"),
                );
                return None;
            }
            Many::List | Many::Map => {
                let what = collection(base.ty);
                let message = format!("this is a `{whole}`, and {what} has no fields");
                let finding = Diagnostic::new(Code::NoFields, span, message);
                self.report(finding.help(match base.ty.is_list() {
                    true => "go through it: `for x in … { … }`",
                    false => "let a `function` look into it",
                }));
                return None;
            }
        }
        let (owner, found) = match base.ty.value {
            ValueType::Message(id) => {
                let fields = &self.schema.message(id).fields;
                let found = fields
                    .iter()
                    .position(|field| field.name == text)
                    .map(|at| FieldRef::Message(id, at as u32));
                (Owner::Message(id), found)
            }
            ValueType::Concern(id) => {
                let concern = self.schema.concern(id);
                let at = |fields: &[Field]| fields.iter().position(|field| field.name == text);
                let key = at(&concern.keys).filter(|_| !self.schema.lost_keys.contains(&id));
                let found = match (key, concern.keys.len()) {
                    (Some(_), 1) => Some(FieldRef::Key(id)),
                    (Some(part), _) => Some(FieldRef::KeyPart(id, part as u32)),
                    (None, _) => at(&concern.fields).map(|at| FieldRef::Concern(id, at as u32)),
                };
                (Owner::Concern(id), found)
            }
            ValueType::Ref(id) | ValueType::IdOf(id) => {
                let concern = &self.schema.concern(id).name;
                let finding = Diagnostic::new(
                    Code::NoFields,
                    span,
                    format!(
                        "this is a key of `{concern}`, not the instance, so it has no `{text}`"
                    ),
                )
                .help(format!(
                    "read the instance first: `let x = get {concern}[…]`, then `x.{text}`"
                ));
                self.report(finding);
                return None;
            }
            ValueType::ConfigRef(id) => {
                let config = &self.schema.message(id).name;
                let message =
                    format!("this is a key of `{config}`, not the object, so it has no `{text}`");
                let finding = Diagnostic::new(Code::NoFields, span, message);
                self.report(finding.help("handlers read configuration, by `cx.config(…)`"));
                return None;
            }
            ValueType::Scalar(_) | ValueType::Enum(_) => {
                self.report(
                    Diagnostic::new(
                        Code::NoFields,
                        span,
                        format!("this is a `{whole}`, which has no fields"),
                    )
                    .help("remove what follows the `.`"),
                );
                return None;
            }
        };
        match found {
            Some(field) => Some(self.through(base, field, span, body)),
            None => {
                self.unknown_field(owner, name);
                None
            }
        }
    }

    /// Goes through one field. A record that is known is looked into at once.
    fn through(&mut self, base: Expr, field: FieldRef, span: Span, body: &mut Body<'_>) -> Expr {
        let declared = self.field_behind(field).clone();
        let ty = match field {
            FieldRef::Key(concern) => Type::one(ValueType::IdOf(concern)),
            _ => declared.ty,
        };
        match base.kind {
            ExprKind::Path(mut path) => {
                path.fields.push(field);
                Expr {
                    ty,
                    kind: ExprKind::Path(path),
                    span,
                }
            }
            ExprKind::Record(_, mut values) => match field {
                FieldRef::Message(_, at) if (at as usize) < values.len() => {
                    let inner = values.swap_remove(at as usize);
                    match inner.kind {
                        // What a default is, is told by its field, which is lost here.
                        ExprKind::Default => self.default_of(&declared, span),
                        _ => Expr { span, ..inner },
                    }
                }
                _ => Expr {
                    ty,
                    kind: ExprKind::Default,
                    span,
                },
            },
            ExprKind::Committed(..) => {
                self.committed_without_binding(span);
                body.blurred = true;
                Expr {
                    ty,
                    kind: ExprKind::Default,
                    span,
                }
            }
            _ => self.default_of(&declared, span),
        }
    }

    /// The value of a field that is left out, where the field is not told by the place.
    fn default_of(&self, field: &Field, span: Span) -> Expr {
        let literal = field
            .default
            .clone()
            .or(match (field.ty.many, field.ty.value) {
                (Many::List, _) => Some(Literal::EmptyList),
                (Many::One, ValueType::Scalar(Scalar::Bool)) => Some(Literal::Bool(false)),
                (Many::One, ValueType::Scalar(Scalar::Duration)) => {
                    Some(Literal::Number(Number::Int(0)))
                }
                (Many::One, ValueType::Scalar(scalar)) if scalar.is_number() => {
                    Some(Literal::Number(scalar.zero()))
                }
                _ => None,
            });
        let kind = match (literal, field.ty.many, field.ty.value) {
            (Some(literal), ..) => ExprKind::Literal(literal),
            (None, Many::One, ValueType::Message(id)) => {
                let fields = &self.schema.message(id).fields;
                ExprKind::Record(
                    id,
                    fields
                        .iter()
                        .map(|field| Expr {
                            ty: field.ty,
                            kind: ExprKind::Default,
                            span,
                        })
                        .collect(),
                )
            }
            (None, Many::Optional, _) => ExprKind::Absent,
            // All other types cannot be left out.
            (None, ..) => ExprKind::Default,
        };
        Expr {
            ty: field.ty,
            kind,
            span,
        }
    }

    pub(super) fn field_behind(&self, field: FieldRef) -> &Field {
        match field {
            FieldRef::Key(concern) => &self.schema.concern(concern).keys[0],
            FieldRef::KeyPart(concern, part) => &self.schema.concern(concern).keys[part as usize],
            FieldRef::Concern(concern, at) => &self.schema.concern(concern).fields[at as usize],
            FieldRef::Message(message, at) => &self.schema.message(message).fields[at as usize],
        }
    }

    pub(super) fn unknown_field(&mut self, owner: Owner, name: &Ident) {
        let text = name.text.as_str();
        if self.is_side(owner, name) {
            return;
        }
        let names = |fields: &[Field]| -> Vec<String> {
            fields.iter().map(|field| field.name.clone()).collect()
        };
        let (shown, known): (&str, Vec<String>) = match owner {
            Owner::Message(id) => {
                let message = self.schema.message(id);
                (&message.name, names(&message.fields))
            }
            Owner::Event(id) => {
                let event = self.schema.event(id);
                (&event.name, names(&event.fields))
            }
            Owner::Concern(id) => {
                let concern = self.schema.concern(id);
                let all = concern.all_fields().map(|field| field.name.clone());
                (&concern.name, all.filter(|name| !name.is_empty()).collect())
            }
            Owner::Enum(_) => return,
        };
        if self.schema.is_lost(owner, text) {
            return;
        }
        let finding = Diagnostic::new(
            Code::UnknownField,
            name.span,
            format!("`{shown}` has no field `{text}`"),
        )
        .help(format!("its fields are {}", super::default::list(&known)));
        let known = known.iter().map(String::as_str);
        let finding = finding.did_you_mean(name.span, text, known);
        self.report(finding);
    }
}
