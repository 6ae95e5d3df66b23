//! Claims on rows (rule 10): what is held until a transaction is decided, what is given back after it.
//!
//! Owns how many refer to a row, which is no part of the pending values; who has to wait for whom because of
//! that; and the give-backs, which the answer to the caller waits for.

use super::visit::{Done, Stopped};
use super::{Effect, Halt, Partition, SagaEvent};
use crate::bugs::{self, Bug};
use crate::claim::{self, Claim, Counts, GiveBack, Hold, Referrer};
use crate::fault::Fault;
use crate::frame::{Body, Head, Kind};
use crate::id::{PartitionId, TxnId};
use crate::key::{RowKey, partition_of};
use crate::state::{Giving, Held, Lock};
use crate::txn::{Access, Args, Mode, Outcome, Step, Txn};
use crate::wire::Wire;

/// What a transaction gives back, where, and who is told.
#[derive(Debug)]
pub(super) struct Gift {
    txn: TxnId,
    give: GiveBack,
    back: PartitionId,
}

impl Partition {
    /// The hidden row that counts who refers to `row`; `None` where nothing can.
    fn count_row(&self, row: &RowKey) -> Option<RowKey> {
        let concern = self.logic.counted_in(row.concern)?;
        let key = row.key.clone();
        Some(RowKey { concern, key })
    }

    /// How many refer to `row`.
    fn counts(&mut self, row: &RowKey) -> Result<Counts, Stopped> {
        let Some(hidden) = self.count_row(row) else {
            return Ok(Counts::default());
        };
        match self.rows.get(&hidden) {
            Some(stored) => Ok(Counts::read(stored.value.as_ref()).map_err(Fault::from)?),
            None => Err(Stopped::Cold(vec![hidden])),
        }
    }

    /// Adds to how many refer to `row`. Where that is not in memory the application has no effect, and runs
    /// again.
    fn count(&mut self, row: &RowKey, referrer: Referrer, by: i64) {
        let halt = match (self.counts(row), self.count_row(row)) {
            (Ok(mut counts), Some(hidden)) => {
                counts.add(referrer, by);
                self.set_row(hidden, counts.value());
                return;
            }
            (Err(Stopped::Cold(rows)), _) => return self.must_load(rows),
            (Err(Stopped::Refused(fault)), _) => Halt::Unreadable(fault),
            // A build that does not count here cannot have been asked to.
            (Ok(_), None) => return,
        };
        self.halt = Some(halt);
    }

