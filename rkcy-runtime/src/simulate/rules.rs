//! What the bounds of a run allow: how large the state of a partition may grow, and which refusals the
//! engine itself may give. The logic's own refusals are judged by the serial execution.

use super::observe::Violation;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{PartitionId, Position, TxnId};
use rkcy_core::settings::Settings;
use rkcy_core::state::State;
use rkcy_core::txn::{Mode, Txn};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Callers that may ask for the end of one transaction, as the engine has it.
const ASKED: usize = 100;

/// What a worker's state measured before it went on.
#[derive(Clone, Debug, Default)]
pub(super) struct Measures {
    at: Position,
    clock: u64,
    /// Visits that wait for one instance, at most; those of them that the bound is for.
    longest: u64,
    bounded: u64,
    queue: u64,
    id_bytes: u64,
    id_bound: u64,
}

impl Measures {
    pub(super) fn of(state: &State) -> Measures {
        let scalars = &state.scalars;
        let lengths = state.queues.values().map(VecDeque::len);
        // What undoes waits whatever the bound is.
        let bounded = state.queues.values().map(|queue| {
            let turned = queue.iter().filter(|waiting| !waiting.txn.may_be_refused());
            queue.len() - turned.count()
        });
        Measures {
            at: state.position,
            clock: scalars.clock,
            longest: lengths.max().unwrap_or(0) as u64,
            bounded: bounded.max().unwrap_or(0) as u64,
            queue: u64::from(scalars.settings.queue),
            id_bytes: state.ids.bytes(),
            id_bound: scalars.settings.id_bytes,
        }
    }
}

/// The bounds of a run, and what happened that they depend on.
#[derive(Debug)]
pub(super) struct Rules {
    /// The least of each bound that holds anywhere in the run, and the most.
    least: Settings,
    most: Settings,
    /// Envelopes that a worker applies at a time: with more than one, what was reached in between is unseen.
    at_a_time: usize,
    /// The longest queue ever seen in a partition.
    longest: BTreeMap<PartitionId, u64>,
    /// Transactions that were damaged on their way.
    damaged: BTreeSet<TxnId>,
    /// Transactions that callers have cancelled.
    cancelled: BTreeSet<TxnId>,
    /// The clock has jumped: partitions may have accepted one that goes back.
    jumped: bool,
    /// An envelope was given up.
    gives_up: bool,
}

impl Rules {
    pub(super) fn new(settings: &[Settings], at_a_time: usize) -> Rules {
        let pick = |settings: &[&Settings], choose: fn(u64, u64) -> u64| {
            let of = |field: fn(&Settings) -> u64| {
                let values = settings.iter().map(|settings| field(settings));
                values.reduce(choose).unwrap_or_default()
            };
            Settings {
                window: of(|s| s.window),
                id_bytes: of(|s| s.id_bytes),
                queue: of(|s| u64::from(s.queue)) as u32,
                visits: of(|s| u64::from(s.visits)) as u16,
                row_bytes: of(|s| u64::from(s.row_bytes)) as u32,
                txn_bytes: of(|s| u64::from(s.txn_bytes)) as u32,
                running: of(|s| u64::from(s.running)) as u32,
                ..Settings::default()
            }
        };
        // Before the first Open the usual ones hold.
        let usual = Settings::default();
        let drawn: Vec<&Settings> = settings.iter().collect();
        let all: Vec<&Settings> = settings.iter().chain([&usual]).collect();
        Rules {
            least: pick(&drawn, u64::min),
            most: pick(&all, u64::max),
            at_a_time,
            longest: BTreeMap::new(),
            damaged: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            jumped: false,
            gives_up: false,
        }
    }

    /// An envelope is given up.
    pub(super) fn gives_up(&mut self) {
        self.gives_up = true;
    }

    /// A frame with this transaction cannot be read any more.
    pub(super) fn damaged(&mut self, txn: TxnId) {
        self.damaged.insert(txn);
    }

    /// Whether a row may be too large in this run.
    pub(super) fn rows_bounded(&self) -> bool {
        self.least.row_bytes < Settings::default().row_bytes
    }

    /// A caller cancels this transaction.
    pub(super) fn cancelled(&mut self, txn: TxnId) {
        self.cancelled.insert(txn);
    }

    /// The clock jumps.
    pub(super) fn clock_jumps(&mut self) {
        self.jumped = true;
    }

    /// Whether a record may be stamped `stamp` and be taken when the worker's clock says `now`.
    pub(super) fn may_be_taken(&self, stamp: u64, now: u64) -> bool {
        stamp <= now.saturating_add(self.most.window)
    }

    /// Whether a worker may stop because of this stamp.
    pub(super) fn may_stop_for(&self, stamp: u64, now: u64) -> bool {
        stamp > now.saturating_add(self.least.window)
    }

