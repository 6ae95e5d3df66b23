//! From callers to the log.
//!
//! Owns the typed client, and the thread that puts what callers submit into frames: whatever waits for
//! one partition goes into one record.

use super::answers::{Answers, unknown};
use crate::codegen::{
    self, Bytes, Concern, Expected, Fault, IdempotencyKey, Origin, Patch, Transaction, TxnId,
    check, decode, encode,
};
use crate::log::{Log, LogError, StreamId, wall_clock};
use crossbeam_channel::{Receiver, Sender};
use rkcy_core::fault::Class;
use rkcy_core::frame::{Body, Envelope, Frame, Kind, Reply};
use rkcy_core::id::PartitionId;
use rkcy_core::key::RowKey;
use rkcy_core::logic::Logic;
use rkcy_core::status::{Ask, Status};
use rkcy_core::txn::{Access, Answer, Outcome, ReplyTo, Txn};
use rkcy_core::wire::Wire;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// Transactions that one process may have under way; beyond, callers hear `too_many_in_flight`.
const IN_FLIGHT: usize = 100_000;
/// Bytes of them, encoded; beyond, the same.
const IN_FLIGHT_BYTES: usize = 256 << 20;
/// What a transaction under way takes beside its body. Bytes.
const PLACE_COST: usize = 256;

/// A submission on its way to a frame.
pub(crate) struct Submission {
    to: PartitionId,
    envelope: Envelope,
    /// Its place among those under way, until the log has it.
    place: Arc<Place>,
    /// Hears when the log has it, or that it has not.
    taken: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// Calls transactions and operations of a running platform. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    logic: Arc<dyn Logic>,
    answers: Arc<Answers>,
    submissions: Sender<Option<Submission>>,
    in_flight: Arc<InFlight>,
    partitions: Arc<[PartitionId]>,
    key: Option<Arc<IdempotencyKey>>,
    expected: Option<Arc<Expected>>,
    caller: Bytes,
}

/// What was committed has a result that nobody remembers.
pub(crate) fn forgotten() -> Fault {
    Fault::new(
        Class::Unavailable,
        "result_forgotten",
        "it is committed; its result was too long to remember: read it",
    )
}

/// The id of a question that is about no transaction in particular.
pub(super) const NOBODY: TxnId = TxnId([0; 16]);

