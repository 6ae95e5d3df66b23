//! What is asked about transactions: where one is, which there are; what operators want of one, and of the platform.

use super::Gate;
use super::asked::{late, within};
use super::problem::Problem;
use super::rest::{Answer, Edge, json_response, wrong_query};
use crate::codegen::{Class, Fault, Outcome, TxnId};
use crate::driver::Drained;
use crate::facts;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use rkcy_core::id::PartitionId;
use rkcy_core::status::{Ask, Status};
use serde_json::{Value as Json, json};

pub(super) async fn list(
    State(gate): Edge,
    listed: Result<Query<Listed>, QueryRejection>,
) -> Answer {
    let Query(listed) = listed.map_err(wrong_query)?;
    let ask = match listed.state {
        Listing::Running => Ask::Running(listed.limit),
        Listing::Parked => Ask::Parked(listed.limit),
    };
    let told = told(&gate, ask).await?;
    let listed: Vec<Json> = (facts::by_transaction(gate.desc, &told).into_iter())
        .map(|(id, facts)| json!({ "id": id.to_string(), "facts": facts }))
        .collect();
    Ok(json_response(StatusCode::OK, &listed.into()))
}

/// Which transactions are listed.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    #[serde(default)]
    state: Listing,
    /// The most of each partition.
    #[serde(default = "most_listed")]
    limit: u32,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Listing {
    #[default]
    Running,
    Parked,
}

fn most_listed() -> u32 {
    1_000
}

/// What the partitions know.
async fn told(gate: &Gate, ask: Ask) -> Result<Vec<(PartitionId, Status)>, Problem> {
    let told = within(gate.limits.request, gate.client.ask(ask)).await;
    Ok(told.ok_or_else(slow_partitions)??)
}

fn slow_partitions() -> Problem {
    let message = "not all partitions have answered in time";
    let fault = Fault::new(Class::Unavailable, "slow_partitions", message);
    Problem::from(fault).with_status(StatusCode::GATEWAY_TIMEOUT)
}

pub(super) async fn where_is(State(gate): Edge, Path(id): Path<String>) -> Answer {
    let id = facts::txn_id(&id)?;
    let told = told(&gate, Ask::One(id)).await?;
    let Some((_, facts)) = facts::by_transaction(gate.desc, &told).pop() else {
        return Err(unknown(id));
    };
    let document = json!({ "id": id.to_string(), "facts": facts });
    Ok(json_response(StatusCode::OK, &document))
}

pub(super) async fn resume(State(gate): Edge, Path(id): Path<String>) -> Answer {
    let id = facts::txn_id(&id)?;
    let told = told(&gate, Ask::One(id)).await?;
    let attempt = facts::parked_attempt(&told);
    let attempt = attempt.ok_or_else(|| facts::not_parked(id));
    let attempt = attempt.map_err(|fault| Problem::from(fault).about(id))?;
    let resumed = within(gate.limits.request, gate.client.resume(id, attempt)).await;
    (resumed.ok_or_else(|| late(id))?).map_err(|fault| Problem::from(fault).about(id))?;
    let document = json!({ "id": id.to_string(), "outcome": "resumed" });
    Ok(json_response(StatusCode::OK, &document))
}

pub(super) async fn cancel(State(gate): Edge, Path(id): Path<String>) -> Answer {
    let id = facts::txn_id(&id)?;
    let told = within(gate.limits.request, gate.client.cancel(id)).await;
    let outcome = match told.ok_or_else(|| late(id))? {
        Outcome::Refused(fault) if fault.code == "cancelled" => "cancelled",
        Outcome::Committed(_) => {
            return Err(Problem::from(facts::cancelled_too_late()).about(id));
        }
        Outcome::NotTaken(fault) if fault.code == "unknown_id" => return Err(unknown(id)),
        Outcome::Refused(fault) | Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
            return Err(Problem::from(fault).about(id));
        }
    };
    let document = json!({ "id": id.to_string(), "outcome": outcome });
    Ok(json_response(StatusCode::OK, &document))
}

/// How far a drain has come.
pub(super) async fn drained(State(gate): Edge) -> Answer {
    told_of_drain(&gate, gate.client.drained()).await
}

pub(super) async fn begin_drain(State(gate): Edge) -> Answer {
    told_of_drain(&gate, gate.client.drain(true)).await
}

pub(super) async fn end_drain(State(gate): Edge) -> Answer {
    told_of_drain(&gate, gate.client.drain(false)).await
}

async fn told_of_drain(gate: &Gate, told: impl Future<Output = Result<Drained, Fault>>) -> Answer {
    let told = within(gate.limits.request, told).await;
    let told = told.ok_or_else(slow_partitions)??;
    Ok(json_response(
        StatusCode::OK,
        &facts::drained(gate.desc, &told),
    ))
}

fn unknown(id: TxnId) -> Problem {
    let problem = Problem::from(facts::unknown(id)).with_status(StatusCode::NOT_FOUND);
    problem.about(id)
}
