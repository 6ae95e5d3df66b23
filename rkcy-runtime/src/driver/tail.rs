//! Who hears how transactions end, as it happens.
//!
//! Owns the one reader that a process has of its audits: a thread, there while somebody listens and a little longer. It
//! keeps what it has heard last, so that many can listen, one who is slow holds up nobody, and one who was away goes on
//! where he was.

use super::audit::{Audit, Told, read_kept};
use super::faults::{log_fault, panicked};
use crate::log::{Log, LogError, StreamId, Wake, wall_clock};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Events that are kept for those who are slow, or come back; and bytes of results in them.
const KEPT: usize = 8_192;
const KEPT_BYTES: usize = 16 << 20;
/// Events that a listener takes at a time.
const TAKEN: usize = 256;
/// So long the reader stays where nobody listens: who was cut off comes back by then.
const LINGER: Duration = Duration::from_secs(60);
/// Longest pause before the reader looks again, also where nobody has said that something came.
const LOOK: Duration = Duration::from_millis(500);
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// How transactions end, for those who want to hear of it.
#[derive(Clone)]
pub(crate) struct Tail(Arc<Shared>);

struct Shared {
    log: Weak<dyn Log>,
    partitions: Vec<PartitionId>,
    /// Says that there is more, or that it is over.
    news: watch::Sender<()>,
    kept: Mutex<Kept>,
    stop: AtomicBool,
    /// Tells numbers of this process from those of another.
    born: u64,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Number of the last event.
    last: u64,
    /// All that was there when the reader began has been read.
    live: bool,
    /// Listeners that have come, and those for whom all has been read that was there when they came.
    came: u64,
    caught: u64,
    /// Those that are there.
    listeners: usize,
    /// The reader is at work, and stays as long as there are listeners.
    reading: bool,
    reader: Option<JoinHandle<()>>,
    /// Why it is over.
    over: Option<Fault>,
}

/// A transaction has ended.
#[derive(Debug)]
pub(crate) struct Event {
    /// Number in this process, dense.
    number: u64,
    /// The partition where it was decided.
    pub(crate) partition: PartitionId,
    /// How it ended.
    pub(crate) told: Told,
}

impl Event {
    fn bytes(&self) -> usize {
        match &self.told.finished.outcome {
            rkcy_core::txn::Outcome::Committed(result) => result.as_ref().map_or(0, |it| it.len()),
            _ => 0,
        }
    }
}

/// Where a listener begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// With what the audits have kept.
    Start,
    /// With what comes.
    Now,
    /// Behind this event, by the birth of the process that has told of it, and its number.
    Behind(u64, u64),
}

/// What a listener hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The next events, at least one.
    Events(Vec<Arc<Event>>),
    /// All that was there when the listener came was told; what follows is new.
    Caught,
    /// Something in between is not kept any more.
    Missed,
}

impl Tail {
    pub(super) fn new(log: &Arc<dyn Log>, partitions: Vec<PartitionId>) -> Tail {
        Tail(Arc::new(Shared {
            log: Arc::downgrade(log),
            partitions,
            news: watch::channel(()).0,
            kept: Mutex::default(),
            stop: AtomicBool::new(false),
            born: wall_clock(),
        }))
    }

    /// Listens from then on.
    pub(crate) fn listen(&self, from: From) -> Listener {
        let shared = Arc::clone(&self.0);
        let news = shared.news.subscribe();
        let mut kept = shared.kept();
        kept.listeners += 1;
        kept.came += 1;
        let nth = kept.came;
        if let Some(reader) = &kept.reader {
            reader.thread().unpark();
        }
        if !kept.reading && !shared.stop.load(Ordering::Acquire) {
            // What went wrong with the last reader may have passed.
            kept.over = None;
            kept.reading = true;
            let own = Arc::clone(&shared);
            let reader = std::thread::Builder::new().name("tail".to_owned());
            match reader.spawn(move || own.run()) {
                Ok(reader) => kept.reader = Some(reader),
                Err(error) => {
                    let fault = Fault::new(Class::Unavailable, "no_threads", error.to_string());
                    kept.fail(fault);
                }
            }
        }
        drop(kept);
        Listener {
            shared,
            news,
            from,
            nth,
            seen: None,
            caught: false,
        }
    }

