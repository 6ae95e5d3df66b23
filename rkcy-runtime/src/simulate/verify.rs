//! The checks at the end of a run.

use super::cluster::Cluster;
use super::observe::{Event, Violation};
use super::serial;
use super::workload::World;
use crate::log::StreamId;
use bytes::Bytes;
use rkcy_core::frame::Frame;
use rkcy_core::id::{PartitionId, Position};
use rkcy_core::key::{RowKey, partition_of};
use rkcy_core::partition::{Halt, Input, Partition};
use rkcy_core::rows::StoredRow;
use rkcy_core::state::State;
use rkcy_core::txn::Txn;
use rkcy_core::worker::LookAhead;
use std::collections::BTreeMap;

/// Compares the cluster at rest with what there must be.
pub(super) fn verify(cluster: &mut Cluster<'_>) -> Result<(), Violation> {
    cluster.observer.check_answered()?;
    let world = serial_world(cluster)?;
    for id in cluster.partitions().to_vec() {
        check_at_rest(cluster, id)?;
        check_replay(cluster, id)?;
        check_database(cluster, id, &world)?;
        cluster.observer.checks += 3;
    }
    cluster
        .workload()
        .invariant(&world)
        .map_err(|broken| Violation(format!("invariant: {broken}")))?;
    cluster.observer.checks += 1;
    Ok(())
}

/// Executes everything that was decided, one after the other in the order of decision, and compares
/// what callers were told.
fn serial_world(cluster: &mut Cluster<'_>) -> Result<World, Violation> {
    let logic = cluster.logic().clone();
    let mut world = World::default();
    for event in std::mem::take(&mut cluster.observer.events) {
        cluster.observer.checks += 1;
        let (Event::Committed(id, _) | Event::Refused(id, ..)) = &event;
        let Some(txn) = cluster.observer.txn(*id).cloned() else {
            continue;
        };
        let mut alone = |txn: &Txn| serial::execute(&*logic, &mut world.rows, txn.clone());
        match event {
            Event::Committed(id, told) => match alone(&txn) {
                Ok(result) if told.as_ref().is_none_or(|told| *told == result) => {
                    world.committed.push((txn, result));
                }
                Ok(_) => {
                    let message =
                        format!("not serial: {id} was told another result than it has alone");
                    return Err(Violation(message));
                }
                Err(fault) => {
                    return Err(Violation(format!(
                        "not serial: {id} was committed, alone it is {fault}"
                    )));
                }
            },
            // Given up by the engine, not by the logic: alone it might well have been committed.
            Event::Refused(_, _, false) => world.refused += 1,
            Event::Refused(id, told, true) => match alone(&txn) {
                Err(fault) if fault == told => world.refused += 1,
                Err(fault) => {
                    return Err(Violation(format!(
                        "not serial: {id} was {told}, alone it is {fault}"
                    )));
                }
                Ok(_) => {
                    return Err(Violation(format!(
                        "not serial: {id} was {told}, alone it commits"
                    )));
                }
            },
        }
    }
    Ok(world)
}

/// Nothing may be left of what has ended.
fn check_at_rest(cluster: &Cluster<'_>, id: PartitionId) -> Result<(), Violation> {
    let Some(member) = cluster
        .members
        .iter()
        .rfind(|member| member.partition == id)
    else {
        return Err(Violation(format!("nobody owns {id}")));
    };
    let state = member.worker.partition().state();
    let end = cluster.logs.stream(StreamId::commands(id)).end();
    if state.position.offset().map_or(0, |offset| offset + 1) != end {
        return Err(Violation(format!(
            "{id} is stuck at {} of {end}",
            state.position
        )));
    }
    if let Some((group, lock)) = state.locks.first_key_value() {
        return Err(Violation(format!(
            "{id}: a lock is left on {group:?}: {lock:?}"
        )));
    }
    if let Some((group, _)) = state.queues.first_key_value() {
        return Err(Violation(format!("{id}: visits still wait for {group:?}")));
    }
    if let Some((txn, _)) = state.trails.first_key_value() {
        return Err(Violation(format!("{id}: a trail of {txn} is left")));
    }
    if state.ids.running() > 0 {
        return Err(Violation(format!(
            "{id}: {} transactions still run",
            state.ids.running()
        )));
    }
    Ok(())
}

