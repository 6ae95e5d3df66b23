//! Clients that have lost every broker that they knew.
//!
//! A broker that has just begun may answer that there are topics, and no brokers. librdkafka forgets the brokers that
//! an answer does not name, so then it has nobody left to ask, and never connects to anybody again
//! (<https://github.com/confluentinc/librdkafka/issues/5301>, since 2.10). Owns the way back: from time to time it is
//! looked whether a client reaches a broker, and if not, the brokers of the settings are named to it once more.

use super::names::Names;
use super::settings::Settings;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use std::ffi::CString;
use std::time::{Duration, Instant};

/// Pause between two looks at a client that reaches a broker,
const LOOK: Duration = Duration::from_secs(2);
/// and the longest at one that reaches none: the client remembers each time that brokers were named.
const AWAY: Duration = Duration::from_secs(8);
/// A broker answers within this, or counts as away; who serves the client waits so long at most.
const ANSWER: Duration = Duration::from_millis(500);

/// Keeps one client connected; held by the thread that serves it.
#[derive(Clone, Debug)]
pub(super) struct Lifeline {
    brokers: String,
    /// A topic of the platform, to ask about.
    topic: String,
    next: Instant,
    pause: Duration,
}

impl Lifeline {
    pub(super) fn new(settings: &Settings, names: &Names) -> Lifeline {
        Lifeline {
            brokers: settings.brokers.clone(),
            topic: (names.topics.first()).map_or_else(String::new, |topic| topic.name.clone()),
            next: Instant::now() + LOOK,
            pause: LOOK,
        }
    }

    /// Looks whether the client reaches a broker, where it is time to. Takes [`ANSWER`] at most.
    pub(super) fn keep<C: ClientContext>(&mut self, client: &Client<C>) {
        if Instant::now() < self.next {
            return;
        }
        if client.fetch_metadata(Some(&self.topic), ANSWER).is_ok() {
            self.pause = LOOK;
        } else {
            name_brokers(client, &self.brokers);
            self.pause = (self.pause * 2).min(AWAY);
        }
        self.next = Instant::now() + self.pause;
    }
}

/// Names brokers, `HOST:PORT[,…]`, to a client once more. Those that it knows stay as they are.
#[expect(unsafe_code, reason = "rdkafka has no safe form of it")]
pub(super) fn name_brokers<C: ClientContext>(client: &Client<C>, brokers: &str) {
    // With a NUL it is the address of nobody.
    let Ok(brokers) = CString::new(brokers) else {
        return;
    };
    // SAFETY: `native_ptr` is the handle that `client` owns and destroys when it is dropped, so it is valid during
    // this call. `brokers` ends with a NUL and outlives the call, which copies it. The function takes librdkafka's
    // own locks, and may be called from any thread.
    unsafe {
        rdkafka::bindings::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr());
    }
}
