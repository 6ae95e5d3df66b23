//! The draft of a transaction: what its body fills in.
//!
//! Owns the way from typed parameters to a [`Txn`] whose first visits are planned, and the second way: the
//! body run again with the results so far. The body is a pure function, so it names the same steps by the
//! same numbers every time; what it could not tell before, it tells now.

use super::claims::{self, Claims, Target};
use super::keyed::IdempotencyKey;
use super::later::{After, Later, unite};
use super::made::auto_uuid;
use super::op;
use super::patch::Patch;
use super::platform::{Concern, Transaction};
use super::time::Timestamp;
use super::value::{Value, Violation, check, decode, encode};
use bytes::Bytes;
use rkcy_core::claim::{self, Asked};
use rkcy_core::expect::Expected;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, TxnId};
use rkcy_core::key::{Key, KeyPart, RowKey};
use rkcy_core::logic::Logic;
use rkcy_core::plan::{self, Partitions};
use rkcy_core::txn::{Access, Answer, Args, Check, Mode, Place, Rest, Step, Txn, Unplanned};
use rkcy_core::wire::Wire;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// A payload, whatever its type.
trait Payload {
    fn check(&self) -> Result<(), Fault>;
    fn encode(&self) -> Bytes;
}

impl<V: Value> Payload for V {
    fn check(&self) -> Result<(), Fault> {
        check(self)
    }
    fn encode(&self) -> Bytes {
        encode(self)
    }
}

/// One step of a body, on an instance of `C`.
pub struct Spec<'a, C> {
    op: u16,
    access: Access,
    group: Option<Key>,
    key: Option<Key>,
    payload: Option<&'a dyn Payload>,
    /// There is a payload, and it is not known yet.
    waits: bool,
    after: After,
    undo: Option<u16>,
    claims: Result<Vec<Wanted>, Fault>,
    concern: PhantomData<fn() -> C>,
}

impl<C> std::fmt::Debug for Spec<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("op", &self.op)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<'a, C: Concern> Spec<'a, C> {
    /// `create`: the payload is the instance.
    #[must_use]
    pub fn create() -> Self {
        Spec::new(op::CREATE, Access::Exclusive)
    }

    /// `ensure`: the payload is the instance that there is to be.
    #[must_use]
    pub fn ensure() -> Self {
        Spec::new(op::ENSURE, Access::Exclusive)
    }

    /// `get`.
    #[must_use]
    pub fn get() -> Self {
        Spec::new(op::GET, Access::Shared)
    }

    /// `find`.
    #[must_use]
    pub fn find() -> Self {
        Spec::new(op::FIND, Access::Shared)
    }

    /// `update`: the payload is the patch.
    #[must_use]
    pub fn update() -> Self {
        Spec::new(op::UPDATE, Access::Exclusive)
    }

    /// `delete`.
    #[must_use]
    pub fn delete() -> Self {
        Spec::new(op::DELETE, Access::Delete)
    }

    /// A command.
    #[must_use]
    pub fn command(op: u16) -> Self {
        Spec::new(op, Access::Exclusive)
    }

    /// A query.
    #[must_use]
    pub fn query(op: u16) -> Self {
        Spec::new(op, Access::Shared)
    }

    fn new(op: u16, access: Access) -> Self {
        Spec {
            op,
            access,
            group: None,
            key: None,
            payload: None,
            waits: false,
            after: After::new(),
            undo: None,
            claims: Ok(Vec::new()),
            concern: PhantomData,
        }
    }

    /// On the instance with this key.
    #[must_use]
    pub fn on(self, key: &C::Key) -> Self {
        let (group, row) = C::group_and_row(key);
        Spec {
            group: Some(group.key),
            key: Some(row.key),
            ..self
        }
    }

    /// On the instance whose key comes out of results.
    #[must_use]
    pub fn on_later(mut self, key: &Later<C::Key>) -> Self {
        unite(&mut self.after, key.steps());
        match key.get() {
            Some(key) => self.on(key),
            None => self,
        }
    }

