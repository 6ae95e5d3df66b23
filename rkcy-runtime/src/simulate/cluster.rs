//! A whole platform on one thread: logs, database, workers, callers, in virtual time.
//!
//! Owns the schedule. Every step draws one event: a caller submits, a worker applies, a send lands,
//! something fails. All choices come from one generator, so a seed is a run.

use super::faults::Fault;
use super::member::{Member, Packet, Target};
use super::observe::{Observer, Violation};
use super::parts::Database;
use super::workload::{Request, Workload};
use crate::codegen::{PlatformDesc, TxnId};
use crate::log::simulated::Stream;
use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rkcy_core::bugs::{self, Bug};
use rkcy_core::frame::{Envelope, Frame, Kind};
use rkcy_core::id::{ConcernId, PartitionId};
use rkcy_core::key::Key;
use rkcy_core::logic::Logic;
use rkcy_core::settings::Settings;
use rkcy_core::storage::Storage;
use rkcy_core::txn::{Mode, ReplyTo, Txn};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Partitions of every root concern.
pub(super) const PARTITIONS: u16 = 3;

/// Milliseconds that an id is remembered; small, so that runs outlive it.
const WINDOW: u64 = 400;

/// What a run is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Transactions to submit.
    pub(super) transactions: usize,
    /// Faults that may happen.
    pub(super) faults: BTreeSet<Fault>,
    pub(super) trace: bool,
}

/// How often things happen in one run. Drawn per run, so that in some runs storage is slow, in others
/// frames are large, or little is durable: uniform schedules hide what a biased one shows.
struct Rates {
    /// Chance per step that a command log becomes durable up to its end; a changelog.
    sync: (f64, f64),
    /// Chance that a submission closes its frame.
    frame: f64,
    /// Weights of the events, in the order of [`Cluster::event`].
    weights: [u32; 7],
    /// Envelopes that a worker applies at a time.
    envelopes: usize,
}

impl Rates {
    fn draw(rng: &mut ChaCha8Rng) -> Rates {
        let mut weight = |usual: u32| usual * *pick(rng, &[1, 4, 4, 8]) / 4;
        let weights = [
            weight(300),
            weight(120),
            weight(180),
            weight(80),
            weight(80),
            weight(60),
            weight(40),
        ];
        Rates {
            sync: (*pick(rng, &[0.02, 0.1, 0.3]), *pick(rng, &[0.05, 0.2, 0.5])),
            frame: *pick(rng, &[0.9, 0.5, 0.1]),
            weights,
            envelopes: *pick(rng, &[1, 3, 8]),
        }
    }
}

/// Milliseconds that the clock jumps ahead for the first time.
const DAY: u64 = 86_400_000;

/// How the clock has jumped.
#[derive(Debug, Default)]
struct Jump {
    /// Jumps ahead so far; each is a day longer than the one before, so that no stamp comes up again.
    count: u64,
    /// Milliseconds that the clock is ahead,
    ahead: u64,
    /// and when it came to be so, as it says.
    since: u64,
}

