//! Who waits for the answer to what.
//!
//! Owns the table of callers. Where answers come through a log, they may be lost: then it also keeps what was
//! submitted, so that it can be asked for once more, by the same id, and by the same number.

use super::submit::Submission;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::frame::Reply;
use rkcy_core::id::TxnId;
use rkcy_core::txn::{Outcome, ReplyTo};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Independent tables, so that callers and workers seldom meet at one lock.
const SHARDS: usize = 16;
/// Bits of a number that tell callers of one submitter apart; those above name its response partition.
const NUMBER: u32 = 48;
/// What is not answered is asked for again after this; then after twice as long, and so on.
const PATIENCE: Duration = Duration::from_secs(4);
/// After this a caller hears that the outcome is unknown. Its id is still remembered then.
const GIVE_UP: Duration = Duration::from_secs(50);

/// A caller that waits.
struct Caller {
    txn: TxnId,
    sender: oneshot::Sender<Outcome>,
    /// What it asked for, where the answer may be lost.
    again: Option<Box<Again>>,
}

struct Again {
    submission: Submission,
    since: Instant,
    next: Instant,
    pause: Duration,
}

/// Callers that wait, by the number they gave.
pub(crate) struct Answers {
    /// The submitter's partition of the response topic; none where everybody is in this process.
    at: Option<u16>,
    next: AtomicU64,
    shards: [Mutex<HashMap<u64, Caller>>; SHARDS],
    /// Set once nobody will be answered any more.
    closed: OnceLock<()>,
}

impl Answers {
    /// For callers that are answered at this partition of the response topic, or by workers of this process.
    /// Numbers begin at random, so that answers to callers of an earlier process, which a log may still
    /// bring about, meet nobody.
    pub(crate) fn new(at: Option<u16>) -> Answers {
        let session = uuid::Uuid::new_v4().as_u64_pair().0;
        Answers {
            at,
            next: AtomicU64::new(session),
            shards: Default::default(),
            closed: OnceLock::new(),
        }
    }

    /// The submitter's partition of the response topic.
    pub(crate) fn at(&self) -> Option<u16> {
        self.at
    }

    /// A new caller of `txn`: its number, and where its answer will arrive.
    pub(crate) fn expect(&self, txn: TxnId) -> (ReplyTo, oneshot::Receiver<Outcome>) {
        let mut number = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(at) = self.at {
            number = number & ((1 << NUMBER) - 1) | u64::from(at) << NUMBER;
        }
        let (sender, receiver) = oneshot::channel();
        let caller = Caller {
            txn,
            sender,
            again: None,
        };
        self.shard(number).insert(number, caller);
        (ReplyTo(number), receiver)
    }

    /// Partition of the response topic where whoever gave this number is answered.
    pub(crate) fn partition_of(to: ReplyTo) -> u16 {
        u16::try_from(to.0 >> NUMBER).unwrap_or(u16::MAX)
    }

    /// What the caller submits: it will be asked for again where its answer does not come.
    pub(crate) fn keep(&self, to: ReplyTo, submission: &Submission) {
        if self.at.is_none() {
            return;
        }
        let now = Instant::now();
        if let Some(caller) = self.shard(to.0).get_mut(&to.0) {
            caller.again = Some(Box::new(Again {
                submission: submission.again(),
                since: now,
                next: now + PATIENCE,
                pause: PATIENCE,
            }));
        }
    }

    /// What was not answered for too long, to be submitted again. Who has waited for longer than an id is
    /// remembered hears that the outcome is unknown.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<Submission> {
        let mut overdue = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let given_up = shard.extract_if(|_, caller| {
                let since = caller.again.as_ref().map(|again| again.since);
                since.is_some_and(|since| now.saturating_duration_since(since) >= GIVE_UP)
            });
            for (_, caller) in given_up {
                let _ = caller
                    .sender
                    .send(Outcome::NotTaken(unknown("there was no answer")));
            }
            let waiting = shard.values_mut().filter_map(|it| it.again.as_mut());
            for again in waiting.filter(|again| again.next <= now) {
                again.pause *= 2;
                again.next = now + again.pause;
                overdue.push(again.submission.again());
            }
        }
        overdue
    }

    /// Gives an answer to whoever waits for it here; else it is given back.
    pub(crate) fn give(&self, reply: Reply) -> Option<Reply> {
        let mut shard = self.shard(reply.to.0);
        // Others may have chosen the same partition, and in the end the same number.
        let is_here = (shard.get(&reply.to.0))
            .is_some_and(|caller| self.at.is_none() || caller.txn == reply.txn);
        if !is_here {
            return Some(reply);
        }
        let caller = shard.remove(&reply.to.0);
        drop(shard);
        if let Some(caller) = caller {
            // The caller may have stopped waiting.
            let _ = caller.sender.send(reply.outcome);
        }
        None
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
            for (_, caller) in lock(shard).drain() {
                let _ = caller.sender.send(Outcome::NotTaken(unknown(reason)));
            }
        }
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, HashMap<u64, Caller>> {
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
