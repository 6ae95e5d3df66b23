//! `run`: the platform at work until it is told to stop.

use super::remote::Notice;
use super::session::{Session, runtime};
use super::supervise;
use super::term::{Format, Ink, Term};
use crate::codegen::PlatformDesc;
use crate::driver::{Options, Role, Running};
use crate::edge::{Edge, Limits, Security};
use clap::ValueEnum;
use rkcy_core::fault::{Class, Fault};
use std::net::{Ipv4Addr, SocketAddr};
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

/// A part of a platform that a process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    Process,
    Storage,
    Edge,
}

impl Part {
    const ALL: [Part; 3] = [Part::Process, Part::Storage, Part::Edge];

    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Part::Process => "process",
            Part::Storage => "storage",
            Part::Edge => "edge",
        }
    }

    /// What it is on the log; the edge only submits.
    fn role(self) -> Option<Role> {
        match self {
            Part::Process => Some(Role::Process),
            Part::Storage => Some(Role::Storage),
            Part::Edge => None,
        }
    }
}

/// Where the edge listens, unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7410);

impl Run {
    /// The parts to run.
    fn parts(&self, is_shared: bool) -> Result<Vec<Part>, Fault> {
        let has = |part: &Part| self.roles.is_empty() || self.roles.contains(part);
        let parts: Vec<Part> = Part::ALL.into_iter().filter(has).collect();
        let lacks = |part| !parts.contains(&part);
        if !is_shared && (lacks(Part::Process) || lacks(Part::Storage)) {
            let message = "on the embedded log one process has all roles: process,storage,edge";
            let wrong = Fault::new(Class::Invalid, "wrong_roles", message);
            return Err(wrong.at("roles"));
        }
        Ok(parts)
    }

    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let (term, settings) = (session.term, &session.settings);
        let parts = self.parts(settings.is_shared())?;
        if self.supervise {
            return supervise::run(term, &parts, settings.is_shared());
        }
        supervise::die_with_supervisor();
        let runtime = runtime()?;
        // Before the start, so that a signal in the middle of it is not lost.
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        let begun = Instant::now();
        let options = Options {
            accept_clock: self.accept_clock,
            roles: parts.iter().filter_map(|part| part.role()).collect(),
            ..settings.options()
        };
        let security = settings.edge.load()?;
        let has_tls = security.has_tls();
        let running = session.start_with(&options)?;
        let edge = match parts.contains(&Part::Edge) {
            true => Some(open_edge(
                term,
                session.platform.desc,
                &running,
                settings.listen,
                &security,
            )?),
            false => None,
        };
        let scheme = if has_tls { "https" } else { "http" };
        let url = (edge.as_ref()).map(|edge| format!("{scheme}://{}", edge.addr()));
        // Commands do not talk TLS: they are not told of an edge that does.
        let notice = (url.as_ref())
            .filter(|_| !has_tls)
            .map(|url| Notice::put(&settings.log, url))
            .transpose()?;
        let roles: Vec<&str> = parts.iter().map(|part| part.word()).collect();
        match term.format {
            Format::Json => term.print_json(&serde_json::json!({
                "event": "ready",
                "platform": session.platform.desc.name,
                "pid": std::process::id(),
                "roles": roles,
                "log": settings.log.to_string(),
                "store": settings.store.to_string(),
                "partitions": running.partitions(),
                "edge": url,
            })),
            Format::Human => term.print(&format!(
                "{} {} is ready: process {} as {}, {} partitions a concern, started in {:.0?}\n  log    {}\n  store  {}\n{}{}",
                term.paint(Ink::Good, "●"),
                session.platform.desc.name,
                std::process::id(),
                roles.join(", "),
                running.partitions(),
                begun.elapsed(),
                settings.log,
                settings.store,
                url.map_or(String::new(), |url| format!("  edge   {url}\n")),
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
        drop(notice);
        if let Some(edge) = edge {
            edge.stop();
        }
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

/// Opens the edge. Where nobody has said where, and the usual port is taken, any other will do.
fn open_edge(
    term: Term,
    desc: &'static PlatformDesc,
    running: &Running,
    listen: Option<SocketAddr>,
    security: &Security,
) -> Result<Edge, Fault> {
    let open = |addr| Edge::start(desc, running, addr, Limits::default(), security.clone());
    if security.answers_nobody(desc) {
        term.warn(
            "the schema declares a `caller`, and the edge has no keys to verify one with: it answers nobody. Set `keys` \
             in the table [edge] of rkcy.toml, or RKCY_EDGE_KEYS; or `anonymous`, to take requests of nobody",
        );
    }
    if let Some(addr) = listen {
        if !addr.ip().is_loopback() && !security.asks() {
            term.warn(&format!(
                "{addr} may be reached from other machines, and the edge asks nobody who they are"
            ));
        }
        return open(addr);
    }
    match open(LISTEN) {
        Err(fault) if fault.code == "cannot_listen" => open(SocketAddr::new(LISTEN.ip(), 0)),
        opened => opened,
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
