//! Owns the way from pest's pairs to the tree: the state that it needs and what all nodes share.
//! How each noun is made stands beside the noun.

use pest::iterators::Pair;

use super::ast::{Broken, Docs, File, Ident, Item};
use super::docs::DocLines;
use super::explain::Explainer;
use super::grammar::Rule;
use super::scan::Comment;
use super::source::Source;
use super::span::{FileId, Span};
use crate::diagnostic::{Code, Diagnostic};

/// Nobody reads more reports about one file than this; to explain each of ten thousand takes longer
/// than a person would wait.
const MAX_BROKEN: usize = 500;

/// The state of lowering one file.
pub(super) struct Lower<'a> {
    file: FileId,
    /// The text that the grammar saw.
    text: &'a str,
    source: &'a Source,
    docs: DocLines,
    explainer: Explainer<'a>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Lines on which something was reported already, so that what follows from it is not.
    reported_lines: Vec<(usize, usize)>,
    /// The line of the last stray comma, and its finding.
    last_comma: Option<(usize, usize)>,
    broken_parts: usize,
}

impl<'a> Lower<'a> {
    pub(super) fn new(
        file: FileId,
        source: &'a Source,
        text: &'a str,
        comments: &[Comment],
        earlier: &[Diagnostic],
    ) -> Self {
        let lines = |diagnostic: &Diagnostic| {
            let span = diagnostic.span()?;
            // Semicolons were taken out without a trace.
            let echoes = diagnostic.code != Code::Semicolon;
            echoes.then(|| {
                (
                    source.line_of(span.start as usize),
                    source.line_of(span.end as usize),
                )
            })
        };
        Self {
            file,
            text,
            source,
            docs: DocLines::new(source.text(), text, comments),
            explainer: Explainer::new(file, text),
            diagnostics: Vec::new(),
            reported_lines: earlier.iter().filter_map(lines).collect(),
            last_comma: None,
            broken_parts: 0,
        }
    }

    pub(super) fn file(
        mut self,
        root: Pair<'_, Rule>,
        comments: Vec<Comment>,
    ) -> (File, Vec<Diagnostic>) {
        let mut items = Vec::new();
        for pair in root.into_inner() {
            let item = match pair.as_rule() {
                Rule::platform => Item::Platform(self.platform(pair)),
                Rule::import => Item::Import(self.import(pair)),
                Rule::concern => Item::Concern(self.concern(pair)),
                Rule::config => Item::Config(self.config(pair)),
                Rule::message => Item::Message(self.message(pair)),
                Rule::event => Item::Event(self.event(pair)),
                Rule::enumeration => Item::Enum(self.enumeration(pair)),
                Rule::transaction | Rule::saga => Item::Transaction(self.transaction(pair)),
                Rule::function => Item::Function(self.function(pair)),
                Rule::effect => Item::Effect(self.effect(pair)),
                Rule::broken_item => Item::Broken(self.broken(&pair, Rule::item)),
                Rule::comma => {
                    self.stray_comma(&pair);
                    continue;
                }
                _ => continue,
            };
            items.push(item);
        }
        self.diagnostics.extend(self.docs.loose(self.file));
        (
            File {
                id: self.file,
                items,
                comments,
                opaque: false,
            },
            self.diagnostics,
        )
    }

    /// The place of a pair, without the white space that pest leaves at its end.
    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let length = pair.as_str().trim_end().len();
        Span::new(self.file, span.start(), span.start() + length)
    }

    pub(super) fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Ident {
            text: pair.as_str().to_owned(),
            span: self.span(pair),
        }
    }

    /// The documentation in front of a pair.
    pub(super) fn docs(&mut self, pair: &Pair<'_, Rule>) -> Docs {
        self.docs.take(pair.as_span().start())
    }

    /// Reports a comma that separates what white space separates.
    pub(super) fn stray_comma(&mut self, pair: &Pair<'_, Rule>) {
        let span = self.span(pair);
        if self.is_reported(span) {
            return;
        }
        // A list of values on one line has many of them: one report a line is enough.
        let line = self.source.line_of(span.start as usize);
        let same_line = match self.last_comma {
            Some((last, index)) if last == line => self.diagnostics.get_mut(index),
            _ => None,
        };
        match same_line {
            Some(earlier) => {
                let edit = crate::diagnostic::Edit {
                    span,
                    replacement: String::new(),
                };
                earlier.edits.push(edit);
            }
            None => {
                self.last_comma = Some((line, self.diagnostics.len()));
                self.diagnostics.push(
                    Diagnostic::new(Code::StrayComma, span, "there is no comma between these")
                        .help("remove it: commas stand only inside `()`, `[]` and records")
                        .edit(span, ""),
                );
            }
        }
    }

    /// Reports what no rule takes; `wanted` is the rule that could have stood there.
    pub(super) fn broken(&mut self, pair: &Pair<'_, Rule>, wanted: Rule) -> Broken {
        let span = self.span(pair);
        if !self.is_reported(span) {
            self.broken_parts += 1;
            if self.broken_parts <= MAX_BROKEN {
                let finding = self.explainer.explain(span, wanted);
                self.diagnostics.push(finding);
            } else if self.broken_parts == MAX_BROKEN + 1 {
                let finding = Diagnostic::new(
                    Code::Unexpected,
                    span.first(1),
                    "this and more of what follows cannot be read",
                );
                self.diagnostics
                    .push(finding.help(format!("put right the {MAX_BROKEN} places above first")));
            }
        }
        Broken {
            span,
            names: names_in(pair.as_str()),
        }
    }

    fn is_reported(&self, span: Span) -> bool {
        let first = self.source.line_of(span.start as usize);
        let last = self
            .source
            .line_of((span.end as usize).min(self.text.len()));
        self.reported_lines
            .iter()
            .any(|(from, to)| first <= *to && *from <= last)
    }
}

/// The names in a text.
fn names_in(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .map(str::to_owned)
        .collect()
}

/// The text of a string literal, its escapes resolved. Escapes that do not exist have been reported
/// and stay as they are.
pub(super) fn unescape(quoted: &str) -> String {
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(quoted);
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escaped) = rest.chars().next() else {
            break;
        };
        rest = &rest[escaped.len_utf8()..];
        match escaped {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let body = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let found = body.and_then(|(digits, after)| {
                    let character = u32::from_str_radix(digits, 16)
                        .ok()
                        .and_then(char::from_u32)?;
                    Some((character, after))
                });
                match found {
                    Some((character, after)) => {
                        out.push(character);
                        rest = after;
                    }
                    None => out.push_str("\\u"),
                }
            }
            other => out.push(other),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unescape(r#""a\"b\\c\n\r\t\u{e4}""#), "a\"b\\c\n\r\tä");
        assert_eq!(unescape(r#""""#), "");
    }
}
