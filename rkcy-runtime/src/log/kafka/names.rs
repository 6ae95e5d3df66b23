//! Which topic holds which stream.
//!
//! Owns the names of a platform's topics (the table in `docs/kafka.md`) and the way from a stream to its
//! topic and partition.

use super::super::{LogError, StreamId, StreamKind};
use rkcy_core::id::{ConcernId, PartitionId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the names of a platform's topics are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Its name in the schema.
    pub name: String,
    /// The environment.
    pub env: String,
    /// Counts changes of the number of partitions, from 1.
    pub generation: u32,
    /// Root concerns and their names in the schema.
    pub concerns: Vec<(ConcernId, String)>,
    /// Partitions of each root concern.
    pub partitions: u16,
    /// Partitions of the response topic.
    pub answers: u16,
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Command log of a root concern.
    Commands,
    /// Its changelog.
    Changes,
    /// How its transactions ended.
    Complete,
    /// What describes the platform.
    Platform,
    /// Configuration by operators.
    Config,
    /// Answers to submitters.
    Response,
}

/// One topic of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) uses: Use,
    pub(super) partitions: u16,
}

/// All topics of a platform, and which stream is where.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) prefix: String,
    pub(super) topics: Vec<Topic>,
    of: BTreeMap<(StreamKind, ConcernId), Arc<str>>,
    concerns: BTreeMap<String, ConcernId>,
}

/// Most bytes of the name of a topic.
const NAME_BYTES: usize = 249;

impl Names {
    /// # Errors
    /// [`LogError::Settings`] where a name is longer than Kafka takes.
    pub(super) fn new(platform: &Platform) -> Result<Names, LogError> {
        let prefix = format!("rkcy.{}.{}", platform.name, platform.env);
        let mut names = Names {
            prefix: prefix.clone(),
            topics: Vec::new(),
            of: BTreeMap::new(),
            concerns: BTreeMap::new(),
        };
        let uses = [
            ("process", Use::Commands, StreamKind::Commands),
            ("storage", Use::Changes, StreamKind::Changes),
            ("complete", Use::Complete, StreamKind::Commands),
        ];
        for (id, concern) in &platform.concerns {
            for (word, use_, kind) in uses {
                let name = format!("{prefix}.{concern}.{word}.{}", platform.generation);
                let first = PartitionId {
                    concern: *id,
                    index: 0,
                };
                let of = if use_ == Use::Complete {
                    first.audit().concern
                } else {
                    *id
                };
                if use_ != Use::Complete {
                    names.concerns.insert(name.clone(), *id);
                }
                names.of.insert((kind, of), name.as_str().into());
                names.topics.push(Topic {
                    name,
                    uses: use_,
                    partitions: platform.partitions,
                });
            }
        }
        let platform_stream = StreamId::PLATFORM;
        let answers = StreamId::answers(0);
        let single = [
            ("platform", Use::Platform, platform_stream, 1),
            ("config", Use::Config, StreamId::CONFIG, 1),
            ("response", Use::Response, answers, platform.answers),
        ];
        for (word, use_, stream, partitions) in single {
            let name = format!("{prefix}.{word}");
            let key = (stream.kind, stream.partition.concern);
            names.of.insert(key, name.as_str().into());
            names.topics.push(Topic {
                name,
                uses: use_,
                partitions,
            });
        }
        match names
            .topics
            .iter()
            .find(|topic| topic.name.len() > NAME_BYTES)
        {
            None => Ok(names),
            Some(topic) => Err(LogError::Settings {
                what: format!(
                    "`{}` is no name of a topic: Kafka takes {NAME_BYTES} characters; shorten the name of the environment",
                    topic.name
                ),
            }),
        }
    }

    /// Topic and partition of a stream.
    ///
    /// # Errors
    /// [`LogError::NoTopic`] where it is of no concern of the platform.
    pub(super) fn place(&self, stream: StreamId) -> Result<(&Arc<str>, i32), LogError> {
        let index = if stream == StreamId::PLATFORM {
            0
        } else {
            stream.partition.index
        };
        match self.of.get(&(stream.kind, stream.partition.concern)) {
            Some(topic) => Ok((topic, i32::from(index))),
            None => Err(LogError::NoTopic { stream }),
        }
    }

    /// The partition that a member of a group owns by having this one.
    pub(super) fn owned(&self, topic: &str, index: i32) -> Option<PartitionId> {
        Some(PartitionId {
            concern: *self.concerns.get(topic)?,
            index: u16::try_from(index).ok()?,
        })
    }

    /// Names of the topics that are for something.
    pub(super) fn of_use(&self, uses: Use) -> impl Iterator<Item = &str> {
        (self.topics.iter())
            .filter(move |topic| topic.uses == uses)
            .map(|topic| topic.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform() -> Platform {
        Platform {
            name: "rpg".to_owned(),
            env: "dev".to_owned(),
            generation: 1,
            concerns: vec![(ConcernId(3), "player".to_owned())],
            partitions: 4,
            answers: 2,
        }
    }

    #[test]
    fn every_stream_has_its_topic() {
        let names = Names::new(&platform()).unwrap();
        let partition = PartitionId {
            concern: ConcernId(3),
            index: 2,
        };
        let place = |stream| {
            let (topic, index) = names.place(stream).unwrap();
            format!("{topic} {index}")
        };
        assert_eq!(
            place(StreamId::commands(partition)),
            "rkcy.rpg.dev.player.process.1 2"
        );
        assert_eq!(
            place(StreamId::changes(partition)),
            "rkcy.rpg.dev.player.storage.1 2"
        );
        assert_eq!(
            place(StreamId::commands(partition.audit())),
            "rkcy.rpg.dev.player.complete.1 2"
        );
        assert_eq!(place(StreamId::PLATFORM), "rkcy.rpg.dev.platform 0");
        assert_eq!(place(StreamId::answers(1)), "rkcy.rpg.dev.response 1");
        assert_eq!(place(StreamId::CONFIG), "rkcy.rpg.dev.config 0");
        let owned = names.owned("rkcy.rpg.dev.player.storage.1", 2);
        assert_eq!(owned, Some(partition));
        assert_eq!(names.owned("rkcy.rpg.dev.response", 0), None);
        let other = PartitionId {
            concern: ConcernId(4),
            index: 0,
        };
        assert!(matches!(
            names.place(StreamId::commands(other)),
            Err(LogError::NoTopic { .. })
        ));
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        let platform = Platform {
            env: "e".repeat(240),
            ..platform()
        };
        assert!(matches!(
            Names::new(&platform),
            Err(LogError::Settings { .. })
        ));
    }
}
