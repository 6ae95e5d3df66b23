//! A simulated worker: the engine's own [`Worker`] with queues for what it has sent.

use super::observe::{Observer, Violation};
use crate::log::simulated::Stream;
use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rkcy_core::bugs::{self, Bug};
use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::RowKey;
use rkcy_core::logic::Logic;
use rkcy_core::rows::StoredRow;
use rkcy_core::settings::Settings;
use rkcy_core::storage::StoredPosition;
use rkcy_core::worker::{Config, Outgoing, Progress, Stop, TakeOver, Worker};
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Commands(PartitionId),
    /// The changelog of the sender.
    Changes,
}

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
}

/// What came of letting a worker work.
#[derive(Debug, Default)]
pub(super) struct Worked {
    pub(super) progress: bool,
    pub(super) cold: Option<Vec<RowKey>>,
    pub(super) stopped: bool,
    /// The partition's clock, or that of a record, is too far ahead.
    pub(super) refused: bool,
}

/// A living worker.
pub(super) struct Member {
    pub(super) partition: PartitionId,
    pub(super) serial: u64,
    pub(super) worker: Worker,
    queues: BTreeMap<Target, VecDeque<Packet>>,
    /// Landed and not durable: target, offset, numbers; no numbers for its Open.
    landed: Vec<(PartitionId, u64, Option<RangeInclusive<u64>>)>,
    opened: bool,
    load: Option<(Position, Vec<(RowKey, StoredRow)>)>,
}

impl Member {
    /// Folds the changelog as it stands, and sends an Open.
    pub(super) fn take_over(
        partition: PartitionId,
        serial: u64,
        (settings, accept_clock): (Settings, bool),
        stored: StoredPosition,
        changes: &Stream,
        logic: Arc<dyn Logic>,
        observer: &mut Observer,
    ) -> Result<Member, Violation> {
        let config = Config {
            partition,
            generation: 0,
            owner: serial,
            build: 1,
            atomic: false,
            accept_clock,
            settings,
            cache_bytes: 1 << 20,
            // Small, so that records come in chunks.
            record_bytes: 3_000,
        };
        let stop = |stop: Stop| Violation(format!("take-over by worker {serial}: {stop}"));
        let mut take_over = TakeOver::new(config, stored);
        while let Some((_, bytes)) = changes.get(take_over.next_offset(), true) {
            take_over.fold(bytes).map_err(stop)?;
        }
        let worker = take_over.finish(logic).map_err(stop)?;
        let at = worker.partition().state().position;
        observer.note(|| {
            format!(
                "worker {serial} takes over {partition} at {at}, storage has {}",
                stored.position
            )
        });
        observer.count("take-overs");
        let open = Packet {
            bytes: worker.open(),
            kind: PacketKind::Open,
        };
        Ok(Member {
            partition,
            serial,
            worker,
            queues: BTreeMap::from([(Target::Commands(partition), VecDeque::from([open]))]),
            landed: Vec::new(),
            opened: false,
            load: None,
        })
    }

    /// Feeds a few records and applies a few envelopes, one by one.
    pub(super) fn work(
        &mut self,
        commands: &Stream,
        durable_only: bool,
        feed: usize,
        limit: usize,
        now: u64,
        observer: &mut Observer,
    ) -> Result<Worked, Violation> {
        let mut worked = Worked::default();
        if !self.opened {
            return Ok(worked);
        }
        for _ in 0..feed {
            let offset = self.worker.next_offset();
            let Some((stamp, bytes)) = commands.get(offset, durable_only) else {
                break;
            };
            match self.worker.feed(offset, stamp, bytes, now) {
                Ok(()) => {}
                Err(Stop::ClockAhead { .. }) => {
                    observer.count("clock ahead");
                    worked.stopped = true;
                    return Ok(worked);
                }
                Err(stop) => return Err(Violation(stop.to_string())),
            }
            worked.progress = true;
        }
        for _ in 0..limit {
            let before = self.worker.partition().state().position;
            let result = self.worker.run(1);
            let after = self.worker.partition().state().position;
            if after != before {
                worked.progress = true;
                let digest = self.worker.partition().state().scalars.digest;
                observer.applied(self.partition, self.serial, after, digest)?;
                let replies = self.worker.take_replies();
                observer.replies(self.partition, after, replies)?;
            }
            match result {
                Ok(Progress::More) => {}
                Ok(Progress::Idle | Progress::Full) => break,
                Ok(Progress::Cold(rows)) => {
                    worked.cold = self.load.is_none().then_some(rows);
                    break;
                }
                Err(Stop::Overtaken { .. }) => {
                    observer.count("overtaken");
                    worked.stopped = true;
                    break;
                }
                Err(Stop::ClockRefused { .. }) => {
                    observer.count("clock refused");
                    (worked.stopped, worked.refused) = (true, true);
                    break;
                }
                Err(Stop::Sealed { .. }) => {
                    self.send_frames(observer);
                    self.write_change(true, observer);
                    worked.stopped = true;
                    break;
                }
                Err(stop) => return Err(Violation(stop.to_string())),
            }
        }
        Ok(worked)
    }

