//! The state machine of one partition.
//!
//! Owns `apply`: one envelope in, effects out, as a function of the state and the envelope alone. An
//! application that needs a row which is not in memory has no effect at all; the driver loads the row
//! and applies again.
//!
//! ```text
//! Submit ─► known id? too old? ─┐
//! Visit ────────────────────────┴► lock fits? ──no──► queue of the group
//!                                      │yes
//!                                  steps on copies ──refused──► abort: Release, Outcome, answer
//!                                      │fine
//!                      more visits? ───┴─── last: commit point: rows, Release, Outcome, answer
//!                          │                                        │
//!                  pending under the lock, on to the next           └► waiting visits run
//! ```

mod claim;
mod drain;
mod finish;
mod journal;
mod keyed;
mod related;
mod saga;
mod visit;

use crate::bugs::{self, Bug};
use crate::change::{Change, ChangeKind};
use crate::fault::{Class, Fault};
use crate::frame::{Body, Envelope, Head, Kind, Open, Reply};
use crate::id::{PartitionId, Position, TxnId, Version};
use crate::key::RowKey;
use crate::logic::Logic;
use crate::rows::{Rows, StoredRow};
use crate::settings::Settings;
use crate::state::{Asker, EntryKey, Known, State};
use crate::status::{self, Ask};
use crate::txn::{Mode, Outcome, ReplyTo, Txn};
use crate::wire::Wire;
use bytes::Bytes;
use journal::Undo;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What an application asks the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an envelope to a partition, under a number of the channel to it.
    Send {
        /// The receiver.
        to: PartitionId,
        /// Number on the channel, dense from 1.
        number: u64,
        /// What is sent.
        envelope: Envelope,
    },
    /// Answer a submitter.
    Answer(Reply),
    /// Nothing: what a saga has just done, for those who watch.
    Saga(TxnId, SagaEvent),
}

/// What a saga has just done in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SagaEvent {
    /// The next of its visits took effect.
    Took,
    /// Its next visit was refused; it goes back.
    Turned,
    /// The next of its steps was undone.
    Undid,
    /// The next of its steps could not be undone.
    Parked,
    /// It is decided, and gives something back before its caller hears of it. Of a transaction as well.
    Decided,
}

/// Why an envelope was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// These rows must be loaded first.
    Cold(Vec<RowKey>),
    /// The partition stops, loudly: what another partition sent cannot be read (rule 7).
    Unreadable(Fault),
}

/// One envelope with where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its position; it follows the partition's own.
    pub at: Position,
    /// When the log took its record, in milliseconds since the Unix epoch.
    pub stamp: u64,
    /// Sending partition and number on the channel; `None` from a submitter.
    pub number: Option<(PartitionId, u64)>,
    /// Whether the bodies of its frame are damaged.
    pub damaged: bool,
    /// Whether a [`Kind::Park`] behind it in the log names it: no handler runs in its application.
    pub parked: bool,
    /// The envelope.
    pub envelope: &'a Envelope,
}

impl Input<'_> {
    /// Offset of its record: no envelope is before the first.
    fn offset(&self) -> u64 {
        self.at.offset().unwrap_or(0)
    }
}

/// When a visit that waits has waited for long enough.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// Milliseconds, by the partition's clock.
    at: u64,
    group: RowKey,
    queued: (Position, u32),
}

/// One partition: its small state, the rows in memory, and what changed since the last change record.
pub struct Partition {
    id: PartitionId,
    generation: u32,
    logic: Arc<dyn Logic>,
    state: State,
    rows: Rows,
    /// Position of the last change record.
    cut: Position,
    /// Entries touched since then; ids apart, since there are many.
    touched: BTreeSet<EntryKey>,
    touched_ids: Vec<TxnId>,
    /// Bytes of what was changed and is to be done since then, as far as they bound a batch.
    changed_bytes: usize,
    /// Waiting visits with a deadline, the earliest first: told by the queues.
    due: BTreeSet<Due>,
    /// The low-water mark of ids went back since then. A fold forgets by the mark that a change record
    /// ends with, so what was forgotten by a higher one must not be left to it.
    rewound: bool,
    // ---- of the application in progress
    undo: Vec<Undo>,
    effects: Vec<Effect>,
    /// Groups whose waiting visits may run now.
    released: VecDeque<RowKey>,
    /// What is given back within this partition.
    gifts: VecDeque<claim::Gift>,
    /// What views are to hear.
    pushes: related::Pushes,
    /// Why the application can have no effect, where that is found out in the middle of one.
    halt: Option<Halt>,
    queued: u32,
    parked: bool,
    scratch: Vec<u8>,
}

