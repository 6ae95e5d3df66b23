//! Pass 3, enums.

use super::Checker;
use super::attribute::On;
use super::field::WireNames;
use super::naming::Namespace;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{EnumId, EnumValue};
use crate::syntax::enumeration as ast;

impl Checker {
    pub(super) fn enumeration(&mut self, declared: &ast::Enum, id: EnumId) {
        let owner = Owner::Enum(id);
        let mut names = Namespace::default();
        let mut wire = WireNames::default();
        let mut values = Vec::new();
        for value in &declared.values {
            self.member_naming(&value.name);
            if let Err(wrong) = names.add(&value.name, "value") {
                self.report(wrong);
            }
            let end = value
                .attributes
                .last()
                .map_or(value.name.span, |it| it.span);
            let element = value.name.span.to_end(end);
            let attributes = self.attributes(&value.attributes, On::EnumValue, element);
            let tag = attributes.tag.zip(attributes.tag_span);
            self.wire_names(
                &value.name.text,
                value.name.span,
                tag,
                attributes.json.as_deref(),
                &mut wire,
            );
            values.push(EnumValue {
                name: value.name.text.clone(),
                docs: value.docs.clone(),
                tag: attributes.tag,
                json: attributes.json,
                deprecated: attributes.deprecated,
                was: attributes.was,
                span: value.name.span,
            });
        }
        for name in declared.broken.iter().flat_map(|broken| &broken.names) {
            self.schema.lose(owner, name);
        }
        if values.is_empty() && declared.broken.is_empty() {
            self.report(
                Diagnostic::new(
                    Code::EmptyEnum,
                    declared.name.span,
                    format!("the enum `{}` has no values", declared.name.text),
                )
                .help("name at least one value between the braces"),
            );
        }
        let attributes = self.attributes(&declared.attributes, On::Declaration, declared.span);
        let (deprecated, was) = (attributes.deprecated, attributes.was);
        let target = &mut self.schema.enums[id.index()];
        target.docs.clone_from(&declared.docs);
        target.values = values;
        target.deprecated = deprecated;
        target.was = was;
    }
}