impl Submission {
    /// The same once more; nobody waits for the log.
    pub(crate) fn again(&self) -> Submission {
        Submission {
            to: self.to,
            envelope: self.envelope.clone(),
            place: Arc::clone(&self.place),
            taken: None,
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(
        logic: Arc<dyn Logic>,
        answers: Arc<Answers>,
        submissions: Sender<Option<Submission>>,
        partitions: &[PartitionId],
    ) -> Client {
        Client {
            partitions: partitions.into(),
            logic,
            answers,
            submissions,
            in_flight: Arc::default(),
            key: None,
            expected: None,
            caller: Bytes::new(),
        }
    }

    /// The same for one request, which is made with a key: however often it is repeated with that, under whatever
    /// ids, it runs once, and everybody hears what came of it. Something else with the key is refused,
    /// `key_reused`. A key is remembered for a day after the first has ended, unless told otherwise; one whose
    /// transaction the platform itself refused, so that nothing was done, is not.
    ///
    /// A result of more than 256 bytes is not remembered: who repeats then hears `result_forgotten`. What reads
    /// a single instance, such as [`Client::get`], takes no key.
    #[must_use]
    pub fn with_key(&self, key: IdempotencyKey) -> Client {
        Client {
            key: Some(Arc::new(key)),
            ..self.clone()
        }
    }

    /// The same for one operation on one instance, which is made only where the instance is as expected: compared under
    /// the lock under which it is changed, so nobody comes between. Else it is refused, `precondition_failed`. The tag of
    /// an instance that was read is `Tag::of(&encode(&instance))`; one that was changed and changed back has the same.
    /// What only reads, and a transaction, expect nothing.
    #[must_use]
    pub fn expecting(&self, expected: Expected) -> Client {
        Client {
            expected: Some(Arc::new(expected)),
            ..self.clone()
        }
    }

    /// The same on behalf of a caller, the encoded `caller` message of the schema: whoever takes this has verified who
    /// that is.
    #[must_use]
    pub fn called_by(&self, caller: Bytes) -> Client {
        Client {
            caller,
            ..self.clone()
        }
    }

    /// On whose behalf it asks: the encoded `caller` message, or empty.
    pub(crate) fn caller(&self) -> &Bytes {
        &self.caller
    }

    /// A client of no platform: it plans, and whatever it submits is not taken.
    pub(crate) fn detached(logic: Arc<dyn Logic>) -> Client {
        let (submissions, _) = crossbeam_channel::bounded(0);
        Client::new(logic, Arc::new(Answers::new(None)), submissions, &[])
    }

    /// No client submits any more: what was submitted until now goes to the log, and its thread ends.
    pub(crate) fn close(&self) {
        // Where the thread has ended, there is nothing to close.
        let _ = self.submissions.send(None);
    }

    /// A new transaction id, with the stamp of now.
    #[must_use]
    pub fn new_id() -> TxnId {
        TxnId::from_parts(wall_clock(), uuid::Uuid::new_v4().as_u128())
    }

    /// Submits a transaction and waits for its result.
    ///
    /// # Errors
    /// Its refusal, an invalid parameter, a bound, or [`Class::Unavailable`] where the outcome is unknown.
    pub async fn call<T: Transaction>(&self, params: &T) -> Result<T::Output, Fault> {
        self.call_as(Client::new_id(), params).await
    }

    /// The same with an id of the caller's: submitted twice, it runs once.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_as<T: Transaction>(&self, id: TxnId, params: &T) -> Result<T::Output, Fault> {
        decode(&self.submit(self.plan(id, params)?).await?)
    }

    /// A transaction with its first visits planned, ready to submit.
    ///
    /// # Errors
    /// An invalid parameter, or a `require` that fails.
    pub fn plan<T: Transaction>(&self, id: TxnId, params: &T) -> Result<Txn, Fault> {
        codegen::transaction(params, self.origin(id, &self.caller))
    }

    /// Reads an instance; waits for transactions that hold it.
    ///
    /// # Errors
    /// `not_found`, or as [`Client::call`].
    pub async fn get<C: Concern>(&self, key: &C::Key) -> Result<C, Fault> {
        let get = codegen::op::GET;
        decode(
            &self
                .operate::<C>(key, get, Access::Shared, Bytes::new())
                .await?,
        )
    }

    /// Makes a new instance.
    ///
    /// # Errors
    /// `already_exists`, a constraint, or as [`Client::call`].
    pub async fn create<C: Concern>(&self, instance: &C) -> Result<C, Fault> {
        check(instance)?;
        let (key, create) = (instance.key(), codegen::op::CREATE);
        decode(
            &self
                .operate::<C>(&key, create, Access::Exclusive, encode(instance))
                .await?,
        )
    }

    /// Changes what the patch holds; gives the instance after it.
    ///
    /// # Errors
    /// `not_found`, a constraint, or as [`Client::call`].
    pub async fn update<C: Concern>(
        &self,
        key: &C::Key,
        patch: &impl Patch<C>,
    ) -> Result<C, Fault> {
        check(patch)?;
        let update = codegen::op::UPDATE;
        decode(
            &self
                .operate::<C>(key, update, Access::Exclusive, encode(patch))
                .await?,
        )
    }

    /// Removes an instance.
    ///
    /// # Errors
    /// `not_found`, or as [`Client::call`].
    pub async fn delete<C: Concern>(&self, key: &C::Key) -> Result<(), Fault> {
        let delete = codegen::op::DELETE;
        let done = self.operate::<C>(key, delete, Access::Delete, Bytes::new());
        done.await.map(drop)
    }

    /// One operation on one instance.
    async fn operate<C: Concern>(
        &self,
        key: &C::Key,
        op: u16,
        access: Access,
        args: Bytes,
    ) -> Result<Bytes, Fault> {
        let (group, row) = C::group_and_row(key);
        let txn = self.single(Client::new_id(), group, row, op, access, args)?;
        self.submit(txn).await
    }

    /// What a transaction of this platform is told beside its parameters; `caller` is the encoded message
    /// that says who calls, or empty.
    #[must_use]
    pub fn origin<'a>(&'a self, id: TxnId, caller: &'a Bytes) -> Origin<'a> {
        Origin {
            id,
            schema: self.logic.schema(),
            caller,
            logic: &*self.logic,
            key: self.key.as_deref(),
            expected: self.expected.as_deref(),
        }
    }

    /// A single operation on `row`, which is in `group`, ready to submit. One that changes something runs
    /// once, however often it is submitted with this id.
    ///
    /// # Errors
    /// Where it cannot be planned.
    pub fn single(
        &self,
        id: TxnId,
        group: RowKey,
        row: RowKey,
        op: u16,
        access: Access,
        args: Bytes,
    ) -> Result<Txn, Fault> {
        codegen::single(self.origin(id, &self.caller), group, row, op, access, args)
    }

    pub(crate) fn all_partitions(&self) -> Vec<PartitionId> {
        self.partitions.to_vec()
    }

    /// Asks every partition where transactions are.
    ///
    /// # Errors
    /// Where one of them does not answer.
    pub async fn ask(&self, ask: Ask) -> Result<Vec<(PartitionId, Status)>, Fault> {
        let about = match ask {
            Ask::One(id) => id,
            Ask::Running(_) | Ask::Parked(_) | Ask::InFlight => NOBODY,
        };
        let mut all = Vec::new();
        for (partition, told) in self.request(Kind::Ask, about, &Body::Ask(ask)).await {
            let told = Vec::<Status>::from_wire(told.into_result()?.unwrap_or_default())?;
            all.extend(told.into_iter().map(|status| (partition, status)));
        }
        Ok(all)
    }

    /// Wants a transaction to end, and waits for how it does: refused as `cancelled`, or as it would have
    /// ended anyway, where it had come too far.
    pub async fn cancel(&self, id: TxnId) -> Outcome {
        let told = self.request(Kind::Cancel, id, &Body::Cancel).await;
        let mut outcomes = told.into_iter().map(|(_, outcome)| outcome);
        // Only the partition where it began knows of it.
        let knows = |outcome: &Outcome| !matches!(outcome, Outcome::NotTaken(fault) if fault.code == "unknown_id");
        outcomes.find(knows).unwrap_or_else(|| {
            let message = "no transaction with this id is known: it never was, or ended long ago";
            Outcome::NotTaken(Fault::new(Class::Bound, "unknown_id", message))
        })
    }

    /// Lets a parked saga go on, once: `attempt` is the number that [`Fact::Parked`] tells.
    ///
    /// [`Fact::Parked`]: rkcy_core::status::Fact::Parked
    ///
    /// # Errors
    /// `not_parked`, where no partition has parked this attempt of it.
    pub async fn resume(&self, id: TxnId, attempt: u32) -> Result<(), Fault> {
        let told = self.request(Kind::Resume, id, &Body::Resume(attempt)).await;
        let mut refused = Fault::refusal("not_parked", "this saga is not parked");
        for (_, outcome) in told {
            match outcome.into_result() {
                Ok(_) => return Ok(()),
                Err(fault) => refused = fault,
            }
        }
        Err(refused)
    }

    /// Sends one request to every partition, and waits for all answers.
    pub(super) async fn request(
        &self,
        kind: Kind,
        about: TxnId,
        body: &Body,
    ) -> Vec<(PartitionId, Outcome)> {
        let mut waiting = Vec::new();
        for to in self.partitions.iter().copied() {
            let (reply, answer) = self.answers.expect(about);
            let held = Waiting {
                answers: &self.answers,
                reply,
            };
            let envelope = Envelope::request(kind, about, reply, body);
            let place = self.in_flight.take(envelope.body.len());
            let taken = place.and_then(|place| {
                let submission = Submission {
                    to,
                    envelope,
                    taken: None,
                    place: Arc::new(place),
                };
                self.answers.keep(reply, &submission);
                let sent = !self.answers.is_closed();
                let sent = sent && self.submissions.send(Some(submission)).is_ok();
                sent.then_some(answer).ok_or_else(stopped)
            });
            waiting.push((to, taken, held));
        }
        let mut told = Vec::new();
        for (from, answer, _held) in waiting {
            let outcome = match answer {
                Ok(answer) => answer.await.map_err(|_| stopped()),
                Err(fault) => Err(fault),
            };
            told.push((from, outcome.unwrap_or_else(Outcome::NotTaken)));
        }
        told
    }

    /// Submits a planned transaction and waits until the log has it, not for how it ends.
    ///
    /// # Errors
    /// Where the log has not taken it, or nobody knows.
    pub async fn enqueue(&self, mut txn: Txn) -> Result<(), Fault> {
        let Some(to) = txn.home() else {
            return match nothing_to_do(&*self.logic, &txn) {
                Outcome::Refused(fault) => Err(fault),
                _ => Ok(()),
            };
        };
        let (taken, answer) = oneshot::channel();
        // A number that nobody waits for.
        txn.reply = self.answers.expect(txn.id).0;
        self.answers.forget(txn.reply);
        if self.answers.is_closed() {
            return Err(stopped());
        }
        let envelope = Envelope::submit(txn);
        let place = self.in_flight.take(envelope.body.len())?;
        let submission = Submission {
            to,
            envelope,
            place: Arc::new(place),
            taken: Some(taken),
        };
        self.submissions
            .send(Some(submission))
            .map_err(|_| stopped())?;
        answer
            .await
            .unwrap_or_else(|_| Err(unknown("the platform has stopped")))
    }

    /// Submits a planned transaction and waits for its encoded result.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn submit(&self, txn: Txn) -> Result<Bytes, Fault> {
        self.outcome(txn).await.into_result()?.ok_or_else(forgotten)
    }

