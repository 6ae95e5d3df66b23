//! The checks at the end of a run.

use super::cluster::Cluster;
use super::configs;
use super::deadly;
use super::keys::{self, Judge};
use super::observe::{Event, Observer, Violation};
use super::related::{self, Watched};
use super::serial::{Seen, Serial};
use super::workload::World;
use crate::codegen::{Fault, PlatformDesc, op};
use crate::log::StreamId;
use bytes::Bytes;
use rkcy_core::claim::{Claim, Counts, Referrer, Reservation};
use rkcy_core::frame::Frame;
use rkcy_core::id::{PartitionId, Position, TxnId};
use rkcy_core::key::RowKey;
use rkcy_core::keyed::is_of_keys;
use rkcy_core::logic::Logic;
use rkcy_core::partition::{Halt, Input, Partition, SagaEvent};
use rkcy_core::rows::StoredRow;
use rkcy_core::state::State;
use rkcy_core::txn::{Mode, Txn};
use rkcy_core::wire::Wire;
use rkcy_core::worker::LookAhead;
use std::collections::{BTreeMap, BTreeSet};

/// Compares the cluster at rest with what there must be.
pub(super) fn verify(cluster: &mut Cluster<'_>) -> Result<(), Violation> {
    cluster.observer.check_answered()?;
    configs::check_known(cluster)?;
    let logic = cluster.logic().clone();
    let mut seen = Seen::default();
    let mut views = Watched::new(cluster.desc, &*logic);
    for id in cluster.partitions().to_vec() {
        seen.extend(check_replay(cluster, id, &mut views)?);
    }
    views.check()?;
    let (mut world, serial) = serial_world(&mut cluster.observer, &*logic, seen)?;
    let parked = cluster.parked();
    for id in cluster.partitions().to_vec() {
        check_at_rest(cluster, id, &parked)?;
        check_holds(cluster, id, &serial)?;
        if !is_of_keys(id) {
            check_database(cluster, id, &world)?;
        }
        cluster.observer.checks += 4;
    }
    related::check_at_the_end(cluster, &world)?;
    check_claims(&world, cluster.desc, &*logic, parked.is_empty())?;
    world.calls = cluster.observer.take_calls();
    cluster
        .workload()
        .invariant(&world)
        .map_err(|broken| Violation(format!("invariant: {broken}")))?;
    cluster.observer.checks += 1;
    Ok(())
}

/// Executes everything that was decided, one after the other in the order of decision, sagas visit by
/// visit, and compares what callers were told.
fn serial_world<'a>(
    observer: &mut Observer,
    logic: &'a dyn Logic,
    seen: Seen,
) -> Result<(World, Serial<'a>), Violation> {
    let (mut world, mut serial) = (World::default(), Serial::new(logic, seen));
    let events = std::mem::take(&mut observer.events);
    let refusals: BTreeMap<TxnId, (Fault, bool)> = (events.iter())
        .filter_map(|event| match event {
            Event::Refused(id, told, logical) => Some((*id, (told.clone(), *logical))),
            _ => None,
        })
        .collect();
    let rows_bounded = observer.rules.rows_bounded();
    let given_up = std::mem::take(&mut observer.given_up);
    for (nth, event) in events.into_iter().enumerate() {
        observer.checks += 1;
        let (Event::Committed(id, _)
        | Event::Refused(id, ..)
        | Event::Saga(id, _)
        | Event::Decided(id)) = event;
        serial.begin(nth, observer.told_at.get(&id).copied());
        let Some(txn) = observer.txn(id).map(keys::bare) else {
            continue;
        };
        let txn = &txn;
        let broken = |what: String| Err(Violation(format!("not serial: {id} {what}")));
        match event {
            Event::Decided(_) => return broken("was decided, and nobody was told how".to_owned()),
            Event::Saga(_, step) => {
                let told = refusals.get(&id);
                let parked_anyway = rows_bounded || given_up.contains(&id);
                if let Err(what) = saga_step(&mut serial, txn, step, told, parked_anyway) {
                    return broken(what);
                }
            }
            Event::Committed(_, told) => match decide(&mut serial, txn, None) {
                Ok(Ok(result)) if told.as_ref().is_none_or(|told| *told == result) => {
                    world.committed.push((txn.clone(), result));
                }
                Ok(Ok(_)) => return broken("was told another result than it has alone".to_owned()),
                Ok(Err(fault)) => return broken(format!("was committed, alone it is {fault}")),
                Err(what) => return broken(format!("was committed: {what}")),
            },
            // Given up by the engine, not by the logic: alone it might well have been committed.
            Event::Refused(_, told, false) => {
                world.refused += 1;
                if txn.mode == Mode::Saga
                    && let Err(what) = decide(&mut serial, txn, Some(&told))
                {
                    return broken(format!("was {told}: {what}"));
                }
            }
            // It met a give-back on its way, of which nobody had heard. Alone it may go through, so it is not run.
            Event::Refused(_, told, true)
                if txn.mode != Mode::Saga && serial.is_busy(txn, &told) =>
            {
                world.refused += 1;
            }
            Event::Refused(_, told, true) => match decide(&mut serial, txn, Some(&told)) {
                Ok(Err(fault)) if agrees(&fault, &told) => world.refused += 1,
                Ok(Err(_)) if serial.is_busy(txn, &told) => world.refused += 1,
                Ok(Err(fault)) => return broken(format!("was {told}, alone it is {fault}")),
                Ok(Ok(_)) => return broken(format!("was {told}, alone it commits")),
                Err(what) => return broken(format!("was {told}: {what}")),
            },
        }
    }
    world.rows = std::mem::take(&mut serial.rows);
    Ok((world, serial))
}

