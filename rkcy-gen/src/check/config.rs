//! Pass 3, configuration: the key and the fields of a `config`; and what is said where one is taken for something else.

use super::Checker;
use super::attribute::On;
use super::field::WireNames;
use super::naming::Namespace;
use super::schema::{Kind, Owner};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Field, Many, MessageId, Scalar, ValueType};
use crate::syntax::ast::Ident;
use crate::syntax::message as ast;

impl Checker {
    pub(super) fn config(&mut self, declared: &ast::Config, id: MessageId) {
        let mut names = Namespace::default();
        let mut wire = WireNames::default();
        let key = self.config_key(declared, &mut names, &mut wire);
        if key.is_none() {
            let written = declared.keys.iter().flat_map(|key| &key.parts);
            for part in written {
                self.schema.lose(Owner::Message(id), &part.name.text);
            }
        }
        let fields = key.into_iter().collect();
        self.fields_of(&declared.message, id, fields, names, wire);
    }

    /// A config has one key, of one part.
    fn config_key(
        &mut self,
        declared: &ast::Config,
        names: &mut Namespace,
        wire: &mut WireNames,
    ) -> Option<Field> {
        let name = &declared.message.name;
        let wrong = |span, message: String| Diagnostic::new(Code::WrongConfigKey, span, message);
        let key = match declared.keys.as_slice() {
            [key] => key,
            [] => {
                // What could not be read may have been the key.
                if declared.message.broken.is_empty() {
                    let message = format!("the config `{}` has no key", name.text);
                    let finding = wrong(name.span, message);
                    self.report(finding.help("begin it with a key: `key id: uuid`"));
                }
                return None;
            }
            [first, second, ..] => {
                let finding = wrong(second.span, "a config has one key".to_owned());
                let finding = finding.label(first.span, "it has this one");
                self.report(finding.help("remove one of them"));
                return None;
            }
        };
        let [part] = key.parts.as_slice() else {
            let finding = wrong(key.span, "the key of a config has one part".to_owned());
            self.report(finding.help("join the parts in a `string`, or name objects by a `uuid`"));
            return None;
        };
        if let Err(taken) = names.add(&part.name, "field") {
            self.report(taken);
        }
        if let Some(default) = &part.default {
            let finding = wrong(default.span, "a key has no default".to_owned());
            self.report(finding.help("operators name each object: remove the default"));
        }
        let without_default = crate::syntax::field::Field {
            default: None,
            ..part.clone()
        };
        let mut known = self.field(&without_default, On::Key, wire)?;
        if known.docs.is_empty() {
            known.docs.clone_from(&key.docs);
        }
        known.immutable = true;
        match (known.ty.many, known.ty.value) {
            (Many::One, ValueType::Scalar(Scalar::String)) => {
                let what = format!("the key `{}`", known.name);
                self.text_has_a_bound(&known.constraints, known.span, &what);
            }
            (
                Many::One,
                ValueType::Enum(_)
                | ValueType::Scalar(
                    Scalar::Uuid | Scalar::I32 | Scalar::I64 | Scalar::U32 | Scalar::U64,
                ),
            ) => {}
            _ => {
                let shown = self.show_type(known.ty);
                let message = format!("`{shown}` cannot be the key of a config");
                let finding = wrong(known.span, message);
                self.report(
                    finding.help("a key is a `uuid`, a bounded `string`, an integer or an enum"),
                );
                return None;
            }
        }
        Some(known)
    }

    /// The config after `ref`, where the name is that of one.
    pub(super) fn referred_config(&mut self, name: &Ident) -> Option<MessageId> {
        let declared = self.schema.types.get(&name.text).copied()?;
        let Kind::Config(id) = declared.kind else {
            return None;
        };
        self.note_use(name, declared.span.file);
        Some(id)
    }

    /// A config where a value is expected.
    pub(super) fn config_as_value(&mut self, name: &Ident) {
        let text = &name.text;
        let message = format!("the config `{text}` cannot be stored inside something else");
        let finding = Diagnostic::new(Code::ConfigAsValue, name.span, message);
        self.report(
            finding
                .help(format!("refer to an object of it: `ref {text}`"))
                .edit(name.span, format!("ref {text}")),
        );
    }

    /// A config behind `in` or `id of`.
    pub(super) fn config_as_concern(&mut self, name: &Ident, word: &str) {
        let text = &name.text;
        let message = format!("`{word}` refers to a concern, and `{text}` is configuration");
        let finding = Diagnostic::new(Code::ConfigAsConcern, name.span, message);
        self.report(match word {
            "id of" => finding.help(format!(
                "a reference to configuration makes no promise either: `ref {text}`"
            )),
            _ => finding.help("a config is in no group: every partition knows all of it"),
        });
    }

    /// A config where a step or a record names something.
    pub(super) fn config_in_transaction(&mut self, name: &Ident) {
        let text = &name.text;
        let message =
            format!("`{text}` is configuration, which transactions neither read nor change");
        let finding = Diagnostic::new(Code::ConfigInTransaction, name.span, message);
        self.report(finding.help(
            "handlers read it, by `cx.config(…)`: let a command look at it; operators change it, by `config set`",
        ));
    }
}
