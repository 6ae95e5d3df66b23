//! What the clients of a cluster complain about.
//!
//! Owns the last complaint, and what errors of librdkafka mean as errors of the log. librdkafka tries again by
//! itself, so most complaints are no failure: who waits in vain gets the last one as the reason.

use super::super::LogError;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A complaint of so long ago explains nothing any more: the clients try again every second.
const STALE: Duration = Duration::from_secs(30);

/// The last complaint of the clients that share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Complaint>>>);

#[derive(Clone, Debug)]
struct Complaint {
    code: Option<RDKafkaErrorCode>,
    what: String,
    at: Instant,
}

impl Complaint {
    fn is_no_access(&self) -> bool {
        // A certificate that the broker does not like, or misses, comes after the handshake, as a connection
        // that fails: only the words tell.
        self.code.is_some_and(is_no_access) || self.what.contains("SSL alert")
    }
}

impl Trouble {
    pub(super) fn note(&self, error: &KafkaError, what: &str) {
        let code = error.rdkafka_error_code();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down is true and tells nothing beside why.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) && last.is_some() {
            return;
        }
        *last = Some(Complaint {
            code,
            what: what.to_owned(),
            at: Instant::now(),
        });
    }

    /// Forgets; what comes from here on is news.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn last(&self) -> Option<Complaint> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|last| last.at.elapsed() < STALE)
    }

    /// Whether trying again is in vain.
    pub(super) fn is_final(&self) -> bool {
        self.last().is_some_and(|last| last.is_no_access())
    }

    /// The error of a call to `brokers` that failed or timed out while it was `doing` something.
    pub(super) fn explain(&self, brokers: &str, doing: &str, error: &KafkaError) -> LogError {
        let own = error.rdkafka_error_code();
        let own_text = || own.map_or_else(|| error.to_string(), |code| code.to_string());
        let last = self.last();
        let brokers = brokers.to_owned();
        match (last, own) {
            (Some(last), _) if last.is_no_access() => LogError::NoAccess {
                brokers,
                what: last.what,
            },
            (_, Some(code)) if is_no_access(code) => LogError::NoAccess {
                brokers,
                what: own_text(),
            },
            (last, Some(code)) if is_away(code) => LogError::Unreachable {
                brokers,
                what: last.map_or_else(own_text, |last| last.what),
            },
            _ => LogError::Cluster {
                doing: doing.to_owned(),
                what: own_text(),
            },
        }
    }
}

/// Codes that say: not you, or not with those credentials.
pub(super) fn is_no_access(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}

/// Codes that say: nobody is there.
fn is_away(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::LeaderNotAvailable
    )
}

impl ClientContext for Trouble {
    /// What is logged comes as an error, too, with a code.
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Trouble {}
