//! Owns the commands: what they take, where their output goes, how they end.
//!
//! A new command is a file here with an `Args` and a `run`, and a line in `Command`.

mod breaking;
mod build;
mod check;
mod explain;
mod fmt;
mod input;
mod lock;
mod manual;
mod migrate;
mod new;
mod output;
mod show;
mod show_plan;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

/// Turns a `.rkcy` schema into a platform.
#[derive(Parser)]
#[command(
    name = "rkcy-gen",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 fine, 1 something was found, 2 wrong usage or unreadable input, 3 the environment."
)]
struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Breaking(breaking::Args),
    Build(build::Args),
    Check(check::Args),
    Completions(manual::Completions),
    Explain(explain::Args),
    Fmt(fmt::Args),
    Man(manual::Man),
    Migrate(migrate::Args),
    New(new::Args),
    Show(show::Args),
}

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// For programs: JSON on stdout.
    Json,
}

/// How a command ended. The numbers are fixed in the command surface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// All is well.
    Fine = 0,
    /// The check found errors.
    Found = 1,
    /// The command was used in a wrong way, or its input cannot be read.
    BadInput = 2,
    /// The environment failed.
    Environment = 3,
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Breaking(args) => breaking::run(&args, cli.color),
        Command::Build(args) => build::run(&args, cli.color),
        Command::Check(args) => check::run(&args, cli.color),
        Command::Completions(args) => manual::completions(&args, Cli::command()),
        Command::Explain(args) => explain::run(&args),
        Command::Fmt(args) => fmt::run(&args, cli.color),
        Command::Man(args) => manual::man(&args, Cli::command()),
        Command::Migrate(args) => migrate::run(&args, cli.color),
        Command::New(args) => new::run(&args, cli.color),
        Command::Show(args) => show::run(&args, cli.color),
    };
    ExitCode::from(outcome as u8)
}