    /// Submits a planned transaction and waits for how it ends.
    pub async fn outcome(&self, mut txn: Txn) -> Outcome {
        let Some(to) = txn.home() else {
            return nothing_to_do(&*self.logic, &txn);
        };
        let (reply, answer) = self.answers.expect(txn.id);
        txn.reply = reply;
        // Forgets the number where this future is dropped before the answer.
        let _waiting = Waiting {
            answers: &self.answers,
            reply,
        };
        if self.answers.is_closed() {
            return Outcome::NotTaken(stopped());
        }
        let envelope = Envelope::submit(txn);
        // Given back when the answer is there *and* the log has the bytes: who stops waiting has not
        // freed them.
        let place = match self.in_flight.take(envelope.body.len()) {
            Ok(place) => Arc::new(place),
            Err(fault) => return Outcome::NotTaken(fault),
        };
        let submission = Submission {
            to,
            envelope,
            place: Arc::clone(&place),
            taken: None,
        };
        self.answers.keep(reply, &submission);
        if self.submissions.send(Some(submission)).is_err() {
            return Outcome::NotTaken(stopped());
        }
        let outcome = answer.await;
        drop(place);
        outcome.unwrap_or_else(|_| Outcome::NotTaken(unknown("the platform has stopped")))
    }
}

