//! Owns where lines break, and what stands between two tokens.

use std::collections::BTreeSet;
use std::iter::repeat_n;
use std::ops::Range;

use super::token::{OwnLine, Token};
use crate::syntax::{Holds, LineKind};

/// Columns of a line, unless nothing in it can be broken.
const WIDTH: usize = 100;
const INDENT: usize = 4;
/// In front of a comment behind a line, and between the parts of a block on one line.
const GAP: &str = "  ";

/// Prints the tokens of a file; the last one is its end.
pub(super) fn print(tokens: &[Token<'_>]) -> String {
    let mut text = Printer { tokens }.lines(0..tokens.len() - 1, 0);
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

struct Printer<'a> {
    tokens: &'a [Token<'a>],
}

/// Spaces that are added behind a token so that what follows it stands in a column.
#[derive(Clone, Copy)]
struct Pad {
    behind: usize,
    spaces: usize,
}

/// A line of a block, printed without the comment behind it.
struct Line {
    range: Range<usize>,
    kind: LineKind,
    /// A blank line stands in front of it, or in front of its comments.
    blank: bool,
    pad: Option<Pad>,
    text: String,
}

impl<'a> Printer<'a> {
    /// Prints what stands between two brackets, or in a file, without the last end of line. The comments in
    /// front of the token behind the range stand at its end.
    fn lines(&self, range: Range<usize>, indent: usize) -> String {
        let mut lines = self.split(range.clone());
        self.align(&mut lines);
        for line in &mut lines {
            line.text = self.line(line.range.clone(), indent, line.pad);
        }
        let columns = self.comment_columns(&lines, indent);
        let mut out = Lines::new(indent);
        for (nth, line) in lines.iter().enumerate() {
            let first = &self.tokens[line.range.start];
            let apart = |other: &Line| other.text.contains('\n') || line.text.contains('\n');
            let forced = indent == 0 && nth > 0 && !line.blank && apart(&lines[nth - 1]);
            let mut blank = forced;
            for comment in &first.before {
                out.push(comment.text, blank || comment.blank);
                blank = false;
            }
            out.push(&line.text, blank || first.blank);
            if let Some(comment) = self.tokens[line.range.end - 1].after {
                let width = width_of_last(&out.text);
                out.text
                    .extend(repeat_n(' ', columns[nth].max(width + GAP.len()) - width));
                out.text.push_str(comment);
            }
        }
        for OwnLine { text, blank } in &self.tokens[range.end].before {
            out.push(text, *blank);
        }
        out.text
    }

