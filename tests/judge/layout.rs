//! What the one layout promises of a text: for `tests/layout.rs`, and for the fuzz target `layout`.

use std::sync::LazyLock;

use regex::Regex;
use rkcy_gen::layout::layout;
use rkcy_gen::syntax::{Sources, parse};

static PLACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"Span \{[^}]*\}").unwrap());
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"//[^\n]*|"(?:\\.|[^"\\])*"|-?[0-9]+(?:\.[0-9]+)?|\w+|[^\s,]"#).unwrap()
});

/// A text in the one layout; `None` where it has syntax errors.
pub(crate) fn laid_out(text: &str) -> Option<String> {
    let mut sources = Sources::new();
    let id = sources.add("t.rkcy", text.as_bytes().to_vec());
    layout(&sources, id).ok()
}

/// The tree of a text, without the places in it.
fn tree(text: &str) -> String {
    let mut sources = Sources::new();
    let id = sources.add("t.rkcy", text.as_bytes().to_vec());
    let tree = format!("{:?}", parse(&sources, id).file);
    PLACES.replace_all(&tree, "_").into_owned()
}

/// Every comment, with how many tokens stand in front of it. Commas do not count: the layout puts them
/// behind the last part of a list, or takes them away.
fn comments(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut before) = (Vec::new(), 0);
    for token in TOKENS.find_iter(text) {
        match token.as_str().starts_with("//") {
            true => found.push((before, token.as_str().trim_end().to_owned())),
            false => before += 1,
        }
    }
    found
}

/// Holds a text against its layout; `false` where it has syntax errors.
pub(crate) fn judge(text: &str) -> bool {
    let Some(once) = laid_out(text) else {
        return false;
    };
    let shown = || format!("--- written\n{text}\n--- laid out\n{once}");
    let twice = laid_out(&once).unwrap_or_else(|| panic!("it is no schema any more\n{}", shown()));
    assert_eq!(once, twice, "the layout is not its own layout\n{}", shown());
    assert!(
        tree(text) == tree(&once),
        "the tree has changed
{}",
        shown()
    );
    assert_eq!(
        comments(text),
        comments(&once),
        "comments have moved\n{}",
        shown()
    );
    assert!(
        !once.lines().any(|line| line.ends_with([' ', '\t'])),
        "{}",
        shown()
    );
    assert!(
        !once.contains("\n\n\n") && !once.starts_with('\n'),
        "{}",
        shown()
    );
    assert!(
        once.is_empty() || once.ends_with('\n') && !once.ends_with("\n\n"),
        "{}",
        shown()
    );
    true
}
