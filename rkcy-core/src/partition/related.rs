//! Related views (rule 11): who is told of a committed change, what is taken of it, and what a handler sees.
//!
//! Nothing here locks or waits. What an application changes is gathered, the last value of each row, and told when
//! all that it lets go on has been done.

use super::visit::Stopped;
use super::{Halt, Partition};
use crate::bugs::{self, Bug};
use crate::claim::Referrer;
use crate::fault::Fault;
use crate::frame::{Body, Head, Kind};
use crate::id::TxnId;
use crate::key::{Key, RowKey, partition_of};
use crate::related::{Member, Members, Place, Push, Relation, Seen, Views};
use crate::wire::Wire;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What an application has to tell: by target, side and member.
pub(super) type Pushes = BTreeMap<(RowKey, Referrer, Key), Push>;

impl Partition {
    /// A row becomes what it is from now on; the views that it is in hear of it.
    pub(super) fn commit_row(&mut self, row: RowKey, value: Option<Bytes>) {
        if self.logic.is_related(row.concern) {
            self.note_change(&row, value.as_ref());
        }
        self.set_row(row, value);
    }

    /// Notes what views are to hear of a row that becomes `value`. Where it is not in memory what it was, the
    /// application has no effect, and runs again.
    fn note_change(&mut self, row: &RowKey, value: Option<&Bytes>) {
        let Some(stored) = self.rows.get(row) else {
            return self.must_load(vec![row.clone()]);
        };
        let before = stored.value.clone();
        if before.as_ref() == value {
            return;
        }
        match (
            self.relations(row, before.as_ref()),
            self.relations(row, value),
        ) {
            (Ok(before), Ok(now)) => {
                let is_gone = |relation: &Relation| !now.contains(relation);
                let gone: Vec<Relation> = before.into_iter().filter(is_gone).collect();
                if !bugs::on(Bug::MemberNotUnrelated) {
                    gone.into_iter()
                        .for_each(|relation| self.note(relation, row, None));
                }
                now.into_iter()
                    .for_each(|relation| self.note(relation, row, value));
            }
            // What was checked before it was written cannot be read by this build.
            (Err(fault), _) | (_, Err(fault)) => self.halt = Some(Halt::Unreadable(fault)),
        }
    }

    fn relations(&self, row: &RowKey, value: Option<&Bytes>) -> Result<Vec<Relation>, Fault> {
        value.map_or_else(|| Ok(Vec::new()), |value| self.logic.relations(row, value))
    }

    fn note(&mut self, relation: Relation, row: &RowKey, value: Option<&Bytes>) {
        let name = (relation.target.clone(), relation.referrer, row.key.clone());
        let push = Push {
            relation,
            member: row.key.clone(),
            version: self.version(),
            value: value.cloned(),
        };
        self.pushes.insert(name, push);
    }

    /// The seeded bug: views hear of what is not committed yet.
    pub(super) fn tell_too_early(&mut self, row: &RowKey, value: Option<&Bytes>) {
        if bugs::on(Bug::RelatedBeforeCommit) && self.logic.is_related(row.concern) {
            self.note_change(row, value);
        }
    }

    /// Tells what the application has changed: at once what is in this partition.
    pub(super) fn push_related(&mut self) -> Result<(), Halt> {
        let mut cold = Vec::new();
        while let Some((_, push)) = self.pushes.pop_first() {
            let group = &push.relation.group;
            let partitions = self.logic.partitions(group.concern);
            let at = partition_of(group.concern, &group.key, partitions);
            if at != self.id {
                let head = Head {
                    rows: self.rows_of(&push),
                    ..Head::plain(Kind::Related, TxnId([0; 16]))
                };
                self.send(at, head, Body::Related(push).encode());
                continue;
            }
            match self.take_push(&push) {
                Ok(()) => {}
                Err(Halt::Cold(rows)) => cold.extend(rows),
                Err(unreadable) => return Err(unreadable),
            }
        }
        match cold.is_empty() {
            true => Ok(()),
            false => Err(Halt::Cold(cold)),
        }
    }

    /// The hidden rows that a push is taken into: they may be loaded in advance.
    fn rows_of(&self, push: &Push) -> Vec<RowKey> {
        let place = self.place_of_view(&push.relation.target, push.relation.referrer);
        place.map_or_else(Vec::new, |place| {
            vec![place.member(&push.member), place.list()]
        })
    }

