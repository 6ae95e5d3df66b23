//! The command line of a generated binary.
//!
//! Owns the commands that every platform has, their flags and their exit codes: 0 fine, 1 refused or
//! found, 2 wrong usage or input, 3 the environment. A platform adds commands of its own by [`Extra`].
//!
//! ```text
//! main ─► settings (flags, RKCY_*, rkcy.toml) ─► Session ─► run · txn · get · query · migrate · …
//!                                                   └─ term: data to stdout, words to stderr
//! ```
//!
//! `settings` where data is and how it is run, `term` what is said, `session` the platform that a
//! command works with, `args` arguments as people write them; then a file for each group of commands.

mod args;
mod config;
mod decode;
mod drain;
mod inspect;
mod manual;
mod migrate;
mod platform;
mod read;
mod remote;
mod run;
mod session;
mod settings;
mod simulate;
mod supervise;
mod term;
mod txn;
mod watch;

pub use crate::facts::fault_json;
pub use session::Session;
pub use settings::Settings;
pub use term::{Color, Format, Ink, Term, grouped};

use crate::codegen::{CONTRACT, Platform};
use crate::simulate::{Invariant, Workload};
use clap::{ArgMatches, Args as _, Command, FromArgMatches, Subcommand};
use rkcy_core::fault::{Class, Fault};
use settings::Written;
use std::process::ExitCode;

