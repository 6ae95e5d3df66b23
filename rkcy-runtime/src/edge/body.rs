//! The body of a request: bounded in bytes and in time, and an object of JSON.

use super::Gate;
use super::asked::within;
use super::problem::Problem;
use crate::codegen::{Bytes, Class, Fault};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value as Json};

/// The body of a request: a JSON object; nothing counts as an empty one.
pub(super) async fn object(
    gate: &Gate,
    headers: &HeaderMap,
    body: Body,
) -> Result<Map<String, Json>, Problem> {
    let bytes = whole(gate, body).await?;
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

/// All of a body.
pub(super) async fn whole(gate: &Gate, body: Body) -> Result<Bytes, Problem> {
    let limit = gate.limits.body_bytes;
    let read = within(gate.limits.body, to_bytes(body, limit)).await;
    let read = read.ok_or_else(|| {
        let message = format!("the body did not come within {:?}", gate.limits.body);
        Problem::of(StatusCode::REQUEST_TIMEOUT, "slow_body", message)
    })?;
    read.map_err(|error| match too_long(&error) {
        true => {
            let message = format!("a body has at most {limit} bytes");
            Problem::of(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
        false => Problem::of(StatusCode::BAD_REQUEST, "broken_body", error.to_string()),
    })
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
