//! Owns the plan of visits as it is shown: which steps are made together, what is locked meanwhile and
//! what it costs. The engine's own planner does the work, on keys that stand for the symbolic ones.

use std::collections::BTreeMap;

use rkcy_core::id::TxnId;
use rkcy_core::key::Key;
use rkcy_core::plan::{Partitions, extend};
use rkcy_core::txn::{
    Access, Args, Mode as CoreMode, Place as CorePlace, Step as CoreStep, Txn, Unplanned, Visit,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::Cx;
use crate::lock::Lock;
use crate::model::{
    Block, Mode, Model, Place, Statement, Step, StepId, StepKind, Text, Transaction,
};

/// Version of the document that `show plan --format json` prints.
const DOCUMENT_VERSION: u32 = 2;

/// The plans of all transactions.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct VisitsDocument {
    version: u32,
    platform: String,
    /// The plans, in order of declaration.
    pub transactions: Vec<TransactionPlan>,
}

/// The plan of a transaction.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct TransactionPlan {
    /// `transaction` or `saga`.
    pub mode: &'static str,
    /// Name in the schema.
    pub name: String,
    /// Whether the numbers are those of the worst case: of the longest lists, and with all conditions
    /// true.
    pub at_most: bool,
    /// Its visits. Those of one concern whose keys are all known are made in the order of their
    /// partitions and keys, which only a call tells.
    pub visits: Vec<VisitPlan>,
    /// How many visits that are, with the turns of loops.
    pub count: u64,
    /// Envelopes in command logs, of a call that is not refused.
    pub records: u64,
    /// Messages that a caller waits for, one after the other.
    pub legs: u64,
}

/// A visit.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct VisitPlan {
    /// The instance: `Character[lhs.character]`.
    pub instance: String,
    /// Whether others may read it meanwhile.
    pub access: &'static str,
    /// How many such visits there are at most, where it stands in loops.
    pub times: u64,
    /// What is done; nothing where it is only locked.
    pub steps: Vec<VisitStep>,
    /// Whether it is planned when a result has told its key.
    pub late: bool,
    /// For how many hops the instance stays locked behind this visit.
    pub locked_hops: u64,
}

/// A step in a visit.
#[derive(Debug, Clone, JsonSchema, Serialize)]
pub struct VisitStep {
    /// Its number.
    pub number: u16,
    /// As the schema writes it.
    pub text: String,
    /// The loops and conditions around it, outermost first.
    pub within: Vec<String>,
    /// What undoes it, in a saga.
    pub undo: Option<String>,
}

/// One partition for each concern: the shape of a plan does not depend on their number.
struct One;

impl Partitions for One {
    fn partitions(&self, _: rkcy_core::id::ConcernId) -> u16 {
        1
    }
}

/// The plans of all transactions of a model.
pub fn visits(model: &Model, lock: &Lock) -> VisitsDocument {
    let cx = Cx::new(model, lock, "");
    VisitsDocument {
        version: DOCUMENT_VERSION,
        platform: model.platform().name.clone(),
        transactions: model
            .transactions()
            .iter()
            .map(|transaction| cx.visit_plan(transaction))
            .collect(),
    }
}

