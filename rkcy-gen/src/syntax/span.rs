//! Owns places in source text: a file's id and a range of bytes in it.
//! Lines and columns are made out of them in `source`, and nowhere else.

/// Which file of a build. Files are numbered in the order in which they were added to a `Sources`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u32);

impl FileId {
    /// The position of the file in its `Sources`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of bytes in one file. Orders by file, then by start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of the given bytes of a file.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        // Files are limited to less than 4 GiB when they are added to `Sources`.
        Self {
            file,
            start: start as u32,
            end: end as u32,
        }
    }

    /// From the start of this one to the end of the other; the other must lie in the same file.
    pub fn to(self, other: Span) -> Span {
        debug_assert_eq!(self.file, other.file, "a span does not cross files");
        Span {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Like `to`, but where the two lie in different files it is the other one alone.
    pub(crate) fn to_end(self, other: Span) -> Span {
        if self.file == other.file && self.start <= other.start {
            self.to(other)
        } else {
            other
        }
    }

    /// The first bytes of this one.
    pub(crate) fn first(self, bytes: u32) -> Span {
        Span {
            end: self.end.min(self.start + bytes),
            ..self
        }
    }

    /// The empty span where this one begins.
    pub fn before(self) -> Span {
        Span {
            end: self.start,
            ..self
        }
    }

    /// The empty span right after this one.
    pub fn after(self) -> Span {
        Span {
            start: self.end,
            ..self
        }
    }

    /// Whether the other span lies in this one.
    pub fn contains(self, other: Span) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }
}
