//! What goes wrong in a run.

use super::cluster::Cluster;
use super::faults::Fault;
use super::observe::Violation;
use crate::log::StreamId;
use rand::RngExt;
use rand_chacha::rand_core::Rng;

/// Milliseconds by which a clock that is wrong is wrong: far more than the window.
const DAY: i64 = 86_400_000;

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
            Fault::Crash if self.draw.atomic => self.end_process(),
            Fault::Crash => self.kill(member, true),
            Fault::Leftover => {
                if self.members.len() < self.partitions().len() + 4 {
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
                let ahead = self.rng.random_bool(0.5);
                let step = if ahead { DAY } else { -DAY };
                // One process has one clock.
                let all = self.partitions().to_vec();
                let whose = if self.draw.atomic { all } else { vec![id] };
                self.skew.extend(whose.into_iter().map(|id| (id, step)));
            }
            Fault::Eviction => self.members[member].evict_all(),
            Fault::Deploy => self.build += 1,
            // These are decided where they happen.
            Fault::SlowChannel | Fault::StaleReplica | Fault::SlowLoad | Fault::Unreadable => {
                return Ok(());
            }
        }
        self.observer.fault(fault);
        Ok(())
    }

    /// Sooner or later a clock that is a day off is set right. Where it was ahead, work goes on only when
    /// everybody's clock has come as far.
    pub(super) fn repair_clocks(&mut self) {
        let off = |step: &i64| step.abs() == DAY;
        if !self.skew.values().any(off) || !self.rng.random_bool(0.02) {
            return;
        }
        self.observer.note(|| "the clocks are set right".to_owned());
        if self.skew.values().any(|step| *step == DAY) {
            self.now = self.now.saturating_add_signed(DAY);
        }
        self.skew.retain(|_, step| !off(step));
    }

    fn submit_again(&mut self) {
        let recent = self.rng.random_bool(0.5);
        let choice = self.rng.next_u64();
        if let Some(txn) = self.observer.submission(choice, recent) {
            self.queue_submission(txn);
        }
    }
}