    fn split(&self, range: Range<usize>) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let token = &self.tokens[at];
            if let Some(kind) = token.line {
                lines.push(Line {
                    range: at..at,
                    kind,
                    blank: token.blank || token.before.iter().any(|comment| comment.blank),
                    pad: None,
                    text: String::new(),
                });
            }
            at = token.close.unwrap_or(at) + 1;
            if let Some(line) = lines.last_mut() {
                line.range.end = at;
            }
        }
        lines
    }

    /// Puts into columns what belongs there: types of fields, names of commands and queries.
    fn align(&self, lines: &mut [Line]) {
        let follows = |before: &Line, next: &Line| {
            let alike = std::mem::discriminant(&before.kind) == std::mem::discriminant(&next.kind);
            alike && next.kind != LineKind::Other && !next.blank
        };
        for run in lines.chunk_by_mut(follows) {
            let width = |line: &Line| self.tokens[line.range.start].text.len();
            let widest = run.iter().map(width).max().unwrap_or(0);
            for line in run {
                let behind = match line.kind {
                    LineKind::Field { .. } => line.range.start + 1,
                    LineKind::Operation => line.range.start,
                    LineKind::Other => continue,
                };
                let spaces = widest - width(line);
                line.pad = Some(Pad { behind, spaces });
            }
        }
    }

    /// The columns of the comments behind lines, for each line: those of lines that follow each other
    /// stand below each other.
    fn comment_columns(&self, lines: &[Line], indent: usize) -> Vec<usize> {
        let has_comment = |line: &Line| {
            self.tokens[line.range.end - 1].after.is_some() && !line.text.contains('\n')
        };
        let follows = |before: &Line, next: &Line| {
            let first = &self.tokens[next.range.start];
            let directly = !first.blank && first.before.is_empty();
            directly && has_comment(before) && has_comment(next)
        };
        let mut columns = Vec::with_capacity(lines.len());
        for run in lines.chunk_by(follows) {
            // One of several lines stands alone, and its last has its indent already.
            let single = run.iter().filter(|line| !line.text.contains('\n'));
            let widest = single.map(|line| width_of_last(&line.text)).max();
            let column = widest.map_or(0, |widest| indent + widest + GAP.len());
            columns.extend(repeat_n(column, run.len()));
        }
        columns
    }

    /// Prints a line without its indent and without the comment behind it; further lines have theirs.
    fn line(&self, range: Range<usize>, indent: usize, pad: Option<Pad>) -> String {
        if let Some(flat) = self.flat(range.clone(), pad)
            && indent + flat.chars().count() <= WIDTH
        {
            return flat;
        }
        let mut broken = BTreeSet::new();
        // Width and place of those that may be broken: no comment stands in them, and they hold something.
        let mut unbroken = Vec::new();
        for open in self.lists(range.clone()) {
            match self.inside(open).map(|text| text.chars().count()) {
                None => drop(broken.insert(open)),
                Some(0) => {}
                Some(width) => unbroken.push((width, open)),
            }
        }
        // The longest is broken first; of equal ones the last.
        unbroken.sort_unstable();
        loop {
            let (text, fits) = self.broken(range.clone(), indent, pad, &broken);
            match unbroken.pop() {
                Some((_, longest)) if !fits => broken.insert(longest),
                _ => return text,
            };
        }
    }

    /// The brackets in a range, but not in others of it, that hold parts between commas.
    fn lists(&self, range: Range<usize>) -> Vec<usize> {
        let (mut lists, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let token = &self.tokens[at];
            if matches!(token.holds, Some(Holds::Glued | Holds::Spaced)) {
                lists.push(at);
            }
            at = token.close.unwrap_or(at) + 1;
        }
        lists
    }

    /// What stands between brackets, on one line; `None` where a comment stands there.
    fn inside(&self, open: usize) -> Option<String> {
        let close = self.tokens[open].close?;
        let commented = self.tokens[open].after.is_some() || !self.tokens[close].before.is_empty();
        let last = close.checked_sub(1).filter(|last| *last > open);
        let trailing = last.is_some_and(|last| self.tokens[last].after.is_some());
        let first = self.tokens[open + 1].before.is_empty();
        (!commented && !trailing && first).then(|| self.flat(open + 1..close, None))?
    }

    /// Prints on one line; `None` where a comment stands inside, or a block that was written on several
    /// lines.
    fn flat(&self, range: Range<usize>, pad: Option<Pad>) -> Option<String> {
        let has_block = self.tokens[range.clone()]
            .iter()
            .any(|token| token.text == "{" && token.holds == Some(Holds::Lines));
        let mut out = String::new();
        let mut before: Option<usize> = None;
        for at in range.clone() {
            let token = &self.tokens[at];
            let is_first = at == range.start;
            if !is_first && (!token.before.is_empty() || has_block && token.on_new_line)
                || at + 1 < range.end && token.after.is_some()
            {
                return None;
            }
            if self.is_needless_comma(at) {
                continue;
            }
            if let Some(before) = before {
                out.push_str(self.between(before, at));
            }
            out.push_str(token.text);
            if let Some(pad) = pad.filter(|pad| pad.behind == at) {
                out.extend(repeat_n(' ', pad.spaces));
            }
            before = Some(at);
        }
        Some(out)
    }

    /// Prints on several lines: blocks, and the lists in `broken`. Says whether its own lines fit.
    fn broken(
        &self,
        range: Range<usize>,
        indent: usize,
        pad: Option<Pad>,
        broken: &BTreeSet<usize>,
    ) -> (String, bool) {
        let mut out = Broken::new(indent);
        let mut before: Option<usize> = None;
        let mut at = range.start;
        while at < range.end {
            let token = &self.tokens[at];
            if self.is_needless_comma(at) && token.before.is_empty() && token.after.is_none() {
                at += 1;
                continue;
            }
            if let Some(before) = before {
                let behind = self.tokens[before].after;
                out.comment(behind);
                token
                    .before
                    .iter()
                    .for_each(|comment| out.own_line(comment.text));
                if behind.is_some() || !token.before.is_empty() {
                    out.end_line(INDENT);
                } else {
                    out.push(self.between(before, at));
                }
            }
            let group = token.close.filter(|_| token.holds.is_some());
            before = Some(group.unwrap_or(at));
            out.push(token.text);
            let goes_on = token.after.is_none() && self.tokens[at + 1].before.is_empty();
            if let Some(pad) = pad.filter(|pad| pad.behind == at && goes_on) {
                out.spaces(pad.spaces);
            }
            let Some(close) = group else {
                at += 1;
                continue;
            };
            let inner = at + 1..close;
            let is_empty =
                inner.is_empty() && token.after.is_none() && self.tokens[close].before.is_empty();
            match token.holds {
                _ if is_empty => {}
                Some(Holds::Lines) => {
                    out.comment(token.after);
                    out.nested(&self.lines(inner, indent + INDENT));
                    out.end_line(0);
                }
                Some(_) if broken.contains(&at) => self.parts(at, indent, &mut out),
                _ => {
                    let space = self.padding(at);
                    out.push(space);
                    out.push(&self.flat(inner, None).unwrap_or_default());
                    out.push(space);
                }
            }
            out.push(self.tokens[close].text);
            at = close + 1;
        }
        // What stands behind the line's own last token is the caller's; a needless comma may be that.
        if let Some(last) = before.filter(|last| last + 1 < range.end) {
            out.comment(self.tokens[last].after);
        }
        out.finish()
    }

    /// Prints the parts of a list, each on a line of its own.
    fn parts(&self, open: usize, indent: usize, out: &mut Broken) {
        let Some(close) = self.tokens[open].close else {
            return;
        };
        out.comment(self.tokens[open].after);
        let mut at = open + 1;
        while at < close {
            let first = at;
            while at < close && self.tokens[at].text != "," {
                at = self.tokens[at].close.unwrap_or(at) + 1;
            }
            let comments = &self.tokens[first].before;
            comments
                .iter()
                .for_each(|comment| out.inner_line(comment.text));
            out.inner_line(&self.line(first..at, indent + INDENT, None));
            let behind = self.tokens[at - 1].after;
            let comma = Some(&self.tokens[at]).filter(|_| at < close);
            let after = comma.and_then(|comma| comma.after);
            match comma.filter(|comma| !comma.before.is_empty() || behind.and(after).is_some()) {
                // Comments on both sides of it: it stays between them.
                Some(comma) => {
                    out.comment(behind);
                    let before = comma.before.iter();
                    before.for_each(|comment| out.inner_line(comment.text));
                    out.inner_line(",");
                    out.comment(after);
                }
                None => {
                    out.push(",");
                    out.comment(behind.or(after));
                }
            }
            at += 1;
        }
        let last = &self.tokens[close];
        last.before
            .iter()
            .for_each(|comment| out.inner_line(comment.text));
        out.end_line(0);
    }

    /// Whether a comma separates nothing from what follows it.
    fn is_needless_comma(&self, at: usize) -> bool {
        let Some(next) = self.tokens.get(at + 1) else {
            return false;
        };
        let ends = matches!(next.text, ")" | "]" | "}" | "{" | "@" | "");
        self.tokens[at].text == "," && (ends || next.line.is_some())
    }

    /// The space inside brackets on one line.
    fn padding(&self, bracket: usize) -> &'static str {
        match self.tokens[bracket].text {
            "{" | "}" => " ",
            _ => "",
        }
    }

    /// What stands between two tokens on one line.
    fn between(&self, before: usize, next: usize) -> &'static str {
        let (left, right) = (&self.tokens[before], &self.tokens[next]);
        match (left.text, right.text) {
            ("{", "}") | ("(", ")") | ("[", "]") => "",
            ("{", _) | (_, "}") => " ",
            (_, "," | ")" | "]" | "?" | ":" | "." | ".." | "..=") => "",
            ("(" | "[" | "@" | "!" | "." | ".." | "..=", _) => "",
            (_, "<" | ">") if right.is_angle => "",
            ("<", _) if left.is_angle => "",
            (_, "(") if right.holds != Some(Holds::Spaced) => "",
            (_, "[") if right.holds == Some(Holds::Glued) => "",
            _ if right.line.is_some() => GAP,
            _ => " ",
        }
    }
}

