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
use std::time::{Duration, Instant};

/// Exit code of the process: the environment, as for all that is no answer.
const EXIT: i32 = 3;

/// What one worker thread is at.
#[derive(Debug)]
pub(crate) struct Watch {
    begun: Instant,
    /// Milliseconds after `begun` when it went in, and one more; 0 while it is out.
    since: AtomicU64,
    partition: AtomicU64,
}

impl Watch {
    pub(crate) fn new() -> Arc<Watch> {
        Arc::new(Watch {
            begun: Instant::now(),
            since: AtomicU64::new(0),
            partition: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// The thread applies something in a partition, where handlers may run.
    pub(crate) fn during<T>(&self, partition: PartitionId, run: impl FnOnce() -> T) -> T {
        let packed = u64::from(partition.concern.0) << 16 | u64::from(partition.index);
        self.partition.store(packed, Ordering::Relaxed);
        self.since.store(self.now() + 1, Ordering::Release);
        let result = run();
        self.since.store(0, Ordering::Release);
        result
    }

    /// The partition in which the thread has been for longer than `limit`.
    fn stuck(&self, limit: Duration) -> Option<PartitionId> {
        let since = self.since.load(Ordering::Acquire).checked_sub(1)?;
        let inside = Duration::from_millis(self.now().saturating_sub(since));
        let packed = self.partition.load(Ordering::Relaxed);
        (inside >= limit).then_some(PartitionId {
            concern: ConcernId((packed >> 16) as u16),
            index: (packed & 0xffff) as u16,
        })
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
        let pause = (limit / 8).clamp(Duration::from_millis(1), Duration::from_secs(1));
        let thread = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                while let Err(crossbeam_channel::RecvTimeoutError::Timeout) =
                    stopped.recv_timeout(pause)
                {
                    let stuck = watches.iter().find_map(|watch| watch.stuck(limit));
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
        let (watch, limit) = (Watch::new(), Duration::from_millis(20));
        let partition = PartitionId {
            concern: ConcernId(1_024),
            index: 7,
        };
        assert_eq!(watch.stuck(Duration::ZERO), None);
        let seen = watch.during(partition, || {
            assert_eq!(watch.stuck(Duration::from_secs(60)), None);
            std::thread::sleep(2 * limit);
            watch.stuck(limit)
        });
        assert_eq!(seen, Some(partition));
        std::thread::sleep(2 * limit);
        assert_eq!(watch.stuck(limit), None);
    }
}
