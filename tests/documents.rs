//! What the documents say: their links and paths lead somewhere, their examples are what they claim.
//!
//! In the documents at the top and in `docs/`, a link is relative to its document; a path in backticks
//! is one from the root of the repository, or the end of exactly one. An `rkcy` block is a schema (those of `docs/language.md` have
//! `language_reference` to themselves). A `rust` block names its file (` ```rust examples/… `) and stands
//! there line by line; `…` leaves lines out.

// Tests read the repository, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use rkcy_gen::check::check;
use rkcy_gen::diagnostic::{Code, human};
use rkcy_gen::model::{Digits, Scalar};
use rkcy_gen::syntax::{Sources, load};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents, as paths from the root, with their text.
fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["", "docs/"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                let path = format!("{folder}{name}");
                let text = read(&path);
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    found.sort();
    found
}

/// A block between fences: what stands behind the first fence, and its text.
struct Block {
    info: String,
    text: String,
}

/// The blocks of a document, and the rest of it.
fn split(document: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for line in document.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, Some(info)) => {
                open = Some(Block {
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    (blocks, prose)
}

/// The anchor that a heading has on the web.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter_map(|char| match char {
        ' ' => Some('-'),
        char if char.is_alphanumeric() || "-_".contains(char) => Some(char),
        _ => None,
    });
    kept.collect()
}

fn anchors(document: &str) -> BTreeSet<String> {
    let (_, prose) = split(document);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    for (path, text) in documents() {
        let (_, prose) = split(&text);
        for found in link.captures_iter(&prose) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&path).parent().unwrap();
            let file = match file {
                "" => Path::new(&path).to_owned(),
                file => folder.join(file),
            };
            let full = Path::new(ROOT).join(&file);
            assert!(full.exists(), "{path}: the link {target} leads nowhere");
            if !place.is_empty() {
                let there = anchors(&std::fs::read_to_string(full).unwrap());
                assert!(
                    there.contains(place),
                    "{path}: {target}: no such heading, there are {there:?}"
                );
            }
        }
    }
}

/// Every file and folder of the repository, as paths from the root; without what a build makes.
fn tree(folder: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}{}", entry.file_name().to_str().unwrap());
        if matches!(path.as_str(), ".git" | "target" | "data") {
            continue;
        }
        // The generator's templates are reached by a link as well.
        if entry.file_type().unwrap().is_dir() {
            tree(&format!("{path}/"), found);
        }
        found.push(path);
    }
}

#[test]
fn paths_exist() {
    let code = Regex::new(r"`([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*/?)`").unwrap();
    let mut all = Vec::new();
    tree("", &mut all);
    let names_a_file = |named: &str| {
        let ends = [".rs", ".jinja", ".rkcy", ".lock", ".pest"];
        let first = named.split('/').next().unwrap_or_default();
        let from_the_root = named.contains('/') && all.iter().any(|path| path == first);
        from_the_root
            || ends
                .iter()
                .any(|end| named.len() > end.len() && named.ends_with(end))
    };
    for (path, text) in documents() {
        let (_, prose) = split(&text);
        for found in code.captures_iter(&prose) {
            let named = found[1].trim_end_matches('/');
            // What a build leaves behind, what it makes for every schema, and a platform of the reader's.
            let made = named.starts_with("target/") || named.starts_with("src/");
            let readers = named == "NAME.lock" || named.contains("/bank");
            if made || readers || !names_a_file(named) {
                continue;
            }
            let end = format!("/{named}");
            let count = match all.iter().any(|path| path == named) {
                true => 1,
                false => all.iter().filter(|path| path.ends_with(&end)).count(),
            };
            assert_eq!(
                count, 1,
                "{path}: so many files are meant by `{named}`; a path is one from the root, or the \
                 end of exactly one"
            );
        }
    }
}

#[test]
fn examples_in_rust_are_those_of_the_repository() {
    for (path, text) in documents() {
        for block in split(&text).0 {
            let Some(file) = block.info.strip_prefix("rust ") else {
                assert_ne!(block.info, "rust", "{path}: a `rust` block names its file");
                continue;
            };
            let source = read(file);
            let mut rest = source.lines().map(str::trim);
            for line in block.text.lines().map(str::trim) {
                let skips = line == "…" || line.is_empty();
                assert!(
                    skips || rest.any(|there| there == line),
                    "{path}: `{line}` does not stand in {file}, or not in this order"
                );
            }
        }
    }
}

#[test]
fn schemas_in_documents_are_right() {
    let mut checked = 0;
    let documents = documents().into_iter();
    for (path, text) in documents.filter(|(path, _)| path != "docs/language.md") {
        let blocks = split(&text).0.into_iter();
        for block in blocks.filter(|block| block.info == "rkcy") {
            let mut sources = Sources::new();
            let entry = sources.add(path.as_str(), block.text.into_bytes());
            let unit = load(&mut sources, entry, &mut |_| {
                Err("there are no files here".to_owned())
            });
            let found: Vec<String> = (check(unit).diagnostics.iter())
                .map(|found| human(found, &sources, false))
                .collect();
            assert!(found.is_empty(), "{path}:\n{}", found.join("\n"));
            checked += 1;
        }
    }
    assert!(checked > 0, "the README has a schema");
}

