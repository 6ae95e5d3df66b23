//! Values as JSON, drawn from what the schema says of a parameter.
//!
//! Owns the draw: small values, those at the limits and, now and then, one that must be refused. Keys are
//! those of known instances, or of a small domain that `create` draws from as well.

use super::workload::Request;
use crate::codegen::{
    Blob, Class, ConcernDesc, Duration, Fault, Kind, Number, ParamDesc, Pattern, PlatformDesc,
    Shape, Times, Timestamp, Uuid,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rkcy_core::decimal;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// How often a value is one that no constraint lets through.
const WRONG: f64 = 0.01;
/// Keys of a concern that are drawn, whether instances have them or not.
const DOMAIN: u128 = 6;
/// Elements of a list that is drawn, unless its limits are near.
const ELEMENTS: usize = 4;
/// Characters up to which a text is made as long as it may be.
const LONGEST: usize = 300;
/// Messages within messages.
const DEPTH: usize = 4;

/// Texts that patterns may take.
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "0",
    "1",
    "ab",
    "AB",
    "12",
    "abc",
    "ABC",
    "123",
    "1234",
    "12345",
    "a1",
    "A1",
    "a-b",
    "a_b",
    "a.b",
    "Abc",
    "abcdef",
    "ABCDEF",
    "123456",
    "AB-123",
    "ABC-123",
    "AB123",
    "+491234567",
    "a@b.cd",
    "https://a.bc",
    "2024-02-29",
    "12:30",
    "#a0b1c2",
    "1.2.3",
    "10.0.0.1",
    "DE",
    "EUR",
    "en-GB",
];