/// A transaction is decided: alone it is executed now; a saga has been, visit by visit.
fn decide(
    serial: &mut Serial<'_>,
    txn: &Txn,
    told: Option<&Fault>,
) -> Result<Result<Bytes, Fault>, String> {
    if txn.mode != Mode::Saga {
        return Ok(serial.execute(txn, told));
    }
    match (serial.end(txn)?, told) {
        (Some(result), _) => Ok(result),
        // Why was compared when it turned around.
        (None, Some(told)) => Ok(Err(told.clone())),
        (None, None) => Err("it had turned around".to_owned()),
    }
}

/// What a saga does on its way. `told` is the refusal that its caller has heard, and whether the logic alone
/// must refuse it in the same way. Where the size of rows is bounded, or an undo was given up, it may be `parked_anyway`
/// though alone it is not.
fn saga_step(
    serial: &mut Serial<'_>,
    txn: &Txn,
    step: SagaEvent,
    told: Option<&(Fault, bool)>,
    parked_anyway: bool,
) -> Result<(), String> {
    match step {
        SagaEvent::Took => serial
            .take(txn)
            .map_err(|fault| format!("went on, alone it is {fault}")),
        SagaEvent::Turned => {
            let alone = serial.turn(txn, told.map(|(fault, _)| fault));
            match (told, alone) {
                (Some((told, true)), Some(fault)) if agrees(&fault, told) => Ok(()),
                (Some((told, true)), _) if serial.is_busy(txn, told) => Ok(()),
                (Some((told, true)), Some(fault)) => {
                    Err(format!("was {told}, alone it is {fault}"))
                }
                (Some((told, true)), None) => Err(format!("was {told}, alone it goes on")),
                _ => Ok(()),
            }
        }
        SagaEvent::Undid => serial
            .undo(txn.id)
            .map_err(|fault| format!("was undone, alone it is {fault}")),
        // It may have met a hold that lasted longer than its saga, or a reference that was on its way back.
        SagaEvent::Parked => {
            let undone = serial.undone(txn.id, true);
            let busy = serial.is_undo_busy(txn.id);
            serial.attempted(txn.id);
            match undone {
                Ok(_) if !parked_anyway && !busy => {
                    Err("was parked, alone its next step is undone".to_owned())
                }
                _ => Ok(()),
            }
        }
        SagaEvent::Decided => Ok(()),
    }
}

/// Whether two refusals say the same; how many refer may have changed since.
fn agrees(one: &Fault, told: &Fault) -> bool {
    one == told || (one.code == "in_use" && told.code == "in_use")
}

