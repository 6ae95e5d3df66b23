//! Owns silencing findings, by `@allow`: those at its element, and within it.

use super::{Code, Diagnostic, sort};
use crate::model::Allow;

/// Takes away the findings that are allowed where they are, and reports what was allowed and is not found; by place. Only
/// those codes that `is_asked` are looked at.
pub fn silence(
    found: Vec<Diagnostic>,
    allows: &[Allow],
    is_asked: impl Fn(Code) -> bool,
) -> Vec<Diagnostic> {
    let allows: Vec<&Allow> = allows.iter().filter(|it| is_asked(it.code)).collect();
    let mut used = vec![false; allows.len()];
    let mut left = Vec::new();
    for finding in found {
        // The innermost: a name lies in its element, and that in others.
        let around = allows.iter().enumerate().filter(|(_, allow)| {
            let place = finding.span();
            allow.code == finding.code && place.is_some_and(|it| allow.element.contains(it))
        });
        let innermost = around.min_by_key(|(_, allow)| allow.element.end - allow.element.start);
        match innermost {
            Some((index, _)) if finding.can_be_allowed() => used[index] = true,
            _ => left.push(finding),
        }
    }
    let unused = allows.iter().zip(used).filter(|(_, used)| !used);
    left.extend(unused.map(|(allow, _)| unused_allow(allow)));
    sort(&mut left);
    left
}

/// An `@allow` of something that is not there.
fn unused_allow(allow: &Allow) -> Diagnostic {
    let message = format!("nothing here is found by {}", allow.code);
    Diagnostic::new(Code::UnusedAllow, allow.span, message)
        .help("remove it: it would hide what comes later")
        .edit(allow.span, "")
}
