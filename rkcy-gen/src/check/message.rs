//! Pass 3, messages; and the walk over all declarations that have members.

use super::Checker;
use super::attribute::On;
use super::field::WireNames;
use super::naming::Namespace;
use super::schema::{Kind, Owner};
use crate::model::{Field, MessageId};
use crate::syntax::ast::{File, Ident, Item};
use crate::syntax::message as ast;

impl Checker {
    /// Pass 3. Enums come first, because defaults name their values.
    pub(super) fn members(&mut self, files: &[File]) {
        let items = || files.iter().flat_map(|file| &file.items);
        for item in items() {
            if let Item::Enum(declared) = item
                && let Some(Kind::Enum(id)) = self.kind_of(&declared.name)
            {
                self.enumeration(declared, id);
            }
        }
        for item in items() {
            match item {
                Item::Message(message) => {
                    if let Some(Kind::Message(id)) = self.kind_of(&message.name) {
                        self.message(message, id);
                    }
                }
                Item::Concern(concern) => {
                    if let Some(Kind::Concern(id)) = self.kind_of(&concern.name) {
                        self.concern(concern, id);
                    }
                }
                Item::Config(config) => {
                    if let Some(Kind::Config(id)) = self.kind_of(&config.message.name) {
                        self.config(config, id);
                    }
                }
                Item::Event(event) => {
                    if let Some(Kind::Event(id)) = self.kind_of(&event.0.name) {
                        self.event(event, id);
                    }
                }
                Item::Function(function) => self.function(function),
                Item::Effect(effect) => self.effect(effect),
                _ => {}
            }
        }
        self.effect_undos(files);
    }

    /// What this declaration declares; `None` for the second of two with one name.
    fn kind_of(&self, name: &Ident) -> Option<Kind> {
        self.schema
            .types
            .get(&name.text)
            .filter(|declared| declared.span == name.span)
            .map(|declared| declared.kind)
    }

    fn message(&mut self, declared: &ast::Message, id: MessageId) {
        let names = Namespace::default();
        self.fields_of(declared, id, Vec::new(), names, WireNames::default());
    }

    /// The fields of a message, behind those that it has already.
    pub(super) fn fields_of(
        &mut self,
        declared: &ast::Message,
        id: MessageId,
        fields: Vec<Field>,
        names: Namespace,
        wire: WireNames,
    ) {
        let fields = self.known_fields(declared, Owner::Message(id), fields, names, wire);
        let attributes = self.attributes(&declared.attributes, On::Declaration, declared.span);
        let (deprecated, was) = (attributes.deprecated, attributes.was);
        let target = &mut self.schema.messages[id.index()];
        target.docs.clone_from(&declared.docs);
        target.fields = fields;
        target.deprecated = deprecated;
        target.was = was;
    }

    /// The fields that are known, behind those that there are already.
    pub(super) fn known_fields(
        &mut self,
        declared: &ast::Message,
        owner: Owner,
        mut fields: Vec<Field>,
        mut names: Namespace,
        mut wire: WireNames,
    ) -> Vec<Field> {
        for field in &declared.fields {
            if let Err(wrong) = names.add(&field.name, "field") {
                self.report(wrong);
            }
            match self.field(field, On::MessageField, &mut wire) {
                Some(field) => fields.push(field),
                None => self.schema.lose(owner, &field.name.text),
            }
        }
        for name in declared.broken.iter().flat_map(|broken| &broken.names) {
            self.schema.lose(owner, name);
        }
        fields
    }
}
