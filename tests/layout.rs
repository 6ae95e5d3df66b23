//! The one layout: it changes nothing that a schema says, keeps every comment where it was, and is the
//! layout of what it gives.

// Tests read the schemas of the repository, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "judge/layout.rs"]
mod judge;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use judge::{judge, laid_out};
use regex::Regex;

/// Tokens, comments and what stands between them.
static PIECES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"//[^\n]*|"(?:\\.|[^"\\])*"|-?[0-9]+(?:\.[0-9]+)?|\w+|\s+|."#).unwrap()
});

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn schemas(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path
            .extension()
            .is_some_and(|extension| extension == "rkcy")
        {
            true => found.push(path),
            false if path.is_dir() => schemas(&path, found),
            false => {}
        }
    }
}

fn texts() -> Vec<String> {
    let mut paths = Vec::new();
    schemas(&Path::new(ROOT).join("schemas"), &mut paths);
    paths.sort();
    let text = |path: &PathBuf| String::from_utf8(std::fs::read(path).unwrap()).ok();
    paths.iter().filter_map(text).collect()
}

#[test]
fn every_schema_says_the_same_in_its_layout() {
    let texts = texts();
    let judged = texts.iter().filter(|text| judge(text)).count();
    assert!(
        judged > 100,
        "only {judged} of {} schemas can be read",
        texts.len()
    );
}

/// Numbers that look random and are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}

/// Puts something between two tokens, or takes away, repeats or joins what stands there.
fn mutate(text: &str, numbers: &mut Numbers) -> String {
    const INSERTED: [&str; 15] = [
        " ",
        "\n",
        "\n\n",
        "\n\n\n",
        "\t",
        "\r\n",
        " // c\n",
        "\n// own line\n",
        "\n/// doc\n",
        "//\n",
        " //// x \n",
        ",",
        "\n\n// a\n\n// b\n\n",
        "  ",
        " = 1 ",
    ];
    let mut pieces: Vec<&str> = PIECES.find_iter(text).map(|piece| piece.as_str()).collect();
    for _ in 0..1 + numbers.below(4) {
        let at = numbers.below(pieces.len());
        match numbers.below(8) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, pieces[at]),
            2 if pieces[at].trim().is_empty() => pieces[at] = " ",
            3 if pieces[at].trim().is_empty() => pieces[at] = "\n",
            _ => pieces.insert(at, INSERTED[numbers.below(INSERTED.len())]),
        }
        if pieces.is_empty() {
            break;
        }
    }
    pieces.concat()
}

