//! The paths of the edge, and what is done there.
//!
//! Owns the table of paths, how bodies and headers are read, and how an outcome becomes a response.

use super::problem::{Problem, put_id};
use super::{Gate, instance_path, pages, request};
use crate::codegen::{
    Access, Bytes, Class, ConcernDesc, Fault, IdempotencyKey, OpDesc, Outcome, TransactionDesc,
    Txn, TxnId, Uuid, derived_uuid, op,
};
use crate::driver::{Client, Drained};
use crate::facts;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use rkcy_core::id::PartitionId;
use rkcy_core::status::{Ask, Status};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Edge = State<Arc<Gate>>;
type Answer = Result<Response, Problem>;
/// An operation, with its concern.
type Op = (&'static ConcernDesc, &'static OpDesc);
/// The arguments in a query string.
type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;
/// Shows an encoded result.
type Show = fn(&Bytes) -> Result<Json, Fault>;

/// All paths: what the schema has no path for is not there.
pub(super) fn router(gate: Arc<Gate>) -> Router {
    let mut platform = Router::new()
        .route("/v1/id", get(list))
        .route("/v1/id/{id}", get(where_is))
        .route("/v1/id/{id}/cancel", post(cancel))
        .route("/v1/id/{id}/resume", post(resume))
        .route(
            "/v1/drain",
            get(drained).post(begin_drain).delete(end_drain),
        );
    for transaction in gate.desc.transactions {
        let submit = async |State(gate): Edge, headers: HeaderMap, body: Body| {
            submit(&gate, transaction, headers, body).await
        };
        platform = platform.route(&format!("/v1/txn/{}", transaction.name), post(submit));
    }
    for concern in gate.desc.declared() {
        platform = concern_routes(platform, concern);
    }
    platform
        .route_layer(middleware::from_fn_with_state(gate.clone(), admit))
        .merge(pages::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(gate.clone(), count))
        .with_state(gate)
}

/// The paths of a concern.
fn concern_routes(
    mut router: Router<Arc<Gate>>,
    concern: &'static ConcernDesc,
) -> Router<Arc<Gate>> {
    let path = format!("/v1/c/{}", concern.name);
    let instance = format!("{path}/{{key}}");
    let mut of_instance = MethodRouter::new();
    for op in concern.ops {
        let with_body = async move |State(gate): Edge,
                                    Path(key): Path<String>,
                                    headers: HeaderMap,
                                    body: Body| {
            let args = object(&gate, &headers, body).await?;
            operate(&gate, (concern, op), &headers, &key, args).await
        };
        let without_body =
            async move |State(gate): Edge, Path(key): Path<String>, headers: HeaderMap| {
                operate(&gate, (concern, op), &headers, &key, Map::new()).await
            };
        match op.number {
            op::CREATE => {
                let create = async move |State(gate): Edge, headers: HeaderMap, body: Body| {
                    create(&gate, (concern, op), headers, body).await
                };
                router = router.route(&path, post(create));
            }
            op::GET => of_instance = of_instance.get(without_body),
            op::UPDATE => of_instance = of_instance.patch(with_body),
            op::DELETE => of_instance = of_instance.delete(without_body),
            own if own >= op::FIRST_OWN => {
                let asks =
                    async move |gate: Edge, key: Path<String>, pairs: Pairs, headers: HeaderMap| {
                        query(gate, (concern, op), key, pairs, headers).await
                    };
                let methods = match op.access {
                    Access::Shared => get(asks),
                    _ => post(with_body),
                };
                router = router.route(&format!("{instance}/{}", op.name), methods);
            }
            _ => {}
        }
    }
    router.route(&instance, of_instance)
}

// ---- what goes before

/// Counts and times each request, under the path as the table has it.
async fn count(State(gate): Edge, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let begun = Instant::now();
    let response = next.run(request).await;
    gate.metrics
        .answered(&method, &route, response.status(), begun.elapsed());
    response
}

/// Lets in as many as there is room for; and none that a page of somebody else has sent from a browser.
async fn admit(State(gate): Edge, request: Request, next: Next) -> Result<Response, Problem> {
    if is_foreign(request.headers()) {
        let message = "requests out of pages of other origins are not taken";
        return Err(Problem::of(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            message,
        ));
    }
    let Ok(_place) = gate.places.try_acquire() else {
        let message = format!(
            "{} requests are at work here: ask again",
            gate.limits.requests
        );
        return Err(Fault::new(Class::Bound, "too_many_requests", message).into());
    };
    Ok(next.run(request).await)
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let origin = origin.as_bytes();
    let own = [b"http://".as_slice(), b"https://"];
    let own = own.iter().find_map(|scheme| origin.strip_prefix(*scheme));
    own.is_none() || own != host
}

// ---- transactions and operations

async fn submit(
    gate: &Gate,
    transaction: &TransactionDesc,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::read(&headers)?;
    let args = object(gate, &headers, body).await?;
    let planned = request::planned(&asked.client(gate), asked.id, transaction, args);
    if asked.no_wait {
        return asked.enqueue(gate, planned).await;
    }
    let result = asked.run(gate, planned).await?;
    Ok(asked.committed(result.shown(transaction.result_to_json)?))
}

