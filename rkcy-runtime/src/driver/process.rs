//! The worker thread: partitions at work on an atomic log.
//!
//! Owns the loop around [`Worker`]: read, apply, append effects and change record in one, answer when
//! that is durable. A thread owns its partitions; nothing on this path is shared or locked.

use super::answers::Answers;
use super::batch::{self, Cut};
use super::watchdog::Watch;
use crate::log::{Clock, Done, Log, LogError, StreamId};
use crate::store::{Loaded, Store, StoreError};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use rkcy_core::frame::{Body, Envelope, Frame, Kind, Reply};
use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::worker::{Progress, Stop, Worker};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a worker thread hears.
pub(crate) enum Event {
    /// A command log has grown, or a batch of this thread is durable.
    Wake,
    /// The log has refused an append.
    LogFailed(LogError),
    /// The database has answered.
    Loaded(PartitionId, Result<Loaded, StoreError>),
    /// Storage has come to this position.
    Stored(PartitionId, Position),
    /// What a careful worker has said is durable.
    Said(PartitionId),
    /// Stop in good order.
    Drain,
    /// Stop at once, as a crash would: what is not in the log is not done.
    Halt,
}

/// Why a worker thread ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The engine stopped a partition.
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// Bytes of records read from the log at a time, per partition.
const READ_BYTES: usize = 1 << 20;
/// Envelopes applied before a batch is appended,
const APPLY: usize = 4_096;
/// and between two looks of the watchdog.
const APPLY_AT_ONCE: usize = 64;
/// Bytes of one append, unless a single record is larger; far below what the log takes at once.
const APPEND_BYTES: usize = 8 << 20;
/// Batches of a partition that may be on their way to the disk.
const BATCHES: usize = 4;
/// A snapshot is written when the change records since the last one are this many bytes,
const SNAPSHOT_BYTES: usize = 8 << 20;
/// or this many times the size of that one, so that large states are not written over and over.
const SNAPSHOT_FACTOR: usize = 4;
/// Pause between two looks of a thread whose turn it is not yet.
const LOOK: Duration = Duration::from_millis(2);
/// Pause before a cold read that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// One partition of the thread.
struct Slot {
    id: PartitionId,
    worker: Worker,
    /// Batches appended and not durable.
    in_flight: Arc<AtomicUsize>,
    loading: bool,
    /// What a careful worker says is on its way to the log.
    saying: bool,
    sealing: bool,
    /// Applied its own Seal, and has written its last change record.
    finished: bool,
    change_bytes: usize,
    snapshot_bytes: usize,
    said_full: bool,
    /// A Tick is on its way for what was due then, in milliseconds.
    ticked: Option<u64>,
}

/// Who of the threads of a process may apply, where a worker before has died on the way: one after the
/// other, so that whoever dies is alone, until each partition has come to its own Open.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    /// Threads that are through.
    through: Arc<AtomicUsize>,
    threads: usize,
    own: usize,
}

impl Turns {
    /// One for each thread.
    pub(crate) fn of(threads: usize) -> Vec<Turns> {
        let through = Arc::new(AtomicUsize::new(0));
        let own = |own| Turns {
            through: Arc::clone(&through),
            threads,
            own,
        };
        (0..threads).map(own).collect()
    }
}

/// A worker thread.
pub(crate) struct Process {
    slots: Vec<Slot>,
    log: Arc<dyn Log>,
    clock: Clock,
    /// Who hears when every partition of this thread has come to its own Open.
    ready: Option<oneshot::Sender<()>>,
    store: Arc<dyn Store>,
    tokio: tokio::runtime::Handle,
    answers: Arc<Answers>,
    events: Receiver<Event>,
    sender: Sender<Event>,
    woken: Arc<AtomicBool>,
    /// While there is care to be taken in this process.
    turns: Option<Turns>,
    watch: Arc<Watch>,
    /// Told to stop in good order.
    draining: bool,
    /// Told to stop at once.
    halted: bool,
}

