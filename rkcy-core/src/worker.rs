//! The worker of one partition, without its I/O.
//!
//! Owns what a driver must do in which order, as a state machine that is fed and asked: fold the
//! changelog, open, apply, send, load cold rows behind both fences, write change records, stop. The
//! drivers of the runtime and the simulator carry out what it says with real and simulated logs.
//!
//! ```text
//! fold(changelog) ─► open() ─► opened(offset) ─► look(ahead) ─► feed(records) ─► run() ─► take_frames(), take_replies()
//!                                                                   ▲    │ cold            take_change()
//!                                                                   │    ▼
//!                                                                loaded(rows, position)
//! ```

mod careful;
mod configs;
mod look_ahead;
mod take_over;

pub use look_ahead::LookAhead;
pub use take_over::TakeOver;

use crate::bugs::{self, Bug};
use crate::change::{ChangeKind, Diverged, Sent};
use crate::fault::Fault;
use crate::frame::{Body, Envelope, Frame, Kind, Open, Reply, Source};
use crate::id::{PartitionId, Position, TxnId};
use crate::key::RowKey;
use crate::partition::{Effect, Halt, Input, Partition, SagaEvent};
use crate::rows::StoredRow;
use crate::settings::Settings;
use bytes::Bytes;
use careful::Care;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// What a worker is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The partition.
    pub partition: PartitionId,
    /// Generation of its topics.
    pub generation: u32,
    /// A number drawn at random, which no other worker has.
    pub owner: u64,
    /// A number drawn at random, which all workers of its process have and no others.
    pub process: u64,
    /// Hash of the executable.
    pub build: u64,
    /// Whether effects and change records are appended atomically (the embedded log): nothing is ever
    /// replayed then, and there is no outbox.
    pub atomic: bool,
    /// Whether the Open sets the partition's clock to its own stamp, also backwards
    /// ([`Open::accept_clock`]).
    pub accept_clock: bool,
    /// Settings for the Open.
    pub settings: Settings,
    /// Bound of the rows in memory. Bytes.
    pub cache_bytes: usize,
    /// Bound of one record of the log. Bytes.
    pub record_bytes: usize,
}

/// Why a worker stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Another owner has opened the partition, or storage is ahead of this worker: take over again if the
    /// partition is still assigned.
    #[error("partition {partition}: overtaken at {at}")]
    Overtaken {
        /// Which partition.
        partition: PartitionId,
        /// Position of this worker.
        at: Position,
    },
    /// Its own Seal has been applied.
    #[error("partition {partition}: sealed at {at}")]
    Sealed {
        /// Which partition.
        partition: PartitionId,
        /// Position of the Seal.
        at: Position,
    },
    /// Another build owns the partition and has not sealed it.
    #[error(
        "partition {partition} belongs to build {owner:016x}, which has not sealed it: \
         stop that build in good order, or start it once more and then stop it"
    )]
    ForeignBuild {
        /// Which partition.
        partition: PartitionId,
        /// Build of the owner.
        owner: u64,
    },
    /// A build with another schema has left something in flight, which this one would misread.
    #[error(
        "partition {partition}: {what}, left by a build of schema {found:016x}; this one is of {own:016x}, \
         and cannot go on with it. Drain first: start the build that left it, let `platform drain` come to \
         its end, stop it, then start this one"
    )]
    ForeignSchema {
        /// Which partition.
        partition: PartitionId,
        /// What is in flight.
        what: String,
        /// Schema of the last change record.
        found: u64,
        /// Schema of this build.
        own: u64,
        /// Whether it is over as soon as storage has written what it has.
        passes: bool,
    },
    /// What the log holds cannot be read.
    #[error("partition {partition}, {place}: {fault}")]
    Unreadable {
        /// Which partition.
        partition: PartitionId,
        /// Where.
        place: String,
        /// What is wrong.
        fault: Fault,
    },
    /// Two workers computed different things.
    #[error("partition {partition}: {source}")]
    Diverged {
        /// Which partition.
        partition: PartitionId,
        /// What differs.
        source: Diverged,
    },
    /// A record is stamped so far ahead of this worker's clock that one of the two clocks is wrong.
    #[error(
        "partition {partition}: the record at offset {offset} is stamped {} ahead of this machine's \
         clock: see that the clock is right and start again",
        Span(*ahead)
    )]
    ClockAhead {
        /// Which partition.
        partition: PartitionId,
        /// Offset of the record.
        offset: u64,
        /// Milliseconds.
        ahead: u64,
    },
    /// The partition's clock, which came with the records of the log, is so far ahead of this worker's
    /// that one of the two was wrong.
    #[error(
        "partition {partition}: its clock is {} ahead of this machine's, so one of the two is or was wrong. \
         If it is this machine's, set it and start again. If it was the one by which the log was written, \
         start once with --accept-clock: that sets the partition's clock back, and asserts that no caller \
         still repeats ids made while it was ahead",
        Span(*ahead)
    )]
    ClockRefused {
        /// Which partition.
        partition: PartitionId,
        /// Milliseconds.
        ahead: u64,
    },
    /// The log does not hold what must be applied next.
    #[error(
        "partition {partition}: the command log holds {held}, {needed} is needed: records are lost"
    )]
    LogGap {
        /// Which partition.
        partition: PartitionId,
        /// Offset that is needed.
        needed: u64,
        /// What the log holds.
        held: String,
    },
}

