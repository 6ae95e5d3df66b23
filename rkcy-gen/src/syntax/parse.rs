//! Owns the way from the text of a file, and of all files that it imports, to trees.

use super::ast::{File, Item};
use super::explain::ITEM_WORDS;
use super::grammar;
use super::lower::Lower;
use super::platform::Import;
use super::scan::{not_a_schema, scan};
use super::source::{Defect, Source, Sources};
use super::span::{FileId, Span};
use crate::diagnostic::{Code, Diagnostic};

/// A file without any declaration that is longer than this is no schema that somebody begins to
/// write.
const MAX_NOTHING: usize = 4096;

/// What parsing a file gives.
#[derive(Debug)]
pub struct Parsed {
    /// The tree of what could be read.
    pub file: File,
    /// What could not.
    pub diagnostics: Vec<Diagnostic>,
}

/// A file and all that it imports.
#[derive(Debug)]
pub struct Unit {
    /// The files, those that are imported before those that import them; the first named one is last.
    pub files: Vec<File>,
    /// Which file imports which.
    pub imports: Vec<ImportEdge>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
}

/// An import that was followed.
#[derive(Debug, Clone, Copy)]
pub struct ImportEdge {
    /// The `import`.
    pub span: Span,
    /// The file that it names.
    pub target: FileId,
}

/// Parses a file.
pub fn parse(sources: &Sources, id: FileId) -> Parsed {
    let source = sources.get(id);
    let opaque = |comments| File {
        id,
        items: Vec::new(),
        comments,
        opaque: true,
    };
    if let Some(defect) = source.defect() {
        return Parsed {
            file: opaque(Vec::new()),
            diagnostics: vec![not_text(id, defect)],
        };
    }
    let scanned = scan(id, source);
    let mut diagnostics = scanned.diagnostics;
    let Some(text) = scanned.text else {
        return Parsed {
            file: opaque(scanned.comments),
            diagnostics: or_not_a_schema(id, source, diagnostics),
        };
    };
    let Ok(root) = grammar::parse(&text) else {
        diagnostics = vec![not_a_schema(Span::new(id, 0, 0))];
        return Parsed {
            file: opaque(scanned.comments),
            diagnostics,
        };
    };
    let lower = Lower::new(id, source, &text, &scanned.comments, &diagnostics);
    let (mut file, found) = lower.file(root, scanned.comments);
    diagnostics.extend(found);
    if file
        .items
        .iter()
        .all(|item| matches!(item, Item::Broken(_)))
    {
        diagnostics = or_not_a_schema(id, source, diagnostics);
        file.opaque = diagnostics.iter().any(|found| found.code.is_unreadable());
    }
    crate::diagnostic::sort(&mut diagnostics);
    Parsed { file, diagnostics }
}

fn not_text(id: FileId, defect: Defect) -> Diagnostic {
    match defect {
        Defect::NotUtf8(at) => Diagnostic::new(
            Code::NotText,
            Span::new(id, at, at),
            format!("this file is not UTF-8 text: byte {at} begins no character"),
        )
        .help("save it as UTF-8"),
        Defect::TooLarge(bytes) => {
            let most = super::source::MAX_FILE_BYTES >> 20;
            Diagnostic::new(
                Code::NotText,
                Span::new(id, 0, 0),
                format!("this file has {bytes} bytes, a schema at most {most} MiB"),
            )
        }
    }
}

/// Replaces what was found in a long text that declares nothing by the one thing worth saying.
fn or_not_a_schema(id: FileId, source: &Source, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let text = source.text();
    if text.len() < MAX_NOTHING
        || diagnostics.iter().any(|found| found.code.is_unreadable())
        || declares_something(text)
    {
        return diagnostics;
    }
    let Some(first) = diagnostics
        .iter()
        .filter(|found| found.is_error())
        .filter_map(Diagnostic::span)
        .min()
    else {
        return diagnostics;
    };
    vec![not_a_schema(Span::new(
        id,
        first.start as usize,
        first.start as usize,
    ))]
}

/// Whether a line begins like a declaration.
fn declares_something(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let first = words.next().is_some_and(|word| ITEM_WORDS.contains(&word));
        let named = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"')
        };
        first && words.next().is_some_and(named)
    })
}

