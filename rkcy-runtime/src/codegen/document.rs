//! The schema's `json`: any JSON document, in one form for equal ones.
//!
//! Owns that form. Members are in the order of their names, there is no white space, and a number has one text:
//! a whole one that fits 64 bits is an integer, all others are finite floats in their shortest text.

use super::sql::Column;
use super::value::Value;
use crate::store::SqlValue;
use rkcy_core::fault::{Class, Fault};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value as Any};
use std::fmt;
use std::ops::Deref;

/// Lists and objects inside of each other, at most. Readers of JSON stop at 128, and a document stands inside of
/// something.
const MOST_DEPTH: usize = 64;
/// The first float above all integers of 64 bits.
const ABOVE_U64: f64 = 18_446_744_073_709_551_616.0;
/// The smallest integer of 64 bits, as a float.
const LEAST_I64: f64 = -9_223_372_036_854_775_808.0;

/// The schema's `json`: a document that every target can store, in its canonical form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Any);

/// A document that not every target can store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A text or a name contains NUL.
    #[error("a document must not contain NUL")]
    Nul,
    /// Lists and objects stand inside of each other without end.
    #[error("lists and objects of a document nest at most {MOST_DEPTH} deep")]
    TooDeep,
}

impl Json {
    /// A document in its canonical form.
    ///
    /// # Errors
    /// Where not every target can store it.
    pub fn new(document: Any) -> Result<Json, JsonError> {
        canonical(document, 0).map(Json)
    }

    /// The document, to make another one of it.
    #[must_use]
    pub fn into_value(self) -> Any {
        self.0
    }

    fn from_text(text: &str) -> Option<Json> {
        Json::new(serde_json::from_str(text).ok()?).ok()
    }
}

fn canonical(document: Any, depth: usize) -> Result<Any, JsonError> {
    let is_deep = depth >= MOST_DEPTH;
    Ok(match document {
        Any::Null | Any::Bool(_) => document,
        Any::Number(number) => Any::Number(one_number(number)),
        Any::String(text) => Any::String(without_nul(text)?),
        Any::Array(_) | Any::Object(_) if is_deep => return Err(JsonError::TooDeep),
        Any::Array(list) => {
            let list = list.into_iter().map(|item| canonical(item, depth + 1));
            Any::Array(list.collect::<Result<_, _>>()?)
        }
        Any::Object(members) => {
            let members = members.into_iter();
            let members =
                members.map(|(name, value)| Ok((without_nul(name)?, canonical(value, depth + 1)?)));
            let mut members: Vec<(String, Any)> = members.collect::<Result<_, JsonError>>()?;
            // Whatever a map of another build of `serde_json` keeps.
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Any::Object(Map::from_iter(members))
        }
    })
}

fn without_nul(text: String) -> Result<String, JsonError> {
    match text.contains('\0') {
        true => Err(JsonError::Nul),
        false => Ok(text),
    }
}

/// Databases keep a number, not how it was written.
fn one_number(number: Number) -> Number {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number;
    };
    if float.fract() != 0.0 || !(LEAST_I64..ABOVE_U64).contains(&float) {
        return number;
    }
    // Whole, and in the bounds of one of the two.
    match float < 0.0 {
        true => Number::from(float as i64),
        false => Number::from(float as u64),
    }
}

impl Deref for Json {
    type Target = Any;
    fn deref(&self) -> &Any {
        &self.0
    }
}

impl TryFrom<Any> for Json {
    type Error = JsonError;
    fn try_from(document: Any) -> Result<Json, JsonError> {
        Json::new(document)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(&self.0, f)
    }
}

