//! What must hold of related views.
//!
//! Owns three checks, none of which asks how the engine keeps a view beyond the names of its rows: a member that is
//! shown was committed with that very value, at that version; what a view has of a member never goes back to an
//! earlier version, not even when the member has left and come again; and at the end every view has exactly those
//! who refer to its instance, as they are.

use super::cluster::Cluster;
use super::observe::Violation;
use super::workload::World;
use crate::codegen::{ConcernId, Logic, PlatformDesc};
use bytes::Bytes;
use rkcy_core::id::{PartitionId, Position, Version};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::related::{Member, Members, Place};
use rkcy_core::rows::StoredRow;
use rkcy_core::wire::Wire;
use std::collections::{BTreeMap, BTreeSet};

/// The hidden concerns that keep views.
pub(super) fn keepers(desc: &PlatformDesc, logic: &dyn Logic) -> BTreeSet<ConcernId> {
    let declared = desc.declared();
    (declared.filter_map(|concern| logic.viewed_in(concern.id))).collect()
}

/// The rows of the views that an instance is in: of each its member, and the list that it is in.
fn places(
    logic: &dyn Logic,
    row: &RowKey,
    value: &Bytes,
) -> Result<Vec<(RowKey, RowKey)>, Violation> {
    if !logic.is_related(row.concern) {
        return Ok(Vec::new());
    }
    let relations = logic.relations(row, value);
    let relations = relations.map_err(|fault| Violation(format!("views: {row:?}: {fault}")))?;
    let place = relations.iter().filter_map(|relation| {
        let hidden = logic.viewed_in(relation.target.concern)?;
        let place = Place::new(hidden, &relation.target.key, relation.referrer);
        Some((place.member(&row.key), place.list()))
    });
    Ok(place.collect())
}

/// Views while the logs are applied again.
pub(super) struct Watched {
    keepers: BTreeSet<ConcernId>,
    /// What was committed: by the row that a view has it in, and its version.
    committed: BTreeMap<RowKey, BTreeMap<Version, Bytes>>,
    /// What views have shown.
    shown: Vec<(RowKey, Member)>,
    /// The last version of each.
    last: BTreeMap<RowKey, Version>,
}

impl Watched {
    pub(super) fn new(desc: &PlatformDesc, logic: &dyn Logic) -> Watched {
        Watched {
            keepers: keepers(desc, logic),
            committed: BTreeMap::new(),
            shown: Vec::new(),
            last: BTreeMap::new(),
        }
    }

    /// An envelope was applied, and has changed these rows.
    pub(super) fn applied(
        &mut self,
        (id, at): (PartitionId, Position),
        changed: Vec<(RowKey, StoredRow)>,
        logic: &dyn Logic,
    ) -> Result<(), Violation> {
        if self.keepers.is_empty() {
            return Ok(());
        }
        for (row, stored) in changed {
            let Some(value) = stored.value else { continue };
            for (member, _) in places(logic, &row, &value)? {
                let versions = self.committed.entry(member).or_default();
                versions.insert(stored.version, value.clone());
            }
            if !self.keepers.contains(&row.concern) {
                continue;
            }
            let Ok(member) = Member::from_wire(value) else {
                continue;
            };
            if let Some(last) = self.last.insert(row.clone(), member.version)
                && last >= member.version
            {
                let version = member.version;
                let what = format!("{id} {at}: {row:?} goes from {last} back to {version}");
                return Err(Violation(format!("views: {what}")));
            }
            self.shown.push((row, member));
        }
        Ok(())
    }

    /// All logs were applied: what was shown was committed.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let was_committed = |(row, member): &&(RowKey, Member)| {
            let versions = self.committed.get(row);
            versions.and_then(|versions| versions.get(&member.version)) == Some(&member.value)
        };
        match self.shown.iter().find(|shown| !was_committed(shown)) {
            None => Ok(()),
            Some((row, member)) => Err(Violation(format!(
                "views: {row:?} of {} was never committed like this",
                member.version
            ))),
        }
    }
}

/// Every view has exactly those who refer to its instance.
pub(super) fn check_at_the_end(cluster: &Cluster<'_>, world: &World) -> Result<(), Violation> {
    let logic = &**cluster.logic();
    let keepers = keepers(cluster.desc, logic);
    let mut members: BTreeMap<RowKey, Bytes> = BTreeMap::new();
    let mut lists: BTreeMap<RowKey, BTreeSet<Key>> = BTreeMap::new();
    for (row, value) in &world.rows {
        for (member, list) in places(logic, row, value)? {
            members.insert(member, value.clone());
            lists.entry(list).or_default().insert(row.key.clone());
        }
    }
    let broken = |what: String| Err(Violation(format!("views: {what}")));
    for database in cluster.databases.values() {
        for (row, stored) in database.rows() {
            let Some(value) = &stored.value else { continue };
            if !keepers.contains(&row.concern) {
                continue;
            }
            if let Ok(member) = Member::from_wire(value.clone()) {
                match members.remove(row) {
                    Some(wanted) if wanted == member.value => {}
                    Some(_) => return broken(format!("{row:?} is not the member as it is")),
                    None => return broken(format!("{row:?} is no member")),
                }
                continue;
            }
            let list = Members::from_wire(value.clone());
            let list = list.map_err(|error| Violation(format!("views: {row:?}: {error}")))?;
            let has: BTreeSet<Key> = list.0.iter().cloned().collect();
            if has.len() != list.0.len() || lists.remove(row).as_ref() != Some(&has) {
                return broken(format!("{row:?} names others than those who refer"));
            }
        }
    }
    match (members.keys().next(), lists.keys().next()) {
        (None, None) => Ok(()),
        (Some(row), _) | (_, Some(row)) => broken(format!("{row:?} is missing")),
    }
}
