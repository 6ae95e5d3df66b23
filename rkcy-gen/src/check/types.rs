//! Owns the resolution of types, and their names in messages.

use rkcy_core::decimal::MOST_DIGITS;

use super::Checker;
use super::schema::Kind;
use crate::diagnostic::{Code, Diagnostic, Edit, Label, closest};
use crate::model::{ConcernId, Digits, Many, Scalar, Type, ValueType};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::field as ast;

/// So many types that are not known are held against all that are: who has more mistakes has another than misspelling.
const SUGGESTED: usize = 500;

/// Where a type stands; only some places take a whole concern.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A field or a parameter.
    Stored,
    /// A field that is the other side of a reference.
    Side,
    /// The result of a command of this concern.
    CommandResult(ConcernId),
    /// The result of a query.
    QueryResult,
    /// The result of a transaction.
    TransactionResult,
}

/// How many places of an unknown type get a label of their own.
const MAX_PLACES: usize = 5;

/// What people write who know other languages.
const FOREIGN_TYPES: [(&str, &str); 17] = [
    ("int", "i64"),
    ("integer", "i64"),
    ("long", "i64"),
    ("short", "i32"),
    ("float", "f64"),
    ("double", "f64"),
    ("number", "f64"),
    ("boolean", "bool"),
    ("str", "string"),
    ("text", "string"),
    ("String", "string"),
    ("varchar", "string"),
    ("datetime", "timestamp"),
    ("date", "timestamp"),
    ("time", "timestamp"),
    ("blob", "bytes"),
    ("jsonb", "json"),
];

/// What a type that holds any number of values is called.
pub(super) fn collection(ty: Type) -> &'static str {
    match ty.is_map() {
        true => "a map",
        false => "a list",
    }
}

impl Checker {
    /// The type that is meant, if it is known; else what is wrong has been reported.
    pub(super) fn resolve_type(&mut self, ty: &ast::Type, place: Place) -> Option<Type> {
        let value = match &ty.kind {
            ast::TypeKind::List(element) => {
                return self.collection(ty, element, Many::List, place);
            }
            ast::TypeKind::Map(element) => {
                return self.collection(ty, element, Many::Map, place);
            }
            ast::TypeKind::Decimal(precision, scale) => {
                ValueType::Scalar(self.decimal(precision, scale, ty.span)?)
            }
            ast::TypeKind::Ref(name) => match self.referred_config(name) {
                Some(config) => ValueType::ConfigRef(config),
                None => ValueType::Ref(self.referred_concern(name, "ref")?),
            },
            ast::TypeKind::IdOf(name) => ValueType::IdOf(self.referred_concern(name, "id of")?),
            ast::TypeKind::Named(name) => self.named_type(name, place)?,
        };
        if let [_, second, ..] = ty.optional.as_slice() {
            let last = ty.optional.last().copied().unwrap_or(*second);
            let span = second.to(last);
            self.report(
                Diagnostic::new(Code::RepeatedOptional, span, "`?` stands once")
                    .help("what is absent cannot be absent twice: remove this")
                    .edit(span, ""),
            );
        }
        let many = if ty.optional.is_empty() {
            Many::One
        } else {
            Many::Optional
        };
        Some(Type { value, many })
    }

    /// `decimal(p, s)` of as many digits as a number can have.
    fn decimal(&mut self, precision: &str, scale: &str, span: Span) -> Option<Scalar> {
        let digits = match (precision.parse(), scale.parse()) {
            (Ok(precision), Ok(scale)) => Digits::new(precision, scale),
            _ => None,
        };
        if digits.is_none() {
            let message = format!("no number has digits like `({precision}, {scale})`");
            self.report(
                Diagnostic::new(Code::WrongDigits, span, message).help(format!(
                    "the first number, from 1 to {MOST_DIGITS}, is how many digits there are in all; the second is how \
                     many of these stand behind the point: `decimal(10, 2)`"
                )),
            );
        }
        digits.map(Scalar::Decimal)
    }

