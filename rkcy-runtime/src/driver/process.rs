//! The worker thread: partitions at work.
//!
//! Owns the loop around [`Worker`]: read, apply, hand over what came of it ([`super::leave`]), load what is
//! not in memory, stop in good order. A thread owns its partitions; nothing on this path is shared or locked.
//! On a log that several processes share, partitions come and go ([`super::tenancy`]): one that fails is taken
//! over again, the others go on.

use super::answers::Answers;
use super::configs::Configuration;
use super::gate::Gate;
use super::leave::{Acknowledged, Outlet};
use super::slot::{Slot, Tenure};
use super::tenancy::{Ended, Notice};
use super::watchdog::Watch;
use crate::log::group::Released;
use crate::log::{Clock, Log, LogError, Record, StreamId, Wake};
use crate::store::{Loaded, Store, StoreError};
use crossbeam_channel::{Receiver, Sender};
use rkcy_core::frame::{Body, Envelope, Frame, Kind};
use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::worker::{Progress, Saying, Stop, Worker};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What a worker thread hears.
pub(crate) enum Event {
    /// A command log has grown, or what the thread waited for is durable.
    Wake,
    /// An append has failed, or nobody knows.
    Failed(Tenure, LogError),
    /// The Open of a worker is durable, at this offset.
    Opened(Tenure, u64),
    /// The database has answered.
    Loaded(Tenure, Result<Loaded, StoreError>),
    /// Storage has come to this position, in the same process.
    Stored(PartitionId, Position),
    /// Storage was asked for its position; none where the database has not answered.
    Polled(Tenure, Option<Position>),
    /// What a careful worker has said is durable, at this offset.
    Said(Tenure, u64),
    /// One more partition, whose state was folded.
    Adopt(Tenure, Box<Worker>),
    /// Stop this partition in good order, for another process.
    Revoke(Tenure, Released),
    /// Stop this partition at once: another process has it.
    Lose(Tenure),
    /// Bound of the rows in memory, for each partition. Bytes.
    Cache(usize),
    /// Stop in good order.
    Drain,
    /// Stop at once, as a crash would: what is not in the log is not done.
    Halt,
}

/// Why a partition, or a worker thread, ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The engine stopped a partition.
    #[error(transparent)]
    Stop(#[from] Stop),
}

impl ProcessError {
    /// Whether it must be heard by people, and not be tried again: data is not what it should be, or a clock.
    fn is_loud(&self) -> bool {
        match self {
            ProcessError::Log(error) => matches!(error, LogError::TooLarge { .. }),
            ProcessError::Stop(stop) => match stop {
                Stop::Unreadable { .. }
                | Stop::Diverged { .. }
                | Stop::ClockAhead { .. }
                | Stop::ClockRefused { .. } => true,
                // What is missing in the log may be what storage has meanwhile.
                Stop::Overtaken { .. }
                | Stop::Sealed { .. }
                | Stop::ForeignBuild { .. }
                | Stop::ForeignSchema { .. }
                | Stop::LogGap { .. } => false,
            },
        }
    }
}

/// Bytes of records read from the log at a time, per partition.
const READ_BYTES: usize = 1 << 20;
/// Envelopes applied before a batch is appended,
const APPLY: usize = 4_096;
/// and between two looks of the watchdog.
const APPLY_AT_ONCE: usize = 64;
/// Pause between two looks of a thread whose turn it is not yet.
const LOOK: Duration = Duration::from_millis(2);
/// Longest pause on a log that is elsewhere: one lost wake must not be the end of a partition.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// Pause before a read that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// So long after a change record was written the database is asked how far it is.
const POLL: Duration = Duration::from_millis(500);
/// A partition that does not come to its Seal in this time is left without.
const SEALING: Duration = Duration::from_secs(20);

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