/// Makes values for one platform.
#[derive(Debug)]
pub(super) struct Values {
    desc: &'static PlatformDesc,
    /// Texts that match, by pattern.
    texts: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Values {
    pub(super) fn new(desc: &'static PlatformDesc) -> Values {
        let ops = desc.concerns.iter().flat_map(|concern| concern.ops);
        let all = (ops.map(|op| op.params))
            .chain(desc.transactions.iter().map(|txn| txn.params))
            .chain(desc.messages.iter().map(|message| message.fields))
            .chain(desc.configs.iter().map(|config| config.fields))
            .chain(desc.concerns.iter().map(|concern| concern.keys));
        let patterns = all.flatten().filter_map(|param| param.pattern);
        let texts = patterns.map(|source| {
            let pattern = Pattern::new(source);
            let fits = |text: &&str| pattern.check("", text).is_ok();
            (source, TEXTS.iter().copied().filter(fits).collect())
        });
        Values {
            desc,
            texts: texts.collect(),
        }
    }

    /// An object with these fields.
    pub(super) fn object(
        &self,
        request: &mut Request<'_>,
        fields: &[ParamDesc],
    ) -> Result<Json, Fault> {
        self.message(request, fields, 0)
    }

    fn message(
        &self,
        request: &mut Request<'_>,
        fields: &[ParamDesc],
        depth: usize,
    ) -> Result<Json, Fault> {
        let mut object = Map::new();
        for field in fields {
            if !wrong(request.rng) {
                let value = self.value(request, field, depth)?;
                object.insert(field.name.to_owned(), value);
            }
        }
        if request.rng.random_bool(WRONG / 4.0) {
            object.insert("no such field".to_owned(), json!(1));
        }
        Ok(Json::Object(object))
    }

    /// The key of an instance: mostly of one that callers know, and mostly of one of the first.
    pub(super) fn key(
        &self,
        request: &mut Request<'_>,
        concern: &ConcernDesc,
    ) -> Result<Json, Fault> {
        let known = request.keys.get(&concern.id).map_or(&[][..], Vec::as_slice);
        let hot = &known[..known.len().min(3)];
        let known = match request.rng.random_range(0..100) {
            0..55 => at_random(request.rng, hot),
            55..92 => at_random(request.rng, known),
            _ => None,
        };
        match (known, concern.keys) {
            (Some(key), _) => (concern.key_to_json)(key),
            (None, [only]) => self.key_part(request, only),
            (None, parts) => {
                let mut object = Map::new();
                for part in parts {
                    object.insert(part.name.to_owned(), self.key_part(request, part)?);
                }
                Ok(Json::Object(object))
            }
        }
    }

    fn key_part(&self, request: &mut Request<'_>, part: &ParamDesc) -> Result<Json, Fault> {
        self.value(request, part, 0)
    }

    fn value(
        &self,
        request: &mut Request<'_>,
        param: &ParamDesc,
        depth: usize,
    ) -> Result<Json, Fault> {
        if request.rng.random_bool(WRONG / 2.0) {
            let wrong = [json!(null), json!("?"), json!(1.5), json!([[]]), json!({})];
            return Ok(at_random(request.rng, &wrong).cloned().unwrap_or_default());
        }
        let Shape { value, times } = param.shape();
        let (deep, free) = (depth >= DEPTH, ParamDesc::new(param.name, param.ty));
        let count = |rng: &mut ChaCha8Rng| match deep {
            true => param.length.0,
            false => length(rng, param.length, ELEMENTS),
        };
        match times {
            Times::One => self.one(request, param, value, depth),
            Times::Optional if deep || request.rng.random_bool(0.4) => Ok(Json::Null),
            Times::Optional => self.one(request, param, value, depth),
            Times::List => {
                let values =
                    (0..count(request.rng)).map(|_| self.one(request, &free, value, depth));
                values.collect::<Result<Vec<_>, _>>().map(Json::Array)
            }
            Times::Map => {
                let mut map = Map::new();
                for nth in 0..count(request.rng) {
                    let name = match (nth, wrong(request.rng)) {
                        (_, true) => "\0".to_owned(),
                        (0, false) => "a\"ö.[".to_owned(),
                        (_, false) => format!("n{nth}"),
                    };
                    map.insert(name, self.one(request, &free, value, depth)?);
                }
                Ok(Json::Object(map))
            }
        }
    }

    /// One value, within the limits of `param`.
    fn one(
        &self,
        request: &mut Request<'_>,
        param: &ParamDesc,
        kind: Kind<'_>,
        depth: usize,
    ) -> Result<Json, Fault> {
        let name = match kind {
            Kind::Key(name) => {
                if let Some(config) = self.desc.config(name) {
                    let key = config.fields.first().ok_or_else(|| unknown(name))?;
                    return self.key_part(request, key);
                }
                let concern = self.desc.concern(name).ok_or_else(|| unknown(name))?;
                return self.key(request, concern);
            }
            Kind::Decimal(precision, scale) => {
                let most = decimal::power(precision) - 1;
                let units = integer(request.rng, param, -most, most);
                return Ok(json!(decimal::show(units, scale)));
            }
            Kind::Named(name) => name,
        };
        let rng = &mut *request.rng;
        let integer = |rng: &mut ChaCha8Rng, least: i128, most: i128| {
            let value = integer(rng, param, least, most).clamp(i64::MIN.into(), u64::MAX.into());
            // What the type does not hold is refused as well.
            (i64::try_from(value).map(Json::from)).unwrap_or_else(|_| json!(value as u64))
        };
        Ok(match name {
            "bool" => json!(rng.random_bool(0.5)),
            "i32" => integer(rng, i32::MIN.into(), i32::MAX.into()),
            "i64" => integer(rng, i64::MIN.into(), i64::MAX.into()),
            "u32" => integer(rng, 0, u32::MAX.into()),
            "u64" => integer(rng, 0, u64::MAX.into()),
            "f32" => json!(f64::from(float(rng, param) as f32)),
            "f64" => json!(float(rng, param)),
            "uuid" => json!(Uuid::from_u128(rng.random_range(1..=DOMAIN))),
            "timestamp" => {
                let micros = [0, -1, 1_709_208_000_500_000, -62_135_596_800_000_000];
                let (mut micros, far) = (at_random(rng, &micros).copied(), wrong(rng));
                if far {
                    micros = Some(i64::MAX);
                }
                json!(Timestamp::from_micros(micros.unwrap_or(0)).to_string())
            }
            "duration" => {
                let micros = [0, -1, 1_500_000, i64::MAX, i64::MIN];
                let micros = at_random(rng, &micros).copied().unwrap_or(0);
                json!(Duration::from_micros(micros).to_string())
            }
            "bytes" => {
                let length = length(rng, param.length, 8);
                json!(Blob::from(vec![rng.random::<u8>(); length]))
            }
            "string" => json!(self.text(rng, param)?),
            "json" => document(rng),
            name => {
                if let Some(declared) = self.desc.enums.iter().find(|it| it.name == name) {
                    match wrong(rng) {
                        true => json!("no such value"),
                        false => json!(at_random(rng, declared.values)),
                    }
                } else {
                    let message = self.desc.messages.iter().find(|it| it.name == name);
                    let message = message.ok_or_else(|| unknown(name))?;
                    return self.message(request, message.fields, depth + 1);
                }
            }
        })
    }

    fn text(&self, rng: &mut ChaCha8Rng, param: &ParamDesc) -> Result<String, Fault> {
        if wrong(rng) {
            return Ok("\0".to_owned());
        }
        if let Some(pattern) = param.pattern {
            let texts = self.texts.get(pattern).map_or(&[][..], Vec::as_slice);
            let (least, most) = (param.length.0, param.length.1.unwrap_or(usize::MAX));
            let fits = |text: &&&str| (least..=most).contains(&text.chars().count());
            let texts: Vec<&str> = texts.iter().filter(fits).copied().collect();
            let text = at_random(rng, &texts).ok_or_else(|| {
                let message = format!("no text is known that matches `{pattern}`");
                Fault::new(Class::Invalid, "no_text", message)
            })?;
            return Ok((*text).to_owned());
        }
        // Few texts, since some of them are keys.
        let length = match rng.random_bool(0.7) {
            true => param.length.0.max(1),
            false => length(rng, param.length, 12),
        };
        let letter = at_random(rng, &['a', 'b', 'c', 'ö', '\'', ',', '\\']).copied();
        Ok(letter.into_iter().cycle().take(length).collect())
    }
}

/// A document of each kind, with numbers that databases write otherwise; now and then one that they cannot store.
fn document(rng: &mut ChaCha8Rng) -> Json {
    let documents = [
        json!(null),
        json!(true),
        json!("a\u{1}'\"\\"),
        json!([]),
        json!({}),
        json!({ "bb": 1.0, "a": [-0.0, 2.50, 1e16, 1e-7], "ö": { "c": null } }),
        json!([u64::MAX, i64::MIN, 1e300, 5e-324, [{ "z": 1, "": "" }]]),
    ];
    let beyond = [json!("\0"), json!({ "\0": 1 })];
    let among = if wrong(rng) {
        &beyond[..]
    } else {
        &documents[..]
    };
    at_random(rng, among).cloned().unwrap_or_default()
}

/// One of several, where there is any.
pub(super) fn at_random<'a, T>(rng: &mut ChaCha8Rng, among: &'a [T]) -> Option<&'a T> {
    match among.len() {
        0 => None,
        count => among.get(rng.random_range(0..count)),
    }
}

