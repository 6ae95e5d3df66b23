//! Benchmarks: `scripts/bench [NAME…]`.
//!
//! Each figure is a line `name value unit`, ratios first, and all of a benchmark stand in
//! `target/bench/NAME.json`. A ratio compares two things that were measured in one run.

mod callers;
mod embedded;
mod engine;
mod features;
mod figures;
mod generator;
mod houses;
mod kafka_log;
mod kafka_platform;
mod related;
mod round_trips;
mod storage;

use figures::Figures;
use std::process::ExitCode;

/// As in the generated binaries.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A benchmark by its name.
type Benchmark = (&'static str, fn(&mut Figures));

const ALL: &[Benchmark] = &[
    ("engine", engine::run),
    ("embedded", embedded::run),
    ("embedded-features", features::run),
    ("related", related::run),
    ("kafka-platform", kafka_platform::run),
    ("kafka-log", kafka_log::run),
    ("storage", storage::run),
    ("gen", generator::run),
];

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked
        .iter()
        .find(|name| !ALL.iter().any(|(known, _)| is_meant(known, name)))
    {
        let known: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "there is no benchmark `{unknown}`; there are: {}",
            known.join(", ")
        );
        return ExitCode::from(2);
    }
    for (name, run) in ALL
        .iter()
        .filter(|(name, _)| asked.is_empty() || asked.iter().any(|it| is_meant(name, it)))
    {
        let mut figures = Figures::default();
        run(&mut figures);
        if let Err(error) = figures.print(name) {
            eprintln!("{name}: the figures cannot be written: {error}");
            return ExitCode::from(3);
        }
    }
    ExitCode::SUCCESS
}

/// Whether `asked` names a benchmark, or the kind before its hyphen.
fn is_meant(name: &str, asked: &str) -> bool {
    name == asked || name.split_once('-').is_some_and(|(kind, _)| kind == asked)
}