    /// In the group of this root, whatever the rest of the key.
    #[must_use]
    pub fn within(self, root: &C::RootKey) -> Self {
        Spec {
            group: Some(Key::of(root)),
            ..self
        }
    }

    /// In the group of a root that comes out of results.
    #[must_use]
    pub fn within_later(self, root: &Later<C::RootKey>) -> Self {
        match root.get() {
            Some(root) => self.within(root),
            None => self,
        }
    }

    /// In the group of this root, where that is known before the key is.
    fn in_group(self, root: Option<Key>) -> Self {
        Spec {
            group: self.group.or(root),
            ..self
        }
    }

    /// With this payload.
    #[must_use]
    pub fn with<P: Value>(self, payload: &'a P) -> Self {
        Spec {
            payload: Some(payload),
            ..self
        }
    }

    /// With a payload that comes out of results.
    #[must_use]
    pub fn with_later<P: Value>(mut self, payload: &'a Later<P>) -> Self {
        unite(&mut self.after, payload.steps());
        self.payload = payload.get().map(|payload| payload as &dyn Payload);
        self.waits = self.payload.is_none();
        self
    }

    /// With the instance that is to be, and what it claims.
    #[must_use]
    pub fn creating(mut self, instance: &'a C) -> Self {
        self.claims = Ok(claims::of(instance)
            .into_iter()
            .map(Wanted::known)
            .collect());
        self.with(instance)
    }

    /// With what is to change in the instance with this key, and what that claims.
    #[must_use]
    pub fn changing<P: Patch<C>>(mut self, key: &C::Key, patch: &'a P) -> Self {
        let claims = claims::of_patch(patch, key);
        self.claims = claims.map(|claims| claims.into_iter().map(Wanted::known).collect());
        self.with(patch)
    }

    /// Claims a unique value for an instance that comes out of results.
    #[must_use]
    pub fn reserving(self, unique: impl FnOnce(&mut Claims)) -> Self {
        let mut asked = Claims::default();
        unique(&mut asked);
        let wanted = asked.into_list().into_iter().map(Wanted::known).collect();
        self.wanting(wanted)
    }

    /// Refers to an instance of `T`, by a payload that comes out of results.
    #[must_use]
    pub fn referring<T: Concern>(
        self,
        field: u32,
        most: Option<u32>,
        target: &Later<impl Target<T>>,
    ) -> Self {
        let known = target.get();
        let wanted = Wanted {
            asked: known.map(|target| claims::late_reference::<C, T>(field, most, target)),
            root: T::ROOT,
            concern: T::ID,
            after: target.steps().clone(),
        };
        self.wanting(vec![wanted])
    }

    fn wanting(mut self, mut more: Vec<Wanted>) -> Self {
        if let Ok(claims) = &mut self.claims {
            claims.append(&mut more);
        }
        self
    }

    /// How many numbers of steps it takes: its own, and one for each claim that its instance may have.
    fn width(&self) -> u16 {
        match self.op {
            op::CREATE | op::ENSURE | op::UPDATE => 1 + C::CLAIMS,
            _ => 1,
        }
    }

    /// In a saga: undone by this operation.
    #[must_use]
    pub fn undo(self, op: u16) -> Self {
        Spec {
            undo: Some(op),
            ..self
        }
    }
}

/// A claim that a step asks for.
#[derive(Debug)]
struct Wanted {
    /// The claim, where it is known; there may turn out to be none.
    asked: Option<Option<Asked>>,
    root: ConcernId,
    concern: ConcernId,
    after: After,
}

impl Wanted {
    fn known(asked: Asked) -> Wanted {
        Wanted {
            root: asked.give.group.concern,
            concern: asked.give.row.concern,
            asked: Some(Some(asked)),
            after: After::new(),
        }
    }