fn wrong(rng: &mut ChaCha8Rng) -> bool {
    rng.random_bool(WRONG)
}

/// A length within limits, sometimes at them and seldom beyond; without limits, up to `usual`.
fn length(rng: &mut ChaCha8Rng, (least, most): (usize, Option<usize>), usual: usize) -> usize {
    let near = least.saturating_add(usual);
    let most_made = most.filter(|most| *most <= LONGEST);
    if wrong(rng) && (least > 0 || most_made.is_some()) {
        return match most_made {
            Some(most) => most + 1,
            None => least - 1,
        };
    }
    match (rng.random_range(0..10), most_made) {
        (0, Some(most)) => most,
        (1, _) => least,
        _ => rng.random_range(least..=near.min(most.unwrap_or(near))),
    }
}

/// A whole number: mostly a small one, sometimes one at a limit, seldom one beyond.
fn integer(rng: &mut ChaCha8Rng, param: &ParamDesc, least: i128, most: i128) -> i128 {
    let limit = |limit: Option<Number>, otherwise: i128| match limit {
        Some(Number::Int(limit) | Number::Units(limit)) => limit,
        Some(Number::Float(limit)) => limit as i128,
        None => otherwise,
    };
    let (low, high) = (limit(param.min, least), limit(param.max, most));
    if wrong(rng) {
        return *at_random(rng, &[low - 1, high + 1]).unwrap_or(&low);
    }
    let value = match rng.random_range(0..100) {
        0..60 => rng.random_range(0..6),
        60..90 => rng.random_range(0..200),
        90..93 => rng.random_range(-3..0),
        93..95 => low,
        95..97 => high,
        97..98 => high / 2,
        _ => rng.random_range(0..1_000_000),
    };
    value.clamp(low, high.max(low))
}

fn float(rng: &mut ChaCha8Rng, param: &ParamDesc) -> f64 {
    let limit = |limit: Number| match limit {
        Number::Int(limit) | Number::Units(limit) => limit as f64,
        Number::Float(limit) => limit,
    };
    let (low, high) = (param.min.map(limit), param.max.map(limit));
    let usual = [0.0, 1.0, -2.25, 0.5, 1e9, -1e-9];
    let value = match rng.random_range(0..100) {
        0..5 => low.unwrap_or(0.0),
        5..10 => high.unwrap_or(0.0),
        10 => return low.map_or(1.0, |low| low - 1.0),
        _ => at_random(rng, &usual).copied().unwrap_or(0.0),
    };
    value
        .max(low.unwrap_or(f64::NEG_INFINITY))
        .min(high.unwrap_or(f64::INFINITY))
}

fn unknown(name: &str) -> Fault {
    let message = format!("the description of the platform does not name `{name}`");
    Fault::new(Class::Corrupt, "unknown_type", message)
}