impl Process {
    /// A thread for `workers`, each of which has been opened.
    pub(crate) fn new(
        workers: Vec<Worker>,
        (log, clock): (Arc<dyn Log>, Clock),
        store: Arc<dyn Store>,
        tokio: tokio::runtime::Handle,
        (answers, ready): (Arc<Answers>, oneshot::Sender<()>),
        (sender, events): (Sender<Event>, Receiver<Event>),
        (turns, watch): (Option<Turns>, Arc<Watch>),
    ) -> Process {
        let slots = workers.into_iter().map(|worker| Slot {
            id: worker.partition().id(),
            worker,
            in_flight: Arc::default(),
            loading: false,
            saying: false,
            sealing: false,
            finished: false,
            change_bytes: 0,
            snapshot_bytes: 0,
            said_full: false,
            ticked: None,
        });
        let slots: Vec<Slot> = slots.collect();
        Process {
            slots,
            log,
            clock,
            ready: Some(ready),
            store,
            tokio,
            answers,
            events,
            sender,
            woken: Arc::default(),
            turns,
            watch,
            draining: false,
            halted: false,
        }
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// [`ProcessError`]; the caller gives up whoever waits.
    pub(crate) fn run(mut self) -> Result<(), ProcessError> {
        let wake = self.waker();
        let streams: Vec<StreamId> = self
            .slots
            .iter()
            .map(|slot| StreamId::commands(slot.id))
            .collect();
        self.log.watch(&streams, wake.clone());
        let mut busy = true;
        while !self
            .slots
            .iter()
            .all(|slot| slot.finished && slot.in_flight.load(Ordering::Acquire) == 0)
        {
            let event = match busy {
                true => self.events.try_recv().ok(),
                // This thread holds a sender itself, so the channel never closes.
                false => match self.until_due() {
                    Some(pause) => self.events.recv_timeout(pause).ok(),
                    None => self.events.recv().ok(),
                },
            };
            if let Some(event) = event {
                self.hear(event)?;
            }
            while let Ok(event) = self.events.try_recv() {
                self.hear(event)?;
            }
            // What is appended from here on is noticed: by this round, or by the wake after it.
            self.woken.swap(false, Ordering::AcqRel);
            if self.halted {
                return Ok(());
            }
            busy = false;
            for nth in self.whose_turn() {
                busy |= self.turn(nth)?;
            }
            if self.ready.is_some() && self.slots.iter().all(|slot| slot.worker.owns()) {
                // Who started this may have given up.
                let _ = self.ready.take().map(|ready| ready.send(()));
            }
        }
        Ok(())
    }

    /// The partitions that may apply now: all, or one where care is to be taken.
    fn whose_turn(&mut self) -> Range<usize> {
        let Some(turns) = &self.turns else {
            return 0..self.slots.len();
        };
        let through = turns.through.load(Ordering::Acquire);
        if through == turns.threads {
            self.turns = None;
            return 0..self.slots.len();
        }
        if through != turns.own {
            return 0..0;
        }
        match self.slots.iter().position(|slot| !slot.worker.owns()) {
            Some(nth) => nth..nth + 1,
            None => {
                turns.through.store(through + 1, Ordering::Release);
                0..0
            }
        }
    }

    /// How long until the first visit that waits has waited for long enough, where there is one that no Tick
    /// is on its way for.
    fn until_due(&self) -> Option<Duration> {
        if self.turns.is_some() {
            return Some(LOOK);
        }
        let due = (self.slots.iter())
            .filter_map(|slot| slot.worker.due().filter(|due| slot.ticked != Some(*due)))
            .min()?;
        Some(Duration::from_millis(due.saturating_sub((self.clock)())))
    }

    /// Where a visit has waited for long enough, time is to pass in the log as well: a partition's clock
    /// stands still while nothing comes.
    fn tick(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        let due = slot.worker.due().filter(|due| *due <= (self.clock)());
        if due.is_none() || slot.ticked == due {
            return;
        }
        slot.ticked = due;
        let id = slot.id;
        let tick = Envelope::control(Kind::Tick, &Body::Tick);
        let frame = Frame::encode(None, [tick].iter());
        let done = self.or_report();
        self.log.append(vec![(StreamId::commands(id), frame)], done);
    }

    /// Wakes this thread; calls merge until it has looked.
    fn waker(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (woken, sender) = (Arc::clone(&self.woken), self.sender.clone());
        Arc::new(move || {
            if !woken.swap(true, Ordering::AcqRel) {
                // A thread that has ended needs no waking.
                let _ = sender.send(Event::Wake);
            }
        })
    }

    fn slot(&mut self, id: PartitionId) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == id)
    }

    fn hear(&mut self, event: Event) -> Result<(), ProcessError> {
        match event {
            Event::Wake => {}
            Event::LogFailed(error) => return Err(error.into()),
            Event::Stored(id, position) => {
                if let Some(slot) = self.slot(id) {
                    slot.worker.storage_at(position);
                }
            }
            Event::Loaded(id, loaded) => {
                let Some(slot) = self.slot(id) else {
                    return Ok(());
                };
                slot.loading = false;
                // An error was reported by the one who tried; the next turn asks again.
                if let Ok(loaded) = loaded {
                    slot.worker.loaded(loaded.position, &loaded.rows)?;
                }
            }
            Event::Said(id) => {
                if let Some(slot) = self.slot(id) {
                    slot.saying = false;
                    slot.worker.said();
                }
            }
            Event::Halt => self.halted = true,
            Event::Drain => {
                self.draining = true;
                for nth in 0..self.slots.len() {
                    self.seal(nth);
                }
            }
        }
        Ok(())
    }

    /// Appends the Seal of a partition that is to stop. One that has not come to its own Open yet cannot
    /// seal; it does so when it has.
    fn seal(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        if !self.draining || slot.sealing {
            return;
        }
        let Some(seal) = slot.worker.seal() else {
            return;
        };
        slot.sealing = true;
        let id = slot.id;
        let done = self.or_report();
        self.log.append(vec![(StreamId::commands(id), seal)], done);
    }

    /// For an append that nobody waits for: only its failure matters.
    fn or_report(&self) -> Done {
        let sender = self.sender.clone();
        Box::new(move |result| {
            if let Err(error) = result {
                let _ = sender.send(Event::LogFailed(error));
            }
        })
    }

    /// One round of one partition; `true` where there is more to do at once.
    fn turn(&mut self, nth: usize) -> Result<bool, ProcessError> {
        let slot = &mut self.slots[nth];
        // What a careful worker has applied is to be durable before it goes on.
        let batches = if slot.worker.is_careful() { 1 } else { BATCHES };
        let on_their_way = slot.in_flight.load(Ordering::Acquire);
        if slot.finished || slot.saying || on_their_way >= batches {
            return Ok(false);
        }
        let mut read_all = true;
        if slot.worker.inbox_bytes() < READ_BYTES {
            let records = self.log.read(
                StreamId::commands(slot.id),
                slot.worker.next_offset(),
                READ_BYTES,
            )?;
            let now = (self.clock)();
            read_all = records.is_empty();
            for record in records {
                slot.worker
                    .feed(record.offset, record.stamp, record.payload, now)?;
            }
        }
        let progress = match apply(slot, &self.watch) {
            Ok(progress) => progress,
            Err(Stop::Sealed { .. }) => {
                slot.finished = true;
                Progress::Idle
            }
            Err(stop) => return Err(stop.into()),
        };
        if progress == Progress::Full && !slot.said_full {
            slot.said_full = true;
            eprintln!(
                "warning: partition {}: storage is behind, and rows in memory are at their bound: \
                 no more commands are read until it has caught up",
                slot.id
            );
        } else if progress != Progress::Full {
            slot.said_full = false;
        }
        let more = match &progress {
            Progress::More => true,
            Progress::Idle => !read_all && !slot.finished,
            Progress::Cold(_) | Progress::Full | Progress::Say(_) => false,
        };
        self.append(nth);
        self.seal(nth);
        self.tick(nth);
        match progress {
            Progress::Cold(rows) => self.load(nth, rows),
            Progress::Say(frame) => self.say(nth, frame),
            Progress::Idle | Progress::More | Progress::Full => {}
        }
        Ok(more)
    }

    /// Appends effects and change record in one, and answers when they are durable.
    fn append(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        let limit = SNAPSHOT_BYTES.max(SNAPSHOT_FACTOR * slot.snapshot_bytes);
        let cut = Cut {
            quiet: slot.in_flight.load(Ordering::Acquire) == 0,
            last: slot.finished,
            snapshot: slot.change_bytes >= limit,
            limit: APPEND_BYTES,
        };
        let mut batch = batch::cut(&mut slot.worker, cut);
        let answers = batch.answers.into_iter();
        answers.for_each(|reply| self.answers.give(reply));
        let Some(last) = batch.appends.pop() else {
            return;
        };
        if cut.snapshot || cut.last {
            (slot.snapshot_bytes, slot.change_bytes) = (batch.change_bytes, 0);
        } else {
            slot.change_bytes += batch.change_bytes;
        }
        slot.in_flight.fetch_add(1, Ordering::AcqRel);
        let done = Durable {
            in_flight: Arc::clone(&slot.in_flight),
            answers: Arc::clone(&self.answers),
            replies: batch.waiting,
            sender: self.sender.clone(),
        };
        for part in batch.appends {
            self.log.append(part, self.or_report());
        }
        self.log
            .append(last, Box::new(move |result| done.call(result)));
    }

    /// Appends what a careful worker says; it waits until that is durable.
    fn say(&mut self, nth: usize, frame: Bytes) {
        let slot = &mut self.slots[nth];
        slot.saying = true;
        let (sender, id) = (self.sender.clone(), slot.id);
        let said = move |result: Result<Vec<u64>, LogError>| {
            let event = match result {
                Ok(_) => Event::Said(id),
                Err(error) => Event::LogFailed(error),
            };
            let _ = sender.send(event);
        };
        let record = vec![(StreamId::commands(id), frame)];
        self.log.append(record, Box::new(said));
    }

    /// Asks the database for rows.
    fn load(&mut self, nth: usize, rows: Vec<RowKey>) {
        let slot = &mut self.slots[nth];
        if std::mem::replace(&mut slot.loading, true) {
            return;
        }
        let (store, sender, id) = (Arc::clone(&self.store), self.sender.clone(), slot.id);
        self.tokio.spawn(async move {
            let loaded = store.load(id, rows).await;
            if let Err(error) = &loaded {
                eprintln!("warning: partition {id}: reading rows: {error}; trying again");
                tokio::time::sleep(RETRY).await;
            }
            let _ = sender.send(Event::Loaded(id, loaded));
        });
    }
}

