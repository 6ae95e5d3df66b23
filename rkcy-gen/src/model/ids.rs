//! Owns the ids by which parts of a model name each other. Each is a position in a list of the
//! model (or of a concern, a message, a transaction), in order of declaration.

use schemars::JsonSchema;
use serde::Serialize;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The position in the list that this id points into.
            pub fn index(self) -> usize {
                self.0 as usize
            }

            pub(crate) fn new(index: usize) -> Self {
                Self(index as u32)
            }
        }
    };
}

id!(
    /// A concern of the model. Ids grow in order of declaration, so this is also the order in which
    /// ranks (the order of locks) are first given.
    ConcernId
);
id!(
    /// A message of the model.
    MessageId
);
id!(
    /// An enum of the model.
    EnumId
);
id!(
    /// A transaction of the model.
    TransactionId
);
id!(
    /// A command of its concern.
    CommandId
);
id!(
    /// A query of its concern.
    QueryId
);
id!(
    /// A step of its transaction, in written order.
    StepId
);
id!(
    /// A parameter of its transaction.
    ParamId
);
id!(
    /// A refusal of the operation that declares it.
    RefusalId
);
id!(
    /// A local of its transaction.
    LocalId
);
id!(
    /// A function of the model.
    FunctionId
);
id!(
    /// An event of the model.
    EventId
);
id!(
    /// An effect of the model.
    EffectId
);
