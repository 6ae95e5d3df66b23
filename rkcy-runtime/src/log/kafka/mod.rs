//! The log on a Kafka cluster.
//!
//! Owns [`KafkaLog`], the platform's log where several processes share it; its parts, in reading order:
//!
//! ```text
//!            settings, names ──► admin: topics made and checked
//! append ─► produce (pace, headers) ─► brokers ─► fetch, follow ─► read, watch
//! done ◄── deliver ◄──────────────────────┘ ▲         group: who has which partition
//!                                trim ─────┘
//! ```
//!
//! What the topics are, what is guaranteed and what happens when something fails is told in `docs/kafka.md`.

mod admin;
mod deliver;
mod fetch;
mod follow;
mod group;
mod headers;
mod lifeline;
mod names;
mod pace;
mod produce;
mod settings;
mod trim;
mod trouble;

pub use admin::{Admin, Found};
pub use group::KafkaGroup;
pub use names::Platform;
pub use settings::{RECORD_BYTES, Sasl, Secret, Settings};

use super::{Done, Log, LogError, Persisted, Record, StreamId, StreamKind, Wake};
use bytes::Bytes;
use follow::Following;
use names::{Names, Use};
use produce::Producing;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use trim::Trimming;
use trouble::Trouble;

/// How long the first contact may take.
const CONTACT: Duration = Duration::from_secs(10);

/// A platform's log on a Kafka cluster. Dropping it waits some seconds for what is not acknowledged yet.
pub struct KafkaLog {
    producing: Producing,
    following: Following,
    trimming: Trimming,
    platform: Platform,
    settings: Settings,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog")
            .field("settings", &self.settings)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Opens the log of a platform whose topics are there: see [`Admin`].
    ///
    /// # Errors
    /// [`LogError::Settings`], [`LogError::Unreachable`], [`LogError::NoAccess`] where the cluster is not to be had;
    /// [`LogError::TopicMissing`], [`LogError::WrongTopic`] where the topics are not what the platform needs.
    pub fn open(settings: &Settings, platform: &Platform) -> Result<KafkaLog, LogError> {
        let admin = Admin::connect(settings)?;
        admin.check(platform)?;
        let names = Arc::new(Names::new(platform)?);
        let trouble = Trouble::default();
        let producing = Producing::start(settings, Arc::clone(&names), &trouble)?;
        if let Some(topic) = names.of_use(Use::Platform).next() {
            producing.warm(topic, CONTACT);
        }
        Ok(KafkaLog {
            producing,
            following: Following::start(settings, Arc::clone(&names), &trouble)?,
            trimming: Trimming::start(admin, names)?,
            platform: platform.clone(),
            settings: settings.clone(),
        })
    }
}

impl Log for KafkaLog {
    fn is_atomic(&self) -> bool {
        false
    }

    fn append(&self, batch: Vec<(StreamId, Bytes)>, done: Done) {
        self.producing.append(batch, done);
    }

    fn read(&self, stream: StreamId, from: u64, max_bytes: usize) -> Result<Vec<Record>, LogError> {
        if from < self.trimming.mark(stream) {
            return Err(LogError::OutOfRange {
                stream,
                asked: from,
                held: self.bounds(stream)?,
            });
        }
        self.following.read(stream, from, max_bytes)
    }

    fn bounds(&self, stream: StreamId) -> Result<Range<u64>, LogError> {
        let held = self.following.bounds(stream)?;
        Ok(held.start.max(self.trimming.mark(stream))..held.end)
    }

    fn watch(&self, streams: &[StreamId], wake: Wake) {
        self.following.watch(streams, &wake);
    }

    fn leave(&self, streams: &[StreamId]) {
        self.following.leave(streams);
    }

    fn answer_partitions(&self) -> u16 {
        self.platform.answers
    }

    /// What can be read is in the memory of all replicas that are in sync.
    fn persist(&self, done: Persisted) {
        done(Ok(()));
    }

    /// Command logs are kept for their time and size.
    fn trim(&self, stream: StreamId, before: u64) -> Result<(), LogError> {
        if stream.kind == StreamKind::Commands && !stream.partition.is_audit() {
            return Ok(());
        }
        if before > self.trimming.mark(stream) {
            let held = self.bounds(stream)?;
            if before > held.end {
                return Err(LogError::OutOfRange {
                    stream,
                    asked: before,
                    held,
                });
            }
            self.trimming.trim(stream, before);
        }
        Ok(())
    }
}
