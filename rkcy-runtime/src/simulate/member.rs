//! A simulated worker: the engine's own [`Worker`] with queues for what it has sent.

use super::deadly::Deadly;
use super::logs::Logs;
use super::observe::{Applied, Observer, Violation};
use super::overheard::Overheard;
use super::rules::Measures;
use crate::driver::batch::{self, Batch, Cut};
use crate::log::StreamId;
use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rkcy_core::bugs::{self, Bug};
use rkcy_core::config::Topic;
use rkcy_core::frame::{Frame, Head, Reply};
use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::StoredPosition;
use rkcy_core::worker::{Config, Outgoing, Progress, Saying, Stop, TakeOver, Worker};
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Something sent that has not arrived.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) bytes: Bytes,
    kind: PacketKind,
}

#[derive(Debug)]
enum PacketKind {
    Open,
    Frame(RangeInclusive<u64>),
    Change,
    /// News of configuration, for its own partition.
    News,
    /// What a careful worker says.
    Said,
}

/// What has landed and is to be heard of when it is durable.
#[derive(Debug)]
enum Landed {
    Open,
    Frame(RangeInclusive<u64>),
    Said,
}

/// How a round of work ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It goes on.
    Working,
    /// It asks the database for these rows.
    Cold(Vec<RowKey>),
    /// It stops: another has taken over.
    Overtaken,
    /// It stops: what it would apply is for this other build.
    Foreign(u64),
    /// It has applied its own Seal.
    Sealed,
    /// It stops at a record that is stamped too far ahead of its own clock.
    ClockAhead,
    /// It stops since the partition's clock is too far ahead of its own; the next one is to accept its own.
    ClockRefused,
    /// It is careful, and says this first.
    Says(Saying),
    /// A handler has ended its process, at an envelope that it tried or not.
    Died(Option<Position>),
}

/// What a round of work may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Records to feed.
    pub(super) feed: usize,
    /// Envelopes to apply.
    pub(super) envelopes: usize,
    /// Envelopes to apply in one call of the engine.
    pub(super) at_a_time: usize,
    /// The worker's own clock.
    pub(super) now: u64,
}

/// An append that is not durable, with the answers that wait for it.
#[derive(Debug)]
struct OnItsWay {
    append: u64,
    /// How far its change record goes.
    until: Position,
    answers: Vec<Reply>,
}

/// A living worker.
pub(super) struct Member {
    pub(super) partition: PartitionId,
    pub(super) serial: u64,
    pub(super) build: u64,
    pub(super) worker: Worker,
    queues: BTreeMap<StreamId, VecDeque<Packet>>,
    /// The config topic, as far as it has read it.
    pub(super) topic: Topic,
    deadly: Arc<Overheard<Deadly>>,
    /// Landed and not durable: target, offset, what it was.
    landed: Vec<(StreamId, u64, Landed)>,
    /// What it has applied is not seen before it counts.
    unseen: bool,
    /// The envelope that it has tried last, and those before of which what came was not durable then.
    tried: Vec<Position>,
    /// How far its change records are durable, on an atomic log.
    durable: Position,
    opened: Option<u64>,
    load: Option<(Position, Vec<(RowKey, StoredRow)>)>,
    measures: Measures,
    /// Answers in the worker that the observer has seen.
    decided: usize,
    atomic: bool,
    on_their_way: VecDeque<OnItsWay>,
    /// Applied its own Seal, on an atomic log; it is gone when its last append is durable.
    pub(super) sealed: bool,
}