    /// Puts what is to be sent into the queues, one frame per target.
    pub(super) fn send_frames(&mut self, observer: &mut Observer) {
        for Outgoing { to, numbers, frame } in self.worker.take_frames() {
            observer.note(|| {
                format!(
                    "worker {} of {} sends {numbers:?} to {to}",
                    self.serial, self.partition
                )
            });
            let packet = Packet {
                bytes: frame,
                kind: PacketKind::Frame(numbers),
            };
            self.queues
                .entry(Target::Commands(to))
                .or_default()
                .push_back(packet);
        }
    }

    /// Writes a change record.
    pub(super) fn write_change(&mut self, snapshot: bool, observer: &mut Observer) {
        for bytes in self.worker.take_change(snapshot) {
            observer.count(if snapshot {
                "snapshot chunks"
            } else {
                "change records"
            });
            let packet = Packet {
                bytes,
                kind: PacketKind::Change,
            };
            self.queues
                .entry(Target::Changes)
                .or_default()
                .push_back(packet);
        }
    }

    /// Queues that hold something.
    pub(super) fn targets(&self) -> impl Iterator<Item = Target> {
        self.queues
            .iter()
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(target, _)| *target)
    }

    pub(super) fn has_queue(&self, target: Target) -> bool {
        self.queues
            .get(&target)
            .is_some_and(|queue| !queue.is_empty())
    }

    /// One of the queues that hold something; by preference one in which something follows the head.
    pub(super) fn any_queue(&mut self, rng: &mut ChaCha8Rng) -> Option<&mut VecDeque<Packet>> {
        let longest = self.queues.values().map(VecDeque::len).max()?;
        let least = longest.min(rng.random_range(1..3));
        let count = self
            .queues
            .values()
            .filter(|queue| queue.len() >= least.max(1))
            .count();
        let nth = if count == 0 {
            return None;
        } else {
            rng.random_range(0..count)
        };
        self.queues
            .values_mut()
            .filter(|queue| queue.len() >= least.max(1))
            .nth(nth)
    }

    pub(super) fn pop(&mut self, target: Target) -> Option<Packet> {
        self.queues.get_mut(&target)?.pop_front()
    }

    /// A packet has arrived at `offset`; it is not durable yet.
    pub(super) fn landed(&mut self, target: Target, offset: u64, packet: Packet) {
        let Target::Commands(to) = target else { return };
        match packet.kind {
            PacketKind::Open => self.landed.push((to, offset, None)),
            PacketKind::Frame(numbers) => self.landed.push((to, offset, Some(numbers))),
            PacketKind::Change => {}
        }
    }

    /// Hears of everything that has become durable.
    pub(super) fn acknowledge(&mut self, durable_end: impl Fn(PartitionId) -> u64) {
        let worker = &mut self.worker;
        let opened = &mut self.opened;
        self.landed.retain(|(to, offset, numbers)| {
            let early = numbers.is_some() && bugs::on(Bug::AcknowledgedBeforeDurable);
            let durable = early || *offset < durable_end(*to);
            match numbers {
                _ if !durable => {}
                Some(numbers) => worker.acknowledged(*to, numbers.clone()),
                None => {
                    worker.opened(*offset);
                    *opened = true;
                }
            }
            !durable
        });
    }

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
    pub(super) fn into_queues(self) -> impl Iterator<Item = (Target, VecDeque<Packet>)> {
        self.queues.into_iter()
    }
}