    /// Nobody hears anything any more; the log is not used when this is back.
    pub(super) fn close(&self) {
        self.0.stop.store(true, Ordering::Release);
        let reader = {
            let mut kept = self.0.kept();
            let closed = || Fault::new(Class::Unavailable, "closed", "the platform has stopped");
            kept.over.get_or_insert_with(closed);
            kept.reader.take()
        };
        self.0.news.send_replace(());
        if let Some(reader) = reader {
            reader.thread().unpark();
            // A panic in there concerns nobody but listeners, who have heard of it.
            let _ = reader.join();
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until nobody has listened for a while, or it is over.
    fn run(&self) {
        let _watched = Watched(self);
        let Some(log) = self.log.upgrade() else {
            return;
        };
        let streams: Vec<StreamId> = (self.partitions.iter())
            .map(|id| StreamId::commands(id.audit()))
            .collect();
        if let Err(fault) = self.read(&*log, &streams) {
            self.kept().fail(fault);
            self.news.send_replace(());
        }
    }

    fn read(&self, log: &dyn Log, streams: &[StreamId]) -> Result<(), Fault> {
        let reader = std::thread::current();
        let wake: Wake = Arc::new(move || reader.unpark());
        log.watch(streams, Arc::clone(&wake));
        let mut next = self.read_kept(log)?;
        let mut listened = Instant::now();
        loop {
            let came = self.kept().came;
            let ends = match self.kept().caught < came {
                true => Some(ends(log, streams)?),
                false => None,
            };
            let mut any = false;
            for ((id, stream), (audit, next)) in self.partitions.iter().zip(streams).zip(&mut next)
            {
                let records = match log.read(*stream, *next, READ_BYTES) {
                    // Trimmed meanwhile: the numbers tell what is missing.
                    Err(LogError::OutOfRange { .. }) => {
                        *next = log.bounds(*stream).map_err(log_fault)?.start.max(*next);
                        continue;
                    }
                    read => read.map_err(log_fault)?,
                };
                for record in records {
                    any = true;
                    *next = record.offset + 1;
                    audit.read(record, |told| self.kept().push(*id, told))?;
                }
            }
            if let Some(ends) = ends
                && next.iter().zip(ends).all(|((_, next), end)| *next >= end)
            {
                any = true;
                self.kept().caught = came;
            }
            if self.kept().over.is_some() {
                return Ok(());
            }
            if self.kept().listeners > 0 {
                listened = Instant::now();
            } else if listened.elapsed() > LINGER {
                log.leave(streams);
                if self.kept().ends() {
                    return Ok(());
                }
            }
            if any {
                self.news.send_replace(());
            } else {
                std::thread::park_timeout(LOOK);
            }
        }
    }

    /// Reads what the audits have kept; where each goes on.
    fn read_kept(&self, log: &dyn Log) -> Result<Vec<(Audit, u64)>, Fault> {
        let mut past: Vec<(PartitionId, Told)> = Vec::new();
        let mut next = Vec::new();
        for id in &self.partitions {
            let mut audit = Audit::default();
            let mut of_one = VecDeque::new();
            let end = read_kept(log, *id, &self.stop, |record| {
                audit.read(record, |told| {
                    if of_one.len() == KEPT {
                        of_one.pop_front();
                    }
                    of_one.push_back((*id, told));
                })
            })?;
            past.extend(of_one);
            next.push((audit, end));
        }
        past.sort_by_key(|(id, told)| (told.finished.decided, *id, told.number));
        let mut kept = self.kept();
        for (id, told) in past {
            kept.push(id, told);
        }
        kept.live = true;
        drop(kept);
        self.news.send_replace(());
        Ok(next)
    }
}

/// How far these streams go now.
fn ends(log: &dyn Log, streams: &[StreamId]) -> Result<Vec<u64>, Fault> {
    let ends = streams.iter().map(|stream| Ok(log.bounds(*stream)?.end));
    ends.collect::<Result<_, LogError>>().map_err(log_fault)
}

/// Tells listeners of a reader that ends in a panic.
struct Watched<'a>(&'a Shared);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.kept().fail(panicked());
            self.0.news.send_replace(());
        }
    }
}

