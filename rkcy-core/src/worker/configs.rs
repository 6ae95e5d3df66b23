//! What a worker tells its partition of the configuration.

use super::Worker;
use crate::config::Topic;
use bytes::Bytes;

impl Worker {
    /// Frames to append to its own command log, in order: what the topic says and the partition does not know, each
    /// once by this worker. Another may have said the same: that does no harm. Nothing before it owns the partition.
    pub fn tell_configs(&mut self, topic: &Topic) -> Vec<Bytes> {
        if !self.owns() {
            return Vec::new();
        }
        let known = &self.partition.state().configs;
        let mut frames = Vec::new();
        // What this worker has told is on its way. What others have told may be lost, each object by itself.
        for news in topic.newer(self.told_configs) {
            self.told_configs = news.entry.version;
            if news.is_newer(known.get(&news.object)) {
                frames.push(news.frame());
            }
        }
        frames
    }

    /// Whether the partition knows all that the topic says.
    #[must_use]
    pub fn knows_configs(&self, topic: &Topic) -> bool {
        let known = &self.partition.state().configs;
        let mut objects = topic.objects();
        objects.all(|(object, kept)| {
            known
                .get(object)
                .is_some_and(|entry| entry.version >= kept.entry.version)
        })
    }
}
