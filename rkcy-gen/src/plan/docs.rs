//! Owns documentation on its way from a schema into rustdoc, protobuf and SQL: it is other people's
//! Markdown, and must neither break the comment that it stands in nor be compiled as an example.

/// The lines of a documentation comment for Rust or protobuf; the `fallback` where there is none.
pub(super) fn lines(docs: &str, fallback: &str) -> Vec<String> {
    if docs.trim().is_empty() {
        return if fallback.is_empty() {
            Vec::new()
        } else {
            vec![code(fallback)]
        };
    }
    let mut lines = Vec::new();
    let mut fence: Option<&str> = None;
    let mut list = 0;
    for line in docs.trim_matches('\n').lines() {
        let line = line.trim_end().replace('\t', "    ");
        let text = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| text.starts_with(mark));
        if let Some(open) = fence {
            if mark == Some(open) {
                fence = None;
            }
            lines.push(line);
            continue;
        }
        if let Some(mark) = mark {
            // Without a language, rustdoc would compile it.
            fence = Some(mark);
            lines.push(format!("{mark}text"));
            continue;
        }
        if text.is_empty() {
            list = 0;
            lines.push(String::new());
            continue;
        }
        let marker = list_marker(text);
        if marker > 0 {
            list = marker;
            lines.push(text.to_owned());
        } else {
            // Lines of a list item stand under its text; elsewhere four spaces would be an example.
            lines.push(format!("{}{text}", " ".repeat(list)));
        }
    }
    if let Some(mark) = fence {
        lines.push(mark.to_owned());
    }
    lines.dedup_by(|next, before| next.is_empty() && before.is_empty());
    lines
}

/// The first paragraph, in one line.
pub(super) fn first_paragraph(docs: &str) -> String {
    let lines = docs
        .trim()
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// Code in Markdown, also where it holds backticks.
pub(super) fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// How wide the marker of a list item is, with the space behind it; 0 where there is none.
fn list_marker(text: &str) -> usize {
    if ["- ", "* ", "+ "]
        .iter()
        .any(|marker| text.starts_with(marker))
    {
        return 2;
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[digits..];
    if (1..=9).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") ")) {
        return digits + 2;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_fence_is_no_example() {
        assert_eq!(
            lines("a\n```\nlet x;", ""),
            ["a", "```text", "let x;", "```"]
        );
        assert_eq!(lines("    indented", ""), ["indented"]);
    }

    #[test]
    fn lists_keep_their_shape() {
        assert_eq!(lines("- a\nb\n\nc", ""), ["- a", "  b", "", "c"]);
        assert_eq!(lines("10. a\n  b", ""), ["10. a", "    b"]);
    }

    #[test]
    fn without_documentation_the_schema_is_shown() {
        assert_eq!(lines("", "x: i64"), ["`x: i64`"]);
        assert_eq!(lines("", "x = \"`\""), ["`` x = \"`\" ``"]);
        assert_eq!(first_paragraph("a\nb\n\nc"), "a b");
    }
}
