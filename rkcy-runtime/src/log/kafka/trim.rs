//! Records that nobody needs any more.
//!
//! Owns what is deleted on the cluster, and when: changelogs and audits, up to the highest offset asked for,
//! of all streams together, by a thread of its own. Command logs are kept for their time and size, so that
//! one can look back.

use super::super::{LogError, StreamId};
use super::admin::Admin;
use super::names::Names;
use super::produce::spawn;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Deletions are gathered for so long: each is a request to the broker of each partition.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Wanted {
    /// What is to be deleted,
    asked: BTreeMap<StreamId, u64>,
    closed: bool,
}

struct Shared {
    wanted: Mutex<Wanted>,
    news: Condvar,
    /// Everything before these counts as gone, whether the cluster has got so far or not.
    marks: Mutex<BTreeMap<StreamId, u64>>,
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self) -> MutexGuard<'_, BTreeMap<StreamId, u64>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes in the background.
pub(super) struct Trimming {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Trimming {
    pub(super) fn start(admin: Admin, names: Arc<Names>) -> Result<Trimming, LogError> {
        let shared = Arc::new(Shared {
            wanted: Mutex::default(),
            news: Condvar::new(),
            marks: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let thread = spawn("kafka-trim", move || run(&own, &admin, &names))?;
        Ok(Trimming {
            shared,
            thread: Some(thread),
        })
    }

    /// Below this, records of the stream are gone.
    pub(super) fn mark(&self, stream: StreamId) -> u64 {
        self.shared.marks().get(&stream).copied().unwrap_or(0)
    }

    pub(super) fn trim(&self, stream: StreamId, before: u64) {
        let raise = |map: &mut BTreeMap<StreamId, u64>| {
            let mark = map.entry(stream).or_default();
            let higher = before > *mark;
            *mark = (*mark).max(before);
            higher
        };
        if raise(&mut self.shared.marks()) {
            raise(&mut self.shared.wanted().asked);
            self.shared.news.notify_one();
        }
    }
}

impl Drop for Trimming {
    fn drop(&mut self) {
        self.shared.wanted().closed = true;
        self.shared.news.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, admin: &Admin, names: &Names) {
    let mut wanted = shared.wanted();
    loop {
        if wanted.asked.is_empty() {
            if wanted.closed {
                return;
            }
            wanted = shared
                .news
                .wait(wanted)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        if !wanted.closed {
            wanted = shared
                .news
                .wait_timeout_while(wanted, PAUSE, |wanted| !wanted.closed)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let asked = std::mem::take(&mut wanted.asked);
        let closed = wanted.closed;
        drop(wanted);
        let mut list = TopicPartitionList::with_capacity(asked.len());
        for (stream, before) in &asked {
            let offset = Offset::Offset(i64::try_from(*before).unwrap_or(i64::MAX));
            if let Ok((topic, partition)) = names.place(*stream) {
                // It fails for what is no offset, and this is one.
                let _ = list.add_partition_offset(topic, partition, offset);
            }
        }
        // Space that is not freed now is freed by the next one, which is asked for before long; only at the
        // end nobody asks again.
        let done = admin.delete_records(&list);
        wanted = shared.wanted();
        if done.is_err() && !closed {
            for (stream, before) in asked {
                let mark = wanted.asked.entry(stream).or_default();
                *mark = (*mark).max(before);
            }
        }
    }
}
