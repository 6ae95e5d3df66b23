//! The schedule of a run: every step draws one event.

use super::cluster::Cluster;
use super::draw::{Event, WINDOW, pick};
use super::faults::Fault;
use super::observe::Violation;
use crate::log::StreamId;
use rand::RngExt;
use rkcy_core::id::PartitionId;

/// Steps that a run makes at least, however few transactions it has.
const STEPS: u64 = 600;
/// How often callers try, for each transaction of the plan.
const ATTEMPTS: usize = 20;

impl Cluster<'_> {
    /// Runs the whole plan.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let mut asked = 0;
        let mut step = 0_u64;
        let wanted = self.plan.transactions as u64;
        // What is refused at the edge is no transaction; where nearly all is, there are fewer of them.
        let attempts = ATTEMPTS * self.plan.transactions;
        while (self.observer.transactions() < wanted && asked < attempts) || step < STEPS {
            step += 1;
            self.observer.step = step;
            self.now += self.rng.random_range(0..3);
            if self.observer.transactions() < wanted && self.rng.random_bool(0.12) {
                self.submit(asked)?;
                asked += 1;
            }
            self.operate();
            self.sync();
            self.staff()?;
            self.event()?;
            // However the dice fall, every run has its share of faults.
            if step.is_multiple_of(173) {
                self.forced_fault()?;
            }
        }
        self.settle()
    }

    /// Some of what was appended becomes durable.
    fn sync(&mut self) {
        let (commands, changes) = self.draw.sync;
        if self.draw.atomic {
            if self.logs.undurable() > 0 && self.rng.random_bool(3.0 * commands) {
                let appends = self.rng.random_range(1..=self.logs.undurable());
                self.logs.sync_appends(appends);
            }
        } else {
            if self.operators.is_some() && self.rng.random_bool(commands) {
                self.logs.sync(StreamId::CONFIG);
            }
            for nth in 0..self.partitions().len() {
                let id = self.partitions()[nth];
                if self.rng.random_bool(commands) {
                    self.logs.sync(StreamId::commands(id));
                }
                if self.rng.random_bool(changes) {
                    self.logs.sync(StreamId::changes(id));
                }
            }
        }
        self.acknowledge();
    }

    /// Every partition has a worker.
    pub(super) fn staff(&mut self) -> Result<bool, Violation> {
        let mut started = false;
        for nth in 0..self.partitions().len() {
            let id = self.partitions()[nth];
            if !self.members.iter().any(|member| member.partition == id) {
                self.start(id)?;
                started = true;
            }
        }
        if self.draw.atomic && self.members.iter().any(|it| it.worker.is_careful()) {
            let others = self.members.iter_mut().filter(|it| !it.worker.owns());
            others.for_each(|it| it.worker.be_careful());
        }
        Ok(started)
    }

    /// One event.
    fn event(&mut self) -> Result<(), Violation> {
        let event = self.draw.event(&mut self.rng);
        match event {
            Event::Land => return self.land_one(),
            Event::Store => return self.store_one(),
            Event::Submit => {
                self.frame_submissions();
                return Ok(());
            }
            _ if self.members.is_empty() => return Ok(()),
            _ => {}
        }
        let member = self.rng.random_range(0..self.members.len());
        match event {
            Event::Work => drop(self.work(member, self.draw.envelopes)?),
            Event::Load => self.answer_load(member)?,
            Event::Send if !self.draw.atomic => {
                self.members[member].send_frames(&mut self.observer);
            }
            Event::Change if !self.draw.atomic => {
                let snapshot = self.rng.random_bool(0.3);
                self.members[member].write_change(snapshot, &mut self.observer);
            }
            Event::Rare => self.rare_event(member)?,
            _ => {}
        }
        Ok(())
    }

    fn rare_event(&mut self, member: usize) -> Result<(), Violation> {
        // A build that is no longer the newest is to make room.
        if self.members[member].build < self.build && self.rng.random_bool(0.3) {
            self.seal(member);
            return Ok(());
        }
        match self.rng.random_range(0..100) {
            0..5 => self.seal(member),
            5..15 => self.append_tick(),
            15..20 => self.now += self.rng.random_range(0..WINDOW / 2),
            20..40 if self.faults.contains_key(&Fault::Eviction) => self.inject(Fault::Eviction)?,
            40..80 => {
                let all: Vec<Fault> = self.faults.keys().copied().collect();
                if !all.is_empty() {
                    let fault = *pick(&mut self.rng, &all);
                    if !fault.is_passive() && self.happens(fault) {
                        self.inject(fault)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn forced_fault(&mut self) -> Result<(), Violation> {
        let active = self.faults.keys().filter(|fault| !fault.is_passive());
        let active: Vec<Fault> = active.copied().collect();
        if active.is_empty() {
            return Ok(());
        }
        let fault = *pick(&mut self.rng, &active);
        self.inject(fault)
    }

    /// One packet of one queue arrives.
    fn land_one(&mut self) -> Result<(), Violation> {
        let living = self.members.iter().enumerate().flat_map(|(nth, member)| {
            let targets = member.targets();
            targets.map(move |target| (Some(nth), member.partition, target))
        });
        let mut queues: Vec<(Option<usize>, PartitionId, StreamId)> = living.collect();
        let alive = queues.len();
        let orphans = self.orphans.iter();
        queues.extend(orphans.map(|(of, target, _)| (None, *of, *target)));
        if queues.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.random_range(0..queues.len());
        let (member, of, target) = queues[chosen];
        if self.slow.contains(&(of, target)) && self.rng.random_bool(self.draw.slowness) {
            return Ok(());
        }
        match member {
            Some(nth) => self.land(nth, target),
            None => self.land_orphan(chosen - alive),
        }
        Ok(())
    }

    fn store_one(&mut self) -> Result<(), Violation> {
        let id = self.any_partition();
        let limit = self.rng.random_range(1..4);
        self.store(id, limit).map(drop)
    }
}