/// What the threads of a process work with.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tokio: tokio::runtime::Handle,
    pub(crate) answers: Arc<Answers>,
    /// Where the platform has any.
    pub(crate) configuration: Option<Arc<Configuration>>,
    /// Who may apply, on a log that several processes share.
    pub(crate) gate: Arc<Gate>,
}

/// A worker thread.
pub(crate) struct Process {
    slots: Vec<Slot>,
    ground: Ground,
    outlet: Outlet,
    /// Who hears when every partition of this thread has come to its own Open.
    ready: Option<oneshot::Sender<()>>,
    events: Receiver<Event>,
    acknowledged: Receiver<Acknowledged>,
    woken: Arc<AtomicBool>,
    /// While there is care to be taken in this process.
    turns: Option<Turns>,
    watch: Arc<Watch>,
    /// Whether operators have edited something since this thread has looked.
    edited: Arc<AtomicBool>,
    /// The log watches for that as long as this is there.
    _edits: Option<Wake>,
    /// Configuration is not looked for before then again.
    look_again: Option<Instant>,
    /// Who takes over again what ends here; none on an atomic log, where it is the end of the thread.
    landlord: Option<Sender<Notice>>,
    /// Told to stop in good order.
    draining: bool,
    /// Told to stop at once.
    halted: bool,
}

impl Process {
    /// A thread without partitions yet.
    pub(crate) fn new(
        ground: Ground,
        (sender, events): (Sender<Event>, Receiver<Event>),
        watch: Arc<Watch>,
        landlord: Option<Sender<Notice>>,
    ) -> Process {
        let (to_acknowledge, acknowledged) = crossbeam_channel::unbounded();
        let mut process = Process {
            slots: Vec::new(),
            outlet: Outlet {
                log: Arc::clone(&ground.log),
                answers: Arc::clone(&ground.answers),
                events: sender,
                acknowledged: to_acknowledge,
            },
            ground,
            ready: None,
            events,
            acknowledged,
            woken: Arc::default(),
            turns: None,
            watch,
            edited: Arc::new(AtomicBool::new(true)),
            _edits: None,
            look_again: None,
            landlord,
            draining: false,
            halted: false,
        };
        if let Some(configuration) = &process.ground.configuration {
            let (edited, wake) = (Arc::clone(&process.edited), process.waker());
            let wake: Wake = Arc::new(move || {
                edited.store(true, Ordering::Release);
                wake();
            });
            configuration.watch(&wake);
            process._edits = Some(wake);
        }
        process
    }