    /// A list or a map of such elements.
    fn collection(
        &mut self,
        ty: &ast::Type,
        element: &ast::Type,
        many: Many,
        place: Place,
    ) -> Option<Type> {
        let what = if many == Many::Map { "map" } else { "list" };
        if let (Some(first), Some(last)) = (ty.optional.first(), ty.optional.last()) {
            let span = first.to(*last);
            let message = format!("a {what} is never optional");
            let help = format!("a {what} without elements says the same: remove the `?`");
            let finding = Diagnostic::new(Code::RepeatedOptional, span, message);
            self.report(finding.help(help).edit(span, ""));
        }
        let value = self.element(element, what, place)?;
        Some(Type { value, many })
    }

    /// The type of the elements of a list or a map.
    fn element(&mut self, ty: &ast::Type, what: &str, place: Place) -> Option<ValueType> {
        if matches!(ty.kind, ast::TypeKind::List(_) | ast::TypeKind::Map(_)) {
            let message = format!("a {what} holds no lists and no maps");
            let help = format!("put the inner one into a `message` and make a {what} of that");
            self.report(Diagnostic::new(Code::NestedCollection, ty.span, message).help(help));
            return None;
        }
        if let Some(mark) = ty.optional.first() {
            let mark = ty.optional.last().map_or(*mark, |last| mark.to(*last));
            self.report(
                Diagnostic::new(
                    Code::NestedCollection,
                    mark,
                    format!("an element of a {what} is never absent"),
                )
                .help("remove the `?`")
                .edit(mark, ""),
            );
        }
        let plain = ast::Type {
            optional: Vec::new(),
            ..ty.clone()
        };
        self.resolve_type(&plain, place).map(|ty| ty.value)
    }

    fn named_type(&mut self, name: &Ident, place: Place) -> Option<ValueType> {
        if let Some(declared) = self.schema.types.get(&name.text).copied() {
            self.note_use(name, declared.span.file);
            return match declared.kind {
                Kind::Message(id) => Some(ValueType::Message(id)),
                Kind::Enum(id) => Some(ValueType::Enum(id)),
                Kind::Concern(id) => self.concern_as_type(name, id, place),
                Kind::Config(_) => {
                    self.config_as_value(name);
                    None
                }
                Kind::Event(_) => {
                    self.event_as_value(name);
                    None
                }
            };
        }
        if let Some(scalar) = Scalar::from_word(&name.text) {
            return Some(ValueType::Scalar(scalar));
        }
        self.unknown_type(name);
        None
    }

    fn concern_as_type(&mut self, name: &Ident, id: ConcernId, place: Place) -> Option<ValueType> {
        let text = &name.text;
        let allowed = match place {
            Place::TransactionResult | Place::Side => true,
            Place::CommandResult(own) => own == id,
            Place::Stored | Place::QueryResult => false,
        };
        if allowed {
            return Some(ValueType::Concern(id));
        }
        let finding = match place {
            Place::Stored => Diagnostic::new(
                Code::StoredConcern,
                name.span,
                format!("the concern `{text}` cannot be stored inside something else"),
            )
            .help(format!("refer to it: `ref {text}`"))
            .edit(name.span, format!("ref {text}")),
            Place::QueryResult => Diagnostic::new(
                Code::ConcernResult,
                name.span,
                format!("a query does not give the instance `{text}` itself"),
            )
            .help("`get` does; a query gives a value or a message"),
            Place::CommandResult(_) | Place::TransactionResult | Place::Side => Diagnostic::new(
                Code::ConcernResult,
                name.span,
                format!("a command gives instances of its own concern only, not of `{text}`"),
            )
            .help("a transaction can return instances of every concern"),
        };
        self.report(finding);
        None
    }

