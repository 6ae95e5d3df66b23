//! Who waits for the answer to what.

use rkcy_core::fault::{Class, Fault};
use rkcy_core::frame::Reply;
use rkcy_core::txn::{Outcome, ReplyTo};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::oneshot;

/// Independent tables, so that callers and workers seldom meet at one lock.
const SHARDS: usize = 16;

/// Callers that wait, by the number they gave.
pub(crate) struct Answers {
    next: AtomicU64,
    shards: [Mutex<HashMap<u64, oneshot::Sender<Outcome>>>; SHARDS],
    /// Set once nobody will be answered any more.
    closed: OnceLock<()>,
}

impl Answers {
    /// Numbers begin at random, so that answers to callers of an earlier process, which a log may still
    /// bring about, meet nobody.
    pub(crate) fn new() -> Answers {
        let session = uuid::Uuid::new_v4().as_u64_pair().0;
        Answers {
            next: AtomicU64::new(session),
            shards: Default::default(),
            closed: OnceLock::new(),
        }
    }

    /// A new caller: its number, and where its answer will arrive.
    pub(crate) fn expect(&self) -> (ReplyTo, oneshot::Receiver<Outcome>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.shard(number).insert(number, sender);
        (ReplyTo(number), receiver)
    }

    /// Gives an answer to whoever waits for it.
    pub(crate) fn give(&self, reply: Reply) {
        if let Some(sender) = self.shard(reply.to.0).remove(&reply.to.0) {
            // The caller may have stopped waiting.
            let _ = sender.send(reply.outcome);
        }
    }

    /// A caller no longer waits.
    pub(crate) fn forget(&self, to: ReplyTo) {
        self.shard(to.0).remove(&to.0);
    }

    /// Whether nobody is answered any more. Who asks after [`Answers::expect`] and hears no is answered.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get().is_some()
    }

    /// Everybody who waits hears that the outcome is unknown; nobody may wait any more.
    pub(crate) fn give_up(&self, reason: &str) {
        // Before the tables are emptied, so that nobody comes in between.
        self.closed.get_or_init(|| ());
        for shard in &self.shards {
            for (_, sender) in lock(shard).drain() {
                let _ = sender.send(Outcome::NotTaken(unknown(reason)));
            }
        }
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        let nth = usize::try_from(number % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[nth])
    }
}

/// What a caller hears where nobody knows what became of its transaction.
pub(crate) fn unknown(reason: &str) -> Fault {
    let message = format!("{reason}: the outcome is unknown, ask by id");
    Fault::new(Class::Unavailable, "outcome_unknown", message)
}

/// The maps stay whole where a holder of the lock has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
