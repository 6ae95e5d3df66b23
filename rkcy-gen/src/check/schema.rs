//! Owns what the passes know so far.

use std::collections::{HashMap, HashSet};

use crate::model::{
    Concern, ConcernId, Effect, EffectId, Enum, EnumId, Event, EventId, Function, FunctionId,
    Message, MessageId, Transaction, TransactionId, ValueType,
};
use crate::syntax::concern::Timer;
use crate::syntax::field as ast;
use crate::syntax::{FileId, Span};

/// What the passes know so far. The lists are those of the model.
#[derive(Default)]
pub(super) struct Schema {
    pub(super) enums: Vec<Enum>,
    pub(super) messages: Vec<Message>,
    pub(super) events: Vec<Event>,
    pub(super) concerns: Vec<Concern>,
    pub(super) functions: Vec<Function>,
    pub(super) effects: Vec<Effect>,
    pub(super) transactions: Vec<Transaction>,
    /// The message that `caller` is; `Some(None)` where something is wrong with it.
    pub(super) caller: Option<Option<MessageId>>,
    /// The types that are declared, by name.
    pub(super) types: HashMap<String, Declared>,
    /// Functions and effects that something is wrong with.
    pub(super) lost_calls: HashSet<String>,
    /// Transactions with parameters that are not known, because something about them is wrong.
    pub(super) lost_params: HashSet<TransactionId>,
    /// Names in declarations that could not be read. What one of them means is not known, but
    /// that has been reported.
    pub(super) lost_names: HashSet<String>,
    /// Members that were written but are not known, because something about them is wrong.
    pub(super) lost_members: HashSet<(Owner, String)>,
    /// The other sides of references, as they are written.
    pub(super) written_sides: Vec<(ConcernId, ast::Field)>,
    /// The timers, as they are written.
    pub(super) written_timers: Vec<(ConcernId, Timer)>,
    /// Concerns with a side that is written wrong.
    pub(super) lost_sides: Vec<ConcernId>,
    /// Where operations say that they read what is related.
    pub(super) related: Vec<(ConcernId, Span)>,
    /// Concerns whose key is not known, because something about it is wrong.
    pub(super) lost_keys: HashSet<ConcernId>,
    /// Where the unknown types are reported, so that each is reported once.
    pub(super) unknown_types: HashMap<String, usize>,
    /// The files whose types are used by other files.
    pub(super) uses: HashSet<FileId>,
}

/// A declared type.
#[derive(Clone, Copy)]
pub(super) struct Declared {
    pub(super) kind: Kind,
    /// Where its name stands.
    pub(super) span: Span,
}

/// What a type is declared as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Concern(ConcernId),
    Message(MessageId),
    Enum(EnumId),
    Config(MessageId),
    Event(EventId),
}

/// What has members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Owner {
    Concern(ConcernId),
    Message(MessageId),
    Enum(EnumId),
    Event(EventId),
}

impl Schema {
    /// Marks a member that is written but not known.
    pub(super) fn lose(&mut self, owner: Owner, name: &str) {
        self.lost_members.insert((owner, name.to_owned()));
    }

    /// Whether a member is written but not known.
    pub(super) fn is_lost(&self, owner: Owner, name: &str) -> bool {
        self.lost_members.contains(&(owner, name.to_owned()))
    }

    pub(super) fn concern(&self, id: ConcernId) -> &Concern {
        &self.concerns[id.index()]
    }

    pub(super) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.index()]
    }

    pub(super) fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.index()]
    }

    /// The function with a name, if all about it is right.
    pub(super) fn function_named(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    pub(super) fn event(&self, id: EventId) -> &Event {
        &self.events[id.index()]
    }

    pub(super) fn effect(&self, id: EffectId) -> &Effect {
        &self.effects[id.index()]
    }

    /// The effect with a name, if all about it is right.
    pub(super) fn effect_named(&self, name: &str) -> Option<&Effect> {
        self.effects.iter().find(|effect| effect.name == name)
    }

    /// Whether something that can be called has the name, but nothing more is known about it.
    pub(super) fn is_known_call(&self, name: &str) -> bool {
        self.lost_calls.contains(name) || self.lost_names.contains(name)
    }

    pub(super) fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.index()]
    }

    /// The names of the declared types.
    pub(super) fn type_names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// The root of a concern's entity group.
    pub(super) fn root(&self, concern: ConcernId) -> ConcernId {
        let mut root = concern;
        // Concerns that are in each other are an error of their own, reported elsewhere.
        for _ in 0..self.concerns.len() {
            match self.concern(root).parent {
                Some(parent) => root = parent,
                None => break,
            }
        }
        root
    }

    /// The place of a concern's instances in the order of locks.
    pub(super) fn rank(&self, concern: ConcernId) -> (bool, ConcernId) {
        let root = self.root(concern);
        (self.concern(root).hot, root)
    }

    /// What a key of a concern is, down to the type that is stored: `ref Y` where the key of X is
    /// one, then the key of Y, and so on, up to a key of several parts.
    pub(super) fn key_chain(&self, concern: ConcernId) -> Vec<ValueType> {
        let mut chain = Vec::new();
        let mut next = concern;
        // A circle of keys is an error of its own, reported elsewhere.
        while chain.len() <= self.concerns.len() {
            // A key of several parts is stored as such.
            let Some(key) = self.concern(next).single_key() else {
                break;
            };
            let key = key.ty.value;
            chain.push(key);
            match key {
                ValueType::Ref(inner) | ValueType::IdOf(inner) => next = inner,
                _ => break,
            }
        }
        chain
    }
}
