//! Where a platform keeps its data, and how it is run.
//!
//! Owns the settings and their order: flags, then `RKCY_*`, then `rkcy.toml` in the current directory,
//! then what is built in. A setting that this build cannot honour is an error, never ignored.

use crate::codegen::PlatformDesc;
use crate::driver::{LogChoice, Options, StoreChoice};
use crate::edge;
use crate::log::embedded::Fsync;
use crate::log::kafka::{self, Secret};
use crate::store::postgres;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::settings::Audit;
use serde::Deserialize;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file beside the command, in the current directory.
const FILE: &str = "rkcy.toml";
/// Pause between syncs where `interval` says none. Milliseconds.
const INTERVAL: u64 = 100;

/// Settings as they are written, wherever that is.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// Where the log is: `embedded:DIR` or `kafka:HOST:PORT[,…]`
    #[arg(
        long,
        global = true,
        env = "RKCY_LOG",
        value_name = "WHERE",
        help_heading = "Settings"
    )]
    pub(crate) log: Option<String>,
    /// Where the database is: `sqlite:FILE` or `postgres://USER@HOST:PORT/DATABASE`
    #[arg(
        long,
        global = true,
        env = "RKCY_STORE",
        // It may hold a password, which help does not repeat.
        hide_env_values = true,
        value_name = "WHERE",
        help_heading = "Settings"
    )]
    pub(crate) store: Option<String>,
    /// A copy of that database to read from what is not in memory: `postgres://…`
    #[arg(
        long,
        global = true,
        env = "RKCY_STORE_REPLICA",
        hide_env_values = true,
        value_name = "WHERE",
        help_heading = "Settings"
    )]
    pub(crate) store_replica: Option<String>,
    /// Name of the environment; a log belongs to one [default: dev]
    #[arg(
        long,
        global = true,
        env = "RKCY_ENV",
        value_name = "NAME",
        help_heading = "Settings"
    )]
    pub(crate) env: Option<String>,
    /// When a record counts as durable: `always`, `interval[:MS]` or `os` [default: always]
    #[arg(
        long,
        global = true,
        env = "RKCY_FSYNC",
        value_name = "WHEN",
        help_heading = "Settings"
    )]
    pub(crate) fsync: Option<String>,
    /// Partitions of every concern, where the log is new [default: what the schema says]
    #[arg(long, global = true, env = "RKCY_PARTITIONS", value_name = "N", help_heading = "Settings",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) partitions: Option<u16>,
    /// Which finished transactions are told of, for `watch`: `all`, `refused` or `off` [default: off]
    #[arg(
        long,
        global = true,
        env = "RKCY_AUDIT",
        value_name = "WHICH",
        help_heading = "Settings"
    )]
    pub(crate) audit: Option<String>,
    /// Mebibytes of rows in memory, for all partitions together [default: 256]
    #[arg(long, global = true, env = "RKCY_CACHE", value_name = "MIB", help_heading = "Settings",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) cache: Option<u32>,
    /// Seconds after which a handler that does not come back ends the process; 0: never [default: 30]
    #[arg(
        long,
        global = true,
        env = "RKCY_WATCHDOG",
        value_name = "SECONDS",
        help_heading = "Settings"
    )]
    pub(crate) watchdog: Option<u64>,
    /// Where the edge listens: `HOST:PORT`; port 0 is any that is free [default: 127.0.0.1:7410, or a free port where
    /// that is taken]
    #[arg(
        long,
        global = true,
        env = "RKCY_LISTEN",
        value_name = "ADDR",
        help_heading = "Settings"
    )]
    pub(crate) listen: Option<String>,
    /// Edge of a platform that runs: `http://HOST:PORT` [default: that of the process that has the embedded log, if any]
    #[arg(
        long,
        global = true,
        env = "RKCY_ENDPOINT",
        value_name = "URL",
        help_heading = "Settings"
    )]
    pub(crate) endpoint: Option<String>,
    /// Seconds for which an idempotency key is remembered after its transaction has ended [default: 86400]
    #[arg(long, global = true, env = "RKCY_KEY_LIFE", value_name = "SECONDS", help_heading = "Settings",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) key_life: Option<u32>,
    /// More about the Kafka cluster: the table `[kafka]`, and variables `RKCY_KAFKA_…` before it.
    #[arg(skip)]
    #[serde(default)]
    pub(crate) kafka: kafka::Settings,
    /// Who may ask at the edge: the table `[edge]`, and variables `RKCY_EDGE_…` before it.
    #[arg(skip)]
    #[serde(default)]
    pub(crate) edge: edge::Settings,
}

