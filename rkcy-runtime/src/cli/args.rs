//! Arguments of transactions and operations, as a person writes them.
//!
//! Owns the way from `ARG=VALUE`, `--json` and the names in the schema to JSON, and what is said where
//! they do not fit. A value is JSON if it parses as JSON of the type that is wanted there, else text:
//! `username=1234` is a text where a text is wanted. `amount.gold=5` names a field inside.

use crate::codegen::ParamDesc;
use rkcy_core::fault::{Class, Fault};
use serde_json::{Map, Value as Json};
use std::io::Read;

/// One `PATH=VALUE`.
struct Pair<'a> {
    path: &'a str,
    text: &'a str,
    /// Taken as text though it is JSON as well.
    as_text: bool,
}

/// Reads the arguments and hands them to `take`; where JSON was read in place of a text, it is asked
/// again with the text.
///
/// # Errors
/// [`Class::Invalid`] with the path of the argument, or as `take` says.
pub(crate) fn read<T>(
    base: &Map<String, Json>,
    words: &[String],
    params: &[ParamDesc],
    mut take: impl FnMut(Json) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut pairs = words
        .iter()
        .map(|word| pair(word, params))
        .collect::<Result<Vec<Pair<'_>>, Fault>>()?;
    loop {
        let mut all = base.clone();
        for pair in &pairs {
            put(&mut all, pair)?;
        }
        let fault = match take(Json::Object(all)) {
            Err(fault) if fault.class == Class::Invalid => fault,
            other => return other,
        };
        let wrong = (pairs.iter_mut()).find(|pair| {
            !pair.as_text
                && pair.path == fault.path
                && fault.code == "wrong_type"
                && !matches!(json_of(pair.text), None | Some(Json::String(_)))
                && wants_text(&fault)
        });
        match wrong {
            Some(pair) => pair.as_text = true,
            None => return Err(with_params(fault, params)),
        }
    }
}

/// serde says what it expected; only where that may be a text is it worth asking again.
fn wants_text(fault: &Fault) -> bool {
    let expected = fault.message.rsplit("expected ").next().unwrap_or("");
    ![
        "i8",
        "i16",
        "i32",
        "i64",
        "u8",
        "u16",
        "u32",
        "u64",
        "f32",
        "f64",
        "a boolean",
        "struct",
        "a sequence",
    ]
    .iter()
    .any(|other| expected.starts_with(other))
}

/// Names the parameters where one is missing or unknown.
fn with_params(mut fault: Fault, params: &[ParamDesc]) -> Fault {
    if matches!(fault.code.as_ref(), "missing_field" | "unknown_field") {
        fault.message = format!("{}; it takes {}", fault.message, signature(params)).into();
    }
    fault
}

/// The parameters as the schema writes them.
pub(crate) fn signature(params: &[ParamDesc]) -> String {
    let params: Vec<String> = (params.iter())
        .map(|param| format!("{}: {}", param.name, param.ty))
        .collect();
    if params.is_empty() {
        "no arguments".to_owned()
    } else {
        format!("({})", params.join(", "))
    }
}

/// What `--json` names: JSON itself, `@FILE`, or `-` for stdin. To be called once, since stdin is then read.
///
/// # Errors
/// [`Class::Invalid`] where it cannot be read or is no JSON object.
pub(crate) fn object(source: Option<&str>) -> Result<Map<String, Json>, Fault> {
    let Some(source) = source else {
        return Ok(Map::new());
    };
    let unreadable = |what: &str, error: std::io::Error| {
        invalid("unreadable", format!("{what} cannot be read: {error}"))
    };
    let (what, text) = match source.strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            (
                file.to_owned(),
                text.map_err(|error| unreadable(file, error))?,
            )
        }
        None if source == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| unreadable("stdin", error))?;
            ("stdin".to_owned(), text)
        }
        None => ("--json".to_owned(), source.to_owned()),
    };
    match serde_json::from_str(&text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(invalid(
            "wrong_json",
            format!("{what}: an object was expected, such as {{\"name\": …}}"),
        )),
        Err(error) => Err(invalid(
            "wrong_json",
            format!("{what} is not JSON: {error}"),
        )),
    }
}

fn pair<'a>(word: &'a str, params: &[ParamDesc]) -> Result<Pair<'a>, Fault> {
    let (path, text) = word.split_once('=').ok_or_else(|| {
        let message = format!("`{word}` is not ARG=VALUE; it takes {}", signature(params));
        invalid("wrong_argument", message)
    })?;
    if path.is_empty() || path.split('.').any(str::is_empty) {
        let message = format!("`{word}`: a name belongs before the `=`");
        return Err(invalid("wrong_argument", message));
    }
    // The schema says it where the argument is a parameter itself.
    let wants_text = params
        .iter()
        .any(|param| param.name == path && param.ty == "string");
    Ok(Pair {
        path,
        text,
        as_text: wants_text && !text.starts_with('"'),
    })
}

