//! The paths of the edge, and what is done there.
//!
//! Owns the table of paths, how bodies and headers are read, and how an outcome becomes a response.

use super::problem::{Problem, put_id};
use super::{Gate, pages, request};
use crate::codegen::{Bytes, Class, Fault, Outcome, Txn, TxnId, op};
use crate::driver::Client;
use crate::facts;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rkcy_core::status::Ask;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Edge = State<Arc<Gate>>;
type Answer = Result<Response, Problem>;
/// Shows an encoded result.
type Show = fn(&Bytes) -> Result<Json, Fault>;

/// What is escaped in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',');

/// All paths.
pub(super) fn router(gate: Arc<Gate>) -> Router {
    let platform = Router::new()
        .route("/v1/txn/{name}", post(submit))
        .route("/v1/c/{concern}", post(create))
        .route(
            "/v1/c/{concern}/{key}",
            get(read).patch(update).delete(delete),
        )
        .route("/v1/c/{concern}/{key}/{name}", get(query).post(command))
        .route("/v1/id/{id}", get(where_is))
        .route("/v1/id/{id}/cancel", post(cancel))
        .route_layer(middleware::from_fn_with_state(gate.clone(), admit));
    platform
        .merge(pages::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(gate.clone(), count))
        .with_state(gate)
}

// ---- what goes before

/// Counts and times each request, under the path as the table has it.
async fn count(State(gate): Edge, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<axum::extract::MatchedPath>();
    let route = route
        .map_or("other", axum::extract::MatchedPath::as_str)
        .to_owned();
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
    State(gate): Edge,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let transaction = request::transaction(gate.desc, &name)?;
    let asked = Asked::read(&headers)?;
    let args = object(&gate, &headers, body).await?;
    let planned = request::planned(&gate.client, asked.id, transaction, args);
    let outcome = asked.run(&gate, planned).await?;
    let (result, forgotten) = shown(outcome, transaction.result_to_json, asked.id)?;
    let mut document = json!({
        "id": asked.id.to_string(),
        "outcome": "committed",
        "result": result,
    });
    if forgotten {
        document["result_forgotten"] = true.into();
    }
    Ok(asked.respond(StatusCode::OK, Some(&document)))
}

