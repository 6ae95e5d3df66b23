//! Which partitions this process has, on a log that several processes share.
//!
//! Owns the thread between the group and the worker threads: what the group gives is taken over beside the
//! partitions that are at work, and goes to the worker thread with the fewest; what ends there is taken over
//! again while the group still says that it is this process's. Nothing here decides who *may* work: that do
//! Open and Seal (rule 5).

use super::faults::process_fault;
use super::process::{Event, Ground, ProcessError};
use super::slot::Tenure;
use super::take_over::{self, Untaken};
use crate::log::group::{Assigned, Released};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rkcy_core::fault::Fault;
use rkcy_core::id::PartitionId;
use rkcy_core::logic::Logic;
use rkcy_core::worker::{Config, Worker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the thread hears.
pub(crate) enum Notice {
    /// The group has said.
    Assigned(Assigned),
    /// A changelog was folded.
    Folded(Tenure, Result<Box<Worker>, Untaken>),
    /// A worker has stopped.
    Ended(Tenure, Ended),
    /// Stop everything in good order.
    Drain,
    /// End.
    Halt,
}

/// How a worker has stopped.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As it was told.
    InGoodOrder,
    /// By itself.
    For(ProcessError),
}

/// Pause before a partition is taken over again; doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Who has worked for so long begins with the short pause again.
const SETTLED: Duration = Duration::from_secs(5);
/// A log that lacks what is needed is looked at so often, at growing intervals, before people must look.
const PATIENCE: u32 = 8;

/// A partition of this process.
struct Held {
    tenure: Tenure,
    stage: Stage,
    /// Take-overs in a row that came to nothing, or not far.
    tries: u32,
}

enum Stage {
    /// Its changelog is folded; set, that is of no use any more.
    Folding(Arc<AtomicBool>),
    /// At work in this thread, since then.
    At(usize, Instant),
    /// To be taken over again then.
    Waiting(Instant),
}

/// The thread.
pub(crate) struct Landlord {
    pub(crate) ground: Ground,
    pub(crate) logic: Arc<dyn Logic>,
    /// What every worker is told, but for the partition, the owner and its share of the memory.
    pub(crate) config: Config,
    /// For the rows of all partitions. Bytes.
    pub(crate) cache_bytes: usize,
    pub(crate) threads: Vec<Sender<Event>>,
    pub(crate) notices: Receiver<Notice>,
    /// To itself.
    pub(crate) sender: Sender<Notice>,
    /// Hears what people must look at.
    pub(crate) failed: Arc<dyn Fn(Fault) + Send + Sync>,
    pub(crate) held: Tenants,
}

/// The partitions of this process.
#[derive(Default)]
pub(crate) struct Tenants {
    all: BTreeMap<PartitionId, Held>,
    /// Take-overs begun.
    numbers: u64,
    draining: bool,
}

