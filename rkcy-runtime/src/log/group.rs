//! Who has which partition: membership in a group of processes that share a platform's partitions.
//!
//! Owns the trait by which a driver hears what is its own, and [`Everything`], the membership of a process
//! that is alone. What a group says is a hint about who should work, never about who may: two members that
//! both believe they have a partition do no harm (rules 1 to 5 of the engine), they only cost time.

use super::LogError;
use rkcy_core::id::PartitionId;
use std::fmt;
use std::sync::Arc;

/// What a member does with its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Applies their command logs.
    Process,
    /// Writes their changelogs to the database.
    Storage,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Process => "process",
            Role::Storage => "storage",
        })
    }
}

/// One group: the members of one role and one build. Each group has every partition of every root concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId {
    /// What the members do.
    pub role: Role,
    /// Which build they are of: another one forms a group of its own, and waits for Seals (rule 5).
    pub build: u64,
}

/// A change of what a member has.
#[derive(Debug)]
pub enum Assigned {
    /// These are its own from now on.
    Gained(Vec<PartitionId>),
    /// Another is to have these. The group hands them over once [`Released`] says that they are free: sealed,
    /// applied up to there, and the last snapshot durable. It does not wait for ever.
    Revoked(Vec<PartitionId>, Released),
    /// These went to others without a word, since this member was away for too long: another may have them
    /// already.
    Lost(Vec<PartitionId>),
}

/// Hears of what a member gains and loses, in order, from a thread of the group. It must not block.
pub type Hear = Box<dyn Fn(Assigned) + Send + Sync>;

/// Groups of processes that share the partitions of a platform.
pub trait Group: Send + Sync + 'static {
    /// Joins; `hear` is told of everything that becomes this member's, beginning with nothing, until the
    /// member is dropped.
    ///
    /// # Errors
    /// Where there is no group to be had.
    fn join(&self, group: GroupId, hear: Hear) -> Result<Box<dyn Member>, LogError>;
}

/// A membership. Dropping it leaves the group at once: what it has is free for others then, without another
/// word to it, so who leaves in good order has sealed its partitions before.
pub trait Member: Send {}

/// Says that partitions are free, when its last clone is dropped.
#[derive(Clone, Debug)]
pub struct Released(#[expect(dead_code, reason = "it acts when it is dropped")] Arc<OnDrop>);

struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Released {
    /// Calls `free` once, when the last clone is done with.
    #[must_use]
    pub fn new(free: impl FnOnce() + Send + Sync + 'static) -> Released {
        Released(Arc::new(OnDrop(Some(Box::new(free)))))
    }

    /// This clone is done with.
    pub fn done(self) {}
}

impl fmt::Debug for OnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnDrop")
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(free) = self.0.take() {
            free();
        }
    }
}

/// The group of a process that is alone: it has everything, at once and for ever.
#[derive(Clone, Debug)]
pub struct Everything(pub Vec<PartitionId>);

struct Alone;

impl Member for Alone {}

impl Group for Everything {
    fn join(&self, _: GroupId, hear: Hear) -> Result<Box<dyn Member>, LogError> {
        hear(Assigned::Gained(self.0.clone()));
        Ok(Box::new(Alone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn partitions_are_free_once_everybody_is_done_with_them() {
        let freed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&freed);
        let one = Released::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let other = one.clone();
        one.done();
        assert_eq!(freed.load(Ordering::Relaxed), 0);
        drop(other);
        assert_eq!(freed.load(Ordering::Relaxed), 1);
    }
}