impl Member {
    /// Folds the changelog as it stands, and sends an Open.
    pub(super) fn take_over(
        config: Config,
        stored: StoredPosition,
        logs: &Logs,
        deadly: Arc<Overheard<Deadly>>,
        observer: &mut Observer,
    ) -> Result<Member, Violation> {
        let (partition, serial, build) = (config.partition, config.owner, config.build);
        let broken = |what: String| Violation(format!("take-over by worker {serial}: {what}"));
        let (changes, atomic) = (logs.stream(StreamId::changes(partition)), config.atomic);
        let mut take_over = TakeOver::new(config, stored);
        if take_over.next_offset() < changes.start() {
            let needed = take_over.next_offset();
            return Err(broken(format!(
                "change record {needed} of {partition} is needed and was trimmed"
            )));
        }
        while let Some((_, bytes)) = changes.get(take_over.next_offset(), true) {
            take_over
                .fold(bytes)
                .map_err(|stop| broken(stop.to_string()))?;
        }
        let mut worker = take_over
            .finish(deadly.clone())
            .map_err(|stop| broken(stop.to_string()))?;
        if worker.next_offset() < logs.stream(StreamId::commands(partition)).start() {
            let needed = worker.next_offset();
            return Err(broken(format!(
                "command {needed} of {partition} is needed and was trimmed"
            )));
        }
        if atomic {
            look(&mut worker, logs);
            worker.looked();
        }
        let at = worker.partition().state().position;
        let words = observer.words;
        observer.note(|| {
            format!(
                "worker {serial} takes over {} at {at}, storage has {}",
                words.partition(partition),
                stored.position
            )
        });
        observer.count("take-overs");
        let open = Packet {
            bytes: worker.open(),
            kind: PacketKind::Open,
        };
        if atomic {
            observer.count("on an atomic log");
        }
        Ok(Member {
            partition,
            serial,
            build,
            measures: Measures::of(worker.partition().state()),
            worker,
            queues: BTreeMap::from([(StreamId::commands(partition), VecDeque::from([open]))]),
            topic: Topic::default(),
            deadly,
            landed: Vec::new(),
            unseen: false,
            tried: Vec::new(),
            durable: at,
            opened: None,
            load: None,
            decided: 0,
            atomic,
            on_their_way: VecDeque::new(),
            sealed: false,
        })
    }

    /// Whether a worker of this build must wait: another build owns the partition and has not sealed it.
    pub(super) fn must_wait(&self) -> bool {
        let scalars = &self.worker.partition().state().scalars;
        scalars.epoch.is_some() && scalars.build != self.build && scalars.sealed.is_none()
    }

    /// Feeds a few records and applies a few envelopes.
    pub(super) fn work(
        &mut self,
        logs: &Logs,
        round: Round,
        observer: &mut Observer,
    ) -> Result<(Ended, bool), Violation> {
        let mut progress = false;
        if self.opened.is_none() || self.sealed {
            return Ok((Ended::Working, false));
        }
        let commands = logs.stream(StreamId::commands(self.partition));
        if self.worker.next_offset() < commands.start() {
            // Storage has what it was to apply: another worker has gone further.
            return Ok((Ended::Overtaken, true));
        }
        progress |= look(&mut self.worker, logs);
        match self.hear(logs, observer) {
            Ok(heard) => progress |= heard,
            Err(ended) => return ended.map(|ended| (ended, true)),
        }
        let durable_only = !bugs::on(Bug::AppliedBeforeDurable);
        for _ in 0..round.feed {
            let offset = self.worker.next_offset();
            let Some((stamp, bytes)) = commands.get(offset, durable_only) else {
                break;
            };
            let (partition, serial) = (self.partition, self.serial);
            let words = observer.words;
            observer.note(|| {
                let (of, what) = (words.partition(partition), contents(bytes.clone()));
                format!("worker {serial} of {of} reads {offset}: {what}")
            });
            match self.worker.feed(offset, stamp, bytes, round.now) {
                Ok(()) if observer.rules.may_be_taken(stamp, round.now) => {}
                // What stands before its own Open may be of a clock that was wrong.
                Ok(()) if Some(offset) <= self.opened => {}
                Ok(()) => {
                    return Err(Violation(format!(
                        "{}: a record is taken that is stamped {} ms ahead",
                        self.partition,
                        stamp - round.now
                    )));
                }
                Err(Stop::ClockAhead { .. }) if observer.rules.may_stop_for(stamp, round.now) => {
                    return Ok((Ended::ClockAhead, true));
                }
                Err(stop) => return Err(Violation(stop.to_string())),
            }
            progress = true;
        }
        let mut left = round.envelopes;
        while left > 0 {
            let at_a_time = round.at_a_time.min(left);
            left -= at_a_time;
            let before = self.worker.partition().state().position;
            let tried = self.worker.trying();
            let result = self.worker.run(at_a_time);
            if self.deadly.took()? {
                return Ok((Ended::Died(tried), true));
            }
            if self.worker.partition().state().position != before {
                progress = true;
                self.unseen = self.worker.withholds();
                if !self.unseen {
                    self.observe_and_tell(observer)?;
                }
            }
            match result {
                Ok(Progress::More) => {}
                Ok(Progress::Idle) => {
                    if !self.worker.is_waiting() {
                        self.check_cache(observer)?;
                    }
                    break;
                }
                Ok(Progress::Say(saying)) => {
                    observer.count("said with care");
                    if let Some(at) = self.worker.trying() {
                        let (atomic, durable) = (self.atomic, self.durable);
                        self.tried.retain(|before| atomic && *before > durable);
                        self.tried.push(at);
                    }
                    return Ok((Ended::Says(saying), true));
                }
                Ok(Progress::Full) => {
                    observer.count("cache full");
                    break;
                }
                Ok(Progress::Cold(rows)) => {
                    let ended = match self.load.is_none() {
                        true => Ended::Cold(rows),
                        false => Ended::Working,
                    };
                    return Ok((ended, progress));
                }
                Err(Stop::Overtaken { .. }) => return Ok((Ended::Overtaken, progress)),
                Err(Stop::ForeignBuild { owner, .. }) => {
                    return Ok((Ended::Foreign(owner), progress));
                }
                Err(Stop::Sealed { .. }) => return Ok((Ended::Sealed, progress)),
                Err(Stop::ClockRefused { .. }) => return Ok((Ended::ClockRefused, progress)),
                Err(stop) => return Err(Violation(stop.to_string())),
            }
        }
        Ok((Ended::Working, progress))
    }

