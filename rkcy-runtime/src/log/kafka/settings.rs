//! How a cluster is reached, and how the platform's topics are made there.
//!
//! Owns [`Settings`] as a user writes them (table `[kafka]` of `rkcy.toml`, variables `RKCY_KAFKA_*`), and what
//! they mean to librdkafka: every setting of its clients stands here, with the reason why it is not left
//! as it comes.

use super::super::LogError;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// A password or the like: nothing shows it but the call that needs it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sasl {
    /// Name and password as they are: only over TLS.
    Plain,
    /// A challenge; the password stays here.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The same with a longer hash.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

impl Sasl {
    fn name(self) -> &'static str {
        match self {
            Sasl::Plain => "PLAIN",
            Sasl::ScramSha256 => "SCRAM-SHA-256",
            Sasl::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Where the cluster is, who we are there, and how topics are made. A key that is not known is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Brokers to begin with: `HOST:PORT[,…]`. It comes from `--log kafka:…`, not from the table.
    #[serde(skip)]
    pub brokers: String,
    /// Talk TLS. Needed where none of the files below is named, since the system's authorities are trusted.
    pub tls: bool,
    /// File with the certificates of the authorities that are trusted (PEM). Means TLS.
    pub ca: Option<PathBuf>,
    /// File with this client's certificate, where the brokers ask for one (PEM). Means TLS.
    pub certificate: Option<PathBuf>,
    /// File with its private key (PEM).
    pub key: Option<PathBuf>,
    /// What the private key is encrypted with.
    pub key_password: Option<Secret>,
    /// How the client says who it is, where not by a certificate.
    pub sasl: Option<Sasl>,
    /// Its name,
    pub user: Option<String>,
    /// and its password.
    pub password: Option<Secret>,
    /// Copies of each partition in the topics that are made; else three, or as many as there are brokers.
    pub replication: Option<u16>,
    /// Hours that command logs are kept in topics that are made. A worker that was down for longer cannot go on.
    pub command_hours: u32,
    /// Gibibytes of each partition's command log that are kept in topics that are made.
    pub command_gib: u32,
    /// Partitions of the response topic, where it is made: each submitter is answered at one of them.
    pub answers: u16,
    /// Mebibytes that wait to be acknowledged; then callers wait.
    pub queue_mib: u32,
    /// Kibibytes that are fetched ahead, of each stream that is read.
    pub ahead_kib: u32,
    /// Compress what is sent with lz4: less to carry and to store for more work at both ends.
    pub compress: bool,
    /// Use the classic protocol for groups also where the brokers know the newer one.
    pub classic_groups: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            brokers: String::new(),
            tls: false,
            ca: None,
            certificate: None,
            key: None,
            key_password: None,
            sasl: None,
            user: None,
            password: None,
            replication: None,
            command_hours: 7 * 24,
            command_gib: 16,
            answers: 16,
            queue_mib: 64,
            ahead_kib: 2048,
            compress: false,
            classic_groups: false,
        }
    }
}

/// Most bytes of one record: a change record or frame of 4 MiB with room for one row beside it.
/// The brokers' default is 1 MiB, so the topics are made with this.
pub const RECORD_BYTES: usize = 8 << 20;

