//! The gRPC services of a platform: every transaction and every operation of the schema, unary.
//!
//! Owns what a method does with its message, and which status and details a problem has. Framing, trailers and the
//! encoding of a status are `tonic`'s. What REST takes in headers is taken in metadata of the same names; a deadline is
//! gRPC's own, `grpc-timeout`. Sources: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, and
//! <https://google.aip.dev/193> for the details.

use super::Gate;
use super::asked::{Asked, Committed};
use super::auth::Who;
use super::body::whole;
use super::conditional::{Conditions, as_header};
use super::problem::Problem;
use super::rest::{Edge, let_in, of_instance, wrong_header};
use crate::codegen::{
    Bytes, ConcernDesc, OpDesc, PlatformDesc, TransactionDesc, op, operation_from_wire,
};
use crate::grpc::{CLASS, FORGOTTEN, ID, Raw};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use rkcy_core::fault::Class;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What a method does.
#[derive(Clone, Copy)]
enum Method {
    Transaction(&'static TransactionDesc),
    Operation(&'static ConcernDesc, &'static OpDesc),
}

/// The methods of all services.
pub(super) fn router(desc: &'static PlatformDesc) -> Router<Arc<Gate>> {
    let transactions = desc.transactions.iter();
    let transactions = transactions.map(|it| (desc.transaction_path(it), Method::Transaction(it)));
    let operations = desc.declared().flat_map(|concern| {
        let ops = concern.ops.iter();
        ops.map(move |op| (desc.op_path(concern, op), Method::Operation(concern, op)))
    });
    let mut router = Router::new();
    for (path, method) in transactions.chain(operations) {
        let method =
            async move |State(gate): Edge, request: Request| answer(&gate, method, request).await;
        router = router.route(&path, post(method));
    }
    router
}

/// The status of HTTP that stands for that of an answer over gRPC, for who counts; `None` where it is no such answer.
pub(super) fn status_of(response: &Response) -> Option<StatusCode> {
    if !is_grpc(response.headers()) {
        return None;
    }
    // Where all is well it comes behind the body.
    let Some(status) = response.headers().get("grpc-status") else {
        return Some(StatusCode::OK);
    };
    // As google.rpc.Code has them.
    Some(match Code::from_bytes(status.as_bytes()) {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::UNPROCESSABLE_ENTITY,
        Code::FailedPrecondition | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::Aborted => StatusCode::PRECONDITION_FAILED,
        Code::NotFound | Code::Unimplemented => StatusCode::NOT_FOUND,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    // `+proto` or nothing: of the values, this edge reads no other form.
    rest.is_some_and(|rest| matches!(rest, b"" | b"+proto") || rest.starts_with(b";"))
}

/// What who asks for a method is told that is not there.
pub(super) fn no_such_method(desc: &PlatformDesc, path: &str) -> Response {
    let message = format!("{} has no method {path}", desc.name);
    let problem = Problem::of(StatusCode::NOT_IMPLEMENTED, "unknown_method", message);
    status(desc, &problem).into_http()
}

async fn answer(gate: &Gate, method: Method, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !is_grpc(&head.headers) {
        // As gRPC has it where somebody else has come.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let headers = &head.headers.clone();
    let (_place, who, body) = match enter(gate, headers, body).await {
        Ok(entered) => entered,
        Err(problem) => return status(gate.desc, &problem).into_http::<Body>(),
    };
    let called = tower::service_fn(|message: tonic::Request<Bytes>| {
        let who = who.clone();
        async move {
            let called = call(gate, method, headers, who, message.into_inner()).await;
            called.map_err(|problem| status(gate.desc, &problem))
        }
    });
    let request = Request::from_parts(head, Body::from(body));
    let mut grpc = tonic::server::Grpc::new(Raw).max_decoding_message_size(gate.limits.body_bytes);
    grpc.unary(called, request).await.map(Body::new)
}

/// What goes before a call: there is room for it, its caller is known, and its body has come.
async fn enter<'g>(
    gate: &'g Gate,
    headers: &HeaderMap,
    body: Body,
) -> Result<(SemaphorePermit<'g>, Who, Bytes), Problem> {
    let place = let_in(gate, headers)?;
    let who = gate.security.who(gate.desc, headers)?;
    Ok((place, who, whole(gate, body).await?))
}

async fn call(
    gate: &Gate,
    method: Method,
    headers: &HeaderMap,
    who: Who,
    message: Bytes,
) -> Result<tonic::Response<Bytes>, Problem> {
    let mut asked = Asked::read(headers, who)?;
    if let Some(wait) = timeout(headers)? {
        asked = asked.within(wait);
    }
    if asked.no_wait {
        return Err(wrong_header(
            "prefer",
            "who asks over gRPC waits for the outcome",
        ));
    }
    Conditions::refuse(headers, &header::IF_NONE_MATCH)?;
    let (done, show, answer, tagged) = match method {
        Method::Transaction(transaction) => {
            Conditions::refuse(headers, &header::IF_MATCH)?;
            let client = asked.client(gate);
            let origin = client.origin(asked.id, client.caller());
            let planned = (transaction.from_wire)(message, origin);
            let done = asked.run(gate, planned).await?;
            (done, transaction.result_to_json, transaction.answer, false)
        }
        Method::Operation(concern, operation) => {
            if operation.number == op::CREATE {
                Conditions::refuse(headers, &header::IF_MATCH)?;
            }
            let conditions = Conditions::read(headers)?;
            let client = asked.client_expecting(gate, operation, &conditions)?;
            let origin = client.origin(asked.id, client.caller());
            let planned = operation_from_wire(origin, concern, operation, message);
            let done = asked.run(gate, planned).await;
            let done = done.map_err(|problem| of_instance(problem, &conditions))?;
            if operation.number == op::GET {
                asked.instead_of(gate, &conditions, &done)?;
            }
            let tagged = matches!(operation.number, op::CREATE | op::GET | op::UPDATE);
            (done, operation.result_to_json, operation.answer, tagged)
        }
    };
    reply(gate, &asked, done, show, answer, tagged)
}

fn reply(
    gate: &Gate,
    asked: &Asked,
    done: Committed,
    show: super::asked::Show,
    answer: fn(Bytes) -> Bytes,
    tagged: bool,
) -> Result<tonic::Response<Bytes>, Problem> {
    let tag = done.entity_tag(gate).filter(|_| tagged);
    let result = done.encoded(show)?;
    let mut headers = HeaderMap::new();
    put_id(&mut headers, &asked.id.to_string());
    if let Some(tag) = tag.as_deref().and_then(as_header) {
        headers.insert(header::ETAG, tag);
    }
    if result.is_none() {
        headers.insert(FORGOTTEN, HeaderValue::from_static("true"));
    }
    let message = result.map_or_else(Bytes::new, answer);
    let metadata = MetadataMap::from_headers(headers);
    Ok(tonic::Response::from_parts(
        metadata,
        message,
        Default::default(),
    ))
}

fn put_id(headers: &mut HeaderMap, id: &str) {
    // An id is hexadecimal digits and dashes.
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(ID, id);
    }
}

/// How long the caller waits: digits, at most eight, and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    const NAME: &str = "grpc-timeout";
    let Some(value) = headers.get(NAME) else {
        return Ok(None);
    };
    let read = |text: &str| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let is_number =
            (1..=8).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
        let count: u64 = is_number.then(|| digits.parse().ok())??;
        Some(match unit {
            "H" => Duration::from_secs(count * 3_600),
            "M" => Duration::from_secs(count * 60),
            "S" => Duration::from_secs(count),
            "m" => Duration::from_millis(count),
            "u" => Duration::from_micros(count),
            "n" => Duration::from_nanos(count),
            _ => return None,
        })
    };
    let wait = value.to_str().ok().and_then(read);
    let wrong = || wrong_header(NAME, "a number and a unit were expected, as `250m`");
    wait.map(Some).ok_or_else(wrong)
}