    /// The step that asks for it; `None` where there is nothing to ask for.
    fn step(self, number: u16, claims_for: u16, sure: bool) -> Option<Unplanned> {
        let is_known = self.asked.is_some();
        let asked = match self.asked {
            None => None,
            Some(None) => return None,
            Some(asked) => asked,
        };
        // What is not known yet can only be a reference.
        let (op, args, access) = match &asked {
            Some(asked) => {
                let (op, args, access) = asked.step();
                (op, Args::Ready(args), access)
            }
            None => (claim::op::HOLD, Args::Late, Access::Hold),
        };
        let place = match &asked {
            Some(asked) if asked.give.row == asked.give.group => Place::Root,
            Some(asked) => Place::Member(asked.give.row.clone()),
            None if self.root == self.concern => Place::Root,
            None => Place::Late(self.concern),
        };
        Some(Unplanned {
            step: Step {
                number,
                place,
                op,
                args,
                keep: false,
                sure: sure && is_known,
                undo: None,
                claims_for: Some(claims_for),
            },
            root: self.root,
            group: asked.map(|asked| asked.give.group.key),
            access,
            after: self.after.to_vec(),
        })
    }
}

/// How often a loop over a list out of a result may turn, and how many steps each turn may have.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// The most elements that the list may have.
    pub bound: u16,
    /// The most numbers of steps that one turn uses.
    pub width: u16,
}

/// Whether the steps that a body names now are to be made.
#[derive(Clone, Debug)]
enum Guard {
    Made,
    /// A condition is not known yet.
    Unknown,
    PassedOver,
}

/// A transaction in the making.
#[derive(Debug)]
pub struct Draft<'a> {
    id: TxnId,
    caller: &'a Bytes,
    /// How far it has come, where the body is run again.
    so_far: Option<&'a Txn>,
    next: u32,
    guard: Guard,
    /// Steps whose results tell the guard.
    guarded_by: After,
    steps: Vec<Unplanned>,
    checks: Vec<Check>,
    /// Steps after which fewer may refer to instances of these concerns.
    losing: Vec<(u16, &'static [ConcernId])>,
}