    fn place_of_view(&self, target: &RowKey, referrer: Referrer) -> Option<Place> {
        let hidden = self.logic.viewed_in(target.concern)?;
        Some(Place::new(hidden, &target.key, referrer))
    }

    /// Takes what became of a member into the view of its target. Whether that is there does not matter: whoever
    /// was related is told not to be any more when it leaves, so nothing stays behind.
    pub(super) fn take_push(&mut self, push: &Push) -> Result<(), Halt> {
        let Relation {
            target, referrer, ..
        } = &push.relation;
        // A build that keeps no view there has nobody to read it.
        let Some(place) = self.place_of_view(target, *referrer) else {
            return Ok(());
        };
        let (row, list) = (place.member(&push.member), place.list());
        let known = match self.view_row(&row, &list)? {
            Some(value) => Some(Member::from_wire(value).map_err(unreadable)?),
            None => None,
        };
        let older = |known: &Member| known.version > push.version;
        if known.as_ref().is_some_and(older) && !bugs::on(Bug::RelatedViewGoesBack) {
            return Ok(());
        }
        if known.is_some() != push.value.is_some() {
            let keys = self.view_row(&list, &row)?;
            let mut members = Members::read(keys.as_ref()).map_err(unreadable)?;
            members.0.retain(|member| *member != push.member);
            if push.value.is_some() {
                members.0.push(push.member.clone());
            }
            self.set_row(list, members.value());
        }
        if known.is_some() || push.value.is_some() {
            let member = push.value.clone().map(|value| Member {
                version: push.version,
                value,
            });
            self.set_row(row, member.map(|member| member.to_wire().into()));
        }
        Ok(())
    }

    /// The value of a hidden row; `other` is loaded with it, since it may be asked for next.
    fn view_row(&mut self, row: &RowKey, other: &RowKey) -> Result<Option<Bytes>, Halt> {
        if let Some(stored) = self.rows.get(row) {
            return Ok(stored.value.clone());
        }
        if bugs::on(Bug::ViewLostAfterEviction) {
            return Ok(None);
        }
        let mut cold = vec![row.clone()];
        cold.extend((!self.rows.contains(other)).then(|| other.clone()));
        Err(Halt::Cold(cold))
    }

    /// What a handler sees of those that refer to its instance.
    pub(super) fn views(&mut self, row: &RowKey, op: u16) -> Result<Views, Stopped> {
        let (mut views, mut cold) = (Views::default(), Vec::new());
        for side in self.logic.sides_read(row.concern, op) {
            let Some(place) = self.place_of_view(row, side.referrer) else {
                continue;
            };
            let list = place.list();
            let Some(stored) = self.rows.get(&list) else {
                cold.push(list);
                continue;
            };
            let members = Members::read(stored.value.as_ref()).map_err(Fault::from)?;
            let mut seen = Vec::with_capacity(members.0.len());
            // Who has just come may stand beside who has left and is not known to have: the first of them are
            // shown, so nobody who was shown is hidden again.
            for key in members.0.into_iter().take(side.most as usize) {
                let member = place.member(&key);
                match self.rows.get(&member) {
                    None => cold.push(member),
                    Some(stored) => {
                        // A key in the list has a row.
                        if let Some(value) = stored.value.clone() {
                            let member = Member::from_wire(value).map_err(Fault::from)?;
                            seen.push(Seen { key, member });
                        }
                    }
                }
            }
            views.add(side.referrer, seen);
        }
        match cold.is_empty() {
            true => Ok(views),
            false => Err(Stopped::Cold(cold)),
        }
    }

    /// The hidden rows that an operation reads first, as far as they are not in memory.
    pub(super) fn cold_lists(&self, row: &RowKey, op: u16) -> Vec<RowKey> {
        let sides = self.logic.sides_read(row.concern, op).iter();
        let lists = sides.filter_map(|side| Some(self.place_of_view(row, side.referrer)?.list()));
        lists.filter(|list| !self.rows.contains(list)).collect()
    }
}

fn unreadable(error: crate::wire::Malformed) -> Halt {
    Halt::Unreadable(error.into())
}
