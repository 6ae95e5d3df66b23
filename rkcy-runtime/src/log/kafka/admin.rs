//! Topics: made, found, checked.
//!
//! Owns the first contact with a cluster and the settings of every topic (the table in `docs/kafka.md`). What is not as
//! the platform needs it is told with what mends it; nothing is changed in a topic that is there.

use super::super::LogError;
use super::CONTACT;
use super::names::{Names, Platform, Topic, Use};
use super::settings::{RECORD_BYTES, Settings};
use super::trouble::{Trouble, is_no_access};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a change of topics may take.
const CHANGE: Duration = Duration::from_secs(30);
/// How long an answer of the response topic is kept. Milliseconds; who has missed it asks again by id.
const ANSWERS_KEPT: u64 = 10 * 60 * 1000;
/// Copies of each partition where there are brokers enough.
const REPLICAS: usize = 3;

/// What there is of a platform on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// None of its topics.
    Nothing,
    /// Its topics, or some of them; [`Admin::check`] tells which are missing.
    Topics {
        /// Partitions of each root concern, where that can be told.
        partitions: Option<u16>,
        /// Partitions of the response topic, where it is there.
        answers: Option<u16>,
    },
}

/// Makes and checks topics.
pub struct Admin {
    settings: Settings,
    client: AdminClient<Trouble>,
    probe: BaseConsumer<Trouble>,
    trouble: Trouble,
    runtime: tokio::runtime::Runtime,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// [`LogError::Settings`], [`LogError::Unreachable`], [`LogError::NoAccess`].
    pub fn connect(settings: &Settings) -> Result<Admin, LogError> {
        settings.check()?;
        let trouble = Trouble::default();
        let unusable = |error: KafkaError| LogError::Settings {
            what: error.to_string(),
        };
        let config = settings.client();
        let client = config
            .create_with_context(trouble.clone())
            .map_err(unusable)?;
        let probe = config
            .create_with_context(trouble.clone())
            .map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| LogError::Cluster {
                doing: "start a runtime".to_owned(),
                what: error.to_string(),
            })?;
        let admin = Admin {
            settings: settings.clone(),
            client,
            probe,
            trouble,
            runtime,
        };
        admin.contact()?;
        Ok(admin)
    }

    /// Waits for the first answer, but not where it is known that none comes.
    fn contact(&self) -> Result<(), LogError> {
        let until = Instant::now() + CONTACT;
        loop {
            // Complaints come with it.
            drop(self.probe.poll(Duration::ZERO));
            match self
                .probe
                .fetch_metadata(Some(""), Duration::from_millis(500))
            {
                Ok(_) => {
                    // What was heard before is over.
                    self.trouble.clear();
                    return Ok(());
                }
                Err(error) => {
                    drop(self.probe.poll(Duration::ZERO));
                    if self.trouble.is_final() || Instant::now() >= until {
                        return Err(self.failed("reach the cluster", &error));
                    }
                }
            }
        }
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> LogError {
        self.trouble.explain(&self.settings.brokers, doing, error)
    }

    fn metadata(&self) -> Result<Metadata, LogError> {
        self.probe
            .fetch_metadata(None, CONTACT)
            .map_err(|error| self.failed("list the topics", &error))
    }

    /// Partitions of those topics of a platform that are there, by name.
    fn partitions(&self, names: &Names) -> Result<BTreeMap<String, u16>, LogError> {
        let metadata = self.metadata()?;
        let there = metadata.topics().iter().filter_map(|topic| {
            let known = names.topics.iter().any(|own| own.name == topic.name());
            let count = u16::try_from(topic.partitions().len()).unwrap_or(u16::MAX);
            (known && topic.error().is_none()).then(|| (topic.name().to_owned(), count))
        });
        Ok(there.collect())
    }

    /// What there is of the platform; its numbers of partitions are not looked at.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub fn find(&self, platform: &Platform) -> Result<Found, LogError> {
        let names = Names::new(platform)?;
        let there = self.partitions(&names)?;
        if there.is_empty() {
            return Ok(Found::Nothing);
        }
        let of = |uses| names.of_use(uses).find_map(|name| there.get(name).copied());
        Ok(Found::Topics {
            partitions: of(Use::Commands).or_else(|| of(Use::Changes)),
            answers: of(Use::Response),
        })
    }

    /// Makes the topics that are missing, waits until they can be used, and checks all. Gives back the names of
    /// those that it made.
    ///
    /// # Errors
    /// As [`Admin::check`], and where the cluster does not make them.
    pub fn create(&self, platform: &Platform) -> Result<Vec<String>, LogError> {
        let names = Names::new(platform)?;
        let there = self.partitions(&names)?;
        let missing: Vec<&Topic> = (names.topics.iter())
            .filter(|topic| !there.contains_key(&topic.name))
            .collect();
        if !missing.is_empty() {
            let brokers = self.metadata()?.brokers().len();
            let replicas =
                (self.settings.replication).map_or(brokers.clamp(1, REPLICAS), usize::from);
            let configs: Vec<Vec<(&str, String)>> = missing
                .iter()
                .map(|topic| self.wanted(topic.uses, replicas))
                .collect();
            let new: Vec<NewTopic<'_>> = missing
                .iter()
                .zip(&configs)
                .map(|(topic, config)| NewTopic {
                    name: &topic.name,
                    num_partitions: i32::from(topic.partitions),
                    replication: TopicReplication::Fixed(i32::try_from(replicas).unwrap_or(1)),
                    config: config
                        .iter()
                        .map(|(key, value)| (*key, value.as_str()))
                        .collect(),
                })
                .collect();
            let options = AdminOptions::new()
                .operation_timeout(Some(CHANGE))
                .request_timeout(Some(CHANGE));
            let made = self
                .runtime
                .block_on(self.client.create_topics(&new, &options))
                .map_err(|error| self.failed("create the topics", &error))?;
            for result in made {
                match result {
                    // Another process was faster: whether it made the same is checked below.
                    Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                    Err((topic, code)) => return Err(self.not_made(topic, code, replicas)),
                }
            }
            self.await_leaders(&names)?;
        }
        let made = missing.iter().map(|topic| topic.name.clone()).collect();
        self.check(platform)?;
        Ok(made)
    }

    fn not_made(&self, topic: String, code: RDKafkaErrorCode, replicas: usize) -> LogError {
        match code {
            code if is_no_access(code) => LogError::NoAccess {
                brokers: self.settings.brokers.clone(),
                what: format!("topic {topic} may not be created: {code}"),
            },
            RDKafkaErrorCode::InvalidReplicationFactor => LogError::WrongTopic {
                topic,
                what: format!("it cannot have {replicas} copies: {code}"),
                mend: "set `replication` to no more than there are brokers".to_owned(),
            },
            code => LogError::Cluster {
                doing: format!("create topic {topic}"),
                what: code.to_string(),
            },
        }
    }

    /// A new topic can be written to when each of its partitions has a leader.
    fn await_leaders(&self, names: &Names) -> Result<(), LogError> {
        let until = Instant::now() + CHANGE;
        loop {
            let metadata = self.metadata()?;
            let led = names.topics.iter().all(|own| {
                metadata.topics().iter().any(|topic| {
                    let partitions = topic.partitions();
                    topic.name() == own.name
                        && partitions.len() >= usize::from(own.partitions).min(1)
                        && partitions.iter().all(|partition| partition.leader() >= 0)
                })
            });
            if led {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(LogError::Cluster {
                    doing: "use the new topics".to_owned(),
                    what: format!("some have no leader after {} s", CHANGE.as_secs()),
                });
            }
            // The next answer comes when something has changed, or in a moment.
            drop(self.probe.poll(Duration::from_millis(20)));
        }
    }

    /// Settings of a topic that is made.
    fn wanted(&self, uses: Use, replicas: usize) -> Vec<(&'static str, String)> {
        let hours = u64::from(self.settings.command_hours) * 60 * 60 * 1000;
        let bytes = u64::from(self.settings.command_gib) << 30;
        let never = || "-1".to_owned();
        let (policy, kept_ms, kept_bytes) = match uses {
            Use::Commands => ("delete", hours.to_string(), bytes.to_string()),
            Use::Complete => ("delete", hours.to_string(), never()),
            // Trimmed by the platform alone, below the least snapshot that somebody needs.
            Use::Changes | Use::Platform => ("delete", never(), never()),
            Use::Config => ("compact", never(), never()),
            Use::Response => ("delete", ANSWERS_KEPT.to_string(), never()),
        };
        let mut wanted = vec![
            ("cleanup.policy", policy.to_owned()),
            ("retention.ms", kept_ms),
            ("retention.bytes", kept_bytes),
            // One clock for all that a partition holds, and not the senders'.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", RECORD_BYTES.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
            // One broker of three may be away; what is acknowledged is on two.
            (
                "min.insync.replicas",
                if replicas >= 3 { "2" } else { "1" }.to_owned(),
            ),
        ];
        if uses == Use::Response {
            // Space is freed by whole segments.
            wanted.push(("segment.ms", ANSWERS_KEPT.to_string()));
        }
        wanted
    }

    /// Whether the topics of a platform are there and as they must be.
    ///
    /// # Errors
    /// [`LogError::TopicMissing`] with all that are missing, or [`LogError::WrongTopic`] with the first that is wrong,
    /// and all that is wrong with it.
    pub fn check(&self, platform: &Platform) -> Result<(), LogError> {
        let names = Names::new(platform)?;
        let metadata = self.metadata()?;
        let mut missing = Vec::new();
        for own in &names.topics {
            let found = (metadata.topics().iter())
                .find(|topic| topic.name() == own.name && topic.error().is_none());
            let Some(found) = found else {
                missing.push(own.name.clone());
                continue;
            };
            let (count, wanted) = (found.partitions().len(), usize::from(own.partitions));
            if count != wanted {
                return Err(LogError::WrongTopic {
                    topic: own.name.clone(),
                    what: format!("it has {count} partitions, and the platform is made for {wanted}"),
                    mend: "a key's partition follows from their number: name the platform's own, or another `--env`; a topic whose partitions were added by hand must be restored".to_owned(),
                });
            }
        }
        if !missing.is_empty() {
            return Err(LogError::TopicMissing { topics: missing });
        }
        self.check_configs(&names, &metadata)
    }

    fn check_configs(&self, names: &Names, metadata: &Metadata) -> Result<(), LogError> {
        let asked: Vec<ResourceSpecifier<'_>> = (names.topics.iter())
            .map(|topic| ResourceSpecifier::Topic(&topic.name))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(CONTACT));
        let found = self
            .runtime
            .block_on(self.client.describe_configs(&asked, &options))
            .map_err(|error| self.failed("read the settings of the topics", &error))?;
        for (topic, config) in names.topics.iter().zip(found) {
            let config = config.map_err(|code| {
                let doing = format!("read the settings of topic {}", topic.name);
                self.failed(&doing, &KafkaError::AdminOp(code))
            })?;
            let replicas = (metadata.topics().iter())
                .find(|found| found.name() == topic.name)
                .and_then(|found| found.partitions().first())
                .map_or(1, |partition| partition.replicas().len());
            let wrong = wrong_settings(topic.uses, replicas, &config);
            if wrong.is_empty() {
                continue;
            }
            let told = |wrong: &(String, Option<String>, String)| {
                let (name, found, wanted) = wrong;
                let found = found.as_deref().unwrap_or("not known");
                format!("{name} is {found}, and must be {wanted}")
            };
            let what: Vec<String> = wrong.iter().map(told).collect();
            let pairs: Vec<String> = (wrong.iter())
                .map(|(name, _, wanted)| {
                    format!("{name}={}", wanted.trim_start_matches("at least "))
                })
                .collect();
            return Err(LogError::WrongTopic {
                topic: topic.name.clone(),
                what: what.join("; "),
                mend: format!(
                    "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} --add-config {}",
                    self.settings.brokers,
                    topic.name,
                    pairs.join(",")
                ),
            });
        }
        Ok(())
    }

    /// Deletes the records before the offsets that stand in the list.
    pub(super) fn delete_records(&self, before: &TopicPartitionList) -> Result<(), LogError> {
        let options = AdminOptions::new()
            .operation_timeout(Some(CONTACT))
            .request_timeout(Some(CONTACT));
        self.runtime
            .block_on(self.client.delete_records(before, &options))
            .map(drop)
            .map_err(|error| self.failed("delete records", &error))
    }

    /// Deletes a platform's topics with all that they hold.
    ///
    /// # Errors
    /// Where the cluster does not do it.
    pub fn delete(&self, platform: &Platform) -> Result<(), LogError> {
        let names = Names::new(platform)?;
        let topics: Vec<&str> = (names.topics.iter())
            .map(|topic| topic.name.as_str())
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(CHANGE));
        let results = self
            .runtime
            .block_on(self.client.delete_topics(&topics, &options))
            .map_err(|error| self.failed("delete the topics", &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => {
                    return Err(LogError::Cluster {
                        doing: format!("delete topic {topic}"),
                        what: code.to_string(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Name, value found and value wanted of each setting that would break a promise. Times and sizes of what may be
/// kept for less than for ever are the operator's own affair.
fn wrong_settings(
    uses: Use,
    replicas: usize,
    config: &ConfigResource,
) -> Vec<(String, Option<String>, String)> {
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
    let mut wrong = Vec::new();
    let mut equals = |name: &str, wanted: &str| {
        let found = value(name);
        if found.as_deref() != Some(wanted) {
            wrong.push((name.to_owned(), found, wanted.to_owned()));
        }
    };
    let policy = if uses == Use::Config {
        "compact"
    } else {
        "delete"
    };
    equals("cleanup.policy", policy);
    equals("message.timestamp.type", "LogAppendTime");
    equals("unclean.leader.election.enable", "false");
    if matches!(uses, Use::Changes | Use::Platform) {
        equals("retention.ms", "-1");
        equals("retention.bytes", "-1");
    }
    let mut at_least = |name: &str, least: usize| {
        let found = value(name);
        let enough = (found.as_deref()).and_then(|text| text.parse().ok());
        if enough.is_none_or(|found: usize| found < least) {
            wrong.push((name.to_owned(), found, format!("at least {least}")));
        }
    };
    at_least("max.message.bytes", RECORD_BYTES);
    if replicas >= REPLICAS {
        at_least("min.insync.replicas", 2);
    }
    wrong
}
