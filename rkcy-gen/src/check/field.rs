//! Owns fields and parameters: type, attributes, constraints and default together.

use std::collections::HashMap;

use heck::ToLowerCamelCase;

use super::Checker;
use super::attribute::On;
use super::types::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Auto, Constraints, Field, Type, ValueType};
use crate::syntax::Span;
use crate::syntax::field as ast;

/// The numbers and JSON names of one owner, as they come.
#[derive(Default)]
pub(super) struct WireNames {
    tags: HashMap<u32, Span>,
    /// The place, and whether `@json` gave the name.
    json: HashMap<String, (Span, bool)>,
}

impl Checker {
    /// The field, if enough of it is known.
    pub(super) fn field(
        &mut self,
        field: &ast::Field,
        on: On,
        wire: &mut WireNames,
    ) -> Option<Field> {
        self.member_naming(&field.name);
        let ty = self.resolve_type(&field.ty, Place::Stored);
        let attributes = self.attributes(&field.attributes, on, field.span);
        self.wire_names(
            &field.name.text,
            field.name.span,
            attributes.tag.zip(attributes.tag_span),
            attributes.json.as_deref(),
            wire,
        );
        if let Some(by) = &field.by {
            let finding = Diagnostic::new(
                Code::WrongSide,
                by.span,
                "only a concern has the other side of a reference",
            );
            self.report(finding.help("leave `by` out, or declare the field in the concern"));
            return None;
        }
        let ty = ty?;
        let constraints = self.constraints(&attributes, ty);
        let default = field
            .default
            .as_ref()
            .and_then(|literal| self.default(literal, ty, &constraints));
        let auto = self.auto(attributes.auto, ty);
        let table = self.has_table(attributes.table, ty);
        let index = self.can_be_indexed(attributes.index, ty, &constraints);
        Some(Field {
            name: field.name.text.clone(),
            docs: field.docs.clone(),
            ty,
            constraints,
            default,
            auto,
            // Pass 4 tells.
            omissible: false,
            tag: attributes.tag,
            immutable: attributes.immutable,
            unique: attributes.unique.is_some(),
            index,
            table,
            json: attributes.json,
            deprecated: attributes.deprecated,
            was: attributes.was,
            span: field.name.span,
        })
    }

    /// Whether a list has a table of its own.
    fn has_table(&mut self, table: Option<Span>, ty: Type) -> bool {
        let Some(span) = table else { return false };
        if ty.is_list() && matches!(ty.value, ValueType::Message(_)) {
            return true;
        }
        let shown = self.show_type(ty);
        let message = format!("a `{shown}` has no table of its own");
        let finding = Diagnostic::new(Code::WrongTable, span, message);
        self.report(finding.help("`@table` stands on lists of messages: a row for each element"));
        false
    }

    /// What a `create` gives the field that leaves it out.
    fn auto(&mut self, auto: Option<(Auto, Span)>, ty: Type) -> Option<Auto> {
        let (auto, span) = auto?;
        let wanted = auto.scalar();
        if ty == Type::one(ValueType::Scalar(wanted)) {
            return Some(auto);
        }
        let (shown, wanted) = (self.show_type(ty), wanted.word());
        let message = format!("`@auto({})` gives no `{shown}`", auto.word());
        let finding = Diagnostic::new(Code::WrongAuto, span, message);
        self.report(finding.help(format!("it stands on a `{wanted}` that is never absent")));
        None
    }

    /// The constraints of a result.
    pub(super) fn result_constraints(
        &mut self,
        attributes: &[ast::Attribute],
        ty: Type,
    ) -> Constraints {
        let span = attributes.first().map(|it| it.span);
        let Some(span) = span else {
            return Constraints::default();
        };
        let attributes = self.attributes(attributes, On::Result, span);
        self.constraints(&attributes, ty)
    }

    /// A number and a name in JSON is used once in a message.
    pub(super) fn wire_names(
        &mut self,
        name: &str,
        span: Span,
        tag: Option<(u32, Span)>,
        json: Option<&str>,
        wire: &mut WireNames,
    ) {
        if let Some((tag, tag_span)) = tag {
            match wire.tags.get(&tag) {
                Some(first) => self.report(
                    Diagnostic::new(
                        Code::TagTwice,
                        tag_span,
                        format!("the number {tag} is used twice"),
                    )
                    .label(*first, "first here")
                    .help("give one of them another number, or none: the next free one is found"),
                ),
                None => {
                    wire.tags.insert(tag, tag_span);
                }
            }
        }
        let explicit = json.is_some();
        let json = json.map_or_else(|| name.to_lower_camel_case(), str::to_owned);
        match wire.json.get(&json) {
            // Names that become the same without `@json` are another finding.
            Some((first, first_explicit)) if explicit || *first_explicit => self.report(
                Diagnostic::new(
                    Code::JsonNameTwice,
                    span,
                    format!("the name `{json}` is used twice in JSON"),
                )
                .label(*first, "first here")
                .help("give one of them another name with `@json(\"…\")`"),
            ),
            Some(_) => {}
            None => {
                wire.json.insert(json, (span, explicit));
            }
        }
    }
}
