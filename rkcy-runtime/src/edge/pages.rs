//! What is told of the platform itself: health, metrics, the document of its interface.

use super::Gate;
use super::rest::json_response;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) fn router() -> Router<Arc<Gate>> {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
}

/// The process lives.
async fn health() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Requests are taken.
async fn readiness(State(gate): State<Arc<Gate>>) -> Response {
    let (status, says) = match gate.is_draining() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    json_response(
        status,
        &json!({ "status": says, "platform": gate.desc.name }),
    )
}

async fn metrics(State(gate): State<Arc<Gate>>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = gate.metrics.text(gate.rows_stored.load(Ordering::Relaxed));
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

async fn openapi(State(gate): State<Arc<Gate>>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        gate.desc.openapi,
    )
        .into_response()
}
