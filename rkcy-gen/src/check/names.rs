//! Pass 1: which names are declared. Types get their ids here, so that members can speak of types
//! that are declared later.

use std::collections::HashSet;

use super::Checker;
use super::naming::Namespace;
use super::schema::{Declared, Kind};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Builtins, Concern, ConcernId, Constraints, Enum, EnumId, Event, EventId, Field, Message,
    MessageId, Scalar, Type, ValueType,
};
use crate::syntax::ast::{File, Ident, Item};
use crate::syntax::{FileId, ImportEdge};

impl Checker {
    pub(super) fn declare_names(&mut self, files: &[File]) {
        let mut types = Namespace::default();
        let mut actions = Namespace::default();
        for item in files.iter().flat_map(|file| &file.items) {
            match item {
                Item::Concern(concern) => {
                    let kind = Kind::Concern(ConcernId::new(self.schema.concerns.len()));
                    if self.declare_type(&mut types, &concern.name, kind) {
                        let id = ConcernId::new(self.schema.concerns.len());
                        self.schema.concerns.push(empty_concern(id, &concern.name));
                    }
                }
                Item::Message(message) => {
                    let kind = Kind::Message(MessageId::new(self.schema.messages.len()));
                    if self.declare_type(&mut types, &message.name, kind) {
                        let id = MessageId::new(self.schema.messages.len());
                        self.schema.messages.push(empty_message(id, &message.name));
                    }
                }
                Item::Enum(declared) => {
                    let kind = Kind::Enum(EnumId::new(self.schema.enums.len()));
                    if self.declare_type(&mut types, &declared.name, kind) {
                        let id = EnumId::new(self.schema.enums.len());
                        self.schema.enums.push(empty_enum(id, &declared.name));
                    }
                }
                Item::Config(config) => {
                    let name = &config.message.name;
                    let id = MessageId::new(self.schema.messages.len());
                    if self.declare_type(&mut types, name, Kind::Config(id)) {
                        self.schema.messages.push(Message {
                            config: true,
                            ..empty_message(id, name)
                        });
                    }
                }
                Item::Event(event) => {
                    let id = EventId::new(self.schema.events.len());
                    if self.declare_type(&mut types, &event.0.name, Kind::Event(id)) {
                        self.schema.events.push(empty_event(id, &event.0.name));
                    }
                }
                Item::Transaction(transaction) => {
                    self.declare_action(
                        &mut actions,
                        &transaction.name,
                        if transaction.is_saga {
                            "saga"
                        } else {
                            "transaction"
                        },
                    );
                }
                Item::Function(function) => {
                    self.declare_action(&mut actions, &function.0.name, "function");
                }
                Item::Effect(effect) => {
                    self.declare_action(&mut actions, &effect.0.name, "effect");
                }
                Item::Broken(broken) => self.schema.lost_names.extend(broken.names.iter().cloned()),
                Item::Platform(_) | Item::Import(_) => {}
            }
        }
    }

    /// Whether the name is new, so that the type is one.
    fn declare_type(&mut self, types: &mut Namespace, name: &Ident, kind: Kind) -> bool {
        self.type_naming(name);
        if let Err(wrong) = types.add(name, "type") {
            let is_new = !self.schema.types.contains_key(&name.text);
            self.report(wrong);
            if !is_new {
                return false;
            }
        }
        self.schema.types.insert(
            name.text.clone(),
            Declared {
                kind,
                span: name.span,
            },
        );
        true
    }

    fn declare_action(&mut self, actions: &mut Namespace, name: &Ident, what: &str) {
        self.member_naming(name);
        if let Err(wrong) = actions.add(name, what) {
            self.report(wrong);
        }
    }

    /// Warns about imports that bring nothing that is used.
    pub(super) fn unused_imports(&mut self, files: &[File], imports: &[ImportEdge]) {
        // A file with a platform, a concern or a transaction adds to what is built. One that holds
        // only values and events, or nothing, is there for those that use them.
        let is_value =
            |item: &Item| matches!(item, Item::Message(_) | Item::Enum(_) | Item::Event(_));
        let adds_nothing: HashSet<FileId> = files
            .iter()
            .filter(|file| file.items.iter().all(is_value))
            .map(|file| file.id)
            .collect();
        let used: HashSet<FileId> = self.schema.uses.iter().copied().collect();
        for import in imports {
            if adds_nothing.contains(&import.target) && !used.contains(&import.target) {
                self.report(
                    Diagnostic::new(
                        Code::UnusedImport,
                        import.span,
                        "nothing of this file is used",
                    )
                    .help("remove the import")
                    .edit(import.span, ""),
                );
            }
        }
    }
}

fn empty_concern(id: ConcernId, name: &Ident) -> Concern {
    let key = Field {
        name: String::new(),
        docs: String::new(),
        ty: Type::one(ValueType::Scalar(Scalar::Uuid)),
        constraints: Constraints::default(),
        default: None,
        auto: None,
        omissible: true,
        tag: None,
        immutable: true,
        unique: false,
        index: false,
        table: false,
        json: None,
        deprecated: None,
        was: Vec::new(),
        span: name.span,
    };
    Concern {
        id,
        name: name.text.clone(),
        docs: String::new(),
        parent: None,
        keys: vec![key],
        fields: Vec::new(),
        uniques: Vec::new(),
        sides: Vec::new(),
        commands: Vec::new(),
        queries: Vec::new(),
        builtins: Builtins::default(),
        lists: Vec::new(),
        timers: Vec::new(),
        hot: false,
        deprecated: None,
        was: Vec::new(),
        span: name.span,
    }
}

fn empty_message(id: MessageId, name: &Ident) -> Message {
    let (name, span) = (name.text.clone(), name.span);
    Message {
        id,
        name,
        docs: String::new(),
        fields: Vec::new(),
        omissible: false,
        config: false,
        deprecated: None,
        was: Vec::new(),
        span,
    }
}

fn empty_event(id: EventId, name: &Ident) -> Event {
    let (name, span) = (name.text.clone(), name.span);
    Event {
        id,
        name,
        docs: String::new(),
        fields: Vec::new(),
        deprecated: None,
        was: Vec::new(),
        span,
    }
}

fn empty_enum(id: EnumId, name: &Ident) -> Enum {
    let (name, span) = (name.text.clone(), name.span);
    Enum {
        id,
        name,
        docs: String::new(),
        values: Vec::new(),
        deprecated: None,
        was: Vec::new(),
        span,
    }
}