/// Applies the whole log again, in one go and with every row in memory.
fn check_replay(cluster: &Cluster<'_>, id: PartitionId) -> Result<(), Violation> {
    let mut golden = Partition::new(id, 0, cluster.logic().clone(), State::default());
    let mut effects = Vec::new();
    let mut ahead = LookAhead::new(Position::START, None);
    for (_, bytes) in cluster.logs.commands(id) {
        ahead.take(bytes);
    }
    for (offset, (stamp, bytes)) in (0..).zip(cluster.logs.commands(id)) {
        let frame = Frame::decode(bytes)
            .map_err(|error| Violation(format!("{id} offset {offset}: {error}")))?;
        for (index, envelope) in (0_u32..).zip(&frame.envelopes) {
            let number = frame
                .source
                .map(|source| (source.partition, source.first + u64::from(index)));
            let at = Position::new(offset, index);
            let input = Input {
                at,
                stamp,
                number,
                damaged: frame.damaged,
                parked: ahead.is_parked(at),
                envelope,
            };
            while let Err(halt) = golden.apply(input, &mut effects) {
                match halt {
                    Halt::Cold(rows) => {
                        rows.iter()
                            .for_each(|row| golden.rows_mut().load(row, StoredRow::ABSENT));
                    }
                    Halt::Unreadable(fault) => {
                        return Err(Violation(format!("{id} {at}: {fault}")));
                    }
                }
            }
        }
        effects.clear();
    }
    let owner = cluster
        .members
        .iter()
        .rfind(|member| member.partition == id);
    if let Some(member) = owner.filter(|member| member.worker.partition().state() != golden.state())
    {
        let state = member.worker.partition().state();
        let what = difference(state, golden.state());
        return Err(Violation(format!(
            "{id}: the state of worker {} is not that of its log: {what}",
            member.serial
        )));
    }
    let replayed: BTreeMap<&RowKey, &StoredRow> = golden
        .rows()
        .sorted()
        .into_iter()
        .filter(|(_, row)| **row != StoredRow::ABSENT)
        .collect();
    let stored: BTreeMap<&RowKey, &StoredRow> = cluster
        .databases
        .get(&id)
        .map(|database| database.rows().iter().collect())
        .unwrap_or_default();
    if replayed != stored {
        return Err(Violation(format!(
            "{id}: the database is not what the log says"
        )));
    }
    Ok(())
}

/// Which part of the small state differs.
fn difference(one: &State, other: &State) -> &'static str {
    if one.position != other.position {
        "position"
    } else if one.scalars != other.scalars {
        "scalars"
    } else if one.inbound != other.inbound || one.outbound != other.outbound {
        "channels"
    } else if one.locks != other.locks || one.queues != other.queues {
        "locks or queues"
    } else if one.trails != other.trails {
        "trails"
    } else {
        "remembered ids"
    }
}

/// The database must hold exactly the serial outcome.
fn check_database(cluster: &Cluster<'_>, id: PartitionId, world: &World) -> Result<(), Violation> {
    let database = cluster.databases.get(&id);
    let stored: BTreeMap<&RowKey, &Bytes> = database
        .into_iter()
        .flat_map(|database| database.rows())
        .filter_map(|(key, row)| row.value.as_ref().map(|value| (key, value)))
        .collect();
    let serial: BTreeMap<&RowKey, &Bytes> = (world.rows.iter())
        .filter(|(row, _)| {
            let group = cluster.desc.group_of(row);
            let of =
                |group: RowKey| partition_of(group.concern, &group.key, cluster.plan.partitions);
            group.is_some_and(|group| of(group) == id)
        })
        .collect();
    for (row, value) in &serial {
        if stored.get(row) != Some(value) {
            return Err(Violation(format!(
                "{row:?} in the database is not what the serial order gives"
            )));
        }
    }
    match stored.keys().find(|row| !serial.contains_key(**row)) {
        Some(row) => Err(Violation(format!(
            "{row:?} is in the database and was never committed"
        ))),
        None => Ok(()),
    }
}