    /// Whether the next visit of `txn` has to wait because of what others hold in its group, or because others
    /// lock what it is to hold.
    pub(super) fn claims_must_wait(&mut self, txn: &Txn) -> Result<bool, Halt> {
        let Some(visit) = txn.visit() else {
            return Ok(false);
        };
        let counted = &self.state.counted;
        let others = counted.is_asked_by_others(&visit.group, txn.id);
        if visit.access == Access::Delete {
            return Ok((others && !bugs::on(Bug::HoldBesideDelete)) || self.waits_for_saga(txn));
        }
        let lock = self.state.locks.get(&visit.group);
        let beside = matches!(lock, Some(Lock::Exclusive { .. }));
        if !beside && !others {
            return Ok(false);
        }
        let asked = asked_in(&visit.steps, &visit.group);
        for (row, hold, count) in asked {
            if beside && !self.is_there_for_all(&visit.group, &row)? {
                return Ok(true);
            }
            let Some(most) = hold.most.filter(|_| others) else {
                continue;
            };
            let counts = match self.counts(&row) {
                Ok(counts) => counts,
                Err(Stopped::Cold(rows)) => return Err(Halt::Cold(rows)),
                Err(Stopped::Refused(fault)) => return Err(Halt::Unreadable(fault)),
            };
            let alone = counts.of(hold.referrer) + count;
            let held = self.state.counted.sum(&visit.group, &row, hold.referrer);
            if alone <= i64::from(most) && alone + held > i64::from(most) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a row is there, and stays, however the transaction ends that has its group locked.
    fn is_there_for_all(&mut self, group: &RowKey, row: &RowKey) -> Result<bool, Halt> {
        if let Some(Lock::Exclusive { pending, .. }) = self.state.locks.get(group)
            && let Ok(place) = pending.binary_search_by(|(key, _)| key.cmp(row))
            && pending[place].1.is_none()
        {
            return Ok(bugs::on(Bug::HoldBesideDelete));
        }
        match self.rows.get(row) {
            Some(stored) => Ok(stored.value.is_some()),
            None => Err(Halt::Cold(vec![row.clone()])),
        }
    }

    /// The seeded bug: a delete waits for the saga that holds its row.
    fn waits_for_saga(&self, txn: &Txn) -> bool {
        bugs::on(Bug::DeleteWaitsForSaga)
            && txn.visit().is_some_and(|visit| {
                let mut rows = visit.steps.iter().filter_map(|step| step.row(&visit.group));
                rows.any(|row| {
                    let holders = self.state.holds.get(row);
                    holders.is_some_and(|them| them.iter().any(|holder| *holder != txn.id))
                })
            })
    }

    /// Asks for a reference to `row`, which is there. Who comes back to a group does not wait: so whatever
    /// others hold counts.
    pub(super) fn hold(
        &mut self,
        step: &Step,
        group: &RowKey,
        row: &RowKey,
        done: &mut Done,
    ) -> Result<(), Stopped> {
        let Args::Ready(args) = &step.args else {
            return Err(Fault::refusal("incomplete_step", "a reference to nothing").into());
        };
        let hold = Hold::from_wire(args.clone()).map_err(Fault::from)?;
        let target = done.copies.get(row).and_then(|copy| copy.value());
        if target.is_none() {
            let name = self.logic.concern_name(row.concern);
            let message = format!("there is no such {name} to refer to");
            return Err(Fault::refusal("not_found", message).into());
        }
        let counts = self.counts(row)?;
        let here = (done.holds.iter())
            .filter(|(known, referrer)| known == row && *referrer == hold.referrer);
        let asked = self.state.counted.sum(group, row, hold.referrer) + here.count() as i64;
        if let Some(most) = hold.most
            && counts.of(hold.referrer) + asked + 1 > i64::from(most)
        {
            let name = self.logic.concern_name(row.concern);
            let who = self.logic.concern_name(hold.referrer.concern);
            let message = format!("at most {most} {who} refer to one {name}");
            return Err(Fault::refusal("full", message).into());
        }
        done.holds.push((row.clone(), hold.referrer));
        Ok(())
    }

    /// A row that is deleted must not be referred to, but by what the same transaction gives back.
    pub(super) fn check_unreferred(
        &mut self,
        txn: &Txn,
        group: &RowKey,
        row: &RowKey,
        done: &Done,
    ) -> Result<(), Stopped> {
        let mut counts = self.counts(row)?;
        let asked = self.state.counted.of(group, txn.id);
        for held in asked.iter().filter(|held| held.row == *row) {
            counts.add(held.referrer, i64::from(held.count));
        }
        for (_, referrer) in done.holds.iter().filter(|(held, _)| held == row) {
            counts.add(*referrer, 1);
        }
        for give in txn.gives.iter().chain(&done.gives) {
            if let Claim::Reference(referrer) = give.claim
                && give.row == *row
            {
                counts.add(referrer, -1);
            }
        }
        let Some((referrer, count)) = counts.iter().find(|(_, count)| *count > 0) else {
            return Ok(());
        };
        let name = self.logic.concern_name(row.concern);
        let who = self.logic.concern_name(referrer.concern);
        let verb = if count == 1 { "refers" } else { "refer" };
        let message = format!("{count} {who} {verb} to this {name}");
        Err(Fault::refusal("in_use", message).into())
    }

    /// Keeps what a visit has asked for until the transaction is decided.
    pub(super) fn keep_holds(
        &mut self,
        txn: TxnId,
        group: &RowKey,
        holds: Vec<(RowKey, Referrer)>,
    ) {
        if holds.is_empty() {
            return;
        }
        let mut asked = self.state.counted.of(group, txn).to_vec();
        for (row, referrer) in holds {
            let known = asked
                .iter_mut()
                .find(|held| held.row == row && held.referrer == referrer);
            match known {
                Some(held) => held.count += 1,
                None => asked.push(Held {
                    row,
                    referrer,
                    count: 1,
                }),
            }
        }
        self.set_counted(group, txn, Some(asked));
    }

    /// What a visit has asked for counts from now on.
    pub(super) fn count_holds(&mut self, holds: Vec<(RowKey, Referrer)>) {
        for (row, referrer) in holds {
            self.count(&row, referrer, 1);
        }
    }

    /// Ends what a transaction has asked for in a group; on a commit it counts.
    pub(super) fn release_holds(&mut self, id: TxnId, group: &RowKey, commit: bool) {
        let mine = self.state.counted.of(group, id).to_vec();
        if mine.is_empty() {
            return;
        }
        self.set_counted(group, id, None);
        if commit {
            for held in mine {
                self.count(&held.row, held.referrer, i64::from(held.count));
            }
        }
    }

    /// A transaction is decided and its locks are released: gives back what it has to, and tells how it ended
    /// when all is taken back.
    pub(super) fn give_all(&mut self, id: TxnId, gives: &[GiveBack], giving: Giving) {
        self.effects.push(Effect::Saga(id, SagaEvent::Decided));
        if bugs::on(Bug::AnswerBeforeGiveBack) {
            self.tell_home(id, giving.home, true, &giving.outcome);
            self.answer(giving.reply, id, giving.outcome.clone());
        }
        self.set_giving(id, Some(giving));
        for give in gives {
            self.give(id, give.clone(), self.id);
        }
    }

    /// Sends one give-back to where it is to be taken.
    pub(super) fn give(&mut self, txn: TxnId, give: GiveBack, back: PartitionId) {
        let at = self.place_of(&give);
        if at == self.id {
            return self.gifts.push_back(Gift { txn, give, back });
        }
        let row = match give.claim {
            Claim::Unique(_) => Some(give.row.clone()),
            Claim::Reference(_) => self.count_row(&give.row),
        };
        let head = Head {
            rows: row.into_iter().collect(),
            ..Head::plain(Kind::GiveBack, txn)
        };
        self.send(at, head, Body::GiveBack(give).encode());
    }

    fn place_of(&self, give: &GiveBack) -> PartitionId {
        let concern = give.group.concern;
        partition_of(concern, &give.group.key, self.logic.partitions(concern))
    }

    /// Takes back what a transaction gives back: a reference at once, a unique value when its group is free.
    pub(super) fn take_back(
        &mut self,
        txn: TxnId,
        give: GiveBack,
        back: PartitionId,
    ) -> Result<(), Halt> {
        if let Claim::Reference(referrer) = give.claim {
            self.count(&give.row, referrer, -1);
            self.released.push_back(give.group);
            self.taken_back(txn, back);
            return Ok(());
        }
        match Txn::giving(txn, &give, self.place_of(&give), back) {
            Some(visit) => self.visit(visit, false),
            None => Ok(()),
        }
    }

    /// Takes back what is given back within this partition.
    pub(super) fn take_gifts(&mut self) -> Result<(), Halt> {
        while let Some(gift) = self.gifts.pop_front() {
            self.take_back(gift.txn, gift.give, gift.back)?;
        }
        Ok(())
    }

    /// Tells that something was taken back.
    pub(super) fn taken_back(&mut self, txn: TxnId, back: PartitionId) {
        if back == self.id {
            return self.given_back(txn);
        }
        let head = Head::plain(Kind::GivenBack, txn);
        self.send(back, head, Body::GivenBack.encode());
    }

    /// Something was taken back that a transaction has given back; with the last of it the transaction has
    /// ended.
    pub(super) fn given_back(&mut self, id: TxnId) {
        let Some(mut giving) = self.state.giving.get(&id).cloned() else {
            return;
        };
        giving.left = giving.left.saturating_sub(1);
        if giving.left > 0 {
            return self.set_giving(id, Some(giving));
        }
        self.set_giving(id, None);
        if !bugs::on(Bug::AnswerBeforeGiveBack) {
            self.tell_home(id, giving.home, true, &giving.outcome);
            self.answer(giving.reply, id, giving.outcome);
        }
    }

    /// The seeded bug: references are given back before it is known that the transaction is committed.
    pub(super) fn give_too_early(&mut self, txn: &mut Txn) {
        if !bugs::on(Bug::CountBeforeCommit) || txn.mode != Mode::Transaction {
            return;
        }
        let is_unique = |give: &GiveBack| matches!(give.claim, Claim::Unique(_));
        let (later, now) = (txn.gives.drain(..)).partition(is_unique);
        txn.gives = later;
        let now: Vec<GiveBack> = now;
        for give in now {
            self.give(txn.id, give, self.id);
        }
    }

    /// The seeded bug: how many refer to a changed row stands among its pending values.
    pub(super) fn pending_counts(
        &mut self,
        rows: Vec<RowKey>,
    ) -> Vec<(RowKey, Option<bytes::Bytes>)> {
        if !bugs::on(Bug::CountInPending) {
            return Vec::new();
        }
        let hidden = rows.iter().filter_map(|row| self.count_row(row));
        let hidden: Vec<RowKey> = hidden.collect();
        (hidden.into_iter())
            .filter_map(|row| Some((row.clone(), self.rows.get(&row)?.value.clone())))
            .collect()
    }
}

/// What the steps of a visit ask for, each target and referrer once, with how often.
fn asked_in(steps: &[Step], group: &RowKey) -> Vec<(RowKey, Hold, i64)> {
    let mut asked: Vec<(RowKey, Hold, i64)> = Vec::new();
    for step in steps.iter().filter(|step| step.op == claim::op::HOLD) {
        let (Some(row), Args::Ready(args)) = (step.row(group), &step.args) else {
            continue;
        };
        let Ok(hold) = Hold::from_wire(args.clone()) else {
            continue;
        };
        match asked
            .iter_mut()
            .find(|(known, other, _)| known == row && *other == hold)
        {
            Some((.., count)) => *count += 1,
            None => asked.push((row.clone(), hold, 1)),
        }
    }
    asked
}

/// A saga has turned around: what it has claimed, and no row has, is given back at its end.
pub(super) fn unused_claims(txn: &mut Txn) {
    let (claims, undo) = std::mem::take(&mut txn.undo)
        .into_iter()
        .partition(|undo| undo.claims_for.is_some());
    txn.undo = undo;
    let claims: Vec<crate::txn::Undo> = claims;
    for undo in claims {
        let group = &txn.visits[usize::from(undo.visit)].group;
        let Some(row) = undo.place.row(group).cloned() else {
            continue;
        };
        let claim = match undo.op {
            claim::op::HOLD => {
                Hold::from_wire(undo.args).map(|hold| Claim::Reference(hold.referrer))
            }
            _ => RowKey::from_wire(undo.args).map(Claim::Unique),
        };
        // Its own steps were read before.
        if let Ok(claim) = claim {
            let group = group.clone();
            txn.gives.push(GiveBack { group, row, claim });
        }
    }
}

impl Giving {
    /// A transaction that gives so much back.
    pub(super) fn of(
        gives: &[GiveBack],
        home: Option<PartitionId>,
        reply: crate::txn::ReplyTo,
        outcome: Outcome,
    ) -> Giving {
        Giving {
            left: u32::try_from(gives.len()).unwrap_or(u32::MAX),
            home,
            reply,
            outcome,
        }
    }
}
