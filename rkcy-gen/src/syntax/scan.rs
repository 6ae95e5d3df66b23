//! Owns what comes before the grammar: comments and documentation are taken out, characters that
//! no rule uses are reported, brackets are held against each other and their depth is bounded.
//!
//! The text that is left has the same length as the source, with spaces where something was taken
//! out, so places in it are places in the source.

mod bracket;
mod literal;

use bracket::closing;

use super::source::Source;
use super::span::{FileId, Span};
use crate::diagnostic::{Code, Diagnostic};

/// A file with more than this many wrong characters is no schema with mistakes in it, but
/// something else.
const MAX_WRONG: usize = 50;

/// A comment, with its slashes and without its end of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    /// Where it stands.
    pub span: Span,
    /// Whether it is documentation: `///`, but not `////`.
    pub is_doc: bool,
}

/// What scanning gives.
pub(crate) struct Scanned {
    /// The text for the grammar; `None` if the file is not worth parsing.
    pub(crate) text: Option<String>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

pub(crate) fn scan(file: FileId, source: &Source) -> Scanned {
    let mut scanner = Scanner {
        file,
        text: source.text(),
        out: source.text().as_bytes().to_vec(),
        at: 0,
        open: Vec::new(),
        map_depth: 0,
        comments: Vec::new(),
        semicolons: Vec::new(),
        found: Vec::new(),
        stop: None,
        broken_string: false,
    };
    scanner.run();
    scanner.finish()
}

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    out: Vec<u8>,
    at: usize,
    /// The brackets that are open: character and place.
    open: Vec<(u8, usize)>,
    /// How many `map<` are open.
    map_depth: usize,
    comments: Vec<Comment>,
    semicolons: Vec<Span>,
    found: Vec<Diagnostic>,
    /// An error after which nothing else in the file is worth saying.
    stop: Option<Diagnostic>,
    broken_string: bool,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while self.stop.is_none()
            && self.found.len() <= MAX_WRONG
            && let Some(next) = self.text[self.at..].chars().next()
        {
            match next {
                '/' if self.rest().starts_with("//") => self.comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                '"' => self.string(),
                '{' | '(' | '[' => self.open_bracket(next as u8),
                '}' | ')' | ']' => self.close_bracket(next as u8),
                ';' => self.semicolon(),
                '0'..='9' => self.number(),
                'a'..='z' | 'A'..='Z' | '_' => self.word(),
                '>' => {
                    self.map_depth = self.map_depth.saturating_sub(1);
                    self.at += 1;
                }
                ' ' | '\t' | '\r' | '\n' | ',' | ':' | '.' | '=' | '!' | '<' | '?' | '@' | '-' => {
                    self.at += 1
                }
                '\'' if self.single_quoted() => {}
                _ if refused(next) => self.refused_character(next),
                _ => self.wrong_characters(),
            }
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn blank(&mut self, start: usize, end: usize) {
        self.out[start..end]
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b' ');
    }