    /// Reads its changelog back, as far as it waits for that; whether there was anything. Else it has ended.
    fn hear(
        &mut self,
        logs: &Logs,
        observer: &mut Observer,
    ) -> Result<bool, Result<Ended, Violation>> {
        let changes = logs.stream(StreamId::changes(self.partition));
        let mut heard = false;
        while let Some(next) = self.worker.hear_offset() {
            if next < changes.start() {
                // Storage has it from another, who has gone further.
                return Err(Ok(Ended::Overtaken));
            }
            let Some((_, bytes)) = changes.get(next, true) else {
                return Ok(heard);
            };
            heard = true;
            match self.worker.hear(bytes) {
                Ok(()) => {}
                Err(Stop::Overtaken { .. }) => {
                    observer.count("overtaken by a later epoch");
                    return Err(Ok(Ended::Overtaken));
                }
                Err(stop) => return Err(Err(Violation(stop.to_string()))),
            }
        }
        if std::mem::take(&mut self.unseen) {
            observer.count("counted with care");
            self.observe_and_tell(observer).map_err(Err)?;
        }
        Ok(heard)
    }

    /// Whether it has applied what nobody has seen, since its change record may not count.
    pub(super) fn is_unseen(&self) -> bool {
        self.unseen
    }

    /// Position and digest of what it has applied.
    pub(super) fn at(&self) -> (Position, u64) {
        let state = self.worker.partition().state();
        (state.position, state.scalars.digest)
    }

    /// It is gone, told nobody, and its change record has counted all the same; whether it had somebody to tell.
    pub(super) fn has_counted(mut self, observer: &mut Observer) -> Result<bool, Violation> {
        observer.count("counted after its end");
        self.observe(observer)?;
        Ok(!self.worker.replies().is_empty())
    }

    /// The envelopes at one of which it would be found to have ended: on an atomic log also those whose batch is not
    /// durable.
    pub(super) fn trying(&self) -> Vec<Position> {
        // That it tries another, or none any more, is not durable.
        let is_said = self.landed.iter().any(|it| matches!(it.2, Landed::Said));
        let says = is_said || self.says(StreamId::commands(self.partition));
        let is_left = |at: &Position| says || (self.atomic && *at > self.durable);
        let left = self.tried.iter().copied().filter(is_left);
        let now = self
            .worker
            .trying()
            .filter(|at| self.tried.last() != Some(at) || !is_left(at));
        left.chain(now).collect()
    }

    /// Whether something that it says is on its way to this log.
    pub(super) fn says(&self, target: StreamId) -> bool {
        let queue = self.queues.get(&target).into_iter().flatten();
        queue
            .into_iter()
            .any(|packet| matches!(packet.kind, PacketKind::Said))
    }

    /// Whether it is careful, or may become so when it has looked ahead.
    pub(super) fn may_be_careful(&self) -> bool {
        let looks = self.opened.is_none() || self.worker.look_offset().is_some();
        looks || self.worker.is_careful()
    }

    /// Shows what was applied to the observer.
    fn observe(&mut self, observer: &mut Observer) -> Result<(), Violation> {
        let state = self.worker.partition().state();
        let before = std::mem::take(&mut self.measures);
        self.measures = observer.rules.check(self.partition, &before, state)?;
        let applied = Applied {
            partition: self.partition,
            serial: self.serial,
            build: self.build,
            at: state.position,
            digest: state.scalars.digest,
        };
        observer.applied(&applied)?;
        let seen = observer.sagas_seen(self.partition);
        let mut steps = self.worker.saga_steps().iter().peekable();
        for (nth, reply) in self.worker.replies().iter().enumerate().skip(self.decided) {
            while let Some(step) = steps.next_if(|step| step.answers <= nth) {
                observer.saga(self.partition, step, seen, state);
            }
            observer.decided(reply, (self.partition, &before, state))?;
        }
        steps.for_each(|step| observer.saga(self.partition, step, seen, state));
        self.decided = self.worker.replies().len();
        Ok(())
    }

