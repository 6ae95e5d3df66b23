//! One request for a transaction: what its headers say, and how it is answered.
//!
//! Owns which headers mean what, the wait for an outcome, and what a caller is told of it.

use super::Gate;
use super::auth::Who;
use super::conditional::{self, Conditions};
use super::problem::{Problem, put_id};
use super::rest::{Answer, json_response, wrong_header};
use crate::codegen::{
    Access, Bytes, Class, Fault, IdempotencyKey, OpDesc, Outcome, Txn, TxnId, Uuid, derived_uuid,
    op,
};
use crate::driver::Client;
use crate::facts;
use crate::grpc::ID;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The answer with an encoded result, as protobuf; where that is in doubt, it is held against its type.
pub(super) type Answers = fn(Bytes, bool) -> Result<Bytes, Fault>;
/// Shows an encoded result.
pub(super) type Show = fn(&Bytes) -> Result<Json, Fault>;

/// What the headers of a request say of its transaction.
pub(super) struct Asked {
    pub(super) id: TxnId,
    /// The id is the caller's.
    own_id: bool,
    /// It may wait so long for others. Milliseconds; 0: for ever.
    budget: u32,
    /// The caller does not wait for how it ends.
    pub(super) no_wait: bool,
    /// How long its caller waits, where it says so.
    wait: Option<Duration>,
    key: Option<IdempotencyKey>,
    /// On whose behalf, as the edge verified it.
    caller: Bytes,
}

impl Asked {
    /// `Rkcy-Id`: the id, a UUID of version 7; asked for twice, it runs once. `Rkcy-Deadline`: so many milliseconds it
    /// may wait for others. `Prefer: respond-async` (RFC 7240): an answer as soon as the log has it.
    /// `Idempotency-Key`, of `Rkcy-Caller`: however often it is repeated with that, it runs once.
    pub(super) fn read(headers: &HeaderMap, who: Who) -> Result<Asked, Problem> {
        let text = |name: &'static str| {
            let value = headers.get(name).map(HeaderValue::to_str).transpose();
            value.map_err(|_| wrong_header(name, "it is not text"))
        };
        let own_id = text(ID)?.map(facts::txn_id).transpose()?;
        let budget = match text("rkcy-deadline")?.map(str::parse) {
            None => 0,
            Some(Ok(budget)) if budget > 0 => budget,
            Some(_) => {
                let expected = "milliseconds were expected, from 1 to 4294967295";
                return Err(wrong_header("rkcy-deadline", expected));
            }
        };
        let caller = text("rkcy-caller")?.unwrap_or_default();
        let key = text("idempotency-key")?.map(|key| IdempotencyKey::new(key)?.of(caller));
        let key = key.transpose()?.map(|key| key.by(who.subject));
        let wishes = text("prefer")?.unwrap_or_default();
        let no_wait =
            (wishes.split(',')).any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"));
        Ok(Asked {
            id: own_id.unwrap_or_else(Client::new_id),
            own_id: own_id.is_some(),
            budget,
            no_wait,
            wait: None,
            key,
            caller: who.caller,
        })
    }

    /// The same, where its caller waits so long at most: it need not be begun later.
    pub(super) fn within(self, wait: Duration) -> Asked {
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1);
        Asked {
            budget: match self.budget {
                0 => millis,
                budget => budget.min(millis),
            },
            wait: Some(wait),
            ..self
        }
    }

    /// Who submits it.
    pub(super) fn client(&self, gate: &Gate) -> Client {
        let client = gate.client.called_by(self.caller.clone());
        match &self.key {
            Some(key) => client.with_key(key.clone()),
            None => client,
        }
    }

    /// Who submits an operation on one instance, which is to be as the caller expects it.
    pub(super) fn client_expecting(
        &self,
        gate: &Gate,
        op: &OpDesc,
        conditions: &Conditions,
    ) -> Result<Client, Problem> {
        let client = self.client(gate);
        match &conditions.wanted {
            Some(wanted) if op.access != Access::Shared => Ok(client.expecting(wanted.clone())),
            // A reader compares what it has got.
            Some(_) if op.number != op::GET => Err(Conditions::none_taken(&header::IF_MATCH)),
            _ => Ok(client),
        }
    }

    /// A key for what is created without one: the same, however often it is asked for.
    pub(super) fn derived_uuid(&self) -> Uuid {
        match &self.key {
            Some(key) => key.derived_uuid(),
            None => derived_uuid(self.id, 0, 0),
        }
    }

    /// Submits what was planned and waits for how it ends.
    pub(super) async fn run(
        &self,
        gate: &Gate,
        planned: Result<Txn, Fault>,
    ) -> Result<Committed, Problem> {
        let mut txn = planned.map_err(|fault| self.refused(fault))?;
        txn.budget = self.budget;
        let limit = gate.limits.request;
        let limit = self.wait.map_or(limit, |wait| wait.min(limit));
        let outcome = within(limit, gate.client.outcome(txn)).await;
        match outcome.ok_or_else(|| late(self.id))? {
            Outcome::Committed(result) => Ok(Committed {
                id: self.id,
                own_id: self.own_id,
                result,
            }),
            Outcome::Refused(fault) | Outcome::NotTaken(fault) => Err(self.refused(fault)),
            // It has neither happened nor not: an operator will say.
            Outcome::Parked(fault) => Err(self.refused(fault).with_status(StatusCode::CONFLICT)),
        }
    }

    /// Submits what was planned and waits until the log has it.
    pub(super) async fn enqueue(&self, gate: &Gate, planned: Result<Txn, Fault>) -> Answer {
        let mut txn = planned.map_err(|fault| self.refused(fault))?;
        txn.budget = self.budget;
        let taken = within(gate.limits.request, gate.client.enqueue(txn)).await;
        (taken.ok_or_else(|| late(self.id))?).map_err(|fault| self.refused(fault))?;
        let document = json!({ "id": self.id.to_string(), "outcome": "submitted" });
        let mut response = self.respond(StatusCode::ACCEPTED, Some(&document));
        if let Ok(place) = HeaderValue::from_str(&format!("/v1/id/{}", self.id)) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        Ok(response)
    }

    /// What the reader of an instance is told where it has the instance already, or expected another.
    pub(super) fn instead_of(
        &self,
        gate: &Gate,
        conditions: &Conditions,
        done: &Committed,
    ) -> Result<Option<Response>, Problem> {
        if let Some(wanted) = &conditions.wanted
            && !wanted.is_met(done.result.as_ref())
        {
            let status = StatusCode::PRECONDITION_FAILED;
            let message = "this instance is not as its caller knows it";
            return Err(Problem::of(status, conditional::UNMET, message).about(self.id));
        }
        let tag = done.entity_tag(gate);
        Ok(tag.filter(|tag| conditions.has(tag)).map(|tag| {
            let mut response = self.respond(StatusCode::NOT_MODIFIED, None);
            put_tag(&mut response, Some(&tag));
            response
        }))
    }

    pub(super) fn refused(&self, fault: Fault) -> Problem {
        Problem::from(fault).about(self.id)
    }

    /// What a transaction or a command is answered with; `None` where nobody remembers its result.
    pub(super) fn committed(&self, result: Option<Json>) -> Response {
        let mut document = json!({
            "id": self.id.to_string(),
            "outcome": "committed",
            "result": result,
        });
        if result.is_none() {
            document["result_forgotten"] = true.into();
        }
        self.respond(StatusCode::OK, Some(&document))
    }

    pub(super) fn respond(&self, status: StatusCode, document: Option<&Json>) -> Response {
        let mut response = match document {
            Some(document) => json_response(status, document),
            None => status.into_response(),
        };
        put_id(response.headers_mut(), self.id);
        response
    }
}