impl Settings {
    /// A cluster without TLS or passwords.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Settings {
        Settings {
            brokers: brokers.into(),
            ..Settings::default()
        }
    }

    /// What the variables `RKCY_KAFKA_…` say goes before what is here: `TLS`, `CA`, `CERTIFICATE`, `KEY`,
    /// `KEY_PASSWORD`, `SASL`, `USER`, `PASSWORD`.
    ///
    /// # Errors
    /// [`LogError::Settings`] where one cannot be understood.
    pub fn with_variables(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, LogError> {
        let get = |name: &str| variable(&format!("RKCY_KAFKA_{name}"));
        if let Some(text) = get("TLS") {
            self.tls = match text.as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(wrong("RKCY_KAFKA_TLS is `true` or `false`")),
            };
        }
        if let Some(text) = get("SASL") {
            self.sasl = Some(match text.as_str() {
                "plain" => Sasl::Plain,
                "scram-sha-256" => Sasl::ScramSha256,
                "scram-sha-512" => Sasl::ScramSha512,
                _ => {
                    return Err(wrong(
                        "RKCY_KAFKA_SASL is `plain`, `scram-sha-256` or `scram-sha-512`",
                    ));
                }
            });
        }
        self.ca = get("CA").map(PathBuf::from).or(self.ca);
        self.certificate = get("CERTIFICATE").map(PathBuf::from).or(self.certificate);
        self.key = get("KEY").map(PathBuf::from).or(self.key);
        self.key_password = get("KEY_PASSWORD").map(Secret).or(self.key_password);
        self.user = get("USER").or(self.user);
        self.password = get("PASSWORD").map(Secret).or(self.password);
        Ok(self)
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`LogError::Settings`] with what does not.
    pub fn check(&self) -> Result<(), LogError> {
        let is_address = |address: &str| {
            address
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if !self.brokers.split(',').all(is_address) {
            return Err(wrong(&format!(
                "`{}` is no list of brokers: write HOST:PORT, and more with commas between them",
                self.brokers
            )));
        }
        if self.sasl.is_some() && (self.user.is_none() || self.password.is_none()) {
            return Err(wrong("with `sasl` go `user` and `password`"));
        }
        if self.sasl.is_none() && (self.user.is_some() || self.password.is_some()) {
            return Err(wrong(
                "with `user` and `password` goes `sasl`: which way they are told",
            ));
        }
        if self.sasl == Some(Sasl::Plain) && !self.has_tls() {
            return Err(wrong(
                "`sasl = \"plain\"` sends the password as it is: it needs TLS",
            ));
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err(wrong("`certificate` and `key` go together"));
        }
        for (name, file) in [
            ("ca", &self.ca),
            ("certificate", &self.certificate),
            ("key", &self.key),
        ] {
            if let Some(file) = file
                && let Err(error) = std::fs::File::open(file)
            {
                return Err(wrong(&format!(
                    "`{name}`: {} cannot be read: {error}",
                    file.display()
                )));
            }
        }
        let bounds = [
            ("command_hours", self.command_hours, u32::MAX),
            ("command_gib", self.command_gib, u32::MAX),
            ("answers", u32::from(self.answers), 1024),
            // What librdkafka can count.
            ("queue_mib", self.queue_mib, 2047),
            ("ahead_kib", self.ahead_kib, 1 << 20),
        ];
        for (name, value, most) in bounds {
            if value == 0 || value > most {
                return Err(wrong(&format!("`{name}` is between 1 and {most}")));
            }
        }
        Ok(())
    }

    fn has_tls(&self) -> bool {
        self.tls || self.ca.is_some() || self.certificate.is_some()
    }

    /// What all clients have in common.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "rkcy");
        // It comes back within a second of the broker; the default goes up to ten.
        config.set("reconnect.backoff.ms", "50");
        config.set("reconnect.backoff.max.ms", "1000");
        config.set("retry.backoff.ms", "50");
        // A topic is made with its settings or not at all.
        config.set("allow.auto.create.topics", "false");
        config.set("message.max.bytes", RECORD_BYTES.to_string());
        let protocol = match (self.has_tls(), self.sasl) {
            (false, None) => "plaintext",
            (true, None) => "ssl",
            (false, Some(_)) => "sasl_plaintext",
            (true, Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        let files = [
            ("ssl.ca.location", &self.ca),
            ("ssl.certificate.location", &self.certificate),
            ("ssl.key.location", &self.key),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file.to_string_lossy());
            }
        }
        if let Some(password) = &self.key_password {
            config.set("ssl.key.password", password.expose());
        }
        if let (Some(sasl), Some(user), Some(password)) = (self.sasl, &self.user, &self.password) {
            config.set("sasl.mechanisms", sasl.name());
            config.set("sasl.username", user);
            config.set("sasl.password", password.expose());
        }
        // What matters comes as an error; lines of a log would stand before it in the same queue.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    /// What sends records: at once, or after a millisecond, so that they fill a request.
    pub(super) fn producer(&self, gathers: bool) -> ClientConfig {
        let mut config = self.client();
        // Acknowledged is durable: in memory of all replicas in sync, of which the topics ask for two.
        config.set("acks", "all");
        // A repeat after a lost acknowledgement is not a second record, and none overtakes another.
        config.set("enable.idempotence", "true");
        config.set("max.in.flight.requests.per.connection", "5");
        // A message that expires in the queue while later ones go would be a gap nobody asked for.
        config.set("message.timeout.ms", "0");
        // It cannot be changed while a producer lives: there are two, and one of them is used (`pace`).
        config.set("linger.ms", if gathers { "1" } else { "0" });
        // The bound stands in front, in bytes; these two must not be met before.
        config.set("queue.buffering.max.messages", "0");
        config.set("queue.buffering.max.kbytes", "2097151");
        config.set(
            "compression.type",
            if self.compress { "lz4" } else { "none" },
        );
        config
    }

    /// What every consumer is told: it commits nothing.
    fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        // Required by librdkafka also of those that never join one.
        config.set("group.id", group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        // A place that is no longer there is an error, never a jump.
        config.set("auto.offset.reset", "error");
        config
    }

    /// What reads streams: it is given its partitions and places.
    pub(super) fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        // There are no transactions; one that hangs in a topic of ours must not hold up everybody.
        config.set("isolation.level", "read_uncommitted");
        // How long a stream that is added may wait for a fetch that waits for others; half a second as it comes.
        config.set("fetch.wait.max.ms", "50");
        // Behind a full queue it looks again at once; a second as it comes.
        config.set("fetch.queue.backoff.ms", "1");
        // Of each stream, since each has a queue of its own.
        config.set("queued.max.messages.kbytes", self.ahead_kib.to_string());
        config.set("fetch.message.max.bytes", (1_u32 << 20).to_string());
        config
    }

    /// What is a member of a group: it is told its partitions, and reads none of them.
    pub(super) fn member(&self, group: &str, classic: bool) -> ClientConfig {
        let mut config = self.consumer(group);
        // Partitions that are handed over wait for their worker so long at most; see `group`.
        config.set("max.poll.interval.ms", "60000");
        if classic {
            // What does not move is not touched.
            config.set("partition.assignment.strategy", "cooperative-sticky");
            // A killed member is missed after six seconds; the brokers' own bound is six, too.
            config.set("session.timeout.ms", "6000");
            config.set("heartbeat.interval.ms", "500");
        } else {
            // Session and heartbeat are then the brokers' (`group.consumer.session.timeout.ms`).
            config.set("group.protocol", "consumer");
        }
        config
    }
}