impl Partition {
    /// A partition that goes on from a folded state.
    #[must_use]
    pub fn new(id: PartitionId, generation: u32, logic: Arc<dyn Logic>, state: State) -> Partition {
        let due = (state.queues.iter())
            .flat_map(|(group, queue)| queue.iter().filter_map(|item| journal::due(group, item)))
            .collect();
        Partition {
            id,
            generation,
            logic,
            due,
            cut: state.position,
            state,
            rows: Rows::default(),
            touched: BTreeSet::new(),
            touched_ids: Vec::new(),
            changed_bytes: 0,
            rewound: false,
            undo: Vec::new(),
            effects: Vec::new(),
            released: VecDeque::new(),
            gifts: VecDeque::new(),
            pushes: related::Pushes::new(),
            halt: None,
            queued: 0,
            parked: false,
            scratch: Vec::new(),
        }
    }

    /// Which partition it is.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The small state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The rows in memory.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The rows in memory, for loading and eviction.
    pub fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Position of the last change record.
    #[must_use]
    pub fn cut_position(&self) -> Position {
        self.cut
    }

    /// Applies one envelope and appends what is to be done to `effects`.
    ///
    /// # Errors
    /// [`Halt`]; nothing has changed then, and `effects` is as it was.
    pub fn apply(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) -> Result<(), Halt> {
        let before = (self.state.position, self.state.scalars.clone());
        self.state.position = input.at;
        self.queued = 0;
        self.parked = input.parked;
        let scalars = &mut self.state.scalars;
        scalars.clock = scalars.clock.max(input.stamp);
        let half = u64::from(bugs::on(Bug::TooOldTooEarly));
        let window = (scalars.settings.window >> half) + 1;
        scalars.floor = scalars.floor.max(scalars.clock.saturating_sub(window));

        let done = if self.is_next(input.number, input.envelope.head.kind) {
            self.dispatch(input)
        } else {
            Ok(())
        };
        let done = done
            .and_then(|()| self.expire())
            .and_then(|()| self.follow_up())
            .and_then(|()| self.clear_shelf());
        match done {
            Ok(()) => {
                self.rewound |= self.state.scalars.floor < before.1.floor;
                self.finish_application(input);
                effects.append(&mut self.effects);
                Ok(())
            }
            Err(halt) => {
                self.roll_back();
                (self.state.position, self.state.scalars) = before;
                Err(halt)
            }
        }
    }

    /// What the end of a transaction lets go on in this partition.
    fn follow_up(&mut self) -> Result<(), Halt> {
        while !self.gifts.is_empty() || !self.released.is_empty() {
            self.take_gifts()?;
            self.serve_released()?;
        }
        self.halt.take().map_or(Ok(()), Err)?;
        self.push_related()
    }

    /// The application has no effect, and runs again when these are in memory.
    fn must_load(&mut self, mut rows: Vec<RowKey>) {
        if let Some(Halt::Cold(more)) = self.halt.take() {
            rows.extend(more);
        }
        self.halt = Some(Halt::Cold(rows));
    }

    /// Skips an envelope whose frame is dropped: only the position moves.
    pub fn skip(&mut self, at: Position) {
        self.state.position = at;
    }

    /// Rule 1: exactly the next number of the channel is applied.
    fn is_next(&mut self, number: Option<(PartitionId, u64)>, kind: Kind) -> bool {
        let Some((from, number)) = number else {
            return true;
        };
        let last = self.state.inbound.get(&from).copied().unwrap_or(0);
        if number <= last && kind == Kind::Related && bugs::on(Bug::RelatedViewGoesBack) {
            return true;
        }
        let next = number == last + 1 || (number > last && bugs::on(Bug::AcceptGaps));
        if next {
            self.set_inbound(from, number);
        }
        next
    }