/// Milliseconds, for people.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        match seconds {
            0..120 => write!(f, "{} ms", self.0),
            120..7_200 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            7_200..172_800 => write!(f, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
            _ => write!(f, "{} days {} h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

/// What came of [`Worker::run`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything that was fed has been applied.
    Idle,
    /// The bound of this call was reached; there is more.
    More,
    /// These rows must be loaded; nothing is applied until [`Worker::loaded`].
    Cold(Vec<RowKey>),
    /// Rows in memory are at their bound and storage is too far behind to evict any.
    Full,
    /// A careful worker says what it is about to do: append this; nothing is applied until [`Worker::said`].
    Say(Saying),
}

/// What a careful worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// In its command log: that it tries an envelope, or gives one up.
    Command(Bytes),
    /// In its changelog, where several processes share the logs: that earlier epochs count no more.
    Change(Bytes),
}

/// A frame to append to a partition's command log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver.
    pub to: PartitionId,
    /// Numbers of its envelopes on the channel, for [`Worker::acknowledged`].
    pub numbers: std::ops::RangeInclusive<u64>,
    /// The frame.
    pub frame: Bytes,
}

/// At most so many rows are asked for in one cold read,
const LOAD_ROWS: usize = 1_000;
/// and at most so many bytes, if each is as large as a row may be.
const LOAD_BYTES: usize = 16 << 20;

struct Fed {
    offset: u64,
    stamp: u64,
    /// Of the record.
    bytes: usize,
    frame: Frame,
}

/// What a saga has done, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaStep {
    /// By which application.
    pub at: Position,
    /// So many of [`Worker::replies`] were given before.
    pub answers: usize,
    /// The saga.
    pub txn: TxnId,
    /// What it has done.
    pub event: SagaEvent,
}

/// The worker of one partition.
pub struct Worker {
    config: Config,
    partition: Partition,
    /// Offset of its own Open, once the log has it.
    opened: Option<u64>,
    /// The driver's clock when it fed the last record. Milliseconds.
    now: u64,
    inbox: VecDeque<Fed>,
    inbox_bytes: usize,
    /// Index of the next envelope within the first frame of the inbox.
    index: usize,
    next_feed: u64,
    effects: Vec<Effect>,
    unsent: Vec<Sent>,
    /// Sent or to be sent, not known to be durable, with the position that caused it.
    unacknowledged: BTreeMap<(PartitionId, u64), (Position, Envelope)>,
    replies: Vec<Reply>,
    /// What sagas have done in the last call of `run`, for those who watch.
    saga_steps: Vec<SagaStep>,
    /// The position that storage is known to have.
    stored: Position,
    /// Lower fence of cold reads (E of rule 4).
    fence: Position,
    loading: BTreeSet<RowKey>,
    /// The application to come has asked for a row before: until it went through, nothing is evicted, and
    /// nothing else loaded. So a cache that is too small for it cannot keep it from ever going through.
    pinned: bool,
    /// Rows that the heads of what was fed name and that were not in memory then.
    wanted: BTreeSet<RowKey>,
    /// What may end the process.
    care: Care,
    /// Epoch of the worker that wrote the last change record.
    writer: Option<u64>,
    /// Version up to which it has told its partition of the configuration.
    told_configs: u64,
}