async fn create(
    State(gate): Edge,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let concern = request::concern(gate.desc, &name)?;
    let create = request::builtin(concern, op::CREATE, "POST")?;
    let asked = Asked::read(&headers)?;
    let mut fields = object(&gate, &headers, body).await?;
    let key = request::key_of_new(concern, asked.id, &mut fields)
        .map_err(|fault| Problem::from(fault).about(asked.id))?;
    let place = format!(
        "/v1/c/{name}/{}",
        utf8_percent_encode(&(concern.key_to_text)(&key), SEGMENT)
    );
    let planned = request::operation(&gate.client, asked.id, concern, create, key, fields);
    let outcome = asked.run(&gate, planned).await?;
    let (result, _) = shown(outcome, create.result_to_json, asked.id)?;
    let mut response = asked.respond(StatusCode::CREATED, Some(&result));
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn read(
    State(gate): Edge,
    Path((name, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    operate(
        &gate,
        &headers,
        (&name, &key),
        op::GET,
        Json::Object(Default::default()),
    )
    .await
}

async fn update(
    State(gate): Edge,
    Path((name, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let patch = object(&gate, &headers, body).await?;
    operate(&gate, &headers, (&name, &key), op::UPDATE, patch).await
}

async fn delete(
    State(gate): Edge,
    Path((name, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    operate(
        &gate,
        &headers,
        (&name, &key),
        op::DELETE,
        Json::Object(Default::default()),
    )
    .await
}

/// What every concern has, on one instance.
async fn operate(
    gate: &Gate,
    headers: &HeaderMap,
    (name, key): (&str, &str),
    number: u16,
    args: Json,
) -> Answer {
    let concern = request::concern(gate.desc, name)?;
    let method = match number {
        op::GET => "GET",
        op::UPDATE => "PATCH",
        _ => "DELETE",
    };
    let op = request::builtin(concern, number, method)?;
    let asked = Asked::read(headers)?;
    let key = (concern.key_from_text)(key)?;
    let planned = request::operation(&gate.client, asked.id, concern, op, key, args);
    let outcome = asked.run(gate, planned).await.map_err(absent_instance)?;
    let (result, _) = shown(outcome, op.result_to_json, asked.id)?;
    Ok(match number {
        op::DELETE => asked.respond(StatusCode::NO_CONTENT, None),
        _ => asked.respond(StatusCode::OK, Some(&result)),
    })
}

/// The path names an instance that is not there.
fn absent_instance(problem: Problem) -> Problem {
    match problem.code() {
        "not_found" => problem.with_status(StatusCode::NOT_FOUND),
        _ => problem,
    }
}

async fn query(
    State(gate): Edge,
    Path((concern, key, name)): Path<(String, String, String)>,
    pairs: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let concern = request::concern(gate.desc, &concern)?;
    let query = request::own(concern, &name, true)?;
    let Query(pairs) = pairs
        .map_err(|wrong| Problem::of(StatusCode::BAD_REQUEST, "wrong_query", wrong.body_text()))?;
    let asked = Asked::read(&headers)?;
    let key = (concern.key_from_text)(&key)?;
    let args = request::arguments(pairs, query.params)?;
    let planned = request::operation(&gate.client, asked.id, concern, query, key, args);
    let outcome = asked.run(&gate, planned).await.map_err(absent_instance)?;
    let (result, _) = shown(outcome, query.result_to_json, asked.id)?;
    Ok(asked.respond(StatusCode::OK, Some(&result)))
}

async fn command(
    State(gate): Edge,
    Path((concern, key, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let concern = request::concern(gate.desc, &concern)?;
    let command = request::own(concern, &name, false)?;
    let asked = Asked::read(&headers)?;
    let args = object(&gate, &headers, body).await?;
    let key = (concern.key_from_text)(&key)?;
    let planned = request::operation(&gate.client, asked.id, concern, command, key, args);
    let outcome = asked.run(&gate, planned).await.map_err(absent_instance)?;
    let (result, forgotten) = shown(outcome, command.result_to_json, asked.id)?;
    let mut document = json!({
        "id": asked.id.to_string(),
        "outcome": "committed",
        "result": result,
    });
    if forgotten {
        document["result_forgotten"] = true.into();
    }
    Ok(asked.respond(StatusCode::OK, Some(&document)))
}

// ---- about transactions

async fn where_is(State(gate): Edge, Path(id): Path<String>) -> Answer {
    let id = facts::txn_id(&id)?;
    let told = within(gate.limits.request, gate.client.ask(Ask::One(id))).await;
    let told = told.ok_or_else(|| late(id))?.map_err(Problem::from)?;
    if told.is_empty() {
        return Err(unknown(id));
    }
    let facts =
        (told.iter()).map(|(partition, status)| facts::fact(gate.desc, *partition, &status.fact));
    let facts: Vec<Json> = facts.collect();
    let document = json!({ "id": id.to_string(), "facts": facts });
    Ok(json_response(StatusCode::OK, &document))
}

async fn cancel(State(gate): Edge, Path(id): Path<String>) -> Answer {
    let id = facts::txn_id(&id)?;
    let told = within(gate.limits.request, gate.client.cancel(id)).await;
    let outcome = match told.ok_or_else(|| late(id))? {
        Outcome::Refused(fault) if fault.code == "cancelled" => "cancelled",
        Outcome::Committed(_) => {
            let message = "it was committed before it could be cancelled";
            return Err(Problem::from(Fault::refusal("committed", message)).about(id));
        }
        Outcome::NotTaken(fault) if fault.code == "unknown_id" => return Err(unknown(id)),
        Outcome::Refused(fault) | Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
            return Err(Problem::from(fault).about(id));
        }
    };
    let document = json!({ "id": id.to_string(), "outcome": outcome });
    Ok(json_response(StatusCode::OK, &document))
}

fn unknown(id: TxnId) -> Problem {
    let message = format!("no partition knows {id}: it never was, or ended long ago");
    Problem::of(StatusCode::NOT_FOUND, "unknown_id", message).about(id)
}

// ---- one request

/// What the headers of a request say of its transaction.
struct Asked {
    id: TxnId,
    /// It may wait so long for others. Milliseconds; 0: for ever.
    budget: u32,
}

impl Asked {
    /// `Rkcy-Id`: the id, a UUID of version 7; asked for twice, it runs once. `Rkcy-Deadline`: so many milliseconds it
    /// may wait for others.
    fn read(headers: &HeaderMap) -> Result<Asked, Problem> {
        let text = |name: &'static str| {
            let value = headers.get(name).map(HeaderValue::to_str).transpose();
            value.map_err(|_| wrong_header(name, "it is not text"))
        };
        let id = match text("rkcy-id")? {
            Some(text) => facts::txn_id(text)?,
            None => Client::new_id(),
        };
        let budget = match text("rkcy-deadline")?.map(str::parse) {
            None => 0,
            Some(Ok(budget)) if budget > 0 => budget,
            Some(_) => {
                let expected = "milliseconds were expected, from 1 to 4294967295";
                return Err(wrong_header("rkcy-deadline", expected));
            }
        };
        Ok(Asked { id, budget })
    }

    /// Submits what was planned and waits for how it ends.
    async fn run(&self, gate: &Gate, planned: Result<Txn, Fault>) -> Result<Outcome, Problem> {
        let about = |fault: Fault| Problem::from(fault).about(self.id);
        let mut txn = planned.map_err(about)?;
        txn.budget = self.budget;
        let outcome = within(gate.limits.request, gate.client.outcome(txn)).await;
        match outcome.ok_or_else(|| late(self.id))? {
            Outcome::Committed(result) => Ok(Outcome::Committed(result)),
            Outcome::Refused(fault) | Outcome::NotTaken(fault) => Err(about(fault)),
            // It has neither happened nor not: an operator will say.
            Outcome::Parked(fault) => Err(about(fault).with_status(StatusCode::CONFLICT)),
        }
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

fn wrong_header(name: &'static str, why: &str) -> Problem {
    let message = format!("header `{name}`: {why}");
    Problem::of(StatusCode::BAD_REQUEST, "wrong_header", message)
}

/// The result of what was committed, and whether it was too long to be remembered for one who asks again.
fn shown(outcome: Outcome, show: Show, id: TxnId) -> Result<(Json, bool), Problem> {
    match outcome {
        Outcome::Committed(Some(bytes)) => {
            let shown = show(&bytes).map_err(|fault| Problem::from(fault).about(id))?;
            Ok((shown, false))
        }
        _ => Ok((Json::Null, true)),
    }
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
async fn object(gate: &Gate, headers: &HeaderMap, body: Body) -> Result<Json, Problem> {
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
        return Ok(json!({}));
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
        Json::Object(_) => Ok(json),
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

async fn no_such_path(method: Method, request: Request) -> Problem {
    let message = format!("nothing is at {method} {}", request.uri().path());
    Problem::of(StatusCode::NOT_FOUND, "no_such_path", message)
}

async fn no_such_method(method: Method) -> Problem {
    let message = format!("{method} is not done here");
    Problem::of(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}