impl Cx<'_> {
    fn visit_plan(&self, transaction: &Transaction) -> TransactionPlan {
        let places = transaction.places();
        let instances = Instances::new(self.model, transaction, &places);
        let unplanned = transaction
            .steps
            .iter()
            .filter_map(|step| self.unplanned(transaction, step, &places, &instances))
            .collect();
        let mut txn = Txn {
            mode: match transaction.mode {
                Mode::Transaction => CoreMode::Transaction,
                Mode::Saga => CoreMode::Saga,
            },
            unplanned,
            ..Txn::new(TxnId([0; 16]), 1, 0)
        };
        let mut late_from = usize::MAX;
        extend(&mut txn, &One);
        // Refused by the checker: a plan that is stuck. Then the rest is left out.
        while !txn.unplanned.is_empty() {
            late_from = late_from.min(txn.visits.len());
            txn.next = txn.visits.len() as u16;
            let open: Vec<u16> = txn.unplanned.iter().map(|it| it.step.number).collect();
            let mut learned = false;
            for waiting in &mut txn.unplanned {
                let is_told = waiting.after.iter().all(|number| !open.contains(number));
                if waiting.group.is_none() && is_told {
                    waiting.group = Some(instances.key_of(waiting.step.number));
                    learned = true;
                }
            }
            if !learned {
                break;
            }
            extend(&mut txn, &One);
        }
        let shown = self.shown_steps(transaction);
        let is_saga = transaction.mode == Mode::Saga;
        // A transaction visits an instance once for all turns, a saga in each.
        let of_group = |key: &Key| instances.find(key).map_or(1, |instance| instance.times);
        let times = |visit: &Visit| {
            let turns = |step: &CoreStep| places[usize::from(step.number)].turns();
            match transaction.mode {
                Mode::Transaction => of_group(&visit.group.key),
                Mode::Saga => visit.steps.iter().map(turns).max().unwrap_or(1),
            }
        };
        let count: u64 = txn.visits.iter().map(times).sum();
        let groups: std::collections::BTreeSet<_> =
            txn.visits.iter().map(|visit| &visit.group).collect();
        let releases: u64 = groups.iter().map(|group| of_group(&group.key)).sum();
        let last_is_elsewhere =
            txn.visits.first().map(|it| &it.group) != txn.visits.last().map(|it| &it.group);
        let mut before: u64 = 0;
        let mut visits = Vec::new();
        for (index, visit) in txn.visits.iter().enumerate() {
            let instance = instances.find(&visit.group.key);
            visits.push(VisitPlan {
                instance: instance.map_or_else(String::new, |it| it.name.clone()),
                access: match visit.access {
                    Access::Hold => "hold",
                    Access::Shared => "shared",
                    Access::Exclusive => "exclusive",
                    Access::Delete => "delete",
                },
                times: times(visit),
                steps: visit
                    .steps
                    .iter()
                    .map(|step| shown[usize::from(step.number)].clone())
                    .collect(),
                late: index >= late_from,
                locked_hops: if is_saga {
                    0
                } else {
                    count.saturating_sub(before + 1)
                },
            });
            before += times(visit);
        }
        // Each visit; a release for each instance but the last, where they are locked; the outcome for
        // the first partition, unless the last visit is there. (Each instance in a partition of its own.)
        let releases = if is_saga {
            0
        } else {
            releases.saturating_sub(1)
        };
        TransactionPlan {
            mode: transaction.mode.word(),
            name: transaction.name.clone(),
            at_most: shown.iter().any(|step| !step.within.is_empty()),
            visits,
            count,
            records: count + releases + u64::from(last_is_elsewhere),
            legs: count + 1,
        }
    }

    /// The steps as they are shown, by their ids.
    fn shown_steps(&self, transaction: &Transaction) -> Vec<VisitStep> {
        let text = Text::new(self.model, transaction);
        let mut shown: Vec<VisitStep> = transaction
            .steps
            .iter()
            .map(|step| VisitStep {
                number: number(step.id),
                text: text.step(step),
                within: Vec::new(),
                undo: self.undo_of(transaction, step),
            })
            .collect();
        note_surroundings(&text, &transaction.body, &mut Vec::new(), &mut shown);
        shown
    }

    /// The operation that undoes a step of a saga.
    fn undo_of(&self, transaction: &Transaction, step: &Step) -> Option<String> {
        if transaction.mode != Mode::Saga {
            return None;
        }
        let concern = self.model.concern(step.target.as_ref()?.concern);
        match &step.kind {
            StepKind::Create(_) => Some("delete".to_owned()),
            StepKind::Command(id, _) => {
                let undo = concern.command(*id).undo?;
                Some(concern.command(undo).name.clone())
            }
            _ => None,
        }
    }

    fn unplanned(
        &self,
        transaction: &Transaction,
        step: &Step,
        places: &[Place],
        instances: &Instances,
    ) -> Option<Unplanned> {
        // See `unbuilt`.
        let target = step.target.as_ref()?;
        let place = &places[step.id.index()];
        let mut after = transaction.step_needs(step);
        after.extend(&place.guards);
        let root = self.model.concern(self.model.root(target.concern));
        let (_, key) = transaction.group(self.model.concerns(), target);
        let is_known = transaction.known_at_submission(key);
        Some(Unplanned {
            step: CoreStep {
                number: number(step.id),
                place: CorePlace::Root,
                op: 0,
                args: Args::Late,
                keep: true,
                sure: place.guards.is_empty(),
                undo: None,
                claims_for: None,
            },
            root: rkcy_core::id::ConcernId(self.lock.rank(&root.name) as u16),
            group: is_known.then(|| instances.key_of(number(step.id))),
            access: match step.kind {
                StepKind::Delete => Access::Delete,
                _ if step.reads_only() => Access::Shared,
                _ => Access::Exclusive,
            },
            after: after.into_iter().map(number).collect(),
        })
    }
}