/// Settings, understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log.
    pub log: LogChoice,
    /// The database.
    pub store: StoreChoice,
    /// Name of the environment.
    pub env: String,
    /// When a record counts as durable.
    pub fsync: Fsync,
    /// Partitions of every concern, where the log is new.
    pub partitions: Option<u16>,
    /// Which finished transactions are told of.
    pub audit: Audit,
    /// Bound of the rows in memory. Bytes.
    pub cache_bytes: usize,
    /// When a handler that does not come back ends the process; zero: never.
    pub watchdog: Duration,
    /// Where the edge listens, where that was said.
    pub listen: Option<SocketAddr>,
    /// Edge of the platform that commands talk to, where that was said.
    pub endpoint: Option<String>,
    /// Who may ask at the edge.
    pub edge: edge::Settings,
    /// The bearer token that commands show at the edge of a platform that runs (`RKCY_TOKEN`).
    pub token: Option<Secret>,
    /// How long an idempotency key is remembered.
    pub key_life: Duration,
    /// Whether log or database were named, in whatever way, and are not the built-in ones.
    pub places_given: bool,
}

impl Settings {
    /// What flags and environment say, completed by the file and by what is built in.
    ///
    /// # Errors
    /// [`Class::Invalid`] where a setting cannot be understood; it names the setting.
    pub(crate) fn resolve(written: Written, desc: &PlatformDesc) -> Result<Settings, Fault> {
        let file = read_file(Path::new(FILE))?;
        let written = Written {
            log: written.log.or(file.log),
            store: written.store.or(file.store),
            store_replica: written.store_replica.or(file.store_replica),
            env: written.env.or(file.env),
            fsync: written.fsync.or(file.fsync),
            partitions: written.partitions.or(file.partitions),
            audit: written.audit.or(file.audit),
            cache: written.cache.or(file.cache),
            watchdog: written.watchdog.or(file.watchdog),
            listen: written.listen.or(file.listen),
            endpoint: written.endpoint.or(file.endpoint),
            key_life: written.key_life.or(file.key_life),
            kafka: file.kafka,
            edge: file.edge,
        };
        let variable = |name: &str| std::env::var(name).ok();
        let places_given = written.log.is_some() || written.store.is_some();
        let log = match &written.log {
            Some(text) => log(text, written.kafka, variable)?,
            None => LogChoice::Embedded(PathBuf::from("./data/log")),
        };
        let store = match &written.store {
            Some(text) => store(text)?,
            None => StoreChoice::Sqlite(PathBuf::from(format!("./data/{}.db", desc.name))),
        };
        let store = match (store, &written.store_replica) {
            (StoreChoice::Postgres(settings), Some(url)) => {
                StoreChoice::Postgres(settings.with_replica(url)?)
            }
            (StoreChoice::Sqlite(_), Some(_)) => {
                let message = "only a PostgreSQL database has copies to read from".to_owned();
                return Err(invalid("store_replica", message));
            }
            (store, None) => store,
        };
        let env = written.env.unwrap_or_else(|| "dev".to_owned());
        let proper = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
        if env.is_empty() || !env.chars().all(proper) {
            return Err(invalid(
                "env",
                format!("`{env}` is no name of an environment: letters, digits, - and _"),
            ));
        }
        if written.partitions == Some(0) {
            return Err(invalid("partitions", "there is at least one"));
        }
        Ok(Settings {
            log,
            store,
            env,
            fsync: fsync(written.fsync.as_deref())?,
            partitions: written.partitions,
            audit: audit(written.audit.as_deref())?,
            cache_bytes: match written.cache {
                Some(0) => return Err(invalid("cache", "at least one mebibyte")),
                Some(mib) => usize::try_from(mib)
                    .unwrap_or(usize::MAX)
                    .saturating_mul(1 << 20),
                None => Options::default().cache_bytes,
            },
            watchdog: (written.watchdog).map_or(Options::default().watchdog, Duration::from_secs),
            listen: written.listen.as_deref().map(listen).transpose()?,
            endpoint: written.endpoint.map(endpoint).transpose()?,
            edge: written.edge.with_variables(variable)?,
            token: variable("RKCY_TOKEN").map(Secret::new),
            key_life: match written.key_life {
                Some(0) => return Err(invalid("key_life", "at least one second")),
                Some(seconds) => Duration::from_secs(u64::from(seconds)),
                None => Duration::from_millis(rkcy_core::settings::Settings::default().key_life),
            },
            places_given,
        })
    }

    /// Whether several processes share the log.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match self.log {
            LogChoice::Embedded(_) => false,
            LogChoice::Kafka(_) => true,
        }
    }

    /// How the driver takes them.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            log: self.log.clone(),
            store: self.store.clone(),
            env: self.env.clone(),
            partitions: self.partitions,
            fsync: self.fsync,
            cache_bytes: self.cache_bytes,
            settings: rkcy_core::settings::Settings {
                audit: self.audit,
                key_life: u64::try_from(self.key_life.as_millis()).unwrap_or(u64::MAX),
                ..rkcy_core::settings::Settings::default()
            },
            watchdog: self.watchdog,
            ..Options::default()
        }
    }
}