impl Kept {
    /// The reader ends, unless somebody listens again; whether it does.
    fn ends(&mut self) -> bool {
        if self.listeners > 0 {
            return false;
        }
        self.forget();
        true
    }

    /// The reader has failed: its listeners hear why.
    fn fail(&mut self, fault: Fault) {
        self.forget();
        self.over.get_or_insert(fault);
    }

    fn forget(&mut self) {
        self.events.clear();
        self.bytes = 0;
        (self.live, self.reading) = (false, false);
    }

    fn push(&mut self, partition: PartitionId, told: Told) {
        self.last += 1;
        let event = Event {
            number: self.last,
            partition,
            told,
        };
        self.bytes += event.bytes();
        self.events.push_back(Arc::new(event));
        while self.events.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(gone) = self.events.pop_front() else {
                return;
            };
            self.bytes -= gone.bytes();
        }
    }

    /// Number of the event before the first that is kept.
    fn before(&self) -> u64 {
        self.last - self.events.len() as u64
    }

    /// The events behind this one.
    fn behind(&self, seen: u64) -> Vec<Arc<Event>> {
        let skip = usize::try_from(seen.saturating_sub(self.before())).unwrap_or(usize::MAX);
        self.events.iter().skip(skip).take(TAKEN).cloned().collect()
    }
}

/// One who listens.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    news: watch::Receiver<()>,
    from: From,
    /// So many had come when it came.
    nth: u64,
    /// Number of the last event that it has heard.
    seen: Option<u64>,
    /// It was told that it has come to what is new.
    caught: bool,
}

impl Listener {
    /// What comes next; waits until there is something.
    ///
    /// # Errors
    /// Why nothing comes any more.
    pub(crate) async fn next(&mut self) -> Result<Heard, Fault> {
        loop {
            self.news.mark_unchanged();
            if let Some(heard) = self.heard()? {
                return Ok(heard);
            }
            if self.news.changed().await.is_err() {
                let message = "the platform has stopped";
                return Err(Fault::new(Class::Unavailable, "closed", message));
            }
        }
    }

    /// How another listener says that it goes on behind this event.
    pub(crate) fn place(&self, event: &Event) -> (u64, u64) {
        (self.shared.born, event.number)
    }