/// The end of a transaction whose parameters ask for no step, such as a loop over an empty list: it is
/// committed, and nothing is in the log.
pub(crate) fn nothing_to_do(logic: &dyn Logic, txn: &Txn) -> Outcome {
    let result = match txn.answer {
        Answer::Empty => Ok(Some(Bytes::new())),
        Answer::Step(_) | Answer::Late => logic.resume(txn).map(|rest| rest.answer),
    };
    match result {
        Ok(Some(result)) => Outcome::Committed(Some(result)),
        Ok(None) => Outcome::Refused(no_steps()),
        Err(fault) => Outcome::Refused(fault),
    }
}

fn no_steps() -> Fault {
    Fault::new(Class::Invalid, "no_steps", "there is nothing to do")
}

fn stopped() -> Fault {
    let message = "the platform has stopped: nothing was submitted";
    Fault::new(Class::Unavailable, "stopped", message)
}

/// The transactions under way.
#[derive(Default)]
struct InFlight {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

impl InFlight {
    /// A place for a transaction with a body of so many bytes.
    ///
    /// # Errors
    /// `too_many_in_flight`.
    fn take(self: &Arc<InFlight>, body: usize) -> Result<Place, Fault> {
        let bytes = body + PLACE_COST;
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let place = Place {
            of: Arc::clone(self),
            bytes,
        };
        // One that is larger than the bound is for the log to refuse.
        if count < IN_FLIGHT && (before == 0 || before + bytes <= IN_FLIGHT_BYTES) {
            return Ok(place);
        }
        let message = format!(
            "{count} transactions of this process, {before} bytes, are under way: try again"
        );
        Err(Fault::new(Class::Bound, "too_many_in_flight", message))
    }
}

/// A place among the transactions under way; given back when the last owner drops it.
struct Place {
    of: Arc<InFlight>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.count.fetch_sub(1, Ordering::Relaxed);
        self.of.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Waiting<'a> {
    answers: &'a Answers,
    reply: ReplyTo,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answers.forget(self.reply);
    }
}

