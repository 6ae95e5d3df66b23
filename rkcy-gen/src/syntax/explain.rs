//! Owns what is said about a part that no rule takes: it is parsed again with the rule that could
//! have stood there, and what that rule still wanted at the farthest place is put into words.

use pest::Parser as _;
use pest::error::InputLocation;

use super::grammar::{Grammar, Rule};
use super::span::{FileId, Span};
use crate::diagnostic::{Code, Diagnostic, closest};

/// Words that begin a declaration.
pub(super) const ITEM_WORDS: [&str; 11] = [
    "platform",
    "import",
    "concern",
    "config",
    "message",
    "event",
    "enum",
    "transaction",
    "saga",
    "function",
    "effect",
];
const MEMBER_WORDS: [&str; 9] = [
    "key", "command", "query", "only", "without", "unique", "list", "at", "refuses",
];
const STATEMENT_WORDS: [&str; 14] = [
    "let", "require", "return", "create", "ensure", "get", "find", "update", "delete", "emit",
    "yield", "for", "if", "else",
];

/// More expected things than this help nobody.
const MAX_LISTED: usize = 6;

/// Only the beginning of what follows matters; a declaration is not parsed again to its end.
const WINDOW: usize = 4096;

pub(super) struct Explainer<'a> {
    file: FileId,
    text: &'a str,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(file: FileId, text: &'a str) -> Self {
        Self { file, text }
    }

    /// The finding for a part that no rule takes.
    pub(super) fn explain(&self, span: Span, wanted: Rule) -> Diagnostic {
        let start = span.start as usize;
        let first = word_at(self.text, start);
        if let Some(finding) = self.misspelled(span, wanted, first) {
            return finding;
        }
        let (at, expected) = self.farthest(start, wanted);
        let found = token_at(self.text, at);
        let place = Span::new(self.file, at, at + found.len());
        let shown = match found {
            "" => "the end of the file".to_owned(),
            token => format!("`{}`", shorten(token)),
        };
        let nothing_read = at == start;
        let list = match nothing_read {
            true => kind_of(wanted).to_owned(),
            false if expected.is_empty() => "something else".to_owned(),
            false => one_of(&expected),
        };
        let finding = Diagnostic::new(
            Code::Unexpected,
            place,
            format!("expected {list}, found {shown}"),
        );
        let read: &[String] = if nothing_read { &[] } else { &expected };
        match hint(wanted, first, found, read) {
            Some(hint) => finding.help(hint),
            None => finding,
        }
    }

    /// A first word that is nearly one of those that may stand there.
    fn misspelled(&self, span: Span, wanted: Rule, first: &str) -> Option<Diagnostic> {
        let words: &[&str] = match wanted {
            Rule::item => &ITEM_WORDS,
            Rule::concern_part | Rule::config_part => &MEMBER_WORDS,
            Rule::statement => &STATEMENT_WORDS,
            _ => return None,
        };
        if first.is_empty() || words.contains(&first) {
            return None;
        }
        let after = self.text[span.start as usize + first.len()..].trim_start();
        if wanted != Rule::item
            && !after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '(')
        {
            return None;
        }
        let meant = closest(first, words.iter().copied())?;
        let place = Span::new(
            self.file,
            span.start as usize,
            span.start as usize + first.len(),
        );
        Some(
            Diagnostic::new(
                Code::Unexpected,
                place,
                format!("expected {}, found `{first}`", kind_of(wanted)),
            )
            .help(format!("did you mean `{meant}`?"))
            .edit(place, meant),
        )
    }

    /// How far the rule can read, and what it wants there.
    fn farthest(&self, start: usize, wanted: Rule) -> (usize, Vec<String>) {
        let mut end = (start + WINDOW).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &self.text[start..end];
        // Only parses that fail are looked into, so the details cost nothing where all is well
        // before the first error; the setting is global to the process and is never taken back.
        pest::set_error_detail(true);
        let Err(error) = Grammar::parse(wanted, text) else {
            return (start, Vec::new());
        };
        let Some(attempts) = error.parse_attempts() else {
            let at = match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
            };
            return (start + at, Vec::new());
        };
        // White space may be taken before the token that is wrong.
        let at = attempts.max_position;
        let at = at + text[at..].len() - text[at..].trim_start().len();
        let in_word =
            at > 0 && text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let mut expected: Vec<String> = Vec::new();
        for token in attempts.expected_tokens() {
            let Some(words) = in_words(&token.to_string(), in_word) else {
                continue;
            };
            if !expected.contains(&words) {
                expected.push(words);
            }
        }
        (start + at, expected)
    }
}

