//! The reference: one transaction at a time, one visit of a saga at a time, without locks, logs or
//! partitions.

use crate::codegen::{Class, Fault, TxnId};
use bytes::Bytes;
use rkcy_core::claim::{self, Claim, Counts, GiveBack, Hold, Referrer};
use rkcy_core::config::Configs;
use rkcy_core::expect;
use rkcy_core::key::RowKey;
use rkcy_core::logic::{Call, Context, Logic, Row};
use rkcy_core::plan;
use rkcy_core::related::Views;
use rkcy_core::txn::{Answer, Args, Step, Txn};
use rkcy_core::wire::Wire;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What visits have made of rows.
pub(super) type Changes = BTreeMap<RowKey, Option<Bytes>>;

/// How a step is undone.
#[derive(Clone, Debug)]
struct Undo {
    row: RowKey,
    number: u16,
    op: u16,
    args: Bytes,
    /// The group of the row, and the step that it claims something for.
    group: RowKey,
    claims_for: Option<u16>,
}

/// What the visits of a transaction have come to so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    changes: Changes,
    undo: Vec<Undo>,
    /// What rows have lost.
    gives: Vec<GiveBack>,
    /// Numbers of the steps.
    steps: Vec<u16>,
}

/// A saga on its way.
#[derive(Clone, Debug)]
struct Saga {
    txn: Txn,
    gives: Vec<GiveBack>,
    /// What is to be undone, the last first to go.
    undo: Vec<Undo>,
    turned: bool,
}

/// A step of a transaction, and which of its operations: that, or its undo.
type Ran = (TxnId, u16, u16);

/// What a step has seen beside its instance.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    pub(super) configs: Arc<Configs>,
    pub(super) views: Views,
}

/// What each step has seen of configuration and of views, as often as it was run; what had no effect is not
/// counted.
#[derive(Debug, Default)]
pub(super) struct Seen {
    steps: BTreeMap<Ran, Vec<Beside>>,
    /// Of the application in progress: two copies of a read may have waited for the same.
    running: BTreeMap<Ran, Vec<Beside>>,
}

impl Seen {
    pub(super) fn note(&mut self, ran: Ran, beside: Beside) {
        self.running.entry(ran).or_default().push(beside);
    }

    pub(super) fn forget_application(&mut self) {
        self.running.clear();
    }

    pub(super) fn keep_application(&mut self) {
        for (ran, beside) in std::mem::take(&mut self.running) {
            self.steps.entry(ran).or_default().extend(beside);
        }
    }

    pub(super) fn extend(&mut self, other: Seen) {
        self.steps.extend(other.steps);
    }

    /// What the step has seen when it was run for the `nth` time, or the last time.
    fn at(&self, ran: Ran, nth: Option<usize>) -> Option<&Beside> {
        let all = self.steps.get(&ran)?;
        match nth {
            Some(nth) => all.get(nth),
            None => all.last(),
        }
    }
}

/// The world as it is between two events of the serial order.
pub(super) struct Serial<'a> {
    logic: &'a dyn Logic,
    pub(super) rows: BTreeMap<RowKey, Bytes>,
    sagas: BTreeMap<TxnId, Saga>,
    /// Rows that sagas have changed and may have to change back.
    pub(super) holds: BTreeMap<RowKey, BTreeSet<TxnId>>,
    /// Rows that were ever held. When a saga ends, its holds elsewhere last until that is heard of.
    held: BTreeMap<RowKey, BTreeSet<TxnId>>,
    /// Until which event somebody may meet a give-back of this row: its transaction was not told of before.
    busy: BTreeMap<RowKey, usize>,
    /// The event that is made now, and until which one its transaction is not told of.
    now: usize,
    told_at: usize,
    seen: Seen,
    /// How often reads were answered that are asked more than once.
    answered: BTreeMap<TxnId, usize>,
    /// How often undos were tried in vain.
    attempts: BTreeMap<Ran, usize>,
}