    /// Shows what was applied, and answers where what is applied is durable.
    fn observe_and_tell(&mut self, observer: &mut Observer) -> Result<(), Violation> {
        self.observe(observer)?;
        if !self.atomic {
            let replies = self.worker.take_replies();
            self.decided = self.worker.replies().len();
            self.told(observer, replies);
        }
        Ok(())
    }

    fn told(&mut self, observer: &mut Observer, replies: Vec<Reply>) {
        for reply in replies {
            observer.told(self.partition, reply);
        }
    }

    /// With nothing to apply, what is in memory is within its bound.
    fn check_cache(&self, observer: &mut Observer) -> Result<(), Violation> {
        observer.checks += 1;
        let (bytes, bound) = (
            self.worker.partition().rows().bytes(),
            self.worker.cache_bytes(),
        );
        match bytes <= bound + bound / 4 {
            true => Ok(()),
            false => Err(Violation(format!(
                "{}: rows take {bytes} bytes of memory, {bound} are allowed",
                self.partition
            ))),
        }
    }

    // ---- logs of a cluster

    /// Puts what is to be sent into the queues, one frame per target.
    pub(super) fn send_frames(&mut self, observer: &mut Observer) {
        for Outgoing { to, numbers, frame } in self.worker.take_frames() {
            let words = observer.words;
            observer.note(|| {
                let (of, to) = (words.partition(self.partition), words.partition(to));
                format!("worker {} of {of} sends {numbers:?} to {to}", self.serial)
            });
            let kind = PacketKind::Frame(numbers);
            self.push(StreamId::commands(to), frame, kind);
        }
    }

    /// Writes a change record.
    pub(super) fn write_change(&mut self, snapshot: bool, observer: &mut Observer) {
        for bytes in self.worker.take_change(snapshot) {
            observer.count(match snapshot {
                true => "snapshot chunks",
                false => "change records",
            });
            let own = StreamId::changes(self.partition);
            self.push(own, bytes, PacketKind::Change);
        }
    }

    /// Sends all that there is.
    pub(super) fn send_all(&mut self, observer: &mut Observer) {
        if !self.atomic {
            self.send_frames(observer);
            self.write_change(false, observer);
        }
    }

    /// What its partition is to hear of the configuration.
    pub(super) fn push_news(&mut self, to: StreamId, frame: Bytes) {
        self.push(to, frame, PacketKind::News);
    }

    /// What it says is on its way.
    pub(super) fn push_said(&mut self, to: StreamId, bytes: Bytes) {
        self.push(to, bytes, PacketKind::Said);
    }

    /// The same, where it stands in the log already.
    pub(super) fn landed_said(&mut self, to: StreamId, offset: u64) {
        self.landed.push((to, offset, Landed::Said));
    }

    fn push(&mut self, to: StreamId, bytes: Bytes, kind: PacketKind) {
        let queue = self.queues.entry(to).or_default();
        queue.push_back(Packet { bytes, kind });
    }

