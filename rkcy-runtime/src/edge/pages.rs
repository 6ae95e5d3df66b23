//! What is told of the platform itself: health, metrics, the document of its interface, the console.
//!
//! The console is three files without a build step and without a library: what it shows is a list, a form and a table,
//! for which the browser has all that is needed.

use super::Gate;
use super::rest::json_response;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) fn router() -> Router<Arc<Gate>> {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .route("/console", console("text/html; charset=utf-8", PAGE))
        .route(
            "/console/app.js",
            console("text/javascript; charset=utf-8", CODE),
        )
        .route(
            "/console/style.css",
            console("text/css; charset=utf-8", STYLE),
        )
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

const PAGE: &str = include_str!("console/index.html");
const CODE: &str = include_str!("console/app.js");
const STYLE: &str = include_str!("console/style.css");
/// The page has what it needs from here, and nothing from elsewhere; nobody shows it within another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the console.
fn console(kind: &'static str, text: &'static str) -> MethodRouter<Arc<Gate>> {
    get(async move || {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, text)
    })
}