    /// The concern after `ref`, `id of` or `in`.
    pub(super) fn referred_concern(&mut self, name: &Ident, word: &str) -> Option<ConcernId> {
        let text = &name.text;
        let Some(declared) = self.schema.types.get(text).copied() else {
            if Scalar::from_word(text).is_some() {
                self.report(
                    Diagnostic::new(
                        Code::WrongKindOfType,
                        name.span,
                        format!("`{word}` refers to a concern, and `{text}` is none"),
                    )
                    .help("name the concern whose key it is"),
                );
            } else {
                self.unknown_type(name);
            }
            return None;
        };
        self.note_use(name, declared.span.file);
        let what = match declared.kind {
            Kind::Concern(id) => return Some(id),
            Kind::Event(_) => {
                self.event_as_value(name);
                return None;
            }
            Kind::Config(_) => {
                self.config_as_concern(name, word);
                return None;
            }
            Kind::Message(_) => "a message",
            Kind::Enum(_) => "an enum",
        };
        self.report(
            Diagnostic::new(
                Code::WrongKindOfType,
                name.span,
                format!("`{word}` refers to a concern, and `{text}` is {what}"),
            )
            .label(declared.span, "declared here")
            .help(format!("write `{text}` alone to hold the value itself")),
        );
        None
    }

    /// Reports an unknown type, once for each name.
    pub(super) fn unknown_type(&mut self, name: &Ident) {
        let text = &name.text;
        if text.is_empty() || self.schema.lost_names.contains(text) {
            return;
        }
        if let Some(earlier) = self
            .schema
            .unknown_types
            .get(text)
            .and_then(|index| self.diagnostics.get_mut(*index))
        {
            if earlier.labels.len() < MAX_PLACES {
                earlier.labels.push(Label {
                    span: name.span,
                    text: "also here".to_owned(),
                });
            }
            if let Some(replacement) = earlier.edits.first().map(|edit| edit.replacement.clone()) {
                earlier.edits.push(Edit {
                    span: name.span,
                    replacement,
                });
            }
            return;
        }
        let finding = Diagnostic::new(
            Code::UnknownType,
            name.span,
            format!("there is no type `{text}`"),
        );
        let foreign = FOREIGN_TYPES
            .iter()
            .find(|(foreign, _)| foreign == text)
            .map(|(_, ours)| *ours);
        let words = Scalar::WORDS.iter().map(|scalar| scalar.word());
        let names = || self.schema.type_names().chain(words);
        let few = self.schema.unknown_types.len() < SUGGESTED;
        let known = foreign.or_else(|| closest(text, few.then(names).into_iter().flatten()));
        let finding = match (text.as_str(), known) {
            ("ref", _) => finding.help("a reference names its concern: `ref Concern`"),
            ("id", _) => finding.help("a key names its concern: `id of Concern`; a key of no concern is a `uuid`"),
            ("decimal", _) => finding.help("a decimal says how many digits it has, and how many of them behind the point: `decimal(10, 2)`"),
            ("map", _) => finding.help("a map names the type of its values: `map<string, T>`"),
            (_, Some(known)) => finding.help(format!("did you mean `{known}`?")).edit(name.span, known),
            _ => finding.help(format!("declare it: `message {text} {{ … }}`, `enum {text} {{ … }}` or `concern {text} {{ … }}`")),
        };
        self.schema
            .unknown_types
            .insert(text.clone(), self.diagnostics.len());
        self.report(finding);
    }

    pub(super) fn note_use(&mut self, name: &Ident, declared_in: crate::syntax::FileId) {
        if name.span.file != declared_in {
            self.schema.uses.insert(declared_in);
        }
    }

    /// A type as it is written.
    pub(super) fn show_type(&self, ty: Type) -> String {
        let value = self.show_value_type(ty.value);
        match ty.many {
            Many::One => value,
            Many::Optional => format!("{value}?"),
            Many::List => format!("[{value}]"),
            Many::Map => format!("map<string, {value}>"),
        }
    }

    fn show_value_type(&self, value: ValueType) -> String {
        match value {
            ValueType::Scalar(scalar) => scalar.to_string(),
            ValueType::Enum(id) => self.schema.enumeration(id).name.clone(),
            ValueType::Message(id) => self.schema.message(id).name.clone(),
            ValueType::Ref(id) => format!("ref {}", self.schema.concern(id).name),
            ValueType::IdOf(id) => format!("id of {}", self.schema.concern(id).name),
            ValueType::ConfigRef(id) => format!("ref {}", self.schema.message(id).name),
            ValueType::Concern(id) => self.schema.concern(id).name.clone(),
        }
    }
}