/// Applies as much as one batch takes, under the eyes of the watchdog: what it judges is one envelope, or a
/// few of them.
fn apply(slot: &mut Slot, watch: &Watch) -> Result<Progress, Stop> {
    let rounds = APPLY / APPLY_AT_ONCE;
    let (id, worker) = (slot.id, &mut slot.worker);
    for _ in 0..rounds {
        let careful = worker.is_careful();
        let progress = watch.during(id, || worker.run(APPLY_AT_ONCE))?;
        if progress != Progress::More || careful || worker.is_batch_full() {
            return Ok(progress);
        }
    }
    Ok(Progress::More)
}

/// What follows when a batch is durable.
struct Durable {
    in_flight: Arc<AtomicUsize>,
    answers: Arc<Answers>,
    replies: Vec<Reply>,
    sender: Sender<Event>,
}

impl Durable {
    fn call(self, result: Result<Vec<u64>, LogError>) {
        match result {
            Ok(_) => {
                let before = self.in_flight.fetch_sub(1, Ordering::AcqRel);
                self.replies
                    .into_iter()
                    .for_each(|reply| self.answers.give(reply));
                if before >= BATCHES || before == 1 {
                    let _ = self.sender.send(Event::Wake);
                }
            }
            // The callers hear of it when the thread gives everybody up. The batch still counts as under
            // way, so that the thread does not end in good order without hearing of it.
            Err(error) => {
                let _ = self.sender.send(Event::LogFailed(error));
            }
        }
    }
}