impl Worker {
    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The frame by which the worker announces itself in its own command log.
    #[must_use]
    pub fn open(&self) -> Bytes {
        let scalars = &self.partition.state().scalars;
        let open = Open {
            owner: self.config.owner,
            build: self.config.build,
            after: if scalars.build == self.config.build {
                None
            } else {
                scalars.sealed
            },
            // On an atomic log nothing is replayed, so no build can differ on what was told already.
            accept_replay: self.config.atomic,
            accept_clock: self.config.accept_clock,
            settings: self.config.settings.clone(),
        };
        Frame::encode(
            None,
            [Envelope::control(Kind::Open, &Body::Open(open))].iter(),
        )
    }

    /// The Open is durable at `offset`.
    pub fn opened(&mut self, offset: u64) {
        self.opened = Some(offset);
    }

    /// The frame of an orderly stop; `None` before the worker owns the partition.
    #[must_use]
    pub fn seal(&self) -> Option<Bytes> {
        let epoch = self.opened.filter(|_| self.owns())?;
        Some(Frame::encode(
            None,
            [Envelope::control(Kind::Seal, &Body::Seal(epoch))].iter(),
        ))
    }

    /// Whether its own Open has been applied and none after it.
    #[must_use]
    pub fn owns(&self) -> bool {
        let scalars = &self.partition.state().scalars;
        self.opened.is_some() && scalars.epoch == self.opened
    }