/// A token that the grammar wants, as a person would call it.
fn in_words(token: &str, in_word: bool) -> Option<String> {
    match token {
        "a..z" | "A..Z" | "_" => (!in_word).then(|| "a name".to_owned()),
        "0..9" | "-" => (!in_word).then(|| "a number".to_owned()),
        "\"" => Some("a string".to_owned()),
        token if token.trim().is_empty() || token == "BUILTIN_RULE" => None,
        // `.` and `?` could go on what is complete already.
        "." | "?" => None,
        token => Some(format!("`{token}`")),
    }
}

fn one_of(expected: &[String]) -> String {
    let wants = |token: &str| expected.iter().any(|known| known == token);
    // What begins with a name or `[` is a type or a value.
    if wants("a name") && wants("`[`") {
        return if wants("a number") || wants("a string") {
            "a value"
        } else {
            "a type"
        }
        .to_owned();
    }
    // A name may stand for all words that may stand there too.
    let has_name = wants("a name");
    let is_word = |token: &str| {
        token
            .trim_matches('`')
            .bytes()
            .all(|byte| byte.is_ascii_lowercase())
    };
    let mut list: Vec<&str> = expected
        .iter()
        .map(String::as_str)
        .filter(|token| !(has_name && token.starts_with('`') && is_word(token)))
        .collect();
    if list.len() > MAX_LISTED {
        list.retain(|token| !token.starts_with("`@"));
        list.truncate(MAX_LISTED);
    }
    match list.as_slice() {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// What may stand at a place, for who wrote something quite different there.
fn kind_of(wanted: Rule) -> &'static str {
    match wanted {
        Rule::item => {
            "a declaration (`platform`, `import`, `concern`, `config`, `message`, `event`, `enum`, `transaction`, `saga`, `function` or `effect`)"
        }
        Rule::setting => "a setting (`crate \"…\"`)",
        Rule::enum_value => "a value's name",
        Rule::field => "a field (`name: type`)",
        Rule::config_part => "`key` or a field (`name: type`)",
        Rule::concern_part => "a field (`name: type`), `key`, `command` or `query`",
        Rule::statement => {
            "a statement (`let`, `if`, `for`, `require`, `return`, `create`, `get` and the like, or a step `Concern[key].command(…)`)"
        }
        _ => "something else",
    }
}

/// What to do about mistakes that many make.
fn hint(wanted: Rule, first: &str, found: &str, expected: &[String]) -> Option<String> {
    let wants = |token: &str| expected.iter().any(|known| known == token);
    if matches!(wanted, Rule::field | Rule::concern_part | Rule::config_part) && wants("`:`") {
        return Some(format!("a field is written `{first}: type`"));
    }
    if wanted == Rule::concern_part && wants("`(`") {
        return Some(
            "a command or query has its parameters in `()`, also if there are none".to_owned(),
        );
    }
    if wants("`[`")
        && wants("a name")
        && matches!(wanted, Rule::field | Rule::concern_part | Rule::config_part)
    {
        return Some(
            "a type is a name like `i64` or `string`, `ref Concern`, or a list `[T]`".to_owned(),
        );
    }
    if found == "=" && wanted != Rule::statement && expected.is_empty() {
        return Some(
            "behind `=` stands a number, a string, `true`, `false`, `[]` or a value of an enum"
                .to_owned(),
        );
    }
    if found == "=" && wants("`==`") {
        return Some("two values are compared with `==`".to_owned());
    }
    if wanted == Rule::statement && (found == "==" || found == "!=") {
        return Some("conditions stand only in `require` and `if`".to_owned());
    }
    if wanted == Rule::statement && found == "{" {
        return Some(
            "in the head of `for`, `if` and `require` a record stands in `()` or `[]`".to_owned(),
        );
    }
    None
}

fn word_at(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let length = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    &rest[..length]
}

fn token_at(text: &str, at: usize) -> &str {
    let word = word_at(text, at);
    if !word.is_empty() {
        return word;
    }
    let rest = &text[at..];
    for token in ["..=", "->", "==", "!=", "<=", ">=", ".."] {
        if rest.starts_with(token) {
            return &rest[..token.len()];
        }
    }
    if let Some(inner) = rest.strip_prefix('"') {
        let end = inner
            .find(['"', '\n'])
            .map_or(rest.len(), |length| length + 2);
        return rest.get(..end).unwrap_or(rest);
    }
    rest.chars().next().map_or("", |c| &rest[..c.len_utf8()])
}

fn shorten(token: &str) -> String {
    match token.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &token[..cut]),
        None => token.to_owned(),
    }
}