/// What was committed.
pub(super) struct Committed {
    id: TxnId,
    own_id: bool,
    /// Absent where it was too long to be remembered for one who asks again.
    result: Option<Bytes>,
}

impl Committed {
    /// The entity tag of the instance that is the result.
    pub(super) fn entity_tag(&self, gate: &Gate) -> Option<String> {
        let result = self.result.as_ref()?;
        Some(conditional::entity_tag(result, gate.desc.schema))
    }

    pub(super) fn shown(self, show: Show, answer: Answers) -> Result<Option<Json>, Problem> {
        let Some(result) = self.result else {
            return Ok(None);
        };
        let known = match self.own_id {
            true => answer(result.clone(), true).map(drop),
            false => Ok(()),
        };
        let shown = known.and_then(|()| show(&result));
        let shown = shown.map_err(|fault| unreadable(fault, self.own_id, self.id));
        shown.map(Some)
    }

    /// The answer with its result, as protobuf.
    pub(super) fn answered(self, answer: Answers) -> Result<Option<Bytes>, Problem> {
        let answered = self.result.map(|result| answer(result, self.own_id));
        let answered = answered.transpose();
        answered.map_err(|fault| unreadable(fault, self.own_id, self.id))
    }
}

/// A result that cannot be read: with an id of the caller's it is the answer to what was asked with the id first.
fn unreadable(fault: Fault, own_id: bool, id: TxnId) -> Problem {
    let fault = match own_id {
        true => facts::reused(id),
        false => fault,
    };
    Problem::from(fault).about(id)
}

/// Says which value of an instance was answered with.
pub(super) fn put_tag(response: &mut Response, entity_tag: Option<&str>) {
    if let Some(value) = entity_tag.and_then(conditional::as_header) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

pub(super) fn late(id: TxnId) -> Problem {
    let message = "it has not ended yet: ask for it by its id";
    let fault = Fault::new(Class::Unavailable, "outcome_unknown", message);
    let problem = Problem::from(fault).with_status(StatusCode::GATEWAY_TIMEOUT);
    problem.about(id)
}

pub(super) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
