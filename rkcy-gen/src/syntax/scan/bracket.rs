//! Owns brackets: each is closed by its own kind, and they are not nested too deep.

use super::Scanner;
use crate::diagnostic::{Code, Diagnostic};

/// Deeper than any schema nests its brackets, and shallow enough for every stack.
const MAX_DEPTH: usize = 64;

impl Scanner<'_> {
    pub(super) fn open_bracket(&mut self, bracket: u8) {
        self.open.push((bracket, self.at));
        self.map_depth = 0;
        if self.open.len() > MAX_DEPTH {
            self.stop_too_deep();
        }
        self.at += 1;
    }

    fn stop_too_deep(&mut self) {
        self.stop = Some(
            Diagnostic::new(
                Code::TooDeep,
                self.span(self.at, self.at + 1),
                format!("brackets are nested more than {MAX_DEPTH} deep"),
            )
            .help("name a part of it: with a `message`, or with `let`"),
        );
    }

    pub(super) fn close_bracket(&mut self, bracket: u8) {
        let here = self.span(self.at, self.at + 1);
        let close = bracket as char;
        match self.open.pop() {
            Some((open, _)) if matches(open, bracket) => {}
            Some((open, at)) => {
                let open_char = open as char;
                let wanted = closing(open) as char;
                self.stop = Some(
                    Diagnostic::new(
                        Code::UnbalancedBracket,
                        here,
                        format!("`{close}` does not close `{open_char}`"),
                    )
                    .saying(format!("expected `{wanted}`"))
                    .label(self.span(at, at + 1), "opened here"),
                );
            }
            None => {
                self.stop = Some(
                    Diagnostic::new(
                        Code::UnbalancedBracket,
                        here,
                        format!("`{close}` closes nothing"),
                    )
                    .help("remove it, or look for the `{` that is missing before it"),
                );
            }
        }
        self.map_depth = 0;
        self.at += 1;
    }

    pub(super) fn word(&mut self) {
        let start = self.at;
        self.at = self.word_end(start);
        // `map<map<…` nests without brackets.
        if &self.text[start..self.at] == "map"
            && self
                .rest()
                .trim_start_matches([' ', '\t', '\r', '\n'])
                .starts_with('<')
        {
            self.map_depth += 1;
            if self.map_depth > MAX_DEPTH {
                self.stop_too_deep();
            }
        }
    }
}

fn matches(open: u8, close: u8) -> bool {
    closing(open) == close
}

pub(super) fn closing(open: u8) -> u8 {
    match open {
        b'{' => b'}',
        b'(' => b')',
        _ => b']',
    }
}
