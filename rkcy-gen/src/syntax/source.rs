//! Owns the text of the files of a build, and the one conversion from bytes to lines and columns.

use super::span::{FileId, Span};

/// Files larger than this are refused: a span counts bytes in 32 bits, and no schema is this long.
pub const MAX_FILE_BYTES: usize = 64 << 20;

/// All files of a build.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// One file: its name, its text, and where its lines begin.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<u32>,
    defect: Option<Defect>,
}

/// Why a file is not text that can be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Not UTF-8 from this byte on.
    NotUtf8(usize),
    /// Longer than `MAX_FILE_BYTES`.
    TooLarge(usize),
}

/// A place as people and editors count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1. A line ends with LF, so CRLF is one end.
    pub line: u32,
    /// The column, from 1, in Unicode scalars; a tab is one column.
    pub column: u32,
}

impl Sources {
    /// An empty set of files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. Bytes that are no text are kept as far as they can be shown; parsing the file
    /// then gives the error. A byte order mark is skipped.
    pub fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) -> FileId {
        let id = FileId(self.files.len() as u32);
        self.files.push(Source::new(name.into(), bytes));
        id
    }

    /// The file with an id of this set.
    pub fn get(&self, id: FileId) -> &Source {
        &self.files[id.index()]
    }

    /// The ids of all files, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..self.files.len() as u32).map(FileId)
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file)
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// Where a span begins and ends; the end is the place right after its last character.
    pub fn positions(&self, span: Span) -> (Position, Position) {
        let source = self.get(span.file);
        (
            source.position(span.start as usize),
            source.position(span.end as usize),
        )
    }
}

impl Source {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        let mut defect = None;
        let mut text = if bytes.len() > MAX_FILE_BYTES {
            defect = Some(Defect::TooLarge(bytes.len()));
            String::new()
        } else {
            String::from_utf8(bytes).unwrap_or_else(|error| {
                let valid = error.utf8_error().valid_up_to();
                defect = Some(Defect::NotUtf8(valid));
                let mut bytes = error.into_bytes();
                bytes.truncate(valid);
                String::from_utf8(bytes).unwrap_or_default()
            })
        };
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
            if let Some(Defect::NotUtf8(at)) = &mut defect {
                *at = at.saturating_sub('\u{feff}'.len_utf8());
            }
        }
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(ends.map(|(at, _)| at as u32 + 1))
            .collect();
        Self {
            name,
            text,
            line_starts,
            defect,
        }
    }

    /// All of a line, from 1; of the file with this id.
    pub fn line(&self, line: usize, file: FileId) -> Span {
        let start = self.line_starts.get(line.saturating_sub(1));
        let start = start.map_or(self.text.len(), |start| *start as usize);
        let length = self.text[start..].lines().next().map_or(0, str::len);
        Span::new(file, start, start + length)
    }

    /// The name under which the file was added: a path as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text, without a byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn defect(&self) -> Option<Defect> {
        self.defect
    }

    /// Line and column of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.line_of(offset);
        let start = self.line_starts[line] as usize;
        // Counts scalars by their first bytes, so that an offset inside one does no harm.
        let before = &self.text.as_bytes()[start..offset];
        let column = before.iter().filter(|byte| (**byte as i8) >= -0x40).count();
        Position {
            line: line as u32 + 1,
            column: column as u32 + 1,
        }
    }

    /// The index, from 0, of the line that a byte is in.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start as usize <= offset)
            - 1
    }

    /// The bytes of a line, counted from 0, with its end.
    pub(crate) fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let start = self
            .line_starts
            .get(line)
            .map_or(self.text.len(), |start| *start as usize);
        let end = self
            .line_starts
            .get(line + 1)
            .map_or(self.text.len(), |start| *start as usize);
        start..end
    }

    pub(crate) fn line_count(&self) -> usize {
        self.line_starts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, offset: usize) -> (u32, u32) {
        let mut sources = Sources::new();
        let file = sources.add("t", text.as_bytes().to_vec());
        let at = sources.get(file).position(offset);
        (at.line, at.column)
    }

    #[test]
    fn columns_count_scalars() {
        assert_eq!(position("äöü x", "äöü ".len()), (1, 5));
        assert_eq!(
            position("👩‍🚀x", "👩‍🚀".len()),
            (1, 4),
            "three scalars make one picture"
        );
    }

    #[test]
    fn a_tab_is_one_column() {
        assert_eq!(position("\t\tx", 2), (1, 3));
    }

    #[test]
    fn crlf_is_one_end_of_line() {
        assert_eq!(position("a\r\nb", 3), (2, 1));
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        assert_eq!(position("\u{feff}ab", 1), (1, 2));
    }

    #[test]
    fn the_end_of_the_text_has_a_position() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\n", 2), (2, 1));
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn bytes_that_are_no_text_are_noticed() {
        let mut sources = Sources::new();
        let file = sources.add("t", b"ok\xff".to_vec());
        assert_eq!(sources.get(file).defect(), Some(Defect::NotUtf8(2)));
        assert_eq!(sources.get(file).text(), "ok");
    }
}