fn read_file(path: &Path) -> Result<Written, Fault> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            // The line itself is not shown: it may be one with a password.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let message = format!("{}, line {line}: {}", path.display(), error.message());
            Fault::new(Class::Invalid, "settings_file", message)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Written::default()),
        Err(error) => Err(Fault::new(
            Class::Invalid,
            "settings_file",
            format!("{} cannot be read: {error}", path.display()),
        )),
    }
}

/// The log in `embedded:DIR` or `kafka:HOST:PORT[,…]`, with what else is said about the cluster.
fn log(
    text: &str,
    cluster: kafka::Settings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<LogChoice, Fault> {
    let understood = "write `embedded:DIR` or `kafka:HOST:PORT[,HOST:PORT…]`";
    match split(text, "log", understood)? {
        ("embedded", dir) => Ok(LogChoice::Embedded(PathBuf::from(dir))),
        ("kafka", brokers) => {
            let is_broker = |broker: &str| {
                let (host, port) = broker.rsplit_once(':').unwrap_or_default();
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            };
            if !brokers.split(',').all(is_broker) {
                let message = format!("`{brokers}` names no brokers: {understood}");
                return Err(invalid("log", message));
            }
            let brokers = brokers.to_owned();
            let cluster = kafka::Settings { brokers, ..cluster };
            let cluster = cluster
                .with_variables(variable)
                .map_err(|error| invalid("kafka", error.to_string()))?;
            Ok(LogChoice::Kafka(cluster))
        }
        _ => Err(invalid(
            "log",
            format!("`{text}` is not understood: {understood}"),
        )),
    }
}

/// The database in `sqlite:FILE` or `postgres://…`.
fn store(text: &str) -> Result<StoreChoice, Fault> {
    let understood = "write `sqlite:FILE` or `postgres://USER@HOST:PORT/DATABASE`";
    // What stands in it may be a password.
    match split(text, "store", understood)? {
        ("sqlite", file) => Ok(StoreChoice::Sqlite(PathBuf::from(file))),
        ("postgres" | "postgresql", rest) if rest.starts_with("//") => {
            Ok(StoreChoice::Postgres(postgres::Settings::new(text)?))
        }
        (kind, _) => Err(invalid(
            "store",
            format!("`{kind}:…` is not understood: {understood}"),
        )),
    }
}

/// The kind and the place in `KIND:PLACE`.
fn split<'a>(text: &'a str, setting: &str, understood: &str) -> Result<(&'a str, &'a str), Fault> {
    let Some((kind, place)) = text.split_once(':') else {
        // Without a colon there is no password in it.
        let kind = understood.trim_start_matches("write `");
        let kind = kind.split_once(':').map_or("", |(kind, _)| kind);
        let message = format!("`{text}` is not understood: {understood}, such as `{kind}:{text}`");
        return Err(invalid(setting, message));
    };
    if kind.is_empty() || place.is_empty() {
        let message = format!("a kind and a place were expected: {understood}");
        return Err(invalid(setting, message));
    }
    Ok((kind, place))
}

fn fsync(text: Option<&str>) -> Result<Fsync, Fault> {
    let wrong = |text: &str| {
        invalid(
            "fsync",
            format!("`{text}` is not understood: `always`, `interval`, `interval:MS` or `os`"),
        )
    };
    match text {
        None | Some("always") => Ok(Fsync::Always),
        Some("os") => Ok(Fsync::Os),
        Some("interval") => Ok(Fsync::Interval(Duration::from_millis(INTERVAL))),
        Some(text) => {
            let millis = text
                .strip_prefix("interval:")
                .and_then(|ms| ms.parse().ok());
            let millis = millis.filter(|ms| *ms > 0).ok_or_else(|| wrong(text))?;
            Ok(Fsync::Interval(Duration::from_millis(millis)))
        }
    }
}

fn audit(text: Option<&str>) -> Result<Audit, Fault> {
    match text {
        None | Some("off") => Ok(Audit::Off),
        Some("refused") => Ok(Audit::Refused),
        Some("all") => Ok(Audit::All),
        Some(text) => {
            let message = format!("`{text}` is not understood: `all`, `refused` or `off`");
            Err(invalid("audit", message))
        }
    }
}

/// An address of this machine.
fn listen(text: &str) -> Result<SocketAddr, Fault> {
    let wrong = |why: String| {
        let message = format!("`{text}` is no address to listen at ({why}): write `HOST:PORT`");
        invalid("listen", message)
    };
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| wrong(error.to_string()))?;
    found.next().ok_or_else(|| wrong("no such host".to_owned()))
}

