//! What a transaction computes on its way: payloads, keys and answers out of earlier results.
//!
//! Owns how generated code gets at parameters and results that travel with the transaction.

use super::platform::Transaction;
use super::value::{Value, decode};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::TxnId;
use rkcy_core::txn::Txn;
use uuid::Uuid;

/// The parameters that a transaction carries.
///
/// # Errors
/// Where they cannot be read.
pub fn params<T: Transaction>(txn: &Txn) -> Result<T, Fault> {
    decode(&txn.params)
}

/// The result of an earlier step.
///
/// # Errors
/// Where it is not there, or cannot be read.
pub fn result<V: Value>(txn: &Txn, step: u16) -> Result<V, Fault> {
    let bytes = txn.result(step).ok_or_else(|| {
        let message = format!("the result of step {step} did not travel");
        Fault::new(Class::Corrupt, "missing_result", message)
    })?;
    decode(bytes)
}

/// A key that is derived from a transaction's id, a step and an index: known at submission, and the
/// same when the transaction is submitted again.
#[must_use]
pub fn derived_uuid(id: TxnId, step: u16, index: u16) -> Uuid {
    let [a, b] = step.to_be_bytes();
    let [c, d] = index.to_be_bytes();
    Uuid::new_v5(&Uuid::from_bytes(id.0), &[a, b, c, d])
}

/// Hash of a schema out of those of its parts. Not one that resists an attack: it tells builds apart.
#[must_use]
pub const fn schema(parts: &[u64]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < parts.len() {
        hash = (hash ^ parts[index]).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 32;
        index += 1;
    }
    hash
}

/// Nothing of this kind is computed late for this number.
#[must_use]
pub fn not_late(transaction: &str, what: &str, number: u16) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unknown_step",
        format!("{transaction} computes no {what} {number} in this build"),
    )
}

/// A concern that this build does not know.
#[must_use]
pub fn unknown_concern(rank: u16) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unknown_concern",
        format!("this build has no concern {rank}"),
    )
}

/// A transaction that this build does not know.
#[must_use]
pub fn unknown_transaction(kind: u32) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unknown_transaction",
        format!("this build has no transaction {kind}"),
    )
}