/// Nothing may be left of what has ended; of sagas that are parked, their holds and ids.
fn check_at_rest(
    cluster: &Cluster<'_>,
    id: PartitionId,
    parked: &BTreeMap<TxnId, (PartitionId, u32)>,
) -> Result<(), Violation> {
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
    if let Some((group, txn)) = state.counted.keys().next() {
        return Err(Violation(format!(
            "{id}: {txn} holds references in {group:?}"
        )));
    }
    if let Some((txn, giving)) = state.giving.first_key_value() {
        return Err(Violation(format!(
            "{id}: {txn} still waits for {} give-backs",
            giving.left
        )));
    }
    if let Some((group, _)) = state.queues.first_key_value() {
        return Err(Violation(format!("{id}: visits still wait for {group:?}")));
    }
    if let Some(txn) = state.trails.keys().find(|txn| !parked.contains_key(txn)) {
        return Err(Violation(format!("{id}: a trail of {txn} is left")));
    }
    let at_home = |txn: &&TxnId| {
        let home = cluster.observer.txn(**txn).and_then(Txn::home);
        home == Some(id)
    };
    if state.ids.running() != parked.keys().filter(at_home).count() {
        return Err(Violation(format!(
            "{id}: {} transactions still run",
            state.ids.running()
        )));
    }
    Ok(())
}

/// Every unique value is that of the one row that has it, every reference leads to a row that is there, and what
/// is counted is the true number of those that refer. A saga that is parked still has what it claims for rows that
/// are not there any more or yet, so where there is one, it is at least that (not `exact`).
fn check_claims(
    world: &World,
    desc: &PlatformDesc,
    logic: &dyn Logic,
    exact: bool,
) -> Result<(), Violation> {
    let broken = |what: String| Err(Violation(format!("claims: {what}")));
    let malformed = |row: &RowKey| Violation(format!("claims: {row:?} cannot be read"));
    let mut wanted: BTreeMap<RowKey, Bytes> = BTreeMap::new();
    let mut counts: BTreeMap<RowKey, Counts> = BTreeMap::new();
    let mut referred: BTreeSet<(RowKey, Referrer)> = BTreeSet::new();
    for (row, value) in &world.rows {
        let claims = logic.claims_of(row, op::CREATE, value);
        let claims = claims.map_err(|fault| Violation(format!("claims of {row:?}: {fault}")))?;
        for asked in claims {
            let on = asked.give.row;
            match asked.give.claim {
                Claim::Unique(owner) => {
                    let there =
                        (world.rows.get(&on)).map(|kept| Reservation::from_wire(kept.clone()));
                    let there = there.transpose().map_err(|_| malformed(&on))?;
                    if there.is_none_or(|kept| kept.owner != owner) {
                        return broken(format!("{on:?} is not kept as the value of {owner:?}"));
                    }
                    let kept = Reservation { owner, claims: 1 };
                    if wanted.insert(on.clone(), kept.to_wire().into()).is_some() {
                        return broken(format!("{on:?} is the value of two rows"));
                    }
                }
                Claim::Reference(referrer) => {
                    if !world.rows.contains_key(&on) {
                        return broken(format!("{row:?} refers to {on:?}, which is not there"));
                    }
                    let counted = logic.counted_in(on.concern).map(|concern| RowKey {
                        concern,
                        key: on.key.clone(),
                    });
                    let counted = counted.unwrap_or(on);
                    referred.insert((counted.clone(), referrer));
                    let count = counts.entry(counted).or_default();
                    count.add(referrer, 1);
                    if asked
                        .most
                        .is_some_and(|most| count.of(referrer) > i64::from(most))
                    {
                        return broken(format!("{row:?} is one of too many that refer"));
                    }
                }
            }
        }
    }
    for (row, referrer) in referred {
        let kept = Counts::read(world.rows.get(&row)).map_err(|_| malformed(&row))?;
        let there = counts.get(&row).map_or(0, |count| count.of(referrer));
        if kept.of(referrer) < there {
            return broken(format!("{row:?} counts fewer than the {there} that refer"));
        }
    }
    if !exact {
        return Ok(());
    }
    let counts = counts
        .into_iter()
        .filter_map(|(row, count)| Some((row, count.value()?)));
    wanted.extend(counts);
    let hidden = |row: &RowKey| {
        let concern = desc.concerns.iter().find(|it| it.id == row.concern);
        concern.is_none_or(|concern| concern.hidden)
    };
    let kept = world.rows.iter().filter(|(row, _)| hidden(row));
    let kept: BTreeMap<&RowKey, &Bytes> = kept.collect();
    if kept.len() == wanted.len()
        && wanted
            .iter()
            .all(|(row, value)| kept.get(row) == Some(&value))
    {
        return Ok(());
    }
    broken(format!("{kept:?} is kept, it should be {wanted:?}"))
}