    /// Queues that hold something.
    pub(super) fn targets(&self) -> impl Iterator<Item = StreamId> {
        (self.queues.iter())
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(target, _)| *target)
    }

    pub(super) fn has_queue(&self, target: StreamId) -> bool {
        let queue = self.queues.get(&target);
        queue.is_some_and(|queue| !queue.is_empty())
    }

    /// One of the queues that hold something; by preference one in which something follows the head.
    pub(super) fn any_queue(&mut self, rng: &mut ChaCha8Rng) -> Option<&mut VecDeque<Packet>> {
        let longest = self.queues.values().map(VecDeque::len).max()?;
        let least = longest.min(rng.random_range(1..3)).max(1);
        let long = |queue: &&VecDeque<Packet>| queue.len() >= least;
        let count = self.queues.values().filter(long).count();
        if count == 0 {
            return None;
        }
        let nth = rng.random_range(0..count);
        let mut queues = self
            .queues
            .values_mut()
            .filter(|queue| queue.len() >= least);
        queues.nth(nth)
    }

    pub(super) fn pop(&mut self, target: StreamId) -> Option<Packet> {
        self.queues.get_mut(&target)?.pop_front()
    }

    /// A packet has arrived at `offset`; it is not durable yet.
    pub(super) fn landed(&mut self, target: StreamId, offset: u64, packet: Packet) {
        let landed = match packet.kind {
            PacketKind::Open => Landed::Open,
            PacketKind::Frame(numbers) => Landed::Frame(numbers),
            PacketKind::Said => Landed::Said,
            PacketKind::Change | PacketKind::News => return,
        };
        self.landed.push((target, offset, landed));
    }

    /// Hears of everything that has become durable.
    pub(super) fn acknowledge(&mut self, logs: &Logs, observer: &mut Observer) {
        let worker = &mut self.worker;
        let opened = &mut self.opened;
        self.landed.retain(|(to, offset, landed)| {
            let is_frame = matches!(landed, Landed::Frame(_));
            let early = is_frame && bugs::on(Bug::AcknowledgedBeforeDurable);
            let durable = early || *offset < logs.stream(*to).durable_end();
            match landed {
                _ if !durable => {}
                Landed::Frame(numbers) => worker.acknowledged(to.partition, numbers.clone()),
                Landed::Open => {
                    worker.opened(*offset);
                    *opened = Some(*offset);
                }
                Landed::Said => worker.said(*offset),
            }
            !durable
        });
        let durable = |first: &OnItsWay| logs.is_durable(first.append);
        while self.on_their_way.front().is_some_and(durable) {
            if let Some(done) = self.on_their_way.pop_front() {
                self.durable = done.until;
                self.told(observer, done.answers);
            }
        }
    }

    // ---- an atomic log

    /// Takes what one round has to append; the answers that need not wait are given.
    pub(super) fn cut(&mut self, snapshot: bool, limit: usize, observer: &mut Observer) -> Batch {
        let cut = Cut {
            quiet: self.on_their_way.is_empty(),
            last: self.sealed,
            snapshot,
            limit,
            // Small enough that frames alone are more, in some runs.
            most: 4 * limit,
        };
        let mut batch = batch::cut(&mut self.worker, cut);
        self.decided = 0;
        let answers = std::mem::take(&mut batch.answers);
        self.told(observer, answers);
        batch
    }

    /// Its last batch was appended; these answers wait until it is durable.
    pub(super) fn appended(&mut self, append: u64, answers: Vec<Reply>) {
        let until = self.worker.partition().cut_position();
        self.on_their_way.push_back(OnItsWay {
            append,
            until,
            answers,
        });
    }

    /// Batches that are not durable.
    pub(super) fn on_their_way(&self) -> usize {
        self.on_their_way.len()
    }

    // ---- cold rows

    /// The database's answer is on its way.
    pub(super) fn asked(&mut self, position: Position, rows: Vec<(RowKey, StoredRow)>) {
        self.load = Some((position, rows));
    }

    pub(super) fn has_load(&self) -> bool {
        self.load.is_some()
    }

    /// The database's answer arrives; `true` where the worker must stop.
    pub(super) fn answer_load(&mut self, observer: &mut Observer) -> Result<bool, Violation> {
        let Some((position, rows)) = self.load.take() else {
            return Ok(false);
        };
        match self.worker.loaded(position, &rows) {
            Ok(()) => Ok(false),
            Err(Stop::Overtaken { .. }) => {
                observer.count("upper fence");
                Ok(true)
            }
            Err(stop) => Err(Violation(stop.to_string())),
        }
    }

    pub(super) fn storage_at(&mut self, position: Position) {
        self.worker.storage_at(position);
    }

    /// Evicts all that may go.
    pub(super) fn evict_all(&mut self) {
        self.worker.evict_to(0);
    }

    /// The frame of an orderly stop, where it owns the partition.
    pub(super) fn seal(&self) -> Option<Bytes> {
        self.worker.seal()
    }

    /// What it has sent and has not arrived.
    pub(super) fn take_queues(&mut self) -> BTreeMap<StreamId, VecDeque<Packet>> {
        std::mem::take(&mut self.queues)
    }
}

/// What is in a record of a command log, in words.
fn contents(record: Bytes) -> String {
    let Ok(frame) = Frame::decode(record) else {
        return "nothing that can be read".to_owned();
    };
    let envelopes = frame.envelopes.iter().map(|envelope| {
        let Head { kind, txn, .. } = &envelope.head;
        match txn.0 == [0; 16] {
            true => format!("{kind:?}"),
            false => format!("{kind:?} {txn}"),
        }
    });
    envelopes.collect::<Vec<_>>().join(", ")
}

/// Hands in what is to be looked at ahead, as far as it is durable; whether there was anything.
fn look(worker: &mut Worker, logs: &Logs) -> bool {
    let commands = logs.stream(StreamId::commands(worker.partition().id()));
    let mut any = false;
    while let Some(next) = worker.look_offset()
        && let Some((_, bytes)) = commands.get(next, true)
    {
        worker.look(bytes);
        any = true;
    }
    any
}