    /// Holds the state of a partition against its bounds, after one or a few applications.
    pub(super) fn check(
        &mut self,
        partition: PartitionId,
        before: &Measures,
        state: &State,
    ) -> Result<Measures, Violation> {
        let after = Measures::of(state);
        // A bound that an Open has lowered takes nothing away from what was there. Of several applications
        // at a time any may have been an Open.
        let (queue, id_bound) = match self.at_a_time {
            1 => (
                before.queue.max(after.queue),
                before.id_bound.max(after.id_bound),
            ),
            _ => (u64::from(self.most.queue), self.most.id_bytes),
        };
        let longest = before.bounded.max(queue);
        if after.bounded > longest {
            return Err(Violation(format!(
                "{partition}: {} visits wait for one instance, {longest} may",
                after.bounded
            )));
        }
        let id_bytes = before.id_bytes.max(id_bound);
        if after.id_bytes > id_bytes {
            return Err(Violation(format!(
                "{partition}: ids take {} bytes, {id_bytes} are allowed",
                after.id_bytes
            )));
        }
        let scalars = &state.scalars;
        let oldest = scalars.clock.saturating_sub(self.least.window + 1);
        let forgets = self.least.id_bytes < Settings::default().id_bytes;
        if scalars.floor > oldest && !forgets && !self.jumped {
            return Err(Violation(format!(
                "{partition}: stamps up to {} count as too old, {oldest} is the highest that may",
                scalars.floor
            )));
        }
        let seen = self.longest.entry(partition).or_default();
        *seen = after.longest.max(*seen);
        Ok(after)
    }

    /// A position no later than the one where something was decided of which the worker tells now.
    pub(super) fn decided_at(&self, before: &Measures, state: &State) -> Position {
        match self.at_a_time {
            1 => state.position,
            _ => before.at,
        }
    }

    /// Whether the engine may refuse `txn` like this, given what was seen so far.
    ///
    /// # Errors
    /// The violation. `Ok(false)`: it is not the engine's, so the logic alone must refuse it in the same way.
    pub(super) fn justify(
        &self,
        txn: &Txn,
        fault: &Fault,
        taken: bool,
        (partition, before, state): (PartitionId, &Measures, &State),
    ) -> Result<bool, Violation> {
        if taken && fault.code == "cancelled" && self.cancelled.contains(&txn.id) {
            return Ok(true);
        }
        if taken && fault.code == "handler_died" && self.gives_up {
            return Ok(true);
        }
        if taken && fault.class == Class::Refusal {
            return Ok(false);
        }
        let (scalars, usual) = (&state.scalars, Settings::default());
        let exact = self.at_a_time == 1;
        let justified = match (fault.class, fault.code.as_ref()) {
            (Class::Bound, "queue_full") => {
                // A saga goes back before it tells.
                let longest = match txn.mode {
                    Mode::Saga => self.longest.values().max(),
                    _ => self.longest.get(&partition),
                };
                let longest = longest.copied().unwrap_or(0);
                self.least.queue < usual.queue && (!exact || longest >= u64::from(self.least.queue))
            }
            (Class::Bound, "ids_exhausted") => {
                // Within the application others may have ended, before or behind.
                let most = state.ids.bytes().max(before.id_bytes);
                let key = u64::from(txn.has_key()) * Settings::KEY_COST;
                let full = most + Settings::ID_COST + key > scalars.settings.id_bytes;
                self.least.id_bytes < usual.id_bytes && (!exact || full)
            }
            (Class::Bound, "too_old") => {
                // Within several applications an accepted clock may have gone back.
                let unseen = self.jumped && !exact;
                !taken && (txn.id.stamp() <= scalars.floor || unseen)
            }
            (Class::Bound, "ahead") => {
                // As above.
                let unseen = self.jumped && !exact;
                let ahead = txn.id.stamp() > before.clock.saturating_add(self.least.window);
                !taken && (ahead || unseen)
            }
            (Class::Bound, "asked_too_often") => {
                let asked = state.ids.running_ids();
                let asked = asked.filter_map(|id| Some(state.ids.run(id)?.asked.len()));
                !taken && (!exact || asked.max() >= Some(ASKED))
            }
            (Class::Bound, "deadline") => txn.budget != 0,
            (Class::Bound, "too_many_running") => self.least.running < usual.running,
            (Class::Bound, "too_many_visits") => self.least.visits < usual.visits,
            (Class::Bound, "instance_too_large") => self.least.row_bytes < usual.row_bytes,
            (Class::Bound, "transaction_too_large") => self.least.txn_bytes < usual.txn_bytes,
            (Class::Corrupt, "unreadable") => self.damaged.contains(&txn.id),
            (_, "no_plan") => false,
            _ if taken => return Ok(false),
            _ => false,
        };
        match justified {
            true => Ok(true),
            false => Err(Violation(format!(
                "{} was told `{fault}`, and nothing in the run gives cause for it",
                txn.id
            ))),
        }
    }
}