impl Landlord {
    /// Works until told to end.
    pub(crate) fn run(mut self) {
        loop {
            let notice = match self.next_due() {
                Some(due) => {
                    let pause = due.saturating_duration_since(Instant::now());
                    self.notices.recv_timeout(pause)
                }
                None => self.notices.recv().map_err(RecvTimeoutError::from),
            };
            match notice {
                Ok(Notice::Halt) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(notice) => self.hear(notice),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.take_over_again();
        }
        for held in self.held.all.into_values() {
            if let Stage::Folding(stop) = held.stage {
                stop.store(true, Ordering::Release);
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let waiting = self.held.all.values().filter_map(|held| match held.stage {
            Stage::Waiting(due) => Some(due),
            _ => None,
        });
        waiting.min()
    }

    fn take_over_again(&mut self) {
        let now = Instant::now();
        let is_due = |held: &Held| matches!(held.stage, Stage::Waiting(due) if due <= now);
        let due = self.held.all.iter().filter(|(_, held)| is_due(held));
        let due: Vec<PartitionId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.begin(id);
        }
    }

    fn hear(&mut self, notice: Notice) {
        match notice {
            Notice::Assigned(news) => {
                self.assigned(news);
                self.share_memory();
            }
            Notice::Folded(tenure, folded) => self.folded(tenure, folded),
            Notice::Ended(tenure, ended) => self.ended(tenure, ended),
            Notice::Drain => {
                self.held.draining = true;
                // What is at work tells of its end; all else is not begun any more.
                self.held.all.retain(|_, held| match &held.stage {
                    Stage::At(..) => true,
                    Stage::Folding(stop) => {
                        stop.store(true, Ordering::Release);
                        false
                    }
                    Stage::Waiting(_) => false,
                });
                for thread in &self.threads {
                    // One that has ended needs no telling.
                    let _ = thread.send(Event::Drain);
                }
            }
            Notice::Halt => {}
        }
    }

    fn assigned(&mut self, news: Assigned) {
        match news {
            Assigned::Gained(ids) => {
                for id in ids {
                    if !self.held.draining && !self.held.all.contains_key(&id) {
                        self.begin(id);
                    }
                }
            }
            Assigned::Revoked(ids, released) => {
                for id in ids {
                    self.give_up(id, Some(released.clone()));
                }
            }
            Assigned::Lost(ids) => ids.into_iter().for_each(|id| self.give_up(id, None)),
        }
    }

    /// Each partition has the same share of the memory for rows. People are told how many there are.
    fn share_memory(&self) {
        eprintln!(
            "{} partitions are applied by this process now",
            self.held.all.len()
        );
        let bytes = self.cache_bytes / self.held.all.len().max(1);
        for thread in &self.threads {
            let _ = thread.send(Event::Cache(bytes));
        }
    }

    /// Folds the changelog of a partition, beside everything else.
    fn begin(&mut self, id: PartitionId) {
        self.held.numbers += 1;
        let tenure = Tenure {
            partition: id,
            number: self.held.numbers,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let tries = self.held.all.get(&id).map_or(0, |held| held.tries);
        let held = Held {
            tenure,
            stage: Stage::Folding(Arc::clone(&stop)),
            tries,
        };
        self.held.all.insert(id, held);
        let config = Config {
            partition: id,
            owner: uuid::Uuid::new_v4().as_u64_pair().0,
            cache_bytes: self.cache_bytes / self.held.all.len().max(1),
            ..self.config.clone()
        };
        let (ground, logic) = (self.ground.clone(), Arc::clone(&self.logic));
        let sender = self.sender.clone();
        let tokio = self.ground.tokio.clone();
        tokio.spawn_blocking(move || {
            let mut waits = |owner: u64| {
                eprintln!(
                    "partition {id} belongs to build {owner:016x}: waiting until that has sealed it. Stop that \
                     build in good order; where it has died, start it once more and then stop it"
                );
            };
            let folded = take_over::while_running(&ground, config, logic, &stop, &mut waits);
            // Who asked may be gone.
            let _ = sender.send(Notice::Folded(tenure, folded.map(Box::new)));
        });
    }

    fn folded(&mut self, tenure: Tenure, folded: Result<Box<Worker>, Untaken>) {
        let Some(held) = self.held.all.get_mut(&tenure.partition) else {
            return;
        };
        if held.tenure != tenure {
            return;
        }
        match folded {
            Ok(worker) => {
                let thread = self.emptiest();
                if let Some(held) = self.held.all.get_mut(&tenure.partition) {
                    held.stage = Stage::At(thread, Instant::now());
                }
                // A thread that has ended has said why.
                let _ = self.threads[thread].send(Event::Adopt(tenure, worker));
            }
            Err(Untaken::NotWanted) => {}
            Err(Untaken::Never(fault)) => (self.failed)(fault),
            Err(Untaken::Later(fault)) if is_gap(&fault) && held.tries >= PATIENCE => {
                (self.failed)(fault);
            }
            Err(Untaken::Later(fault)) => self.again(tenure, &fault),
        }
    }

    /// The thread with the fewest partitions.
    fn emptiest(&self) -> usize {
        let mut counts = vec![0_usize; self.threads.len()];
        for held in self.held.all.values() {
            if let Stage::At(thread, _) = held.stage {
                counts[thread] += 1;
            }
        }
        let fewest = (0..counts.len()).min_by_key(|nth| counts[*nth]);
        fewest.unwrap_or(0)
    }

    fn ended(&mut self, tenure: Tenure, ended: Ended) {
        let Some(held) = self.held.all.get_mut(&tenure.partition) else {
            return;
        };
        if held.tenure != tenure {
            return;
        }
        match ended {
            Ended::InGoodOrder => drop(self.held.all.remove(&tenure.partition)),
            Ended::For(_) if self.held.draining => drop(self.held.all.remove(&tenure.partition)),
            Ended::For(error) => {
                if matches!(held.stage, Stage::At(_, since) if since.elapsed() >= SETTLED) {
                    held.tries = 0;
                }
                self.again(tenure, &process_fault(error));
            }
        }
    }

    /// Takes a partition over again, after a pause that grows.
    fn again(&mut self, tenure: Tenure, why: &Fault) {
        let Some(held) = self.held.all.get_mut(&tenure.partition) else {
            return;
        };
        let pause = PAUSE.saturating_mul(1 << held.tries.min(10));
        held.tries += 1;
        held.stage = Stage::Waiting(Instant::now() + pause.min(LONGEST_PAUSE));
        eprintln!(
            "warning: {why}; partition {} is taken over again",
            tenure.partition
        );
    }

    /// The partition is not this process's any more.
    fn give_up(&mut self, id: PartitionId, released: Option<Released>) {
        let Some(held) = self.held.all.remove(&id) else {
            return;
        };
        match (held.stage, released) {
            (Stage::Folding(stop), _) => stop.store(true, Ordering::Release),
            (Stage::At(thread, _), Some(released)) => {
                let _ = self.threads[thread].send(Event::Revoke(held.tenure, released));
            }
            (Stage::At(thread, _), None) => {
                let _ = self.threads[thread].send(Event::Lose(held.tenure));
            }
            (Stage::Waiting(_), _) => {}
        }
    }
}

/// Whether records that are needed are not there: where that stays so, they are lost.
fn is_gap(fault: &Fault) -> bool {
    matches!(&*fault.code, "log_gap" | "log_out_of_range")
}