    /// Offset of the record to feed next.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_feed
    }

    /// Bytes fed and not applied.
    #[must_use]
    pub fn inbox_bytes(&self) -> usize {
        self.inbox_bytes
    }

    /// Takes the durable record at [`Worker::next_offset`]. `now` is the driver's own clock, in
    /// milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Stop`] where its header cannot be read and a partition sent it, or where it is stamped too far
    /// ahead. What stands before the worker's own Open is judged as a whole, when that is applied.
    pub fn feed(&mut self, offset: u64, stamp: u64, bytes: Bytes, now: u64) -> Result<(), Stop> {
        if offset != self.next_feed {
            return Err(Stop::LogGap {
                partition: self.config.partition,
                needed: self.next_feed,
                held: format!("{offset} next"),
            });
        }
        self.now = now;
        let window = self.partition.state().scalars.settings.window;
        let live = self.opened.is_some_and(|opened| offset > opened);
        let too_far = |ahead: &u64| *ahead > window && !bugs::on(Bug::ClockAheadTaken);
        if live && let Some(ahead) = stamp.checked_sub(now).filter(too_far) {
            return Err(Stop::ClockAhead {
                partition: self.config.partition,
                offset,
                ahead,
            });
        }
        let length = bytes.len();
        let frame = Frame::decode(bytes).map_err(|error| Stop::Unreadable {
            partition: self.config.partition,
            place: format!("command log offset {offset}"),
            fault: error.into(),
        })?;
        let position = self.partition.state().position;
        if self.inbox.is_empty() {
            self.index = if position.offset() == Some(offset) {
                position.index() as usize + 1
            } else {
                0
            };
        }
        for row in frame.envelopes.iter().flat_map(|one| &one.head.rows) {
            if !self.partition.rows().contains(row) {
                self.wanted.insert(row.clone());
            }
        }
        self.next_feed += 1;
        self.inbox_bytes += length;
        self.inbox.push_back(Fed {
            offset,
            stamp,
            bytes: length,
            frame,
        });
        Ok(())
    }

    /// Applies up to `limit` envelopes of what was fed, fewer where their changes fill a record of the log;
    /// one, where the worker is careful: what came of it is to be durable before the next call.
    ///
    /// # Errors
    /// [`Stop`]: nothing more is applied. Effects up to there may still be sent.
    pub fn run(&mut self, limit: usize) -> Result<Progress, Stop> {
        let limit = if self.is_careful() { 1 } else { limit };
        if self.is_waiting() {
            return Ok(Progress::Idle);
        }
        self.saga_steps.clear();
        if !self.loading.is_empty() {
            return Ok(Progress::Cold(self.loading.iter().cloned().collect()));
        }
        if !self.wanted.is_empty() && !self.pinned {
            let mut cold = std::mem::take(&mut self.wanted);
            if self.has_room() {
                cold.retain(|row| !self.partition.rows().contains(row));
                if let Some(beyond) = cold.iter().nth(self.load_rows()).cloned() {
                    self.wanted = cold.split_off(&beyond);
                }
                if !cold.is_empty() {
                    return Ok(self.ask_for(cold));
                }
            }
            // Else each is loaded when it is its turn, in the room of those before.
        }
        for _ in 0..limit {
            if !self.pinned && self.is_full() {
                return Ok(Progress::Full);
            }
            let Some(fed) = self.inbox.front() else {
                return Ok(Progress::Idle);
            };
            if self.index >= fed.frame.envelopes.len() {
                self.next_frame();
                continue;
            }
            if self.is_partly_dropped(fed) {
                let last = u32::try_from(fed.frame.envelopes.len() - 1).unwrap_or(u32::MAX);
                let at = Position::new(fed.offset, last);
                self.partition.skip(at);
                self.next_frame();
                continue;
            }
            if !self.is_of_own_build()? {
                return Ok(Progress::Idle);
            }
            let Some((at, kind, ran)) = self.comes_next() else {
                return Ok(Progress::Idle);
            };
            if ran && let Some(progress) = self.before(at)? {
                return Ok(progress);
            }
            let Some(fed) = self.inbox.front() else {
                return Ok(Progress::Idle);
            };
            let source = fed.frame.source;
            let number = |it: Source| (it.partition, it.first + u64::from(at.index()));
            let input = Input {
                at,
                stamp: fed.stamp,
                number: source.map(number),
                damaged: fed.frame.damaged,
                parked: self.care.is_parked(at),
                envelope: &fed.frame.envelopes[self.index],
            };
            match self.partition.apply(input, &mut self.effects) {
                Ok(()) => {
                    self.index += 1;
                    self.pinned = false;
                    self.applied(at, ran);
                }
                Err(Halt::Cold(rows)) => {
                    self.pinned = !bugs::on(Bug::PinnedEvicted);
                    let mut cold: BTreeSet<RowKey> = rows.into_iter().collect();
                    self.add_later_visits(input.envelope, &mut cold);
                    let waits = self.ask_for(cold);
                    return Ok(self.before_waiting().unwrap_or(waits));
                }
                Err(Halt::Unreadable(fault)) => {
                    let place = format!("command log position {at}");
                    return Err(Stop::Unreadable {
                        partition: self.config.partition,
                        place,
                        fault,
                    });
                }
            }
            self.sort_effects(at);
            if matches!(kind, Kind::Open | Kind::Seal) {
                self.check_ownership(at)?;
            }
            // Small commands may change large rows: what is written at once stays near one record.
            if self.is_batch_full() {
                break;
            }
        }
        Ok(Progress::More)
    }

    /// The envelope to come: where it stands, what it is, and whether its application may run handlers.
    fn comes_next(&self) -> Option<(Position, Kind, bool)> {
        let fed = self.inbox.front()?;
        let kind = fed.frame.envelopes.get(self.index)?.head.kind;
        let index = u32::try_from(self.index).unwrap_or(u32::MAX);
        let time_is_up = (self.partition.due()).is_some_and(|due| due <= fed.stamp);
        let ran = kind.may_run_handlers() || time_is_up;
        Some((Position::new(fed.offset, index), kind, ran))
    }

    /// Whether what was changed since the last change record fills a record of the log: it is to be written.
    #[must_use]
    pub fn is_batch_full(&self) -> bool {
        self.partition.changed_bytes() >= self.config.record_bytes
    }

    /// Splits what the last application asks for into answers and envelopes to send.
    fn sort_effects(&mut self, at: Position) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Answer(reply) => self.replies.push(reply),
                Effect::Saga(txn, event) => self.saga_steps.push(SagaStep {
                    at,
                    answers: self.replies.len(),
                    txn,
                    event,
                }),
                Effect::Send {
                    to,
                    number,
                    envelope,
                } => {
                    if !self.config.atomic {
                        self.unacknowledged
                            .insert((to, number), (at, envelope.clone()));
                    }
                    self.unsent.push(Sent {
                        to,
                        number,
                        envelope,
                    });
                }
            }
        }
    }

    fn next_frame(&mut self) {
        self.inbox_bytes -= self.inbox.pop_front().map_or(0, |fed| fed.bytes);
        self.index = 0;
    }

    /// The bug that drops a frame of which a part was applied.
    fn is_partly_dropped(&self, fed: &Fed) -> bool {
        let Some(source) = fed
            .frame
            .source
            .filter(|_| bugs::on(Bug::FramePartlyDropped))
        else {
            return false;
        };
        let applied = self
            .partition
            .state()
            .inbound
            .get(&source.partition)
            .copied()
            .unwrap_or(0);
        self.index == 0 && source.first <= applied
    }

    /// Whether what stands before this worker's own Open is its build's to apply; `false` where it cannot be
    /// told yet (rule 5). Until a Seal it is the owner's build; between a Seal and the next Open that counts,
    /// that of this Open.
    fn is_of_own_build(&self) -> Result<bool, Stop> {
        let state = self.partition.state();
        let before = |opened: &u64| state.position.offset() < Some(*opened);
        if self.config.atomic
            || self.opened.filter(before).is_none()
            || bugs::on(Bug::ForeignRecordsApplied)
        {
            return Ok(true);
        }
        let scalars = &state.scalars;
        let owner = match scalars.epoch.is_some() && scalars.sealed.is_none() {
            true => Some(scalars.build),
            false => self.next_owner(),
        };
        match owner {
            None => Ok(false),
            Some(build) if build == self.config.build => Ok(true),
            Some(owner) => Err(Stop::ForeignBuild {
                partition: self.config.partition,
                owner,
            }),
        }
    }

    /// Build of the next Open in what was fed that will count.
    fn next_owner(&self) -> Option<u64> {
        let envelopes = self.inbox.iter().flat_map(|fed| &fed.frame.envelopes);
        envelopes
            .filter(|envelope| envelope.head.kind == Kind::Open)
            .filter_map(|envelope| Body::decode(Kind::Open, envelope.body.clone()).ok())
            .find_map(|body| match body {
                Body::Open(open) => {
                    let counts = self.partition.state().scalars.admits(&open);
                    counts.then_some(open.build)
                }
                _ => None,
            })
    }

    /// After an Open or a Seal: is this worker still the owner?
    fn check_ownership(&self, at: Position) -> Result<(), Stop> {
        // Before its own Open it applies on behalf of the owners before.
        let Some(opened) = self.opened.filter(|opened| at.offset() >= Some(*opened)) else {
            return Ok(());
        };
        let partition = self.config.partition;
        let scalars = &self.partition.state().scalars;
        if scalars.epoch == Some(opened) {
            if scalars.sealed.is_some() && !bugs::on(Bug::AppliedPastSeal) {
                return Err(Stop::Sealed { partition, at });
            }
            let ahead = scalars.clock.saturating_sub(self.now);
            if at.offset() == Some(opened) && ahead > scalars.settings.window {
                return Err(Stop::ClockRefused { partition, ahead });
            }
            return Ok(());
        }
        if at.offset() == Some(opened) {
            return Err(Stop::ForeignBuild {
                partition,
                owner: scalars.build,
            });
        }
        Err(Stop::Overtaken { partition, at })
    }

    // ---- cold rows

    fn ask_for(&mut self, rows: BTreeSet<RowKey>) -> Progress {
        self.loading = rows;
        Progress::Cold(self.loading.iter().cloned().collect())
    }

    /// The database's answer to [`Progress::Cold`]: rows and the position they are of, read in one
    /// snapshot. Rule 4 decides whether it counts; where the database is behind it is asked again.
    ///
    /// # Errors
    /// [`Stop::Overtaken`] where storage is ahead of this worker.
    pub fn loaded(&mut self, position: Position, rows: &[(RowKey, StoredRow)]) -> Result<(), Stop> {
        let at = self.partition.state().position;
        if position > at && !bugs::on(Bug::NoUpperFence) {
            return Err(Stop::Overtaken {
                partition: self.config.partition,
                at,
            });
        }
        let fence = self.fence.max(self.partition.rows().evicted());
        if position < fence && !bugs::on(Bug::NoLowerFence) {
            return Ok(());
        }
        self.stored = self.stored.max(position);
        for (key, row) in rows {
            self.loading.remove(key);
            self.partition.rows_mut().load(key, row.clone());
        }
        Ok(())
    }

    /// Storage is known to have come to `position`: rows up to there may be evicted.
    pub fn storage_at(&mut self, position: Position) {
        self.stored = self.stored.max(position);
    }

    /// Evicts rows until at most `limit` bytes are in memory, as far as storage allows.
    pub fn evict_to(&mut self, limit: usize) {
        self.partition.rows_mut().evict(limit, self.stored);
    }

    /// Bound of the rows in memory. Bytes.
    #[must_use]
    pub fn cache_bytes(&self) -> usize {
        self.config.cache_bytes
    }

    /// Gives the rows in memory another bound, in bytes: a process has more or fewer partitions than before.
    pub fn set_cache_bytes(&mut self, bytes: usize) {
        self.config.cache_bytes = bytes;
    }

    /// Rows of one cold read.
    fn load_rows(&self) -> usize {
        let largest = self.partition.state().scalars.settings.row_bytes.max(1);
        (LOAD_BYTES / largest as usize).clamp(1, LOAD_ROWS)
    }

    /// An application that has met one cold row may meet more: those of the later visits here are asked for
    /// at once, as many as fit one cold read.
    fn add_later_visits(&self, envelope: &Envelope, cold: &mut BTreeSet<RowKey>) {
        if !matches!(envelope.head.kind, Kind::Submit | Kind::Visit) {
            return;
        }
        let Ok(Body::Txn(txn)) = Body::decode(envelope.head.kind, envelope.body.clone()) else {
            return;
        };
        let here = txn.visits.iter().skip(usize::from(txn.next));
        let here = here.filter(|visit| visit.at() == self.config.partition);
        for visit in here {
            if cold.len() >= self.load_rows() {
                break;
            }
            if !self.partition.rows().contains(&visit.group) {
                cold.insert(visit.group.clone());
            }
        }
    }

    /// Whether rows that nobody needs yet may be loaded.
    fn has_room(&mut self) -> bool {
        if self.partition.rows().bytes() > self.config.cache_bytes {
            self.evict_to(self.config.cache_bytes);
        }
        self.partition.rows().bytes() <= self.config.cache_bytes
    }

    fn is_full(&mut self) -> bool {
        if self.partition.rows().bytes() <= self.config.cache_bytes || bugs::on(Bug::CacheUnbounded)
        {
            return false;
        }
        self.evict_to(self.config.cache_bytes);
        // Rows of the application to come must have room beside the bound.
        self.partition.rows().bytes() > self.config.cache_bytes + self.config.cache_bytes / 4
    }

    // ---- what leaves

    /// Frames to append, one or a few per target, in order of the channels; none while it is not known that the
    /// change record counts of what a careful worker has applied.
    pub fn take_frames(&mut self) -> Vec<Outgoing> {
        if self.care.withholds() {
            return Vec::new();
        }
        let mut by_target: BTreeMap<PartitionId, Vec<Sent>> = BTreeMap::new();
        for sent in self.unsent.drain(..) {
            by_target.entry(sent.to).or_default().push(sent);
        }
        let mut frames = Vec::new();
        for (to, sent) in by_target {
            let mut rest = &sent[..];
            while let Some(first) = rest.first() {
                let mut bytes = 0;
                let fitting = rest.iter().enumerate().take_while(|(nth, item)| {
                    bytes += item.envelope.body.len() + 128;
                    // Numbers are dense within a frame; a resent outbox may have holes before it.
                    item.number == first.number + *nth as u64
                        && (*nth == 0 || bytes <= self.config.record_bytes)
                });
                let (now, later) = rest.split_at(fitting.count().max(1));
                let last = now.last().map_or(first.number, |item| item.number);
                let source = Source {
                    partition: self.config.partition,
                    first: first.number,
                };
                let frame = Frame::encode(Some(source), now.iter().map(|item| &item.envelope));
                frames.push(Outgoing {
                    to,
                    numbers: first.number..=last,
                    frame,
                });
                rest = later;
            }
        }
        frames
    }

    /// Envelopes of a frame are durable.
    pub fn acknowledged(&mut self, to: PartitionId, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            self.unacknowledged.remove(&(to, number));
        }
    }

    /// Answers that wait to be taken.
    #[must_use]
    pub fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// Answers to submitters, as long as a careful worker may give them: see [`Worker::take_frames`].
    pub fn take_replies(&mut self) -> Vec<Reply> {
        if self.care.withholds() {
            return Vec::new();
        }
        std::mem::take(&mut self.replies)
    }

    /// What sagas have done in the last call of [`Worker::run`].
    #[must_use]
    pub fn saga_steps(&self) -> &[SagaStep] {
        &self.saga_steps
    }

    /// When the first of the waiting visits has waited for long enough: see [`Partition::due`].
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.partition.due()
    }

    /// Whether anything was changed since the last change record; reads change nothing. That it has come to
    /// its own Open is told as well: who takes over after it knows that it got so far.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        // What was tried and changed nothing has ended nobody: who takes over is to know.
        let cut = self.partition.cut_position();
        let tried = self.care.last_applied().is_some_and(|at| cut < at);
        tried || self.partition.has_changes() || (self.owns() && self.writer < self.opened)
    }

    /// The change record of what was applied since the last one, in chunks that fit a record of the log.
    /// Empty where nothing was.
    pub fn take_change(&mut self, snapshot: bool) -> Vec<Bytes> {
        let Some(mut change) = self.partition.take_change(snapshot) else {
            return Vec::new();
        };
        if !bugs::on(Bug::NoOutbox) {
            let from = change.from;
            let all = change.kind == ChangeKind::Snapshot;
            change.outbox = (self.unacknowledged.iter())
                .filter(|(_, (at, _))| all || *at > from)
                .map(|((to, number), (_, envelope))| Sent {
                    to: *to,
                    number: *number,
                    envelope: envelope.clone(),
                })
                .collect();
        }
        for (to, sent) in &self.partition.state().outbound {
            let lowest = self.unacknowledged.range((*to, 0)..=(*to, u64::MAX)).next();
            change
                .lowest
                .push((*to, lowest.map_or(sent + 1, |((_, number), _)| *number)));
        }
        if let Some(opened) = self.opened {
            change.epoch = opened;
        }
        self.writer = self.writer.max(Some(change.epoch));
        change.into_chunks(self.config.record_bytes)
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}