    fn end_of_line(&self) -> usize {
        let end = self
            .rest()
            .find('\n')
            .map_or(self.text.len(), |length| self.at + length);
        if self.text[self.at..end].ends_with('\r') {
            end - 1
        } else {
            end
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let end = self.end_of_line();
        let text = &self.text[start..end];
        let is_doc = text.starts_with("///") && !text.starts_with("////");
        self.comments.push(Comment {
            span: self.span(start, end),
            is_doc,
        });
        if let Some((offset, wrong)) = text.char_indices().find(|(_, c)| refused(*c)) {
            self.at = start + offset;
            self.refused_character(wrong);
        }
        self.blank(start, end);
        self.at = end;
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let closed = self.rest().find("*/").map(|length| start + length + 2);
        let end = closed.unwrap_or(self.text.len());
        let finding = Diagnostic::new(
            Code::BlockComment,
            self.span(start, start + 2),
            "comments begin with `//` and end with their line",
        );
        let finding = match closed {
            Some(_) => finding.help("write `//` in front of each line"),
            None => finding
                .saying("this one is never closed")
                .help("write `//` in front of each line"),
        };
        self.found.push(finding);
        self.blank(start, end);
        self.at = end;
    }

    fn semicolon(&mut self) {
        self.semicolons.push(self.span(self.at, self.at + 1));
        self.blank(self.at, self.at + 1);
        self.at += 1;
    }

    fn word_end(&self, start: usize) -> usize {
        let rest = &self.text.as_bytes()[start..];
        start
            + rest
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                .count()
    }

    fn refused_character(&mut self, wrong: char) {
        let what = match wrong {
            '\0' => "a NUL character".to_owned(),
            _ => format!(
                "the invisible character U+{:04X}, which changes the direction of text",
                wrong as u32
            ),
        };
        let span = self.span(self.at, self.at + wrong.len_utf8());
        self.stop = Some(
            Diagnostic::new(
                Code::RefusedCharacter,
                span,
                format!("{what} is not allowed in a schema"),
            )
            .help("remove it"),
        );
    }

    fn wrong_characters(&mut self) {
        let start = self.at;
        let mut first = true;
        let in_run = |c: &char| std::mem::take(&mut first) || wrong(*c);
        let length: usize = self
            .rest()
            .chars()
            .take_while(in_run)
            .map(char::len_utf8)
            .sum();
        let end = start + length;
        let text = &self.text[start..end];
        let shown: String = text.chars().take(20).flat_map(char::escape_debug).collect();
        let one = text.chars().nth(1).is_none();
        let message = if one {
            format!("`{shown}` has no meaning here")
        } else {
            format!("the characters `{shown}` have no meaning here")
        };
        let finding = Diagnostic::new(Code::WrongCharacter, self.span(start, end), message);
        self.found.push(match remedy(text) {
            Some(help) => finding.help(help),
            None => finding,
        });
        self.blank(start, end);
        self.at = end;
    }

    fn finish(mut self) -> Scanned {
        let comments = std::mem::take(&mut self.comments);
        if let Some(stop) = &self.stop
            && matches!(stop.code, Code::RefusedCharacter | Code::TooDeep)
        {
            return Scanned {
                text: None,
                comments,
                diagnostics: vec![stop.clone()],
            };
        }
        if self.found.len() > MAX_WRONG {
            let first = self
                .found
                .first()
                .and_then(Diagnostic::span)
                .unwrap_or(self.span(0, 0));
            return Scanned {
                text: None,
                comments,
                diagnostics: vec![not_a_schema(first)],
            };
        }
        if self.stop.is_none()
            && let Some((open, at)) = self.open.last()
        {
            let close = closing(*open) as char;
            self.stop = Some(
                Diagnostic::new(
                    Code::UnbalancedBracket,
                    self.span(*at, at + 1),
                    format!("this `{}` is never closed", *open as char),
                )
                .help(format!("add the `{close}` that belongs to it")),
            );
        }
        let unbalanced = self.stop.take();
        let parse = unbalanced.is_none();
        let mut diagnostics = self.found;
        // A string that swallowed the rest of its line has most likely swallowed a bracket.
        diagnostics.extend(unbalanced.filter(|_| !self.broken_string));
        diagnostics.extend(semicolons(&self.semicolons));
        // Only whole characters were replaced, so this is text still.
        let text = String::from_utf8(self.out).ok().filter(|_| parse);
        Scanned {
            text,
            comments,
            diagnostics,
        }
    }
}

/// One finding for all semicolons of a file: they are one habit.
fn semicolons(spans: &[Span]) -> Option<Diagnostic> {
    let (first, rest) = spans.split_first()?;
    let message = match rest.len() {
        0 => "`;` has no meaning here".to_owned(),
        more => format!("`;` has no meaning here, nor at {more} more places of this file"),
    };
    let finding = Diagnostic::new(Code::Semicolon, *first, message)
        .help("remove it: white space is all that separates");
    Some(
        spans
            .iter()
            .fold(finding, |finding, span| finding.edit(*span, "")),
    )
}

/// The one error for a file that is something else.
pub(crate) fn not_a_schema(span: Span) -> Diagnostic {
    Diagnostic::new(Code::NotASchema, span, "this file is not a `.rkcy` schema")
        .saying("nothing from here on makes sense")
        .help("a schema begins with `platform NAME { … }`")
}

/// NUL, and the controls that make text look other than it reads.
fn refused(c: char) -> bool {
    matches!(c, '\0' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn wrong(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || refused(c) || "_/\"{}()[];<> \t\r\n,:.=!?@-".contains(c))
}

fn remedy(text: &str) -> Option<&'static str> {
    Some(match text.chars().next()? {
        '+' | '*' | '/' | '%' | '^' | '~' => {
            "arithmetic is written in Rust: in a handler, or in a `function`"
        }
        '&' | '|' => "a condition is one comparison; write one `require` for each",
        '\'' | '`' | '‘' | '’' | '“' | '”' => "a string stands in double quotes: \"…\"",
        '#' => "comments begin with `//`, attributes with `@`",
        c if c.is_alphabetic() => "names are made of the letters a to z, digits and `_`",
        c if c.is_whitespace() => "only spaces, tabs and ends of lines separate",
        _ => return None,
    })
}
