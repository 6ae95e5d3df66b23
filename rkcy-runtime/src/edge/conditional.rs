//! Conditional requests (RFC 9110, section 13): entity tags of instances, and what a request expects of them.
//!
//! Owns the layout of an entity tag: `"TAG-SCHEMA"`, both hexadecimal. TAG is that of the instance's value, which the
//! engine compares; SCHEMA is there since the same value is other JSON by another schema, for whoever keeps answers.

use super::problem::Problem;
use super::rest::wrong_header;
use crate::codegen::{Expected, Tag};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
pub(super) use rkcy_core::expect::UNMET;

/// The entity tag of an instance.
pub(super) fn entity_tag(value: &[u8], schema: u64) -> String {
    let tag = crate::codegen::hex(&Tag::of(value).0);
    format!("\"{tag}-{schema:016x}\"")
}

/// What a request says of the instance that its path names.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// `If-Match`: else it is not done.
    pub(super) wanted: Option<Expected>,
    /// `If-None-Match`: the entity tags that the caller has; `*` for any.
    known: Option<Vec<String>>,
}

impl Conditions {
    pub(super) fn read(headers: &HeaderMap) -> Result<Conditions, Problem> {
        let wanted = listed(headers, &header::IF_MATCH)?;
        let known = listed(headers, &header::IF_NONE_MATCH)?;
        Ok(Conditions {
            wanted: wanted.map(expected),
            known: known.map(|tags| tags.iter().map(|tag| weak(tag).to_owned()).collect()),
        })
    }

    /// Nothing may be said of an instance by a request that names none, or does not answer with one.
    pub(super) fn refuse(headers: &HeaderMap, name: &HeaderName) -> Result<(), Problem> {
        match headers.contains_key(name) {
            true => Err(Conditions::none_taken(name)),
            false => Ok(()),
        }
    }

    pub(super) fn none_taken(name: &HeaderName) -> Problem {
        wrong_header(name.as_str(), "what is asked for cannot depend on it")
    }

    /// Whether the caller has what it asks for already.
    pub(super) fn has(&self, tag: &str) -> bool {
        let mut known = self.known.iter().flatten();
        known.any(|known| known == tag || known == ANY)
    }
}

const ANY: &str = "*";

/// A tag is compared without its mark of weakness, for who asks whether to send an answer again.
fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The value that each entity tag names. One that is weak, or was not made here, is that of no instance.
fn expected(tags: Vec<String>) -> Expected {
    if tags.iter().any(|tag| tag == ANY) {
        return Expected::Any;
    }
    Expected::One(tags.iter().filter_map(|tag| value_of(tag)).collect())
}

fn value_of(entity_tag: &str) -> Option<Tag> {
    let inner = entity_tag.strip_prefix('"')?.strip_suffix('"')?;
    let (tag, _) = inner.split_once('-')?;
    let digits = tag.as_bytes();
    if digits.len() != 48 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut value = Tag([0; 24]);
    for (byte, pair) in value.0.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(value)
}

/// The entity tags in a header, which may come several times; or [`ANY`] alone.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut tags = Vec::new();
    let mut came = false;
    for value in headers.get_all(name) {
        came = true;
        let wrong = || wrong_header(name.as_str(), "entity tags are expected: \"…\", or *");
        let text = value.to_str().map_err(|_| wrong())?;
        tags.extend(entity_tags(text).ok_or_else(wrong)?);
    }
    if tags.len() > 1 && tags.iter().any(|tag| tag == ANY) {
        return Err(wrong_header(name.as_str(), "* stands alone"));
    }
    Ok(came.then_some(tags))
}

/// `*`, or `"…", W/"…"`; `None` where it is neither.
fn entity_tags(text: &str) -> Option<Vec<String>> {
    if text.trim() == ANY {
        return Some(vec![ANY.to_owned()]);
    }
    let mut tags = Vec::new();
    let mut rest = text.trim_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let opened = weak(rest).strip_prefix('"')?;
        let length = rest.len() - opened.len() + opened.find('"')? + 1;
        let (tag, behind) = rest.split_at(length);
        tags.push(tag.to_owned());
        let behind = behind.trim_start_matches([' ', '\t']);
        if !behind.is_empty() && !behind.starts_with(',') {
            return None;
        }
        rest = behind.trim_start_matches([' ', '\t', ',']);
    }
    (!tags.is_empty()).then_some(tags)
}

/// An entity tag as a header.
pub(super) fn as_header(entity_tag: &str) -> Option<HeaderValue> {
    // Hexadecimal digits, a dash and quotes.
    HeaderValue::from_str(entity_tag).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(if_match: &str) -> Option<Expected> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, if_match.parse().unwrap());
        Conditions::read(&headers).ok()?.wanted
    }

    #[test]
    fn entity_tags_come_back_as_they_were_given() {
        let tag = entity_tag(b"value", 7);
        let wanted = Expected::One(vec![Tag::of(b"value")]);
        assert_eq!(read(&tag), Some(wanted.clone()));
        assert_eq!(read(&format!("\"other\", ,{tag}")), Some(wanted));
        assert_eq!(read(" * "), Some(Expected::Any));
        // Made elsewhere, or weak: of no instance.
        for none in [format!("W/{tag}"), "\"\"".to_owned(), "\"a,b\"".to_owned()] {
            assert_eq!(read(&none), Some(Expected::One(Vec::new())), "{none}");
        }
    }

    #[test]
    fn what_is_no_entity_tag_is_told() {
        for wrong in [
            "",
            ",",
            "abc",
            "\"a",
            "\"a\" \"b\"",
            "\"a\"b",
            "W/a",
            "w/\"a\"",
            "\"a\", *",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_has_an_answer_is_found_by_its_tag() {
        let tag = entity_tag(b"value", 7);
        let has = |known: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            Conditions::read(&headers).unwrap().has(&tag)
        };
        assert!(has(&tag));
        assert!(has(&format!("\"x\", W/{tag}")));
        assert!(has("*"));
        assert!(
            !has(&entity_tag(b"value", 8)),
            "the same value is other JSON"
        );
        assert!(!has(&entity_tag(b"other", 7)));
        assert!(!Conditions::default().has(&tag));
    }
}
