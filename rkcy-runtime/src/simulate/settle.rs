//! The end of a run: faults stop, and everything in flight must come to rest.

use super::cluster::Cluster;
use super::observe::{Observer, Violation};
use super::verify;
use crate::log::StreamId;
use std::collections::BTreeMap;

/// Rounds within which a cluster without faults must have come to rest, and as many more for each visit in
/// flight, should all of them wait for one instance. In a round every worker works, every send lands and
/// storage writes; a visit takes one, and as many again where its rows are cold and memory is full.
const ROUNDS: usize = 60;
const ROUNDS_OF_A_VISIT: usize = 4;
/// And as many for each that a careful worker says: it waits until that is durable, then that its change record counts.
const ROUNDS_OF_A_WORD: usize = 4;
/// Words that give rounds, at most, and as many more for each process that a handler ends, since the next one says all of it
/// again: who says the same for ever comes to no rest.
const MOST_WORDS: usize = 2_000;

impl Cluster<'_> {
    /// No more faults: everything in flight ends, and every caller asks until it is answered.
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        self.observer.note(|| "faults stop".to_owned());
        self.faults.clear();
        self.slow.clear();
        self.skew.clear();
        match self.draw.atomic {
            true => self.stop_process(),
            false => (0..self.members.len()).for_each(|_| self.stop(0)),
        }
        while !self.orphans.is_empty() {
            self.land_orphan(0);
        }
        self.now -= std::mem::take(&mut self.jump.ahead);
        let visits = self.ask_again();
        self.answers_died = false;
        let mut asked = self.processes;
        let mut resumed = BTreeMap::new();
        let rounds = ROUNDS + visits * ROUNDS_OF_A_VISIT;
        let mut round = 0;
        let before = self.observer.said();
        let allowed = |observer: &Observer| {
            let (said, ended) = observer.said();
            let (said, ended) = (said - before.0, ended - before.1);
            rounds + ROUNDS_OF_A_WORD * (said.min(MOST_WORDS * (1 + ended)) + ended)
        };
        while round < allowed(&self.observer) {
            round += 1;
            let progress = self.settle_round()?;
            if asked != self.processes || std::mem::take(&mut self.answers_died) {
                // What it had to answer died with the process, or with the worker.
                asked = self.processes;
                self.ask_again();
            } else if !progress && self.resume_all(&mut resumed) {
                // What it undoes takes as long as anything else, and those whose undo was given up have been mended.
                self.deadly.mend_all();
                round = 0;
            } else if !progress {
                self.observer.rounds = (100 * round / allowed(&self.observer)) as u64;
                return verify::verify(self);
            }
        }
        Err(Violation(format!(
            "no rest: {round} rounds after the faults have stopped something still goes on"
        )))
    }

    /// Who waits for an answer asks again; gives back how many visits that makes.
    fn ask_again(&mut self) -> usize {
        let mut visits = 0;
        for txn in self.observer.unanswered() {
            // Each row of a group may be cold for itself.
            let steps = txn.visits.iter().map(|visit| visit.steps.len().max(1));
            visits += steps.sum::<usize>() + txn.unplanned.len();
            self.queue_submission(txn);
        }
        self.frame_submissions();
        visits
    }

    fn settle_round(&mut self) -> Result<bool, Violation> {
        /// Of everything there is.
        const ALL: usize = 1_000;
        self.logs.sync_appends(self.logs.undurable());
        let mut progress = false;
        if !self.draw.atomic {
            self.logs.sync(StreamId::CONFIG);
        }
        for id in self.partitions().to_vec() {
            if !self.draw.atomic {
                self.logs.sync(StreamId::commands(id));
                self.logs.sync(StreamId::changes(id));
            }
            progress |= self.store(id, ALL)?;
        }
        self.acknowledge();
        progress |= self.staff()?;
        let mut nth = 0;
        while nth < self.members.len() {
            let living = self.members.len();
            progress |= self.members[nth].has_load();
            if self.members[nth].answer_load(&mut self.observer)? {
                self.stop(nth);
                continue;
            }
            progress |= self.work(nth, ALL)?;
            if self.members.len() < living {
                continue;
            }
            progress |= self.tell_configs(nth);
            self.members[nth].send_all(&mut self.observer);
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
}
