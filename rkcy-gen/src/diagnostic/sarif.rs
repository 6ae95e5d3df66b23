//! Owns findings as SARIF 2.1.0 (OASIS, 2020), which editors and code hosts read.

use serde_json::{Value, json};

use super::{Code, Diagnostic};
use crate::syntax::{Sources, Span};

/// One result of a SARIF run: a finding, with its places and its fix.
pub fn sarif_result(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let mut text = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        text.push_str(". Help: ");
        text.push_str(help);
    }
    // Its levels have the words of ours.
    let level = diagnostic.severity().word();
    let rule = diagnostic.code.name();
    let mut result = json!({ "ruleId": rule, "level": level, "message": { "text": text } });
    let mut labels = diagnostic.labels.iter();
    if let Some(first) = labels.next() {
        result["locations"] = json!([{ "physicalLocation": place(first.span, sources) }]);
    }
    let related = labels.enumerate().map(|(nth, label)| {
        let (place, text) = (place(label.span, sources), &label.text);
        json!({ "id": nth + 1, "physicalLocation": place, "message": { "text": text } })
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if !diagnostic.edits.is_empty() {
        let changes = diagnostic.edits.iter().map(|edit| {
            let place = place(edit.span, sources);
            let replacement = json!({
                "deletedRegion": place["region"],
                "insertedContent": { "text": edit.replacement },
            });
            json!({ "artifactLocation": place["artifactLocation"], "replacements": [replacement] })
        });
        let changes: Vec<Value> = changes.collect();
        let description = diagnostic.help.as_deref().unwrap_or("put it right");
        result["fixes"] = json!([{
            "description": { "text": description },
            "artifactChanges": changes,
        }]);
    }
    result
}

/// A log of one run: the results of all files that were checked.
pub fn sarif(results: &[Value]) -> String {
    let rules = Code::ALL.iter().map(|code| {
        json!({
            "id": code.name(),
            "shortDescription": { "text": code.title() },
            "help": { "text": code.text() },
            "defaultConfiguration": { "level": code.severity().word() },
        })
    });
    let driver = json!({
        "name": "rkcy-gen",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules.collect::<Vec<Value>>(),
    });
    let log = json!({
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            // Columns are counted in Unicode scalars, as everywhere.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    log.to_string()
}

/// Where a span is: the end is the place after its last character.
fn place(span: Span, sources: &Sources) -> Value {
    let (start, end) = sources.positions(span);
    json!({
        "artifactLocation": { "uri": uri(sources.get(span.file).name()) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    })
}

/// A path as a reference of RFC 3986: what may not stand in one is written by its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