    /// With workers whose Opens the log has; `ready` hears when they have come to them.
    pub(crate) fn with(
        mut self,
        workers: Vec<Worker>,
        turns: Option<Turns>,
        ready: oneshot::Sender<()>,
    ) -> Process {
        for worker in workers {
            let tenure = Tenure {
                partition: worker.partition().id(),
                number: 0,
            };
            self.settle(tenure, worker, true);
        }
        self.turns = turns;
        self.ready = Some(ready);
        self
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// [`ProcessError`]; the caller gives up whoever waits.
    pub(crate) fn run(mut self) -> Result<(), ProcessError> {
        let mut busy = true;
        while !self.is_through() {
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
            while let Ok(acknowledged) = self.acknowledged.try_recv() {
                self.acknowledge(acknowledged);
            }
            // What is appended from here on is noticed: by this round, or by the wake after it.
            self.woken.swap(false, Ordering::AcqRel);
            if self.halted {
                return Ok(());
            }
            busy = false;
            self.look_at_configs()?;
            let Range { start, end } = self.whose_turn();
            let mut nth = start;
            // One that fails is gone, and the last one stands in its place.
            while nth < end.min(self.slots.len()) {
                match self.turn(nth) {
                    Ok(more) => {
                        busy |= more;
                        nth += 1;
                    }
                    Err(error) => self.fails(self.slots[nth].tenure, error)?,
                }
            }
            if self.landlord.is_some() {
                self.clear();
            }
            if self.ready.is_some() && self.slots.iter().all(|slot| self.is_ready(slot)) {
                // Who started this may have given up.
                let _ = self.ready.take().map(|ready| ready.send(()));
            }
        }
        Ok(())
    }

    fn is_through(&self) -> bool {
        match self.landlord {
            Some(_) => self.draining && self.slots.is_empty(),
            None => {
                let through = |slot: &Slot| slot.finished && slot.on_the_way.appends() == 0;
                self.slots.iter().all(through)
            }
        }
    }

    /// Whether a partition has come to its own Open, and knows the configuration.
    fn is_ready(&self, slot: &Slot) -> bool {
        let configuration = self.ground.configuration.as_ref();
        let known = configuration.is_none_or(|it| it.is_known(&slot.worker));
        slot.finished || (slot.worker.owns() && known)
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

    /// How long until something is due that nobody wakes this thread for.
    fn until_due(&self) -> Option<Duration> {
        if self.turns.is_some() || self.ground.gate.is_closed() {
            return Some(LOOK);
        }
        let due = (self.slots.iter())
            .filter_map(|slot| slot.worker.due().filter(|due| slot.ticked != Some(*due)))
            .min();
        let now = (self.ground.clock)();
        let due = due.map(|due| Duration::from_millis(due.saturating_sub(now)));
        let now = Instant::now();
        let others = self.slots.iter().flat_map(|slot| {
            let polled = slot.unstored.filter(|_| !slot.polling);
            [
                Outlet::change_due(slot),
                polled.map(|since| since + POLL),
                slot.read_again,
                slot.draining
                    .filter(|_| self.landlord.is_some())
                    .map(|since| since + SEALING),
            ]
        });
        let others = others.flatten().chain(self.look_again).min();
        let others = others.map(|due| due.saturating_duration_since(now));
        let look = self.landlord.as_ref().map(|_| LOOK_ANYWAY);
        due.into_iter().chain(others).chain(look).min()
    }

    /// Where a visit has waited for long enough, time is to pass in the log as well: a partition's clock
    /// stands still while nothing comes.
    fn tick(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        let due = slot
            .worker
            .due()
            .filter(|due| *due <= (self.ground.clock)());
        if due.is_none() || slot.ticked == due {
            return;
        }
        slot.ticked = due;
        let tick = Envelope::control(Kind::Tick, &Body::Tick);
        let frame = Frame::encode(None, [tick].iter());
        let done = self.outlet.or_report(slot.tenure);
        let stream = StreamId::commands(slot.id());
        self.ground.log.append(vec![(stream, frame)], done);
    }

    /// Reads what operators have edited.
    fn look_at_configs(&mut self) -> Result<(), ProcessError> {
        let Some(configuration) = &self.ground.configuration else {
            return Ok(());
        };
        if self.look_again.is_some_and(|again| again > Instant::now()) {
            return Ok(());
        }
        self.look_again = None;
        if !self.edited.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        match configuration.look() {
            Err(error) if self.landlord.is_some() => {
                eprintln!("warning: {}: {error}; trying again", StreamId::CONFIG);
                self.edited.store(true, Ordering::Release);
                self.look_again = Some(Instant::now() + RETRY);
                Ok(())
            }
            looked => Ok(looked?),
        }
    }

    /// Tells a partition what its log does not say of the configuration.
    fn tell_configs(&mut self, nth: usize) {
        let Some(configuration) = &self.ground.configuration else {
            return;
        };
        let slot = &mut self.slots[nth];
        let read = configuration.read();
        if slot.configs_read == read || slot.sealing || !slot.worker.owns() {
            return;
        }
        slot.configs_read = read;
        let stream = StreamId::commands(slot.id());
        let news = configuration.news(&mut slot.worker).into_iter();
        let news: Vec<_> = news.map(|frame| (stream, frame)).collect();
        if !news.is_empty() {
            let done = self.outlet.or_report(slot.tenure);
            self.ground.log.append(news, done);
        }
    }

    /// Wakes this thread; calls merge until it has looked.
    fn waker(&self) -> Wake {
        let (woken, sender) = (Arc::clone(&self.woken), self.outlet.events.clone());
        Arc::new(move || {
            if !woken.swap(true, Ordering::AcqRel) {
                // A thread that has ended needs no waking.
                let _ = sender.send(Event::Wake);
            }
        })
    }

    fn find(&mut self, tenure: Tenure) -> Option<usize> {
        self.slots.iter().position(|slot| slot.tenure == tenure)
    }

    fn hear(&mut self, event: Event) -> Result<(), ProcessError> {
        match event {
            Event::Wake => {}
            Event::Failed(tenure, error) => self.fails(tenure, error.into())?,
            Event::Opened(tenure, offset) => {
                if let Some(nth) = self.find(tenure) {
                    self.slots[nth].worker.opened(offset);
                    self.slots[nth].opened = true;
                }
            }
            Event::Stored(id, position) => {
                let of = |slot: &&mut Slot| slot.id() == id;
                if let Some(slot) = self.slots.iter_mut().find(of) {
                    slot.worker.storage_at(position);
                }
            }
            Event::Polled(tenure, position) => {
                if let Some(nth) = self.find(tenure) {
                    self.polled(nth, position);
                }
            }
            Event::Loaded(tenure, loaded) => {
                let Some(nth) = self.find(tenure) else {
                    return Ok(());
                };
                let slot = &mut self.slots[nth];
                slot.loading = false;
                // An error was reported by the one who tried; the next turn asks again.
                if let Ok(loaded) = loaded
                    && let Err(stop) = slot.worker.loaded(loaded.position, &loaded.rows)
                {
                    self.fails(tenure, stop.into())?;
                }
            }
            Event::Said(tenure, offset) => {
                if let Some(nth) = self.find(tenure) {
                    self.slots[nth].worker.said(offset);
                }
            }
            Event::Adopt(tenure, worker) => self.adopt(tenure, *worker),
            Event::Revoke(tenure, released) => {
                if let Some(nth) = self.find(tenure) {
                    self.slots[nth].released = Some(released);
                    self.drain(nth);
                }
            }
            Event::Lose(tenure) => self.remove(tenure, Ended::InGoodOrder),
            Event::Cache(bytes) => {
                let workers = self.slots.iter_mut().map(|slot| &mut slot.worker);
                workers.for_each(|worker| worker.set_cache_bytes(bytes));
            }
            Event::Halt => self.halted = true,
            Event::Drain => {
                self.draining = true;
                for nth in 0..self.slots.len() {
                    self.slots[nth].draining = Some(Instant::now());
                    self.seal(nth);
                }
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, acknowledged: Acknowledged) {
        if let Some(nth) = self.find(acknowledged.tenure) {
            for (to, numbers) in acknowledged.frames {
                self.slots[nth].worker.acknowledged(to, numbers);
            }
        }
    }

    // ---- partitions that come and go

    /// One more partition.
    fn settle(&mut self, tenure: Tenure, worker: Worker, opened: bool) {
        // Each has its own, which goes with it.
        let wake = self.waker();
        let stream = StreamId::commands(tenure.partition);
        self.ground.log.watch(&[stream], Arc::clone(&wake));
        let mut slot = Slot::new(tenure, worker, opened, wake);
        slot.draining = self.draining.then(Instant::now);
        self.slots.push(slot);
    }

    /// Opens a partition of which the changelog was folded.
    fn adopt(&mut self, tenure: Tenure, worker: Worker) {
        let frame = worker.open();
        self.settle(tenure, worker, false);
        let sender = self.outlet.events.clone();
        let opened = move |result: Result<Vec<u64>, LogError>| {
            let event = match result.map(|offsets| offsets.first().copied()) {
                Ok(Some(offset)) => Event::Opened(tenure, offset),
                Ok(None) => Event::Failed(tenure, LogError::Closed),
                Err(error) => Event::Failed(tenure, error),
            };
            let _ = sender.send(event);
        };
        let record = vec![(StreamId::commands(tenure.partition), frame)];
        self.ground.log.append(record, Box::new(opened));
    }

    /// Another process is to have it. One that has not come to its own Open has nothing to hand over.
    fn drain(&mut self, nth: usize) {
        if !self.slots[nth].worker.owns() {
            self.remove(self.slots[nth].tenure, Ended::InGoodOrder);
            return;
        }
        self.slots[nth].draining = Some(Instant::now());
        self.seal(nth);
    }

    /// A partition cannot go on. On an atomic log that is the end of the platform, else it is taken over
    /// again, unless people must look first.
    fn fails(&mut self, tenure: Tenure, error: ProcessError) -> Result<(), ProcessError> {
        if self.landlord.is_none() {
            return Err(error);
        }
        if self.find(tenure).is_none() {
            return Ok(());
        }
        if error.is_loud() {
            return Err(error);
        }
        self.remove(tenure, Ended::For(error));
        Ok(())
    }

    fn remove(&mut self, tenure: Tenure, ended: Ended) {
        let Some(nth) = self.find(tenure) else {
            return;
        };
        let mut slot = self.slots.swap_remove(nth);
        self.ground.gate.open(tenure);
        let commands = StreamId::commands(slot.id());
        if let Some(frame) = slot.worker.withdraw() {
            // Where it is lost, the envelope is tried once more than it need be.
            self.ground
                .log
                .append(vec![(commands, frame)], Box::new(|_| {}));
        }
        let streams = [Some(commands), slot.hears].into_iter().flatten();
        self.ground.log.leave(&streams.collect::<Vec<_>>());
        if let Some(released) = slot.released {
            released.done();
        }
        if let Some(landlord) = &self.landlord {
            // One that has ended takes nothing over.
            let _ = landlord.send(Notice::Ended(tenure, ended));
        }
    }

    /// Lets go of what has stopped in good order, or has had enough time for it.
    fn clear(&mut self) {
        let through = |slot: &Slot| {
            if slot.finished {
                slot.on_the_way.wait();
                return slot.on_the_way.appends() == 0;
            }
            let too_long = |since: Instant| since.elapsed() >= SEALING;
            slot.draining.is_some_and(too_long)
        };
        let through = self.slots.iter().filter(|slot| through(slot));
        let through: Vec<Tenure> = through.map(|slot| slot.tenure).collect();
        for tenure in through {
            self.remove(tenure, Ended::InGoodOrder);
        }
    }

    /// Appends the Seal of a partition that is to stop. One that has not come to its own Open yet cannot
    /// seal; it does so when it has.
    fn seal(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        if slot.draining.is_none() || slot.sealing {
            return;
        }
        let Some(seal) = slot.worker.seal() else {
            return;
        };
        slot.sealing = true;
        let stream = StreamId::commands(slot.id());
        let done = self.outlet.or_report(slot.tenure);
        self.ground.log.append(vec![(stream, seal)], done);
    }

    // ---- work

    /// One round of one partition; `true` where there is more to do at once.
    fn turn(&mut self, nth: usize) -> Result<bool, ProcessError> {
        let slot = &mut self.slots[nth];
        if slot.finished || !slot.opened || !self.outlet.has_room(slot) {
            return Ok(false);
        }
        if self.landlord.is_some() {
            if let Some(more) = heed(slot, &self.ground)? {
                return Ok(more);
            }
            self.outlet.before(slot);
        }
        let mut read_all = true;
        if slot.worker.inbox_bytes() < READ_BYTES {
            read_all = read(slot, &self.ground, self.landlord.is_some())?;
        }
        let Some(applied) = self.apply_in_turn(nth) else {
            return Ok(false);
        };
        let slot = &mut self.slots[nth];
        let progress = match applied {
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
                slot.id()
            );
        } else if progress != Progress::Full {
            slot.said_full = false;
        }
        let more = match &progress {
            Progress::More => true,
            Progress::Idle => !read_all && !slot.finished,
            Progress::Cold(_) | Progress::Full | Progress::Say(_) => false,
        };
        self.outlet.leave(slot);
        self.tell_configs(nth);
        self.seal(nth);
        self.tick(nth);
        self.poll(nth);
        match progress {
            Progress::Cold(rows) => self.load(nth, rows),
            Progress::Say(saying) => self.say(nth, saying),
            Progress::Idle | Progress::More | Progress::Full => {}
        }
        Ok(more)
    }

    /// Applies some of what was fed, as far as others of this process allow it now.
    fn apply_in_turn(&mut self, nth: usize) -> Option<Result<Progress, Stop>> {
        let (slot, gate) = (&mut self.slots[nth], &self.ground.gate);
        let tenure = slot.tenure;
        if self.landlord.is_none() {
            return Some(apply(slot, &self.watch));
        }
        if slot.worker.is_careful() || slot.worker.trying().is_some() {
            if !gate.enter_alone(tenure) {
                return None;
            }
            let applied = apply(slot, &self.watch);
            if slot.worker.trying().is_none() {
                gate.open(tenure);
            }
            return Some(applied);
        }
        if let Some(changes) = slot.hears.take() {
            gate.open(tenure);
            self.ground.log.leave(&[changes]);
        }
        if !gate.enter() {
            return None;
        }
        let applied = apply(slot, &self.watch);
        gate.leave();
        Some(applied)
    }

    /// Appends what a careful worker says; it waits until that is durable.
    fn say(&mut self, nth: usize, saying: Saying) {
        let tenure = self.slots[nth].tenure;
        let record = match saying {
            Saying::Command(frame) => (StreamId::commands(tenure.partition), frame),
            Saying::Change(cut) => (StreamId::changes(tenure.partition), cut),
        };
        let sender = self.outlet.events.clone();
        let said = move |result: Result<Vec<u64>, LogError>| {
            let event = match result.map(|offsets| offsets.first().copied()) {
                Ok(Some(offset)) => Event::Said(tenure, offset),
                Ok(None) => Event::Failed(tenure, LogError::Closed),
                Err(error) => Event::Failed(tenure, error),
            };
            let _ = sender.send(event);
        };
        self.ground.log.append(vec![record], Box::new(said));
    }

    // ---- the database

    /// Asks the database for rows.
    fn load(&mut self, nth: usize, rows: Vec<RowKey>) {
        let slot = &mut self.slots[nth];
        if std::mem::replace(&mut slot.loading, true) {
            return;
        }
        let (store, sender) = (Arc::clone(&self.ground.store), self.outlet.events.clone());
        let tenure = slot.tenure;
        self.ground.tokio.spawn(async move {
            let id = tenure.partition;
            let loaded = store.load(id, rows).await;
            if let Err(error) = &loaded {
                eprintln!("warning: partition {id}: reading rows: {error}; trying again");
                tokio::time::sleep(RETRY).await;
            }
            let _ = sender.send(Event::Loaded(tenure, loaded));
        });
    }

    /// Asks the database how far it is, where storage may be in another process and has something to write.
    fn poll(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        let due = slot.unstored.is_some_and(|since| since.elapsed() >= POLL);
        if self.landlord.is_none() || !due || std::mem::replace(&mut slot.polling, true) {
            return;
        }
        let (store, sender) = (Arc::clone(&self.ground.store), self.outlet.events.clone());
        let tenure = slot.tenure;
        self.ground.tokio.spawn(async move {
            // Whoever reads or writes rows says why not.
            let stored = store.position(tenure.partition).await.ok();
            let position = stored.map(|stored| stored.position);
            let _ = sender.send(Event::Polled(tenure, position));
        });
    }

    fn polled(&mut self, nth: usize, position: Option<Position>) {
        let slot = &mut self.slots[nth];
        slot.polling = false;
        slot.unstored = Some(Instant::now());
        if let Some(position) = position {
            slot.worker.storage_at(position);
            if position >= slot.worker.partition().cut_position() {
                slot.unstored = None;
            }
        }
    }
}

/// Records of one of its streams, from an offset on. A log that several processes share may be away for a while.
fn records(
    slot: &mut Slot,
    ground: &Ground,
    stream: StreamId,
    from: u64,
    is_shared: bool,
) -> Result<Vec<Record>, ProcessError> {
    if slot.read_again.is_some_and(|again| again > Instant::now()) {
        return Ok(Vec::new());
    }
    match ground.log.read(stream, from, READ_BYTES) {
        Err(error) if is_shared && !matches!(error, LogError::OutOfRange { .. }) => {
            if slot.read_again.is_none() {
                eprintln!("warning: {stream}: {error}; trying again");
            }
            slot.read_again = Some(Instant::now() + RETRY);
            Ok(Vec::new())
        }
        records => {
            slot.read_again = None;
            Ok(records?)
        }
    }
}

/// Feeds what has come; whether that was nothing.
fn read(slot: &mut Slot, ground: &Ground, is_shared: bool) -> Result<bool, ProcessError> {
    let (stream, next) = (StreamId::commands(slot.id()), slot.worker.next_offset());
    let records = records(slot, ground, stream, next, is_shared)?;
    let now = (ground.clock)();
    let read_all = records.is_empty();
    for record in records {
        slot.worker
            .feed(record.offset, record.stamp, record.payload, now)?;
    }
    Ok(read_all)
}

/// Reads what a worker must know before it goes on, where several processes share the log: what stands ahead in its
/// command log, and what has become of its changelog. Where that is not there yet: whether there is more to do at once.
fn heed(slot: &mut Slot, ground: &Ground) -> Result<Option<bool>, ProcessError> {
    let (commands, changes) = (StreamId::commands(slot.id()), StreamId::changes(slot.id()));
    if let Some(next) = slot.worker.look_offset() {
        let records = records(slot, ground, commands, next, true)?;
        let any = !records.is_empty();
        for record in records {
            if slot.worker.look_offset() != Some(record.offset) {
                break;
            }
            slot.worker.look(record.payload);
        }
        if any && slot.worker.is_careful() && slot.hears.is_none() {
            eprintln!(
                "warning: workers of partition {} have ended on the way: what its log holds is applied one by one, \
                 and a handler that ends processes again is given up",
                slot.id()
            );
            ground.log.watch(&[changes], Arc::clone(&slot.wake));
            slot.hears = Some(changes);
        }
        return Ok(Some(any));
    }
    let Some(next) = slot.worker.hear_offset() else {
        return Ok(None);
    };
    if slot.worker.wants_change() {
        return Ok(None);
    }
    let records = records(slot, ground, changes, next, true)?;
    let any = !records.is_empty();
    for record in records {
        if slot.worker.hear_offset() != Some(record.offset) {
            break;
        }
        slot.worker.hear(record.payload)?;
    }
    Ok(slot.worker.hear_offset().map(|_| any))
}

/// Applies as much as one batch takes, under the eyes of the watchdog: what it judges is one envelope, or a
/// few of them.
fn apply(slot: &mut Slot, watch: &Watch) -> Result<Progress, Stop> {
    let rounds = APPLY / APPLY_AT_ONCE;
    let (id, worker) = (slot.tenure.partition, &mut slot.worker);
    for _ in 0..rounds {
        let careful = worker.is_careful();
        let progress = watch.during(id, || worker.run(APPLY_AT_ONCE))?;
        if progress != Progress::More || careful || worker.is_batch_full() {
            return Ok(progress);
        }
    }
    Ok(Progress::More)
}