impl<'a> Serial<'a> {
    pub(super) fn new(logic: &'a dyn Logic, seen: Seen) -> Serial<'a> {
        Serial {
            logic,
            rows: BTreeMap::new(),
            sagas: BTreeMap::new(),
            holds: BTreeMap::new(),
            held: BTreeMap::new(),
            busy: BTreeMap::new(),
            now: 0,
            told_at: 0,
            seen,
            answered: BTreeMap::new(),
            attempts: BTreeMap::new(),
        }
    }

    /// What a handler may know in a step: of configuration and views, what the log says where it was run.
    fn context<'c>(&'c self, txn: &'c Txn, step: u16, op: u16, nth: Option<usize>) -> Context<'c> {
        let context = Context::new(txn.id, step, &txn.caller);
        match self.seen.at((txn.id, step, op), nth) {
            Some(beside) => context
                .with_configs(&beside.configs)
                .with_views(beside.views.clone()),
            None => context,
        }
    }

    /// How often a read was answered; of all else the last run counts.
    fn answered(&self, id: TxnId) -> Option<usize> {
        self.answered.get(&id).copied()
    }

    /// The undo of the next step of a saga was tried in vain.
    pub(super) fn attempted(&mut self, id: TxnId) {
        let undo = self.sagas.get(&id).and_then(|saga| saga.undo.last());
        if let Some(ran) = undo.map(|undo| (id, undo.number, undo.op)) {
            *self.attempts.entry(ran).or_default() += 1;
        }
    }

    /// The next event is made; its transaction is told of before the event `told_at`.
    pub(super) fn begin(&mut self, now: usize, told_at: Option<usize>) {
        self.now = now;
        self.told_at = told_at.unwrap_or(now);
    }

    /// Whether a transaction that was refused like this may have met a give-back that nobody had heard of.
    pub(super) fn is_busy(&self, txn: &Txn, told: &Fault) -> bool {
        if !matches!(told.code.as_ref(), "taken" | "full" | "in_use") {
            return false;
        }
        let planned = txn.visits.iter().flat_map(|visit| {
            let rows = visit.steps.iter().map(|step| step.row(&visit.group));
            rows.map(Option::<&RowKey>::cloned)
        });
        let unplanned = txn.unplanned.iter().map(|waiting| {
            let concern = waiting.root;
            let group = waiting.group.clone().map(|key| RowKey { concern, key });
            group.and_then(|group| waiting.step.row(&group).cloned())
        });
        // A row that comes out of results may be any.
        let mut rows = planned.chain(unplanned);
        rows.any(|row| match row {
            Some(row) => self.is_busy_row(&row),
            None => self.busy.values().any(|until| *until >= self.now),
        })
    }

    /// Whether the next undo of a saga may have met a give-back that nobody had heard of.
    pub(super) fn is_undo_busy(&self, id: TxnId) -> bool {
        let undo = self.sagas.get(&id).and_then(|saga| saga.undo.last());
        undo.is_some_and(|undo| self.is_busy_row(&undo.row))
    }

    fn is_busy_row(&self, row: &RowKey) -> bool {
        self.busy.get(row).is_some_and(|until| *until >= self.now)
    }

    /// Executes a transaction as if alone. `told` is the refusal that its caller has heard.
    ///
    /// # Errors
    /// Its refusal; nothing has changed.
    pub(super) fn execute(&mut self, txn: &Txn, told: Option<&Fault>) -> Result<Bytes, Fault> {
        if txn.is_remembered() {
            return self.alone(txn, told);
        }
        self.answered.entry(txn.id).or_default();
        let result = self.alone(txn, told);
        *self.answered.entry(txn.id).or_default() += 1;
        result
    }

    fn alone(&mut self, txn: &Txn, told: Option<&Fault>) -> Result<Bytes, Fault> {
        let (mut txn, mut made) = (txn.clone(), Made::default());
        while txn.visit().is_some() {
            self.visit(&mut txn, &mut made, told)?;
            txn.next += 1;
            plan::check(&txn)
                .map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
        }
        let result = self.result(&txn)?;
        self.write(made.changes);
        self.take_back(made.gives);
        Ok(result)
    }

    /// Takes back what a transaction gives back.
    fn take_back(&mut self, gives: Vec<GiveBack>) {
        for give in gives {
            let until = self.busy.entry(give.row.clone()).or_default();
            *until = self.told_at.max(*until);
            let mut changes = Changes::new();
            match give.claim {
                Claim::Unique(owner) => self.give_back(&give.row, &owner, &mut changes),
                Claim::Reference(referrer) => self.count(&give.row, referrer, -1, &mut changes),
            }
            self.write(changes);
        }
    }

    fn value(&self, row: &RowKey, changes: &Changes) -> Option<Bytes> {
        let changed = changes.get(row).cloned();
        changed.unwrap_or_else(|| self.rows.get(row).cloned())
    }

    fn give_back(&self, row: &RowKey, owner: &RowKey, changes: &mut Changes) {
        let mut copy = Row::new(self.value(row, changes));
        let args = owner.to_wire().into();
        let _ = claim::run(claim::op::GIVE_BACK, &args, &mut copy, || "");
        if copy.is_changed() {
            changes.insert(row.clone(), copy.into_value());
        }
    }

    /// The hidden row that counts who refers to `row`, and what it says.
    fn counts(&self, row: &RowKey, changes: &Changes) -> Option<(RowKey, Counts)> {
        let hidden = RowKey {
            concern: self.logic.counted_in(row.concern)?,
            key: row.key.clone(),
        };
        let counts = Counts::read(self.value(&hidden, changes).as_ref()).ok()?;
        Some((hidden, counts))
    }

    fn count(&self, row: &RowKey, referrer: Referrer, by: i64, changes: &mut Changes) {
        if let Some((hidden, mut counts)) = self.counts(row, changes) {
            counts.add(referrer, by);
            changes.insert(hidden, counts.value());
        }
    }

    /// A reference is asked for.
    fn hold(&self, row: &RowKey, args: &Bytes, changes: &mut Changes) -> Result<(), Fault> {
        let hold = Hold::from_wire(args.clone())?;
        let name = self.logic.concern_name(row.concern);
        if self.value(row, changes).is_none() {
            let message = format!("there is no such {name} to refer to");
            return Err(Fault::refusal("not_found", message));
        }
        let counts = self.counts(row, changes).map(|(_, counts)| counts);
        let count = counts.unwrap_or_default().of(hold.referrer);
        if let Some(most) = hold.most.filter(|most| count + 1 > i64::from(*most)) {
            let who = self.logic.concern_name(hold.referrer.concern);
            let message = format!("at most {most} {who} refer to one {name}");
            return Err(Fault::refusal("full", message));
        }
        self.count(row, hold.referrer, 1, changes);
        Ok(())
    }

    /// A row that is deleted must not be referred to, but by what is given back.
    fn check_unreferred(&self, row: &RowKey, made: &Made) -> Result<(), Fault> {
        let Some((_, mut counts)) = self.counts(row, &made.changes) else {
            return Ok(());
        };
        for give in made.gives.iter().filter(|give| give.row == *row) {
            if let Claim::Reference(referrer) = give.claim {
                counts.add(referrer, -1);
            }
        }
        match counts.iter().find(|(_, count)| *count > 0) {
            None => Ok(()),
            Some(_) => Err(Fault::refusal("in_use", "it is referred to")),
        }
    }

    // ---- sagas

    /// The next visit of a saga takes effect.
    ///
    /// # Errors
    /// Its refusal.
    pub(super) fn take(&mut self, submitted: &Txn) -> Result<(), Fault> {
        let mut saga = self.saga(submitted);
        let mut made = Made {
            undo: std::mem::take(&mut saga.undo),
            gives: std::mem::take(&mut saga.gives),
            ..Made::default()
        };
        let before = made.undo.len();
        self.visit(&mut saga.txn, &mut made, None)?;
        self.write(made.changes);
        let fresh = made.undo.iter().skip(before);
        for undo in fresh.filter(|undo| undo.claims_for.is_none()) {
            for holds in [&mut self.holds, &mut self.held] {
                let holders = holds.entry(undo.row.clone()).or_default();
                holders.insert(saga.txn.id);
            }
        }
        made.undo
            .retain(|undo| !(undo.claims_for).is_some_and(|step| made.steps.contains(&step)));
        (saga.undo, saga.gives) = (made.undo, made.gives);
        saga.txn.next += 1;
        self.sagas.insert(saga.txn.id, saga);
        Ok(())
    }

    /// A saga turns around; gives the refusal of its next visit, where that refuses. `told` is the one
    /// that its caller has heard.
    pub(super) fn turn(&mut self, submitted: &Txn, told: Option<&Fault>) -> Option<Fault> {
        let mut saga = self.saga(submitted);
        let mut tried = saga.txn.clone();
        let refusal = match tried.visit() {
            Some(_) => {
                let mut made = Made {
                    gives: saga.gives.clone(),
                    ..Made::default()
                };
                self.visit(&mut tried, &mut made, told).err()
            }
            None => None,
        };
        saga.turned = true;
        let (claims, undo) = (saga.undo.into_iter()).partition(|undo| undo.claims_for.is_some());
        saga.undo = undo;
        let claims: Vec<Undo> = claims;
        saga.gives
            .extend(claims.into_iter().filter_map(Undo::give_back));
        self.sagas.insert(saga.txn.id, saga);
        refusal
    }

    /// The next step of a saga that has turned around is undone.
    ///
    /// # Errors
    /// Why it cannot be; nothing has changed.
    pub(super) fn undo(&mut self, id: TxnId) -> Result<(), Fault> {
        let made = self.undone(id, false)?;
        self.write(made.changes);
        if let Some(saga) = self.sagas.get_mut(&id) {
            saga.undo.pop();
            saga.gives = made.gives;
        }
        Ok(())
    }

    /// What undoing the next step of a saga changes. `lasting`: as if no hold had ended yet.
    ///
    /// # Errors
    /// Why it cannot be undone.
    pub(super) fn undone(&self, id: TxnId, lasting: bool) -> Result<Made, Fault> {
        let nothing = || Fault::new(Class::Corrupt, "nothing_to_undo", "nothing is to be undone");
        let saga = self.sagas.get(&id).filter(|saga| saga.turned);
        let saga = saga.ok_or_else(nothing)?;
        let undo = saga.undo.last().ok_or_else(nothing)?;
        let mut copy = Row::new(self.rows.get(&undo.row).cloned());
        let ran = (id, undo.number, undo.op);
        let attempts = self.attempts.get(&ran).copied().unwrap_or_default();
        let call = Call {
            row: &undo.row,
            op: undo.op,
            args: &undo.args,
            context: self.context(&saga.txn, undo.number, undo.op, Some(attempts)),
        };
        guard(|| self.logic.run(&call, &mut copy))?;
        let mut made = Made {
            gives: saga.gives.clone(),
            ..Made::default()
        };
        self.note_gives(&undo.group, &mut copy, &mut made);
        if copy.is_changed() {
            made.changes.insert(undo.row.clone(), copy.into_value());
        }
        self.may_be_made(id, &made, lasting)?;
        Ok(made)
    }

    /// A saga ends: everything is done, or everything is undone. Gives its result, where it has one.
    ///
    /// # Errors
    /// What was left to do.
    pub(super) fn end(&mut self, submitted: &Txn) -> Result<Option<Result<Bytes, Fault>>, String> {
        let mut saga = self.saga(submitted);
        let id = saga.txn.id;
        self.sagas.remove(&id);
        self.take_back(std::mem::take(&mut saga.gives));
        self.holds.retain(|_, holders| {
            holders.remove(&id);
            !holders.is_empty()
        });
        match saga.turned {
            true if saga.undo.is_empty() => Ok(None),
            true => Err(format!("{} steps were not undone", saga.undo.len())),
            false if saga.txn.visit().is_none() && saga.txn.unplanned.is_empty() => {
                Ok(Some(self.result(&saga.txn)))
            }
            false => Err("it was on its way".to_owned()),
        }
    }

    /// A saga on its way, or at its beginning.
    fn saga(&self, submitted: &Txn) -> Saga {
        let known = self.sagas.get(&submitted.id).cloned();
        known.unwrap_or_else(|| Saga {
            txn: submitted.clone(),
            gives: Vec::new(),
            undo: Vec::new(),
            turned: false,
        })
    }

    // ---- visits

    /// Makes the steps of the next visit on copies; gives what they change and how that is undone.
    fn visit(&self, txn: &mut Txn, made: &mut Made, told: Option<&Fault>) -> Result<(), Fault> {
        let Some(group) = txn.visit().map(|visit| visit.group.clone()) else {
            let message = "there is no visit to make";
            return Err(Fault::new(Class::Corrupt, "no_visit", message));
        };
        let at = usize::from(txn.next);
        while let Some(step) = self.next_step(txn, at)? {
            let row = step.row(&group).cloned().unwrap_or_else(|| group.clone());
            let mut copy = Row::new(self.value(&row, &made.changes));
            let Args::Ready(args) = &step.args else {
                return Err(Fault::new(Class::Corrupt, "incomplete_step", "no payload"));
            };
            let call = Call {
                row: &row,
                op: step.op,
                args,
                context: self.context(txn, step.number, step.op, self.answered(txn.id)),
            };
            let name = || self.logic.concern_name(row.concern);
            let result = if step.op == claim::op::HOLD {
                self.hold(&row, args, &mut made.changes)?;
                Bytes::new()
            } else if let Some(done) = claim::run(step.op, args, &mut copy, name) {
                done?
            } else if let Some(compared) = expect::run(step.op, args, &copy, name) {
                compared?
            } else {
                guard(|| self.logic.run(&call, &mut copy))?
            };
            if let Some(op) = step.undo.or(step.claims_for.map(|_| step.op)) {
                made.undo.push(Undo {
                    row: row.clone(),
                    number: step.number,
                    op,
                    args: args.clone(),
                    group: group.clone(),
                    claims_for: step.claims_for,
                });
            }
            made.steps.push(step.number);
            self.note_gives(&group, &mut copy, made);
            if copy.is_changed() {
                made.changes.insert(row, copy.into_value());
            }
            txn.note_done(step.number);
            txn.keep(step.number, result);
        }
        let lasting = told.is_some_and(|fault| fault.code == "in_use");
        self.may_be_made(txn.id, made, lasting)
    }

    /// What a step has given back: a unique value of its own group goes at once.
    fn note_gives(&self, group: &RowKey, copy: &mut Row, made: &mut Made) {
        for give in copy.take_gives() {
            match &give.claim {
                Claim::Unique(owner) if give.group == *group => {
                    self.give_back(&give.row, owner, &mut made.changes);
                }
                _ => made.gives.push(give),
            }
        }
    }

    /// What another saga holds is not deleted. A hold lasts a little longer than its saga, until that is heard
    /// of; `lasting`: as if it were there still.
    fn may_be_made(&self, txn: TxnId, made: &Made, lasting: bool) -> Result<(), Fault> {
        let holds = match lasting {
            true => &self.held,
            false => &self.holds,
        };
        let mut deleted = made.changes.iter().filter(|(_, value)| value.is_none());
        let held = |row: &RowKey| {
            let holders = holds.get(row);
            holders.is_some_and(|holders| holders.iter().any(|holder| *holder != txn))
        };
        match deleted.clone().map(|(row, _)| row).find(|row| held(row)) {
            Some(row) => {
                let name = self.logic.concern_name(row.concern);
                let message = format!("a saga that is not through yet has changed this {name}");
                Err(Fault::refusal("in_use", message))
            }
            None => deleted.try_for_each(|(row, _)| self.check_unreferred(row, made)),
        }
    }

    /// The next step of the visit `at`. Where anything is late, the body is asked before every step.
    fn next_step(&self, txn: &mut Txn, at: usize) -> Result<Option<Step>, Fault> {
        if txn.late {
            let rest = guard(|| self.logic.resume(txn))?;
            plan::revise(txn, rest, self.logic);
        }
        let steps = &mut txn.visits[at].steps;
        Ok((!steps.is_empty()).then(|| steps.remove(0)))
    }

    fn result(&self, txn: &Txn) -> Result<Bytes, Fault> {
        Ok(match txn.answer {
            Answer::Empty => Bytes::new(),
            Answer::Step(number) => txn.result(number).cloned().unwrap_or_default(),
            Answer::Late => guard(|| self.logic.resume(txn))?.answer.unwrap_or_default(),
        })
    }

    fn write(&mut self, changes: Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl Undo {
    /// What a claim that no row has gives back.
    fn give_back(self) -> Option<GiveBack> {
        let claim = match self.op {
            claim::op::HOLD => Claim::Reference(Hold::from_wire(self.args).ok()?.referrer),
            _ => Claim::Unique(RowKey::from_wire(self.args).ok()?),
        };
        Some(GiveBack {
            group: self.group,
            row: self.row,
            claim,
        })
    }
}

/// Runs business logic; a panic is a refusal, as in the engine.
fn guard<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Fault::panicked("the handler", &*panic)))
        .map_err(Fault::cut)
}
