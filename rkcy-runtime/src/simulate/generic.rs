//! The workload of a platform that brings none: made of what the schema says.
//!
//! Owns which transaction or operation a caller asks for. Instances are few and some are hot, so that they
//! are contended; some do not exist. What values are asked with is [`super::values`]'s.

use super::values::{Values, at_random};
use super::workload::{Request, Workload, World};
use crate::codegen::{
    self, Class, ConcernDesc, Expected, Fault, Key, OpDesc, Origin, PlatformDesc, Tag, Txn, op,
};
use bytes::Bytes;
use rand::RngExt;
use rkcy_core::txn::Access;
use serde_json::Value as Json;

/// Instances of each concern that are created first.
const FIRST: usize = 3;

/// What must hold of the committed state, whatever happens; else what does not, in words.
pub type Invariant = fn(&World) -> Result<(), String>;

/// Callers who ask for everything that a platform can do.
#[derive(Debug)]
pub struct Generic {
    desc: &'static PlatformDesc,
    values: Values,
}

impl Generic {
    /// For a platform.
    #[must_use]
    pub fn new(desc: &'static PlatformDesc) -> Generic {
        Generic {
            desc,
            values: Values::new(desc),
        }
    }

    fn transaction(&self, request: &mut Request<'_>, caller: &Bytes) -> Result<Txn, Fault> {
        let desc = at_random(request.rng, self.desc.transactions).ok_or_else(nothing)?;
        let params = self.values.object(request, desc.params)?;
        (desc.from_json)(params, origin(request, caller))
    }

    /// An operation alone.
    fn single(&self, request: &mut Request<'_>, caller: &Bytes) -> Result<Txn, Fault> {
        let declared: Vec<&ConcernDesc> = self.desc.declared().collect();
        let concern = at_random(request.rng, &declared).ok_or_else(nothing)?;
        let wanted = match request.rng.random_range(0..100) {
            0..25 => |op: &OpDesc| op.number == op::CREATE,
            25..30 => |op: &OpDesc| op.number == op::DELETE,
            30..40 => |op: &OpDesc| op.number == op::UPDATE,
            40..55 => |op: &OpDesc| op.access == Access::Shared && op.number != op::NONE,
            _ => |op: &OpDesc| op.number >= op::FIRST_OWN && op.access != Access::Shared,
        };
        let some: Vec<&OpDesc> = concern.ops.iter().filter(|op| wanted(op)).collect();
        let op = at_random(request.rng, &some).ok_or_else(nothing)?;
        self.operation(request, caller, concern, op)
    }

    fn operation(
        &self,
        request: &mut Request<'_>,
        caller: &Bytes,
        concern: &ConcernDesc,
        op: &OpDesc,
    ) -> Result<Txn, Fault> {
        let (key, params) = match op.number {
            op::CREATE => {
                let mut params = self.values.object(request, op.params)?;
                let fields = params.as_object_mut().ok_or_else(nothing)?;
                for made in op.params.iter().filter(|param| param.auto.is_some()) {
                    if request.rng.random_bool(0.5) {
                        fields.remove(made.name);
                    }
                }
                (concern.key_in(fields)?, params)
            }
            op::UPDATE => {
                let mut params = self.values.object(request, op.params)?;
                if let Json::Object(fields) = &mut params {
                    fields.retain(|_, _| request.rng.random_bool(0.5));
                }
                (self.key(request, concern)?, params)
            }
            _ => (
                self.key(request, concern)?,
                self.values.object(request, op.params)?,
            ),
        };
        let Json::Object(params) = params else {
            return Err(nothing());
        };
        let expected = match op.number {
            op::CREATE => None,
            _ => expected(request),
        };
        let origin = Origin {
            expected: expected.as_ref(),
            ..origin(request, caller)
        };
        codegen::operation(origin, concern, op, key, params)
    }

    /// A key of an instance, that is there or not.
    fn key(&self, request: &mut Request<'_>, concern: &ConcernDesc) -> Result<Key, Fault> {
        (concern.key_from_json)(self.values.key(request, concern)?)
    }

    /// One who calls; sometimes nobody says who.
    fn caller(&self, request: &mut Request<'_>) -> Result<Bytes, Fault> {
        match &self.desc.caller {
            Some(caller) if request.rng.random_bool(0.97) => {
                let message = self.desc.messages.iter();
                let message = message.clone().find(|it| it.name == caller.message);
                let fields = message.map_or(&[][..], |message| message.fields);
                (caller.from_json)(self.values.object(request, fields)?)
            }
            _ => Ok(Bytes::new()),
        }
    }
}

impl Workload for Generic {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        let caller = self.caller(request)?;
        if let Some(concern) = self.desc.declared().nth(nth / FIRST)
            && let Some(create) = concern.ops.iter().find(|op| op.number == op::CREATE)
        {
            return self.operation(request, &caller, concern, create);
        }
        match self.desc.transactions.is_empty() || request.rng.random_bool(0.35) {
            true => self.single(request, &caller),
            false => self.transaction(request, &caller),
        }
    }

    fn invariant(&self, _: &World) -> Result<(), String> {
        Ok(())
    }
}

/// A workload with more that must hold.
pub(crate) struct Checked<'a> {
    pub(crate) workload: &'a dyn Workload,
    pub(crate) invariants: &'a [Invariant],
}

impl Workload for Checked<'_> {
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault> {
        self.workload.next(nth, request)
    }

    fn invariant(&self, world: &World) -> Result<(), String> {
        self.workload.invariant(world)?;
        let mut all = self.invariants.iter();
        all.try_for_each(|invariant| invariant(world))
    }
}

fn origin<'a>(request: &Request<'a>, caller: &'a Bytes) -> Origin<'a> {
    Origin {
        caller,
        ..request.origin()
    }
}

/// What some callers expect of an instance: that it is there, or has a value that it has not.
fn expected(request: &mut Request<'_>) -> Option<Expected> {
    match request.rng.random_range(0..40) {
        0..2 => Some(Expected::Any),
        2 => Some(Expected::One(vec![Tag::of(b"")])),
        _ => None,
    }
}

fn nothing() -> Fault {
    Fault::new(
        Class::Invalid,
        "nothing_to_ask",
        "the schema has none of these",
    )
}