fn endpoint(text: String) -> Result<String, Fault> {
    match text.starts_with("http://") {
        true => Ok(text),
        false => {
            let message = format!("`{text}` is not understood: write `http://HOST:PORT`");
            Err(invalid("endpoint", message))
        }
    }
}

fn invalid(setting: &str, message: impl Into<String>) -> Fault {
    Fault::new(Class::Invalid, "wrong_setting", message.into()).at(setting.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log without a table and without variables.
    fn log(text: &str) -> Result<LogChoice, Fault> {
        super::log(text, kafka::Settings::default(), |_| None)
    }

    #[test]
    fn a_cluster_is_told_of_in_a_table_and_in_variables() {
        let file = "log = \"kafka:one:1\"\n[kafka]\nuser = \"app\"\nsasl = \"scram-sha-512\"\n";
        let written: Written = toml::from_str(file).unwrap();
        let variable = |name: &str| (name == "RKCY_KAFKA_PASSWORD").then(|| "hunter2".to_owned());
        let place = written.log.unwrap();
        let choice = super::log(&place, written.kafka.clone(), variable).unwrap();
        assert!(!format!("{choice:?}").contains("hunter2"));
        let LogChoice::Kafka(cluster) = choice else {
            panic!("{choice:?}")
        };
        assert_eq!(cluster.brokers, "one:1");
        assert!(cluster.user.is_some() && cluster.password.is_some());
        let variable = |name: &str| (name == "RKCY_KAFKA_SASL").then(|| "gssapi".to_owned());
        let fault = super::log(&place, written.kafka, variable).unwrap_err();
        assert_eq!(fault.path.as_ref(), "kafka");
        assert!(toml::from_str::<Written>("[kafka]\npasswort = \"x\"\n").is_err());
    }

    #[test]
    fn places_are_understood_or_refused_by_name() {
        for text in [
            "embedded:a/b",
            "kafka:localhost:9092",
            "kafka:one:1,[::1]:9092",
        ] {
            assert_eq!(log(text).unwrap().to_string(), text);
        }
        for text in [
            "a/b",
            "embedded:",
            "file:a",
            "kafka:localhost",
            "kafka:a:1,",
            "kafka::9",
        ] {
            let fault = log(text).unwrap_err();
            assert_eq!((fault.class, fault.path.as_ref()), (Class::Invalid, "log"));
        }
        assert_eq!(store("sqlite:a.db").unwrap().to_string(), "sqlite:a.db");
        let secret = store("postgres://me:secret@host:5432/rpg?password=secret").unwrap();
        assert_eq!(secret.to_string(), "postgres://me@host:5432/rpg");
        assert!(!format!("{secret:?}").contains("secret"));
        for text in [
            "a.db",
            "sqlite:",
            "postgres:secret",
            "mysql://me:secret@host",
        ] {
            let fault = store(text).unwrap_err();
            assert_eq!(
                (fault.class, fault.path.as_ref()),
                (Class::Invalid, "store")
            );
            assert!(!fault.message.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn an_address_to_listen_at_names_a_host_and_a_port() {
        assert_eq!(listen("127.0.0.1:0").unwrap().port(), 0);
        assert!(listen("localhost:80").unwrap().ip().is_loopback());
        for text in ["127.0.0.1", ":80", "localhost:http!", "70000", "a b:1"] {
            let fault = listen(text).unwrap_err();
            assert_eq!(
                (fault.class, fault.path.as_ref()),
                (Class::Invalid, "listen"),
                "{text}"
            );
        }
    }

    #[test]
    fn sync_forms() {
        assert_eq!(fsync(None).unwrap(), Fsync::Always);
        assert_eq!(fsync(Some("os")).unwrap(), Fsync::Os);
        let millis = |ms| Fsync::Interval(Duration::from_millis(ms));
        assert_eq!(fsync(Some("interval")).unwrap(), millis(INTERVAL));
        assert_eq!(fsync(Some("interval:7")).unwrap(), millis(7));
        for text in ["interval:0", "interval:x", "never", ""] {
            assert!(fsync(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_in_the_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        std::fs::write(&path, "env = \"test\"\n").unwrap();
        assert_eq!(read_file(&path).unwrap().env.as_deref(), Some("test"));
        std::fs::write(&path, "logs = \"embedded:x\"\n").unwrap();
        assert!(read_file(&path).unwrap_err().message.contains("logs"));
        std::fs::write(&path, "env = \"test\"\n[kafka]\npasswort = \"hunter2\"\n").unwrap();
        let message = read_file(&path).unwrap_err().message;
        assert!(message.contains("line 3") && message.contains("passwort"));
        assert!(!message.contains("hunter2"), "{message}");
    }
}