    fn dispatch(&mut self, input: Input<'_>) -> Result<(), Halt> {
        let head = &input.envelope.head;
        let body = match input.damaged {
            true => Err(Fault::new(
                Class::Corrupt,
                "unreadable",
                "the frame's bodies are damaged",
            )),
            false => Body::decode(head.kind, input.envelope.body.clone()).map_err(Fault::from),
        };
        match (head.kind, body) {
            (Kind::Submit, Ok(Body::Txn(txn))) => self.submit(*txn, input.envelope.body.len()),
            (Kind::Visit, Ok(Body::Txn(txn))) => self.visit(*txn, false),
            (Kind::Release, Ok(_)) if input.parked && bugs::on(Bug::ParkSkipsRelease) => Ok(()),
            (Kind::Release, Ok(Body::Release(commit))) => {
                self.release_here(head.txn, commit);
                Ok(())
            }
            (Kind::Outcome, Ok(Body::Outcome(outcome))) => {
                self.end(head.txn, &outcome);
                Ok(())
            }
            (Kind::Open, Ok(Body::Open(open))) => {
                self.open(&open, input.offset(), input.stamp);
                Ok(())
            }
            (Kind::Seal, Ok(Body::Seal(epoch))) => {
                self.state.scalars.take_seal(epoch, input.offset());
                Ok(())
            }
            (Kind::GiveBack, Ok(Body::GiveBack(give))) => match input.number {
                Some((from, _)) => self.take_back(head.txn, give, from),
                // Only partitions give back.
                None => Ok(()),
            },
            (Kind::GivenBack, Ok(_)) => {
                self.given_back(head.txn);
                Ok(())
            }
            (Kind::Related, Ok(Body::Related(push))) => match input.number {
                Some(_) => self.take_push(&push),
                // Only partitions tell.
                None => Ok(()),
            },
            (Kind::Config, Ok(Body::Config(news))) => {
                if news.is_newer(self.state.configs.get(&news.object)) {
                    self.set_config(news);
                }
                Ok(())
            }
            (Kind::Tick, _) => Ok(()),
            // It is no command: it stands in the config topic, and in an audit.
            (Kind::Edit, _) => Ok(()),
            // They say something to those who take over: see `LookAhead`.
            (Kind::Trying | Kind::Park, _) => Ok(()),
            // The head says it all.
            (Kind::Cancel, _) => {
                self.cancel(head.txn, input.number.is_none().then_some(head.reply))
            }
            (Kind::Resume, Ok(Body::Resume(attempt))) => self.resume(head.txn, attempt, head.reply),
            (Kind::Drain, Ok(Body::Drain(begin))) => {
                self.drain(begin, head.txn, head.reply);
                Ok(())
            }
            (Kind::Ask, Ok(Body::Ask(Ask::InFlight))) => {
                self.tell_in_flight(head.txn, head.reply);
                Ok(())
            }
            (Kind::Ask, Ok(Body::Ask(ask))) => {
                let told = status::answer(&self.state, ask).to_wire();
                self.answer(head.reply, head.txn, Outcome::Committed(Some(told.into())));
                Ok(())
            }
            // What a submitter sent may be skipped, and nobody is told it was refused for good.
            (Kind::Submit | Kind::Resume | Kind::Ask | Kind::Drain, Err(fault)) => {
                self.answer(head.reply, head.txn, Outcome::NotTaken(fault));
                Ok(())
            }
            (Kind::Visit, Err(_)) if bugs::on(Bug::UnreadableSkipped) => Ok(()),
            (Kind::Visit, Err(fault)) => {
                // What a damaged frame holds may be readable and something else than was sent: it never runs.
                let body = match input.damaged {
                    true => Bytes::new(),
                    false => input.envelope.body.clone(),
                };
                self.give_up(head, fault, body);
                Ok(())
            }
            // A control record that cannot be read stands for nothing, whoever wrote it.
            (Kind::Open | Kind::Seal | Kind::Config, Err(_)) => Ok(()),
            (_, Err(fault)) => Err(Halt::Unreadable(fault)),
            (kind, Ok(_)) => Err(Halt::Unreadable(Fault::new(
                Class::Corrupt,
                "unreadable",
                format!("the body is not that of {kind:?}"),
            ))),
        }
    }

