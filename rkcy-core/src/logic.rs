//! What the engine asks of a generated platform.
//!
//! Owns the contract between the state machine and business logic: one operation on one row, and the
//! few things that a transaction computes out of results. All of it must be a function of its
//! arguments: no I/O, no clock, no ambient randomness. The simulator runs every application more than
//! once and compares.

use crate::bugs::{self, Bug};
use crate::claim::{Asked, GiveBack};
use crate::config::{ConfigObject, Configs};
use crate::fault::{Class, Fault};
use crate::id::{ConcernId, TxnId};
use crate::key::RowKey;
use crate::plan::Partitions;
use crate::related::{Relation, Side, Views};
use crate::txn::{Rest, Txn};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::cell::{Cell, RefCell};

/// What a handler may know beside its instance and its payload.
#[derive(Debug)]
pub struct Context<'a> {
    txn: TxnId,
    caller: &'a Bytes,
    step: u16,
    draws: Cell<u64>,
    configs: &'a Configs,
    views: Views,
    /// Why an object of configuration could not be read.
    unreadable: RefCell<Option<Fault>>,
}

static NO_CONFIGS: Configs = Configs::new();

impl<'a> Context<'a> {
    /// The context of a step.
    #[must_use]
    pub fn new(txn: TxnId, step: u16, caller: &'a Bytes) -> Context<'a> {
        Context {
            txn,
            caller,
            step,
            draws: Cell::new(0),
            configs: &NO_CONFIGS,
            views: Views::default(),
            unreadable: RefCell::default(),
        }
    }

    /// The same, with the configuration of a partition.
    #[must_use]
    pub fn with_configs(self, configs: &'a Configs) -> Context<'a> {
        Context { configs, ..self }
    }

    /// The same, with those that refer to the instance, as far as the operation reads them.
    #[must_use]
    pub fn with_views(self, views: Views) -> Context<'a> {
        Context { views, ..self }
    }

    /// Those that refer to the instance, as the partition knows them where the handler runs: what has been committed
    /// and has come here, and nothing that the transaction itself has changed. Generated code gives them their types.
    #[must_use]
    pub fn views(&self) -> &Views {
        &self.views
    }

    /// The object of configuration with this key, as the partition knows it where the handler runs: the same whenever
    /// the step is applied again. Other partitions may hear of a change a little earlier or later, also within one
    /// transaction.
    pub fn config<T: ConfigObject>(&self, key: &T::Key) -> Option<T> {
        let value = self.configs.get(&T::object(key))?.value.as_ref()?;
        match T::read(value) {
            Ok(object) => Some(object),
            Err(fault) => {
                let message = format!("configuration {} cannot be read: {fault}", T::NAME);
                let fault = Fault::new(Class::Corrupt, "unreadable", message);
                self.unreadable.replace(Some(fault));
                None
            }
        }
    }

    /// Fails where the handler was not told what it had asked for: what it has done then is worth nothing.
    ///
    /// # Errors
    /// [`Class::Corrupt`].
    pub fn was_readable(&self) -> Result<(), Fault> {
        self.unreadable.take().map_or(Ok(()), Err)
    }

    /// The transaction's id.
    #[must_use]
    pub fn txn_id(&self) -> TxnId {
        self.txn
    }

    /// Number of the step in its transaction.
    #[must_use]
    pub fn step(&self) -> u16 {
        self.step
    }

    /// The stamp of the submission, in milliseconds since the Unix epoch: one instant for the whole
    /// transaction, and the same whenever it is applied again.
    #[must_use]
    pub fn now(&self) -> u64 {
        if bugs::on(Bug::WallClock) {
            return u64::from(WALL.get());
        }
        self.txn.stamp()
    }

    /// Who called, as the edge verified it: the encoded `caller` message, or empty.
    #[must_use]
    pub fn caller(&self) -> &Bytes {
        self.caller
    }

    /// Random numbers, the same whenever the step is applied again. Every call gives a generator of its
    /// own.
    #[must_use]
    pub fn rng(&self) -> ChaCha8Rng {
        let draw = self.draws.replace(self.draws.get() + 1);
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&self.txn.0);
        seed[16..18].copy_from_slice(&self.step.to_le_bytes());
        seed[18..26].copy_from_slice(&draw.to_le_bytes());
        ChaCha8Rng::from_seed(seed)
    }
}