/// A problem as a caller over gRPC hears it: the content of the problem document, as details.
fn status(desc: &PlatformDesc, problem: &Problem) -> Status {
    let fault = problem.fault();
    let mut about = HashMap::from([
        (CLASS.to_owned(), fault.class.to_string()),
        ("title".to_owned(), problem.title().to_owned()),
    ]);
    if !fault.path.is_empty() {
        about.insert("path".to_owned(), fault.path.to_string());
    }
    if let Some(id) = problem.id() {
        about.insert("id".to_owned(), id.to_string());
    }
    let mut details = ErrorDetails::with_error_info(fault.code.to_string(), desc.package, about);
    if fault.class == Class::Invalid && !fault.path.is_empty() {
        details.add_bad_request_violation(fault.path.to_string(), fault.message.to_string());
    }
    if let Some(seconds) = problem.retry_after() {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    let mut headers = HeaderMap::new();
    if let Some(id) = problem.id() {
        put_id(&mut headers, &id.to_string());
    }
    Status::with_error_details_and_metadata(
        code(problem),
        fault.message.to_string(),
        details,
        MetadataMap::from_headers(headers),
    )
}

fn code(problem: &Problem) -> Code {
    match problem.status() {
        StatusCode::CONFLICT if matches!(problem.code(), "already_exists" | "taken") => {
            Code::AlreadyExists
        }
        StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::PRECONDITION_FAILED => Code::Aborted,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        StatusCode::NOT_IMPLEMENTED => Code::Unimplemented,
        _ => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_as_grpc_writes_it() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            timeout(&headers).ok().flatten()
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3_600))
        );
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        for wrong in [
            "",
            "m",
            "250",
            "250s",
            "123456789m",
            "-1m",
            "+1m",
            "1.5S",
            "1 m",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert!(timeout(&HeaderMap::new()).is_ok_and(|it| it.is_none()));
    }
}