    /// A transaction from a submitter (rule 8).
    fn submit(&mut self, txn: Txn, bytes: usize) -> Result<(), Halt> {
        if let Err(fault) = self.fits_a_record(bytes) {
            self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
            return Ok(());
        }
        if txn.mode == Mode::Read && !txn.has_key() {
            if let Err(fault) = self.is_not_draining() {
                self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
                return Ok(());
            }
            return self.visit(txn, false);
        }
        if matches!(txn.mode, Mode::GiveBack(_)) {
            let fault = Fault::new(Class::Invalid, "not_yours", "only partitions give back");
            self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
            return Ok(());
        }
        match self.state.ids.get(txn.id) {
            Some(Known::Ended(outcome)) => {
                self.answer(txn.reply, txn.id, outcome);
                return Ok(());
            }
            Some(Known::Running(run)) => {
                let asker = Asker {
                    reply: txn.reply,
                    txn: txn.id,
                };
                self.ask_for_end(txn.id, run, asker);
                return Ok(());
            }
            None => {}
        }
        if txn.has_key() {
            return self.submit_with_key(txn);
        }
        match self.admit(txn.id) {
            Ok(()) => self.visit(txn, false),
            Err(fault) => {
                self.answer(txn.reply, txn.id, Outcome::NotTaken(fault));
                Ok(())
            }
        }
    }

    /// Whether a new id can be remembered for as long as it must be.
    fn admit(&mut self, id: TxnId) -> Result<(), Fault> {
        self.is_not_draining()?;
        let settings = &self.state.scalars.settings;
        let running = self.state.ids.running();
        if running as u64 >= u64::from(settings.running) {
            return Err(Fault::new(
                Class::Bound,
                "too_many_running",
                format!("{running} transactions run that began in this partition: try again later"),
            ));
        }
        self.is_not_ahead(id)?;
        self.make_room(Settings::ID_COST)?;
        self.is_not_too_old(id)
    }

    /// Whether the stamp of an id is not too far ahead of the clock.
    fn is_not_ahead(&self, id: TxnId) -> Result<(), Fault> {
        let (clock, window) = (self.state.scalars.clock, self.state.scalars.settings.window);
        if id.stamp() <= clock.saturating_add(window) {
            return Ok(());
        }
        let ahead = id.stamp() - clock;
        let message = format!("the stamp is {ahead} ms ahead; at most {window} ms are taken");
        Err(Fault::new(Class::Bound, "ahead", message))
    }

    /// Whether it would be known that an id was taken before.
    fn is_not_too_old(&self, id: TxnId) -> Result<(), Fault> {
        if id.stamp() > self.state.scalars.floor {
            return Ok(());
        }
        let message = "the id is too old to be known here: whether it ran is unknown";
        Err(Fault::new(Class::Bound, "too_old", message))
    }

    /// Forgets ended ids, those with the lowest stamps first, until so many more bytes fit beside the rest.
    fn make_room(&mut self, bytes: u64) -> Result<(), Fault> {
        let limit = self.state.scalars.settings.id_bytes;
        while self.state.ids.bytes() + bytes > limit && !bugs::on(Bug::IdsUnbounded) {
            let Some(oldest) = self.state.ids.oldest_ended() else {
                return Err(Fault::new(
                    Class::Bound,
                    "ids_exhausted",
                    format!(
                        "{} transactions run and fill the {limit} bytes for ids",
                        self.state.ids.running()
                    ),
                ));
            };
            self.set_id(oldest, None);
            if !bugs::on(Bug::IdForgottenSilently) {
                self.state.scalars.floor = self.state.scalars.floor.max(oldest.stamp());
            }
        }
        Ok(())
    }

    /// Rule 5: an Open counts where its build is that of the owner, or it names the last Seal, or it
    /// accepts the replay. One that accepts the clock sets it to its own stamp, and with it what ids are
    /// too old: what was taken before cannot be taken again, what callers stamp from now on can.
    fn open(&mut self, open: &Open, offset: u64, stamp: u64) {
        let scalars = &mut self.state.scalars;
        let is_other_build = scalars.epoch.is_some() && scalars.build != open.build;
        if !scalars.take_open(open, offset) {
            return;
        }
        if open.accept_clock {
            scalars.clock = stamp;
            scalars.floor = stamp;
        }
        if is_other_build && self.state.draining.is_some() {
            self.set_draining(None);
        }
    }

