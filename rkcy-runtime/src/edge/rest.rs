//! The paths of the edge, and what is done there.
//!
//! Owns the table of paths, what goes before each, and how an outcome becomes a response.

use super::about;
use super::asked::{Asked, put_tag};
use super::auth::{self, Who};
use super::body::object;
use super::conditional::{self, Conditions};
use super::problem::Problem;
use super::{Gate, events, grpc, instance_path, pages, request};
use crate::codegen::{Access, Class, ConcernDesc, Fault, OpDesc, TransactionDesc, op};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::SemaphorePermit;

pub(super) type Edge = State<Arc<Gate>>;
pub(super) type Answer = Result<Response, Problem>;
/// Who asks.
type Known = Extension<Who>;
/// An operation, with its concern.
type Op = (&'static ConcernDesc, &'static OpDesc);
/// The arguments in a query string.
type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// All paths: what the schema has no path for is not there.
pub(super) fn router(gate: Arc<Gate>) -> Router {
    let with_gate = || gate.clone();
    let mut platform = Router::new()
        .route("/v1/id", get(about::list))
        .route("/v1/id/{id}/cancel", post(about::cancel))
        .route("/v1/id/{id}/resume", post(about::resume))
        .route(
            "/v1/drain",
            get(about::drained)
                .post(about::begin_drain)
                .delete(about::end_drain),
        )
        .route("/v1/events", get(events::stream))
        .route_layer(middleware::from_fn_with_state(with_gate(), auth::operators))
        .route("/v1/id/{id}", get(about::where_is));
    for transaction in gate.desc.transactions {
        let submit = async |State(gate): Edge, who: Known, headers: HeaderMap, body: Body| {
            submit(&gate, transaction, who, headers, body).await
        };
        platform = platform.route(&format!("/v1/txn/{}", transaction.name), post(submit));
    }
    for concern in gate.desc.declared() {
        platform = concern_routes(platform, concern);
    }
    platform
        .route_layer(middleware::from_fn_with_state(with_gate(), auth::identify))
        .route_layer(middleware::from_fn_with_state(with_gate(), admit))
        .merge(pages::router())
        .merge(grpc::router(gate.desc))
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
                                    Extension(who): Known,
                                    headers: HeaderMap,
                                    body: Body| {
            let args = object(&gate, &headers, body).await?;
            operate(
                &gate,
                (concern, op),
                Asked::read(&headers, who)?,
                &headers,
                &key,
                args,
            )
            .await
        };
        let without_body = async move |State(gate): Edge,
                                       Path(key): Path<String>,
                                       Extension(who): Known,
                                       headers: HeaderMap| {
            let asked = Asked::read(&headers, who)?;
            operate(&gate, (concern, op), asked, &headers, &key, Map::new()).await
        };
        match op.number {
            op::CREATE => {
                let create =
                    async move |State(gate): Edge, who: Known, headers: HeaderMap, body: Body| {
                        create(&gate, (concern, op), who, headers, body).await
                    };
                router = router.route(&path, post(create));
            }
            op::GET => of_instance = of_instance.get(without_body),
            op::UPDATE => of_instance = of_instance.patch(with_body),
            op::DELETE => of_instance = of_instance.delete(without_body),
            own if own >= op::FIRST_OWN => {
                let asks = async move |gate: Edge,
                                       key: Path<String>,
                                       pairs: Pairs,
                                       Extension(who): Known,
                                       headers: HeaderMap| {
                    let asked = Asked::read(&headers, who)?;
                    query(gate, (concern, op), asked, key, pairs, headers).await
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
    let status = grpc::status_of(&response).unwrap_or(response.status());
    gate.metrics
        .answered(&method, &route, status, begun.elapsed());
    response
}

/// Lets in as many as there is room for; and none that a page of somebody else has sent from a browser.
async fn admit(State(gate): Edge, request: Request, next: Next) -> Result<Response, Problem> {
    let _place = let_in(&gate, request.headers())?;
    Ok(next.run(request).await)
}

/// A place for one request more.
pub(super) fn let_in<'g>(
    gate: &'g Gate,
    headers: &HeaderMap,
) -> Result<SemaphorePermit<'g>, Problem> {
    if is_foreign(headers) {
        let message = "requests out of pages of other origins are not taken";
        return Err(Problem::of(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            message,
        ));
    }
    gate.places.try_acquire().map_err(|_| {
        let message = format!(
            "{} requests are at work here: ask again",
            gate.limits.requests
        );
        Fault::new(Class::Bound, "too_many_requests", message).into()
    })
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
    Extension(who): Known,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::read(&headers, who)?;
    Conditions::refuse(&headers, &header::IF_MATCH)?;
    Conditions::refuse(&headers, &header::IF_NONE_MATCH)?;
    let args = object(gate, &headers, body).await?;
    let planned = request::planned(&asked.client(gate), asked.id, transaction, args);
    if asked.no_wait {
        return asked.enqueue(gate, planned).await;
    }
    let result = asked.run(gate, planned).await?;
    Ok(asked.committed(result.shown(transaction.result_to_json, transaction.answer)?))
}

async fn create(
    gate: &Gate,
    (concern, create): Op,
    Extension(who): Known,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = Asked::read(&headers, who)?;
    Conditions::refuse(&headers, &header::IF_MATCH)?;
    Conditions::refuse(&headers, &header::IF_NONE_MATCH)?;
    let mut fields = object(gate, &headers, body).await?;
    let key = request::key_of_new(concern, asked.derived_uuid(), &mut fields);
    let key = key.map_err(|fault| asked.refused(fault))?;
    let place = instance_path(concern, &key);
    let planned = request::operation(&asked.client(gate), asked.id, concern, create, key, fields);
    if asked.no_wait {
        return asked.enqueue(gate, planned).await;
    }
    let done = asked.run(gate, planned).await?;
    let tag = done.entity_tag(gate);
    let result = done.shown(create.result_to_json, create.answer)?;
    let mut response = asked.respond(StatusCode::CREATED, result.as_ref());
    put_tag(&mut response, tag.as_deref());
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// An operation on the instance that the path names; a query is [`query`]'s.
async fn operate(
    gate: &Gate,
    (concern, op): Op,
    asked: Asked,
    headers: &HeaderMap,
    key: &str,
    args: Map<String, Json>,
) -> Answer {
    let conditions = Conditions::read(headers)?;
    let reads = op.access == Access::Shared;
    let client = asked.client_expecting(gate, op, &conditions)?;
    if !reads {
        Conditions::refuse(headers, &header::IF_NONE_MATCH)?;
    }
    let key = (concern.key_from_text)(key)?;
    let planned = request::operation(&client, asked.id, concern, op, key, args);
    if asked.no_wait && !reads {
        return asked.enqueue(gate, planned).await;
    }
    let done = asked.run(gate, planned).await;
    let done = done.map_err(|problem| of_instance(problem, &conditions))?;
    if op.number == op::GET
        && let Some(response) = asked.instead_of(gate, &conditions, &done)?
    {
        return Ok(response);
    }
    let tag = done.entity_tag(gate);
    let result = done.shown(op.result_to_json, op.answer)?;
    Ok(match op.number {
        op::DELETE => asked.respond(StatusCode::NO_CONTENT, None),
        op::GET | op::UPDATE => {
            let mut response = asked.respond(StatusCode::OK, result.as_ref());
            put_tag(&mut response, tag.as_deref());
            response
        }
        _ if reads => asked.respond(StatusCode::OK, result.as_ref()),
        _ => asked.committed(result),
    })
}

async fn query(
    State(gate): Edge,
    op: Op,
    asked: Asked,
    Path(key): Path<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Answer {
    let Query(pairs) = pairs.map_err(wrong_query)?;
    let args = request::arguments(pairs, op.1.params)?;
    operate(&gate, op, asked, &headers, &key, args).await
}

/// What a request about one instance is told: there is none, or it is not as expected.
pub(super) fn of_instance(problem: Problem, conditions: &Conditions) -> Problem {
    match problem.code() {
        conditional::UNMET if conditions.wanted.is_some() => {
            problem.with_status(StatusCode::PRECONDITION_FAILED)
        }
        "not_found" => problem.with_status(StatusCode::NOT_FOUND),
        _ => problem,
    }
}

pub(super) fn wrong_query(wrong: QueryRejection) -> Problem {
    Problem::of(StatusCode::BAD_REQUEST, "wrong_query", wrong.body_text())
}

pub(super) fn wrong_header(name: &str, why: &str) -> Problem {
    let message = format!("header `{name}`: {why}");
    Problem::of(StatusCode::BAD_REQUEST, "wrong_header", message)
}

pub(super) fn json_response(status: StatusCode, document: &Json) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let mut response = (status, document.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

async fn no_such_path(State(gate): Edge, method: Method, request: Request) -> Response {
    let path = request.uri().path();
    if grpc::is_grpc(request.headers()) {
        return grpc::no_such_method(gate.desc, path);
    }
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
    Problem::of(StatusCode::NOT_FOUND, "no_such_path", message).into_response()
}

async fn no_such_method(method: Method, request: Request) -> Problem {
    let message = format!("{} takes no {method}", request.uri().path());
    Problem::of(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}
