//! The draft of a transaction: what a generated constructor fills in.
//!
//! Owns the way from typed parameters to a [`Txn`] whose first visits are planned. Everything that is
//! known at submission is decided here, on the caller's thread.

use super::op;
use super::platform::Concern;
use super::value::{Value, check, encode};
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, TxnId};
use rkcy_core::key::{Key, KeyPart};
use rkcy_core::plan::{self, Partitions};
use rkcy_core::txn::{Access, Answer, Args, Check, Mode, ReplyTo, Step, Txn, Unplanned};
use uuid::Uuid;

/// One step of a draft.
#[derive(Debug)]
pub struct Spec {
    /// Concern of the instance.
    pub concern: ConcernId,
    /// Key of the instance; `None` where it comes out of a result.
    pub key: Option<Key>,
    /// Number of the operation.
    pub op: u16,
    /// Whether it may change the instance.
    pub access: Access,
    /// Its payload.
    pub args: Args,
    /// Whether its result is used.
    pub keep: bool,
    /// Numbers of the steps whose results its key or payload uses.
    pub after: Vec<u16>,
}

impl Spec {
    /// `create`.
    #[must_use]
    pub fn create<C: Concern>() -> Spec {
        Spec::new::<C>(op::CREATE, Access::Exclusive)
    }

    /// `get`.
    #[must_use]
    pub fn get<C: Concern>() -> Spec {
        Spec::new::<C>(op::GET, Access::Shared)
    }

    /// A command.
    #[must_use]
    pub fn command<C: Concern>(op: u16) -> Spec {
        Spec::new::<C>(op, Access::Exclusive)
    }

    /// A query.
    #[must_use]
    pub fn query<C: Concern>(op: u16) -> Spec {
        Spec::new::<C>(op, Access::Shared)
    }

    /// Without a key, which then comes out of a result; without a payload; its result is not used.
    fn new<C: Concern>(op: u16, access: Access) -> Spec {
        Spec {
            concern: C::ID,
            key: None,
            op,
            access,
            args: Args::Ready(Bytes::new()),
            keep: false,
            after: Vec::new(),
        }
    }

    /// On the instance with this key.
    #[must_use]
    pub fn on(self, key: &impl KeyPart) -> Spec {
        Spec {
            key: Some(Key::of(key)),
            ..self
        }
    }

    /// With this payload.
    #[must_use]
    pub fn with(self, payload: &impl Value) -> Spec {
        Spec {
            args: Args::Ready(encode(payload)),
            ..self
        }
    }

    /// With a payload that is computed out of results.
    #[must_use]
    pub fn with_late_payload(self) -> Spec {
        Spec {
            args: Args::Late,
            ..self
        }
    }

    /// Its key or its payload uses the results of these steps.
    #[must_use]
    pub fn after(self, steps: &[u16]) -> Spec {
        Spec {
            after: steps.to_vec(),
            ..self
        }
    }

    /// Its result is used.
    #[must_use]
    pub fn kept(self) -> Spec {
        Spec { keep: true, ..self }
    }
}

/// A transaction in the making.
#[derive(Debug)]
pub struct Draft {
    txn: Txn,
}

impl Draft {
    /// An empty transaction of `kind`, the number of a transaction in the schema.
    #[must_use]
    pub fn new(id: TxnId, kind: u32, schema: u64) -> Draft {
        Draft {
            txn: Txn {
                id,
                kind,
                schema,
                mode: Mode::Transaction,
                budget: 0,
                reply: ReplyTo(0),
                trace: Bytes::new(),
                caller: Bytes::new(),
                params: Bytes::new(),
                visits: Vec::new(),
                next: 0,
                unplanned: Vec::new(),
                checks: Vec::new(),
                results: Vec::new(),
                answer: Answer::Empty,
            },
        }
    }

    /// A single operation, called alone; one that only reads is not remembered.
    ///
    /// # Errors
    /// Where the draft cannot be finished.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that one step is made of; front ends call it in one place"
    )]
    pub fn single(
        id: TxnId,
        schema: u64,
        concern: ConcernId,
        key: Key,
        op: u16,
        access: Access,
        args: Bytes,
        partitions: &(impl Partitions + ?Sized),
    ) -> Result<Txn, Fault> {
        let mut draft = Draft::new(id, 0, schema);
        if access == Access::Shared {
            draft.txn.mode = Mode::Read;
        }
        let args = Args::Ready(args);
        let step = draft.step(Spec {
            concern,
            key: Some(key),
            op,
            access,
            args,
            keep: true,
            after: Vec::new(),
        });
        draft.answer(Answer::Step(step));
        draft.finish(partitions)
    }

    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> TxnId {
        self.txn.id
    }

    /// Number that the next step will have.
    #[must_use]
    pub fn next_step(&self) -> u16 {
        u16::try_from(self.txn.unplanned.len()).unwrap_or(u16::MAX)
    }

    /// A key that is derived from the transaction's id, a step and an index: known at submission, and
    /// the same when the transaction is submitted again.
    #[must_use]
    pub fn derived_uuid(&self, step: u16, index: u16) -> Uuid {
        super::late::derived_uuid(self.txn.id, step, index)
    }

    /// Adds a step; its number counts from 0.
    pub fn step(&mut self, spec: Spec) -> u16 {
        let number = self.next_step();
        self.txn.unplanned.push(Unplanned {
            step: Step {
                number,
                op: spec.op,
                args: spec.args,
                keep: spec.keep,
            },
            concern: spec.concern,
            key: spec.key,
            access: spec.access,
            after: spec.after,
        });
        number
    }

    /// Adds the `create` of an instance that is known at submission.
    ///
    /// # Errors
    /// [`Class::Invalid`] where it breaks a constraint.
    pub fn create<C: Concern>(&mut self, instance: &C, keep: bool) -> Result<u16, Fault> {
        check(instance)?;
        Ok(self.step(Spec {
            concern: C::ID,
            key: Some(instance.key_bytes()),
            op: op::CREATE,
            access: Access::Exclusive,
            args: Args::Ready(encode(instance)),
            keep,
            after: Vec::new(),
        }))
    }

    /// Adds a `get` with a key that is known at submission; its result is kept.
    pub fn get<C: Concern>(&mut self, key: &C::Key) -> u16 {
        self.step(Spec {
            concern: C::ID,
            key: Some(Key::of(key)),
            op: op::GET,
            access: Access::Shared,
            args: Args::Ready(Bytes::new()),
            keep: true,
            after: Vec::new(),
        })
    }

    /// Adds a `require` that uses the results of the steps `after`.
    pub fn check(&mut self, number: u16, after: Vec<u16>) {
        self.txn.checks.push(Check { number, after });
    }

    /// Lets the parameters travel, since something is computed late.
    pub fn carry<V: Value>(&mut self, params: &V) {
        self.txn.params = encode(params);
    }

    /// Says where the result of the whole comes from.
    pub fn answer(&mut self, answer: Answer) {
        self.txn.answer = answer;
    }

    /// Plans the visits.
    ///
    /// # Errors
    /// [`Class::Invalid`] where there is no step, or none that can be the first.
    pub fn finish(mut self, partitions: &(impl Partitions + ?Sized)) -> Result<Txn, Fault> {
        plan::extend(&mut self.txn, partitions)
            .map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
        if self.txn.visits.is_empty() {
            return Err(Fault::new(
                Class::Invalid,
                "no_steps",
                "a transaction has at least one step",
            ));
        }
        Ok(self.txn)
    }
}