thread_local! {
    /// Stands for a clock that differs between workers; only the seeded bug reads it.
    static WALL: Cell<u32> = const { Cell::new(0) };
}

/// Moves the clock that only [`Bug::WallClock`] reads.
pub fn set_wall_clock(now: u32) {
    WALL.set(now);
}

/// A row while a step runs on it.
#[derive(Clone, Debug, Default)]
pub struct Row {
    value: Option<Bytes>,
    changed: bool,
    gives: Vec<GiveBack>,
}

impl Row {
    /// A row with this value; `None` is absent.
    #[must_use]
    pub fn new(value: Option<Bytes>) -> Row {
        Row {
            value,
            changed: false,
            gives: Vec::new(),
        }
    }

    /// The encoded instance, or `None` where there is none.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// Replaces the instance; `None` deletes it.
    pub fn set(&mut self, value: Option<Bytes>) {
        self.value = value;
        self.changed = true;
    }

    /// Whether [`Row::set`] was called.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Gives back what the row has lost, or has been asked for and is not needed, once all is committed.
    pub fn give_back(&mut self, give: GiveBack) {
        self.gives.push(give);
    }

    /// Takes what the last operation has given back.
    pub fn take_gives(&mut self) -> Vec<GiveBack> {
        std::mem::take(&mut self.gives)
    }

    /// The value, taken out.
    #[must_use]
    pub fn into_value(self) -> Option<Bytes> {
        self.value
    }
}

/// One operation to run.
#[derive(Debug)]
pub struct Call<'a> {
    /// The instance's concern and key.
    pub row: &'a RowKey,
    /// Number of the operation in the schema.
    pub op: u16,
    /// Its payload.
    pub args: &'a Bytes,
    /// What else the handler may know.
    pub context: Context<'a>,
}

/// A generated platform, as the engine sees it.
pub trait Logic: Partitions + Send + Sync {
    /// Hash of the schema.
    fn schema(&self) -> u64;

    /// Runs one operation on a copy of one row; the copy is dropped where it fails.
    ///
    /// # Errors
    /// The refusal: of the handler, of a constraint, or of a payload that cannot be read.
    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault>;

    /// What is left of a transaction: runs its body again, with the results that it carries.
    ///
    /// # Errors
    /// The refusal of a `require` whose results are there, or a body that this build does not know.
    fn resume(&self, txn: &Txn) -> Result<Rest, Fault>;

    /// What one operation, called alone, claims for the row.
    ///
    /// # Errors
    /// Where the payload cannot be read.
    fn claims_of(&self, _row: &RowKey, _op: u16, _args: &Bytes) -> Result<Vec<Asked>, Fault> {
        Ok(Vec::new())
    }

    /// The hidden concern that counts who refers to rows of `concern`; `None` where nothing can.
    fn counted_in(&self, _concern: ConcernId) -> Option<ConcernId> {
        None
    }

    /// Whether rows of `concern` are in views of others.
    fn is_related(&self, _concern: ConcernId) -> bool {
        false
    }

    /// The views that an instance is in.
    ///
    /// # Errors
    /// Where the value cannot be read.
    fn relations(&self, _row: &RowKey, _value: &Bytes) -> Result<Vec<Relation>, Fault> {
        Ok(Vec::new())
    }

    /// The hidden concern that keeps the views of rows of `concern`; `None` where there are none.
    fn viewed_in(&self, _concern: ConcernId) -> Option<ConcernId> {
        None
    }

    /// The sides that an operation reads.
    fn sides_read(&self, _concern: ConcernId, _op: u16) -> &'static [Side] {
        &[]
    }

    /// Name of a concern, for messages; of an index, with the fields: `Device(tenant, serial)`.
    fn concern_name(&self, concern: ConcernId) -> &str;
}