/// Most submissions that are looked at before what there is goes to the log.
const BATCH: usize = 4_096;

/// Hears that the log takes nothing more.
pub(crate) type Failed = Arc<dyn Fn(LogError) + Send + Sync>;

/// The thread between callers and the log; ends when no client is left, or one has closed it.
pub(crate) fn run(
    submissions: &Receiver<Option<Submission>>,
    log: &dyn Log,
    answers: &Arc<Answers>,
    record_bytes: usize,
    failed: &Failed,
) {
    let mut closed = false;
    while !closed && let Ok(first) = submissions.recv() {
        let mut by_partition: BTreeMap<PartitionId, Vec<Submission>> = BTreeMap::new();
        let mut taken = Some(first);
        for _ in 0..BATCH {
            let Some(Some(submission)) = taken else { break };
            sort(submission, &mut by_partition, log, failed);
            taken = submissions.try_recv().ok();
        }
        // The loop may end with one in hand.
        match taken {
            Some(Some(submission)) => sort(submission, &mut by_partition, log, failed),
            Some(None) => closed = true,
            None => {}
        }
        for (partition, submissions) in by_partition {
            for part in split(&submissions, record_bytes) {
                append(log, answers, partition, part, failed);
            }
        }
    }
}

/// What a submitter hears whose record the log has not acknowledged. Unless it was only too large, the
/// platform ends: its workers may never append anything themselves, and would not notice.
fn not_taken(error: LogError, failed: &Failed) -> Fault {
    if matches!(error, LogError::TooLarge { .. }) {
        return Fault::new(Class::Bound, "transaction_too_large", error.to_string());
    }
    let fault = unknown(&error.to_string());
    failed(error);
    fault
}

/// Puts a submission to those of its partition; one whose submitter waits for the log goes there alone.
fn sort(
    submission: Submission,
    by_partition: &mut BTreeMap<PartitionId, Vec<Submission>>,
    log: &dyn Log,
    failed: &Failed,
) {
    let to = submission.to;
    let Some(taken) = submission.taken else {
        by_partition.entry(to).or_default().push(submission);
        return;
    };
    let frame = Frame::encode(None, std::iter::once(&submission.envelope));
    let place = submission.place;
    let failed = Arc::clone(failed);
    let done = move |result: Result<Vec<u64>, LogError>| {
        drop(place);
        let result = result.map(drop).map_err(|error| not_taken(error, &failed));
        // The submitter may have stopped waiting.
        let _ = taken.send(result);
    };
    log.append(vec![(StreamId::commands(to), frame)], Box::new(done));
}

/// Runs of submissions that fit a record.
fn split(submissions: &[Submission], record_bytes: usize) -> impl Iterator<Item = &[Submission]> {
    let mut bytes = 0;
    let cost = |submission: &Submission| submission.envelope.body.len() + 128;
    submissions.chunk_by(move |before, next| {
        bytes += cost(before);
        let fits = bytes + cost(next) <= record_bytes;
        if !fits {
            bytes = 0;
        }
        fits
    })
}

