//! What goes wrong in a run.

use super::cluster::Cluster;
use super::faults::Fault;
use super::observe::Violation;
use crate::log::StreamId;
use rand::RngExt;
use rand_chacha::rand_core::Rng;

/// Milliseconds that the clock jumps ahead for the first time.
const DAY: u64 = 86_400_000;

/// How the clock has jumped.
#[derive(Debug, Default)]
pub(super) struct Jump {
    /// Jumps ahead so far; each is a day longer than the one before, so that no stamp comes up again.
    count: u64,
    /// Milliseconds that the clock is ahead,
    pub(super) ahead: u64,
    /// and when it came to be so, as it says.
    since: u64,
}

impl Cluster<'_> {
    /// Channels that are slow for the whole run.
    pub(super) fn slow_channels(&mut self) {
        if !self.faults.contains_key(&Fault::SlowChannel) {
            return;
        }
        for from in self.partitions().to_vec() {
            let to = self.partitions().iter().map(|id| StreamId::commands(*id));
            for target in to.chain([StreamId::changes(from)]).collect::<Vec<_>>() {
                if self.rng.random_bool(0.2) {
                    self.slow.insert((from, target));
                }
            }
        }
    }

    /// Lets a fault happen.
    pub(super) fn inject(&mut self, fault: Fault) -> Result<(), Violation> {
        if self.members.is_empty() {
            return Ok(());
        }
        let member = self.rng.random_range(0..self.members.len());
        let id = self.any_partition();
        match fault {
            Fault::Crash if self.draw.atomic && self.may_all_be_killed() => self.end_process(),
            Fault::Crash if !self.draw.atomic && self.may_be_killed(member) => {
                self.kill(member, true);
            }
            Fault::Crash => return Ok(()),
            Fault::Leftover => {
                if self.members.len() < self.partitions().len() + 4 && self.may_be_doubled(id) {
                    self.start(id)?;
                }
            }
            Fault::LostSend => {
                // The head of one queue is gone for good, what follows may still arrive.
                if !self.may_be_killed(member) {
                    return Ok(());
                }
                if let Some(queue) = self.members[member].any_queue(&mut self.rng) {
                    queue.pop_front();
                    self.kill(member, true);
                }
            }
            Fault::PowerLoss => {
                if !self.may_all_be_killed() {
                    return Ok(());
                }
                self.kill_all(false);
                self.lose_power();
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
            Fault::Eviction => self.members[member].evict_all(),
            Fault::Deploy => self.build += 1,
            // These are decided where they happen.
            Fault::SlowChannel
            | Fault::StaleReplica
            | Fault::SlowLoad
            | Fault::Unreadable
            | Fault::Deadly => return Ok(()),
        }
        self.observer.fault(fault);
        Ok(())
    }

    /// The clock goes ahead, or back; `false` where it is too early for that. A caller's clock may be ahead
    /// of a log's by as much as [`Fault::ClockStep`] says: only after that is every id of before too old.
    fn jump_clock(&mut self) -> bool {
        const LEAST: u64 = 100;
        self.observer.rules.clock_jumps();
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
        if self.draw.atomic {
            self.stop_process();
        }
        while self.rng.random_bool(0.9) && !self.members.is_empty() {
            self.stop(0);
        }
        true
    }

    fn submit_again(&mut self) {
        let recent = self.rng.random_bool(0.5);
        let choice = self.rng.next_u64();
        if let Some(txn) = self.observer.submission(choice, recent) {
            self.queue_submission(txn);
        }
    }
}
