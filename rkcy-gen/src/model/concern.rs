//! Owns concerns and what may be done to them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::claim::{Side, Unique};
use super::field::{Constraints, Field};
use super::former::FormerName;
use super::ids::{CommandId, ConcernId, MessageId, QueryId, RefusalId};
use super::list::List;
use super::timer::Timer;
use super::transaction::StepKind;
use super::types::Type;
use crate::syntax::Span;

/// A concern: an entity with a key.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Concern {
    /// Its id; ids grow in order of declaration.
    pub id: ConcernId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// The concern that it is `in`: its instances live with those of that one's group.
    pub parent: Option<ConcernId>,
    /// The parts of the key, at least one; the first is the reference to the parent, where there is
    /// one. No default, never optional, never a list; `omissible` if it is the only uuid among them,
    /// which `create` then derives from the transaction's id.
    pub keys: Vec<Field>,
    /// The other fields, as declared.
    pub fields: Vec<Field>,
    /// What only one instance has.
    pub uniques: Vec<Unique>,
    /// The other sides of references.
    pub sides: Vec<Side>,
    /// The commands, as declared.
    pub commands: Vec<Command>,
    /// The queries, as declared.
    pub queries: Vec<Query>,
    /// The operations that it has without being asked.
    pub builtins: Builtins,
    /// The lists, as declared.
    pub lists: Vec<List>,
    /// The timers, as declared.
    pub timers: Vec<Timer>,
    /// `@hot`: its instances are visited last.
    pub hot: bool,
    /// `@deprecated("why")`.
    pub deprecated: Option<String>,
    /// `@was(old, older)`: what it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<FormerName>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

impl Concern {
    /// The parts of the key, then the other fields.
    pub fn all_fields(&self) -> impl Iterator<Item = &Field> {
        self.keys.iter().chain(&self.fields)
    }

    /// The key, where it has one part.
    pub fn single_key(&self) -> Option<&Field> {
        match self.keys.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }

    /// Whether a field is a part of the key.
    pub fn is_key(&self, field: &Field) -> bool {
        self.keys.iter().any(|key| std::ptr::eq(key, field))
    }

    /// The fields that `update` may change, with their place among the fields.
    pub fn changeable(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.immutable)
    }

    /// A command of this concern.
    pub fn command(&self, id: CommandId) -> &Command {
        &self.commands[id.index()]
    }

    /// What a command or a query of this concern says of its result.
    pub fn answer(&self, kind: &StepKind) -> Option<&Answer> {
        match kind {
            StepKind::Command(id, _) => self.command(*id).result.as_ref(),
            StepKind::Query(id, _) => Some(&self.query(*id).result),
            _ => None,
        }
    }

    /// A query of this concern.
    pub fn query(&self, id: QueryId) -> &Query {
        &self.queries[id.index()]
    }
}

/// An operation that a concern has without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// A new instance; also what `ensure` needs.
    Create,
    /// The instance as it is; also what `find` needs.
    Get,
    /// Other values in some fields.
    Update,
    /// No instance any more.
    Delete,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Builtin; 4] = [
        Builtin::Create,
        Builtin::Get,
        Builtin::Update,
        Builtin::Delete,
    ];

    /// The word for it in a schema.
    pub fn word(self) -> &'static str {
        match self {
            Builtin::Create => "create",
            Builtin::Get => "get",
            Builtin::Update => "update",
            Builtin::Delete => "delete",
        }
    }

    /// The operation that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.word() == word)
    }
}

/// The operations that a concern has without being asked, and what `only` or `without` left of them.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct Builtins(pub(crate) Vec<Builtin>);

impl Default for Builtins {
    fn default() -> Self {
        Self(Builtin::ALL.to_vec())
    }
}

impl Builtins {
    /// Whether the concern has it.
    pub fn has(&self, builtin: Builtin) -> bool {
        self.0.contains(&builtin)
    }
}

/// Changes one instance.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Command {
    /// Its id in its concern.
    pub id: CommandId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// What it is given.
    pub payload: Payload,
    /// What it answers. May be the concern itself.
    pub result: Option<Answer>,
    /// `undo x`: the command that undoes it in a saga. It takes the same payload and refuses nothing.
    pub undo: Option<CommandId>,
    /// How it may refuse.
    pub refusals: Refusals,
    /// Whether it reads those that refer to its instance.
    #[serde(skip_serializing_if = "is_false")]
    pub related: bool,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// Reads one instance.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Query {
    /// Its id in its concern.
    pub id: QueryId,
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// What it is given.
    pub payload: Payload,
    /// What it answers.
    pub result: Answer,
    /// How it may refuse.
    pub refusals: Refusals,
    /// Whether it reads those that refer to its instance.
    #[serde(skip_serializing_if = "is_false")]
    pub related: bool,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}

/// What the documents leave out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a command or a query is given.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// `()`
    Empty,
    /// `(Currency)`: one message, which is the payload itself.
    Message(MessageId),
    /// `(fullname: string, …)`: named parameters, the fields of a message of their own.
    Fields(Vec<Field>),
}

/// A result type and its attributes.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The type.
    pub ty: Type,
    /// Which values it takes.
    pub constraints: Constraints,
}

/// How an operation may refuse.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusals {
    /// Nothing was said: with any text.
    AnyText,
    /// `refuses nothing`: it cannot.
    Nothing,
    /// `refuses a, b`: with one of these.
    Named(Vec<Refusal>),
}

/// `refuses …` with a space before it, or nothing.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusals::AnyText => Ok(()),
            Refusals::Nothing => write!(f, " refuses nothing"),
            Refusals::Named(list) => {
                let names: Vec<&str> = list.iter().map(|refusal| refusal.name.as_str()).collect();
                write!(f, " refuses {}", names.join(", "))
            }
        }
    }
}

impl Refusals {
    /// The declared refusals; none where nothing or any text is declared.
    pub fn named(&self) -> &[Refusal] {
        match self {
            Refusals::Named(list) => list,
            Refusals::AnyText | Refusals::Nothing => &[],
        }
    }
}

/// A refusal by name.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// Its id among the refusals of its operation.
    pub id: RefusalId,
    /// The name as written.
    pub name: String,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}
