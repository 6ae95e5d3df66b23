//! Who of the threads of a process may apply, on a log that several processes share.
//!
//! Owns that a careful worker is alone: while it tries an envelope, nothing else of its process is applied, so that
//! nobody beside it ends the process and makes that envelope look guilty. Elsewhere nobody waits.

use super::slot::Tenure;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One for a process.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Threads that apply.
    applying: usize,
    /// The careful worker that is alone, or is to be so as soon as nobody else applies.
    alone: Option<Tenure>,
}

impl Gate {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a worker may apply now, beside others; it leaves when it has.
    pub(super) fn enter(&self) -> bool {
        let mut inside = self.inside();
        let open = inside.alone.is_none();
        inside.applying += usize::from(open);
        open
    }

    /// It has applied.
    pub(super) fn leave(&self) {
        self.inside().applying -= 1;
    }

    /// Whether a careful worker may try an envelope now; it keeps the others out until [`Gate::open`].
    pub(super) fn enter_alone(&self, tenure: Tenure) -> bool {
        let mut inside = self.inside();
        let alone = *inside.alone.get_or_insert(tenure) == tenure;
        alone && inside.applying == 0
    }

    /// A careful worker has nothing to fear for, or is gone.
    pub(super) fn open(&self, tenure: Tenure) {
        let mut inside = self.inside();
        if inside.alone == Some(tenure) {
            inside.alone = None;
        }
    }

    /// Whether somebody is alone: others look again soon.
    pub(super) fn is_closed(&self) -> bool {
        self.inside().alone.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkcy_core::id::{ConcernId, PartitionId};

    #[test]
    fn who_is_careful_is_alone() {
        let tenure = |number| Tenure {
            partition: PartitionId {
                concern: ConcernId(1),
                index: 0,
            },
            number,
        };
        let gate = Gate::default();
        assert!(gate.enter() && gate.enter());
        assert!(!gate.enter_alone(tenure(1)), "others apply");
        assert!(
            !gate.enter() && gate.is_closed(),
            "they come first who wait"
        );
        gate.leave();
        gate.leave();
        assert!(gate.enter_alone(tenure(1)) && !gate.enter_alone(tenure(2)));
        gate.open(tenure(2));
        assert!(!gate.enter());
        gate.open(tenure(1));
        assert!(gate.enter() && !gate.is_closed());
    }
}