impl<'a> Draft<'a> {
    fn new(id: TxnId, caller: &'a Bytes, so_far: Option<&'a Txn>) -> Draft<'a> {
        Draft {
            id,
            caller,
            so_far,
            next: 0,
            guard: Guard::Made,
            guarded_by: After::new(),
            steps: Vec::new(),
            checks: Vec::new(),
            losing: Vec::new(),
        }
    }

    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// The stamp of the submission: one instant for the whole transaction.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.id.stamp())
    }

    /// Who called, as the edge verified it.
    ///
    /// # Errors
    /// Where nobody said so.
    pub fn caller<V: Value>(&self) -> Result<V, Fault> {
        decode(self.caller).map_err(|_| {
            Fault::new(
                Class::Invalid,
                "no_caller",
                "this transaction asks who calls, and nobody has said so",
            )
        })
    }

    /// The key of the next step, where `create` leaves it out: derived from the transaction's id and the
    /// number of the step, so it is known at submission and the same when it is submitted again.
    #[must_use]
    pub fn derived_uuid(&self) -> Uuid {
        derived_uuid(self.id, u16::try_from(self.next).unwrap_or(u16::MAX), 0)
    }

    /// An `@auto(uuid)` field of the next step, where `create` leaves it out.
    #[must_use]
    pub fn auto_uuid(&self, field: &str) -> Uuid {
        auto_uuid(self.derived_uuid(), field)
    }

    /// A step whose result nobody uses.
    ///
    /// # Errors
    /// [`Class::Invalid`] where its payload breaks a constraint.
    pub fn step<C: Concern>(&mut self, spec: Spec<'_, C>) -> Result<(), Fault> {
        self.add(spec, false).map(drop)
    }

    /// A step whose result is used.
    ///
    /// # Errors
    /// As [`Draft::step`]; or a result that cannot be read.
    pub fn kept<C: Concern, V: Value>(&mut self, spec: Spec<'_, C>) -> Result<Later<V>, Fault> {
        let Some(number) = self.add(spec, true)? else {
            return Ok(Later::after(None, After::new()));
        };
        let bytes = self.so_far.and_then(|txn| txn.result(number));
        Ok(Later::of_step(bytes.map(decode).transpose()?, number))
    }

    /// Adds a step, unless it is passed over; gives its number.
    fn add<C: Concern>(&mut self, spec: Spec<'_, C>, keep: bool) -> Result<Option<u16>, Fault> {
        let number = u16::try_from(self.next).map_err(|_| {
            let message = format!("a transaction has at most {} steps", u16::MAX);
            Fault::new(Class::Bound, "too_many_steps", message)
        })?;
        self.next += u32::from(spec.width());
        if matches!(self.guard, Guard::PassedOver) {
            return Ok(None);
        }
        let sure = matches!(self.guard, Guard::Made);
        let is_done = (self.so_far).is_some_and(|txn| txn.done.binary_search(&number).is_ok());
        let args = match spec.payload {
            _ if is_done => Args::Ready(Bytes::new()),
            None if spec.waits => Args::Late,
            None => Args::Ready(Bytes::new()),
            Some(payload) => {
                if sure {
                    payload.check()?;
                }
                Args::Ready(payload.encode())
            }
        };
        let place = match spec.key {
            _ if C::ROOT == C::ID => Place::Root,
            Some(key) => Place::Member(RowKey {
                concern: C::ID,
                key,
            }),
            None => Place::Late(C::ID),
        };
        for (nth, wanted) in (1..).zip(spec.claims?) {
            if let Some(mut step) = wanted.step(number + nth, number, sure) {
                let mut after = After::from_slice(&step.after);
                unite(&mut after, &self.guarded_by);
                step.after = after.to_vec();
                self.steps.push(step);
            }
        }
        let mut after = spec.after;
        unite(&mut after, &self.guarded_by);
        if spec.access == Access::Delete {
            // What is deleted before it must not be counted any more.
            let before = (self.losing.iter()).filter(|(_, targets)| targets.contains(&C::ID));
            let before: Vec<u16> = before.map(|(step, _)| *step).collect();
            unite(&mut after, &before);
        }
        if !C::TARGETS.is_empty() && matches!(spec.op, op::UPDATE | op::DELETE) {
            self.losing.push((number, C::TARGETS));
        }
        self.steps.push(Unplanned {
            step: Step {
                number,
                place,
                op: spec.op,
                args,
                keep,
                sure,
                undo: spec.undo,
                claims_for: None,
            },
            root: C::ROOT,
            group: spec.group,
            access: spec.access,
            after: after.to_vec(),
        });
        Ok(Some(number))
    }

    /// The key of the instance of `C` that has a unique value, if there is one.
    ///
    /// # Errors
    /// As [`Draft::kept`].
    fn look_up<C: Concern>(
        &mut self,
        index: ConcernId,
        root: Option<Key>,
        value: Key,
    ) -> Result<Later<Option<C::Key>>, Fault> {
        let number = u16::try_from(self.next).unwrap_or(u16::MAX);
        self.next += 1;
        if matches!(self.guard, Guard::PassedOver) {
            return Ok(Later::after(None, After::new()));
        }
        let (place, group) = match root {
            None => (Place::Root, value),
            Some(root) => {
                let key = value;
                let concern = index;
                (Place::Member(RowKey { concern, key }), root)
            }
        };
        let within = matches!(place, Place::Member(_));
        self.steps.push(Unplanned {
            step: Step {
                number,
                place,
                op: claim::op::LOOK_UP,
                args: Args::Ready(Bytes::new()),
                keep: true,
                sure: matches!(self.guard, Guard::Made),
                undo: None,
                claims_for: None,
            },
            root: if within { C::ROOT } else { index },
            group: Some(group),
            access: Access::Shared,
            after: self.guarded_by.to_vec(),
        });
        let found = self.so_far.and_then(|txn| txn.result(number));
        let found = found.map(|bytes| owner_of::<C>(bytes)).transpose()?;
        Ok(Later::of_step(found, number))
    }

    /// `get` by a unique value: a row of `index`, which may be in the group of a root. An instance that has lost the
    /// value is not there, although the index may name it still: what it lost may be on its way back.
    ///
    /// # Errors
    /// `not_found`, or as [`Draft::kept`].
    pub fn get_by<C: Concern>(
        &mut self,
        index: ConcernId,
        root: Option<Key>,
        value: Key,
    ) -> Result<Later<C>, Fault> {
        let found = self.look_up::<C>(index, root.clone(), value.clone())?;
        let refused = |is_there: bool| match is_there {
            true => Ok(()),
            false => Err(Fault::refusal(
                "not_found",
                format!("there is no such {}", C::NAME),
            )),
        };
        self.asks(found.map(|found| refused(found.is_some())))?;
        let (_, key) = opened(&found);
        let instance = self.kept(Spec::<C>::get().on_later(&key).in_group(root))?;
        self.asks(instance.map(|instance: &C| refused(claims::has(instance, index, &value))))?;
        Ok(instance)
    }

    /// `find` by a unique value: a row of `index`, which may be in the group of a root; as [`Draft::get_by`].
    ///
    /// # Errors
    /// As [`Draft::kept`].
    pub fn find_by<C: Concern>(
        &mut self,
        index: ConcernId,
        root: Option<Key>,
        value: Key,
    ) -> Result<Later<Option<C>>, Fault> {
        let found = self.look_up::<C>(index, root.clone(), value.clone())?;
        self.branch_some(
            &found,
            |draft, key| {
                let find = Spec::<C>::find().on_later(&key).in_group(root.clone());
                let found: Later<Option<C>> = draft.kept(find)?;
                let has = |instance: &C| claims::has(instance, index, &value);
                Ok(found.map(|found| found.clone().filter(has)))
            },
            |_| Ok(Later::known(None)),
        )
    }

    /// `require`: refuses where the condition is known to be false; asks again where it is not known yet.
    ///
    /// # Errors
    /// The refusal.
    pub fn require(
        &mut self,
        condition: &Later<bool>,
        refusal: impl Into<Fault>,
    ) -> Result<(), Fault> {
        let broken = condition.map(|holds| if *holds { Ok(()) } else { Err(refusal.into()) });
        self.asks(broken)
    }

    /// A check of a value: refuses where it is known to break a constraint; asks again where it is not
    /// known yet.
    ///
    /// # Errors
    /// What is broken.
    pub fn check<T>(
        &mut self,
        value: &Later<T>,
        check: impl FnOnce(&T) -> Result<(), Violation>,
    ) -> Result<(), Fault> {
        self.asks(value.map(|value| check(value).map_err(Fault::from)))
    }

    /// Gives what a question came to, where it counts; else asks it again.
    fn asks(&mut self, answer: Later<Result<(), Fault>>) -> Result<(), Fault> {
        match (&self.guard, answer.get()) {
            (Guard::PassedOver, _) => Ok(()),
            (Guard::Made, Some(told)) => told.clone(),
            (Guard::Unknown, _) | (Guard::Made, None) => {
                let mut after = answer.steps().clone();
                unite(&mut after, &self.guarded_by);
                self.checks.push(Check {
                    after: after.to_vec(),
                });
                Ok(())
            }
        }
    }

    /// `if`.
    ///
    /// # Errors
    /// Those of the branch.
    pub fn when(
        &mut self,
        condition: &Later<bool>,
        then: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.guarded(condition.get().copied(), condition.steps(), then)
    }

    /// `if … else …`, with its value.
    ///
    /// # Errors
    /// Those of the branches.
    pub fn branch<T>(
        &mut self,
        condition: &Later<bool>,
        then: impl FnOnce(&mut Self) -> Result<Later<T>, Fault>,
        otherwise: impl FnOnce(&mut Self) -> Result<Later<T>, Fault>,
    ) -> Result<Later<T>, Fault> {
        let (known, steps) = (condition.get().copied(), condition.steps());
        let yes = self.guarded(known, steps, then)?;
        let no = self.guarded(known.map(|known| !known), steps, otherwise)?;
        Ok(match known {
            Some(true) => yes.also_after(steps),
            Some(false) => no.also_after(steps),
            None => {
                let mut after = steps.clone();
                unite(&mut after, yes.steps());
                unite(&mut after, no.steps());
                Later::after(None, after)
            }
        })
    }

    /// `if let`.
    ///
    /// # Errors
    /// Those of the branch.
    pub fn when_some<T: Clone>(
        &mut self,
        value: &Later<Option<T>>,
        then: impl FnOnce(&mut Self, Later<T>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (is_some, inner) = opened(value);
        self.when(&is_some, |draft| then(draft, inner))
    }

    /// `if let … else …`, with its value.
    ///
    /// # Errors
    /// Those of the branches.
    pub fn branch_some<T: Clone, U>(
        &mut self,
        value: &Later<Option<T>>,
        then: impl FnOnce(&mut Self, Later<T>) -> Result<Later<U>, Fault>,
        otherwise: impl FnOnce(&mut Self) -> Result<Later<U>, Fault>,
    ) -> Result<Later<U>, Fault> {
        let (is_some, inner) = opened(value);
        self.branch(&is_some, |draft| then(draft, inner), otherwise)
    }

    /// `for` over a list that comes out of results, with the list of its values.
    ///
    /// # Errors
    /// Those of a turn; a list with more elements than were allowed for.
    pub fn each<T: Clone, U>(
        &mut self,
        list: &Later<Vec<T>>,
        turns: Turns,
        mut turn: impl FnMut(&mut Self, Later<T>) -> Result<Later<U>, Fault>,
    ) -> Result<Later<Vec<U>>, Fault> {
        let (first, width) = (self.next, u32::from(turns.width));
        let values = match list.get() {
            Some(elements) if elements.len() > usize::from(turns.bound) => {
                let message = format!("a loop turns at most {} times", turns.bound);
                return Err(Fault::refusal("too_many_turns", message));
            }
            Some(elements) => {
                let mut values = Vec::with_capacity(elements.len());
                for (nth, element) in (0_u32..).zip(elements) {
                    self.next = first + nth * width;
                    let element = Later::after(Some(element.clone()), list.steps().clone());
                    values.push(turn(self, element)?);
                }
                Later::all(values).also_after(list.steps())
            }
            // The first turn stands for all.
            None => {
                let value = self.guarded(None, list.steps(), |draft| {
                    turn(draft, Later::after(None, list.steps().clone()))
                })?;
                Later::after(None, value.steps().clone()).also_after(list.steps())
            }
        };
        self.next = first + u32::from(turns.bound) * width;
        Ok(values)
    }

    /// Runs a part of the body whose steps are made only where `known` turns out to be true.
    fn guarded<T>(
        &mut self,
        known: Option<bool>,
        steps: &[u16],
        run: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let outer = (self.guard.clone(), self.guarded_by.clone());
        self.guard = match (&outer.0, known) {
            (Guard::PassedOver, _) | (_, Some(false)) => Guard::PassedOver,
            (_, None) => Guard::Unknown,
            (outer, Some(true)) => outer.clone(),
        };
        unite(&mut self.guarded_by, steps);
        let done = run(self);
        (self.guard, self.guarded_by) = outer;
        done
    }
}