/// `LAYOUT_MUTATIONS`: how many; 100,000 are meant.
#[test]
fn mutated_schemas_say_the_same_in_their_layout() {
    let count = std::env::var("LAYOUT_MUTATIONS").map_or(100_000, |text| text.parse().unwrap());
    // Declarations one by one, so that a mutation costs little.
    let start = Regex::new(r"(?m)^(?:///[^\n]*\n)*(?:platform|import|concern|config|message|event|enum|transaction|saga|function|effect) ").unwrap();
    let mut pieces = Vec::new();
    for text in texts() {
        let starts: Vec<usize> = start.find_iter(&text).map(|found| found.start()).collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let piece = |(start, end): (&usize, usize)| text[*start..end].to_owned();
        pieces.extend(
            starts
                .iter()
                .zip(ends)
                .map(piece)
                .filter(|piece| piece.len() < 1_000),
        );
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut judged = 0_usize;
    for _ in 0..count {
        let piece = &pieces[numbers.below(pieces.len())];
        judged += usize::from(judge(&mutate(piece, &mut numbers)));
    }
    assert!(judged * 3 > count, "only {judged} of {count} could be read");
}

#[track_caller]
fn becomes(text: &str, wanted: &str) {
    assert_eq!(laid_out(text).unwrap(), wanted);
}

#[test]
fn fields_stand_in_columns_and_defaults_last() {
    becomes(
        "message A{a:i64=1@min(0)\nlonger : [string]@length(..=3)// why\n\nb:map<string,i32>?}",
        "message A {\n    a:      i64 @min(0) = 1\n    longer: [string] @length(..=3)  // why\n\n    b: map<string, i32>?\n}\n",
    );
}

#[test]
fn what_was_written_on_one_line_stays_there_if_it_fits() {
    becomes("enum E { a b\tc }", "enum E { a  b  c }\n");
    becomes("enum E { a\nb }", "enum E {\n    a\n    b\n}\n");
}

#[test]
fn what_does_not_fit_is_broken_at_its_longest_brackets() {
    let fields: Vec<String> = (0..8).map(|n| format!("parameter_{n}: string")).collect();
    let text = format!("transaction t({}) refuses a {{ }}", fields.join(","));
    let wanted = format!(
        "transaction t(\n    {},\n) refuses a {{}}\n",
        fields.join(",\n    ")
    );
    becomes(&text, &wanted);
}

#[test]
fn the_comma_of_a_map_separates_no_parts() {
    let name = "n".repeat(80);
    becomes(
        &format!("transaction {name}(a: map<string,string>, b: i64) {{ A[a].b(b) }}"),
        &format!(
            "transaction {name}(\n    a: map<string, string>,\n    b: i64,\n) {{\n    A[a].b(b)\n}}\n"
        ),
    );
}

#[test]
fn declarations_of_several_lines_stand_apart() {
    becomes(
        "import \"a\"\nimport \"b\"\n\n\n// of c\nmessage C {\n\n a: i32\n\n}\nmessage D { b: i32 }\nmessage E { b: i32 }",
        "import \"a\"\nimport \"b\"\n\n// of c\nmessage C {\n    a: i32\n}\n\nmessage D { b: i32 }\nmessage E { b: i32 }\n",
    );
}

#[test]
fn comments_stay_where_they_were() {
    becomes(
        "transaction t( // parameters\n a: A, // first\n // last\n b: B) { // body\n f.g(a) // one\n  longer.step(b) // two\n\n // end\n}",
        "transaction t(  // parameters\n    a: A,  // first\n    // last\n    b: B,\n) {  // body\n    f.g(a)          // one\n    longer.step(b)  // two\n\n    // end\n}\n",
    );
}

#[test]
fn a_comment_stays_where_the_comma_behind_it_goes() {
    becomes(
        "concern D {\n    key id: uuid\n    only create // why\n    , config: bool\n}\n",
        "concern D {\n    key id: uuid\n    only create  // why\n    config: bool\n}\n",
    );
}

#[test]
fn lists_timers_effects_and_events_have_their_layout() {
    becomes(
        "concern D{key id:uuid at:timestamp desc:i64 list a by desc desc,at, list b by id\nat at run c( self )at at delete command c()}",
        "concern D {\n    key id: uuid\n    at:   timestamp\n    desc: i64\n    list a by desc desc, at\n    list b by id\n    at at run c(self)\n    at at delete\n    command c()\n}\n",
    );
    becomes(
        "event E{a:i64}effect f(a:i64)->i64 undo g refuses a,b saga s(){f(1)emit E{a:1}}",
        "event E { a: i64 }\neffect f(a: i64) -> i64 undo g refuses a, b\nsaga s() { f(1)  emit E { a: 1 } }\n",
    );
}

#[test]
fn a_comment_behind_a_line_that_was_broken_stands_as_near_as_behind_any_other() {
    becomes(
        "concern D {\n    key id: uuid\n    without delete, /// doc\n    update // c\n    command retire()\n}\n",
        "concern D {\n    key id: uuid\n    without delete,  /// doc\n        update  // c\n    command retire()\n}\n",
    );
}

#[test]
fn a_syntax_error_is_told_and_nothing_else() {
    assert_eq!(laid_out("message A { a: }"), None);
    assert_eq!(laid_out("message A {"), None);
}