/// Parses a file and all that it imports. `read` gives the bytes of a file by its path, or says why
/// it cannot; paths are those of the importing file with the import's path put beside it.
pub fn load(
    sources: &mut Sources,
    entry: FileId,
    read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
) -> Unit {
    let mut unit = Unit {
        files: Vec::new(),
        imports: Vec::new(),
        diagnostics: Vec::new(),
    };
    let mut loader = Loader {
        sources,
        read,
        visited: Vec::new(),
        pending: vec![Visit::Enter(entry)],
    };
    while let Some(visit) = loader.pending.pop() {
        match visit {
            Visit::Enter(id) => loader.enter(id, &mut unit),
            Visit::Leave(parsed) => unit.files.push(parsed),
        }
    }
    unit
}

struct Loader<'a> {
    sources: &'a mut Sources,
    read: &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    visited: Vec<FileId>,
    /// A stack of its own: a chain of imports may be as long as it likes.
    pending: Vec<Visit>,
}

enum Visit {
    Enter(FileId),
    Leave(File),
}

impl Loader<'_> {
    fn enter(&mut self, id: FileId, unit: &mut Unit) {
        if self.visited.contains(&id) {
            return;
        }
        self.visited.push(id);
        let parsed = parse(self.sources, id);
        unit.diagnostics.extend(parsed.diagnostics);
        let imports: Vec<Import> = parsed
            .file
            .items
            .iter()
            .filter_map(import)
            .cloned()
            .collect();
        self.pending.push(Visit::Leave(parsed.file));
        let mut seen: Vec<(FileId, Span)> = Vec::new();
        let mut enter = Vec::new();
        for import in imports {
            let path = beside(self.sources.get(id).name(), &import.path);
            let known = self
                .sources
                .ids()
                .find(|id| clean(self.sources.get(*id).name()) == path);
            let target = match known {
                Some(target) => target,
                None => match (self.read)(&path) {
                    Ok(bytes) => self.sources.add(path, bytes),
                    Err(why) => {
                        unit.diagnostics.push(
                            Diagnostic::new(
                                Code::UnreadableImport,
                                import.path_span,
                                format!("`{}` cannot be read: {why}", import.path),
                            )
                            .help("the path is relative to the file with the `import`"),
                        );
                        continue;
                    }
                },
            };
            match seen.iter().find(|(earlier, _)| *earlier == target) {
                Some((_, first)) => unit.diagnostics.push(
                    Diagnostic::new(
                        Code::ImportedTwice,
                        import.span,
                        format!("`{}` is imported twice", import.path),
                    )
                    .label(*first, "first here")
                    .help("remove this one")
                    .edit(import.span, ""),
                ),
                None => {
                    unit.imports.push(ImportEdge {
                        span: import.span,
                        target,
                    });
                    seen.push((target, import.span));
                    enter.push(Visit::Enter(target));
                }
            }
        }
        self.pending.extend(enter.into_iter().rev());
    }
}

fn import(item: &Item) -> Option<&Import> {
    match item {
        Item::Import(import) => Some(import),
        _ => None,
    }
}

/// The path of an import, put beside the file that it stands in; `a/../b` is `b`.
fn beside(file: &str, import: &str) -> String {
    let directory = file.rfind('/').map_or("", |end| &file[..=end]);
    clean(&if import.starts_with('/') {
        import.to_owned()
    } else {
        format!("{directory}{import}")
    })
}

/// One path for one file, as far as its text tells.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts
                .last()
                .is_some_and(|last| !last.is_empty() && *last != "..") =>
            {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn imports_are_relative_to_their_file() {
        assert_eq!(beside("schemas/a.rkcy", "b.rkcy"), "schemas/b.rkcy");
        assert_eq!(beside("schemas/a.rkcy", "./x/../b.rkcy"), "schemas/b.rkcy");
        assert_eq!(beside("a.rkcy", "../b.rkcy"), "../b.rkcy");
        assert_eq!(beside("/s/a.rkcy", "/t/b.rkcy"), "/t/b.rkcy");
    }
}