    fn heard(&mut self) -> Result<Option<Heard>, Fault> {
        let shared = Arc::clone(&self.shared);
        let kept = shared.kept();
        if let Some(over) = &kept.over {
            return Err(over.clone());
        }
        if !kept.live {
            return Ok(None);
        }
        let before = kept.before();
        let seen = self.seen.unwrap_or(match self.from {
            From::Start => before,
            From::Now => kept.last,
            From::Behind(born, number) if born == shared.born && number <= kept.last => number,
            // Another process has told of it: all that is kept may be news.
            From::Behind(..) => before,
        });
        if seen < before {
            self.seen = Some(before);
            return Ok(Some(Heard::Missed));
        }
        let events = kept.behind(seen);
        self.seen = Some(events.last().map_or(seen, |event| event.number));
        if !events.is_empty() {
            return Ok(Some(Heard::Events(events)));
        }
        if self.caught || kept.caught < self.nth {
            return Ok(None);
        }
        self.caught = true;
        Ok(Some(Heard::Caught))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.kept().listeners -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use rkcy_core::frame::Finished;
    use rkcy_core::id::{ConcernId, TxnId};
    use rkcy_core::txn::Outcome;

    /// A tail whose reader has come to what is new; it is read by hand.
    fn tail() -> Tail {
        let kept = Kept {
            live: true,
            reading: true,
            ..Kept::default()
        };
        Tail(Arc::new(Shared {
            log: Weak::<EmbeddedLog>::new(),
            partitions: Vec::new(),
            news: watch::channel(()).0,
            kept: Mutex::new(kept),
            stop: AtomicBool::new(false),
            born: 7,
        }))
    }

    fn tell(tail: &Tail, events: usize, result_bytes: usize) {
        let partition = PartitionId {
            concern: ConcernId(1),
            index: 0,
        };
        for _ in 0..events {
            let mut kept = tail.0.kept();
            let number = kept.last + 1;
            let told = Told {
                number,
                txn: TxnId::from_parts(1, u128::from(number)),
                finished: Finished {
                    kind: 0,
                    caller: bytes::Bytes::new(),
                    outcome: Outcome::Committed(Some(vec![0; result_bytes].into())),
                    decided: number,
                    groups: Vec::new(),
                },
            };
            kept.push(partition, told);
        }
    }

    fn numbers(listener: &mut Listener) -> Vec<u64> {
        match listener.heard().unwrap() {
            Some(Heard::Events(events)) => events.iter().map(|event| event.number).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_is_slow_misses_what_is_not_kept_and_hears_so() {
        let tail = tail();
        let mut listener = tail.listen(From::Now);
        assert!(matches!(listener.heard(), Ok(None)));
        tail.0.kept().caught = 1;
        assert!(matches!(listener.heard(), Ok(Some(Heard::Caught))));
        assert!(matches!(listener.heard(), Ok(None)));
        tell(&tail, KEPT + 10, 0);
        assert!(matches!(listener.heard(), Ok(Some(Heard::Missed))));
        let heard = numbers(&mut listener);
        assert_eq!((heard[0], heard.len()), (11, TAKEN));
        assert_eq!(numbers(&mut listener)[0], 11 + TAKEN as u64);
    }

    #[test]
    fn results_are_kept_up_to_so_many_bytes() {
        let tail = tail();
        tell(&tail, 20, 1 << 20);
        assert_eq!(tail.0.kept().events.len(), 16);
        // One that is larger than all that may be kept is not kept.
        tell(&tail, 1, KEPT_BYTES + 1);
        let kept = tail.0.kept();
        assert_eq!((kept.events.len(), kept.bytes, kept.before()), (0, 0, 21));
    }

    #[test]
    fn a_place_is_one_of_this_process_only() {
        let tail = tail();
        tell(&tail, 3, 0);
        assert_eq!(numbers(&mut tail.listen(From::Behind(7, 2))), [3]);
        assert_eq!(numbers(&mut tail.listen(From::Behind(6, 2))), [1, 2, 3]);
        // It cannot have told of this one.
        assert_eq!(numbers(&mut tail.listen(From::Behind(7, 9))), [1, 2, 3]);
        assert_eq!(numbers(&mut tail.listen(From::Start)), [1, 2, 3]);
    }

    #[test]
    fn who_comes_when_a_reader_has_failed_is_given_another() {
        let tail = tail();
        let mut listener = tail.listen(From::Start);
        let fault = Fault::new(Class::Unavailable, "away", "the log is away");
        tail.0.kept().fail(fault);
        assert_eq!(listener.heard().unwrap_err().code, "away");
        let mut next = tail.listen(From::Start);
        assert!(matches!(next.heard(), Ok(None)));
        tail.close();
        assert_eq!(next.heard().unwrap_err().code, "closed");
    }

    #[test]
    fn who_listens_hears_that_it_is_over() {
        let tail = tail();
        let mut listener = tail.listen(From::Start);
        tail.close();
        assert_eq!(listener.heard().unwrap_err().code, "closed");
        assert_eq!(tail.listen(From::Now).heard().unwrap_err().code, "closed");
    }
}