#[test]
fn codes_in_documents_exist() {
    let code = Regex::new(r"RKCY[0-9]{4}").unwrap();
    for (path, text) in documents() {
        for found in code.find_iter(&text) {
            let name = found.as_str();
            assert!(Code::find(name).is_some(), "{path}: there is no {name}");
        }
    }
}

/// The rows of the first table under a heading: what stands first in backticks in each cell.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let from = (document.find(heading)).unwrap_or_else(|| panic!("there is no `{heading}`"));
    let lines = document[from..].lines();
    let rows = lines
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells
            .map(|cell| cell.split('`').nth(1).unwrap_or_default().to_owned())
            .collect()
    };
    rows.skip(2).map(cells).collect()
}

/// The table of types in the reference, against what the generator makes of each.
#[test]
fn the_table_of_types_is_what_is_generated() {
    let snapshot = |name: &str| read(&format!("tests/snapshots/generate__scalars__{name}.snap"));
    let rust = snapshot("src-generated-everything.rs");
    let proto = snapshot("proto-scalars.proto");
    let sqlite = snapshot("migrations-sqlite-0001_init.up.sql");
    let postgres = snapshot("migrations-postgres-0001_init.up.sql");
    let rows = table(&read("docs/language.md"), "### Types");
    let words = Scalar::WORDS.map(|scalar| (scalar.word(), scalar.word().to_owned()));
    let decimal = Digits::new(10, 2).map(Scalar::Decimal).unwrap();
    for (word, written) in words
        .into_iter()
        .chain([(decimal.word(), decimal.to_string())])
    {
        let row =
            (rows.iter().find(|row| row[0] == written)).unwrap_or_else(|| panic!("no {written}"));
        let [_, in_proto, in_postgres, in_sqlite, in_rust, ..] = row.as_slice() else {
            panic!("{word}: too few columns");
        };
        let holds = |text: &str, wanted: String| {
            assert!(
                text.contains(&wanted),
                "{word}: `{wanted}` is not generated"
            );
        };
        holds(
            &rust.replace("codegen::", ""),
            format!("pub a_{word}: {in_rust},"),
        );
        holds(&proto, format!("\n  {in_proto} a_{word} = "));
        holds(&sqlite, format!("\"a_{word}\" {in_sqlite} NOT NULL"));
        holds(&postgres, format!("\"a_{word}\" {in_postgres} NOT NULL"));
    }
    for (written, of_i64, named) in [
        ("[T]", "repeated int64", "many"),
        ("map<string, T>", "map<string, int64>", "named"),
    ] {
        let row =
            (rows.iter().find(|row| row[0] == written)).unwrap_or_else(|| panic!("no {written}"));
        let in_rust = row[4].replace('T', "i64");
        let ty = format!("pub {named}_i64: {in_rust},");
        assert!(rust.replace("codegen::", "").contains(&ty), "{ty}");
        let field = format!("\n  {of_i64} {named}_i64 = ");
        assert!(proto.contains(&field), "{field}");
        let column = format!("\"{named}_i64\" {} NOT NULL", row[2]);
        assert!(postgres.contains(&column), "{column}");
    }
}

/// The simulator's faults and the engine's seeded bugs are all described.
#[test]
fn faults_and_bugs_are_described() {
    let document = read("docs/simulator.md");
    for (file, kind) in [
        ("rkcy-runtime/src/simulate/faults.rs", "Fault"),
        ("rkcy-core/src/bugs.rs", "Bug"),
    ] {
        let named = Regex::new(&format!(r#"\(\s*"([a-z-]+)",\s*{kind}::"#)).unwrap();
        let source = read(file);
        let names: Vec<&str> = named
            .captures_iter(&source)
            .filter_map(|found| found.get(1).map(|name| name.as_str()))
            .collect();
        assert!(names.len() > 10, "{file}: {names:?}");
        for name in names {
            assert!(
                document.contains(&format!("`{name}`")),
                "docs/simulator.md: `{name}`"
            );
        }
    }
}

/// Every code in the tables of `docs/errors.md` is one that the sources give.
#[test]
fn codes_of_faults_exist() {
    let quoted = Regex::new(r"`([a-z]+(?:_[a-z]+)*)`").unwrap();
    let mut sources = String::new();
    for folder in ["rkcy-core/src", "rkcy-runtime/src"] {
        append(&Path::new(ROOT).join(folder), &mut sources);
    }
    let document = read("docs/errors.md");
    let mut known = 0;
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let first = line
            .trim_start_matches('|')
            .split('|')
            .next()
            .unwrap_or_default();
        for code in quoted.captures_iter(first) {
            let code = &code[1];
            assert!(
                sources.contains(&format!("\"{code}\"")),
                "nothing gives `{code}`"
            );
            known += 1;
        }
    }
    assert!(known > 30, "only {known} codes are listed");
}

fn append(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *sources += &std::fs::read_to_string(path).unwrap();
        }
    }
}
