//! Topics: made, found, checked.
//!
//! Owns the first contact with a cluster and the settings of every topic (the table in `docs/kafka.md`). What is not as
//! the platform needs it is told with what mends it; nothing is changed in a topic that is there.

use super::super::LogError;
use super::CONTACT;
use super::lifeline::name_brokers;
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
/// The brokers of a cluster hear of a new topic one after the other, so one that is missing is looked for a while.
pub(super) const SETTLE: Duration = Duration::from_secs(2);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer of the response topic is kept. Milliseconds; who has missed it asks again by id.
const ANSWERS_KEPT: u64 = 10 * 60 * 1000;
/// So long edits of configuration are not compacted: a day, in milliseconds.
const UNCOMPACTED: u64 = 24 * 60 * 60 * 1000;
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
            drop(self.probe.poll(PAUSE));
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
        if uses == Use::Config {
            // By then somebody has said again what counts, where the last record of an object did not.
            wanted.push(("min.compaction.lag.ms", UNCOMPACTED.to_string()));
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
        let until = Instant::now() + SETTLE;
        loop {
            let checked = self.check_once(&names);
            let settling = matches!(checked, Err(LogError::TopicMissing { .. }));
            if !settling || Instant::now() >= until {
                return checked;
            }
            drop(self.probe.poll(PAUSE));
        }
    }

    fn check_once(&self, names: &Names) -> Result<(), LogError> {
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
        self.check_configs(names, &metadata)
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
            // As a broker answers that has not heard of the topic.
            if config.entries.is_empty() {
                let topics = vec![topic.name.clone()];
                return Err(LogError::TopicMissing { topics });
            }
            let replicas = (metadata.topics().iter())
                .find(|found| found.name() == topic.name)
                .and_then(|found| found.partitions().first())
                .map_or(1, |partition| partition.replicas().len());
            let wrong = wrong_settings(topic.uses, replicas, &config);
            if !wrong.is_empty() {
                return Err(self.wrong_topic(topic, &wrong));
            }
        }
        Ok(())
    }

    fn wrong_topic(&self, topic: &Topic, wrong: &[Wrong]) -> LogError {
        let told = |wrong: &Wrong| {
            let found = wrong.found.as_deref().unwrap_or("not known");
            let least = if wrong.at_least { "at least " } else { "" };
            format!(
                "{} is {found}, and must be {least}{}",
                wrong.name, wrong.wanted
            )
        };
        let what: Vec<String> = wrong.iter().map(told).collect();
        let pairs: Vec<String> = wrong
            .iter()
            .map(|wrong| format!("{}={}", wrong.name, wrong.wanted))
            .collect();
        LogError::WrongTopic {
            topic: topic.name.clone(),
            what: what.join("; "),
            mend: format!(
                "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} --add-config {}",
                self.settings.brokers,
                topic.name,
                pairs.join(",")
            ),
        }
    }

    /// Deletes the records before the offsets that stand in the list.
    pub(super) fn delete_records(&self, before: &TopicPartitionList) -> Result<(), LogError> {
        let options = AdminOptions::new()
            .operation_timeout(Some(CONTACT))
            .request_timeout(Some(CONTACT));
        self.runtime
            .block_on(self.client.delete_records(before, &options))
            .map(drop)
            .map_err(|error| {
                // It is asked for again before long, and may have lost its brokers.
                name_brokers(self.client.inner(), &self.settings.brokers);
                self.failed("delete records", &error)
            })
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

/// A setting that would break a promise.
struct Wrong {
    name: &'static str,
    found: Option<String>,
    wanted: String,
    at_least: bool,
}

/// What is wrong with a topic. Times and sizes of what may be kept for less than for ever are the operator's own
/// affair.
fn wrong_settings(uses: Use, replicas: usize, config: &ConfigResource) -> Vec<Wrong> {
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
    let policy = match uses {
        Use::Config => "compact",
        _ => "delete",
    };
    let mut exactly = vec![
        ("cleanup.policy", policy),
        ("message.timestamp.type", "LogAppendTime"),
        ("unclean.leader.election.enable", "false"),
    ];
    if matches!(uses, Use::Changes | Use::Platform) {
        exactly.extend([("retention.ms", "-1"), ("retention.bytes", "-1")]);
    }
    let mut at_least = vec![("max.message.bytes", RECORD_BYTES)];
    if replicas >= REPLICAS {
        at_least.push(("min.insync.replicas", 2));
    }
    let exactly = exactly.into_iter().filter_map(|(name, wanted)| {
        let found = value(name);
        (found.as_deref() != Some(wanted)).then(|| Wrong {
            name,
            found,
            wanted: wanted.to_owned(),
            at_least: false,
        })
    });
    let at_least = at_least.into_iter().filter_map(|(name, least)| {
        let found = value(name);
        let number = found.as_deref().and_then(|text| text.parse::<usize>().ok());
        number.is_none_or(|number| number < least).then(|| Wrong {
            name,
            found,
            wanted: least.to_string(),
            at_least: true,
        })
    });
    exactly.chain(at_least).collect()
}
