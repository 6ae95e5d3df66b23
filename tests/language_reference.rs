//! The examples of `docs/language.md` are schemas that the generator takes, and what the page says is
//! refused is refused. What `docs/language-tests.md` names as tests of its rules is there.

// Tests read the schemas that the library is given, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rkcy_gen::check::{Checked, check};
use rkcy_gen::diagnostic::{Code, human};
use rkcy_gen::plan::unbuilt;
use rkcy_gen::syntax::{Sources, load};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PAGE: &str = "docs/language.md";
const INDEX: &str = "docs/language-tests.md";
/// So many rows the index has at least: who takes rules away says so here.
const ROWS: usize = 439;

/// A block of the page, with the line that it begins in.
struct Example {
    line: usize,
    text: String,
}

impl Example {
    /// The name of the file that a block stands for: its first line is `// NAME.rkcy`. Such a block
    /// is read by the blocks that import it.
    fn file(&self) -> Option<&str> {
        let first = self.text.lines().next()?.strip_prefix("// ")?;
        first.ends_with(".rkcy").then_some(first)
    }
}

fn page() -> String {
    read(PAGE)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<Example> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, "```rkcy") => {
                let line = index + 2;
                let text = String::new();
                open = Some(Example { line, text });
            }
            (None, _) => assert!(
                !line.contains("```rkcy"),
                "{PAGE}:{}: a block begins with ```rkcy alone on its line",
                index + 1
            ),
            (Some(_), "```") => found.extend(open.take()),
            (Some(example), _) => {
                example.text.push_str(line);
                example.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "{PAGE}: the last block is not closed");
    found
}

/// What is found in a schema, as it is shown to people; with the names of the files it imports.
fn findings(name: &str, text: &str, files: &BTreeMap<&str, &str>) -> (String, BTreeSet<String>) {
    let mut imported = BTreeSet::new();
    let mut sources = Sources::new();
    let entry = sources.add(name, text.as_bytes().to_vec());
    let unit = load(&mut sources, entry, &mut |path| {
        let file = path.rsplit('/').next().unwrap().to_owned();
        let text = files.get(file.as_str()).ok_or("no block has this name")?;
        imported.insert(file);
        Ok(text.as_bytes().to_vec())
    });
    let Checked { model, diagnostics } = check(unit);
    let shown: String = diagnostics
        .iter()
        .map(|found| human(found, &sources, false))
        .collect();
    assert!(
        model.is_some() || !shown.is_empty(),
        "{name}: no model, and no reason"
    );
    (shown, imported)
}

#[test]
fn every_example_is_a_schema_without_findings() {
    let page = page();
    let examples = examples(&page);
    assert!(!examples.is_empty(), "{PAGE} has no examples");
    let files: BTreeMap<&str, &str> = examples
        .iter()
        .filter_map(|example| Some((example.file()?, example.text.as_str())))
        .collect();
    let mut used = BTreeSet::new();
    let mut wrong = String::new();
    for example in examples.iter().filter(|example| example.file().is_none()) {
        let (shown, imported) = findings(PAGE, &example.text, &files);
        used.extend(imported);
        if !shown.is_empty() {
            wrong.push_str(&format!("the block at {PAGE}:{}\n{shown}\n", example.line));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let unused: Vec<_> = files.keys().filter(|file| !used.contains(**file)).collect();
    assert!(unused.is_empty(), "no block imports {unused:?}");
}

#[test]
fn what_is_not_supported_yet_is_listed() {
    let mut sources = Sources::new();
    let mut all = Vec::new();
    for name in ["effects", "events", "lists", "timers"] {
        let path = format!("schemas/features/{name}.rkcy");
        let entry = sources.add(
            path.as_str(),
            std::fs::read(Path::new(ROOT).join(&path)).unwrap(),
        );
        let unit = load(&mut sources, entry, &mut |_| Err("no imports".to_owned()));
        let missing = unbuilt(&check(unit).model.unwrap());
        assert!(!missing.is_empty(), "{path}");
        all.extend(missing);
    }
    let page = page();
    let list = page.split("## Not supported yet").nth(1).unwrap();
    for found in all {
        assert_eq!(found.code, Code::NotSupportedYet);
        let what = found.message.strip_prefix("not supported yet: ").unwrap();
        // Its words in backticks, or all of it where it has none.
        let words: Vec<&str> = match what.split('`').skip(1).step_by(2).collect::<Vec<_>>() {
            words if words.is_empty() => vec![what],
            words => words,
        };
        for word in words {
            assert!(list.contains(word), "{PAGE} does not list {what}");
        }
    }
}

/// A row of a table of the index.
struct Row<'a> {
    line: usize,
    rule: &'a str,
    /// What is named as testing it.
    tests: &'a str,
}

fn rows(index: &str) -> Vec<Row<'_>> {
    let mut found = Vec::new();
    let lines = index.lines().enumerate();
    for (nth, text) in lines.filter(|(_, text)| text.starts_with('|')) {
        let line = nth + 1;
        let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
        let [rule, tests] = cells[..] else {
            panic!("{INDEX}:{line}: a row is a rule and what tests it");
        };
        if !matches!(rule, "rule" | "---") {
            found.push(Row { line, rule, tests });
        }
    }
    found
}

fn headings(document: &str) -> BTreeSet<&str> {
    let lines = document.lines();
    lines
        .filter(|line| line.starts_with("## ") || line.starts_with("### "))
        .collect()
}

#[test]
fn every_rule_names_a_test_that_exists() {
    let index = read(INDEX);
    let rows = rows(&index);
    assert!(rows.len() >= ROWS, "{INDEX} has only {} rows", rows.len());
    for Row { line, rule, tests } in rows {
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{INDEX}:{line}: nothing tests: {rule}");
        let mut between = tests.split('`').step_by(2).map(str::trim);
        assert!(
            between.all(|text| matches!(text, "" | ",")),
            "{INDEX}:{line}: tests stand in backticks, with `,` between them: {tests}"
        );
        for reference in named {
            let (path, function) = match reference.split_once("::") {
                Some((path, function)) => (path, Some(function)),
                None => (reference, None),
            };
            let is_there = Path::new(ROOT).join(path).is_file();
            assert!(is_there, "{INDEX}:{line}: there is no {path}");
            if let Some(function) = function {
                assert!(
                    read(path).contains(&format!("fn {function}(")),
                    "{INDEX}:{line}: {path} has no function `{function}`"
                );
            }
        }
    }
    let page = page();
    let (wanted, there) = (headings(&page), headings(&index));
    let missing: Vec<_> = wanted.difference(&there).collect();
    assert!(missing.is_empty(), "{INDEX} has no section {missing:?}");
}
