//! What is told of the platform itself: health, metrics, the document of its interface and a page that shows it, the
//! console.
//!
//! The console and the page are three files each, without a build step and without a library: what it shows is a list, a form and a table,
//! for which the browser has all that is needed.

use super::Gate;
use super::problem::Problem;
use super::rest::{Answer, json_response};
use axum::Router;
use axum::extract::{Path, State};
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
        .route("/proto/{name}", get(proto))
        .route("/console", file(HTML, include_str!("console/index.html")))
        .route(
            "/console/app.js",
            file(SCRIPT, include_str!("console/app.js")),
        )
        .route(
            "/console/style.css",
            file(STYLE, include_str!("console/style.css")),
        )
        .route("/docs", file(HTML, include_str!("docs/index.html")))
        .route("/docs/docs.js", file(SCRIPT, include_str!("docs/docs.js")))
        .route("/docs/docs.css", file(STYLE, include_str!("docs/docs.css")))
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

/// A file that describes the gRPC services.
async fn proto(State(gate): State<Arc<Gate>>, Path(name): Path<String>) -> Answer {
    let mut files = gate.desc.protos.iter();
    let Some((_, text)) = files.find(|(known, _)| *known == name) else {
        let names: Vec<&str> = gate.desc.protos.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no such file: there are {}", names.join(", "));
        return Err(Problem::of(StatusCode::NOT_FOUND, "no_such_path", message));
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, *text).into_response())
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
/// The page has what it needs from here, and nothing from elsewhere; nobody shows it within another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of a page.
fn file(kind: &'static str, text: &'static str) -> MethodRouter<Arc<Gate>> {
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