async fn create(gate: &Gate, (concern, create): Op, headers: HeaderMap, body: Body) -> Answer {
    let asked = Asked::read(&headers)?;
    let mut fields = object(gate, &headers, body).await?;
    let key = request::key_of_new(concern, asked.derived_uuid(), &mut fields);
    let key = key.map_err(|fault| asked.refused(fault))?;
    let place = instance_path(concern, &key);
    let planned = request::operation(&asked.client(gate), asked.id, concern, create, key, fields);
    if asked.no_wait {
        return asked.enqueue(gate, planned).await;
    }
    let result = asked
        .run(gate, planned)
        .await?
        .shown(create.result_to_json)?;
    let mut response = asked.respond(StatusCode::CREATED, result.as_ref());
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// An operation on the instance that the path names; a query is [`query`]'s.
async fn operate(
    gate: &Gate,
    (concern, op): Op,
    headers: &HeaderMap,
    key: &str,
    args: Map<String, Json>,
) -> Answer {
    let asked = Asked::read(headers)?;
    let key = (concern.key_from_text)(key)?;
    let planned = request::operation(&asked.client(gate), asked.id, concern, op, key, args);
    if asked.no_wait && op.access != Access::Shared {
        return asked.enqueue(gate, planned).await;
    }
    let result = asked.run(gate, planned).await.map_err(absent_instance)?;
    let result = result.shown(op.result_to_json)?;
    Ok(match op.number {
        op::DELETE => asked.respond(StatusCode::NO_CONTENT, None),
        op::GET | op::UPDATE => asked.respond(StatusCode::OK, result.as_ref()),
        _ if op.access == Access::Shared => asked.respond(StatusCode::OK, result.as_ref()),
        _ => asked.committed(result),
    })
}

async fn query(
    State(gate): Edge,
    op: Op,
    Path(key): Path<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Answer {
    let Query(pairs) = pairs.map_err(wrong_query)?;
    let args = request::arguments(pairs, op.1.params)?;
    operate(&gate, op, &headers, &key, args).await
}

/// The path names an instance that is not there.
fn absent_instance(problem: Problem) -> Problem {
    match problem.code() {
        "not_found" => problem.with_status(StatusCode::NOT_FOUND),
        _ => problem,
    }
}

// ---- about transactions

async fn list(State(gate): Edge, listed: Result<Query<Listed>, QueryRejection>) -> Answer {
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
struct Listed {
    #[serde(default)]
    state: Listing,
    /// The most of each partition.
    #[serde(default = "most_listed")]
    limit: u32,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Listing {
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

async fn where_is(State(gate): Edge, Path(id): Path<String>) -> Answer {
    let id = facts::txn_id(&id)?;
    let told = told(&gate, Ask::One(id)).await?;
    let Some((_, facts)) = facts::by_transaction(gate.desc, &told).pop() else {
        return Err(unknown(id));
    };
    let document = json!({ "id": id.to_string(), "facts": facts });
    Ok(json_response(StatusCode::OK, &document))
}

async fn resume(State(gate): Edge, Path(id): Path<String>) -> Answer {
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

async fn cancel(State(gate): Edge, Path(id): Path<String>) -> Answer {
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

// ---- about the platform

/// How far a drain has come.
async fn drained(State(gate): Edge) -> Answer {
    told_of_drain(&gate, gate.client.drained()).await
}

async fn begin_drain(State(gate): Edge) -> Answer {
    told_of_drain(&gate, gate.client.drain(true)).await
}

async fn end_drain(State(gate): Edge) -> Answer {
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

fn slow_partitions() -> Problem {
    let message = "not all partitions have answered in time";
    Problem::of(StatusCode::GATEWAY_TIMEOUT, "slow_partitions", message)
}

fn unknown(id: TxnId) -> Problem {
    let problem = Problem::from(facts::unknown(id)).with_status(StatusCode::NOT_FOUND);
    problem.about(id)
}

// ---- one request

/// What the headers of a request say of its transaction.
struct Asked {
    id: TxnId,
    /// The id is the caller's.
    own_id: bool,
    /// It may wait so long for others. Milliseconds; 0: for ever.
    budget: u32,
    /// The caller does not wait for how it ends.
    no_wait: bool,
    key: Option<IdempotencyKey>,
}

impl Asked {
    /// `Rkcy-Id`: the id, a UUID of version 7; asked for twice, it runs once. `Rkcy-Deadline`: so many milliseconds it
    /// may wait for others. `Prefer: respond-async` (RFC 7240): an answer as soon as the log has it.
    /// `Idempotency-Key`, of `Rkcy-Caller`: however often it is repeated with that, it runs once.
    fn read(headers: &HeaderMap) -> Result<Asked, Problem> {
        let text = |name: &'static str| {
            let value = headers.get(name).map(HeaderValue::to_str).transpose();
            value.map_err(|_| wrong_header(name, "it is not text"))
        };
        let own_id = text("rkcy-id")?.map(facts::txn_id).transpose()?;
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
        let key = key.transpose()?;
        let wishes = text("prefer")?.unwrap_or_default();
        let no_wait =
            (wishes.split(',')).any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"));
        Ok(Asked {
            id: own_id.unwrap_or_else(Client::new_id),
            own_id: own_id.is_some(),
            budget,
            no_wait,
            key,
        })
    }

    /// Who submits it.
    fn client(&self, gate: &Gate) -> Client {
        match &self.key {
            Some(key) => gate.client.with_key(key.clone()),
            None => gate.client.clone(),
        }
    }

    /// A key for what is created without one: the same, however often it is asked for.
    fn derived_uuid(&self) -> Uuid {
        match &self.key {
            Some(key) => key.derived_uuid(),
            None => derived_uuid(self.id, 0, 0),
        }
    }

    /// Submits what was planned and waits for how it ends.
    async fn run(&self, gate: &Gate, planned: Result<Txn, Fault>) -> Result<Committed, Problem> {
        let mut txn = planned.map_err(|fault| self.refused(fault))?;
        txn.budget = self.budget;
        let outcome = within(gate.limits.request, gate.client.outcome(txn)).await;
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
    async fn enqueue(&self, gate: &Gate, planned: Result<Txn, Fault>) -> Answer {
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

    fn refused(&self, fault: Fault) -> Problem {
        Problem::from(fault).about(self.id)
    }

    /// What a transaction or a command is answered with; `None` where nobody remembers its result.
    fn committed(&self, result: Option<Json>) -> Response {
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

    fn respond(&self, status: StatusCode, document: Option<&Json>) -> Response {
        let mut response = match document {
            Some(document) => json_response(status, document),
            None => status.into_response(),
        };
        put_id(&mut response, self.id);
        response
    }
}

/// What was committed.
struct Committed {
    id: TxnId,
    own_id: bool,
    /// Absent where it was too long to be remembered for one who asks again.
    result: Option<Bytes>,
}

impl Committed {
    fn shown(self, show: Show) -> Result<Option<Json>, Problem> {
        let shown = self.result.map(|bytes| show(&bytes)).transpose();
        shown.map_err(|fault| match self.own_id {
            // It is the answer to what was asked with the id first.
            true => Problem::from(facts::reused(self.id)).about(self.id),
            false => Problem::from(fault).about(self.id),
        })
    }
}

fn wrong_query(wrong: QueryRejection) -> Problem {
    Problem::of(StatusCode::BAD_REQUEST, "wrong_query", wrong.body_text())
}

fn wrong_header(name: &'static str, why: &str) -> Problem {
    let message = format!("header `{name}`: {why}");
    Problem::of(StatusCode::BAD_REQUEST, "wrong_header", message)
}

fn late(id: TxnId) -> Problem {
    let message = "it has not ended yet: ask for it by its id";
    let problem = Problem::of(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", message);
    problem.about(id)
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// The body of a request: a JSON object; nothing counts as an empty one.
async fn object(
    gate: &Gate,
    headers: &HeaderMap,
    body: Body,
) -> Result<Map<String, Json>, Problem> {
    let limit = gate.limits.body_bytes;
    let read = within(gate.limits.body, to_bytes(body, limit)).await;
    let read = read.ok_or_else(|| {
        let message = format!("the body did not come within {:?}", gate.limits.body);
        Problem::of(StatusCode::REQUEST_TIMEOUT, "slow_body", message)
    })?;
    let bytes = read.map_err(|error| match too_long(&error) {
        true => {
            let message = format!("a body has at most {limit} bytes");
            Problem::of(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
        false => Problem::of(StatusCode::BAD_REQUEST, "broken_body", error.to_string()),
    })?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if !is_json(headers) {
        let message = "a body is JSON: send `content-type: application/json`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::of(status, "not_json", message));
    }
    let json = serde_json::from_slice::<Json>(&bytes).map_err(|error| {
        let message = format!("the body is no JSON: {error}");
        Problem::of(StatusCode::BAD_REQUEST, "malformed_json", message)
    })?;
    match json {
        Json::Object(fields) => Ok(fields),
        _ => {
            let message = "the body is a JSON object";
            Err(Fault::new(Class::Invalid, "wrong_type", message).into())
        }
    }
}

fn too_long(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    let kind = text.and_then(|text| text.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

pub(super) fn json_response(status: StatusCode, document: &Json) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let mut response = (status, document.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

async fn no_such_path(State(gate): Edge, method: Method, request: Request) -> Problem {
    let path = request.uri().path();
    let message = match path
        .strip_prefix("/v1/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some(("txn", name)) => format!("{} has no transaction `{name}`", gate.desc.name),
        Some(("c", rest)) => match rest
            .split('/')
            .next()
            .and_then(|name| gate.desc.concern(name))
        {
            Some(concern) => format!("{} has no {method} {path}", concern.name),
            None => format!("{} has no such concern: {path}", gate.desc.name),
        },
        _ => format!("nothing is at {path}"),
    };
    Problem::of(StatusCode::NOT_FOUND, "no_such_path", message)
}

async fn no_such_method(method: Method, request: Request) -> Problem {
    let message = format!("{} takes no {method}", request.uri().path());
    Problem::of(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}