/// The key of the owner of a unique value, out of the result of a look-up.
fn owner_of<C: Concern>(bytes: &Bytes) -> Result<Option<C::Key>, Fault> {
    let Some(key) = Option::<Key>::from_wire(bytes.clone())? else {
        return Ok(None);
    };
    let mut rest = key.as_bytes();
    let key = C::Key::decode_key(&mut rest).filter(|_| rest.is_empty());
    let broken = || Fault::new(Class::Corrupt, "unreadable", "an index that names no key");
    key.map(Some).ok_or_else(broken)
}

/// Whether an optional value is there, and the value.
fn opened<T: Clone>(value: &Later<Option<T>>) -> (Later<bool>, Later<T>) {
    let inner = value.get().cloned().flatten();
    (
        value.map(Option::is_some),
        Later::after(inner, value.steps().clone()),
    )
}

/// What is told at a submission, beside the parameters.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The id that the transaction will have.
    pub id: TxnId,
    /// Hash of the schema.
    pub schema: u64,
    /// Who calls, as the edge verified it: the encoded `caller` message, or empty.
    pub caller: &'a Bytes,
    /// The platform as the engine sees it: numbers of partitions, and what an operation claims.
    pub logic: &'a dyn Logic,
    /// The key that the request is made with. One that only reads a single instance has none: it runs each time.
    pub key: Option<&'a IdempotencyKey>,
    /// How the instance has to be that a single operation changes.
    pub expected: Option<&'a Expected>,
}

