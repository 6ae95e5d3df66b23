//! Owns the keys that tokens are verified with: where they are read from, and which algorithm each is for.
//!
//! A key is good for one algorithm, whatever a token says of itself: so nobody signs with a public key as if it were a
//! secret, and no token is unsigned.

use super::settings::{Settings, wrong};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rkcy_core::fault::Fault;
use serde_json::{Map, Value as Json};
use std::path::Path;

/// The fewest bytes of a secret: as many as the hash has (RFC 7518, section 3.2).
const SECRET: usize = 32;
/// The longest token. Bytes.
const TOKEN: usize = 16 << 10;

/// What tokens are verified with.
pub(super) struct Keys(Vec<Key>);

struct Key {
    /// Its name in a set (`kid`).
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
    validation: Validation,
}

impl Keys {
    /// Reads a file, of whatever form.
    ///
    /// # Errors
    /// `wrong_setting`; nothing of the file is in it.
    pub(super) fn read(file: &Path, settings: &Settings) -> Result<Keys, Fault> {
        let bytes = std::fs::read(file).map_err(|error| {
            wrong(
                "keys",
                format!("{} cannot be read: {error}", file.display()),
            )
        })?;
        Keys::from_bytes(&bytes, settings)
            .map_err(|why| wrong("keys", format!("{}: {why}", file.display())))
    }

    fn from_bytes(bytes: &[u8], settings: &Settings) -> Result<Keys, String> {
        let text = bytes.trim_ascii();
        let keys = if text.starts_with(b"{") {
            of_set(text)?
        } else if text.starts_with(b"-----BEGIN") {
            vec![of_pem(text)?]
        } else {
            vec![of_secret(None, text)?]
        };
        let keys = (keys.into_iter())
            .map(|(id, algorithm, key)| Key {
                id,
                algorithm,
                key,
                validation: validation(algorithm, settings),
            })
            .collect();
        Ok(Keys(keys))
    }

    /// The claims of a token that one of the keys has signed, and that is good now and here.
    ///
    /// # Errors
    /// Why it is not, in words for its bearer.
    pub(super) fn verify(&self, token: &str) -> Result<Map<String, Json>, &'static str> {
        if token.len() > TOKEN {
            return Err("it is too long");
        }
        let header = decode_header(token).map_err(|_| "it is no signed token")?;
        let fits = |key: &&Key| {
            let named = header.kid.is_none() || key.id.is_none() || header.kid == key.id;
            named && key.algorithm == header.alg
        };
        let mut why = "no key of this edge is for it";
        for key in self.0.iter().filter(fits) {
            match decode::<Map<String, Json>>(token, &key.key, &key.validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) => why = says(&error),
            }
            if why != FORGED {
                break;
            }
        }
        Err(why)
    }
}

const FORGED: &str = "its signature is not by a key of this edge";

fn says(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => FORGED,
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not good yet",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::MissingRequiredClaim(_) => {
            "a claim is missing: `exp`, or `aud` or `iss` where this edge asks for them"
        }
        ErrorKind::InvalidClaimFormat(_) => "a claim has another type than it must have",
        _ => "it is not well-formed",
    }
}

fn validation(algorithm: Algorithm, settings: &Settings) -> Validation {
    let mut validation = Validation::new(algorithm);
    let mut required = vec!["exp"];
    validation.leeway = settings.leeway().as_secs();
    validation.validate_nbf = true;
    if let Some(audience) = &settings.audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    if let Some(issuer) = &settings.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}

type Found = (Option<String>, Algorithm, DecodingKey);

/// The keys of a set that are for signatures of a kind that is taken; others are passed over.
fn of_set(text: &[u8]) -> Result<Vec<Found>, String> {
    // What is said of malformed JSON may hold a part of it.
    let malformed = |_| "this is no JWK set".to_owned();
    let set: JwkSet = serde_json::from_slice(text).map_err(malformed)?;
    let mut found = Vec::new();
    for (nth, jwk) in set.keys.iter().enumerate() {
        let Some(algorithm) = algorithm(jwk) else {
            continue;
        };
        let id = jwk.common.key_id.clone();
        let broken = |_| format!("key {nth} of the set cannot be read");
        let key = DecodingKey::from_jwk(jwk).map_err(broken)?;
        found.push(match algorithm {
            Algorithm::HS256 => {
                let secret = key.try_get_as_bytes().map_err(broken)?;
                of_secret(id, secret)?
            }
            _ => (id, algorithm, key),
        });
    }
    match found.is_empty() {
        true => Err("the set has no key for HS256, RS256, ES256 or EdDSA".to_owned()),
        false => Ok(found),
    }
}

/// The algorithm that a key is for; `None` where it is for none that is taken.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(&jwk.common.public_key_use, Some(kind) if *kind != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let said = jwk.common.key_algorithm.map(|said| said.to_string());
    let fits = said.is_none_or(|said| said == format!("{algorithm:?}"));
    fits.then_some(algorithm)
}

fn of_pem(text: &[u8]) -> Result<Found, String> {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if first.windows(7).any(|word| word == b"PRIVATE") {
        return Err("this is a private key: the edge needs the public one".to_owned());
    }
    let read = [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(text)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(text)),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(text)),
    ];
    let mut read = read
        .into_iter()
        .filter_map(|(algorithm, key)| Some((algorithm, key.ok()?)));
    let (algorithm, key) = read
        .next()
        .ok_or("this is no public key for RS256, ES256 or EdDSA")?;
    Ok((None, algorithm, key))
}

fn of_secret(id: Option<String>, secret: &[u8]) -> Result<Found, String> {
    if secret.len() < SECRET {
        return Err(format!("a secret has at least {SECRET} bytes"));
    }
    let key = DecodingKey::from_secret(secret).map_err(|_| "this is no secret".to_owned())?;
    Ok((id, Algorithm::HS256, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Keys, String> {
        Keys::from_bytes(bytes, &Settings::default())
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let secret = "hunter2hunter2";
        for text in [
            secret.to_owned(),
            format!("{{\"keys\": \"{secret}\"}}"),
            format!(
                "{{\"keys\":[{{\"kty\":\"oct\",\"k\":\"aHVudGVyMg\",\"alg\":\"HS256\"}}]}} {secret}"
            ),
            "{\"keys\":[{\"kty\":\"oct\",\"k\":\"aHVudGVyMg\",\"alg\":\"HS256\"}]}".to_owned(),
            "{\"keys\":[]}".to_owned(),
            format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"),
            format!("-----BEGIN PUBLIC KEY-----\n{secret}\n-----END PUBLIC KEY-----"),
            String::new(),
        ] {
            let Err(why) = read(text.as_bytes()) else {
                panic!("{text} was taken");
            };
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert!(read(&[b'x'; SECRET]).is_ok());
    }

    #[test]
    fn what_is_no_token_is_told_so() {
        let keys = read(&[b'x'; SECRET]).unwrap();
        // {"alg":"none"}, with and without a signature.
        let none = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.";
        for token in [
            "",
            "a",
            "a.b",
            "a.b.c",
            "....",
            none,
            &format!("{none}c2ln"),
        ] {
            assert!(keys.verify(token).is_err(), "{token}");
        }
        assert!(keys.verify(&"a".repeat(1 << 20)).is_err());
    }
}
