//! A whole platform on one thread: logs, database, workers, callers, in virtual time.
//!
//! Owns the simulated world and what its parts do: a caller submits, a worker works, a send lands, storage
//! writes. When they do it is [`super::schedule`]'s, what goes wrong [`super::inject`]'s, how it comes to
//! rest [`super::settle`]'s. All choices come from one generator, so a seed is a run.

use super::configs::Operators;
use super::deadly::Deadly;
use super::draw::{Draw, pick};
use super::faults::Fault;
use super::inject::Jump;
use super::keys::Used;
use super::logs::Logs;
use super::member::{Ended, Member, Packet, Round};
use super::observe::{Observer, Violation, created};
use super::overheard::Overheard;
use super::parts::Database;
use super::rules::Rules;
use super::values::Values;
use super::words::Words;
use super::workload::{Request, Workload};
use crate::codegen::{ParamDesc, PlatformDesc, TxnId};
use crate::log::{StreamId, StreamKind};
use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rkcy_core::bugs::{self, Bug};
use rkcy_core::fault::Class;
use rkcy_core::frame::{Body, Envelope, Frame, Kind};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::key::{Key, RowKey, partition_of};
use rkcy_core::logic::Logic;
use rkcy_core::storage::Storage;
use rkcy_core::txn::{ReplyTo, Txn};
use rkcy_core::worker::{Config, Saying};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a run is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Transactions to submit.
    pub(super) transactions: usize,
    /// Partitions of every root concern.
    pub(super) partitions: u16,
    /// Faults that may happen, and how likely each is once it is drawn.
    pub(super) faults: BTreeMap<Fault, f64>,
    pub(super) trace: bool,
}

/// Batches of a worker that may be on their way to the disk, as in the real driver.
const BATCHES: usize = 4;

