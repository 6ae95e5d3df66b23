//! `simulate`: whole clusters from a seed, on this schema and these handlers.

use super::args;
use super::session::Session;
use super::term::{Format, Ink, Term, grouped};
use crate::simulate::{
    self, Checked, Fault as Injected, Generic, Options, Report, Violation, Workload,
};
use rkcy_core::fault::{Class, Fault};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Run simulated clusters that crash, stall and reorder, and check every promise
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} simulate --seeds 0..2000
  {bin} simulate --seeds 0..500 --faults crash,power-loss
  {bin} simulate --seed 17 --trace")]
pub(crate) struct Simulate {
    /// Seeds to run; the last one is not among them, unless written A..=B
    #[arg(long, value_name = "A..B", value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// One seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print what happens, step by step
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Faults that may happen: all, none, or names; `NAME=0.2` says how likely one is once it is drawn
    #[arg(long, value_name = "all|none|NAME[=P],…", default_value = "all")]
    faults: String,
    /// Transactions of a run
    #[arg(long, value_name = "N", default_value_t = 200)]
    transactions: usize,
    /// Partitions of each concern
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    partitions: u16,
    /// List the rules of the engine that can be broken on purpose
    #[arg(long)]
    list_bugs: bool,
    /// Break a rule of the engine; 1 as the exit code says that it was found
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is not A..B, such as 0..2000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let range = match to.strip_prefix('=') {
        Some(last) => number(from)?..number(last)?.saturating_add(1),
        None => number(from)?..number(to)?,
    };
    if range.is_empty() {
        return Err(format!("there is no seed in {text}"));
    }
    Ok(range)
}

impl Simulate {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        if self.list_bugs {
            return list_bugs(session.term);
        }
        let options = self.options()?;
        let generic = Generic::new(session.platform.desc);
        let workload = &Checked {
            workload: session.workload.unwrap_or(&generic),
            invariants: &session.invariants,
        };
        let range = match (self.seed, &self.seeds) {
            (Some(seed), _) => seed..seed.saturating_add(1),
            (None, Some(range)) => range.clone(),
            (None, None) => {
                let message = "say which seeds: --seeds 0..100, or --seed N";
                return Err(Fault::new(Class::Invalid, "no_seeds", message));
            }
        };
        let begun = Instant::now();
        let (report, found) = if self.trace {
            let run = simulate::run(&session.platform, workload, &options, range.start, true);
            run.trace.iter().for_each(|line| session.term.print(line));
            (
                run.report,
                run.violation.map(|violation| (range.start, violation)),
            )
        } else {
            many(session, workload, &options, range)
        };
        let seconds = begun.elapsed().as_secs_f64();
        self.told(
            session,
            (workload, &options),
            &report,
            found.as_ref(),
            seconds,
        );
        Ok(ExitCode::from(u8::from(found.is_some())))
    }

    fn options(&self) -> Result<Options, Fault> {
        if self.transactions == 0 {
            return Err(
                Fault::new(Class::Invalid, "no_transactions", "at least one").at("transactions"),
            );
        }
        let faults = match self.faults.as_str() {
            "all" => Injected::all(),
            "none" => BTreeMap::new(),
            names => names.split(',').map(fault).collect::<Result<_, Fault>>()?,
        };
        Ok(Options {
            transactions: self.transactions,
            faults,
            partitions: self.partitions,
            #[cfg(feature = "seeded-bugs")]
            bug: self.bug.as_deref().map(bug).transpose()?,
        })
        .and_then(|options| match &self.bug {
            Some(_) if !cfg!(feature = "seeded-bugs") => Err(without_bugs()),
            _ => Ok(options),
        })
    }

    fn told(
        &self,
        session: &Session,
        (workload, options): (&dyn Workload, &Options),
        report: &Report,
        found: Option<&(u64, Violation)>,
        seconds: f64,
    ) {
        let (term, name) = (session.term, session.platform.desc.name);
        let replay = found.map(|(seed, _)| {
            let breaks = |options: &Options| {
                let run = simulate::run(&session.platform, workload, options, *seed, false);
                run.violation.is_some()
            };
            self.replay(name, *seed, &simulate::shrink(options, breaks))
        });
        if term.format == Format::Json {
            term.print_json(&json!({
                "runs": report.runs,
                "transactions": report.transactions,
                "faults": report.faults,
                "checks": report.checks,
                "counts": report.counts,
                "seconds": seconds,
                "violation": found.map(|(seed, violation)| json!({
                    "seed": seed,
                    "message": violation.to_string(),
                    "replay": replay,
                })),
            }));
            return;
        }
        let counts: Vec<String> = (report.counts.iter())
            .map(|(what, count)| format!("{what} {}", grouped(*count)))
            .collect();
        term.print(&format!(
            "{} seeds, {} transactions, {} faults, {} checks in {seconds:.1} s, at rest after {} % \
             of the rounds allowed",
            grouped(report.runs),
            grouped(report.transactions),
            grouped(report.faults),
            grouped(report.checks),
            report.rounds
        ));
        term.print(&term.paint(Ink::Faint, &wrap(&counts)));
        match (found, replay) {
            (Some((seed, violation)), Some(replay)) => {
                let broken = term.paint(Ink::Bad, "a promise is broken");
                term.print(&format!("{broken} with seed {seed}: {violation}"));
                term.print(&format!("replay it: {replay}"));
            }
            _ => term.print(&term.paint(Ink::Good, "every promise was kept")),
        }
    }

    /// The command that shows a run in which something broke.
    fn replay(&self, name: &str, seed: u64, options: &Options) -> String {
        let mut command = format!("{name} simulate --seed {seed} --trace");
        let usual = Options::default();
        if options.faults != usual.faults {
            command += &format!(" --faults {}", names(&options.faults));
        }
        if options.transactions != usual.transactions {
            command += &format!(" --transactions {}", options.transactions);
        }
        if options.partitions != usual.partitions {
            command += &format!(" --partitions {}", options.partitions);
        }
        if let Some(bug) = &self.bug {
            command += &format!(" --bug {bug}");
        }
        command
    }
}

