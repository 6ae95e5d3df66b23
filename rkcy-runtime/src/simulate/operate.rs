//! What callers and operators ask for beside transactions: cancels, and parked sagas to go on. What they edit of the
//! configuration is [`super::configs`]'s.

use super::cluster::Cluster;
use super::observe::Control;
use crate::codegen::TxnId;
use rand::RngExt;
use rand_chacha::rand_core::Rng;
use rkcy_core::frame::{Body, Envelope, Head, Kind};
use rkcy_core::id::PartitionId;
use rkcy_core::txn::ReplyTo;
use std::collections::BTreeMap;

/// How often an operator lets one saga go on when the faults have stopped.
const RESUMES: u32 = 3;
/// Added to an attempt that is wrong: no saga is parked so often.
const WRONG: u32 = 1_000;

impl Cluster<'_> {
    /// Now and then somebody asks for something.
    pub(super) fn operate(&mut self) {
        if self.rng.random_bool(0.01) {
            self.cancel_one();
        }
        if self.rng.random_bool(0.03) {
            self.resume_one();
        }
        self.edit_configs();
    }

    /// A caller cancels a transaction: one of the last, any, or one that nobody has submitted.
    fn cancel_one(&mut self) {
        let (choice, recent) = (self.rng.next_u64(), self.rng.random_bool(0.8));
        let unknown = self.rng.random_bool(0.1);
        let Some(txn) = self.observer.submission(choice, recent) else {
            return;
        };
        let Some(home) = txn.home() else {
            return;
        };
        let id = match unknown {
            true => TxnId::from_parts(self.now, u128::from(choice)),
            false => {
                self.observer.rules.cancelled(txn.id);
                txn.id
            }
        };
        self.ask(home, id, Control::Cancel, &Body::Cancel);
    }

    /// An operator lets a parked saga go on: once, twice, or by the wrong attempt.
    fn resume_one(&mut self) {
        let mut parked = self.parked();
        // Where its undo was given up, it waits until that is mended.
        parked.retain(|id, _| !self.observer.given_up.contains(id));
        let count = parked.len();
        if count == 0 {
            return;
        }
        let Some((id, (at, attempt))) = parked.into_iter().nth(self.rng.random_range(0..count))
        else {
            return;
        };
        match self.rng.random_range(0..10) {
            0..2 => self.resume(at, id, attempt + WRONG),
            2..4 => {
                self.resume(at, id, attempt);
                self.resume(at, id, attempt);
            }
            _ => self.resume(at, id, attempt),
        }
    }

    fn resume(&mut self, at: PartitionId, id: TxnId, attempt: u32) {
        let control = Control::Resume {
            attempt,
            wrong: attempt >= WRONG,
        };
        self.ask(at, id, control, &Body::Resume(attempt));
    }

    fn ask(&mut self, at: PartitionId, id: TxnId, control: Control, body: &Body) {
        self.asked += 1;
        let reply = ReplyTo(self.asked);
        let kind = match control {
            Control::Cancel => Kind::Cancel,
            Control::Resume { .. } => Kind::Resume,
        };
        self.observer.note(|| format!("{kind:?} of {id}"));
        self.observer.count(match control {
            Control::Cancel => "cancels",
            Control::Resume { .. } => "resumes",
        });
        self.observer.controls.insert(reply, control);
        let head = Head {
            reply,
            ..Head::plain(kind, id)
        };
        let waiting = self.unframed.entry(at).or_default();
        waiting.push(Envelope::new(head, body));
    }

    /// The parked sagas: where, and the attempt that failed.
    pub(super) fn parked(&self) -> BTreeMap<TxnId, (PartitionId, u32)> {
        let all = self.members.iter().flat_map(|member| {
            let parked = &member.worker.partition().state().parked;
            parked.iter().map(move |(id, parked)| (member, *id, parked))
        });
        all.map(|(member, id, parked)| (id, (member.partition, parked.attempt)))
            .collect()
    }

    /// At rest, an operator lets every parked saga go on, a few times; whether there was one.
    pub(super) fn resume_all(&mut self, resumed: &mut BTreeMap<TxnId, u32>) -> bool {
        let mut any = false;
        for (id, (at, attempt)) in self.parked() {
            let times = resumed.entry(id).or_default();
            if *times < RESUMES {
                *times += 1;
                any = true;
                self.resume(at, id, attempt);
            }
        }
        self.frame_submissions();
        any
    }
}