/// The state of the simulated world.
pub(super) struct Cluster<'a> {
    pub(super) rng: ChaCha8Rng,
    plan: &'a Plan,
    /// Faults of this run: a subset of those that may happen.
    faults: BTreeSet<Fault>,
    pub(super) desc: &'static PlatformDesc,
    logic: Arc<dyn Logic>,
    workload: &'a dyn Workload,
    settings: Settings,
    /// Virtual time in milliseconds since the Unix epoch.
    now: u64,
    partitions: Vec<PartitionId>,
    pub(super) commands: BTreeMap<PartitionId, Stream>,
    pub(super) changes: BTreeMap<PartitionId, Stream>,
    pub(super) databases: BTreeMap<PartitionId, Database>,
    storages: BTreeMap<PartitionId, Storage>,
    pub(super) members: Vec<Member>,
    /// What dead workers had sent and may still arrive.
    orphans: Vec<(PartitionId, Target, VecDeque<Packet>)>,
    serial: u64,
    keys: BTreeMap<ConcernId, Vec<Key>>,
    /// Submissions that wait for their frame.
    unframed: BTreeMap<PartitionId, Vec<Envelope>>,
    skew: BTreeMap<PartitionId, i64>,
    jump: Jump,
    /// Partitions whose next worker is told to accept the clock.
    accept_clock: BTreeSet<PartitionId>,
    slow: BTreeSet<(PartitionId, Target)>,
    slowness: f64,
    rates: Rates,
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
        let partitions: Vec<PartitionId> = (desc.roots())
            .flat_map(|concern| {
                (0..PARTITIONS).map(|index| PartitionId {
                    concern: concern.id,
                    index,
                })
            })
            .collect();
        // A subset of the faults a run.
        let faults = (plan.faults.iter().copied())
            .filter(|fault| matches!(fault, Fault::Crash | Fault::Eviction) || rng.random_bool(0.6))
            .collect();
        let settings = Settings {
            window: WINDOW,
            id_bytes: if rng.random_bool(0.1) {
                40 * rng.random_range(8..30)
            } else {
                1 << 20
            },
            queue: if rng.random_bool(0.1) {
                rng.random_range(1..4)
            } else {
                1_000
            },
            ..Settings::default()
        };
        let storages = partitions
            .iter()
            .map(|id| (*id, Storage::new(Default::default(), logic.schema())));
        let mut cluster = Cluster {
            plan,
            desc,
            faults,
            settings,
            now: 1_700_000_000_000,
            commands: partitions
                .iter()
                .map(|id| (*id, Stream::default()))
                .collect(),
            changes: partitions
                .iter()
                .map(|id| (*id, Stream::default()))
                .collect(),
            databases: partitions
                .iter()
                .map(|id| (*id, Database::default()))
                .collect(),
            storages: storages.collect(),
            members: Vec::new(),
            orphans: Vec::new(),
            serial: 0,
            keys: BTreeMap::new(),
            unframed: BTreeMap::new(),
            skew: BTreeMap::new(),
            jump: Jump::default(),
            accept_clock: BTreeSet::new(),
            slow: BTreeSet::new(),
            slowness: *pick(&mut rng, &[0.5, 0.9, 0.99]),
            rates: Rates::draw(&mut rng),
            observer: Observer::new(plan.trace, logic.clone()),
            logic,
            workload,
            partitions,
            rng,
        };
        if cluster.faults.contains(&Fault::SlowChannel) {
            for from in cluster.partitions.clone() {
                let to = cluster.partitions.clone().into_iter().map(Target::Commands);
                for target in to.chain([Target::Changes]) {
                    if cluster.rng.random_bool(0.2) {
                        cluster.slow.insert((from, target));
                    }
                }
            }
        }
        cluster
    }

    /// Runs the whole plan.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let mut asked = 0;
        let mut step = 0_u64;
        let wanted = self.plan.transactions as u64;
        while self.observer.transactions() < wanted || step < 600 {
            step += 1;
            self.observer.step = step;
            self.now += self.rng.random_range(0..3);
            // What is refused at the edge is no transaction.
            if self.observer.transactions() < wanted && self.rng.random_bool(0.12) {
                self.submit(asked)?;
                asked += 1;
            }
            self.event()?;
            // However the dice fall, every run has its share of faults.
            if step.is_multiple_of(173) {
                self.forced_fault()?;
            }
        }
        self.settle()
    }

    /// One event.
    fn event(&mut self) -> Result<(), Violation> {
        for id in self.partitions.clone() {
            let (commands, changes) = self.rates.sync;
            if self.rng.random_bool(commands) {
                self.stream(Target::Commands(id), id).sync();
            }
            if self.rng.random_bool(changes) {
                self.stream(Target::Changes, id).sync();
            }
            if !self.members.iter().any(|member| member.partition == id) {
                self.start(id)?;
            }
        }
        self.collect_acknowledgements();
        let member = self.rng.random_range(0..self.members.len());
        let total = self.rates.weights.iter().sum::<u32>() + 100;
        let mut drawn = self.rng.random_range(0..total);
        let event = self
            .rates
            .weights
            .iter()
            .position(|weight| match drawn.checked_sub(*weight) {
                Some(rest) => {
                    drawn = rest;
                    false
                }
                None => true,
            });
        match event {
            Some(0) => drop(self.work(member, self.rates.envelopes)?),
            Some(1) => self.members[member].send_frames(&mut self.observer),
            Some(2) => self.land_one()?,
            Some(3) => {
                let snapshot = self.rng.random_bool(0.3);
                self.members[member].write_change(snapshot, &mut self.observer);
            }
            Some(4) => self.store_one()?,
            Some(5) => self.answer_load(member)?,
            Some(_) => self.frame_submissions(),
            None => self.rare_event(member, drawn)?,
        }
        Ok(())
    }

    fn rare_event(&mut self, member: usize, drawn: u32) -> Result<(), Violation> {
        match drawn {
            0..5 => self.seal(member),
            5..15 => self.append_tick(),
            15..20 => self.now += self.rng.random_range(0..WINDOW / 2),
            20..40 if self.faults.contains(&Fault::Eviction) => self.inject(Fault::Eviction)?,
            40..80 => {
                let all: Vec<Fault> = self.faults.iter().copied().collect();
                if !all.is_empty() {
                    let fault = *pick(&mut self.rng, &all);
                    if self.rng.random_bool(likelihood(fault)) {
                        self.inject(fault)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn forced_fault(&mut self) -> Result<(), Violation> {
        let all: Vec<Fault> = self
            .faults
            .iter()
            .copied()
            .filter(|fault| !fault.is_passive())
            .collect();
        match all.is_empty() {
            true => Ok(()),
            false => {
                let fault = *pick(&mut self.rng, &all);
                self.inject(fault)
            }
        }
    }

    fn inject(&mut self, fault: Fault) -> Result<(), Violation> {
        if self.members.is_empty() {
            return Ok(());
        }
        let member = self.rng.random_range(0..self.members.len());
        let id = *pick(&mut self.rng, &self.partitions);
        match fault {
            Fault::Crash => self.kill(member, true),
            Fault::Leftover => {
                if self.members.len() < self.partitions.len() + 4 {
                    self.start(id)?;
                }
            }
            Fault::LostSend => {
                // The head of one queue is gone for good, what follows may still arrive.
                if let Some(queue) = self.members[member].any_queue(&mut self.rng) {
                    queue.pop_front();
                    self.kill(member, true);
                }
            }
            Fault::PowerLoss => {
                while !self.members.is_empty() {
                    self.kill(0, false);
                }
                self.orphans.clear();
                self.unframed.clear();
                for stream in self.commands.values_mut().chain(self.changes.values_mut()) {
                    stream.lose_power();
                }
                for id in self.partitions.clone() {
                    self.restart_storage(id);
                }
            }
            Fault::Failover => {
                let database = self.databases.entry(id).or_default();
                let replica = self.rng.random_range(0..database.replicas());
                database.fail_over(replica);
                self.restart_storage(id);
            }
            Fault::StorageCrash => self.restart_storage(id),
            Fault::LateDuplicate => self.submit_again(),
            Fault::ClockStep => {
                let step = self.rng.random_range(-60..6);
                self.skew.insert(id, step);
            }
            Fault::ClockJump => {
                if !self.jump_clock() {
                    return Ok(());
                }
            }
            Fault::Eviction => {
                self.members[member].evict_all();
            }
            // These are decided where they happen.
            Fault::SlowChannel | Fault::StaleReplica | Fault::SlowLoad | Fault::Unreadable => {
                return Ok(());
            }
        }
        self.observer.fault(fault);
        Ok(())
    }

    /// The clock goes ahead, or back; `false` where it is too early for that. A caller's clock may be ahead
    /// of a log's by as much as [`Fault::ClockStep`] says: only after that is every id of before too old.
    fn jump_clock(&mut self) -> bool {
        const LEAST: u64 = 100;
        if self.jump.ahead == 0 {
            self.jump.count += 1;
            self.jump.ahead = self.jump.count * DAY;
            self.now += self.jump.ahead;
            self.jump.since = self.now;
            return true;
        }
        if self.now < self.jump.since + LEAST {
            return false;
        }
        self.now -= std::mem::take(&mut self.jump.ahead);
        // What is to accept the clock is started anew, sooner or later.
        while self.rng.random_bool(0.9) && !self.members.is_empty() {
            self.kill(0, true);
        }
        true
    }

    // ---- callers

    fn submit(&mut self, nth: usize) -> Result<(), Violation> {
        let entropy = (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64());
        let early = self.rng.random_range(0..20);
        for (concern, key) in self.observer.take_created() {
            self.keys.entry(concern).or_default().push(key);
        }
        let mut request = Request {
            id: TxnId::from_parts(self.now - early, entropy),
            keys: &self.keys,
            logic: &*self.logic,
            rng: &mut self.rng,
        };
        match self.workload.next(nth, &mut request) {
            Ok(mut txn) => {
                txn.reply = ReplyTo(nth as u64);
                self.observer.submitted(&txn);
                self.queue_submission(txn);
            }
            Err(_) => self.observer.count("refused at the edge"),
        }
        Ok(())
    }

    fn queue_submission(&mut self, txn: Txn) {
        if let Some(home) = txn.home() {
            self.unframed
                .entry(home)
                .or_default()
                .push(Envelope::submit(txn));
        }
        if self.rng.random_bool(self.rates.frame) {
            self.frame_submissions();
        }
    }

    fn submit_again(&mut self) {
        let recent = self.rng.random_bool(0.5);
        let choice = self.rng.next_u64();
        if let Some(txn) = self.observer.submission(choice, recent) {
            self.queue_submission(txn);
        }
    }

    fn frame_submissions(&mut self) {
        for (id, envelopes) in std::mem::take(&mut self.unframed) {
            let frame = Frame::encode(None, envelopes.iter());
            self.append(Target::Commands(id), id, frame);
        }
    }

    fn append_tick(&mut self) {
        let id = *pick(&mut self.rng, &self.partitions);
        let tick = Envelope::control(Kind::Tick, &rkcy_core::frame::Body::Tick);
        self.append(Target::Commands(id), id, Frame::encode(None, [tick].iter()));
    }

    // ---- the log

    fn stream(&mut self, target: Target, of: PartitionId) -> &mut Stream {
        match target {
            Target::Commands(id) => self.commands.entry(id).or_default(),
            Target::Changes => self.changes.entry(of).or_default(),
        }
    }

    fn append(&mut self, target: Target, of: PartitionId, bytes: Bytes) -> u64 {
        let at = if let Target::Commands(id) = target {
            id
        } else {
            of
        };
        let stamp = self
            .now
            .saturating_add_signed(self.skew.get(&at).copied().unwrap_or(0));
        self.stream(target, of).append(stamp, bytes)
    }

    /// One packet of one queue arrives.
    fn land_one(&mut self) -> Result<(), Violation> {
        let living = self.members.iter().enumerate().flat_map(|(nth, member)| {
            member
                .targets()
                .map(move |target| (Some(nth), member.partition, target))
        });
        let mut queues: Vec<(Option<usize>, PartitionId, Target)> = living.collect();
        queues.extend(
            self.orphans
                .iter()
                .map(|(of, target, _)| (None, *of, *target)),
        );
        if queues.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.random_range(0..queues.len());
        let (member, of, target) = queues[chosen];
        if self.slow.contains(&(of, target)) && self.rng.random_bool(self.slowness) {
            return Ok(());
        }
        match member {
            Some(nth) => self.land(nth, target),
            None => {
                let first_orphan = queues.iter().position(|(member, ..)| member.is_none());
                self.land_orphan(chosen - first_orphan.unwrap_or(chosen));
            }
        }
        Ok(())
    }

    fn land(&mut self, member: usize, target: Target) {
        let of = self.members[member].partition;
        if let Some(packet) = self.members[member].pop(target) {
            let bytes = self.damage(target, packet.bytes.clone());
            let offset = self.append(target, of, bytes);
            self.members[member].landed(target, offset, packet);
        }
    }

    fn land_orphan(&mut self, nth: usize) {
        let (of, target, queue) = &mut self.orphans[nth];
        let (of, target) = (*of, *target);
        let packet = queue.pop_front();
        if queue.is_empty() {
            self.orphans.remove(nth);
        }
        if let Some(packet) = packet {
            let bytes = self.damage(target, packet.bytes);
            self.append(target, of, bytes);
        }
    }

    /// Damages the bodies of a frame that holds nothing but visits: those may be given up.
    fn damage(&mut self, target: Target, bytes: Bytes) -> Bytes {
        let may = self.faults.contains(&Fault::Unreadable) && matches!(target, Target::Commands(_));
        if !may || !self.rng.random_bool(0.02) {
            return bytes;
        }
        let only_visits = Frame::decode(bytes.clone()).is_ok_and(|frame| {
            frame
                .envelopes
                .iter()
                .all(|envelope| envelope.head.kind == Kind::Visit)
        });
        let mut bytes = bytes.to_vec();
        if let Some(last) = bytes.last_mut().filter(|_| only_visits) {
            *last ^= 0x55;
            self.observer.fault(Fault::Unreadable);
        }
        bytes.into()
    }

    fn collect_acknowledgements(&mut self) {
        for member in &mut self.members {
            let commands = &self.commands;
            member.acknowledge(|id| commands.get(&id).map_or(0, Stream::durable_end));
        }
    }

    // ---- workers

    fn start(&mut self, id: PartitionId) -> Result<(), Violation> {
        self.serial += 1;
        let member = Member::take_over(
            id,
            self.serial,
            (self.settings.clone(), self.accept_clock.remove(&id)),
            self.databases.entry(id).or_default().position(),
            self.changes.entry(id).or_default(),
            self.logic.clone(),
            &mut self.observer,
        )?;
        self.members.push(member);
        Ok(())
    }

    /// Lets a worker feed and apply a few envelopes.
    fn work(&mut self, nth: usize, limit: usize) -> Result<bool, Violation> {
        let member = &mut self.members[nth];
        let durable_only = !bugs::on(Bug::AppliedBeforeDurable);
        let Some(commands) = self.commands.get(&member.partition) else {
            return Ok(false);
        };
        let feed = self.rng.random_range(1..4);
        rkcy_core::logic::set_wall_clock(u32::try_from(member.serial).unwrap_or(0));
        let outcome = member.work(
            commands,
            durable_only,
            feed,
            limit,
            self.now,
            &mut self.observer,
        )?;
        if let Some(cold) = outcome.cold {
            self.ask_database(nth, &cold);
        }
        if outcome.refused {
            self.accept_clock.insert(self.members[nth].partition);
        }
        if outcome.stopped {
            self.kill(nth, true);
        }
        Ok(outcome.progress)
    }

    /// A cold read: which copy answers is decided now, when it arrives later.
    fn ask_database(&mut self, nth: usize, cold: &[rkcy_core::key::RowKey]) {
        let Some(database) = self.databases.get(&self.members[nth].partition) else {
            return;
        };
        let newest = database.replicas() - 1;
        let stale = self.faults.contains(&Fault::StaleReplica) && self.rng.random_bool(0.3);
        let replica = if stale {
            self.rng.random_range(0..=newest)
        } else {
            newest
        };
        if replica != newest {
            self.observer.fault(Fault::StaleReplica);
        }
        let (mut position, rows) = database.load(replica, cold);
        if bugs::on(Bug::TornColdRead) && self.rng.random_bool(0.5) {
            position = database.load(replica.saturating_sub(1), &[]).0;
        }
        self.observer.count("cold reads");
        self.members[nth].asked(position, rows);
    }

    fn answer_load(&mut self, nth: usize) -> Result<(), Violation> {
        if self.faults.contains(&Fault::SlowLoad) && self.rng.random_bool(0.5) {
            self.observer.fault(Fault::SlowLoad);
            return Ok(());
        }
        if self.members[nth].answer_load(&mut self.observer)? {
            self.kill(nth, true);
        }
        Ok(())
    }

    /// A worker is gone; a prefix of each of its queues may still arrive.
    fn kill(&mut self, nth: usize, may_arrive: bool) {
        let member = self.members.remove(nth);
        self.observer
            .note(|| format!("worker {} of {} is gone", member.serial, member.partition));
        let partition = member.partition;
        for (target, mut queue) in member.into_queues() {
            queue.truncate(if may_arrive {
                self.rng.random_range(0..=queue.len())
            } else {
                0
            });
            if !queue.is_empty() {
                self.orphans.push((partition, target, queue));
            }
        }
    }

    fn seal(&mut self, nth: usize) {
        if let Some(seal) = self.members[nth].seal() {
            let id = self.members[nth].partition;
            self.append(Target::Commands(id), id, seal);
            self.observer.count("seals");
        }
    }

    // ---- storage

    fn restart_storage(&mut self, id: PartitionId) {
        let position = self.databases.entry(id).or_default().position();
        self.storages
            .insert(id, Storage::new(position, self.logic.schema()));
    }

    fn store_one(&mut self) -> Result<(), Violation> {
        let id = *pick(&mut self.rng, &self.partitions);
        let limit = self.rng.random_range(1..4);
        self.store(id, limit).map(drop)
    }

    fn store(&mut self, id: PartitionId, limit: usize) -> Result<bool, Violation> {
        let (Some(storage), Some(changes)) =
            (self.storages.get_mut(&id), self.changes.get_mut(&id))
        else {
            return Ok(false);
        };
        for _ in 0..limit {
            // What is readable need not be durable yet: no log must sync at once.
            let Some((_, bytes)) = changes.get(storage.next_offset(), false) else {
                break;
            };
            storage
                .take(bytes)
                .map_err(|stop| Violation(format!("storage of {id}: {stop}")))?;
        }
        let Some(batch) = storage.take_batch() else {
            return Ok(false);
        };
        if !bugs::on(Bug::StoredBeforeDurable) {
            changes.sync();
        }
        let torn = bugs::on(Bug::PositionOutsideRows) && self.rng.random_bool(0.5);
        let database = self.databases.entry(id).or_default();
        database.write(&batch, torn).map_err(Violation)?;
        if torn {
            self.restart_storage(id);
        }
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.partition == id)
        {
            member.storage_at(batch.new.position);
        }
        Ok(true)
    }

    // ---- the end

    /// No more faults: everything in flight ends, and every caller asks until it is answered.
    fn settle(&mut self) -> Result<(), Violation> {
        self.observer.note(|| "faults stop".to_owned());
        self.faults.clear();
        self.slow.clear();
        self.skew.clear();
        self.now -= std::mem::take(&mut self.jump.ahead);
        while !self.members.is_empty() {
            self.kill(0, true);
        }
        while !self.orphans.is_empty() {
            self.land_orphan(0);
        }
        for txn in self.observer.unanswered() {
            self.queue_submission(txn);
        }
        self.frame_submissions();
        /// Rounds after which a cluster without faults must have come to rest.
        const ROUNDS: usize = 400;
        for _ in 0..ROUNDS {
            if !self.settle_round()? {
                return self.verify();
            }
        }
        Err(Violation(
            "no rest: something goes round for ever after the faults have stopped".into(),
        ))
    }

    fn settle_round(&mut self) -> Result<bool, Violation> {
        let mut progress = false;
        for id in self.partitions.clone() {
            self.stream(Target::Commands(id), id).sync();
            self.stream(Target::Changes, id).sync();
            if !self.members.iter().any(|member| member.partition == id) {
                self.start(id)?;
                progress = true;
            }
            progress |= self.store(id, 1_000)?;
        }
        self.collect_acknowledgements();
        let mut nth = 0;
        while nth < self.members.len() {
            let living = self.members.len();
            progress |= self.members[nth].has_load();
            if self.members[nth].answer_load(&mut self.observer)? {
                self.kill(nth, true);
                continue;
            }
            progress |= self.work(nth, 1_000)?;
            if self.members.len() < living {
                continue;
            }
            self.members[nth].send_frames(&mut self.observer);
            self.members[nth].write_change(false, &mut self.observer);
            for target in self.members[nth].targets().collect::<Vec<_>>() {
                while self.members[nth].has_queue(target) {
                    self.land(nth, target);
                    progress = true;
                }
            }
            nth += 1;
        }
        Ok(progress)
    }

    /// Compares what there is with what there must be.
    fn verify(&mut self) -> Result<(), Violation> {
        super::verify::verify(self)
    }

    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    pub(super) fn logic(&self) -> &Arc<dyn Logic> {
        &self.logic
    }

    pub(super) fn workload(&self) -> &dyn Workload {
        self.workload
    }
}

/// How likely a fault is, once drawn: some end everything, some are part of every day.
fn likelihood(fault: Fault) -> f64 {
    match fault {
        Fault::PowerLoss => 0.03,
        Fault::Failover => 0.05,
        Fault::Crash | Fault::LostSend => 0.25,
        Fault::ClockJump => 0.1,
        _ => 1.0,
    }
}

pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

/// Whether a transaction is one whose id is remembered.
pub(super) fn is_remembered(txn: &Txn) -> bool {
    txn.mode == Mode::Transaction
}