/// What is held is what the sagas that are parked have changed.
fn check_holds(
    cluster: &Cluster<'_>,
    id: PartitionId,
    serial: &Serial<'_>,
) -> Result<(), Violation> {
    let owner = cluster.members.iter().rfind(|it| it.partition == id);
    let held = owner.map(|member| &member.worker.partition().state().holds);
    let held: BTreeMap<&RowKey, BTreeSet<TxnId>> = (held.into_iter().flatten())
        .map(|(row, holders)| (row, holders.iter().copied().collect()))
        .collect();
    let there = serial
        .holds
        .iter()
        .filter(|(row, _)| cluster.is_in(row, id));
    match there.clone().count() == held.len()
        && there
            .clone()
            .all(|(row, holders)| held.get(row) == Some(holders))
    {
        true => Ok(()),
        false => Err(Violation(format!(
            "{id}: {held:?} is held, it should be {:?}",
            there.collect::<Vec<_>>()
        ))),
    }
}

/// Applies the whole log again, in one go and with every row in memory; gives what its steps have seen of the
/// configuration.
fn check_replay(
    cluster: &Cluster<'_>,
    id: PartitionId,
    views: &mut Watched,
) -> Result<Seen, Violation> {
    let noting = configs::Noting::new(cluster.logic().clone(), cluster.operators.is_some());
    let mut watched = configs::Watched::new(id);
    let mut golden = Partition::new(id, 0, noting.clone(), State::default());
    let mut effects = Vec::new();
    let mut judge = is_of_keys(id).then(Judge::default);
    let mut ahead = LookAhead::default();
    for (_, bytes) in cluster.logs.commands(id) {
        ahead.take(bytes);
    }
    deadly::check_parked(id, ahead.parked(), &cluster.observer.ends)?;
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
            watched.take(envelope, frame.damaged);
            noting.shows(watched.known());
            let before = golden.state();
            let counts = number.is_none_or(|(from, number)| {
                before.inbound.get(&from).copied().unwrap_or(0) + 1 == number
            });
            let first = effects.len();
            while let Err(halt) = golden.apply(input, &mut effects) {
                noting.runs_again();
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
            noting.applied();
            let changed = golden.rows_mut().take_dirty();
            views.applied((id, at), changed, &**cluster.logic())?;
            watched.check(&golden.state().configs)?;
            if let Some(judge) = judge.as_mut().filter(|_| counts) {
                judge.take(envelope, &effects[first..], golden.state())?;
            }
        }
        effects.clear();
    }
    if judge.is_some() {
        keys::check_shelf(id, &golden)?;
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
    Ok(noting.take())
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
    } else if one.configs != other.configs {
        "configuration"
    } else {
        "remembered ids"
    }
}

/// The database must hold exactly the serial outcome.
fn check_database(cluster: &Cluster<'_>, id: PartitionId, world: &World) -> Result<(), Violation> {
    let database = cluster.databases.get(&id);
    let views = related::keepers(cluster.desc, &**cluster.logic());
    let stored: BTreeMap<&RowKey, &Bytes> = database
        .into_iter()
        .flat_map(|database| database.rows())
        // Views are no part of the serial execution.
        .filter(|(key, _)| !views.contains(&key.concern))
        .filter_map(|(key, row)| row.value.as_ref().map(|value| (key, value)))
        .collect();
    let serial: BTreeMap<&RowKey, &Bytes> = (world.rows.iter())
        .filter(|(row, _)| cluster.is_in(row, id))
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