/// The state of the simulated world.
pub(super) struct Cluster<'a> {
    pub(super) rng: ChaCha8Rng,
    pub(super) plan: &'a Plan,
    pub(super) draw: Draw,
    /// Faults of this run: a subset of those that may happen.
    pub(super) faults: BTreeMap<Fault, f64>,
    pub(super) desc: &'static PlatformDesc,
    logic: Arc<dyn Logic>,
    /// What workers run.
    pub(super) deadly: Arc<Overheard<Deadly>>,
    workload: &'a dyn Workload,
    /// Virtual time in milliseconds since the Unix epoch.
    pub(super) now: u64,
    partitions: Vec<PartitionId>,
    pub(super) logs: Logs,
    pub(super) databases: BTreeMap<PartitionId, Database>,
    storages: BTreeMap<PartitionId, Storage>,
    pub(super) members: Vec<Member>,
    /// Dead workers that had applied what nobody has seen: it may have counted.
    unseen: Vec<Member>,
    /// What dead workers had sent and may still arrive.
    pub(super) orphans: Vec<(PartitionId, StreamId, VecDeque<Packet>)>,
    serial: u64,
    /// Processes that have ended, of an atomic log.
    pub(super) processes: u64,
    /// A worker is gone whose callers wait for what it has applied: they ask again.
    pub(super) answers_died: bool,
    /// The newest build; others may still be at work.
    pub(super) build: u64,
    /// Partitions that only an older build can go on with, until it has sealed.
    needed: BTreeMap<PartitionId, u64>,
    keys: BTreeMap<ConcernId, Vec<Key>>,
    /// Idempotency keys that callers have used.
    pub(super) used: Vec<Used>,
    /// Submissions that wait for their frame.
    pub(super) unframed: BTreeMap<PartitionId, Vec<Envelope>>,
    pub(super) asked: u64,
    pub(super) skew: BTreeMap<PartitionId, i64>,
    pub(super) jump: Jump,
    /// Partitions whose next worker is told to accept the clock.
    accept_clock: BTreeSet<PartitionId>,
    pub(super) slow: BTreeSet<(PartitionId, StreamId)>,
    /// Who edits configuration, where there is any.
    pub(super) operators: Option<Operators>,
    pub(super) observer: Observer,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        desc: &'static PlatformDesc,
        logic: Arc<dyn Logic>,
        workload: &'a dyn Workload,
    ) -> Cluster<'a> {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let of = |concern: ConcernId| {
            (0..plan.partitions).map(move |index| PartitionId { concern, index })
        };
        let partitions: Vec<PartitionId> = desc.roots().flat_map(|root| of(root.id)).collect();
        let draw = Draw::new(&mut rng);
        // A subset of the faults a run.
        let faults = (plan.faults.iter())
            .filter(|(fault, _)| rng.random_bool(fault.share()))
            .filter(|(fault, _)| !draw.atomic || fault.is_of_one_process())
            .map(|(fault, likelihood)| (*fault, *likelihood))
            .collect();
        let rules = Rules::new(&draw.settings, draw.at_a_time);
        let mut cluster = Cluster {
            plan,
            faults,
            desc,
            now: 1_700_000_000_000,
            logs: Logs::new(&partitions, draw.atomic),
            databases: BTreeMap::new(),
            storages: BTreeMap::new(),
            members: Vec::new(),
            unseen: Vec::new(),
            orphans: Vec::new(),
            serial: 0,
            processes: 0,
            answers_died: false,
            build: 1,
            needed: BTreeMap::new(),
            keys: BTreeMap::new(),
            used: Vec::new(),
            unframed: BTreeMap::new(),
            asked: 0,
            skew: BTreeMap::new(),
            jump: Jump::default(),
            accept_clock: BTreeSet::new(),
            slow: BTreeSet::new(),
            operators: Operators::new(desc),
            observer: Observer::new(plan.trace, Words(desc), draw.atomic, rules),
            draw,
            deadly: Overheard::new(Arc::clone(&logic), Deadly::default()),
            logic,
            workload,
            partitions,
            rng,
        };
        for id in cluster.partitions.clone() {
            cluster.restart_storage(id);
        }
        cluster.slow_channels();
        cluster
    }

    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    pub(super) fn any_partition(&mut self) -> PartitionId {
        *pick(&mut self.rng, &self.partitions)
    }

    pub(super) fn logic(&self) -> &Arc<dyn Logic> {
        &self.logic
    }

    pub(super) fn workload(&self) -> &dyn Workload {
        self.workload
    }

    /// Whether a row is in a partition.
    pub(super) fn is_in(&self, row: &RowKey, id: PartitionId) -> bool {
        let group = self.desc.group_of(row);
        let of = |group: RowKey| partition_of(group.concern, &group.key, self.plan.partitions);
        group.is_some_and(|group| of(group) == id)
    }

    /// Whether a fault of this run happens now, where it is asked for.
    pub(super) fn happens(&mut self, fault: Fault) -> bool {
        let likelihood = self.faults.get(&fault).copied();
        likelihood.is_some_and(|likelihood| self.rng.random_bool(likelihood))
    }

    // ---- callers

    pub(super) fn submit(&mut self, nth: usize) -> Result<(), Violation> {
        let entropy = (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64());
        let early = self.rng.random_range(0..20);
        let heard = self.observer.take_created();
        if !self.draw.eager {
            self.know(heard);
        }
        let id = TxnId::from_parts(self.now - early, entropy);
        let repeated = self.repeat(id);
        let mut request = Request {
            id,
            keys: &self.keys,
            logic: &*self.logic,
            desc: self.desc,
            rng: &mut self.rng,
        };
        let asked = match repeated {
            Some(repeated) => Ok(repeated),
            None => self.workload.next(nth, &mut request),
        };
        match asked {
            // Committed without the log.
            Ok(txn) if txn.visits.is_empty() => self.observer.count("nothing to do"),
            Ok(txn) => {
                let mut txn = match txn.has_key() {
                    true => txn,
                    false => self.misuse(txn),
                };
                if self.rng.random_bool(self.draw.budget) {
                    txn.budget = self.rng.random_range(1..60);
                }
                self.observer.submitted(&txn);
                self.may_be_deadly(txn.id);
                if self.draw.eager {
                    self.know(created(&txn));
                }
                self.queue_submission(txn);
            }
            Err(fault) if fault.class == Class::Corrupt => {
                return Err(Violation(format!("at the edge: {fault}")));
            }
            Err(_) => self.observer.count("refused at the edge"),
        }
        Ok(())
    }

    /// A value as JSON, made of what the schema says of its fields.
    pub(super) fn draw_object(
        &mut self,
        values: &Values,
        fields: &[ParamDesc],
    ) -> Result<serde_json::Value, rkcy_core::fault::Fault> {
        let mut request = Request {
            id: TxnId::from_parts(self.now, 0),
            keys: &self.keys,
            logic: &*self.logic,
            desc: self.desc,
            rng: &mut self.rng,
        };
        values.object(&mut request, fields)
    }

    /// Callers know of instances from now on.
    fn know(&mut self, instances: impl IntoIterator<Item = (ConcernId, Key)>) {
        for (concern, key) in instances {
            self.keys.entry(concern).or_default().push(key);
        }
    }

    /// A caller asks, for the first time or again; each time it waits for an answer of its own.
    pub(super) fn queue_submission(&mut self, mut txn: Txn) {
        self.asked += 1;
        txn.reply = ReplyTo(self.asked);
        if let Some(home) = txn.home() {
            let waiting = self.unframed.entry(home).or_default();
            waiting.push(Envelope::submit(txn));
        }
        if self.rng.random_bool(self.draw.frame) {
            self.frame_submissions();
        }
    }

    pub(super) fn frame_submissions(&mut self) {
        for (id, envelopes) in std::mem::take(&mut self.unframed) {
            let frame = Frame::encode(None, envelopes.iter());
            self.append(StreamId::commands(id), frame);
        }
    }

    pub(super) fn append_tick(&mut self) {
        let id = self.any_partition();
        let tick = Envelope::control(Kind::Tick, &Body::Tick);
        let frame = Frame::encode(None, [tick].iter());
        self.append(StreamId::commands(id), frame);
    }

    // ---- the logs

    fn stamp(&self, target: StreamId) -> u64 {
        let skew = self.skew.get(&target.partition).copied().unwrap_or(0);
        self.now.saturating_add_signed(skew)
    }

    pub(super) fn append(&mut self, target: StreamId, bytes: Bytes) -> u64 {
        let stamp = self.stamp(target);
        self.logs.append(stamp, target, bytes)
    }

    pub(super) fn land(&mut self, member: usize, target: StreamId) {
        if let Some(packet) = self.members[member].pop(target) {
            let bytes = self.damage(target, packet.bytes.clone());
            let offset = self.append(target, bytes);
            self.members[member].landed(target, offset, packet);
        }
    }

    pub(super) fn land_orphan(&mut self, nth: usize) {
        let (_, target, queue) = &mut self.orphans[nth];
        let target = *target;
        let packet = queue.pop_front();
        if queue.is_empty() {
            self.orphans.remove(nth);
        }
        if let Some(packet) = packet {
            let bytes = self.damage(target, packet.bytes);
            self.append(target, bytes);
        }
    }

    /// Damages the bodies of a frame that holds nothing but visits: those may be given up.
    fn damage(&mut self, target: StreamId, bytes: Bytes) -> Bytes {
        if target.kind != StreamKind::Commands || !self.happens(Fault::Unreadable) {
            return bytes;
        }
        let Ok(frame) = Frame::decode(bytes.clone()) else {
            return bytes;
        };
        if !(frame.envelopes.iter()).all(|envelope| envelope.head.kind == Kind::Visit) {
            return bytes;
        }
        for envelope in &frame.envelopes {
            self.observer.rules.damaged(envelope.head.txn);
        }
        self.make_unreadable(&bytes)
    }

    /// A record whose body does not fit its checksum.
    pub(super) fn make_unreadable(&mut self, bytes: &[u8]) -> Bytes {
        self.observer.fault(Fault::Unreadable);
        let mut bytes = bytes.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 0x55;
        }
        bytes.into()
    }

    /// What has become durable is acknowledged, and answered on an atomic log.
    pub(super) fn acknowledge(&mut self) {
        for member in &mut self.members {
            member.acknowledge(&self.logs, &mut self.observer);
        }
        let gone = |member: &Member| member.sealed && member.on_their_way() == 0;
        while let Some(nth) = self.members.iter().position(gone) {
            self.stop(nth);
        }
    }

    // ---- workers

    /// Starts a worker.
    pub(super) fn start(&mut self, id: PartitionId) -> Result<(), Violation> {
        let build = self.needed.remove(&id).unwrap_or(self.build);
        let accept_clock = self.accept_clock.remove(&id);
        let mut member = self.take_over(id, build, accept_clock)?;
        if member.must_wait() && !self.draw.atomic {
            // It does not open before the Seal, but for some that do not care: their Open must not count.
            // The build before is started once more, so that it can seal.
            if self.rng.random_bool(0.2) {
                self.observer.count("opened without a Seal");
            } else {
                let owner = member.worker.partition().state().scalars.build;
                member = self.take_over(id, owner, accept_clock)?;
            }
        }
        self.members.push(member);
        if self.draw.atomic {
            self.land(self.members.len() - 1, StreamId::commands(id));
        }
        Ok(())
    }

    fn take_over(
        &mut self,
        id: PartitionId,
        build: u64,
        accept_clock: bool,
    ) -> Result<Member, Violation> {
        self.serial += 1;
        let config = Config {
            partition: id,
            generation: 0,
            owner: self.serial,
            process: match self.draw.atomic {
                true => self.processes,
                false => self.serial,
            },
            build,
            atomic: self.draw.atomic,
            accept_clock,
            settings: pick(&mut self.rng, &self.draw.settings).clone(),
            cache_bytes: self.draw.cache_bytes,
            record_bytes: self.draw.record_bytes,
        };
        let stored = self.databases.entry(id).or_default().position();
        let deadly = Arc::clone(&self.deadly);
        let member = Member::take_over(config, stored, &self.logs, deadly, &mut self.observer)?;
        self.see_what_counted(&member)?;
        Ok(member)
    }

    /// Lets a worker feed and apply a few envelopes; whether anything came of it.
    pub(super) fn work(&mut self, nth: usize, envelopes: usize) -> Result<bool, Violation> {
        if self.members[nth].on_their_way() >= BATCHES || !self.is_its_turn(nth) {
            return Ok(false);
        }
        self.may_tell_configs(nth);
        let member = &mut self.members[nth];
        let round = Round {
            feed: self.rng.random_range(1..4),
            envelopes,
            at_a_time: self.draw.at_a_time,
            now: self.now,
        };
        let partition = member.partition;
        rkcy_core::logic::set_wall_clock(u32::try_from(member.serial).unwrap_or(0));
        let (ended, mut progress) = member.work(&self.logs, round, &mut self.observer)?;
        if let Ended::Died(tried) = ended {
            self.ended(nth, tried)?;
            return Ok(true);
        }
        if ended == Ended::Sealed && !self.draw.atomic {
            member.send_frames(&mut self.observer);
            member.write_change(true, &mut self.observer);
        }
        member.sealed |= ended == Ended::Sealed;
        let clock_refused = ended == Ended::ClockRefused;
        if self.draw.atomic {
            progress |= self.append_batch(nth);
        }
        if !self.draw.atomic && self.members[nth].worker.wants_change() {
            let snapshot = self.rng.random_bool(0.1);
            self.members[nth].write_change(snapshot, &mut self.observer);
        }
        match ended {
            Ended::Working | Ended::Died(_) => {}
            Ended::Says(saying) => self.say(nth, saying),
            Ended::Cold(rows) => self.ask_database(nth, &rows),
            Ended::Sealed if self.draw.atomic => {}
            Ended::Sealed => self.stop(nth),
            Ended::Overtaken if self.draw.atomic => {
                return Err(Violation(format!(
                    "{partition}: a worker is overtaken, and there is no other process"
                )));
            }
            Ended::Foreign(owner) => {
                self.observer.count("stopped for another build");
                self.needed.insert(partition, owner);
                self.stop(nth);
            }
            Ended::Overtaken => {
                self.observer.count("overtaken");
                self.stop(nth);
            }
            Ended::ClockAhead | Ended::ClockRefused => {
                let refused = clock_refused;
                self.observer.count(match refused {
                    true => "clock refused",
                    false => "clock ahead",
                });
                if refused && self.draw.atomic {
                    // A process is told so for all of its partitions.
                    self.accept_clock.extend(self.partitions.iter().copied());
                } else if refused {
                    self.accept_clock.insert(partition);
                }
                match self.draw.atomic {
                    true => self.stop_process(),
                    false => self.stop(nth),
                }
            }
        }
        Ok(progress)
    }

    /// What a round has come to is appended at once, on an atomic log; whether there was anything.
    fn append_batch(&mut self, nth: usize) -> bool {
        let snapshot = self.rng.random_bool(0.1);
        let limit = self.draw.append_bytes;
        let batch = self.members[nth].cut(snapshot, limit, &mut self.observer);
        let mut last = None;
        for records in batch.appends {
            let records = records.into_iter().map(|(target, bytes)| {
                let bytes = self.damage(target, bytes);
                (self.stamp(target), target, bytes)
            });
            let records = records.collect();
            last = Some(self.logs.append_all(records));
        }
        if let Some(append) = last {
            self.members[nth].appended(append, batch.waiting);
        }
        last.is_some()
    }

    /// A cold read: which copy answers is decided now, when it arrives later.
    fn ask_database(&mut self, nth: usize, cold: &[RowKey]) {
        let partition = self.members[nth].partition;
        let newest = self.databases.entry(partition).or_default().replicas() - 1;
        let stale = self.happens(Fault::StaleReplica);
        let replica = match stale {
            true => self.rng.random_range(0..=newest),
            false => newest,
        };
        if replica != newest {
            self.observer.fault(Fault::StaleReplica);
        }
        let database = self.databases.entry(partition).or_default();
        let (mut position, rows) = database.load(replica, cold);
        if bugs::on(Bug::TornColdRead) && self.rng.random_bool(0.9) {
            position = database.load(replica.saturating_sub(1), &[]).0;
        }
        self.observer.count("cold reads");
        self.members[nth].asked(position, rows);
    }

    pub(super) fn answer_load(&mut self, nth: usize) -> Result<(), Violation> {
        if self.happens(Fault::SlowLoad) {
            self.observer.fault(Fault::SlowLoad);
            return Ok(());
        }
        if self.members[nth].answer_load(&mut self.observer)? {
            self.stop(nth);
        }
        Ok(())
    }

    /// Where one worker of the process is careful, those that are work one after the other, and nobody beside them.
    fn is_its_turn(&self, nth: usize) -> bool {
        let careful = |member: &Member| member.worker.is_careful();
        let first = self.members.iter().position(careful);
        let turn = !self.draw.atomic || first.is_none_or(|first| first == nth);
        // What a careful worker has applied is to be durable before it goes on.
        let quiet = !careful(&self.members[nth]) || self.members[nth].on_their_way() == 0;
        turn && (quiet || !self.draw.atomic)
    }

    /// A careful worker says something.
    fn say(&mut self, nth: usize, saying: Saying) {
        let (partition, serial) = (self.members[nth].partition, self.members[nth].serial);
        let (target, bytes) = match saying {
            Saying::Command(frame) => (StreamId::commands(partition), frame),
            Saying::Change(cut) => (StreamId::changes(partition), cut),
        };
        let words = self.observer.words;
        let what = said_by(&bytes);
        self.observer.note(|| {
            let of = words.partition(partition);
            format!("worker {serial} of {of} says {what}")
        });
        if what.starts_with("Park") {
            self.observer.count("given up");
            self.observer.rules.gives_up();
        }
        if self.draw.atomic {
            let offset = self.append(target, bytes);
            self.members[nth].landed_said(target, offset);
        } else {
            self.members[nth].push_said(target, bytes);
        }
    }

    /// A worker is gone; a prefix of each of its queues may still arrive.
    pub(super) fn kill(&mut self, nth: usize, may_arrive: bool) {
        let mut member = self.members.remove(nth);
        let words = self.observer.words;
        self.observer.note(|| {
            let of = words.partition(member.partition);
            format!("worker {} of {of} is gone", member.serial)
        });
        let partition = member.partition;
        for (target, mut queue) in member.take_queues() {
            queue.truncate(match may_arrive {
                true => self.rng.random_range(0..=queue.len()),
                false => 0,
            });
            if !queue.is_empty() {
                self.orphans.push((partition, target, queue));
            }
        }
        if member.is_unseen() {
            self.unseen.push(member);
        }
    }

    /// What the dead have applied unseen, and a take-over finds in the changelog, has happened.
    fn see_what_counted(&mut self, found: &Member) -> Result<(), Violation> {
        let (id, found) = (found.partition, found.at());
        let is_over = |dead: &mut Member| dead.partition == id && dead.at().0 <= found.0;
        for dead in self.unseen.extract_if(.., is_over).collect::<Vec<_>>() {
            if dead.at() == found {
                self.answers_died |= dead.has_counted(&mut self.observer)?;
            }
        }
        Ok(())
    }

    /// A worker stops, and its process does not end: what it tries was not deadly.
    pub(super) fn stop(&mut self, nth: usize) {
        let partition = self.members[nth].partition;
        let target = StreamId::commands(partition);
        let tried = self.members[nth].trying();
        let withdrawn = self.members[nth].worker.withdraw();
        if withdrawn.is_some() || self.members[nth].says(target) {
            // What it has handed over before comes first.
            while self.members[nth].has_queue(target) {
                self.land(nth, target);
            }
            withdrawn.into_iter().for_each(|frame| {
                self.append(target, frame);
            });
            match self.draw.atomic {
                true => self.logs.sync_appends(self.logs.undurable()),
                false => self.logs.sync(target),
            }
        } else {
            // What came of it may not be durable, and its process ends.
            for at in tried {
                self.observer.ends_at(partition, at);
            }
        }
        self.kill(nth, !self.draw.atomic);
    }

    /// All workers of an atomic log stop, when all is durable that they have appended: what was handed to the log is written.
    pub(super) fn stop_process(&mut self) {
        self.logs.sync_appends(self.logs.undurable());
        self.acknowledge();
        while !self.members.is_empty() {
            self.stop(0);
        }
        self.end_process();
    }

    /// All workers are gone at once, with what they had not appended.
    pub(super) fn kill_all(&mut self, may_arrive: bool) {
        while !self.members.is_empty() {
            self.kill(0, may_arrive);
        }
    }

    /// The process that is all of the platform ends; its log keeps a prefix of what it had appended.
    pub(super) fn end_process(&mut self) {
        self.processes += 1;
        self.kill_all(false);
        let kept = self.rng.random_range(0..=self.logs.undurable());
        self.logs.sync_appends(kept);
        self.lose_power();
    }

    /// What is not durable is gone.
    pub(super) fn lose_power(&mut self) {
        self.orphans.clear();
        self.unframed.clear();
        self.logs.lose_power();
        for id in self.partitions.clone() {
            self.restart_storage(id);
        }
    }

    pub(super) fn seal(&mut self, nth: usize) {
        if let Some(seal) = self.members[nth].seal() {
            let id = self.members[nth].partition;
            self.append(StreamId::commands(id), seal);
            self.observer.count("seals");
        }
    }

    // ---- storage

    pub(super) fn restart_storage(&mut self, id: PartitionId) {
        let position = self.databases.entry(id).or_default().position();
        let storage = Storage::new(position, self.logic.schema());
        self.storages.insert(id, storage);
    }

    /// Storage reads a few records and writes what counts; whether there was anything.
    pub(super) fn store(&mut self, id: PartitionId, limit: usize) -> Result<bool, Violation> {
        let Some(storage) = self.storages.get_mut(&id) else {
            return Ok(false);
        };
        let changes = self.logs.stream(StreamId::changes(id));
        if storage.next_offset() < changes.start() {
            let needed = storage.next_offset();
            return Err(Violation(format!(
                "storage of {id}: change record {needed} is needed and was trimmed"
            )));
        }
        for _ in 0..limit {
            // On logs of a cluster what is readable need not be durable yet: no log must sync at once.
            let Some((_, bytes)) = changes.get(storage.next_offset(), self.draw.atomic) else {
                break;
            };
            storage
                .take(bytes)
                .map_err(|stop| Violation(format!("storage of {id}: {stop}")))?;
        }
        let Some(batch) = storage.take_batch() else {
            return Ok(false);
        };
        if !self.draw.atomic && !bugs::on(Bug::StoredBeforeDurable) {
            self.logs.sync(StreamId::changes(id));
        }
        let torn = bugs::on(Bug::PositionOutsideRows) && self.rng.random_bool(0.5);
        let database = self.databases.entry(id).or_default();
        database.write(&batch, torn).map_err(Violation)?;
        let primary = bugs::on(Bug::TrimmedBelowCopies).then(|| database.position().needed());
        let least = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.min(b.1));
        let all = database.copies().map(|copy| copy.needed()).reduce(least);
        if let Some((changelog, commands)) = primary.or(all) {
            self.logs.trim(StreamId::changes(id), changelog);
            self.logs.trim(StreamId::commands(id), commands);
        }
        if torn {
            self.restart_storage(id);
        }
        let here = |member: &&mut Member| member.partition == id;
        for member in self.members.iter_mut().filter(here) {
            member.storage_at(batch.new.position);
        }
        Ok(true)
    }
}

/// What a careful worker says, for the trace.
fn said_by(bytes: &Bytes) -> String {
    let frame = Frame::decode(bytes.clone()).ok();
    let envelope = frame.and_then(|frame| frame.envelopes.into_iter().next());
    let kind = envelope.as_ref().map(|envelope| envelope.head.kind);
    let body = envelope.and_then(|it| Body::decode(it.head.kind, it.body).ok());
    match (kind, body) {
        (Some(kind), Some(Body::Trying(care) | Body::Park(care))) => {
            format!("{kind:?} {}", care.at)
        }
        _ => "Cut".to_owned(),
    }
}
