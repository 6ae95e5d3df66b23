//! What a command says, and where.
//!
//! Owns stdout and stderr: data goes to stdout, everything said about it to stderr. Whoever closes
//! stdout early is content with what it has, so a broken pipe is no error.
#![allow(clippy::print_stdout, reason = "stdout is this file's business")]

use rkcy_core::fault::{Class, Fault};
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether data could not be printed. There is one stdout in a process.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether data could not be printed, so that the command has not done what it should.
pub(super) fn output_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object, or one per line.
    Json,
}

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A colour of text.
#[derive(Clone, Copy, Debug)]
pub enum Ink {
    /// What went well.
    Good,
    /// What did not.
    Bad,
    /// What one should know.
    Note,
    /// What may be passed over.
    Faint,
    /// A heading.
    Strong,
}

/// Stdout and stderr.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// How data is printed.
    pub format: Format,
    out: bool,
    err: bool,
}

impl Term {
    /// As asked for on the command line.
    #[must_use]
    pub fn new(format: Format, color: Color) -> Term {
        let quiet = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let on = |terminal: bool| match color {
            Color::Auto => terminal && !quiet,
            Color::Always => true,
            Color::Never => false,
        };
        Term {
            format,
            out: on(std::io::stdout().is_terminal()),
            err: on(std::io::stderr().is_terminal()),
        }
    }

    /// Whether a person looks at stderr: there is progress to show.
    #[must_use]
    pub fn shows_progress(self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Colours text for stdout.
    #[must_use]
    pub fn paint(self, ink: Ink, text: &str) -> String {
        paint(self.out, ink, text)
    }

    /// Colours text for stderr.
    #[must_use]
    pub fn paint_err(self, ink: Ink, text: &str) -> String {
        paint(self.err, ink, text)
    }

    /// Prints a line of data.
    pub fn print(self, text: &str) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
            && error.kind() != std::io::ErrorKind::BrokenPipe
            && !LOST.swap(true, Ordering::Relaxed)
        {
            self.error(&Fault::new(
                Class::Unavailable,
                "output_lost",
                format!("stdout cannot be written: {error}"),
            ));
        }
    }

    /// Prints a value: on one line where JSON was asked for, else for reading.
    pub fn print_json(self, value: &Json) {
        match self.format {
            Format::Json => self.print(&value.to_string()),
            Format::Human => self.print(&format!("{value:#}")),
        }
    }

    /// Says something to whoever looks on.
    pub fn say(self, text: &str) {
        // Where stderr is gone there is nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Says something that should not be passed over.
    pub fn warn(self, text: &str) {
        self.say(&format!(
            "{} {text}",
            paint(self.err, Ink::Note, "warning:")
        ));
    }

    /// Says what went wrong.
    pub fn error(self, fault: &Fault) {
        let (word, ink) = match fault.class {
            Class::Refusal => ("refused:", Ink::Note),
            _ => ("error:", Ink::Bad),
        };
        let mut text = fault.code.to_string();
        if !fault.path.is_empty() {
            text += &format!(" at `{}`", fault.path);
        }
        if !fault.message.is_empty() {
            text += &format!(": {}", fault.message);
        }
        self.say(&format!("{} {text}", paint(self.err, ink, word)));
    }

    /// A table for reading: columns are as wide as they need to be; those in `right` are figures.
    #[must_use]
    pub fn table(self, head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
        let mut widths: Vec<usize> = head.iter().map(|text| text.chars().count()).collect();
        for row in rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.chars().count());
            }
        }
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<String> = cells
                .zip(&widths)
                .enumerate()
                .map(|(nth, (text, width))| {
                    let space = " ".repeat(width - text.chars().count().min(*width));
                    if right.contains(&nth) {
                        format!("{space}{text}")
                    } else {
                        format!("{text}{space}")
                    }
                })
                .collect();
            format!("  {}", cells.join("   ").trim_end())
        };
        let rule: usize = widths.iter().sum::<usize>() + 3 * widths.len().saturating_sub(1);
        let mut lines = vec![
            paint(self.out, Ink::Strong, &line(&mut head.iter().copied())),
            paint(self.out, Ink::Faint, &format!("  {}", "─".repeat(rule))),
        ];
        lines.extend(
            rows.iter()
                .map(|row| line(&mut row.iter().map(String::as_str))),
        );
        lines.join("\n")
    }
}

/// A number with its thousands apart: `12 345`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn paint(on: bool, ink: Ink, text: &str) -> String {
    let code = match ink {
        Ink::Good => "32",
        Ink::Bad => "31;1",
        Ink::Note => "33",
        Ink::Faint => "2",
        Ink::Strong => "1",
    };
    if on {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(grouped(100_000), "100 000");
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let term = Term::new(Format::Human, Color::Never);
        let rows = [vec!["Ann".to_owned(), "5".to_owned()]];
        let text = term.table(&["who", "gold"], &rows, &[1]);
        assert_eq!(text, "  who   gold\n  ──────────\n  Ann      5");
    }
}
