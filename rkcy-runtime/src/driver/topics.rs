//! A platform on a Kafka cluster, before anybody runs it.
//!
//! Owns `platform create` and `platform show`: the topics, and the description that stands in one of them.

use super::describe::{begin, describe};
use super::faults::log_fault;
use super::options::Options;
use crate::codegen::{Platform, PlatformDesc};
use crate::log::kafka::{self, Admin, Found, KafkaLog};
use crate::log::{Log, LogChoice, StreamId};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;

/// What there is of a platform on a log that several processes share.
#[derive(Clone, Debug)]
pub struct Made {
    /// Names of the topics that were made just now.
    pub topics: Vec<String>,
    /// Partitions of every root concern.
    pub partitions: u16,
    /// Partitions of the response topic.
    pub answers: u16,
    /// Which log it is: drawn when the platform was made, and known to its database.
    pub log_id: String,
}

/// How far the streams of one partition go.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Which partition.
    pub partition: PartitionId,
    /// Offsets kept of its command log.
    pub commands: std::ops::Range<u64>,
    /// Offsets kept of its changelog.
    pub changes: std::ops::Range<u64>,
}

/// Makes what is missing of the platform's topics, and its description. Doing it again changes nothing.
///
/// # Errors
/// Where the cluster is not to be had, or its topics are not as the platform needs them.
pub fn create(platform: &Platform, options: &Options) -> Result<Made, Fault> {
    let settings = kafka_settings(options)?;
    let desc = platform.desc;
    let admin = Admin::connect(settings).map_err(log_fault)?;
    let mut topics = kafka_platform(desc, options);
    if let Found::Topics {
        partitions: Some(partitions),
        answers,
    } = admin.find(&topics).map_err(log_fault)?
    {
        topics.partitions = same(partitions, options)?;
        topics.answers = answers.unwrap_or(topics.answers);
    }
    let made = admin.create(&topics).map_err(log_fault)?;
    let log = KafkaLog::open(settings, &topics).map_err(log_fault)?;
    let options = Options {
        partitions: Some(topics.partitions),
        ..options.clone()
    };
    if log.bounds(StreamId::PLATFORM).map_err(log_fault)?.end == 0 {
        begin(&log, desc, &options)?;
    }
    let description = describe(&log, desc, &options)?;
    Ok(Made {
        topics: made,
        partitions: description.partitions,
        answers: topics.answers,
        log_id: description.log_id,
    })
}

/// What there is of the platform, and how far each of its partitions goes.
///
/// # Errors
/// Where the cluster is not to be had, or the platform is not there.
pub fn show(platform: &Platform, options: &Options) -> Result<(Made, Vec<Extent>), Fault> {
    let settings = kafka_settings(options)?;
    let desc = platform.desc;
    let topics = find_platform(settings, kafka_platform(desc, options), options)?;
    let log = KafkaLog::open(settings, &topics).map_err(log_fault)?;
    let description = describe(&log, desc, options)?;
    let mut extents = Vec::new();
    for partition in super::launch::all_partitions(desc, description.partitions) {
        let bounds = |stream| log.bounds(stream).map_err(log_fault);
        extents.push(Extent {
            partition,
            commands: bounds(StreamId::commands(partition))?,
            changes: bounds(StreamId::changes(partition))?,
        });
    }
    let made = Made {
        topics: Vec::new(),
        partitions: description.partitions,
        answers: topics.answers,
        log_id: description.log_id,
    };
    Ok((made, extents))
}

/// How the platform's topics are named, as far as that is known before one has looked.
pub(super) fn kafka_platform(desc: &PlatformDesc, options: &Options) -> kafka::Platform {
    let answers = match &options.log {
        LogChoice::Kafka(settings) => settings.answers,
        LogChoice::Embedded(_) => 1,
    };
    kafka::Platform {
        name: desc.name.to_owned(),
        env: options.env.clone(),
        generation: 1,
        concerns: (desc.roots())
            // The name of one that is hidden is for people: `Device(tenant, serial)`.
            .map(|root| match root.hidden {
                true => (root.id, root.table.name.to_owned()),
                false => (root.id, root.name.to_owned()),
            })
            .collect(),
        partitions: options.partitions.unwrap_or(desc.partitions).max(1),
        answers,
    }
}

/// The same with the numbers of partitions that the cluster has.
///
/// # Errors
/// Where the cluster is not to be had, or has no such platform.
pub(super) fn find_platform(
    settings: &kafka::Settings,
    topics: kafka::Platform,
    options: &Options,
) -> Result<kafka::Platform, Fault> {
    let admin = Admin::connect(settings).map_err(log_fault)?;
    match admin.find(&topics).map_err(log_fault)? {
        Found::Nothing => {
            let message = format!(
                "{} has no platform `{}` in the environment `{}`: make it by `{} platform create`",
                options.log, topics.name, topics.env, topics.name
            );
            Err(Fault::new(Class::Unavailable, "no_platform", message))
        }
        Found::Topics {
            partitions,
            answers,
        } => Ok(kafka::Platform {
            partitions: same(partitions.unwrap_or(topics.partitions), options)?,
            answers: answers.unwrap_or(topics.answers),
            ..topics
        }),
    }
}

/// The number of partitions, where nobody asks for another.
fn same(found: u16, options: &Options) -> Result<u16, Fault> {
    match options.partitions.filter(|asked| *asked != found) {
        None => Ok(found),
        Some(asked) => {
            let message = format!(
                "{}: its concerns have {found} partitions, not {asked}; changing that is not supported yet",
                options.log
            );
            Err(Fault::new(Class::Unavailable, "foreign_log", message))
        }
    }
}

fn kafka_settings(options: &Options) -> Result<&kafka::Settings, Fault> {
    match &options.log {
        LogChoice::Kafka(settings) => Ok(settings),
        LogChoice::Embedded(_) => {
            let message = "the embedded log needs no making: `run` begins it";
            Err(Fault::new(Class::Invalid, "wrong_log", message))
        }
    }
}
