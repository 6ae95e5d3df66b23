//! Owns findings as JSON, one object a finding. The fields are fixed; new ones may come.

use serde::Serialize;

use super::Diagnostic;
use crate::syntax::{Sources, Span};

#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    place: Place<'a>,
    labels: Vec<Labelled<'a>>,
    edits: Vec<Replacement<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    col: u32,
    end_line: u32,
    end_col: u32,
}

#[derive(Serialize)]
struct Labelled<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    text: &'a str,
}

#[derive(Serialize)]
struct Replacement<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    replacement: &'a str,
}

/// A finding as one line of JSON, without the end of line. Lines and columns count from 1, columns
/// in Unicode scalars; the end is the place after the last character.
pub fn json(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let place = match diagnostic.span() {
        Some(span) => place(span, sources),
        None => Place {
            file: "",
            line: 1,
            col: 1,
            end_line: 1,
            end_col: 1,
        },
    };
    let labels = diagnostic.labels.iter().map(|label| Labelled {
        place: self::place(label.span, sources),
        text: &label.text,
    });
    let edits = diagnostic.edits.iter().map(|edit| Replacement {
        place: self::place(edit.span, sources),
        replacement: &edit.replacement,
    });
    let finding = Finding {
        code: diagnostic.code.name(),
        severity: diagnostic.severity().word(),
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        place,
        labels: labels.collect(),
        edits: edits.collect(),
    };
    // Strings and numbers always serialize.
    serde_json::to_string(&finding).unwrap_or_default()
}

fn place(span: Span, sources: &Sources) -> Place<'_> {
    let (start, end) = sources.positions(span);
    Place {
        file: sources.get(span.file).name(),
        line: start.line,
        col: start.column,
        end_line: end.line,
        end_col: end.column,
    }
}