/// The canonical text: records hold it, so no library decides what it is.
fn write(document: &Any, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match document {
        Any::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => write!(f, "{float:?}"),
            None => write!(f, "{number}"),
        },
        Any::Array(list) => {
            for (place, item) in list.iter().enumerate() {
                f.write_str(if place == 0 { "[" } else { "," })?;
                write(item, f)?;
            }
            f.write_str(if list.is_empty() { "[]" } else { "]" })
        }
        Any::Object(members) => {
            for (place, (name, value)) in members.iter().enumerate() {
                let open = if place == 0 { "{" } else { "," };
                write!(f, "{open}{}:", Any::from(name.as_str()))?;
                write(value, f)?;
            }
            f.write_str(if members.is_empty() { "{}" } else { "}" })
        }
        Any::Null | Any::Bool(_) | Any::String(_) => write!(f, "{document}"),
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for Json {
    type Proto = String;
    const IS_FIELD: bool = true;
    fn to_proto(&self) -> String {
        self.to_string()
    }
    fn from_proto(proto: String) -> Result<Self, Fault> {
        let document = Json::from_text(&proto).filter(|document| document.to_string() == proto);
        document.ok_or_else(|| {
            let message = "not a JSON document in its canonical form";
            Fault::new(Class::Corrupt, "unreadable", message)
        })
    }
}

impl Column for Json {
    fn to_sql(&self) -> SqlValue {
        SqlValue::Text(self.to_string())
    }
    /// PostgreSQL gives a document back in a form of its own.
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Text(text) => Json::from_text(text),
            _ => None,
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::new(Any::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(text: &str) -> String {
        serde_json::from_str::<Json>(text).unwrap().to_string()
    }

    #[test]
    fn equal_documents_have_equal_bytes() {
        assert_eq!(
            shown(r#" { "b" : [ 1, 2.50 ], "a" : null } "#),
            r#"{"a":null,"b":[1,2.5]}"#
        );
        assert_eq!(
            shown(r#"{"a":1,"a":2}"#),
            r#"{"a":2}"#,
            "the last of one name counts"
        );
        assert_eq!(shown(r#""\u00e4\u002f""#), "\"ä/\"");
        for (text, number) in [
            ("1.0", "1"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("1E16", "10000000000000000"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744073709552e19"),
            ("-9223372036854775808.0", "-9223372036854775808"),
            ("0.1000", "0.1"),
            ("1e300", "1e300"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(shown(text), number, "{text}");
        }
    }

    #[test]
    fn what_postgres_gives_back_is_the_same_document() {
        // It writes a float as all of its digits.
        let long = format!("1{}", "0".repeat(300));
        assert_eq!(shown(&long), shown("1e300"));
        let small = format!("0.{}1", "0".repeat(9));
        assert_eq!(shown(&small), shown("1e-10"));
    }

    #[test]
    fn what_some_target_cannot_store_is_none() {
        assert_eq!(Json::new(json!({ "a": ["\0"] })), Err(JsonError::Nul));
        assert_eq!(Json::new(json!({ "\0": 1 })), Err(JsonError::Nul));
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(Json::new(nested(MOST_DEPTH)).is_ok());
        assert_eq!(Json::new(nested(MOST_DEPTH + 1)), Err(JsonError::TooDeep));
        assert!(serde_json::from_str::<Json>("1e400").is_err());
        assert!(serde_json::from_str::<Json>(r#""\u0000""#).is_err());
    }

    #[test]
    fn every_form_gives_the_document_back() {
        for document in [
            json!(null),
            json!(1.5),
            json!({ "b": [true, "x"], "a": {} }),
        ] {
            let document = Json::new(document).unwrap();
            assert_eq!(Json::from_proto(document.to_proto()), Ok(document.clone()));
            assert_eq!(Json::from_sql(&document.to_sql()), Some(document.clone()));
        }
        for other in [
            "",
            "{\"b\":1,\"a\":2}",
            "1.0",
            " 1",
            "[1, 2]",
            "\"\\u0000\"",
        ] {
            assert!(Json::from_proto(other.to_owned()).is_err(), "{other}");
        }
        let column = SqlValue::Text("{\"b\": 1.0, \"a\": 2}".to_owned());
        assert_eq!(
            Json::from_sql(&column),
            Json::new(json!({ "a": 2, "b": 1 })).ok()
        );
    }
}