fn width_of_last(text: &str) -> usize {
    let line = text.rsplit('\n').next().unwrap_or_default();
    line.chars().count()
}

/// Lines at one indent, with blank lines between them.
struct Lines {
    indent: usize,
    text: String,
}

impl Lines {
    fn new(indent: usize) -> Self {
        Self {
            indent,
            text: String::new(),
        }
    }

    fn push(&mut self, line: &str, blank: bool) {
        if !self.text.is_empty() {
            self.text.push_str(if blank { "\n\n" } else { "\n" });
        }
        self.text.extend(repeat_n(' ', self.indent));
        self.text.push_str(line);
    }
}

/// A line that is being printed on several.
struct Broken {
    indent: usize,
    text: String,
    /// Columns of the line at hand.
    column: usize,
    fits: bool,
}

impl Broken {
    fn new(indent: usize) -> Self {
        Self {
            indent,
            text: String::new(),
            column: indent,
            fits: true,
        }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
        self.fits &= self.column <= WIDTH;
    }

    fn spaces(&mut self, spaces: usize) {
        self.text.extend(repeat_n(' ', spaces));
        self.column += spaces;
    }

    /// A comment behind what was printed.
    fn comment(&mut self, comment: Option<&str>) {
        if let Some(comment) = comment {
            self.text.push_str(GAP);
            self.text.push_str(comment);
        }
    }

    /// Goes on in a new line, deeper by `more`.
    fn end_line(&mut self, more: usize) {
        self.text.push('\n');
        self.column = 0;
        self.spaces(self.indent + more);
    }

    /// A comment on a line of its own, within a line that goes on.
    fn own_line(&mut self, comment: &str) {
        self.end_line(INDENT);
        self.text.push_str(comment);
    }

    /// A part that was printed for the next indent. It is none of this line's columns.
    fn inner_line(&mut self, part: &str) {
        self.end_line(INDENT);
        self.text.push_str(part);
        self.column = 0;
    }

    /// Lines that were printed with their indent.
    fn nested(&mut self, lines: &str) {
        if !lines.is_empty() {
            self.text.push('\n');
            self.text.push_str(lines);
        }
    }

    fn finish(self) -> (String, bool) {
        (self.text, self.fits)
    }
}
