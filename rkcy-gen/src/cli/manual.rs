//! `rkcy-gen completions` and `rkcy-gen man`: what shells and readers need to know of the commands, as these say it of
//! themselves.
#![allow(
    clippy::disallowed_methods,
    reason = "pages are no part of what is generated: they are written here"
)]

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use super::Outcome;

/// Prints what a shell needs to complete commands and flags.
#[derive(clap::Args)]
#[command(
    after_help = "Example: rkcy-gen completions bash > ~/.local/share/bash-completion/completions/rkcy-gen"
)]
pub(crate) struct Completions {
    /// For which shell.
    shell: Shell,
}

/// Prints the manual page; or writes one of each command.
#[derive(clap::Args)]
#[command(after_help = "Example: rkcy-gen man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Writes a page of each command into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(args: &Completions, mut command: Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "rkcy-gen", &mut script);
    ended(Path::new("stdout"), io::stdout().write_all(&script))
}

pub(crate) fn man(args: &Man, mut command: Command) -> Outcome {
    // So that each command knows the name of the whole.
    command.build();
    let Some(dir) = &args.out else {
        let mut page = Vec::new();
        let shown = clap_mangen::Man::new(command).render(&mut page);
        return ended(
            Path::new("stdout"),
            shown.and_then(|()| io::stdout().write_all(&page)),
        );
    };
    let name = command.get_name().to_owned();
    let written = std::fs::create_dir_all(dir).and_then(|()| write(dir, &command, &name));
    ended(dir, written)
}

/// The page of a command, and those of the commands below it.
fn write(dir: &Path, command: &Command, name: &str) -> io::Result<()> {
    let mut page = Vec::new();
    let named = command.clone().name(name.to_owned());
    clap_mangen::Man::new(named).render(&mut page)?;
    std::fs::write(dir.join(format!("{name}.1")), page)?;
    // Those of `help` say again what the others say.
    let mut below = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help");
    below.try_for_each(|sub| write(dir, sub, &format!("{name}-{}", sub.get_name())))
}

fn ended(at: &Path, result: io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Fine,
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::Fine,
        Err(error) => {
            eprintln!("error: {} cannot be written: {error}", at.display());
            Outcome::Environment
        }
    }
}
