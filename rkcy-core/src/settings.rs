//! Settings that decide outcomes.
//!
//! Owns the bounds and windows that every worker of a partition must agree on. They stand in the
//! `Open` record and are read from the state, never from a worker's own configuration, so that two
//! workers cannot differ (rule 5). Sizes are counted in encoded bytes.

use crate::wire::{Malformed, Reader, Wire};

/// Which transactions the audit tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audit {
    /// None.
    #[default]
    Off,
    /// Those that were refused, and sagas that were parked.
    Refused,
    /// All.
    All,
}

impl Wire for Audit {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Audit::Off),
            1 => Ok(Audit::Refused),
            2 => Ok(Audit::All),
            _ => Err(input.malformed("an unknown setting of the audit")),
        }
    }
}

/// Bounds and windows, each with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far the stamp of a submission may be behind or ahead of the partition's clock, and how long
    /// its id is remembered (W of rule 8). Milliseconds.
    pub window: u64,
    /// Memory for ids and the results remembered with them. Bytes.
    pub id_bytes: u64,
    /// Visits that may wait for one entity group.
    pub queue: u32,
    /// Visits of one transaction.
    pub visits: u16,
    /// Encoded value of one instance. Bytes; below what a broker takes.
    pub row_bytes: u32,
    /// Encoded transaction with all that it carries. Bytes; below what a broker takes.
    pub txn_bytes: u32,
    /// Transactions that may run at a time, of those that begin in one partition.
    pub running: u32,
    /// Which transactions the audit tells of.
    pub audit: Audit,
    /// How long an idempotency key is remembered after its transaction has ended, by the clock of its partition.
    /// Milliseconds.
    pub key_life: u64,
}

impl Settings {
    /// What is counted for an id beside its remembered outcome. Bytes.
    pub const ID_COST: u64 = 40;
    /// What is counted for a caller that asks again while its transaction runs. Bytes.
    pub const REPLY_COST: u64 = 24;
    /// What is counted for the key of a transaction that runs. Bytes.
    pub const KEY_COST: u64 = 120;
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            window: 60_000,
            id_bytes: 64 << 20,
            queue: 10_000,
            visits: 1_000,
            row_bytes: 256 << 10,
            txn_bytes: 512 << 10,
            running: 100_000,
            audit: Audit::Off,
            key_life: 86_400_000,
        }
    }
}

impl Wire for Settings {
    fn put(&self, out: &mut Vec<u8>) {
        self.window.put(out);
        self.id_bytes.put(out);
        self.queue.put(out);
        self.visits.put(out);
        self.row_bytes.put(out);
        self.txn_bytes.put(out);
        self.running.put(out);
        self.audit.put(out);
        self.key_life.put(out);
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Settings {
            window: Wire::take(input)?,
            id_bytes: Wire::take(input)?,
            queue: Wire::take(input)?,
            visits: Wire::take(input)?,
            row_bytes: Wire::take(input)?,
            txn_bytes: Wire::take(input)?,
            running: Wire::take(input)?,
            audit: Wire::take(input)?,
            key_life: Wire::take(input)?,
        })
    }
}
