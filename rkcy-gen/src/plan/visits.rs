//! Owns the plan of visits as it is shown: which steps are made together, what is locked meanwhile and
//! what it costs. The engine's own planner does the work, on keys that stand for the symbolic ones.

use std::collections::BTreeMap;

use rkcy_core::id::TxnId;
use rkcy_core::key::Key;
use rkcy_core::plan::{Partitions, extend};
use rkcy_core::txn::{Access, Answer, Args, Mode, ReplyTo, Step as CoreStep, Txn, Unplanned};
use serde::Serialize;

use super::Cx;
use super::transaction::Planned;
use crate::lock::Lock;
use crate::model::{Model, StepKind, Transaction};

/// Version of the document that `show plan --format json` prints.
const DOCUMENT_VERSION: u32 = 1;

/// The plans of all transactions.
#[derive(Debug, Clone, Serialize)]
pub struct VisitsDocument {
    version: u32,
    platform: String,
    /// The plans, in order of declaration.
    pub transactions: Vec<TransactionPlan>,
}

/// The plan of a transaction.
#[derive(Debug, Clone, Serialize)]
pub struct TransactionPlan {
    /// Name in the schema.
    pub name: String,
    /// Its visits. Those of one concern whose keys are all known are made in the order of their
    /// partitions and keys, which only a call tells.
    pub visits: Vec<VisitPlan>,
    /// Envelopes in command logs, of a call that is not refused.
    pub records: usize,
    /// Messages that a caller waits for, one after the other.
    pub legs: usize,
}

/// A visit.
#[derive(Debug, Clone, Serialize)]
pub struct VisitPlan {
    /// The instance: `Character[lhs.character]`.
    pub instance: String,
    /// Whether others may read it meanwhile.
    pub access: &'static str,
    /// What is done; nothing where it is only locked.
    pub steps: Vec<VisitStep>,
    /// Whether it is planned when a result has told its key.
    pub late: bool,
    /// For how many hops the instance stays locked behind this visit.
    pub locked_hops: usize,
}