/// Faults as the command line takes them.
fn names(faults: &BTreeMap<Injected, f64>) -> String {
    let name = |(fault, likelihood): (&Injected, &f64)| match *likelihood == fault.usual() {
        true => fault.name().to_owned(),
        false => format!("{}={likelihood}", fault.name()),
    };
    match faults.is_empty() {
        true => "none".to_owned(),
        false => faults.iter().map(name).collect::<Vec<_>>().join(","),
    }
}

/// A fault by its name, with how likely it is.
fn fault(text: &str) -> Result<(Injected, f64), Fault> {
    let (name, likelihood) = match text.trim().split_once('=') {
        Some((name, likelihood)) => (name, Some(likelihood)),
        None => (text.trim(), None),
    };
    let fault = Injected::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = Injected::ALL.iter().map(|(name, _)| *name).collect();
        args::unknown("fault", name, &known).at("faults")
    })?;
    let Some(likelihood) = likelihood else {
        return Ok((fault, fault.usual()));
    };
    match likelihood.parse::<f64>().ok() {
        Some(likelihood) if (0.0..=1.0).contains(&likelihood) => Ok((fault, likelihood)),
        _ => {
            let message = format!("`{likelihood}` is no number from 0 to 1");
            Err(Fault::new(Class::Invalid, "not_a_likelihood", message).at("faults"))
        }
    }
}

/// Runs seeds on all cores, with progress on a terminal.
fn many(
    session: &Session,
    workload: &dyn Workload,
    options: &Options,
    range: Range<u64>,
) -> (Report, Option<(u64, Violation)>) {
    let (done, all) = (AtomicU64::new(0), range.end - range.start);
    let came = simulate::run_all(&session.platform, workload, options, range, |_, _| {
        progress(session.term, done.fetch_add(1, Ordering::Relaxed) + 1, all);
    });
    if session.term.shows_progress() {
        eprint!("\r\u{1b}[K");
    }
    came
}

fn progress(term: Term, done: u64, all: u64) {
    if term.shows_progress() && done.is_multiple_of(20) {
        eprint!("\r{} of {} seeds", grouped(done), grouped(all));
    }
}

/// Lines that fit a terminal.
fn wrap(parts: &[String]) -> String {
    let mut lines = vec![String::from(" ")];
    for part in parts {
        if lines
            .last()
            .is_some_and(|line| line.chars().count() + part.chars().count() > 96)
        {
            lines.push(String::from(" "));
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.len() > 1 { " · " } else { " " });
            line.push_str(part);
        }
    }
    lines.join("\n")
}

#[cfg(feature = "seeded-bugs")]
fn bug(name: &str) -> Result<rkcy_core::bugs::Bug, Fault> {
    let all = rkcy_core::bugs::Bug::ALL;
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, bug)| *bug).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        args::unknown("bug", name, &known).at("bug")
    })
}

fn list_bugs(term: Term) -> Result<ExitCode, Fault> {
    if !cfg!(feature = "seeded-bugs") {
        return Err(without_bugs());
    }
    for (name, _) in rkcy_core::bugs::Bug::ALL {
        match term.format {
            Format::Json => term.print_json(&json!({ "name": name })),
            Format::Human => term.print(name),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn without_bugs() -> Fault {
    let message = "this build holds no bugs on purpose: build with `--features seeded-bugs`";
    Fault::new(Class::Invalid, "not_in_this_build", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_seeds() {
        assert_eq!(seeds("0..10"), Ok(0..10));
        assert_eq!(seeds("3..=3"), Ok(3..4));
        for text in ["", "5", "5..5", "a..b", "9..1", "-1..3"] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }
}
