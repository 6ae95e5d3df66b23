//! What a benchmark has measured.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Figures with their names and units.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<(String, f64, &'static str)>);

impl Figures {
    /// Adds a figure.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.0.push((name.into(), value, unit));
    }

    /// Prints one figure a line, ratios first, and writes them as JSON.
    pub(crate) fn print(&mut self, benchmark: &str) -> std::io::Result<()> {
        self.0.sort_by_key(|(_, _, unit)| *unit != "ratio");
        let mut out = std::io::stdout().lock();
        for (name, value, unit) in &self.0 {
            writeln!(out, "{name} {value:.3} {unit}")?;
        }
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
        std::fs::create_dir_all(&target)?;
        let figures = self.0.iter().map(
            |(name, value, unit)| serde_json::json!({ "name": name, "value": value, "unit": unit }),
        );
        let figures: Vec<_> = figures.collect();
        std::fs::write(
            target.join(format!("{benchmark}.json")),
            serde_json::json!(figures).to_string(),
        )
    }
}

/// How long each part of a benchmark runs: 20 s, or the seconds in `BENCH_SECONDS`.
pub(crate) fn duration() -> Duration {
    let asked = std::env::var("BENCH_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(20))
}
