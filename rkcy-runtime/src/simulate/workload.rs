//! What the simulated callers do, and what must hold whatever happens.

use super::history::Heard;
use crate::codegen::{
    self, Class, Concern, Fault, Origin, Platform, PlatformDesc, TxnId, Value, decode,
};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rkcy_core::id::ConcernId;
use rkcy_core::key::{Key, RowKey};
use rkcy_core::logic::Logic;
use rkcy_core::txn::{Outcome, Txn};
use std::collections::BTreeMap;

/// Load for a platform, with its invariants.
pub trait Workload: Sync {
    /// The next transaction. `nth` counts from 0 in a run; the first ones usually create instances.
    ///
    /// # Errors
    /// Where the request itself is refused at the edge: the simulator counts it and goes on.
    fn next(&self, nth: usize, request: &mut Request<'_>) -> Result<Txn, Fault>;

    /// Checks what must hold of the committed state.
    ///
    /// # Errors
    /// What does not hold, in words.
    fn invariant(&self, world: &World) -> Result<(), String>;
}

/// A transaction in the making, with the simulated caller's random numbers.
pub struct Request<'a> {
    /// Random numbers; the same seed gives the same ones.
    pub rng: &'a mut ChaCha8Rng,
    /// The id that the transaction will have.
    pub id: TxnId,
    /// Keys of instances that callers know to be there, or in some runs have asked for, by concern.
    pub keys: &'a BTreeMap<ConcernId, Vec<Key>>,
    pub(super) logic: &'a dyn Logic,
    pub(super) desc: &'static PlatformDesc,
}

impl<'a> Request<'a> {
    /// A transaction of the schema.
    ///
    /// # Errors
    /// Where the parameters are refused.
    pub fn transaction<T: crate::codegen::Transaction>(&self, params: &T) -> Result<Txn, Fault> {
        codegen::transaction(params, self.origin())
    }

    /// An operation on an instance, alone, by its name in the schema: `create`, `get`, a command, a query.
    ///
    /// # Errors
    /// Where the concern has no such operation, or it cannot be planned.
    pub fn single<C: Concern>(&self, key: &C::Key, name: &str, args: Bytes) -> Result<Txn, Fault> {
        let ops = self.desc.concern(C::NAME).map_or(&[][..], |it| it.ops);
        let op = ops.iter().find(|op| op.name == name).ok_or_else(|| {
            let message = format!("`{}` has no operation `{name}`", C::NAME);
            Fault::new(Class::Invalid, "unknown_operation", message)
        })?;
        let (group, row) = C::group_and_row(key);
        codegen::single(self.origin(), group, row, op.number, op.access, args)
    }

    pub(super) fn origin(&self) -> Origin<'a> {
        Origin {
            id: self.id,
            schema: self.logic.schema(),
            caller: &NOBODY,
            logic: self.logic,
            key: None,
            expected: None,
        }
    }

    /// One of the keys of a concern, where there is any.
    pub fn any_key<C: Concern>(&mut self) -> Option<C::Key> {
        use crate::codegen::KeyPart;
        use rand::RngExt;
        let keys = self.keys.get(&C::ID).filter(|keys| !keys.is_empty())?;
        let key = &keys[self.rng.random_range(0..keys.len())];
        C::Key::decode_key(&mut key.as_bytes())
    }
}

/// The caller of simulated transactions.
static NOBODY: Bytes = Bytes::new();

/// What a caller asked for, and what it heard first of what stands.
#[derive(Clone, Debug)]
pub struct Call {
    /// The transaction, as it was submitted.
    pub txn: Txn,
    /// When it was submitted, by a count of all that was asked for and heard in the run.
    pub asked: u64,
    /// What became of it, by the same count.
    pub heard: Heard,
    /// Its result, where the caller heard one.
    pub result: Option<Bytes>,
}

/// The committed state at the end of a run, and what callers were told.
#[derive(Debug, Default)]
pub struct World {
    pub(super) rows: BTreeMap<RowKey, Bytes>,
    pub(super) committed: Vec<(Txn, Bytes)>,
    pub(super) refused: usize,
    pub(super) calls: Vec<Call>,
}

impl World {
    /// All instances of a concern.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn all<C: Concern>(&self) -> Result<Vec<C>, String> {
        (self.rows.iter())
            .filter(|(row, _)| row.concern == C::ID)
            .map(|(row, value)| {
                decode(value).map_err(|fault| format!("{} {:?}: {fault}", C::NAME, row.key))
            })
            .collect()
    }

    /// Committed transactions of the kind `number`, with their results, in order of commit.
    pub fn committed(&self, number: u32) -> impl Iterator<Item = (&Txn, &Bytes)> {
        self.committed
            .iter()
            .filter(move |(txn, _)| txn.kind == number)
            .map(|(txn, result)| (txn, result))
    }

    /// All that callers asked for and heard, in the order of asking.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How many transactions were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused
    }
}

/// The parameters that a value has; a convenience for invariants that look at what was asked.
///
/// # Errors
/// Where the bytes hold no such value.
pub fn payload<V: Value>(bytes: &Bytes) -> Result<V, String> {
    decode(bytes).map_err(|fault| fault.to_string())
}

/// The handlers of a platform, for a number of partitions.
pub(super) fn logic_of(platform: &Platform, partitions: u16) -> std::sync::Arc<dyn Logic> {
    (platform.logic)(partitions)
}

/// Whether two answers to one transaction may both have been given.
pub(super) fn agree(one: &Outcome, other: &Outcome) -> bool {
    match (one, other) {
        (Outcome::NotTaken(_) | Outcome::Parked(_), _)
        | (_, Outcome::NotTaken(_) | Outcome::Parked(_)) => true,
        (Outcome::Committed(None), Outcome::Committed(_))
        | (Outcome::Committed(_), Outcome::Committed(None)) => true,
        (one, other) => one == other,
    }
}