/// A platform with what its command line needs beside it.
#[derive(Clone)]
pub struct App {
    /// The platform.
    pub platform: Platform,
    /// Version of the binary.
    pub version: &'static str,
    /// What `simulate` lets callers do, where that is not everything that the schema has.
    pub workload: Option<&'static dyn Workload>,
    /// What must hold of the committed state, for `simulate`.
    pub invariants: Vec<Invariant>,
    /// Commands beside those that every platform has.
    pub extras: Vec<Extra>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("App");
        debug
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl App {
    /// A platform with the commands that every platform has.
    #[must_use]
    pub fn new(platform: Platform, version: &'static str) -> App {
        App {
            platform,
            version,
            workload: None,
            invariants: Vec::new(),
            extras: Vec::new(),
        }
    }

    /// With a load of its own for `simulate`.
    #[must_use]
    pub fn workload(self, workload: &'static dyn Workload) -> App {
        App {
            workload: Some(workload),
            ..self
        }
    }

    /// With something that must hold of the committed state, whatever happens: `simulate` checks it.
    #[must_use]
    pub fn invariant(mut self, invariant: Invariant) -> App {
        self.invariants.push(invariant);
        self
    }

    /// With one more command.
    #[must_use]
    pub fn command(mut self, extra: Extra) -> App {
        self.extras.push(extra);
        self
    }
}

/// A command of one platform.
#[derive(Clone)]
pub struct Extra {
    name: &'static str,
    command: fn() -> Command,
    run: fn(&Session, &ArgMatches) -> Result<ExitCode, Fault>,
}

impl Extra {
    /// A command whose flags are a clap type. What it ends with is its exit code, or a fault's.
    #[must_use]
    pub fn new<A: RunnableCommand>(name: &'static str) -> Extra {
        Extra {
            name,
            command: || A::augment_args(Command::new("")),
            run: |session, matches| match A::from_arg_matches(matches) {
                Ok(args) => args.run(session),
                Err(error) => Ok(usage(&error)),
            },
        }
    }
}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extra")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Flags of a command, and what it does.
pub trait RunnableCommand: clap::Args {
    /// Does it.
    ///
    /// # Errors
    /// Whose class is the exit code.
    fn run(self, session: &Session) -> Result<ExitCode, Fault>;
}

/// Flags of all commands.
#[derive(Debug, clap::Args)]
struct Global {
    #[command(flatten)]
    settings: Written,
    /// How data is printed
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    format: Format,
    /// When to colour; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    color: Color,
}

/// Commands of all platforms.
#[derive(Debug, Subcommand)]
enum Common {
    Run(run::Run),
    Txn(txn::Txn),
    Get(read::Get),
    Query(read::Query),
    Watch(watch::Watch),
    Migrate(migrate::Migrate),
    Config(config::Config),
    Platform(platform::Platform),
    Decode(decode::Decode),
    Simulate(simulate::Simulate),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// What a binary's `main` does.
#[must_use]
pub fn main(app: App) -> ExitCode {
    quiet_panics();
    let desc = app.platform.desc;
    let version = format!(
        "{} (schema {:016x}, contract {CONTRACT})",
        app.version, desc.schema
    );
    let mut command = Command::new(desc.name)
        .version(version)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .after_help(EXIT_CODES);
    // The derived parts bring words of their own, which are not for the whole.
    command = Common::augment_subcommands(Global::augment_args(command))
        .about(desc.doc)
        .long_about(None);
    for extra in &app.extras {
        command = command.subcommand((extra.command)().name(extra.name));
    }
    command = examples(command, desc.name);
    let matches = match command.clone().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let global = match Global::from_arg_matches(&matches) {
        Ok(global) => global,
        Err(error) => return usage(&error),
    };
    let term = Term::new(global.format, global.color);
    // What is told of the commands themselves needs no settings: those that are wrong are no hindrance.
    let manual = match Common::from_arg_matches(&matches) {
        Ok(Common::Completions(asked)) => Some(Ok(asked.run(term, &command))),
        Ok(Common::Man(asked)) => Some(asked.run(term, &command)),
        _ => None,
    };
    let ended = manual.unwrap_or_else(|| {
        Settings::resolve(global.settings, desc).and_then(|settings| {
            let session =
                Session::new(app.platform, settings, term, (app.workload, app.invariants));
            let (name, inner) = matches.subcommand().unwrap_or(("", &matches));
            match app.extras.iter().find(|extra| extra.name == name) {
                Some(extra) => (extra.run)(&session, inner),
                None => match Common::from_arg_matches(&matches) {
                    Ok(common) => common.run(&session),
                    Err(error) => Ok(usage(&error)),
                },
            }
        })
    });
    let code = ended.unwrap_or_else(|fault| {
        term.error(&fault);
        if term.format == Format::Json {
            term.print_json(&serde_json::json!({ "error": fault_json(&fault) }));
        }
        ExitCode::from(fault.class.exit_code())
    });
    match term::output_lost() {
        true => ExitCode::from(Class::Unavailable.exit_code()),
        false => code,
    }
}

impl Common {
    fn run(self, session: &Session) -> Result<ExitCode, Fault> {
        match self {
            Common::Run(run) => run.run(session),
            Common::Txn(txn) => txn.run(session),
            Common::Get(get) => get.run(session),
            Common::Query(query) => query.run(session),
            Common::Watch(watch) => watch.run(session),
            Common::Migrate(migrate) => migrate.run(session),
            Common::Config(config) => config.run(session),
            Common::Platform(platform) => platform.run(session),
            Common::Decode(decode) => decode.run(session),
            Common::Simulate(simulate) => simulate.run(session),
            // They are answered before there is a session.
            Common::Completions(_) | Common::Man(_) => Ok(ExitCode::SUCCESS),
        }
    }
}

const EXIT_CODES: &str = "Exit codes: 0 fine; 1 refused, or the check found something; 2 wrong usage or input; \
3 the environment.\nSettings come from flags, then RKCY_* variables, then rkcy.toml in the current directory.";

/// The examples in the help of each command, with the name of the binary in them.
fn examples(mut command: Command, name: &str) -> Command {
    let names: Vec<String> = (command.get_subcommands())
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for sub in names {
        command = command.mut_subcommand(sub, |sub| match sub.get_after_help() {
            Some(text) => {
                let text = text.to_string().replace("{bin}", name);
                sub.after_help(text)
            }
            None => sub,
        });
    }
    command
}

/// Prints help, version, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    // Whoever closed the pipe has seen enough.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// A panic of a handler is a refusal for its caller; one line of it is enough for whoever looks on.
fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let place = info
            .location()
            .map_or(String::new(), |at| format!(" at {at}"));
        let text = info.payload_as_str().unwrap_or("no message");
        eprintln!(
            "warning: panic in thread {}{place}: {text}",
            thread.name().unwrap_or("?")
        );
    }));
}
