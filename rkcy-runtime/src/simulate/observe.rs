//! What callers were told, and what workers did: the checks that are made while a run goes on.

use super::faults::Fault;
use super::history::Heard;
use super::keys::bare;
use super::rules::{Measures, Rules};
use super::words::Words;
use super::workload::{Call, agree};
use crate::codegen::op;
use bytes::Bytes;
use rkcy_core::frame::Reply;
use rkcy_core::id::{ConcernId, PartitionId, Position, TxnId};
use rkcy_core::key::Key;
use rkcy_core::keyed::is_of_keys;
use rkcy_core::partition::SagaEvent;
use rkcy_core::state::State;
use rkcy_core::txn::{Outcome, ReplyTo, Step, Txn};
use rkcy_core::worker::SagaStep;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// Something that must find its place in the serial order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A transaction reached its commit point, or a read was answered.
    Committed(TxnId, Option<Bytes>),
    /// A transaction was refused: by the logic, which must do so alone as well, or by the engine.
    Refused(TxnId, rkcy_core::fault::Fault, bool),
    /// What a saga has done on its way.
    Saga(TxnId, SagaEvent),
    /// It is decided; how, is told when all is taken back that it gives back.
    Decided(TxnId),
}

/// What somebody asks for that is no transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    /// The end of a transaction.
    Cancel,
    /// That a parked saga goes on.
    Resume {
        attempt: u32,
        /// No such attempt was ever parked.
        wrong: bool,
    },
}

/// One submission and what its caller was told.
#[derive(Debug)]
struct Submission {
    txn: Txn,
    /// What an application has come to, whether anybody has heard of it or not.
    decided: Option<Outcome>,
    /// Where it was decided: at this position, or at one shortly before it.
    decided_at: Option<(PartitionId, Position)>,
    /// It did not run: it was answered with what came of another with the same key, or that the key is taken.
    by_key: bool,
    told: Option<Outcome>,
    /// When it was submitted first, and when its caller heard an outcome that stands, and which: counted.
    asked: u64,
    heard: Option<(u64, Outcome)>,
}

/// What a worker has just applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied {
    pub(super) partition: PartitionId,
    pub(super) serial: u64,
    pub(super) build: u64,
    pub(super) at: Position,
    pub(super) digest: u64,
}

/// Watches a run.
pub(super) struct Observer {
    pub(super) step: u64,
    trace: bool,
    pub(super) words: Words,
    lines: Vec<String>,
    submissions: BTreeMap<TxnId, Submission>,
    order: Vec<TxnId>,
    /// How often anybody has asked for or heard anything: what came first in real time.
    moments: u64,
    /// Digest and build of each application.
    digests: BTreeMap<(PartitionId, Position), (u64, u64)>,
    /// Reads that were answered, each time they were asked for.
    read: BTreeSet<(TxnId, ReplyTo)>,
    /// The last application whose outcome a caller has heard, on an atomic log.
    heard: BTreeMap<PartitionId, Position>,
    atomic: bool,
    pub(super) rules: Rules,
    /// What was asked beside transactions.
    pub(super) controls: BTreeMap<ReplyTo, Control>,
    /// Who has let an attempt of a saga go on.
    resumed: BTreeMap<(TxnId, u32), ReplyTo>,
    /// How far it is known what sagas have done.
    sagas: BTreeMap<PartitionId, Position>,
    /// Instances that callers know to be there since the last time they were asked for.
    created: Vec<(ConcernId, Key)>,
    pub(super) events: Vec<Event>,
    /// Where those stand that are decided and give something back.
    giving: BTreeMap<TxnId, usize>,
    /// How many events there were when it was told.
    pub(super) told_at: BTreeMap<TxnId, usize>,
    pub(super) counts: BTreeMap<Cow<'static, str>, u64>,
    /// Processes that have ended while they tried an envelope, whatever ended them.
    pub(super) ends: BTreeMap<(PartitionId, Position), u32>,
    /// Sagas of which an undo was given up.
    pub(super) given_up: BTreeSet<TxnId>,
    faults: u64,
    pub(super) checks: u64,
    /// Percent of the rounds allowed that it took to come to rest.
    pub(super) rounds: u64,
}

