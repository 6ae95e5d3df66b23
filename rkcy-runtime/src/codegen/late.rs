//! Small things that generated code computes or says.

use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::TxnId;
use uuid::Uuid;

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
