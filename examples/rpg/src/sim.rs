//! `sim`: load against a model, and what came of it.
//!
//! ```text
//! load: callers ─ intent ─► journal      verify: journal ─► history
//!          │ submit, answer                            │ what has no outcome is asked for again
//!          └─ outcome ─► journal ─► history            ▼
//!                                      └────────► compare: model = memory = database?
//! ```
//!
//! Owns the flags and the report; [`action`] what callers do, [`journal`] what they heard, [`history`]
//! what must have come of it, [`load`] the callers, [`tally`] their figures, [`memory`] what it takes, [`compare`] the comparison,
//! [`explain`] what may have happened where nobody knows.

mod action;
mod compare;
mod explain;
mod history;
mod journal;
mod load;
mod memory;
mod tally;

pub(crate) use compare::Compared;
use compare::compare;
use history::History;
use journal::Journal;
use load::Load;
use rkcy_runtime::cli::{Format, Ink, RunnableCommand, Session, grouped};
use rkcy_runtime::codegen::serde_json::{self, json};
use rkcy_runtime::codegen::{Class, Fault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tally::Tally;

/// Differences that are shown; the rest is counted.
const SHOWN: usize = 20;

/// Put load on the platform and compare what came of it with a model
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} sim --players 100 --clients 64 --seconds 5
  {bin} sim --seconds 60 --journal heard.jsonl     # and, from elsewhere, kill -9
  {bin} sim --verify heard.jsonl                   # after that: is it all there, and once?")]
pub(crate) struct Sim {
    /// Players to sign up, with one character each
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    players: u32,
    /// Callers at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    clients: u32,
    /// How long, once everybody has signed up
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// Seed of the random numbers
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Share of the picks that fall on a handful of characters
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2)]
    hot: f64,
    /// Write what callers ask for and hear to this file; it is added to
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Hold a journal against the platform, after a crash
    #[arg(long, value_name = "FILE", conflicts_with_all = ["players", "clients", "seconds", "seed", "hot", "journal"])]
    verify: Option<PathBuf>,
}

impl RunnableCommand for Sim {
    fn run(self, session: &Session) -> Result<ExitCode, Fault> {
        if let Some(file) = &self.verify {
            let compared = verify(session, file)?;
            return told(session, json!({ "journal": file }), &compared);
        }
        let wrong = |flag: &'static str, message: &str| {
            Fault::new(Class::Invalid, "wrong_flag", message.to_owned()).at(flag)
        };
        if !(0.0..=1.0).contains(&self.hot) {
            return Err(wrong("hot", "a fraction from 0 to 1 was expected"));
        }
        if !(self.seconds.is_finite() && (0.0..=1e7).contains(&self.seconds)) {
            return Err(wrong("seconds", "a number of seconds was expected"));
        }
        let (tally, compared) = self.load(session)?;
        if session.term.format == Format::Human {
            session.term.print(&tally.to_text(session.term));
        }
        told(session, tally.to_json(), &compared)
    }
}

impl Sim {
    fn load(&self, session: &Session) -> Result<(Tally, Compared), Fault> {
        let journal = self
            .journal
            .as_deref()
            .map(Journal::append_to)
            .transpose()?;
        let runtime = runtime()?;
        let running = session.start()?;
        let load = Load {
            players: self.players,
            clients: self.clients,
            seconds: self.seconds,
            seed: self.seed,
            hot: self.hot,
        };
        let (tally, history) = runtime.block_on(load.run(session.term, &running, journal))?;
        let compared = compare(session, &runtime, running, history)?;
        Ok((tally, compared))
    }
}

/// Holds a journal against the platform. What has no outcome is asked for again by its id, and what
/// comes of that is added to the journal.
///
/// # Errors
/// Where the journal cannot be read, the platform does not start, or nobody can tell.
pub(crate) fn verify(session: &Session, file: &Path) -> Result<Compared, Fault> {
    let mut history = History::from_journal(file)?;
    let runtime = runtime()?;
    let running = session.start()?;
    let mut journal = Journal::append_to(file)?;
    runtime.block_on(history.settle(&running.client(), Some(&mut journal)))?;
    compare(session, &runtime, running, history)
}

/// Prints what the comparison has shown; the exit code.
fn told(
    session: &Session,
    mut report: serde_json::Value,
    compared: &Compared,
) -> Result<ExitCode, Fault> {
    let term = session.term;
    match term.format {
        Format::Json => {
            report["compared"] = compared.to_json();
            term.print_json(&report);
        }
        Format::Human => {
            for difference in compared.differences.iter().take(SHOWN) {
                term.print(&term.paint(Ink::Bad, difference));
            }
            if let Some(more @ 1..) = compared.differences.len().checked_sub(SHOWN) {
                term.print(&format!("… and {more} more"));
            }
            term.print(&compared.summary(term));
        }
    }
    if compared.differences.is_empty() && compared.undecided > 0 {
        let message = format!(
            "{} transactions without a known outcome are too old to ask for and too many to tell what \
             became of them; everything else is as it should be",
            grouped(compared.undecided as u64)
        );
        return Err(Fault::new(Class::Unavailable, "undecided", message));
    }
    Ok(ExitCode::from(u8::from(!compared.differences.is_empty())))
}

/// A runtime for callers.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("callers")
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Class::Unavailable, "no_threads", error.to_string()))
}