fn wrong(what: &str) -> LogError {
    LogError::Settings {
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let settings = Settings {
            password: Some(Secret::new("hunter2")),
            key_password: Some(Secret::new("hunter3")),
            ..Settings::new("localhost:9092")
        };
        let shown = format!("{settings:?} {settings:#?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("localhost:9092"));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = Settings::new("localhost:9092");
            change(&mut settings);
            match settings.check() {
                Err(LogError::Settings { what }) => what,
                other => panic!("{other:?}"),
            }
        };
        assert!(Settings::new("a:1,b:2").check().is_ok());
        assert!(wrong(|s| s.brokers = "localhost".into()).contains("HOST:PORT"));
        assert!(wrong(|s| s.brokers = "a:1,".into()).contains("HOST:PORT"));
        assert!(wrong(|s| s.sasl = Some(Sasl::ScramSha256)).contains("password"));
        assert!(wrong(|s| s.user = Some("me".into())).contains("`sasl`"));
        assert!(wrong(|s| s.key = Some("key.pem".into())).contains("`certificate`"));
        assert!(wrong(|s| s.ca = Some("/not/there.pem".into())).contains("/not/there.pem"));
        assert!(wrong(|s| s.answers = 0).contains("`answers`"));
        let plain = wrong(|s| {
            s.sasl = Some(Sasl::Plain);
            s.user = Some("me".into());
            s.password = Some(Secret::new("x"));
        });
        assert!(plain.contains("TLS"));
    }

    #[test]
    fn a_table_and_variables() {
        let table = "sasl = \"scram-sha-512\"\nuser = \"app\"\npassword = \"x\"\nca = \"ca.pem\"\n";
        let settings: Settings = toml::from_str(table).unwrap();
        assert_eq!(settings.sasl, Some(Sasl::ScramSha512));
        let settings = settings
            .with_variables(|name| match name {
                "RKCY_KAFKA_USER" => Some("other".to_owned()),
                "RKCY_KAFKA_TLS" => Some("true".to_owned()),
                _ => None,
            })
            .unwrap();
        assert_eq!(settings.user.as_deref(), Some("other"));
        assert!(settings.tls && settings.password.is_some());
        assert!(toml::from_str::<Settings>("passwort = \"x\"").is_err());
        let variables = |name: &str| (name == "RKCY_KAFKA_SASL").then(|| "gssapi".to_owned());
        assert!(Settings::default().with_variables(variables).is_err());
    }
}
