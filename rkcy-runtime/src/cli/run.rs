//! `run`: the platform at work until it is told to stop.

use super::session::{Session, runtime};
use super::supervise;
use super::term::{Format, Ink};
use crate::driver::{Options, Role};
use clap::ValueEnum;
use rkcy_core::fault::{Class, Fault};
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that a second signal ends in the middle of stopping, as shells have it.
const INTERRUPTED: i32 = 130;

/// Run the platform until SIGINT or SIGTERM, then drain and seal
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} run
  {bin} run --log embedded:/var/lib/{bin}/log --store sqlite:/var/lib/{bin}/{bin}.db
  {bin} run --log kafka:localhost:9092 --store postgres://localhost/{bin} --roles process
  {bin} run --supervise --log kafka:localhost:9092 --store postgres://localhost/{bin}")]
pub(crate) struct Run {
    /// What to run [default: all]; on the embedded log one process has all
    #[arg(long, value_delimiter = ',', value_name = "ROLE")]
    roles: Vec<Part>,
    /// Set the partitions' clocks to this machine's, also backwards, where the log was written by a
    /// clock that was ahead. Once; asserts that no caller still repeats ids made meanwhile
    #[arg(long)]
    accept_clock: bool,
    /// Run each role in a process of its own, and start again what dies
    #[arg(long)]
    supervise: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Process,
    Storage,
    Edge,
}

impl Run {
    /// The roles to run.
    fn roles(&self, is_shared: bool) -> Result<Vec<Role>, Fault> {
        let wrong =
            |code, message: &'static str| Fault::new(Class::Invalid, code, message).at("roles");
        if self.roles.contains(&Part::Edge) {
            return Err(wrong(
                "not_supported",
                "the role `edge` is not supported yet",
            ));
        }
        let has = |part| self.roles.is_empty() || self.roles.contains(&part);
        let all = [
            (Part::Process, Role::Process),
            (Part::Storage, Role::Storage),
        ];
        let roles = all.into_iter().filter(|(part, _)| has(*part));
        let roles: Vec<Role> = roles.map(|(_, role)| role).collect();
        if !is_shared && roles.len() < all.len() {
            let message = "on the embedded log one process has all roles: process,storage";
            return Err(wrong("wrong_roles", message));
        }
        Ok(roles)
    }

    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let (term, settings) = (session.term, &session.settings);
        let roles = self.roles(settings.is_shared())?;
        if self.supervise {
            return supervise::run(term, &roles, settings.is_shared());
        }
        supervise::die_with_supervisor();
        let runtime = runtime()?;
        // Before the start, so that a signal in the middle of it is not lost.
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        let begun = Instant::now();
        let options = Options {
            accept_clock: self.accept_clock,
            roles: roles.clone(),
            ..settings.options()
        };
        let running = session.start_with(&options)?;
        let roles: Vec<String> = roles.iter().map(Role::to_string).collect();
        match term.format {
            Format::Json => term.print_json(&serde_json::json!({
                "event": "ready",
                "platform": session.platform.desc.name,
                "pid": std::process::id(),
                "roles": roles,
                "log": settings.log.to_string(),
                "store": settings.store.to_string(),
                "partitions": running.partitions(),
            })),
            Format::Human => term.print(&format!(
                "{} {} is ready: process {} as {}, {} partitions a concern, started in {:.0?}\n  log    {}\n  store  {}\n{}",
                term.paint(Ink::Good, "●"),
                session.platform.desc.name,
                std::process::id(),
                roles.join(" and "),
                running.partitions(),
                begun.elapsed(),
                settings.log,
                settings.store,
                term.paint(Ink::Faint, "Ctrl-C drains and stops."),
            )),
        }
        let failed = runtime.block_on(async {
            tokio::select! {
                () = signals.any() => None,
                fault = running.failed() => Some(fault),
            }
        });
        if failed.is_none() {
            term.say("stopping: what is in the log is applied, then written to the database");
        }
        // A second signal does not wait for that.
        std::thread::spawn(move || {
            runtime.block_on(signals.any());
            std::process::exit(INTERRUPTED);
        });
        let begun = Instant::now();
        let rows = running.rows_stored();
        let stopped = running.stop();
        if let Some(fault) = failed {
            return Err(fault);
        }
        stopped?;
        match term.format {
            Format::Json => term.print_json(&serde_json::json!({ "event": "stopped" })),
            Format::Human => term.print(&format!(
                "stopped in {:.0?}; {rows} rows were written to the database while it ran",
                begun.elapsed()
            )),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The signals that ask for an orderly stop.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Signals, Fault> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Fault::new(Class::Unavailable, "no_signals", error.to_string()))
        };
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
