//! What callers did and heard, in figures.

use super::load::Load;
use super::memory::Memory;
use hdrhistogram::Histogram;
use rkcy_runtime::cli::{Term, grouped};
use rkcy_runtime::codegen::serde_json;
use std::collections::BTreeMap;
use std::time::Instant;

/// What callers did and heard.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Microseconds, by what was called.
    pub(super) latencies: BTreeMap<&'static str, Histogram<u64>>,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) unknown: u64,
    pub(super) seconds: f64,
    pub(super) load: Option<Load>,
    pub(super) memory: Memory,
}

impl Tally {
    pub(super) fn record(&mut self, what: &'static str, begun: Instant) {
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.latency(what).saturating_record(micros.max(1));
    }

    fn latency(&mut self, what: &'static str) -> &mut Histogram<u64> {
        // Three digits, up to ten minutes: bounds that the library takes.
        let new = || Histogram::new_with_max(600_000_000, 3).unwrap_or_else(|_| unreachable!());
        self.latencies.entry(what).or_insert_with(new)
    }

    pub(super) fn refuse(&mut self, code: String) {
        *self.refused.entry(code).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Tally) {
        for (what, latencies) in other.latencies {
            // Both have the same bounds.
            let _ = self.latency(what).add(latencies);
        }
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
        self.unknown += other.unknown;
    }

    /// Calls that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.latencies.values().map(Histogram::len).sum()
    }

    pub(super) fn per_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 {
            count as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// For reading.
    pub(super) fn to_text(&self, term: Term) -> String {
        let millis = |micros: u64| format!("{:.2}", micros as f64 / 1e3);
        let rows: Vec<Vec<String>> = (self.latencies.iter())
            .map(|(what, latencies)| {
                let at = |quantile| millis(latencies.value_at_quantile(quantile));
                vec![
                    (*what).to_owned(),
                    grouped(latencies.len()),
                    grouped(self.per_second(latencies.len()).round() as u64),
                    at(0.5),
                    at(0.99),
                    at(0.999),
                    millis(latencies.max()),
                ]
            })
            .collect();
        let head = [
            "call",
            "count",
            "per second",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
        ];
        let (players, clients) = self
            .load
            .map_or((0, 0), |load| (load.players, load.clients));
        let refused: Vec<String> = (self.refused.iter())
            .map(|(code, count)| format!("{} {code}", grouped(*count)))
            .collect();
        format!(
            "{}\n\n{} calls a second for {:.1} s: {} players, {} callers\nrefused: {}; without an answer: {}{}",
            term.table(&head, &rows, &[1, 2, 3, 4, 5, 6]),
            grouped(self.per_second(self.answered()).round() as u64),
            self.seconds,
            grouped(players.into()),
            grouped(clients.into()),
            if refused.is_empty() {
                "none".to_owned()
            } else {
                refused.join(", ")
            },
            grouped(self.unknown),
            (self.memory.to_text()).map_or_else(String::new, |memory| format!("\n{memory}")),
        )
    }

    /// For programs.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let calls: serde_json::Map<String, serde_json::Value> = (self.latencies.iter())
            .map(|(what, latencies)| {
                let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
                let figures = serde_json::json!({
                    "count": latencies.len(),
                    "per_second": self.per_second(latencies.len()),
                    "p50_ms": at(0.5),
                    "p99_ms": at(0.99),
                    "p999_ms": at(0.999),
                    "max_ms": latencies.max() as f64 / 1e3,
                });
                ((*what).to_owned(), figures)
            })
            .collect();
        serde_json::json!({
            "players": self.load.map(|load| load.players),
            "clients": self.load.map(|load| load.clients),
            "seconds": self.seconds,
            "answered": self.answered(),
            "per_second": self.per_second(self.answered()),
            "calls": calls,
            "refused": self.refused,
            "unknown": self.unknown,
            "memory": self.memory.to_json(),
        })
    }
}