impl std::fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A transaction with its first visits planned; without a visit, where these parameters ask for no step.
///
/// # Errors
/// An invalid parameter, a `require` that fails, or a body that panics.
pub fn transaction<T: Transaction>(params: &T, origin: Origin<'_>) -> Result<Txn, Fault> {
    check(params)?;
    let mut draft = Draft::new(origin.id, origin.caller, None);
    let answer = unpanicked(|| params.body(&mut draft))?;
    let mut txn = Txn {
        mode: T::MODE,
        caller: origin.caller.clone(),
        unplanned: draft.steps,
        checks: draft.checks,
        ..Txn::new(origin.id, T::NUMBER, origin.schema)
    };
    txn.answer = match (answer.step(), answer.get().map(encode)) {
        (Some(step), _) => Answer::Step(step),
        (None, Some(bytes)) if bytes.is_empty() => Answer::Empty,
        (None, _) => Answer::Late,
    };
    let is_late = |waiting: &Unplanned| waiting.group.is_none() || !waiting.step.is_complete();
    txn.late =
        txn.answer == Answer::Late || !txn.checks.is_empty() || txn.unplanned.iter().any(is_late);
    if txn.late {
        txn.params = encode(params);
    }
    let txn = planned(txn, origin.logic)?;
    let Some(key) = origin.key else {
        return Ok(txn);
    };
    let (number, params) = (T::NUMBER.to_be_bytes(), encode(params));
    let keyed = key.keyed(origin.caller, &[&number, &params]);
    Ok(txn.with_key(&keyed, origin.logic))
}

