//! `completions` and `man`: what shells and readers need to know of the commands, as these say it of themselves.
//!
//! Both are told by the binary itself, so they have the commands that a platform adds, and never lag behind.

use super::term::Term;
use clap::Command;
use clap_complete::Shell;
use rkcy_core::fault::{Class, Fault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print what a shell needs to complete commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} completions bash > ~/.local/share/bash-completion/completions/{bin}
  {bin} completions zsh > ~/.zfunc/_{bin}
  {bin} completions fish > ~/.config/fish/completions/{bin}.fish")]
pub(super) struct Completions {
    /// For which shell
    shell: Shell,
}

/// Print the manual page; or write one of each command
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} man | man -l -
  {bin} man --out ~/.local/share/man/man1")]
pub(super) struct Man {
    /// Write a page of each command into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(&self, term: Term, command: &Command) -> ExitCode {
        let mut script = Vec::new();
        let (mut command, name) = (command.clone(), command.get_name().to_owned());
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        term.print(String::from_utf8_lossy(&script).trim_end());
        ExitCode::SUCCESS
    }
}

impl Man {
    pub(super) fn run(&self, term: Term, command: &Command) -> Result<ExitCode, Fault> {
        // So that each command knows the name of the whole.
        let mut command = command.clone();
        command.build();
        let Some(dir) = &self.out else {
            let page = page(&command).map_err(|error| broken(Path::new("stdout"), &error))?;
            term.print(page.trim_end());
            return Ok(ExitCode::SUCCESS);
        };
        std::fs::create_dir_all(dir).map_err(|error| broken(dir, &error))?;
        let mut written = Vec::new();
        write(dir, &command, command.get_name(), &mut written)?;
        for path in written {
            term.say(&format!("wrote {}", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The page of a command, and those of the commands below it.
fn write(
    dir: &Path,
    command: &Command,
    name: &str,
    written: &mut Vec<PathBuf>,
) -> Result<(), Fault> {
    let path = dir.join(format!("{name}.1"));
    let named = command.clone().name(name.to_owned());
    let page = page(&named).map_err(|error| broken(&path, &error))?;
    std::fs::write(&path, page).map_err(|error| broken(&path, &error))?;
    written.push(path);
    // Those of `help` say again what the others say.
    for below in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        write(dir, below, &format!("{name}-{}", below.get_name()), written)?;
    }
    Ok(())
}

fn page(command: &Command) -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn broken(path: &Path, error: &std::io::Error) -> Fault {
    let message = format!("{} cannot be written: {error}", path.display());
    Fault::new(Class::Unavailable, "cannot_write", message)
}
