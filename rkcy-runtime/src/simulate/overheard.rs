//! Business logic that somebody listens to.
//!
//! Owns that whoever listens changes nothing of it: each call is heard, and then runs as it would alone.

use crate::codegen::{Asked, Bytes, Call, ConcernId, Fault, Logic, Partitions, Row, RowKey};
use rkcy_core::related::{Relation, Side};
use rkcy_core::txn::{Rest, Txn};
use std::ops::Deref;
use std::sync::Arc;

/// Who listens.
pub(super) trait Listener: Send + Sync {
    /// This is about to run.
    fn hears(&self, call: &Call<'_>);
}

/// Business logic, and who listens to it.
pub(super) struct Overheard<L> {
    logic: Arc<dyn Logic>,
    listener: L,
}

impl<L: Listener> Overheard<L> {
    pub(super) fn new(logic: Arc<dyn Logic>, listener: L) -> Arc<Overheard<L>> {
        Arc::new(Overheard { logic, listener })
    }
}

impl<L> Deref for Overheard<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.listener
    }
}

impl<L: Listener> Partitions for Overheard<L> {
    fn partitions(&self, concern: ConcernId) -> u16 {
        self.logic.partitions(concern)
    }
}

impl<L: Listener> Logic for Overheard<L> {
    fn schema(&self) -> u64 {
        self.logic.schema()
    }

    fn run(&self, call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
        self.listener.hears(call);
        self.logic.run(call, row)
    }

    fn resume(&self, txn: &Txn) -> Result<Rest, Fault> {
        self.logic.resume(txn)
    }

    fn claims_of(&self, row: &RowKey, op: u16, args: &Bytes) -> Result<Vec<Asked>, Fault> {
        self.logic.claims_of(row, op, args)
    }

    fn counted_in(&self, concern: ConcernId) -> Option<ConcernId> {
        self.logic.counted_in(concern)
    }

    fn is_related(&self, concern: ConcernId) -> bool {
        self.logic.is_related(concern)
    }

    fn relations(&self, row: &RowKey, value: &Bytes) -> Result<Vec<Relation>, Fault> {
        self.logic.relations(row, value)
    }

    fn viewed_in(&self, concern: ConcernId) -> Option<ConcernId> {
        self.logic.viewed_in(concern)
    }

    fn sides_read(&self, concern: ConcernId, op: u16) -> &'static [Side] {
        self.logic.sides_read(concern, op)
    }

    fn concern_name(&self, concern: ConcernId) -> &str {
        self.logic.concern_name(concern)
    }
}