fn append(
    log: &dyn Log,
    answers: &Arc<Answers>,
    partition: PartitionId,
    submissions: &[Submission],
    failed: &Failed,
) {
    let envelopes = submissions.iter().map(|submission| &submission.envelope);
    let frame = Frame::encode(None, envelopes);
    let told: Vec<(ReplyTo, TxnId, Arc<Place>)> = (submissions.iter())
        .map(|submission| {
            let head = &submission.envelope.head;
            (head.reply, head.txn, Arc::clone(&submission.place))
        })
        .collect();
    let (answers, failed) = (Arc::clone(answers), Arc::clone(failed));
    log.append(
        vec![(StreamId::commands(partition), frame)],
        Box::new(move |result| {
            if let Err(error) = result {
                let fault = not_taken(error, &failed);
                for (to, txn, _) in told {
                    let outcome = Outcome::NotTaken(fault.clone());
                    answers.give(Reply { to, txn, outcome });
                }
            }
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Done, Persisted, Record, Wake};
    use rkcy_core::frame::{Head, Kind};
    use rkcy_core::id::ConcernId;
    use rkcy_core::key::Key;
    use rkcy_core::txn::Rest;
    use std::ops::Range;
    use std::sync::Mutex;

    /// A log that has failed.
    struct Failed;

    impl Log for Failed {
        fn is_atomic(&self) -> bool {
            true
        }
        fn append(&self, _: Vec<(StreamId, Bytes)>, done: Done) {
            done(Err(LogError::Closed));
        }
        fn read(&self, _: StreamId, _: u64, _: usize) -> Result<Vec<Record>, LogError> {
            Err(LogError::Closed)
        }
        fn bounds(&self, _: StreamId) -> Result<Range<u64>, LogError> {
            Err(LogError::Closed)
        }
        fn watch(&self, _: &[StreamId], _: Wake) {}
        fn persist(&self, done: Persisted) {
            done(Err(LogError::Closed));
        }
        fn trim(&self, _: StreamId, _: u64) -> Result<(), LogError> {
            Err(LogError::Closed)
        }
    }

    /// Workers without work append nothing: only the submitter sees that the log has failed.
    #[test]
    fn a_log_that_fails_ends_the_platform_and_every_caller_hears() {
        let (sender, submissions) = crossbeam_channel::unbounded();
        let answers = Arc::new(Answers::new(None));
        let (reply, mut answer) = answers.expect(TxnId([0; 16]));
        let (taken, mut enqueued) = oneshot::channel();
        let in_flight = Arc::<InFlight>::default();
        for (reply, taken) in [(reply, None), (ReplyTo(0), Some(taken))] {
            let head = Head {
                reply,
                ..Head::plain(Kind::Submit, TxnId([0; 16]))
            };
            let submission = Submission {
                to: PartitionId {
                    concern: ConcernId(1),
                    index: 0,
                },
                envelope: Envelope {
                    head,
                    body: Bytes::new(),
                },
                place: Arc::new(in_flight.take(0).unwrap()),
                taken,
            };
            sender.send(Some(submission)).unwrap();
        }
        // The thread ends although there is a client still.
        sender.send(None).unwrap();
        let failures = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&failures);
        let failed: super::Failed = Arc::new(move |_| *counted.lock().unwrap() += 1);
        run(&submissions, &Failed, &answers, 1_000, &failed);
        assert_eq!(*failures.lock().unwrap(), 2);
        assert!(matches!(answer.try_recv(), Ok(Outcome::NotTaken(_))));
        assert!(matches!(enqueued.try_recv(), Ok(Err(_))));
        assert_eq!(in_flight.count.load(Ordering::Relaxed), 0);
    }

    /// A caller that stops waiting has not taken its bytes with it.
    #[test]
    fn a_place_is_kept_until_the_log_has_the_bytes() {
        let (sender, submissions) = crossbeam_channel::unbounded();
        let client = Client::new(Arc::new(NoLogic), Arc::new(Answers::new(None)), sender, &[]);
        let size = 64 << 20;
        let submit = || {
            let op = Access::Exclusive;
            let args = Bytes::from(vec![0; size]);
            let row = RowKey {
                concern: ConcernId(1),
                key: Key::of(&1_u64),
            };
            let id = Client::new_id();
            let txn = client.single(id, row.clone(), row, 1, op, args);
            let mut future = Box::pin(client.outcome(txn.unwrap()));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            // Dropped at the end of this: nobody waits for it.
            future.as_mut().poll(&mut context)
        };
        for _ in 0..3 {
            assert!(submit().is_pending());
        }
        let std::task::Poll::Ready(Outcome::NotTaken(fault)) = submit() else {
            panic!("256 MiB are under way");
        };
        assert_eq!(fault.code, "too_many_in_flight");
        drop(submissions.recv());
        assert!(submit().is_pending());
    }

    /// Keys that are there, and one partition.
    struct NoLogic;

    impl rkcy_core::plan::Partitions for NoLogic {
        fn partitions(&self, _: ConcernId) -> u16 {
            1
        }
    }

    impl Logic for NoLogic {
        fn schema(&self) -> u64 {
            1
        }
        fn run(
            &self,
            _: &rkcy_core::logic::Call<'_>,
            _: &mut rkcy_core::logic::Row,
        ) -> Result<Bytes, Fault> {
            Ok(Bytes::new())
        }
        fn resume(&self, _: &Txn) -> Result<Rest, Fault> {
            Ok(Rest::default())
        }
        fn concern_name(&self, _: ConcernId) -> &str {
            "None"
        }
    }
}