/// Notes for each step of a block which loops and conditions are around it.
fn note_surroundings(
    text: &Text<'_>,
    block: &Block,
    around: &mut Vec<String>,
    shown: &mut [VisitStep],
) {
    for statement in &block.statements {
        match statement {
            Statement::Step(id) => shown[id.index()].within.clone_from(around),
            Statement::Call(_) | Statement::Require(_) | Statement::Emit(_) => {}
            Statement::If(branch) => {
                around.push(text.branch(branch));
                note_surroundings(text, &branch.then, around, shown);
                around.pop();
                if let Some(otherwise) = &branch.otherwise {
                    around.push(format!("else of {}", text.branch(branch)));
                    note_surroundings(text, otherwise, around, shown);
                    around.pop();
                }
            }
            Statement::For(turns) => {
                around.push(format!("{}, up to {}", text.turns(turns), turns.bound));
                note_surroundings(text, &turns.body, around, shown);
                around.pop();
            }
        }
    }
}

/// The groups of a transaction by what their keys are called; the place in the list stands for the
/// key.
struct Instances {
    list: Vec<Instance>,
    of_step: BTreeMap<u16, usize>,
}

struct Instance {
    name: String,
    /// How many such instances there are at most.
    times: u64,
}

impl Instances {
    fn new(model: &Model, transaction: &Transaction, places: &[Place]) -> Self {
        let text = Text::new(model, transaction);
        let mut list: Vec<Instance> = Vec::new();
        let mut of_step = BTreeMap::new();
        for step in &transaction.steps {
            let Some(target) = &step.target else {
                continue;
            };
            let (group, key) = transaction.group(model.concerns(), target);
            let name = format!("{}[{}]", model.concern(group).name, text.key(key));
            let times = transaction.instances(key, &places[step.id.index()], places);
            let place = match list.iter_mut().position(|known| known.name == name) {
                Some(place) => {
                    list[place].times = list[place].times.max(times);
                    place
                }
                None => {
                    list.push(Instance { name, times });
                    list.len() - 1
                }
            };
            of_step.insert(number(step.id), place);
        }
        Self { list, of_step }
    }

    fn key_of(&self, step: u16) -> Key {
        let place = self.of_step.get(&step).copied().unwrap_or_default();
        Key::of(&(place as u64))
    }

    fn find(&self, key: &Key) -> Option<&Instance> {
        let mut list = self.list.iter().enumerate();
        list.find(|(place, _)| Key::of(&(*place as u64)) == *key)
            .map(|(_, instance)| instance)
    }
}

/// The number of a step in a plan; in a log, turns of loops come in between.
fn number(id: StepId) -> u16 {
    id.index() as u16
}

impl VisitsDocument {
    /// The plans for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, plan) in self.transactions.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            let count = |number: u64, what: &str| {
                format!("{number} {what}{}", if number == 1 { "" } else { "s" })
            };
            let at_most = if plan.at_most { "at most " } else { "" };
            text.push_str(&format!(
                "{} {}: {at_most}{}, {}, {}\n",
                plan.mode,
                plan.name,
                count(plan.count, "visit"),
                count(plan.records, "record"),
                count(plan.legs, "leg"),
            ));
            for (number, visit) in plan.visits.iter().enumerate() {
                let mut notes = visit.access.to_owned();
                if visit.times > 1 {
                    notes.push_str(&format!(", up to {} of them", visit.times));
                }
                if visit.locked_hops > 0 {
                    notes.push_str(&format!(", locked for {}", count(visit.locked_hops, "hop")));
                }
                if visit.late {
                    notes.push_str(", once its key is known");
                }
                text.push_str(&format!("  {}. {} ({notes})\n", number + 1, visit.instance));
                if visit.steps.is_empty() {
                    text.push_str("       only its lock\n");
                }
                for step in &visit.steps {
                    let undo = step.undo.as_ref();
                    let undo = undo.map_or_else(String::new, |undo| format!(", undone by {undo}"));
                    text.push_str(&format!("     {:>2}: {}{undo}\n", step.number, step.text));
                    for around in &step.within {
                        text.push_str(&format!("         {around}\n"));
                    }
                }
            }
        }
        text
    }
}