    /// Sends an envelope under the next number of the channel.
    fn send(&mut self, to: PartitionId, head: Head, body: Vec<u8>) {
        let number = self.state.outbound.get(&to).copied().unwrap_or(0) + 1;
        self.set_outbound(to, number);
        let envelope = Envelope {
            head,
            body: body.into(),
        };
        self.effects.push(Effect::Send {
            to,
            number,
            envelope,
        });
    }

    fn answer(&mut self, to: ReplyTo, txn: TxnId, outcome: Outcome) {
        self.effects
            .push(Effect::Answer(Reply { to, txn, outcome }));
    }

    /// The version that a row written now has.
    fn version(&self) -> Version {
        Version {
            generation: self.generation,
            position: self.state.position,
        }
    }

    /// When the first of the waiting visits has waited for long enough, or the oldest keys have had their time, in
    /// milliseconds of the partition's clock. Somebody has to append a [`Kind::Tick`] then, where nothing else comes.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        let waiting = self.due.first().map(|due| due.at);
        waiting.into_iter().chain(self.shelf_due()).min()
    }

    /// Whether an entry or a row was touched since the last change record.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.touched.is_empty() || !self.touched_ids.is_empty() || self.rows.has_dirty()
    }

    /// Bytes, roughly, of what was changed and is to be done since the last change record.
    #[must_use]
    pub fn changed_bytes(&self) -> usize {
        self.changed_bytes
    }

    /// Takes the change record of everything applied since the last one, with the values that hold now:
    /// as they are when its last envelope has been applied (rule 2). `None` where nothing was applied.
    /// It is a snapshot also where the clock was set back since the last one.
    pub fn take_change(&mut self, snapshot: bool) -> Option<Change> {
        if self.cut == self.state.position {
            return None;
        }
        let snapshot = std::mem::take(&mut self.rewound) || snapshot;
        let mut ids = std::mem::take(&mut self.touched_ids);
        let touched = std::mem::take(&mut self.touched);
        let entries = if snapshot {
            self.encode_entries(self.state.entries())
        } else {
            ids.sort_unstable();
            ids.dedup();
            self.encode_entries(touched.into_iter().chain(ids.drain(..).map(EntryKey::Id)))
        };
        ids.clear();
        self.touched_ids = ids;
        let to = self.covered();
        let change = Change {
            epoch: self.state.scalars.epoch.unwrap_or(0),
            from: self.cut,
            to,
            schema: self.logic.schema(),
            kind: if snapshot {
                ChangeKind::Snapshot
            } else {
                ChangeKind::Delta
            },
            chunk: 0,
            of: 1,
            scalars: self.state.scalars.clone(),
            entries,
            rows: self.rows.take_dirty(),
            outbox: Vec::new(),
            lowest: Vec::new(),
        };
        self.cut = to;
        self.changed_bytes = 0;
        Some(change)
    }

    /// The last envelope that a change record of what memory holds now covers.
    fn covered(&self) -> Position {
        let position = self.state.position;
        match (position.offset(), position.index().checked_sub(1)) {
            (Some(offset), Some(before)) if bugs::on(Bug::ChangeOfLaterMemory) => {
                self.cut.max(Position::new(offset, before))
            }
            _ => position,
        }
    }

    /// Entries with their values, which share one buffer; `None` is an absence.
    fn encode_entries(
        &self,
        keys: impl Iterator<Item = EntryKey>,
    ) -> Vec<(EntryKey, Option<Bytes>)> {
        let mut buffer = Vec::new();
        let mut entries = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            let start = buffer.len();
            let present = self.state.put_entry(&key, &mut buffer);
            if present || !bugs::on(Bug::DeltaForgetsAbsence) {
                entries.push((key, present.then_some(start..buffer.len())));
            }
        }
        let buffer = Bytes::from(buffer);
        let shared = |(key, range): (EntryKey, Option<std::ops::Range<usize>>)| {
            (key, range.map(|range| buffer.slice(range)))
        };
        entries.into_iter().map(shared).collect()
    }

    /// Puts a row of a folded change record into memory, before anything is applied.
    pub fn restore_row(&mut self, key: &RowKey, row: StoredRow) {
        self.rows.restore(key, row);
    }
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partition")
            .field("id", &self.id)
            .field("position", &self.state.position)
            .finish_non_exhaustive()
    }
}
