//! Owns which documentation belongs to what: the `///` lines in front of a token belong to the
//! declaration that begins with it. What belongs to nothing is a warning.

use std::collections::BTreeMap;

use super::scan::Comment;
use super::span::{FileId, Span};
use crate::diagnostic::{Code, Diagnostic};

/// The blocks of documentation of a file, by the place of the token that follows them.
pub(super) struct DocLines {
    blocks: BTreeMap<usize, Block>,
    /// Those behind something on their line.
    trailing: Vec<Span>,
}

struct Block {
    first: Span,
    last: Span,
    text: String,
    taken: bool,
}

impl DocLines {
    /// `source` is the text with comments, `text` the one without.
    pub(super) fn new(source: &str, text: &str, comments: &[Comment]) -> Self {
        let mut blocks: BTreeMap<usize, Block> = BTreeMap::new();
        let mut trailing = Vec::new();
        let mut next_token = None;
        for comment in comments.iter().filter(|comment| comment.is_doc) {
            let end = comment.span.end as usize;
            // Goes forward only, so the whole costs one walk over the text.
            let next = match next_token {
                Some(next) if next >= end => next,
                _ => text[end..]
                    .find(|c: char| !c.is_whitespace())
                    .map_or(text.len(), |length| end + length),
            };
            next_token = Some(next);
            if stands_behind_something(text, comment.span) {
                trailing.push(comment.span);
                continue;
            }
            let line = source[comment.span.start as usize + 3..end].trim_end();
            let line = line.strip_prefix(' ').unwrap_or(line);
            blocks
                .entry(next)
                .and_modify(|block| {
                    block.text.push('\n');
                    block.text.push_str(line);
                    block.last = comment.span;
                })
                .or_insert_with(|| Block {
                    first: comment.span,
                    last: comment.span,
                    text: line.to_owned(),
                    taken: false,
                });
        }
        Self { blocks, trailing }
    }

    /// The documentation of what begins at a place.
    pub(super) fn take(&mut self, start: usize) -> String {
        match self.blocks.get_mut(&start) {
            Some(block) => {
                block.taken = true;
                block.text.clone()
            }
            None => String::new(),
        }
    }

    /// A warning for all that was not taken.
    pub(super) fn loose(&self, file: FileId) -> Vec<Diagnostic> {
        let loose = self.blocks.values().filter(|block| !block.taken).map(|block| {
            let span = Span::new(file, block.first.start as usize, block.last.end as usize);
            Diagnostic::new(Code::LooseDocumentation, span, "this documents nothing")
                .help("documentation stands in front of a declaration or a member; a plain comment begins with `//`")
        });
        let trailing = self.trailing.iter().map(|span| {
            Diagnostic::new(
                Code::LooseDocumentation,
                *span,
                "documentation behind a member documents nothing",
            )
            .help("move it to the line above the member, or begin it with `//`")
        });
        loose.chain(trailing).collect()
    }
}

fn stands_behind_something(text: &str, span: Span) -> bool {
    let before = &text[..span.start as usize];
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    !line.trim().is_empty()
}
