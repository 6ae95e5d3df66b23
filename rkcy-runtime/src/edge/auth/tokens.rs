//! Owns what a verified token says: who calls, as the schema's message has it, and which roles the caller has.

use super::keys::Keys;
use crate::codegen::{Bytes, Fault, PlatformDesc};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

/// What tokens are verified with, and what their claims mean.
pub(super) struct Tokens {
    keys: Keys,
    /// The claim with the roles, step by step.
    roles: Vec<String>,
    /// The role of operators.
    admin: String,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Who {
    /// The encoded `caller` message of the schema, or empty.
    pub(in super::super) caller: Bytes,
    /// Tells this one from others, also from those who are the same message: a hash; or empty.
    pub(in super::super) subject: Bytes,
    /// Whether it is an operator.
    pub(in super::super) is_admin: bool,
}

impl Tokens {
    pub(super) fn new(keys: Keys, roles: &str, admin: &str) -> Tokens {
        Tokens {
            keys,
            roles: roles.split('.').map(str::to_owned).collect(),
            admin: admin.to_owned(),
        }
    }

    /// Who bears the token.
    ///
    /// # Errors
    /// Why it is not good, in words for its bearer.
    pub(super) fn who(&self, desc: &PlatformDesc, token: &str) -> Result<Who, String> {
        let claims = self.keys.verify(token)?;
        let caller = caller(desc, &claims).map_err(|fault| {
            // What a claim holds is its bearer's own.
            let at = fault.path;
            format!("its claims are none of a caller: `{at}`: {}", fault.message)
        })?;
        let caller = caller.unwrap_or_default();
        Ok(Who {
            subject: subject(&claims, &caller),
            caller,
            is_admin: self.has_role(&claims),
        })
    }

    fn has_role(&self, claims: &Map<String, Json>) -> bool {
        let Some((first, rest)) = self.roles.split_first() else {
            return false;
        };
        let found = rest
            .iter()
            .fold(claims.get(first), |found, name| found?.get(name));
        match found {
            Some(Json::Array(roles)) => roles.iter().any(|role| *role == self.admin),
            Some(Json::String(roles)) => roles.split(' ').any(|role| role == self.admin),
            _ => false,
        }
    }
}

/// The schema's message out of the claims that have the names of its fields; `None` where it has none.
fn caller(desc: &PlatformDesc, claims: &Map<String, Json>) -> Result<Option<Bytes>, Fault> {
    let Some(caller) = &desc.caller else {
        return Ok(None);
    };
    let message = desc.messages.iter().find(|it| it.name == caller.message);
    let fields = message.map_or(&[][..], |message| message.fields).iter();
    let told = fields.filter_map(|field| {
        let claim = claims.get(field.name)?;
        Some((field.name.to_owned(), claim.clone()))
    });
    (caller.from_json)(Json::Object(told.collect())).map(Some)
}

/// Issuer and subject, hashed; of a token that names no subject, the caller. Empty where it tells neither.
fn subject(claims: &Map<String, Json>, caller: &Bytes) -> Bytes {
    let text = |name: &str| claims.get(name).and_then(Json::as_str);
    let mut hash = Sha256::new();
    match text("sub") {
        Some(subject) => {
            let issuer = text("iss").unwrap_or_default();
            hash.update((issuer.len() as u64).to_be_bytes());
            hash.update(issuer);
            hash.update(subject);
        }
        None if caller.is_empty() => return Bytes::new(),
        None => hash.update(caller),
    }
    Bytes::copy_from_slice(&hash.finalize())
}
