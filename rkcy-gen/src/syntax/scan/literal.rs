//! Owns strings and numbers: where they end, and what is wrong in them.

use super::{Scanner, refused};
use crate::diagnostic::{Code, Diagnostic};

impl Scanner<'_> {
    pub(super) fn string(&mut self) {
        let start = self.at;
        let line_end = self.end_of_line();
        let mut chars = self.text[start + 1..line_end].char_indices();
        while let Some((offset, c)) = chars.next() {
            let at = start + 1 + offset;
            match c {
                '"' => {
                    self.at = at + 1;
                    return;
                }
                '\\' => {
                    let escaped = chars.next();
                    if let Some(length) = wrong_escape(&self.text[at..line_end]) {
                        let span = self.span(at, at + length);
                        let what = self.text[at..at + length].to_owned();
                        self.found.push(
                            Diagnostic::new(Code::WrongEscape, span, format!("`{what}` is not an escape"))
                                .help("the escapes are `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t` and `\\u{…}` with 1 to 6 hexadecimal digits of a character"),
                        );
                    }
                    if escaped.is_none() {
                        break;
                    }
                }
                _ if refused(c) => {
                    self.at = at;
                    self.refused_character(c);
                    return;
                }
                _ => {}
            }
        }
        self.broken_string = true;
        self.found.push(
            Diagnostic::new(
                Code::UnterminatedString,
                self.span(start, line_end),
                "this string is not closed",
            )
            .help("a string ends on its line; a line break in it is written `\\n`"),
        );
        self.blank(start, line_end);
        self.at = line_end;
    }

    /// A string in single quotes is read as the string that was meant, so that it is one mistake.
    pub(super) fn single_quoted(&mut self) -> bool {
        let start = self.at;
        let line = &self.text[start + 1..self.end_of_line()];
        let Some(length) = line.find('\'') else {
            return false;
        };
        if line[..length].contains(['"', '\\']) || line[..length].chars().any(refused) {
            return false;
        }
        let end = start + 1 + length + 1;
        let meant = format!("\"{}\"", &line[..length]);
        let span = self.span(start, end);
        self.found.push(
            Diagnostic::new(Code::WrongCharacter, span, "`'` has no meaning here")
                .help("a string stands in double quotes: \"…\"")
                .edit(span, meant.clone()),
        );
        self.out[start..end].copy_from_slice(meant.as_bytes());
        self.at = end;
        true
    }

    /// A number that runs on into a name is written in a way that other languages allow.
    pub(super) fn number(&mut self) {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(start);
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
        }
        let word_end = self.word_end(end);
        if word_end > end {
            let plain: String = self.text[start..word_end]
                .chars()
                .filter(|c| *c != '_')
                .collect();
            let span = self.span(start, word_end);
            let finding = Diagnostic::new(Code::WrongNumber, span, format!("`{}` is not a number", &self.text[start..word_end]))
                .help("numbers are decimal digits with an optional fraction: no `_`, no exponent, no suffix");
            let is_plain = plain
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            self.found.push(if is_plain {
                finding.edit(span, plain.clone())
            } else {
                finding
            });
            // What was meant is left for the grammar, so that it has no second complaint.
            let stand_in = if is_plain { plain } else { "0".to_owned() };
            self.blank(start, word_end);
            self.out[start..start + stand_in.len()].copy_from_slice(stand_in.as_bytes());
        }
        self.at = word_end;
    }
}

/// The length of what stands at a `\`, if it is no escape.
fn wrong_escape(text: &str) -> Option<usize> {
    let after = text[1..].chars().next()?;
    match after {
        '"' | '\\' | 'n' | 'r' | 't' => None,
        'u' => {
            let body = text[2..]
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'));
            let good = body.is_some_and(|(digits, _)| {
                (1..=6).contains(&digits.len())
                    && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                    && u32::from_str_radix(digits, 16)
                        .ok()
                        .and_then(char::from_u32)
                        .is_some_and(|c| !refused(c))
            });
            if good { None } else { Some(2) }
        }
        other => Some(1 + other.len_utf8()),
    }
}
