//! What a caller over HTTP is told where something is not done: a problem document (RFC 9457).
//!
//! Owns which status a fault has, and the layout of the document.

use crate::grpc::ID;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::TxnId;
use serde_json::{Value as Json, json};

/// Media type of a problem document.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// After so long it is worth asking again where a bound was reached. Seconds.
const RETRY_BOUND: u64 = 1;
/// The same where something that the platform needs is away.
const RETRY_AWAY: u64 = 5;

/// What is refused while the platform drains.
const DRAINING: &str = "draining";

/// A fault as a caller over HTTP hears it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    fault: Fault,
    /// The transaction that it is about.
    id: Option<TxnId>,
    /// What a caller has to show, where nobody knows who it is.
    challenge: Option<Box<HeaderValue>>,
}

impl Problem {
    /// One with a status of its own: the request did not come so far as to be refused by the platform.
    pub(super) fn of(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Problem {
        let fault = Fault::new(Class::Invalid, code, message.into());
        Problem {
            status,
            fault,
            id: None,
            challenge: None,
        }
    }

    /// About this transaction.
    pub(super) fn about(self, id: TxnId) -> Problem {
        Problem {
            id: Some(id),
            ..self
        }
    }

    /// With what the caller has to show of itself.
    pub(super) fn challenging(self, challenge: &str) -> Problem {
        // Names and words in it are ASCII.
        let challenge = HeaderValue::from_str(challenge).ok().map(Box::new);
        Problem { challenge, ..self }
    }

    /// With another status than the fault's own.
    pub(super) fn with_status(self, status: StatusCode) -> Problem {
        Problem { status, ..self }
    }

    /// Stable name of what is wrong.
    pub(super) fn code(&self) -> &str {
        &self.fault.code
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The transaction that it is about.
    pub(super) fn id(&self) -> Option<TxnId> {
        self.id
    }

    /// What it is about, in words that are the same for all of its status.
    pub(super) fn title(&self) -> &'static str {
        title(self.status, self.fault.class)
    }

    /// After how many seconds it is worth asking again.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Some(RETRY_BOUND),
            StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AWAY),
            _ => None,
        }
    }

    fn document(&self) -> Json {
        let fault = &self.fault;
        let mut document = json!({
            "type": fault.code,
            "title": self.title(),
            "status": self.status.as_u16(),
            "detail": fault.message,
        });
        if let Some(id) = self.id {
            document["instance"] = format!("/v1/id/{id}").into();
            document["id"] = id.to_string().into();
        }
        if !fault.path.is_empty() {
            document["errors"] = json!([{
                "path": fault.path,
                "code": fault.code,
                "detail": fault.message,
            }]);
        }
        document
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        let status = match fault.class {
            // As a server that is about to be replaced says it.
            Class::Bound if fault.code == DRAINING => StatusCode::SERVICE_UNAVAILABLE,
            Class::Refusal => StatusCode::CONFLICT,
            Class::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Class::Bound => StatusCode::TOO_MANY_REQUESTS,
            Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Class::Corrupt => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem {
            status,
            fault,
            id: None,
            challenge: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after();
        let mut response = (self.status, self.document().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM);
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, *challenge);
        }
        if let Some(id) = self.id {
            put_id(response.headers_mut(), id);
        }
        response
    }
}

/// Names the transaction that a response is about.
pub(super) fn put_id(headers: &mut HeaderMap, id: TxnId) {
    // An id is hexadecimal digits and dashes.
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(ID, value);
    }
}

fn title(status: StatusCode, class: Class) -> &'static str {
    match (status, class) {
        (StatusCode::CONFLICT, _) => "refused",
        (StatusCode::UNPROCESSABLE_ENTITY, _) => "the request does not fit the schema",
        (StatusCode::TOO_MANY_REQUESTS, _) | (StatusCode::SERVICE_UNAVAILABLE, Class::Bound) => {
            "not taken now"
        }
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT, _) => {
            "the outcome is unknown: ask by id"
        }
        (StatusCode::INTERNAL_SERVER_ERROR, _) => "what is stored is not what it should be",
        (StatusCode::UNAUTHORIZED, _) => "who asks is not known",
        (StatusCode::PRECONDITION_FAILED, _) => "the instance is not as expected",
        (status, _) => status.canonical_reason().unwrap_or("refused"),
    }
}