/// A step in a visit.
#[derive(Debug, Clone, Serialize)]
pub struct VisitStep {
    /// Its number.
    pub number: u16,
    /// As the schema writes it.
    pub text: String,
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
        let steps = self.planned(transaction);
        // Instances by what their keys are called; the place in the list stands for the key.
        let mut instances: Vec<String> = Vec::new();
        let mut place_of: BTreeMap<u16, u64> = BTreeMap::new();
        for step in &steps {
            let name = format!(
                "{}[{}]",
                step.concern.name,
                self.show(transaction, transaction.resolve_key(step.key))
            );
            let place = instances
                .iter()
                .position(|known| *known == name)
                .unwrap_or_else(|| {
                    instances.push(name);
                    instances.len() - 1
                });
            place_of.insert(step.number, place as u64);
        }
        let unplanned = steps
            .iter()
            .map(|step| self.unplanned(step, place_of[&step.number]))
            .collect();
        let mut txn = empty_txn(unplanned);
        let mut late_from = usize::MAX;
        // Refused by the checker: a plan that is stuck. Then the rest is left out.
        while extend(&mut txn, &One).is_ok() && !txn.unplanned.is_empty() {
            late_from = late_from.min(txn.visits.len());
            txn.next = txn.visits.len() as u16;
            let mut learned = false;
            let open: Vec<u16> = txn
                .unplanned
                .iter()
                .map(|waiting| waiting.step.number)
                .collect();
            for waiting in &mut txn.unplanned {
                let is_told = waiting.after.iter().all(|number| !open.contains(number));
                if waiting.key.is_none() && is_told {
                    waiting.key = Some(Key::of(&place_of[&waiting.step.number]));
                    learned = true;
                }
            }
            if !learned {
                break;
            }
        }
        let texts: Vec<String> = steps
            .iter()
            .map(|step| self.step_text(transaction, step))
            .collect();
        let count = txn.visits.len();
        let groups: std::collections::BTreeSet<_> =
            txn.visits.iter().map(|visit| &visit.group).collect();
        let last_is_elsewhere =
            txn.visits.first().map(|it| &it.group) != txn.visits.last().map(|it| &it.group);
        let visits = txn
            .visits
            .iter()
            .enumerate()
            .map(|(index, visit)| VisitPlan {
                instance: instance_of(&visit.group.key, &instances),
                access: if visit.access == Access::Shared {
                    "shared"
                } else {
                    "exclusive"
                },
                steps: visit
                    .steps
                    .iter()
                    .map(|step| VisitStep {
                        number: step.number,
                        text: texts[usize::from(step.number)].clone(),
                    })
                    .collect(),
                late: index >= late_from,
                locked_hops: count - 1 - index,
            });
        TransactionPlan {
            name: transaction.name.clone(),
            visits: visits.collect(),
            // Each visit; a release for each instance but the last; the outcome for the first
            // partition, unless the last visit is there. (Each instance in a partition of its own.)
            records: count + groups.len().saturating_sub(1) + usize::from(last_is_elsewhere),
            legs: count + 1,
        }
    }

    fn step_text(&self, transaction: &Transaction, step: &Planned<'_>) -> String {
        match step.step {
            Some(written) => self.show_step(transaction, written),
            None => format!(
                "read what is committed of {}[{}]",
                step.concern.name,
                self.show(transaction, step.key)
            ),
        }
    }

    fn unplanned(&self, step: &Planned<'_>, place: u64) -> Unplanned {
        let reads_only = step
            .step
            .is_none_or(|step| matches!(step.kind, StepKind::Get | StepKind::Query(..)));
        Unplanned {
            step: CoreStep {
                number: step.number,
                op: 0,
                args: Args::Late,
                keep: step.kept,
            },
            concern: rkcy_core::id::ConcernId(self.lock.rank(&step.concern.name) as u16),
            key: step.key_known.then(|| Key::of(&place)),
            access: if reads_only {
                Access::Shared
            } else {
                Access::Exclusive
            },
            after: step.after.iter().copied().collect(),
        }
    }
}

fn instance_of(key: &Key, instances: &[String]) -> String {
    let place = instances
        .iter()
        .enumerate()
        .find(|(place, _)| Key::of(&(*place as u64)) == *key);
    place.map_or_else(String::new, |(_, name)| name.clone())
}

fn empty_txn(unplanned: Vec<Unplanned>) -> Txn {
    Txn {
        id: TxnId([0; 16]),
        kind: 1,
        schema: 0,
        mode: Mode::Transaction,
        budget: 0,
        reply: ReplyTo(0),
        trace: Default::default(),
        caller: Default::default(),
        params: Default::default(),
        visits: Vec::new(),
        next: 0,
        unplanned,
        checks: Vec::new(),
        results: Vec::new(),
        answer: Answer::Empty,
    }
}

impl VisitsDocument {
    /// The plans for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, plan) in self.transactions.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            let count = |number: usize, what: &str| {
                format!("{number} {what}{}", if number == 1 { "" } else { "s" })
            };
            text.push_str(&format!(
                "transaction {}: {}, {}, {}\n",
                plan.name,
                count(plan.visits.len(), "visit"),
                count(plan.records, "record"),
                count(plan.legs, "leg"),
            ));
            for (number, visit) in plan.visits.iter().enumerate() {
                let late = if visit.late {
                    ", once its key is known"
                } else {
                    ""
                };
                let locked = match visit.locked_hops {
                    0 => String::new(),
                    hops => format!(", locked for {}", count(hops, "hop")),
                };
                text.push_str(&format!(
                    "  {}. {} ({}{locked}{late})\n",
                    number + 1,
                    visit.instance,
                    visit.access
                ));
                if visit.steps.is_empty() {
                    text.push_str("       only its lock\n");
                }
                for step in &visit.steps {
                    text.push_str(&format!("     {:>2}: {}\n", step.number, step.text));
                }
            }
        }
        text
    }
}