/// Number of the step that compares an instance with what is expected of it; the claims of an operation are numbered
/// from 1.
const EXPECTS: u16 = u16::MAX - 1;

/// A single operation, called alone; one that only reads is not remembered, and expects nothing.
///
/// # Errors
/// Where the key is none of the concern's.
pub fn single(
    origin: Origin<'_>,
    group: RowKey,
    row: RowKey,
    op: u16,
    access: Access,
    args: Bytes,
) -> Result<Txn, Fault> {
    let compared = args.clone();
    single_compared(origin, group, row, op, access, args, &compared)
}

/// The same; whether it is the same that was asked for with an idempotency key is told by `compared`, not by the
/// arguments.
pub(super) fn single_compared(
    origin: Origin<'_>,
    group: RowKey,
    row: RowKey,
    op: u16,
    access: Access,
    args: Bytes,
    compared: &[u8],
) -> Result<Txn, Fault> {
    let root = group.concern;
    let expected = origin.expected.filter(|_| access != Access::Shared);
    // In four parts, or five: what a transaction is compared by has two.
    let keyed = origin.key.filter(|_| access != Access::Shared).map(|key| {
        let [concern, number] = [row.concern.0.to_be_bytes(), op.to_be_bytes()];
        let expected = expected.map(Wire::to_wire);
        let mut body = vec![&concern[..], row.key.as_bytes(), &number, compared];
        body.extend(expected.as_deref());
        key.keyed(origin.caller, &body)
    });
    let mut txn = Txn {
        caller: origin.caller.clone(),
        answer: Answer::Step(0),
        ..Txn::new(origin.id, 0, origin.schema)
    };
    if access == Access::Shared {
        txn.mode = Mode::Read;
    }
    for (nth, asked) in (1..).zip(origin.logic.claims_of(&row, op, &args)?) {
        let step = Wanted::known(asked).step(nth, 0, true);
        txn.unplanned.extend(step);
    }
    let place = match row == group {
        true => Place::Root,
        false => Place::Member(row),
    };
    // In the visit of the operation, and before it.
    let compares = expected.map(|expected| expected.step(EXPECTS, place.clone()));
    let operates = Step {
        number: 0,
        place,
        op,
        args: Args::Ready(args),
        keep: true,
        sure: true,
        undo: None,
        claims_for: None,
    };
    for step in compares.into_iter().chain([operates]) {
        txn.unplanned.push(Unplanned {
            step,
            root,
            group: Some(group.key.clone()),
            access,
            after: Vec::new(),
        });
    }
    let txn = planned(txn, origin.logic)?;
    Ok(match keyed {
        Some(keyed) => txn.with_key(&keyed, origin.logic),
        None => txn,
    })
}

