//! Where a PostgreSQL database is, and how to speak to it.
//!
//! Owns what may stand in its address, so that a mistyped word is an error and not, say, a connection
//! without TLS. Nothing here shows a password.

use rkcy_core::fault::{Class, Fault};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// What may stand behind the `?` of an address: the words of `libpq` that are known here.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];
/// What `sslmode` may be. `allow` is not among them: the driver takes it for `disable`.
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// Where a PostgreSQL database is, and how to speak to it: valid, and shown without its secrets.
///
/// What the address leaves out is taken from `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`,
/// `PGSSLMODE`, `PGSSLROOTCERT`, `PGSSLCERT`, `PGSSLKEY` and the file `~/.pgpass`, as by any client.
#[derive(Clone)]
pub struct Settings {
    url: String,
    options: Box<PgConnectOptions>,
    /// Where rows that are not in memory are read from, if not there as well.
    replica: Option<Box<PgConnectOptions>>,
}

impl Settings {
    /// Of an address: `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=verify-full&…]`.
    ///
    /// # Errors
    /// [`Class::Invalid`] where it is no such address; the message does not repeat it.
    pub fn new(url: &str) -> Result<Settings, Fault> {
        Ok(Settings {
            url: url.to_owned(),
            options: Box::new(options(url, "store")?),
            replica: None,
        })
    }

    /// The same with cold reads from a copy that follows the database; how far it is behind does not
    /// matter, except that rows which it has not got yet are asked for again.
    ///
    /// # Errors
    /// As [`Settings::new`].
    pub fn with_replica(self, url: &str) -> Result<Settings, Fault> {
        Ok(Settings {
            replica: Some(Box::new(options(url, "store_replica")?)),
            ..self
        })
    }

    /// The address as it was given, with its secrets: for a process that is started with the same
    /// settings, by its environment and never on its command line.
    #[must_use]
    pub fn url_with_secrets(&self) -> &str {
        &self.url
    }

    pub(super) fn writer(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.options)
    }

    pub(super) fn reader(&self) -> PgConnectOptions {
        PgConnectOptions::clone(self.replica.as_ref().unwrap_or(&self.options))
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown(&self.options))
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("url", &shown(&self.options))
            .field("replica", &self.replica.as_deref().map(shown))
            .finish()
    }
}

/// An address as messages name it.
pub(super) fn shown(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let (user, port) = (options.get_username(), options.get_port());
    let database = options.get_database().unwrap_or(user);
    format!("postgres://{user}@{host}:{port}/{database}")
}

fn options(url: &str, setting: &'static str) -> Result<PgConnectOptions, Fault> {
    let wrong = |why: String| {
        let message = format!(
            "the address of the database: {why}; postgres://USER@HOST:PORT/DATABASE was expected"
        );
        Fault::new(Class::Invalid, "wrong_setting", message).at(setting)
    };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("it does not begin with postgres://".to_owned()));
    }
    let parameters = url.split_once('?').map_or("", |(_, all)| all);
    for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = PARAMETERS.contains(&name) || name.starts_with("options[");
        if !known {
            let known = PARAMETERS.join(", ");
            return Err(wrong(format!("`{name}` is none of {known}")));
        }
        if name == "sslmode" && !SSL_MODES.contains(&value) {
            let known = SSL_MODES.join(", ");
            return Err(wrong(format!("sslmode `{value}` is none of {known}")));
        }
    }
    let has = |name: &str| parameters.split('&').any(|pair| pair.starts_with(name));
    if has("sslcert=") != has("sslkey=") {
        return Err(wrong("sslcert and sslkey go together".to_owned()));
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
    // Values of rows do not belong into anybody's log.
    Ok(options.application_name("rkcy").disable_statement_logging())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let url = "postgres://ann:s3cret@db.example:6432/game?sslmode=require&password=t0psecret";
        let settings = Settings::new(url).unwrap().with_replica(url).unwrap();
        for shown in [format!("{settings}"), format!("{settings:?}")] {
            assert!(
                shown.contains("postgres://ann@db.example:6432/game"),
                "{shown}"
            );
            assert!(
                !shown.contains("s3cret") && !shown.contains("t0psecret"),
                "{shown}"
            );
        }
    }

    #[test]
    fn wrong_addresses_are_refused_without_their_secrets() {
        for (url, why) in [
            ("mysql://ann:s3cret@db/game", "begin with postgres://"),
            ("postgres://ann:s3cret@db:port/game", "invalid port number"),
            (
                "postgres://ann:s3cret@db/game?sslmod=require",
                "`sslmod` is none of",
            ),
            (
                "postgres://ann:s3cret@db/game?sslmode=yes",
                "sslmode `yes` is none of",
            ),
            (
                "postgres://ann:s3cret@db/game?sslmode=allow",
                "sslmode `allow` is none of",
            ),
            ("postgres://ann:s3cret@db/game?sslcert=a.pem", "go together"),
        ] {
            let fault = Settings::new(url).unwrap_err();
            assert_eq!(fault.class, Class::Invalid);
            assert!(fault.message.contains(why), "{url}: {}", fault.message);
            assert!(!fault.message.contains("s3cret"), "{}", fault.message);
        }
    }
}