impl Observer {
    pub(super) fn new(trace: bool, words: Words, atomic: bool, rules: Rules) -> Observer {
        Observer {
            step: 0,
            trace,
            words,
            lines: Vec::new(),
            submissions: BTreeMap::new(),
            order: Vec::new(),
            moments: 0,
            digests: BTreeMap::new(),
            read: BTreeSet::new(),
            heard: BTreeMap::new(),
            atomic,
            rules,
            controls: BTreeMap::new(),
            resumed: BTreeMap::new(),
            sagas: BTreeMap::new(),
            created: Vec::new(),
            events: Vec::new(),
            giving: BTreeMap::new(),
            told_at: BTreeMap::new(),
            counts: BTreeMap::new(),
            ends: BTreeMap::new(),
            given_up: BTreeSet::new(),
            faults: 0,
            checks: 0,
            rounds: 0,
        }
    }

    /// Adds a line to the trace, where there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace {
            self.lines.push(format!("{:>6}  {}", self.step, line()));
        }
    }

    pub(super) fn count(&mut self, what: impl Into<Cow<'static, str>>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults += 1;
        self.count(fault.name());
        self.note(|| format!("FAULT {}", fault.name()));
    }

    /// A process has ended while it tried this envelope, or will seem to have.
    pub(super) fn ends_at(&mut self, partition: PartitionId, at: Position) {
        *self.ends.entry((partition, at)).or_default() += 1;
    }

    /// How often careful workers have said something, and processes were ended by handlers.
    pub(super) fn said(&self) -> (usize, usize) {
        let count = |what| self.counts.get(what).copied().unwrap_or(0) as usize;
        (count("said with care"), count("ended by a handler"))
    }

    /// Faults injected so far.
    pub(super) fn faults(&self) -> u64 {
        self.faults
    }

    /// Transactions submitted.
    pub(super) fn transactions(&self) -> u64 {
        self.order.len() as u64
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub(super) fn submitted(&mut self, txn: &Txn) {
        let words = self.words;
        self.note(|| format!("caller submits {}, {}", txn.id, words.txn(txn)));
        self.order.push(txn.id);
        self.moments += 1;
        self.submissions.insert(
            txn.id,
            Submission {
                txn: txn.clone(),
                decided: None,
                decided_at: None,
                by_key: false,
                told: None,
                asked: self.moments,
                heard: None,
            },
        );
    }

    /// A submission made before: any, or one of the last few.
    pub(super) fn submission(&self, choice: u64, recent: bool) -> Option<Txn> {
        let count = self.order.len();
        let among = if recent { count.min(5) } else { count };
        let back = usize::try_from(choice % among.max(1) as u64).ok()?;
        self.submissions
            .get(self.order.get(count.checked_sub(back + 1)?)?)
            .map(|one| one.txn.clone())
    }

    /// What callers asked for and heard, in the order of asking; nothing is left of it here.
    pub(super) fn take_calls(&mut self) -> Vec<Call> {
        let mut submissions = std::mem::take(&mut self.submissions);
        // Who was answered by a key has asked for nothing more than the first.
        let of = |id| (submissions.remove(id)).filter(|one: &Submission| !one.by_key);
        let call = |submission: Submission| {
            let (heard, result) = match submission.heard {
                Some((at, Outcome::Committed(result))) => (Heard::Committed { at }, result),
                Some((_, Outcome::Refused(_))) => (Heard::Refused, None),
                _ => (Heard::Nothing, None),
            };
            Call {
                txn: bare(&submission.txn),
                asked: submission.asked,
                heard,
                result,
            }
        };
        self.order.iter().filter_map(of).map(call).collect()
    }

    /// Instances whose creation was answered since the last call.
    pub(super) fn take_created(&mut self) -> Vec<(ConcernId, Key)> {
        std::mem::take(&mut self.created)
    }

    /// The transaction with this id, as it was submitted.
    pub(super) fn txn(&self, id: TxnId) -> Option<&Txn> {
        self.submissions.get(&id).map(|submission| &submission.txn)
    }

    /// Submissions whose callers still wait.
    pub(super) fn unanswered(&self) -> Vec<Txn> {
        let waiting = self.submissions.values().filter(|one| one.told.is_none());
        waiting.map(|one| one.txn.clone()).collect()
    }

    /// Every application of one envelope must do the same, and be made by one build. On an atomic log
    /// nothing is applied again that anybody has heard of.
    pub(super) fn applied(&mut self, applied: &Applied) -> Result<(), Violation> {
        self.checks += 1;
        let &Applied {
            partition,
            serial,
            build,
            at,
            digest,
        } = applied;
        let known = self.digests.insert((partition, at), (digest, build));
        let words = self.words;
        self.note(|| {
            let partition = words.partition(partition);
            let again = if known.is_some() { " again" } else { "" };
            format!("worker {serial} of {partition} applies {at}{again}")
        });
        if self.heard.get(&partition).is_some_and(|heard| at <= *heard) {
            return Err(Violation(format!(
                "{partition} position {at} is applied again, and callers have heard what came of it"
            )));
        }
        match known {
            Some((known, _)) if known != digest => Err(Violation(format!(
                "two workers did different things at {partition} position {at}: \
                 an application is not a function of the log"
            ))),
            Some((_, known)) if known != build && !self.atomic => Err(Violation(format!(
                "{partition} position {at} is applied by two builds, which may do different things"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether anybody has applied the envelope, and may have told of it. Of several that are applied at once only the last
    /// is known.
    pub(super) fn was_applied(&self, partition: PartitionId, at: Position) -> bool {
        let mut since = self.digests.range((partition, at)..);
        since.next().is_some_and(|((of, _), _)| *of == partition)
    }

    /// An application has decided this: the first time, it gets its place in the serial order.
    pub(super) fn decided(
        &mut self,
        reply: &Reply,
        from: (PartitionId, &Measures, &State),
    ) -> Result<(), Violation> {
        self.checks += 1;
        match (self.controls.get(&reply.to), &reply.outcome) {
            (Some(Control::Resume { attempt, wrong }), _) => {
                return self.resumed(reply, *attempt, *wrong);
            }
            // What is not known, or not any more, is not cancelled.
            (Some(Control::Cancel), Outcome::NotTaken(_)) => return Ok(()),
            _ => {}
        }
        let by_key = self.is_by_key(reply, from.0)?;
        let Some(submission) = self.submissions.get_mut(&reply.txn) else {
            return Err(Violation(format!(
                "an answer to {}, which nobody submitted",
                reply.txn
            )));
        };
        let remembered = submission.txn.is_remembered();
        let known = &submission.decided;
        if remembered
            && let Some(known) = known
            && !agree(known, &reply.outcome)
        {
            return Err(Violation(format!(
                "{} was told two things: {} and {}",
                reply.txn,
                self.words.outcome(Some(&submission.txn), known),
                self.words.outcome(Some(&submission.txn), &reply.outcome)
            )));
        }
        // The first answer of a transaction is given at its commit point; later ones repeat it. A read
        // is answered anew each time it is asked.
        let fresh = match remembered {
            true => known.is_none(),
            false => !self.read.contains(&(reply.txn, reply.to)),
        };
        let taken = !matches!(reply.outcome, Outcome::NotTaken(_) | Outcome::Parked(_));
        if taken && (known.is_none() || !remembered) {
            submission.decided = Some(reply.outcome.clone());
            let (partition, before, state) = from;
            let at = self.rules.decided_at(before, state);
            submission.decided_at.get_or_insert((partition, at));
        }
        if by_key && !matches!(reply.outcome, Outcome::NotTaken(_)) {
            submission.by_key = true;
            self.count("answered by a key");
            return Ok(());
        }
        match &reply.outcome {
            Outcome::NotTaken(_) if by_key => {}
            Outcome::NotTaken(fault) => {
                self.rules.justify(&submission.txn, fault, false, from)?;
            }
            Outcome::Refused(fault) if fresh => {
                let logical = !self.rules.justify(&submission.txn, fault, true, from)?;
                self.place(Event::Refused(reply.txn, fault.clone(), logical), reply.txn);
            }
            Outcome::Committed(result) if fresh => {
                self.place(Event::Committed(reply.txn, result.clone()), reply.txn);
            }
            _ => {}
        }
        if taken && !remembered {
            self.read.insert((reply.txn, reply.to));
        }
        Ok(())
    }

    /// Whether an answer is given because of what came of another with the same key, for the first time.
    fn is_by_key(&self, reply: &Reply, from: PartitionId) -> Result<bool, Violation> {
        let Some(asked) = self.submissions.get(&reply.txn) else {
            return Ok(false);
        };
        let Some(keyed) = asked.txn.keyed().filter(|_| is_of_keys(from)) else {
            return Ok(false);
        };
        if asked.decided.is_some() {
            return Ok(false);
        }
        let others = self.submissions.values().filter(|other| {
            let of_other = other.txn.keyed();
            other.txn.id != reply.txn && of_other.is_some_and(|it| it.key == keyed.key)
        });
        let same = |other: &&Submission| other.txn.keyed().is_some_and(|it| it.body == keyed.body);
        let ran = |other: &&Submission| !other.by_key && other.decided.is_some();
        let found = match &reply.outcome {
            Outcome::Refused(fault) if fault.code == "key_reused" => {
                others.clone().any(|other| !same(&other))
            }
            outcome => others.clone().filter(same).filter(ran).any(|other| {
                let known = other.decided.as_ref();
                match outcome {
                    // The first was refused by the platform: nothing was done.
                    Outcome::NotTaken(fault) => known.and_then(Outcome::fault) == Some(fault),
                    outcome => known.is_some_and(|known| agree(known, outcome)),
                }
            }),
        };
        match &reply.outcome {
            _ if found => Ok(true),
            Outcome::Committed(_) => Err(Violation(format!(
                "{} was told that it is committed, and nothing like it ever ran with its key",
                reply.txn
            ))),
            _ => Ok(false),
        }
    }

    /// An event gets its place in the serial order: where it was decided.
    fn place(&mut self, event: Event, id: TxnId) {
        self.told_at.insert(id, self.events.len());
        match self.giving.remove(&id) {
            Some(place) => self.events[place] = event,
            None => self.events.push(event),
        }
    }

    /// A saga has done this: the first time that the position is applied, it gets its place in the serial
    /// order.
    pub(super) fn saga(
        &mut self,
        partition: PartitionId,
        step: &SagaStep,
        seen: Position,
        state: &State,
    ) {
        let parked = state.parked.get(&step.txn);
        if parked.is_some_and(|parked| parked.fault.code == "handler_died") {
            self.given_up.insert(step.txn);
        }
        if step.at > seen {
            self.note(|| format!("  saga {}: {:?}", step.txn, step.event));
            self.count(match step.event {
                SagaEvent::Took => "saga: visits",
                SagaEvent::Turned => "saga: turned",
                SagaEvent::Undid => "saga: undone",
                SagaEvent::Parked => "saga: parked",
                SagaEvent::Decided => "gives back",
            });
            if step.event == SagaEvent::Decided {
                self.giving.insert(step.txn, self.events.len());
                self.events.push(Event::Decided(step.txn));
            } else {
                self.events.push(Event::Saga(step.txn, step.event));
            }
            self.sagas.insert(partition, step.at);
        }
    }

    /// How far it was known what sagas have done.
    pub(super) fn sagas_seen(&self, partition: PartitionId) -> Position {
        self.sagas.get(&partition).copied().unwrap_or_default()
    }

    /// An operator is answered: an attempt goes on once, a wrong one never.
    fn resumed(&mut self, reply: &Reply, attempt: u32, wrong: bool) -> Result<(), Violation> {
        let is_told = |code: &str| match &reply.outcome {
            Outcome::Refused(fault) => fault.code == code,
            _ => false,
        };
        if wrong && !is_told("not_parked") {
            let message = "an attempt to resume it that names none was taken";
            return Err(Violation(format!("{}: {message}", reply.txn)));
        }
        if matches!(reply.outcome, Outcome::Committed(_)) {
            let first = self.resumed.entry((reply.txn, attempt));
            if *first.or_insert(reply.to) != reply.to {
                let message = format!("attempt {attempt} was resumed twice");
                return Err(Violation(format!("{}: {message}", reply.txn)));
            }
        }
        Ok(())
    }

    /// A caller hears it.
    pub(super) fn told(&mut self, partition: PartitionId, reply: Reply) {
        if self.trace {
            let txn = self.submissions.get(&reply.txn).map(|one| &one.txn);
            let told = self.words.outcome(txn, &reply.outcome);
            self.note(|| format!("  answer to {}: {told}", reply.txn));
        }
        if self.controls.contains_key(&reply.to) {
            return;
        }
        match &reply.outcome {
            Outcome::Committed(_) => self.count("committed"),
            Outcome::Refused(fault) => self.count(format!("refused: {}", fault.code)),
            Outcome::NotTaken(fault) => self.count(format!("not taken: {}", fault.code)),
            Outcome::Parked(_) => self.count("parked"),
        }
        self.moments += 1;
        let Some(submission) = self.submissions.get_mut(&reply.txn) else {
            return;
        };
        let taken = !matches!(reply.outcome, Outcome::NotTaken(_) | Outcome::Parked(_));
        // A read may be answered twice, what is remembered may be repeated, and what was not taken has left nothing.
        if let Some((decided, at)) = submission.decided_at
            && !matches!(reply.outcome, Outcome::NotTaken(_))
            && self.atomic
            && decided == partition
            && submission.txn.is_remembered()
        {
            let heard = self.heard.entry(partition).or_insert(at);
            *heard = at.max(*heard);
        }
        if submission.told.is_none() && matches!(reply.outcome, Outcome::Committed(_)) {
            self.created.extend(created(&submission.txn));
        }
        if taken && submission.heard.is_none() {
            submission.heard = Some((self.moments, reply.outcome.clone()));
        }
        if taken || submission.told.is_none() {
            submission.told = Some(reply.outcome);
        }
    }

    /// Every caller must have been answered.
    pub(super) fn check_answered(&self) -> Result<(), Violation> {
        match self
            .submissions
            .values()
            .find(|submission| submission.told.is_none())
        {
            None => Ok(()),
            Some(submission) => Err(Violation(format!(
                "{} was never answered",
                submission.txn.id
            ))),
        }
    }

    /// A number that is the same for the same run.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut text = Vec::new();
        for ((partition, at), (digest, _)) in &self.digests {
            text.extend_from_slice(format!("{partition} {at} {digest} ").as_bytes());
        }
        u64::from(crc32c::crc32c(&text))
    }
}

/// The instances that a transaction makes, as far as their keys are known.
pub(super) fn created(txn: &Txn) -> impl Iterator<Item = (ConcernId, Key)> {
    txn.visits.iter().flat_map(|visit| {
        let makes = |step: &&Step| matches!(step.op, op::CREATE | op::ENSURE);
        let rows = visit.steps.iter().filter(makes);
        let rows = rows.filter_map(|step| step.row(&visit.group));
        rows.map(|row| (row.concern, row.key.clone()))
    })
}
