//! Owns the tokens of a text, with the comments and blank lines that stand between them.

use crate::syntax::{Comment, Holds, LineKind, Structure};

/// A comment on a line of its own.
#[derive(Debug, Clone)]
pub(super) struct OwnLine<'a> {
    pub(super) text: &'a str,
    /// A blank line stands in front of it.
    pub(super) blank: bool,
}

/// A token, or the end of the text.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    start: usize,
    /// The comments on lines of their own in front of it.
    pub(super) before: Vec<OwnLine<'a>>,
    /// A blank line stands in front of it, behind those comments.
    pub(super) blank: bool,
    /// It stands on another line than the token in front of it.
    pub(super) on_new_line: bool,
    /// The comment behind it, on its line.
    pub(super) after: Option<&'a str>,
    /// What begins here on a line of its own.
    pub(super) line: Option<LineKind>,
    /// Of an opening bracket: the index of the closing one.
    pub(super) close: Option<usize>,
    /// Of a bracket: what the pair holds.
    pub(super) holds: Option<Holds>,
    /// A `<` or `>` of a map type.
    pub(super) is_angle: bool,
}

/// The tokens of a text; the last one is its end, with the comments that stand there.
pub(super) fn tokens<'a>(source: &'a str, structure: &'a Structure) -> Vec<Token<'a>> {
    let mut tokens: Vec<Token<'a>> = Vec::new();
    let mut comments = structure.comments.iter().peekable();
    let (mut before, mut at) = (Vec::new(), 0);
    loop {
        let next = skip_space(&structure.text, at);
        // Comments stand in the blanks of the text.
        while let Some(Comment { span, .. }) = comments.peek()
            && (span.start as usize) < next
        {
            let (start, end) = (span.start as usize, span.end as usize);
            let newlines = newlines(&source[at..start]);
            let text = source[start..end].trim_end();
            match tokens.last_mut() {
                Some(token) if newlines == 0 && before.is_empty() => token.after = Some(text),
                _ => before.push(OwnLine {
                    text,
                    blank: newlines > 1,
                }),
            }
            at = end;
            comments.next();
        }
        let end = token_end(&structure.text, next);
        tokens.push(Token {
            text: &source[next..end],
            start: next,
            on_new_line: !before.is_empty()
                || tokens.last().is_some_and(|last| {
                    let behind = last.start + last.text.len();
                    newlines(&source[behind..next]) > 0
                }),
            before: std::mem::take(&mut before),
            blank: newlines(&source[at..next]) > 1,
            after: None,
            line: structure.lines.get(&next).copied(),
            close: None,
            holds: structure.brackets.get(&next).copied(),
            is_angle: structure.angles.contains(&next),
        });
        if next == source.len() {
            break;
        }
        at = end;
    }
    defaults_last(&mut tokens);
    pair_brackets(&mut tokens);
    tokens
}

fn newlines(space: &str) -> usize {
    space.bytes().filter(|byte| *byte == b'\n').count()
}

fn skip_space(text: &str, at: usize) -> usize {
    let space = |c: char| c.is_ascii_whitespace();
    text[at..]
        .find(|c| !space(c))
        .map_or(text.len(), |n| at + n)
}

/// The end of the token that begins at a place. The text has been parsed, so there is one.
fn token_end(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    let many = |holds: fn(char) -> bool| rest.find(|c| !holds(c)).unwrap_or(rest.len());
    let length = match rest.as_bytes() {
        [] => 0,
        [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => many(|c| c.is_ascii_alphanumeric() || c == '_'),
        [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..] => number(rest),
        [b'"', ..] => string(rest),
        [b'.', b'.', b'=', ..] => 3,
        [b'-', b'>', ..] | [b'.', b'.', ..] | [b'=' | b'!' | b'<' | b'>', b'=', ..] => 2,
        _ => rest.chars().next().map_or(0, char::len_utf8),
    };
    start + length
}

fn number(rest: &str) -> usize {
    let digits = |from: usize| {
        let rest = &rest[from..];
        from + rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len())
    };
    let whole = digits(usize::from(rest.starts_with('-')));
    match rest.as_bytes()[whole..] {
        [b'.', b'0'..=b'9', ..] => digits(whole + 1),
        _ => whole,
    }
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// Puts defaults behind the attributes of their field, unless a comment stands between them.
fn defaults_last(tokens: &mut [Token<'_>]) {
    let moves: Vec<_> = (tokens.iter())
        .filter_map(|token| match token.line {
            Some(LineKind::Field { late_attributes }) => late_attributes,
            _ => None,
        })
        .collect();
    for (default, attributes, end) in moves {
        let index = |place| tokens.partition_point(|token| token.start < place);
        let (first, middle, end) = (index(default), index(attributes), index(end));
        let commented = |at: usize| {
            let inside = at + 1 < end && tokens[at].after.is_some();
            inside || !tokens[at].before.is_empty()
        };
        if (first..end).any(commented) || end == 0 {
            continue;
        }
        let after = tokens[end - 1].after.take();
        tokens[first..end].rotate_left(middle - first);
        tokens[end - 1].after = after;
    }
}

fn pair_brackets(tokens: &mut [Token<'_>]) {
    let mut open = Vec::new();
    for at in 0..tokens.len() {
        let is_angle = tokens[at].is_angle;
        match tokens[at].text {
            "(" | "[" | "{" => open.push(at),
            "<" if is_angle => open.push(at),
            ">" if !is_angle => {}
            ")" | "]" | "}" | ">" => {
                if let Some(from) = open.pop() {
                    tokens[from].close = Some(at);
                    tokens[from].holds = tokens[at].holds;
                }
            }
            _ => {}
        }
    }
}
