//! Owns the model: a schema in which every name is resolved and every rule holds.
//!
//! ```text
//! Model ── Platform
//!   ├── Enum ── EnumValue
//!   ├── Message ── Field
//!   ├── Concern ── Field (keys and others), Command, Query
//!   ├── Function ── Field (params)
//!   └── Transaction ── Field (params), Block ── Statement ── Step, Require, If, For, Expr
//! ```
//!
//! Only `check` makes one, so what works on a model has no error path. Lists are in order of
//! declaration, ids are positions in them.

mod claim;
mod concern;
mod enumeration;
mod expr;
mod field;
mod former;
mod function;
mod ids;
mod message;
mod outline;
mod place;
mod platform;
mod text;
pub(crate) mod transaction;
mod types;

pub use claim::{MOST_RELATED, Side, Unique};
pub use concern::{Answer, Builtin, Builtins, Command, Concern, Payload, Query, Refusal, Refusals};
pub use enumeration::{Enum, EnumValue};
pub use expr::{CompareOp, Expr, ExprKind, FieldRef, Path, Root};
pub use field::{Constraints, Field, Length, Literal, Number};
pub use former::{Allow, FormerName};
pub use function::Function;
pub use ids::{
    CommandId, ConcernId, EnumId, FunctionId, LocalId, MessageId, ParamId, QueryId, RefusalId,
    StepId, TransactionId,
};
pub use message::Message;
pub use outline::outline;
pub use place::Place;
pub use platform::Platform;
pub use text::Text;
pub use transaction::{
    Argument, Block, For, Head, If, Local, LocalKind, Mode, Require, Statement, Step, StepKind,
    Transaction,
};
pub use types::{Digits, Many, Scalar, Type, ValueType};

use schemars::JsonSchema;
use serde::Serialize;

/// The version of the document that `show model --format json` prints. Grows when a reader of the
/// old form would misread the new one.
pub const DOCUMENT_VERSION: u32 = 1;

/// A whole checked schema.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct Model {
    version: u32,
    platform: Platform,
    enums: Vec<Enum>,
    messages: Vec<Message>,
    concerns: Vec<Concern>,
    functions: Vec<Function>,
    transactions: Vec<Transaction>,
    /// What findings about changes are allowed, where.
    #[serde(skip)]
    allows: Vec<Allow>,
}

impl Model {
    pub(crate) fn new(
        platform: Platform,
        enums: Vec<Enum>,
        messages: Vec<Message>,
        concerns: Vec<Concern>,
        functions: Vec<Function>,
        transactions: Vec<Transaction>,
        allows: Vec<Allow>,
    ) -> Self {
        Self {
            version: DOCUMENT_VERSION,
            platform,
            enums,
            messages,
            concerns,
            functions,
            transactions,
            allows,
        }
    }

    /// The platform's name and settings.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The enums.
    pub fn enums(&self) -> &[Enum] {
        &self.enums
    }

    /// The messages.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The concerns.
    pub fn concerns(&self) -> &[Concern] {
        &self.concerns
    }

    /// The functions.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The transactions and sagas.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// `@allow(CODE, "why")` of findings about changes: `migrate` and `breaking` ask for them.
    pub fn allows(&self) -> &[Allow] {
        &self.allows
    }

    /// An enum by its id.
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.index()]
    }

    /// A message by its id.
    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.index()]
    }

    /// A concern by its id.
    pub fn concern(&self, id: ConcernId) -> &Concern {
        &self.concerns[id.index()]
    }

    /// A function by its id.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.index()]
    }

    /// A transaction by its id.
    pub fn transaction(&self, id: TransactionId) -> &Transaction {
        &self.transactions[id.index()]
    }

    /// The field that a path goes through.
    pub fn field(&self, field: FieldRef) -> &Field {
        match field {
            FieldRef::Key(concern) => &self.concern(concern).keys[0],
            FieldRef::KeyPart(concern, part) => &self.concern(concern).keys[part as usize],
            FieldRef::Concern(concern, index) => &self.concern(concern).fields[index as usize],
            FieldRef::Message(message, index) => &self.message(message).fields[index as usize],
        }
    }

    /// What a value is stored as: for `ref` and `id of` the key, down to a scalar or an enum; where a
    /// key has several parts, the `id of` its concern.
    pub fn stored_as(&self, value: ValueType) -> ValueType {
        match value {
            // Ends: `check` refuses keys that are references in a circle.
            ValueType::Ref(id) | ValueType::IdOf(id) => match self.concern(id).single_key() {
                Some(key) => self.stored_as(key.ty.value),
                None => ValueType::IdOf(id),
            },
            // Its key is a scalar or an enum.
            ValueType::ConfigRef(id) => self.message(id).fields[0].ty.value,
            other => other,
        }
    }

    /// The parts of the key that a value is, where it is one of several parts.
    pub fn key_parts(&self, value: ValueType) -> Option<(&Concern, &[Field])> {
        match self.stored_as(value) {
            ValueType::IdOf(id) => {
                let concern = self.concern(id);
                Some((concern, &concern.keys))
            }
            _ => None,
        }
    }

    /// The side of a target that a reference is on, if it is declared.
    pub fn side(&self, concern: ConcernId, field: usize, target: ConcernId) -> Option<&Side> {
        let mut sides = self.concern(target).sides.iter();
        sides.find(|side| side.concern == concern && side.field == field)
    }

    /// The configuration.
    pub fn configs(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.config)
    }

    /// Whether objects of a `config` cannot be removed: something that is kept refers to them, and not by a `?`.
    pub fn is_required(&self, config: MessageId) -> bool {
        let wanted = Type::one(ValueType::ConfigRef(config));
        let kept = self.concerns.iter().flat_map(|concern| &concern.fields);
        let kept = kept.chain(self.messages.iter().flat_map(|message| &message.fields));
        kept.into_iter().any(|field| field.ty == wanted)
    }

    /// Whether something may refer to instances of a concern.
    pub fn is_referred_to(&self, concern: ConcernId) -> bool {
        let mut all = self.concerns.iter().flat_map(Concern::references);
        all.any(|(_, _, target)| target == concern)
    }

    /// The root of the entity group that a concern's instances are in: the concern itself, unless it
    /// is `in` another.
    pub fn root(&self, concern: ConcernId) -> ConcernId {
        // Ends: `check` refuses concerns that are in each other.
        match self.concern(concern).parent {
            Some(parent) => self.root(parent),
            None => concern,
        }
    }
}
