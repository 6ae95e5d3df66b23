//! The watchdog: ends a process whose handlers do not come back.
//!
//! Owns the one thing that may be judged by the machine's clock: that an application has taken so long that
//! it will not end. Nothing is refused by it. The next start does the same again, and again, until the
//! engine knows which envelope it is and gives that up (rule 7).

use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, PartitionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Exit code of the process: the environment, as for all that is no answer.
const EXIT: i32 = 3;
/// So often it looks within its limit.
const LOOKS: u32 = 16;

/// What one worker thread is at.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// How often it went in and out; odd while it is inside.
    turns: AtomicU64,
    partition: AtomicU64,
}

impl Watch {
    /// The thread applies something in a partition, where handlers may run.
    pub(crate) fn during<T>(&self, partition: PartitionId, run: impl FnOnce() -> T) -> T {
        let packed = u64::from(partition.concern.0) << 16 | u64::from(partition.index);
        self.partition.store(packed, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::AcqRel);
        // Also where it panics: then the thread is gone, and others say so.
        let _inside = Inside(&self.turns);
        run()
    }

    fn partition(&self) -> PartitionId {
        let bytes = self.partition.load(Ordering::Relaxed).to_be_bytes();
        PartitionId {
            concern: ConcernId(u16::from_be_bytes([bytes[4], bytes[5]])),
            index: u16::from_be_bytes([bytes[6], bytes[7]]),
        }
    }
}

struct Inside<'a>(&'a AtomicU64);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// What is seen of one thread, look by look. What is counted are looks, not hours: in a process that was
/// stopped and goes on, nobody has looked meanwhile.
#[derive(Debug)]
struct Seen {
    watch: Arc<Watch>,
    turns: u64,
    looks: u32,
}

impl Seen {
    fn new(watch: Arc<Watch>) -> Seen {
        Seen {
            watch,
            turns: 0,
            looks: 0,
        }
    }

    /// Looks once more; the partition in which the thread was at so many looks before.
    fn look(&mut self, limit: u32) -> Option<PartitionId> {
        let turns = self.watch.turns.load(Ordering::Acquire);
        let is_inside = turns % 2 == 1;
        self.looks = match is_inside && turns == self.turns {
            true => self.looks + 1,
            false => 0,
        };
        self.turns = turns;
        (self.looks >= limit).then(|| self.watch.partition())
    }
}

/// The thread that looks; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    stop: Option<crossbeam_channel::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Looks after threads; a limit of zero is none.
    pub(crate) fn start(watches: Vec<Arc<Watch>>, limit: Duration) -> Result<Watchdog, Fault> {
        if limit.is_zero() {
            return Ok(Watchdog {
                stop: None,
                thread: None,
            });
        }
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let pause = limit / LOOKS;
        let mut seen: Vec<Seen> = watches.into_iter().map(Seen::new).collect();
        let thread = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                while let Err(crossbeam_channel::RecvTimeoutError::Timeout) =
                    stopped.recv_timeout(pause)
                {
                    let stuck = seen.iter_mut().find_map(|seen| seen.look(LOOKS));
                    if let Some(partition) = stuck {
                        end(partition, limit);
                    }
                }
            })
            .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))?;
        Ok(Watchdog {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn end(partition: PartitionId, limit: Duration) -> ! {
    eprintln!(
        "error: partition {partition}: a handler has not come back for {} s: this process ends. Start it \
         again: what does not come back in the starts to come either is given up, and its caller told so",
        limit.as_secs_f64()
    );
    std::process::exit(EXIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_stays_inside_is_stuck() {
        let partition = PartitionId {
            concern: ConcernId(1_024),
            index: 7,
        };
        let watch = Arc::new(Watch::default());
        let mut seen = Seen::new(Arc::clone(&watch));
        assert!((0..10).all(|_| seen.look(3).is_none()));
        let looked: Vec<_> = watch.during(partition, || (0..4).map(|_| seen.look(3)).collect());
        assert_eq!(looked, [None, None, None, Some(partition)]);
        // Out and in again is another stay.
        for _ in 0..10 {
            watch.during(partition, || assert_eq!(seen.look(1), None));
        }
        assert_eq!(seen.look(1), None);
    }

    #[test]
    fn a_panic_is_a_way_out() {
        let (watch, partition) = (Arc::new(Watch::default()), Watch::default().partition());
        let mut seen = Seen::new(Arc::clone(&watch));
        let inside = std::panic::AssertUnwindSafe(|| watch.during(partition, || panic!("out")));
        assert!(std::panic::catch_unwind(inside).is_err());
        assert!((0..10).all(|_| seen.look(1).is_none()));
    }
}
