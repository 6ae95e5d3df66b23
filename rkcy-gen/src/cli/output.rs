//! Owns where output goes: results to stdout, messages to stderr.

use std::io::{IsTerminal as _, Write as _};

use rkcy_gen::diagnostic::{self, Diagnostic};
use rkcy_gen::syntax::Sources;

use super::{Color, Format, Outcome};

/// Writes a result. A reader that has gone away (`| head`) is no failure; anything else is one of
/// the environment.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Outcome::Fine,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Outcome::Fine,
        Err(error) => {
            message(&format!("error: cannot write to stdout: {error}\n"));
            Outcome::Environment
        }
    }
}

/// Writes a message; there is nobody to tell if that fails.
pub(crate) fn message(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether messages have colours.
pub(crate) fn has_colour(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            !refused && std::io::stderr().is_terminal()
        }
    }
}

/// Prints findings and says how a command that found them ends.
pub(crate) fn report(
    found: &[Diagnostic],
    sources: &Sources,
    format: Format,
    color: Color,
) -> Outcome {
    let mut outcome = Outcome::Fine;
    match format {
        Format::Json => {
            let lines: String = found
                .iter()
                .map(|finding| diagnostic::json(finding, sources) + "\n")
                .collect();
            outcome = outcome.max(print(&lines));
        }
        Format::Human => {
            let colour = has_colour(color);
            let text: String = found
                .iter()
                .map(|finding| diagnostic::human(finding, sources, colour) + "\n")
                .collect();
            message(&text);
        }
    }
    outcome.max(ended(found))
}

/// How a command ends that found this.
pub(crate) fn ended(found: &[Diagnostic]) -> Outcome {
    if found.iter().any(|finding| finding.code.is_unreadable()) {
        Outcome::BadInput
    } else if found.iter().any(Diagnostic::is_error) {
        Outcome::Found
    } else {
        Outcome::Fine
    }
}

/// Says in one line what was found.
pub(crate) fn summary(errors: usize, warnings: usize) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    match (errors, warnings) {
        (0, 0) => "no errors\n".to_owned(),
        (0, warnings) => format!("no errors, {}\n", count(warnings, "warning")),
        (errors, 0) => format!("{}\n", count(errors, "error")),
        (errors, warnings) => format!(
            "{}, {}\n",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    }
}
