//! A group whose partitions move on demand.

use rkcy_core::id::PartitionId;
use rkcy_runtime::codegen::ConcernId;
use rkcy_runtime::driver::Role;
use rkcy_runtime::log::LogError;
use rkcy_runtime::log::group::{Assigned, Group, GroupId, Hear, Member, Released};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

struct One {
    number: u64,
    group: GroupId,
    hear: Arc<Hear>,
}

#[derive(Default)]
struct State {
    members: Vec<One>,
    /// Who has a partition, by group; none while it is handed over.
    owners: Vec<(GroupId, BTreeMap<PartitionId, Option<u64>>)>,
    numbers: u64,
}

/// The groups.
pub(crate) struct Members {
    all: Vec<PartitionId>,
    state: Arc<Mutex<State>>,
}

impl Members {
    pub(crate) fn new(concerns: impl Iterator<Item = ConcernId>, partitions: u16) -> Members {
        let of = |concern| (0..partitions).map(move |index| PartitionId { concern, index });
        Members {
            all: concerns.flat_map(of).collect(),
            state: Arc::default(),
        }
    }

    pub(crate) fn all(&self) -> &[PartitionId] {
        &self.all
    }

    /// Members with this role, in the order in which they came.
    pub(crate) fn of(&self, role: Role) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        let of = |one: &&One| one.group.role == role;
        state
            .members
            .iter()
            .filter(of)
            .map(|one| one.number)
            .collect()
    }

    /// Whether every partition of this role is in some member's hands.
    pub(crate) fn is_settled(&self, role: Role) -> bool {
        let state = self.state.lock().unwrap();
        let mut of = state.owners.iter().filter(|(group, _)| group.role == role);
        of.all(|(_, owners)| owners.values().all(Option::is_some))
    }

    /// Hands a partition from whoever has it to another member, in good order.
    pub(crate) fn hand_over(&self, partition: PartitionId, to: u64) {
        let state = Arc::clone(&self.state);
        let from = {
            let mut state = state.lock().unwrap();
            let group = state
                .members
                .iter()
                .find(|one| one.number == to)
                .unwrap()
                .group;
            let owner = owner(&mut state, group, partition);
            let from = owner.take().unwrap();
            let from = state.members.iter().find(|one| one.number == from).unwrap();
            Arc::clone(&from.hear)
        };
        let next = Arc::clone(&self.state);
        let free = move || gain(&next, to, vec![partition]);
        from(Assigned::Revoked(vec![partition], Released::new(free)));
    }

    /// Gives a partition to another member; who had it hears nothing, and goes on.
    pub(crate) fn steal(&self, partition: PartitionId, to: u64) {
        gain(&self.state, to, vec![partition]);
    }

    /// Tells a member that it has lost a partition.
    pub(crate) fn lose(&self, partition: PartitionId, of: u64) {
        let hear = {
            let state = self.state.lock().unwrap();
            let one = state.members.iter().find(|one| one.number == of).unwrap();
            Arc::clone(&one.hear)
        };
        hear(Assigned::Lost(vec![partition]));
    }
}

fn owner(state: &mut State, group: GroupId, partition: PartitionId) -> &mut Option<u64> {
    let nth = state.owners.iter().position(|(known, _)| *known == group);
    let nth = nth.unwrap_or_else(|| {
        state.owners.push((group, BTreeMap::new()));
        state.owners.len() - 1
    });
    state.owners[nth].1.entry(partition).or_default()
}

fn gain(state: &Mutex<State>, to: u64, partitions: Vec<PartitionId>) {
    let hear = {
        let mut state = state.lock().unwrap();
        let Some(one) = state.members.iter().find(|one| one.number == to) else {
            return;
        };
        let (group, hear) = (one.group, Arc::clone(&one.hear));
        for partition in &partitions {
            *owner(&mut state, group, *partition) = Some(to);
        }
        hear
    };
    hear(Assigned::Gained(partitions));
}

impl Group for Members {
    /// Who comes first has everything, until it is told otherwise.
    fn join(&self, group: GroupId, hear: Hear) -> Result<Box<dyn Member>, LogError> {
        let (number, gained) = {
            let mut state = self.state.lock().unwrap();
            state.numbers += 1;
            let number = state.numbers;
            state.members.push(One {
                number,
                group,
                hear: Arc::new(hear),
            });
            let free = |id: &&PartitionId| owner(&mut state, group, **id).is_none();
            let gained: Vec<PartitionId> = self.all.iter().filter(free).copied().collect();
            (number, gained)
        };
        if !gained.is_empty() {
            gain(&self.state, number, gained);
        }
        Ok(Box::new(Joined {
            number,
            state: Arc::clone(&self.state),
        }))
    }
}

struct Joined {
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Member for Joined {}

/// What it had goes to the first of the others, if there is one.
impl Drop for Joined {
    fn drop(&mut self) {
        let (heir, left) = {
            let mut state = self.state.lock().unwrap();
            let nth = state
                .members
                .iter()
                .position(|one| one.number == self.number);
            let gone = state.members.remove(nth.unwrap());
            let of = |one: &&One| one.group == gone.group;
            let heir = state.members.iter().find(of).map(|one| one.number);
            let mut left = Vec::new();
            for (group, owners) in &mut state.owners {
                for (partition, owner) in owners.iter_mut() {
                    if *group == gone.group && *owner == Some(self.number) {
                        *owner = None;
                        left.push(*partition);
                    }
                }
            }
            (heir, left)
        };
        if let Some(heir) = heir {
            gain(&self.state, heir, left);
        }
    }
}