/// Sets the value at a dotted path.
fn put(all: &mut Map<String, Json>, pair: &Pair<'_>) -> Result<(), Fault> {
    let value = match json_of(pair.text) {
        Some(json) if !pair.as_text => json,
        _ => Json::String(pair.text.to_owned()),
    };
    let mut object = all;
    let mut names = pair.path.split('.').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            if object.insert(name.to_owned(), value).is_some() {
                let message = "it is given twice";
                return Err(invalid("wrong_argument", message).at(pair.path.to_owned()));
            }
            return Ok(());
        }
        let inner = object
            .entry(name)
            .or_insert_with(|| Json::Object(Map::new()));
        object = inner.as_object_mut().ok_or_else(|| {
            let message = format!("`{name}` was given a value, so it has no fields");
            invalid("wrong_argument", message).at(pair.path.to_owned())
        })?;
    }
    Ok(())
}

fn json_of(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

/// The name that was meant, and all there are: for a name that is none of `known`.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> Fault {
    let nearest = known
        .iter()
        .map(|known| {
            (
                distance(&name.to_lowercase(), &known.to_lowercase()),
                *known,
            )
        })
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3));
    let meant = nearest.map_or(String::new(), |(_, known)| {
        format!(" did you mean `{known}`?")
    });
    let list = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    let code = format!("unknown_{}", what.replace(' ', "_"));
    let message = format!("there is no {what} `{name}`;{meant} {list}");
    Fault::new(Class::Invalid, code, message)
}

/// Letters to insert, remove, replace or swap with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut line: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (line[j] + usize::from(a != b))
                .min(line[j + 1] + 1)
                .min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut line, next);
    }
    line[other.len()]
}

fn invalid(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(Class::Invalid, code, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PARAMS: &[ParamDesc] = &[
        ParamDesc::new("username", "string"),
        ParamDesc::new("amount", "Currency"),
    ];

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn values_are_json_where_that_fits_and_text_elsewhere() {
        let given = words(&[
            "username=1234",
            "amount.gold=5",
            "amount.note=a b",
            "on=true",
        ]);
        let read = read(&Map::new(), &given, PARAMS, Ok).unwrap();
        let wanted = json!({"username": "1234", "amount": {"gold": 5, "note": "a b"}, "on": true});
        assert_eq!(read, wanted);
    }

    #[test]
    fn a_text_that_looks_like_a_number_is_given_as_text_where_one_is_wanted() {
        let given = words(&["amount.note=12"]);
        let read = read(&Map::new(), &given, PARAMS, |json| {
            match &json["amount"]["note"] {
                Json::String(_) => Ok(json),
                _ => Err(
                    Fault::new(Class::Invalid, "wrong_type", "expected a string").at("amount.note"),
                ),
            }
        });
        assert_eq!(read.unwrap(), json!({"amount": {"note": "12"}}));
    }

    #[test]
    fn words_complete_the_json() {
        let given = words(&["amount.gold=5"]);
        let read = read(
            &object(Some(r#"{"username":"ann"}"#)).unwrap(),
            &given,
            PARAMS,
            Ok,
        )
        .unwrap();
        assert_eq!(read, json!({"username": "ann", "amount": {"gold": 5}}));
    }

    #[test]
    fn what_is_no_argument_is_said() {
        for word in ["gold", "=5", ".a=1", "a..b=1"] {
            let fault = read(&Map::new(), &words(&[word]), PARAMS, Ok).unwrap_err();
            assert_eq!(fault.code, "wrong_argument", "{word}");
        }
        for given in [&["a=1", "a=2"][..], &["a=1", "a.b=2"]] {
            let fault = read(&Map::new(), &words(given), PARAMS, Ok).unwrap_err();
            assert_eq!(fault.code, "wrong_argument", "{given:?}");
        }
        for json in ["{", "[]", "@/no/such/file"] {
            let fault = object(Some(json)).unwrap_err();
            assert_eq!(fault.class, Class::Invalid, "{json}");
        }
    }

    #[test]
    fn a_near_name_is_offered() {
        let fault = unknown("transaction", "tarde", &["fund", "trade", "sign_up"]);
        assert!(fault.message.contains("did you mean `trade`?"), "{fault}");
        let fault = unknown("transaction", "zzz", &["fund", "trade"]);
        assert!(!fault.message.contains("did you mean"), "{fault}");
    }
}
