//! Owns what operators say of who may ask: table `[edge]` of `rkcy.toml`, and variables `RKCY_EDGE_*` before it.

use super::Security;
use super::keys::Keys;
use super::rates::Rates;
use super::tls::Tls;
use super::tokens::Tokens;
use rkcy_core::fault::{Class, Fault};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How callers say who they are, as it is written. A key that is not known is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// File with the keys that bearer tokens (JWT) are verified with: a JWK set, one public key (PEM), or a secret of at
    /// least 32 bytes. With it every request needs a token.
    pub keys: Option<PathBuf>,
    /// The audience that tokens are made for (`aud`). Without it, a token that names any is refused.
    pub audience: Option<String>,
    /// Who makes them (`iss`).
    pub issuer: Option<String>,
    /// By so much the clocks of those who make tokens may differ from this one. Seconds.
    pub leeway: u64,
    /// The claim with the caller's roles: a list, or names with spaces between; dots lead into objects.
    pub roles: String,
    /// The role of operators: they list, cancel and resume transactions.
    pub admin: String,
    /// Requests without a token are taken as well: nobody calls, then.
    pub anonymous: bool,
    /// Requests that one caller may make in a second; no more are taken of it. Without it there is no such bound.
    pub rate: Option<NonZeroU32>,
    /// So many at once of one who has been quiet; as many as in a second, unless told otherwise.
    pub burst: Option<NonZeroU32>,
    /// File with the certificates of this edge, its own first (PEM): it talks TLS.
    pub certificate: Option<PathBuf>,
    /// File with the private key of the first (PEM).
    pub key: Option<PathBuf>,
    /// File with the certificates of the authorities that callers have theirs of (PEM): who has none is not let in.
    pub client_ca: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            keys: None,
            audience: None,
            issuer: None,
            leeway: 10,
            roles: "roles".to_owned(),
            admin: "admin".to_owned(),
            anonymous: false,
            rate: None,
            burst: None,
            certificate: None,
            key: None,
            client_ca: None,
        }
    }
}

impl Settings {
    /// The same, with what the variables say before it.
    ///
    /// # Errors
    /// `wrong_setting` where one of them cannot be understood.
    pub fn with_variables(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, Fault> {
        let get = |name: &str| variable(&format!("RKCY_EDGE_{name}"));
        if let Some(text) = get("ANONYMOUS") {
            self.anonymous = match text.as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => {
                    let message = "RKCY_EDGE_ANONYMOUS is `true` or `false`";
                    return Err(wrong("anonymous", message));
                }
            };
        }
        if let Some(text) = get("LEEWAY") {
            let message = "RKCY_EDGE_LEEWAY is a number of seconds";
            self.leeway = text.parse().map_err(|_| wrong("leeway", message))?;
        }
        for (name, setting) in [("rate", &mut self.rate), ("burst", &mut self.burst)] {
            if let Some(text) = get(&name.to_uppercase()) {
                let message = format!("RKCY_EDGE_{} is a number of requests", name.to_uppercase());
                let number = text.parse().map_err(|_| wrong(name, message))?;
                *setting = Some(number);
            }
        }
        self.keys = get("KEYS").map(PathBuf::from).or(self.keys);
        self.audience = get("AUDIENCE").or(self.audience);
        self.issuer = get("ISSUER").or(self.issuer);
        self.roles = get("ROLES").unwrap_or(self.roles);
        self.admin = get("ADMIN").unwrap_or(self.admin);
        self.certificate = get("CERTIFICATE").map(PathBuf::from).or(self.certificate);
        self.key = get("KEY").map(PathBuf::from).or(self.key);
        self.client_ca = get("CLIENT_CA").map(PathBuf::from).or(self.client_ca);
        Ok(self)
    }

    /// Reads the files. Nothing of what a key file holds is in what is told of one that is wrong.
    ///
    /// # Errors
    /// `wrong_setting` with the setting, where a file cannot be read, or holds something else.
    pub fn load(&self) -> Result<Security, Fault> {
        if self.keys.is_none() && (self.audience.is_some() || self.issuer.is_some()) {
            let message = "an audience or an issuer is of tokens, for which there are no `keys`";
            return Err(wrong("keys", message));
        }
        if self.leeway > MOST_LEEWAY {
            let message = format!("clocks that differ by more than {MOST_LEEWAY} s are wrong");
            return Err(wrong("leeway", message));
        }
        let tokens = match &self.keys {
            Some(file) => {
                let keys = Keys::read(file, self)?;
                Some(Arc::new(Tokens::new(keys, &self.roles, &self.admin)))
            }
            None => None,
        };
        let tls = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Some(Tls::read(certificate, key, self.client_ca.as_deref())?)
            }
            (None, None) if self.client_ca.is_none() => None,
            (None, _) => {
                let message = "TLS needs the edge's own `certificate`";
                return Err(wrong("certificate", message));
            }
            (Some(_), None) => return Err(wrong("key", "the certificate needs its private `key`")),
        };
        let rates = match (self.rate, self.burst) {
            (Some(rate), burst) => Some(Arc::new(Rates::new(rate, burst.unwrap_or(rate)))),
            (None, Some(_)) => return Err(wrong("rate", "a burst needs the `rate` behind it")),
            (None, None) => None,
        };
        Ok(Security {
            tokens,
            anonymous: self.anonymous,
            tls,
            rates,
        })
    }

    /// [`Settings::leeway`].
    pub(super) fn leeway(&self) -> Duration {
        Duration::from_secs(self.leeway)
    }
}

/// Beyond, an expired token would hardly ever be one.
const MOST_LEEWAY: u64 = 300;

/// What is wrong with a setting of the table.
pub(super) fn wrong(setting: &str, message: impl Into<String>) -> Fault {
    let fault = Fault::new(Class::Invalid, "wrong_setting", message.into());
    fault.at(format!("edge.{setting}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_before_the_table() {
        let table: Settings = toml::from_str("keys = \"a\"\naudience = \"x\"\n").unwrap();
        let settings = table.with_variables(|name| match name {
            "RKCY_EDGE_KEYS" => Some("b".to_owned()),
            "RKCY_EDGE_ANONYMOUS" => Some("true".to_owned()),
            _ => None,
        });
        let settings = settings.unwrap();
        assert_eq!(settings.keys, Some(PathBuf::from("b")));
        assert_eq!(settings.audience.as_deref(), Some("x"));
        assert!(settings.anonymous);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_setting() {
        assert!(toml::from_str::<Settings>("kees = \"a\"").is_err());
        let path = |text: &str| {
            let settings: Settings = toml::from_str(text).unwrap();
            settings.load().unwrap_err().path.into_owned()
        };
        assert_eq!(path("audience = \"x\""), "edge.keys");
        assert_eq!(path("keys = \"/nowhere\""), "edge.keys");
        assert_eq!(path("certificate = \"a\""), "edge.key");
        assert_eq!(path("client_ca = \"a\""), "edge.certificate");
        assert_eq!(path("leeway = 3600"), "edge.leeway");
        assert_eq!(path("burst = 5"), "edge.rate");
        assert!(toml::from_str::<Settings>("rate = 0").is_err());
        let wrong = [
            ("ANONYMOUS", "yes"),
            ("LEEWAY", "-1"),
            ("RATE", "0"),
            ("BURST", "many"),
        ];
        for (name, text) in wrong {
            let given =
                |asked: &str| (asked == format!("RKCY_EDGE_{name}")).then(|| text.to_owned());
            assert!(Settings::default().with_variables(given).is_err(), "{name}");
        }
    }
}
