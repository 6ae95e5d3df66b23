//! What the edge counts, in the text format of Prometheus.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>: seconds, and `_total` for what only grows.

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// Upper bounds of what a request takes. Seconds: from a read out of memory to the time limit.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

/// The counters of one edge.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    connections: Gauge,
    rows_stored: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("rkcy");
        let requests = Family::<Answered, Counter>::default();
        let seconds = Family::<Route, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        let (connections, rows_stored) = (Gauge::default(), Gauge::default());
        registry.register(
            "edge_requests",
            "Requests answered, by path and status",
            requests.clone(),
        );
        registry.register_with_unit(
            "edge_request_duration",
            "From the head of a request to that of its response",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "edge_connections",
            "Connections that are open",
            connections.clone(),
        );
        registry.register(
            "rows_stored",
            "Rows that this process has written to the database since its start",
            rows_stored.clone(),
        );
        Metrics {
            registry,
            requests,
            seconds,
            connections,
            rows_stored,
        }
    }

    pub(super) fn answered(
        &self,
        method: &Method,
        route: &str,
        status: StatusCode,
        took: Duration,
    ) {
        let (method, route) = (known(method), route.to_owned());
        let answered = Answered {
            method,
            route: route.clone(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&answered).inc();
        let seconds = self.seconds.get_or_create(&Route { method, route });
        seconds.observe(took.as_secs_f64());
    }

    pub(super) fn connected(&self) {
        self.connections.inc();
    }

    pub(super) fn disconnected(&self) {
        self.connections.dec();
    }

    /// All of it, as a scraper takes it.
    pub(super) fn text(&self, rows_stored: u64) -> String {
        self.rows_stored
            .set(i64::try_from(rows_stored).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A method out of a fixed set: a caller makes up no new series.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