fn planned(mut txn: Txn, partitions: &dyn Partitions) -> Result<Txn, Fault> {
    plan::extend(&mut txn, partitions);
    plan::check(&txn).map_err(|stuck| Fault::new(Class::Invalid, "no_plan", stuck.to_string()))?;
    Ok(txn)
}

/// What is left of a transaction, as its body tells with the results so far. The engine catches panics.
///
/// # Errors
/// The refusal of a `require`, or parameters or results that cannot be read.
pub fn resume<T: Transaction>(txn: &Txn) -> Result<Rest, Fault> {
    let params: T = decode(&txn.params)?;
    let mut draft = Draft::new(txn.id, &txn.caller, Some(txn));
    let answer = params.body(&mut draft)?;
    let answer = match (txn.answer, answer.get()) {
        (Answer::Late, Some(value)) => {
            Value::check(value).map_err(|broken| broken.within("result"))?;
            Some(encode(value))
        }
        _ => None,
    };
    Ok(Rest {
        steps: draft.steps,
        checks: draft.checks,
        answer,
    })
}

/// At submission a panic of the user's functions is a refusal, as it is in the engine.
fn unpanicked<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // The draft is dropped with the refusal.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Fault::panicked("a function", &*panic)))
}

/// Where an instance lives: the group of a canonical key.
///
/// # Errors
/// `None` where the bytes are no key of `C`.
#[must_use]
pub fn root_of<C: Concern>(key: &Key) -> Option<RowKey> {
    let mut rest = key.as_bytes();
    let key = C::Key::decode_key(&mut rest).filter(|_| rest.is_empty())?;
    Some(C::group_and_row(&key).0)
}

/// A key that is derived from a transaction's id, a step and an index: known at submission, and the
/// same when the transaction is submitted again.
#[must_use]
pub fn derived_uuid(id: TxnId, step: u16, index: u16) -> Uuid {
    let [a, b] = step.to_be_bytes();
    let [c, d] = index.to_be_bytes();
    Uuid::new_v5(&Uuid::from_bytes(id.0), &[a, b, c, d])
}
