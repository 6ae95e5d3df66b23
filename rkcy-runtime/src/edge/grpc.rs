//! The gRPC services of a platform: every transaction and every operation of the schema, unary.
//!
//! Owns what a method does with its message, and which status and details a problem has; the encoding of a status is
//! `tonic`'s. What REST takes in headers is taken in metadata of the same names; a deadline is
//! gRPC's own, `grpc-timeout`. Sources: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, and
//! <https://google.aip.dev/193> for the details.

use super::Gate;
use super::asked::{Answers, Asked, Committed};
use super::auth::Who;
use super::body::whole;
use super::conditional::{Conditions, as_header};
use super::problem::{Problem, put_id};
use super::rest::{Edge, let_in, of_instance, wrong_header};
use crate::codegen::{
    Bytes, ConcernDesc, OpDesc, PlatformDesc, TransactionDesc, op, operation_from_wire,
};
use crate::grpc::{CLASS, FORGOTTEN, WHOLE};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use bytes::{Buf, BufMut, BytesMut};
use http_body_util::{BodyExt, Full};
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
    let Some(status) = response.headers().get(STATUS) else {
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
        Code::Unknown => StatusCode::SERVICE_UNAVAILABLE,
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
    let answered = async {
        let (_place, who, body) = enter(gate, &head.headers, &head.extensions, body).await?;
        call(gate, method, &head.headers, who, unframed(body)?).await
    };
    match answered.await {
        Ok(response) => response,
        Err(problem) => status(gate.desc, &problem).into_http(),
    }
}

/// The one message of a body: a flag, its length, itself.
fn unframed(mut body: Bytes) -> Result<Bytes, Problem> {
    let malformed =
        |message: &'static str| Problem::of(StatusCode::BAD_REQUEST, "malformed_message", message);
    if body.len() < PREFIX {
        return Err(malformed(
            "a message was expected, with its length in front",
        ));
    }
    let mut prefix = body.split_to(PREFIX);
    match (prefix.get_u8(), prefix.get_u32() as usize) {
        (0, length) if length == body.len() => Ok(body),
        (0, _) => Err(malformed("one message was expected, as long as it says")),
        (1, _) => {
            let message = "messages are not taken compressed here";
            Err(Problem::of(
                StatusCode::NOT_IMPLEMENTED,
                "compressed",
                message,
            ))
        }
        _ => Err(malformed("the flag in front of a message is 0 or 1")),
    }
}

/// Bytes in front of a message.
const PREFIX: usize = 5;

/// An answer: its message, and behind it that all is well.
fn framed(headers: HeaderMap, message: &[u8]) -> Response {
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    // A result is bounded far below 4 GiB.
    body.put_u32(message.len() as u32);
    body.put_slice(message);
    let done = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(body.freeze()).with_trailers(std::future::ready(Some(Ok(done))));
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = headers;
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What goes before a call: there is room for it, its caller is known, and its body has come.
async fn enter<'g>(
    gate: &'g Gate,
    headers: &HeaderMap,
    extensions: &Extensions,
    body: Body,
) -> Result<(SemaphorePermit<'g>, Who, Bytes), Problem> {
    let place = let_in(gate, headers)?;
    let who = gate.security.admit(gate.desc, headers, extensions)?;
    Ok((place, who, whole(gate, body).await?))
}

async fn call(
    gate: &Gate,
    method: Method,
    headers: &HeaderMap,
    who: Who,
    message: Bytes,
) -> Result<Response, Problem> {
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
    let (done, answer, tagged) = match method {
        Method::Transaction(transaction) => {
            Conditions::refuse(headers, &header::IF_MATCH)?;
            let client = asked.client(gate);
            let origin = client.origin(asked.id, client.caller());
            let planned = (transaction.from_wire)(message, origin);
            let done = asked.run(gate, planned).await?;
            (done, transaction.answer, false)
        }
        Method::Operation(concern, operation) => {
            if operation.number == op::CREATE {
                Conditions::refuse(headers, &header::IF_MATCH)?;
            }
            let conditions = Conditions::read(headers)?;
            let client = asked.client_expecting(gate, operation, &conditions)?;
            let origin = client.origin(asked.id, client.caller());
            let whole = headers.contains_key(WHOLE);
            let planned = operation_from_wire(origin, concern, operation, message, whole);
            let done = asked.run(gate, planned).await;
            let done = done.map_err(|problem| match operation.number {
                op::CREATE => problem,
                _ => of_instance(problem, &conditions),
            })?;
            if operation.number == op::GET {
                asked.instead_of(gate, &conditions, &done)?;
            }
            let tagged = matches!(operation.number, op::CREATE | op::GET | op::UPDATE);
            (done, operation.answer, tagged)
        }
    };
    reply(gate, &asked, done, answer, tagged)
}

fn reply(
    gate: &Gate,
    asked: &Asked,
    done: Committed,
    answer: Answers,
    tagged: bool,
) -> Result<Response, Problem> {
    let tag = done.entity_tag(gate).filter(|_| tagged);
    let result = done.answered(answer)?;
    let mut headers = HeaderMap::new();
    put_id(&mut headers, asked.id);
    if let Some(tag) = tag.as_deref().and_then(as_header) {
        headers.insert(header::ETAG, tag);
    }
    if result.is_none() {
        headers.insert(FORGOTTEN, HeaderValue::from_static("true"));
    }
    Ok(framed(headers, &result.unwrap_or_default()))
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

/// The header, or trailer, with the status.
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Bytes of a message, and of a path, that are told. Both stand in headers, more than once and encoded, and clients take
/// no more than 8 KiB of those.
const TOLD: usize = 768;
/// A bound that whoever asks again meets again.
const FINAL: [&str; 4] = [
    "deadline",
    "instance_too_large",
    "transaction_too_large",
    "too_many_visits",
];

/// A problem as a caller over gRPC hears it: the content of the problem document, as details.
fn status(desc: &PlatformDesc, problem: &Problem) -> Status {
    let fault = problem.fault();
    let (message, path) = (short(&fault.message), short(&fault.path));
    let mut about = HashMap::from([
        (CLASS.to_owned(), fault.class.to_string()),
        ("title".to_owned(), problem.title().to_owned()),
    ]);
    if !path.is_empty() {
        about.insert("path".to_owned(), path.to_owned());
    }
    if let Some(id) = problem.id() {
        about.insert("id".to_owned(), id.to_string());
    }
    let mut details = ErrorDetails::with_error_info(fault.code.to_string(), desc.package, about);
    if fault.class == Class::Invalid && !path.is_empty() {
        // What is wrong with it is the message.
        details.add_bad_request_violation(path, "");
    }
    // Where the outcome is unknown, nobody is told to ask again: without an id of its own that would be asked twice.
    if fault.class == Class::Bound
        && !FINAL.contains(&&*fault.code)
        && let Some(seconds) = problem.retry_after()
    {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    let mut headers = HeaderMap::new();
    if let Some(id) = problem.id() {
        put_id(&mut headers, id);
    }
    let metadata = MetadataMap::from_headers(headers);
    Status::with_error_details_and_metadata(code(problem), message, details, metadata)
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(TOLD)]
}

fn code(problem: &Problem) -> Code {
    let is_unknown = problem.fault().class == Class::Unavailable;
    match problem.status() {
        _ if problem.code() == "deadline" => Code::DeadlineExceeded,
        // Many clients ask again by themselves where something is unavailable, whatever may have happened.
        StatusCode::SERVICE_UNAVAILABLE if is_unknown => Code::Unknown,
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
